"""docker-compose.yml and Dockerfile held to the code: no container engine is needed."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import sys
import tomllib
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from typer.core import TyperGroup

from devstack import artifacts, launcher, mosquitto
from storage.notifications.file import notifications_of
from storage.notifications.receivers import Sources
from veilocity import settings as kernel_settings
from veilocity.cli import app, compose_secrets
from veilocity.settings import PREFIX, SECRETS, Settings
from veilocity.spark import LOG_SETTINGS

ROOT = Path(__file__).resolve().parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
OURS = {name: service for name, service in SERVICES.items() if service["image"].startswith("veilocity:")}
DEFAULTS = kernel_settings.load({})


def environment_of(name: str) -> dict[str, str]:
    """Return the settings that a service of ours finds in its environment, the image's own included."""
    given = {variable: value for variable, value in SERVICES[name].get("environment", {}).items() if variable.startswith(PREFIX)}
    return {"VEILOCITY_STATE_DIR": "/var/lib/veilocity", **given}


def settings_of(name: str, folder: Path) -> Settings:
    """Load what the service would load, its secret files made by our own command."""
    compose_secrets.write(folder)
    return kernel_settings.load(
        {variable: value.replace("/run/secrets", str(folder)) for variable, value in environment_of(name).items()},
    )


def test_the_file_keeps_to_the_compose_schema() -> None:
    checker = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(ROOT / "docker-compose.yml")]
    result = subprocess.run(checker, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_system_is_whole() -> None:
    services = {"ingest", "rules", "privacy", "dashboard", "notify", "mqtt", "reports", "segments", "simulator"}
    extras = {"sink-cassandra", "feed-avro"}
    ours = services | extras | {"topics-init", "spark-master", "spark-worker", "kibana-objects"}
    assert set(OURS) == ours
    servers = {"kafka", "mongodb", "elasticsearch", "mosquitto", "cassandra", "apicurio", "kibana-user", "kibana", "prometheus", "grafana"}
    assert set(SERVICES) == ours | servers
    assert SERVICES["simulator"]["profiles"] == ["demo"]
    assert SERVICES["notify"]["profiles"] == ["notify"]
    assert SERVICES["mosquitto"]["profiles"] == SERVICES["mqtt"]["profiles"] == ["mqtt"]
    assert SERVICES["cassandra"]["profiles"] == SERVICES["sink-cassandra"]["profiles"] == ["cassandra"]
    assert SERVICES["apicurio"]["profiles"] == SERVICES["feed-avro"]["profiles"] == ["avro"]


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_watched_limited_and_confined(name: str) -> None:
    service = SERVICES[name]
    assert service["healthcheck"]["test"][0] in ("CMD", "CMD-SHELL")
    assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory", "pids"}
    user = service["user"].split(":")[0]
    assert user.isdigit()
    assert int(user) > 0
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not service.get("privileged")


@pytest.mark.parametrize("name", SERVICES)
def test_what_can_be_read_only_is(name: str) -> None:
    writes_into_its_image = {"kafka", "elasticsearch", "kibana", "cassandra"}
    assert SERVICES[name].get("read_only", False) is (name not in writes_into_its_image)


@pytest.mark.parametrize("name", SERVICES)
def test_ports_are_published_on_loopback_alone(name: str) -> None:
    for port in SERVICES[name].get("ports", []):
        assert re.fullmatch(r"127\.0\.0\.1:(\d+):\1", port), port
    assert "network_mode" not in SERVICES[name]


@pytest.mark.parametrize(
    "image", sorted({service["image"] for service in SERVICES.values()} | set(re.findall(r"^FROM (\S+)", DOCKERFILE, re.M)))
)
def test_images_are_pinned(image: str) -> None:
    if image != "scratch":
        assert re.search(r":v?\d+\.\d+", image), image


def test_our_image_carries_our_version() -> None:
    assert {service["image"] for service in OURS.values()} == {f"veilocity:{PROJECT['project']['version']}"}


def test_the_servers_are_the_versions_that_the_tests_run_on() -> None:
    def version(lock: str, artifact: str) -> str:
        return next(item.version for item in artifacts.read_lock(lock) if item.name == artifact)

    assert SERVICES["kafka"]["image"] == f"apache/kafka:{version(artifacts.KAFKA, 'kafka_2.13')}"
    elasticsearch = version(artifacts.ELASTICSEARCH, "elasticsearch")
    assert SERVICES["elasticsearch"]["image"].endswith(f":{elasticsearch}")
    assert SERVICES["kibana"]["image"].endswith(f":{elasticsearch}")
    assert SERVICES["cassandra"]["image"] == f"cassandra:{version(artifacts.CASSANDRA, 'cassandra-all')}"
    assert SERVICES["apicurio"]["image"] == f"apicurio/apicurio-registry:{version(artifacts.APICURIO, 'apicurio-registry-app')}"


@pytest.mark.parametrize("name", OURS)
def test_every_variable_is_a_setting_and_its_value_is_allowed(name: str, tmp_path: Path) -> None:
    for variable in environment_of(name):
        setting = variable.removeprefix(PREFIX).lower()
        assert setting in Settings.model_fields or setting.removesuffix("_file") in SECRETS, variable
    settings_of(name, tmp_path)


def test_no_secret_is_in_the_file() -> None:
    text = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    for secret in SECRETS:
        assert f"{PREFIX}{secret.upper()}:" not in text
    assert not re.search(r"PASSWORD: [^/]", text)


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_sees_the_secrets_it_names_and_no_others(name: str) -> None:
    service = SERVICES[name]
    named = set(re.findall(r"/run/secrets/(\w+)", json.dumps(service)))
    if name == "spark-worker":
        named.add("token_key")  # named by the path that the driver sends
    if name == "mosquitto":
        named.add("mqtt_passwords")  # named by its configuration
    if name == "grafana":
        named.add("elasticsearch_password")  # named by the data source
    if name == "notify":
        named |= set(re.findall(r"^ +\w+_file: /run/secrets/(\w+)", (ROOT / "deploy/notifications.yaml").read_text(encoding="utf-8"), re.M))
    assert set(service.get("secrets", [])) == named


def test_the_secret_files_are_those_that_our_command_makes() -> None:
    assert COMPOSE["secrets"] == {name: {"file": f"./secrets/{name}"} for name in sorted(compose_secrets.FILES)}
    ignored = (ROOT / ".gitignore").read_text(encoding="utf-8").split()
    assert "/secrets/" in ignored


@pytest.mark.parametrize(
    ("name", "host", "port"),
    [
        ("ingest", "ingest_host", "ingest_port"),
        ("rules", "metrics_host", "rules_metrics_port"),
        ("privacy", "metrics_host", "privacy_metrics_port"),
        ("dashboard", "dashboard_host", "dashboard_port"),
    ],
)
def test_a_service_is_asked_where_it_listens(name: str, host: str, port: str, tmp_path: Path) -> None:
    loaded = settings_of(name, tmp_path)
    assert getattr(loaded, host) == "0.0.0.0"  # noqa: S104  # inside its container; published on loopback
    assert getattr(loaded, port) == getattr(DEFAULTS, port)
    assert f"127.0.0.1:{getattr(loaded, port)}/" in SERVICES[name]["healthcheck"]["test"][-1]
    for published in SERVICES[name].get("ports", []):
        assert published.endswith(f":{getattr(loaded, port)}")
    targets = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text(encoding="utf-8"))["scrape_configs"][0]["static_configs"]
    assert {"targets": [f"{name}:{getattr(loaded, port)}"], "labels": {"service": name}} in targets


