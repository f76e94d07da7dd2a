"""What a run of the demo has of the extras: told in sentences where something is missing, and off where nobody asks."""

from __future__ import annotations

from pathlib import Path

import pytest

from devstack import Stack, extras, java, postgres, postgres_node, services, stack
from devstack.cancellation import Cancellation
from devstack.install import Installer
from devstack.process import Folders, ProcessSpec
from devstack.report import SilentReporter
from veilocity.errors import DependencyError
from veilocity.settings import Settings, load

EVERY = extras.Chosen(("postgres", "cassandra", "apicurio"), ("sinks-postgres", "feeds-postgres", "sinks-cassandra", "feeds-avro"))


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that has everything."""
    javas = [java.Java(Path("/usr/lib/jvm/java-21"), 21), java.Java(Path("/usr/lib/jvm/java-17"), 17)]
    monkeypatch.setattr(java, "installed", lambda _environment: javas)
    monkeypatch.setattr(postgres, "find", lambda _settings: Path("/usr/lib/postgresql/15/bin"))
    monkeypatch.setattr(extras, "find_spec", lambda _library: object())


def chosen(settings: Settings) -> tuple[extras.Chosen, list[str]]:
    told: list[str] = []
    return extras.chosen(settings, told.append), told


def test_with_everything_there_all_of_them_run() -> None:
    assert chosen(load({})) == (EVERY, [])


@pytest.mark.parametrize(
    ("library", "name", "server", "left"),
    [
        ("psycopg", "postgres", "postgres", ("sinks-cassandra", "feeds-avro")),
        ("cassandra", "cassandra", "cassandra", ("sinks-postgres", "feeds-postgres", "feeds-avro")),
        ("fastavro", "avro", "apicurio", ("sinks-postgres", "feeds-postgres", "sinks-cassandra")),
    ],
)
def test_a_missing_library_leaves_its_extra_out_and_says_what_to_install(
    library: str, name: str, server: str, left: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extras, "find_spec", lambda asked: None if asked == library else object())
    found, told = chosen(load({}))
    assert server not in found.servers
    assert found.services == left
    assert told == [
        f"The extra {name} is left out: its library is not installed: run `make demo-extras`, or `pip install 'veilocity[{name}]'`"
    ]


def test_a_missing_program_leaves_its_extra_out_and_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres, "find", lambda _settings: None)
    monkeypatch.setattr(java, "installed", lambda _environment: [java.Java(Path("/usr/lib/jvm/java-21"), 21)])
    found, told = chosen(load({}))
    assert found == extras.Chosen(("apicurio",), ("feeds-avro",))
    assert "no PostgreSQL was found: run `devstack/bootstrap.sh postgres`" in told[0]
    assert "Cassandra needs Java 17" in told[1]


def test_somebodys_own_server_is_used_and_none_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres, "find", lambda _settings: None)
    own = {
        "VEILOCITY_POSTGRES_DSN": "postgresql://db/bank",
        "VEILOCITY_CASSANDRA_HOSTS": "db1",
        "VEILOCITY_REGISTRY_URL": "http://registry",
    }
    found, told = chosen(load(own))
    assert found == extras.Chosen((), ("sinks-postgres", "sinks-cassandra", "feeds-avro"))
    assert told == ["The feed from PostgreSQL is left out, as its server is yours: `veilocity feeds postgres --table TABLE` starts it"]


def test_the_table_of_somebodys_own_bank_is_not_touched() -> None:
    found, told = chosen(load({"VEILOCITY_FEED_POSTGRES_DSN": "postgresql://db/bank"}))
    assert "postgres" in found.servers
    assert "feeds-postgres" not in found.services
    assert len(told) == 1


def test_a_server_comes_back_where_its_service_runs_and_stays_away_where_a_test_kills_it() -> None:
    spec = ProcessSpec("cassandra", ("cassandra",), lambda: True)
    assert extras.lasting(spec, EVERY.services).restarts
    assert not extras.lasting(spec, ("feeds-avro",)).restarts
    assert not extras.lasting(ProcessSpec("kafka", ("kafka",), lambda: True), EVERY.services).restarts


def test_every_server_and_service_can_be_made_and_has_a_port(tmp_path: Path) -> None:
    settings = load({}, state_dir=tmp_path)
    for name in EVERY.servers:
        assert name in stack._MAKERS
        assert name in stack._ADDRESS_SETTINGS
    for name in EVERY.services:
        spec = services.service(name, settings, {})
        assert spec.argv[-2:] == tuple(name.split("-"))
        assert spec.restarts
        assert services.address(name, settings).startswith("http://127.0.0.1:91")


def test_the_bank_keeps_the_time_of_the_city_only_where_there_is_one() -> None:
    assert extras.bank(load({}), {}, with_city=True).argv[-2:] == ("ingest.cdc.bank", "--city")
    assert extras.bank(load({}), {}, with_city=False).argv[-1] == "ingest.cdc.bank"


def test_the_password_of_postgres_is_in_a_closed_file_and_in_no_list_of_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_node, "find", lambda _settings: Path("/usr/lib/postgresql/15/bin"))
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    settings = postgres_node.point_at(load({}, state_dir=tmp_path), 5555)
    file = postgres_node.password_file(settings)
    password = file.read_text(encoding="ascii")
    assert file.stat().st_mode & 0o077 == 0
    assert settings.postgres_dsn.get_secret_value() == f"postgresql://veilocity:{password}@127.0.0.1:5555/postgres"
    assert settings.feed_postgres_dsn == settings.postgres_dsn
    assert password not in extras.way_into_postgres(settings)
    installer = Installer(settings, SilentReporter(), Cancellation())
    spec = postgres_node.postgres(settings, Folders(tmp_path), {"postgres": 5555}, {"PGHOST": "elsewhere", "PATH": "/bin"}, installer)
    assert not any(password in word for word in spec.argv)
    assert "port=5555" in spec.argv
    assert "PGHOST" not in spec.environment
    assert not spec.ready()


def test_without_a_program_postgres_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_node, "find", lambda _settings: None)
    settings = load({}, state_dir=tmp_path)
    installer = Installer(settings, SilentReporter(), Cancellation())
    with pytest.raises(DependencyError, match=r"devstack/bootstrap\.sh postgres"):
        postgres_node.postgres(settings, Folders(tmp_path), {"postgres": 1}, {}, installer)


def test_a_plain_run_has_none_of_them(tmp_path: Path) -> None:
    assert not set(services.configured(load({}))) & set(EVERY.services)
    with Stack(load({}, state_dir=tmp_path), servers=(), services=()) as started:
        assert started.settings.postgres_dsn.get_secret_value() == ""
