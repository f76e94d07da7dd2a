"""What the doctor prints, whom it asks, and the code it ends with."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import msgspec
import pytest

from tests.unit.test_doctor_conservation import WHOLE
from veilocity.cli import doctor, figures
from veilocity.cli.conservation import Figures
from veilocity.cli.health import Health, ask_all
from veilocity.errors import ServiceUnavailableError, SettingsError
from veilocity.settings import Settings, load

ALL_ANSWER = tuple(
    Health(name, True, "answers") for name in ("kafka", "mongodb", "elasticsearch", "gateway", "rules", "privacy", "dashboard")
)
LOST = msgspec.structs.replace(WHOLE, acknowledged=10_000)


def _stub(monkeypatch: pytest.MonkeyPatch, services: tuple[Health, ...], *looks: Figures) -> list[Figures]:
    left = list(looks)
    monkeypatch.setattr(doctor, "ask_all", lambda _settings: services)
    monkeypatch.setattr(doctor, "read_figures", lambda _settings: left.pop(0) if len(left) > 1 else left[0])
    monkeypatch.setattr(doctor, "_PAUSE_S", 0.0)
    return left


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load({}, state_dir=tmp_path)


def test_the_exit_code_says_the_worst(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    silent = (*ALL_ANSWER[:-1], Health("dashboard", False, "does not answer"))
    in_flight = msgspec.structs.replace(WHOLE, spark_read=None, acknowledged=0)
    for services, seen, code in (
        (ALL_ANSWER, WHOLE, 0),
        (ALL_ANSWER, in_flight, 0),
        (silent, WHOLE, 1),
        (silent, LOST, 2),
        (ALL_ANSWER, LOST, 2),
    ):
        _stub(monkeypatch, services, seen)
        assert doctor.run(settings, as_json=True) == code


def test_a_violation_that_is_gone_at_the_next_look_was_none(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    _stub(monkeypatch, ALL_ANSWER, LOST, WHOLE)
    assert doctor.examine(settings).conservation.complete


def test_a_program_gets_json_with_every_figure(
    monkeypatch: pytest.MonkeyPatch, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    _stub(monkeypatch, ALL_ANSWER, WHOLE)
    doctor.run(settings, as_json=True)
    told = json.loads(capsys.readouterr().out)
    assert (told["exit_code"], told["complete"], told["violated"]) == (0, True, False)
    assert told["services"][0] == {"service": "kafka", "answers": True, "sentence": "answers"}
    assert told["counters"]["decided"] == told["counters"]["mongodb_transactions"] == told["counters"]["elasticsearch_transactions"] == 45
    wanted = {
        "fixes_in_kafka",
        "rejected_by_rules",
        "alerts_opened",
        "privacy_released",
        "privacy_suppressed",
        "privacy_late",
        "privacy_pending",
    }
    assert wanted <= set(told["counters"])
    assert {equation["state"] for equation in told["conservation"]["equations"]} == {"holds"}


def test_a_person_gets_tables_and_a_verdict(
    monkeypatch: pytest.MonkeyPatch, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    _stub(monkeypatch, ALL_ANSWER, WHOLE)
    doctor.run(settings, as_json=False)
    assert "every event is accounted for" in capsys.readouterr().out
    _stub(monkeypatch, (Health("kafka", False, "start it"),), LOST)
    doctor.run(settings, as_json=False)
    told = capsys.readouterr().out
    assert "silent" in told
    assert "violated" in told
    assert "lost or doubled" in told


def test_the_running_system_s_ports_are_used_and_the_environment_wins(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    assert doctor.in_force(settings) is settings
    record = settings.state_dir / "run" / "environment.json"
    record.parent.mkdir()
    record.write_text(json.dumps({"VEILOCITY_INGEST_PORT": "18088", "VEILOCITY_DASHBOARD_PORT": "18050"}))
    monkeypatch.setenv("VEILOCITY_DASHBOARD_PORT", "19999")
    found = doctor.in_force(settings)
    assert (found.ingest_port, found.dashboard_port) == (18088, 19999)


def test_a_damaged_record_of_the_running_system_is_a_sentence(settings: Settings) -> None:
    record = settings.state_dir / "run" / "environment.json"
    record.parent.mkdir()
    record.write_text("{")
    with pytest.raises(SettingsError, match="run the doctor as the user"):
        doctor.in_force(settings)


def test_silence_is_told_with_what_to_do_and_without_a_password(settings: Settings) -> None:
    dead = load(
        {
            "VEILOCITY_KAFKA_BOOTSTRAP": "127.0.0.1:9",
            "VEILOCITY_MONGODB_URI": "mongodb://me:geheim@127.0.0.1:9/?directConnection=true",
            "VEILOCITY_ELASTICSEARCH_URL": "http://me:geheim@127.0.0.1:9",
            "VEILOCITY_INGEST_PORT": "9",
            "VEILOCITY_DASHBOARD_PORT": "9",
            "VEILOCITY_RULES_METRICS_PORT": "0",
            "VEILOCITY_PRIVACY_METRICS_PORT": "9",
            "VEILOCITY_MQTT_HOST": "127.0.0.1",
            "VEILOCITY_MQTT_PASSWORD": "geheim",
            "VEILOCITY_MQTT_METRICS_PORT": "9",
        },
        state_dir=settings.state_dir,
    )
    told = ask_all(dead)
    services = ["kafka", "mongodb", "elasticsearch", "gateway", "rules", "privacy", "dashboard", "MQTT bridge"]
    assert [health.service for health in told] == services
    assert not any(health.answers for health in told)
    assert all("127.0.0.1:9" in health.sentence or "VEILOCITY_RULES_METRICS_PORT" in health.sentence for health in told)
    assert "geheim" not in str(told)


def test_only_acknowledged_events_of_the_gateway_s_metrics_are_counted(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    told = """# TYPE veilocity_ingest_items_total counter
veilocity_ingest_items_total{kind="sensor-logger",outcome="accepted"} 120.0
veilocity_ingest_items_total{kind="sensor-logger",outcome="ignored"} 9.0
veilocity_ingest_items_total{kind="transactions",outcome="accepted"} 30.0
veilocity_ingest_items_total{kind="transactions",outcome="rejected"} 4.0
veilocity_ingest_items_total{kind="directory",outcome="accepted"} 7.0
veilocity_ingest_items_created{kind="directory",outcome="accepted"} 1.7e+09
"""

    def answer(url: str, **_options: object) -> httpx.Response:
        assert url == "http://127.0.0.1:8088/metrics"
        return httpx.Response(200, text=told, request=httpx.Request("GET", url))

    monkeypatch.setattr("veilocity.cli.figures.httpx.get", answer)
    assert figures.acknowledged(settings) == 150


def test_a_gateway_that_does_not_tell_its_metrics_is_no_violation(settings: Settings) -> None:
    with pytest.raises(ServiceUnavailableError, match="gateway"):
        figures.acknowledged(settings.model_copy(update={"ingest_port": 9}))