def test_the_notifier_is_asked_where_it_listens(tmp_path: Path) -> None:
    loaded = settings_of("notify", tmp_path)
    assert loaded.metrics_host == "0.0.0.0"  # noqa: S104  # inside its container; not published
    assert loaded.notifications_metrics_port == DEFAULTS.notifications_metrics_port
    assert f"127.0.0.1:{loaded.notifications_metrics_port}/" in SERVICES["notify"]["healthcheck"]["test"][-1]
    jobs = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text(encoding="utf-8"))["scrape_configs"]
    (found,) = [job["dns_sd_configs"] for job in jobs if job["job_name"] == "veilocity-notify"]
    assert found == [{"names": ["notify"], "type": "A", "port": loaded.notifications_metrics_port}]


def test_the_bridge_and_its_broker_fit_together(tmp_path: Path) -> None:
    loaded = settings_of("mqtt", tmp_path)
    assert (loaded.mqtt_host, loaded.mqtt_port, loaded.mqtt_username) == ("mosquitto", 1883, mosquitto.BRIDGE)
    users = dict(line.split(":", 1) for line in (tmp_path / "mqtt_passwords").read_text(encoding="ascii").splitlines())
    assert set(users) == {mosquitto.BRIDGE, mosquitto.PHONES}
    salt = base64.b64decode(users[mosquitto.BRIDGE].split("$")[3])
    password = loaded.mqtt_password.get_secret_value()
    assert mosquitto.password_line(mosquitto.BRIDGE, password, salt) == f"{mosquitto.BRIDGE}:{users[mosquitto.BRIDGE]}"
    lines = set((ROOT / "deploy/mosquitto/mosquitto.conf").read_text(encoding="utf-8").splitlines())
    ours = mosquitto.configuration(1883, Path("/run/secrets/mqtt_passwords"), Path("/etc/veilocity/access"), Path("/mosquitto/data"))
    assert {line for line in ours.splitlines() if not line.startswith("listener")} < lines
    assert re.findall(r"^user (\w+)$", (ROOT / "deploy/mosquitto/access").read_text(encoding="utf-8"), re.M) == [
        mosquitto.BRIDGE,
        mosquitto.PHONES,
    ]
    assert loaded.mqtt_metrics_port == DEFAULTS.mqtt_metrics_port
    assert f"127.0.0.1:{loaded.mqtt_metrics_port}/" in SERVICES["mqtt"]["healthcheck"]["test"][-1]
    jobs = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text(encoding="utf-8"))["scrape_configs"]
    (found,) = [job["dns_sd_configs"] for job in jobs if job["job_name"] == "veilocity-mqtt"]
    assert found == [{"names": ["mqtt"], "type": "A", "port": loaded.mqtt_metrics_port}]


