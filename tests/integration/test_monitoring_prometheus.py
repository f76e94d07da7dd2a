"""Rules and panels on Debian's Prometheus: the tool takes them, and a server that scrapes a real service answers them."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from devstack.ports import free_port
from tests.integration.ingest_world import eventually
from tests.integration.monitoring_world import RULES, prometheus, promtool
from tests.integration.rules_cluster import decisions, events_read, own_topics, running, until, write
from tests.unit.rules_world import LAGOS, fix, payment
from veilocity.monitoring.dashboards import DASHBOARDS, fraud_pipeline
from veilocity.monitoring.promql import concrete
from veilocity.monitoring.rules import ALERTS, RECORDINGS

PANELS = [target.expr for dashboard in DASHBOARDS for panel in dashboard.panels for target in panel.targets]


def test_promtool_takes_the_configuration_and_the_rules() -> None:
    done = promtool("check", "config", "prometheus.yml")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(ALERTS) + len(RECORDINGS)} rules found" in done.stdout


def test_every_story_of_the_alarms_comes_true() -> None:
    done = promtool("test", "rules", "rules_test.yml")
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_threshold_that_is_wrong_is_found_by_the_stories(tmp_path: Path) -> None:
    stories = yaml.safe_load((RULES / "rules_test.yml").read_text(encoding="utf-8"))
    stories["tests"] = [story for story in stories["tests"] if story["name"] == "a disk that fills"]
    (tmp_path / "rules_test.yml").write_text(yaml.safe_dump(stories), encoding="utf-8")
    text = (RULES / "rules.yml").read_text(encoding="utf-8")
    (tmp_path / "rules.yml").write_text(text.replace("veilocity_privacy_disk_free_ratio < 0.1", "veilocity_privacy_disk_free_ratio < 0.01"))
    done = promtool("test", "rules", tmp_path / "rules_test.yml")
    assert done.returncode != 0
    assert "DiskNearlyFull" in done.stdout + done.stderr


def _recorded(expressions: list[str], folder: Path) -> Path:
    rules = [{"record": f"panel:{place}", "expr": expression} for place, expression in enumerate(expressions)]
    file = folder / "panels.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}), encoding="utf-8")
    return file


def test_every_question_of_a_panel_parses(tmp_path: Path) -> None:
    done = promtool("check", "rules", _recorded([concrete(one) for one in PANELS], tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    assert promtool("check", "rules", _recorded(["sum by (topic veilocity_rules_lag_records"], tmp_path)).returncode != 0


@pytest.mark.services
def test_a_server_that_scrapes_the_rules_service_answers_every_panel(kafka_server: str, tmp_path: Path) -> None:
    with own_topics(kafka_server, tmp_path / "topics") as cluster, running(cluster):
        nobody = free_port([cluster.rules_metrics_port])
        with prometheus(tmp_path, {"rules": cluster.rules_metrics_port, "ingest": nobody}) as server:
            # A payment that is judged before the phone's places counts by its first answer.
            write(cluster, [fix(0.0), fix(30.0), fix(60.0)])
            until(lambda: events_read(cluster) == 3)
            write(cluster, [payment(90.0, LAGOS, id="far-0")])
            eventually("one is flagged", lambda: server.value('veilocity_rules_decisions_total{verdict="flagged"}') == 1.0)
            # What came before the first scrape is no growth to Prometheus.
            write(cluster, [payment(100.0 + step, LAGOS, id=f"far-{step}") for step in range(1, 5)])
            flagged, *_ = fraud_pipeline.FRAUD_PIPELINE.panels
            eventually("the panel counts the others", lambda: server.value(flagged.targets[0].expr) >= 4.0)
            assert len(decisions(cluster)) == 5
            for expression in PANELS:
                server.query(concrete(expression))
            assert server.value('sum(up{job="veilocity"})') == 1.0
            assert 0.0 < server.value(RECORDINGS[1].name) < 60.0
            assert server.value("sum(veilocity_rules_subjects)") == 1.0
            eventually("every rule was evaluated", lambda: all(rule["health"] == "ok" for rule in server.rules()))
            states = {rule["name"]: rule["state"] for rule in server.rules() if rule["type"] == "alerting"}
            assert states.keys() == {alert.name for alert in ALERTS}
            assert states["GatewayDown"] in ("pending", "firing")
            assert states["ServiceDown"] == "inactive"
