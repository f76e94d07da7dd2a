"""Asks every service whether it answers, all at once, each within a few seconds."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import msgspec
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from devstack.probes import elasticsearch_answers, http_answers, kafka_answers
from devstack.services import address, configured
from storage.mongo import connect, translated
from veilocity.errors import StoreUnavailableError
from veilocity.kafka import client_config, topic_name
from veilocity.settings import Settings
from veilocity.topics import TOPICS

__all__ = ["Health", "ask_all"]

_TIMEOUT_S = 3.0
_START = "`veilocity up` starts everything"
_PORT_SETTINGS = {
    "rules": "rules_metrics_port",
    "privacy": "privacy_metrics_port",
    "notify": "notifications_metrics_port",
    "mqtt": "mqtt_metrics_port",
    "reports": "reports_metrics_port",
    "segments": "segments_metrics_port",
}
_NAMES = {"ingest": "gateway", "notify": "notifier", "mqtt": "MQTT bridge"}


class Health(msgspec.Struct, frozen=True):
    """Whether one service answers."""

    service: str
    answers: bool
    sentence: str
    """Where it answers, or what to do."""


def ask_all(settings: Settings) -> tuple[Health, ...]:
    """Return the health of every service, in the order of the stream."""
    questions: list[Callable[[], Health]] = [lambda: _kafka(settings), lambda: _mongodb(settings), lambda: _elasticsearch(settings)]
    questions += [lambda name=name: _service(name, settings) for name in configured(settings)]  # type: ignore[misc]  # mypy cannot see a default's type
    with ThreadPoolExecutor(max_workers=len(questions)) as threads:
        return tuple(threads.map(lambda ask: ask(), questions))


def _kafka(settings: Settings) -> Health:
    where = settings.kafka_bootstrap
    if not kafka_answers(settings):
        return Health("kafka", False, f"does not answer at {where}: start it or set VEILOCITY_KAFKA_BOOTSTRAP; {_START}")
    try:
        known = AdminClient(client_config(settings)).list_topics(timeout=_TIMEOUT_S).topics
    except KafkaException:
        return Health("kafka", False, f"does not list its topics at {where}: is it still starting?")
    missing = [topic.name for topic in TOPICS if topic_name(settings, topic) not in known]
    if missing:
        return Health("kafka", False, f"has no topic {', '.join(missing)}: `veilocity topics` makes them")
    return Health("kafka", True, f"answers at {where}")


def _mongodb(settings: Settings) -> Health:
    # Without user and password.
    where = urlsplit(settings.mongodb_uri.get_secret_value()).netloc.rpartition("@")[2]
    client = connect(settings, socket_timeout_ms=int(_TIMEOUT_S * 1000))
    try:
        with translated():
            client.admin.command("ping")
    except StoreUnavailableError:
        return Health("mongodb", False, f"does not answer at {where}: start it or set VEILOCITY_MONGODB_URI; {_START}")
    finally:
        client.close()
    return Health("mongodb", True, f"answers at {where}")


def _elasticsearch(settings: Settings) -> Health:
    where = urlsplit(settings.elasticsearch_url).netloc.rpartition("@")[2]
    if elasticsearch_answers(settings):
        return Health("elasticsearch", True, f"answers at {where}")
    return Health("elasticsearch", False, f"does not answer at {where}: start it or set VEILOCITY_ELASTICSEARCH_URL; {_START}")


def _service(name: str, settings: Settings) -> Health:
    shown = _NAMES.get(name, name)
    port_setting = _PORT_SETTINGS.get(name)
    if port_setting is not None and getattr(settings, port_setting) == 0:
        return Health(shown, False, f"cannot be asked: set VEILOCITY_{port_setting.upper()} to its port")
    where = address(name, settings)
    if http_answers(f"{where}/healthz"):
        return Health(shown, True, f"answers at {where}")
    return Health(shown, False, f"does not answer at {where}: start `veilocity {name}`; {_START}")