@pytest.mark.parametrize(
    ("name", "port", "server", "address"),
    [
        ("sink-cassandra", "cassandra_metrics_port", "cassandra", "cassandra"),
        ("feed-avro", "avro_metrics_port", "apicurio", "http://apicurio:8080/apis/ccompat/v7"),
    ],
)
def test_an_extra_is_asked_where_it_listens_and_finds_its_server(name: str, port: str, server: str, address: str, tmp_path: Path) -> None:
    loaded = settings_of(name, tmp_path)
    assert loaded.metrics_host == "0.0.0.0"  # noqa: S104  # inside its container; not published
    assert f"127.0.0.1:{getattr(loaded, port)}/" in SERVICES[name]["healthcheck"]["test"][-1]
    assert SERVICES[name]["depends_on"][server] == {"condition": "service_healthy"}
    assert address in (loaded.cassandra_hosts, loaded.registry_url)
    jobs = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text(encoding="utf-8"))["scrape_configs"]
    (found,) = [job["dns_sd_configs"] for job in jobs if job["job_name"] == f"veilocity-{name}"]
    assert found == [{"names": [name], "type": "A", "port": getattr(loaded, port)}]


def test_the_reports_run_where_their_profile_is_on(tmp_path: Path) -> None:
    loaded = settings_of("reports", tmp_path)
    assert SERVICES["reports"]["profiles"] == ["reports"]
    assert loaded.reports_dir == Path("/var/lib/veilocity/data/reports")
    assert f"127.0.0.1:{loaded.reports_metrics_port}/" in SERVICES["reports"]["healthcheck"]["test"][-1]
    jobs = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text(encoding="utf-8"))["scrape_configs"]
    (found,) = [job["dns_sd_configs"] for job in jobs if job["job_name"] == "veilocity-reports"]
    assert found == [{"names": ["reports"], "type": "A", "port": loaded.reports_metrics_port}]


