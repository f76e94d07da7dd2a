"""Asks every server and service whether it answers, all at once, each within a few seconds, and says what to do where one does not.

The same sentences as `veilocity doctor`, from what the dashboard may reach: Kafka by its list of topics, both stores through `storage`, our
services by `/healthz` and `/metrics`. No address that is told holds a user or a password.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import msgspec
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from dashboard.scraping import Scrape, Target, ask, targets
from storage import elastic
from storage.documents import Progress
from storage.queries import Reader
from veilocity.errors import VeilocityError
from veilocity.kafka import client_config, topic_name
from veilocity.settings import Settings
from veilocity.topics import TOPICS

__all__ = ["Answers", "Service", "Services"]

_PATIENCE_S = 2.0
_START = "`veilocity up` starts everything"
_TITLES = {
    "ingest": "Gateway",
    "rules": "Rules",
    "privacy": "Privacy stage",
    "dashboard": "Dashboard",
    "reports": "Reports",
    "segments": "Segments",
    "notify": "Notifier",
}
_PAGES = {"ingest": "gateway-down", "kafka": "service-down", "mongodb": "store-unavailable", "elasticsearch": "store-unavailable"}


class Service(msgspec.Struct, frozen=True):
    """One server or service."""

    name: str
    title: str
    state: str
    """`answers`, `unready` while something is missing there, `silent`, or `unasked` where it has no address."""
    where: str
    advice: str = ""
    """What to do; empty where nothing is to be done."""
    runbook: str = ""
    """File of the page that says more."""


class Answers(msgspec.Struct, frozen=True):
    """What was answered."""

    services: tuple[Service, ...]
    scrapes: dict[str, Scrape]
    progress: Progress | None
    """How far the privacy stage came; None where MongoDB is silent or holds nothing."""


class Services:
    """Keeps the connections that questions need."""

    def __init__(self, settings: Settings) -> None:
        """Connect to nothing yet.

        Raises:
            SettingsError: an address cannot be read.
        """
        self._settings = settings
        self._targets = targets(settings)
        self._reader = Reader(settings)
        self._elastic = elastic.connect(settings, request_timeout_s=_PATIENCE_S)
        # It says itself that nobody answers, in every question again.
        logging.getLogger("elastic_transport").setLevel(logging.ERROR)
        self._kafka: AdminClient | None = None
        self._threads = ThreadPoolExecutor(max_workers=len(self._targets) + 3, thread_name_prefix="health")

    def close(self) -> None:
        """Let the connections go."""
        self._threads.shutdown()
        self._reader.close()
        self._elastic.close()

    def ask(self) -> Answers:
        """Return what everybody answers; raises nothing."""
        servers: dict[str, Callable[[], tuple[Service, Progress | None]]] = {
            "kafka": lambda: (self._ask_kafka(), None),
            "mongodb": self._ask_mongodb,
            "elasticsearch": lambda: (self._ask_elasticsearch(), None),
        }
        asked = [self._threads.submit(question) for question in servers.values()]
        scraped = {target.name: self._threads.submit(ask, target.url) for target in self._targets if target.url}
        found = [future.result() for future in asked]
        told = {name: future.result() for name, future in scraped.items()}
        ours = tuple(_service(target, told) for target in self._targets)
        progress = next((progress for _, progress in found if progress is not None), None)
        return Answers((*(service for service, _ in found), *ours), {name: scrape for name, (_, scrape) in told.items()}, progress)

    def _ask_kafka(self) -> Service:
        where = self._settings.kafka_bootstrap
        if self._kafka is None:
            self._kafka = AdminClient({**client_config(self._settings), "log_level": 0})
        try:
            known = self._kafka.list_topics(timeout=_PATIENCE_S).topics
        except KafkaException:
            return _silent("kafka", "Kafka", where, f"start it, or set VEILOCITY_KAFKA_BOOTSTRAP; {_START}")
        missing = [topic.name for topic in TOPICS if topic_name(self._settings, topic) not in known]
        if missing:
            return Service("kafka", "Kafka", "unready", where, f"it has no topic {', '.join(missing)}: `veilocity topics` makes them")
        return Service("kafka", "Kafka", "answers", where)

    def _ask_mongodb(self) -> tuple[Service, Progress | None]:
        where = urlsplit(self._settings.mongodb_uri.get_secret_value()).netloc.rpartition("@")[2]
        try:
            return Service("mongodb", "MongoDB", "answers", where), self._reader.progress()
        except VeilocityError:
            return _silent("mongodb", "MongoDB", where, f"start it, or set VEILOCITY_MONGODB_URI; {_START}"), None

    def _ask_elasticsearch(self) -> Service:
        where = urlsplit(self._settings.elasticsearch_url).netloc.rpartition("@")[2]
        try:
            with elastic.translated():
                self._elastic.cluster.health(timeout="1s")
        except VeilocityError:
            return _silent("elasticsearch", "Elasticsearch", where, f"start it, or set VEILOCITY_ELASTICSEARCH_URL; {_START}")
        return Service("elasticsearch", "Elasticsearch", "answers", where)


def _service(target: Target, told: Mapping[str, tuple[bool, Scrape]]) -> Service:
    title = _TITLES[target.name]
    if target.url is None:
        setting = f"VEILOCITY_{target.port_setting.upper()}"
        return Service(target.name, title, "unasked", "", f"it cannot be asked: set {setting} to its port")
    if told[target.name][0]:
        return Service(target.name, title, "answers", target.url)
    return _silent(target.name, title, target.url, f"start `veilocity {target.name}`; {_START}")


def _silent(name: str, title: str, where: str, advice: str) -> Service:
    return Service(name, title, "silent", where, advice, f"docs/runbooks/{_PAGES.get(name, 'service-down')}.md")
