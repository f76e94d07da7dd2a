"""What a started process finds: settings that read back as they were, ports, the cache folder."""

from __future__ import annotations

import json
import socket
import stat
from pathlib import Path

import pytest
from pydantic import SecretStr

from devstack import demo_reports, environment, launcher, ports, services
from devstack.install import cache_folder
from devstack.servers import point_at
from ingest.simulator import CityPlan
from veilocity.errors import PortTakenError
from veilocity.settings import load


def test_variables_read_back_as_the_same_settings(tmp_path: Path) -> None:
    settings = load({}, state_dir=tmp_path, mongodb_uri=SecretStr("mongodb://u:p@h/"), dashboard_stale_s=12.5, cache_dir=tmp_path / "c")
    assert load(environment.variables(settings)) == settings


def test_what_the_doctor_reads_is_for_its_owner_alone(tmp_path: Path) -> None:
    file = tmp_path / "environment.json"
    file.write_text("old")
    environment.write_for_doctor(file, load({}, privacy_k=9))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert load(json.loads(file.read_text())).privacy_k == 9


def test_no_setting_of_the_caller_contradicts_the_ones_in_force() -> None:
    kept = environment.base({"PATH": "/bin", "VEILOCITY_PRIVACY_K": "2", "VEILOCITY_SETTINGS_FILE": "x", "NO_PROXY": "corp"})
    assert kept == {"PATH": "/bin", "NO_PROXY": "corp,127.0.0.1,localhost", "no_proxy": "127.0.0.1,localhost"}


def test_only_servers_that_are_started_are_pointed_at() -> None:
    settings = point_at(load({}, kafka_bootstrap="elsewhere:9092", privacy_k=9), {"mongodb": 27018})
    assert settings.kafka_bootstrap == "elsewhere:9092"
    assert settings.privacy_k == 9
    assert settings.mongodb_uri.get_secret_value().startswith("mongodb://127.0.0.1:27018/")
    assert "journal=true" in settings.mongodb_uri.get_secret_value()


def test_a_taken_port_is_seen_and_the_next_one_found() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert not ports.is_free(port)
        assert ports.next_free(port, "127.0.0.1") > port
    assert ports.is_free(port)


def test_an_address_that_is_not_ours_is_told() -> None:
    with pytest.raises(PortTakenError, match="is that an address of this machine"):
        ports.next_free(8050, "203.0.113.1")


def test_ports_are_remembered_and_a_damaged_file_is_nothing(tmp_path: Path) -> None:
    file = tmp_path / "run" / "ports.json"
    assert ports.recall(file) == {}
    ports.remember(file, {"kafka": 1234})
    assert ports.recall(file) == {"kafka": 1234}
    for damage in ("", "[]", "null", '{"kafka": "x"}', '{"kafka": null}'):
        file.write_text(damage)
        assert ports.recall(file) == {}


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"XDG_CACHE_HOME": "/x", "HOME": "/home/jo"}, "/x/veilocity"),
        ({"HOME": "/home/jo"}, "/home/jo/.cache/veilocity"),
        ({}, "/state/cache"),
    ],
)
def test_the_cache_folder_follows_the_user(variables: dict[str, str], expected: str) -> None:
    assert cache_folder(load({}, state_dir=Path("/state")), variables) == Path(expected)


def test_a_service_that_listens_everywhere_is_reached_on_loopback() -> None:
    assert services.address("ingest", load({}, ingest_host="0.0.0.0", ingest_port=8088)) == "http://127.0.0.1:8088"  # noqa: S104  # not bound
    assert services.address("dashboard", load({}, dashboard_host="::1", dashboard_port=8050)) == "http://[::1]:8050"


def test_the_demo_has_reports_as_wide_as_its_city_is_fast_unless_somebody_chose(tmp_path: Path) -> None:
    city = CityPlan.lively(people=3)
    demo = demo_reports.chosen(load({}, state_dir=tmp_path), city, 60.0)
    assert (demo.reports, demo.reports_stretch, services.configured(demo)[-1]) == ("on", 120, "reports")
    assert (demo.reports_delay_s, demo.reports_join_s, demo.reports_cell_resolution) == (10, 10, 3)
    assert demo_reports.chosen(load({}, state_dir=tmp_path), city, 0.2).reports_stretch == 1
    chosen = demo_reports.chosen(load({}, state_dir=tmp_path, reports="off", reports_stretch=5), city, 60.0)
    assert (chosen.reports, chosen.reports_stretch) == ("off", 5)
    assert "reports" not in services.configured(chosen)


def test_the_demo_has_segments_of_some_hours_unless_somebody_chose() -> None:
    demo = launcher._with_segments(load({}))
    assert (demo.segments, demo.segments_window_hours, services.configured(demo)[-1]) == ("on", 4, "segments")
    chosen = launcher._with_segments(load({}, segments="off", segments_window_hours=168))
    assert (chosen.segments, chosen.segments_window_hours) == ("off", 168)
    assert "segments" not in services.configured(chosen)


def test_the_demo_brings_the_registers_of_its_city_unless_somebody_has_others(tmp_path: Path) -> None:
    demo = demo_reports.chosen(load({}, state_dir=tmp_path, reports_merchants_file="mine.csv"), CityPlan.lively(people=3), 60.0)
    assert len(Path(demo.reports_customers_file).read_text(encoding="utf-8").splitlines()) == 4
    assert demo.reports_merchants_file == "mine.csv"


def test_without_a_city_the_reports_are_on_and_nothing_is_written(tmp_path: Path) -> None:
    live = demo_reports.chosen(load({}, state_dir=tmp_path), None, 60.0)
    assert (live.reports, live.reports_stretch, live.reports_customers_file) == ("on", 1, "")
    assert list(tmp_path.iterdir()) == []