def test_the_segments_run_where_their_profile_is_on(tmp_path: Path) -> None:
    loaded = settings_of("segments", tmp_path)
    assert SERVICES["segments"]["profiles"] == ["segments"]
    assert SERVICES["segments"]["volumes"] == ["segments-state:/var/lib/veilocity"]
    assert loaded.spark_master.startswith("local")
    demo = launcher._with_segments(DEFAULTS)
    assert (loaded.segments_window_hours, loaded.segments_fewest_payments) == (demo.segments_window_hours, demo.segments_fewest_payments)
    assert f"127.0.0.1:{loaded.segments_metrics_port}/" in SERVICES["segments"]["healthcheck"]["test"][-1]
    jobs = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text(encoding="utf-8"))["scrape_configs"]
    (found,) = [job["dns_sd_configs"] for job in jobs if job["job_name"] == "veilocity-segments"]
    assert found == [{"names": ["segments"], "type": "A", "port": loaded.segments_metrics_port}]


def test_the_notifications_file_is_in_order(tmp_path: Path) -> None:
    compose_secrets.write(tmp_path)
    text = (ROOT / "deploy/notifications.yaml").read_text(encoding="utf-8")
    found = notifications_of(text.replace("/run/secrets", str(tmp_path)), "notifications.yaml", Sources(tmp_path, {}))
    assert set(found.channels) == {"grave>desk", "rest>desk"}
    mounted = f"./deploy/notifications.yaml:{settings_of('notify', tmp_path).notifications_file}:ro"
    assert SERVICES["notify"]["volumes"] == [mounted]


def test_addresses_name_services_of_this_file(tmp_path: Path) -> None:
    loaded = settings_of("privacy", tmp_path)
    assert loaded.kafka_bootstrap == "kafka:9092"
    assert SERVICES["kafka"]["environment"]["KAFKA_ADVERTISED_LISTENERS"] == f"PLAINTEXT://{loaded.kafka_bootstrap}"
    assert loaded.elasticsearch_url == "http://elasticsearch:9200"
    assert "@mongodb:27017/" in loaded.mongodb_uri.get_secret_value()
    assert f"//{SERVICES['mongodb']['environment']['MONGO_INITDB_ROOT_USERNAME']}:" in loaded.mongodb_uri.get_secret_value()
    assert loaded.spark_driver_host == SERVICES["privacy"]["hostname"] == "privacy"
    master = SERVICES["spark-master"]["command"]
    assert loaded.spark_master == f"spark://{master[1]}:{master[3]}" == SERVICES["spark-worker"]["command"][-1]


def test_executors_seal_with_the_keys_that_the_stage_is_told_of(tmp_path: Path) -> None:
    stage, worker = settings_of("privacy", tmp_path), settings_of("spark-worker", tmp_path)
    assert worker.mongodb_uri.get_secret_value() == stage.mongodb_uri.get_secret_value()
    assert worker.mongodb_keys_database == stage.mongodb_keys_database


@pytest.mark.parametrize("name", SERVICES)
def test_what_a_service_waits_for_exists_and_ends_or_stays(name: str) -> None:
    ending = {"topics-init", "kibana-user"}
    for needed, how in SERVICES[name].get("depends_on", {}).items():
        assert how["condition"] == ("service_completed_successfully" if needed in ending else "service_healthy")
        assert SERVICES[needed].get("restart") == ("on-failure" if needed in ending else "unless-stopped")


def test_our_commands_exist() -> None:
    command = typer.main.get_command(app)
    assert isinstance(command, TyperGroup)
    used = {service["command"][0] for service in OURS.values() if "entrypoint" not in service}
    assert used == {
        "topics",
        "ingest",
        "rules",
        "privacy",
        "dashboard",
        "notify",
        "mqtt",
        "reports",
        "segments",
        "simulate",
        "kibana",
        "sinks",
        "feeds",
    }
    assert used <= set(command.commands)
    # Topics are made by the code that the tests and the launcher use, and by nothing else.
    assert SERVICES["topics-init"]["command"] == ["topics"]
    assert SERVICES["kafka"]["environment"]["KAFKA_AUTO_CREATE_TOPICS_ENABLE"] == "false"


def test_the_dashboards_come_into_kibana_by_our_command_and_no_tiles_from_outside(tmp_path: Path) -> None:
    once = SERVICES["kibana-objects"]
    assert once["restart"] == "on-failure"
    assert once["depends_on"] == {"kibana": {"condition": "service_healthy"}}
    assert once["command"] == ["kibana", "import", "--url", "http://kibana:5601"]
    assert once["healthcheck"]["test"] == ["CMD", "veilocity", "kibana", "import", "--check", *once["command"][2:]]
    assert "127.0.0.1:5601:5601" in SERVICES["kibana"]["ports"]
    loaded = settings_of("kibana-objects", tmp_path)
    assert (loaded.elasticsearch_username, loaded.elasticsearch_index_prefix) == ("elastic", DEFAULTS.elasticsearch_index_prefix)
    assert loaded.elasticsearch_password.get_secret_value() == (tmp_path / "elasticsearch_password").read_text(encoding="ascii")
    assert SERVICES["kibana"]["environment"]["MAP_INCLUDEELASTICMAPSSERVICE"] == "false"


def test_one_replica_suffices_where_there_is_one_broker(tmp_path: Path) -> None:
    assert settings_of("topics-init", tmp_path).kafka_replication == 1
    replicas = {key: value for key, value in SERVICES["kafka"]["environment"].items() if "REPLICATION" in key or key.endswith("MIN_ISR")}
    assert len(replicas) == 5
    assert set(replicas.values()) == {"1"}


def test_volumes_and_mounted_files_exist() -> None:
    mounts = [mount.split(":")[0] for service in SERVICES.values() for mount in service.get("volumes", [])]
    named = {mount for mount in mounts if not mount.startswith(".")}
    assert named == set(COMPOSE["volumes"])
    for mount in mounts:
        assert not mount.startswith(".") or (ROOT / mount).exists(), mount


def test_the_image_holds_every_package_and_runs_as_nobody_special() -> None:
    copied = set(re.findall(r"^COPY (\w+) \1$", DOCKERFILE, re.M))
    assert copied == {package.split(".")[0] for package in PROJECT["tool"]["setuptools"]["packages"]}
    users = re.findall(r"^USER (.+)$", DOCKERFILE, re.M)
    assert users == ["10001:10001"]
    assert {service["user"] for service in OURS.values()} == set(users)
    assert "uv sync --locked --no-dev --all-extras --no-editable" in DOCKERFILE


def test_the_build_sees_what_it_copies_and_nothing_else() -> None:
    copied = {word for line in re.findall(r"^COPY (?!--)(.+) \S+$", DOCKERFILE, re.M) for word in line.split()}
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert lines[1] == "*"
    assert {line[1:] for line in lines if line.startswith("!")} == copied
    assert not [name for name in ("secrets", ".git", ".veilocity", ".venv", "tests") for kept in copied if fnmatchcase(name, kept)]


def test_the_connector_is_the_locked_one() -> None:
    added = dict(re.findall(r"^ADD --checksum=sha256:(\w{64}) \\\n +https://repo1\.maven\.org/maven2/(\S+\.jar) /$", DOCKERFILE, re.M))
    locked = {item.sha256: item.path for item in artifacts.read_lock(artifacts.SPARK_CONNECTOR)}
    assert added == locked
    files = SERVICES["privacy"]["environment"]["VEILOCITY_SPARK_JARS"].split(",")
    assert files == [f"/opt/connector/{Path(path).name}" for path in added.values()]


@pytest.mark.parametrize("name", ["spark-master", "spark-worker"])
def test_spark_logs_as_the_stage_does(name: str) -> None:
    assert "./deploy/spark:/etc/spark:ro" in SERVICES[name]["volumes"]
    assert SERVICES[name]["environment"]["SPARK_CONF_DIR"] == "/etc/spark"
    assert {variable for variable in SERVICES[name]["environment"] if variable.startswith("SPARK")} == {"SPARK_CONF_DIR"}
    assert (ROOT / "deploy/spark/log4j2.properties").read_text(encoding="utf-8") == LOG_SETTINGS


def test_the_tool_that_installs_is_the_one_that_locked() -> None:
    version = re.search(r"^UV_VERSION=(\S+)$", (ROOT / "devstack/bootstrap.sh").read_text(encoding="utf-8"), re.M)
    assert version
    assert f"FROM ghcr.io/astral-sh/uv:{version[1]} AS uv" in DOCKERFILE
