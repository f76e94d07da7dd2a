"""The running system as a visitor reaches it: the gateway, the topics, the stores, the services' metrics and the dashboard's pages."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from functools import cached_property
from typing import Any

import httpx
import msgspec
from prometheus_client.parser import text_string_to_metric_families
from pymongo import MongoClient

from devstack.services import address, configured
from storage.mongo import connect
from veilocity.cli.tour.story import Story
from veilocity.cli.tour.tail import Tail
from veilocity.errors import ServiceUnavailableError
from veilocity.settings import Settings

__all__ = ["Visit"]

_PAUSE_S = 0.2
Document = dict[str, Any]


class Visit:
    """One visit. Connections are made when a stop first asks for them."""

    def __init__(self, settings: Settings) -> None:
        """Prepare.

        Args:
            settings: of the system that runs.
        """
        self.settings = settings
        token = settings.ingest_token.get_secret_value()
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._gateway = httpx.Client(base_url=address("ingest", settings), headers=headers, timeout=10.0)
        self._closing: list[Callable[[], object]] = [self._gateway.close]
        self.mark = f"{time.time_ns():x}"
        """Part of every id that the visit sends: two visits are two sets of events."""

    def close(self) -> None:
        """Let go of all connections."""
        for close in self._closing:
            with suppress(Exception):
                close()

    def send(self, door: str, items: Any) -> dict[str, Any]:
        """Post items to the gateway; return its answer.

        Raises:
            ServiceUnavailableError: the gateway does not take them.
        """
        try:
            answer = self._gateway.post(door, content=msgspec.json.encode(items), headers={"Content-Type": "application/json"})
        except httpx.TransportError as cause:
            raise ServiceUnavailableError("the gateway does not answer: `veilocity doctor` says more") from cause
        if answer.status_code != 200:
            raise ServiceUnavailableError(f"the gateway answered {answer.status_code}: its log says why")
        found: dict[str, Any] = msgspec.json.decode(answer.content)
        return found

    def runs(self, service: str) -> bool:
        """Say whether a service is part of this system."""
        return service in configured(self.settings)

    def metrics(self, service: str) -> str:
        """Return what a service tells Prometheus.

        Raises:
            ServiceUnavailableError: the service does not answer.
        """
        try:
            return httpx.get(f"{address(service, self.settings)}/metrics", timeout=5.0).text
        except httpx.TransportError as cause:
            raise ServiceUnavailableError(f"the service {service} does not answer: `veilocity doctor` says more") from cause

    def metric(self, service: str, name: str, **labels: str) -> float:
        """Return the sum of a metric's samples with these labels; 0 where there is none.

        Raises:
            ServiceUnavailableError: the service does not answer.
        """
        samples = (sample for family in text_string_to_metric_families(self.metrics(service)) for sample in family.samples)
        return sum(sample.value for sample in samples if sample.name == name and labels.items() <= sample.labels.items())

    def page(self, path: str) -> str:
        """Return the address of a page of the dashboard that answers.

        Raises:
            ServiceUnavailableError: it does not.
        """
        where = f"{address('dashboard', self.settings)}{path}"
        try:
            status = httpx.get(where, timeout=5.0).status_code
        except httpx.TransportError as cause:
            raise ServiceUnavailableError("the dashboard does not answer: `veilocity doctor` says more") from cause
        # Who is not logged in is sent to the login.
        if status >= 400 and status != 401:
            raise ServiceUnavailableError(f"the page answers {status}")
        return where

    @cached_property
    def _mongodb(self) -> MongoClient[Document]:
        client = connect(self.settings, socket_timeout_ms=10_000)
        self._closing.append(client.close)
        return client

    def documents(self, collection: str, question: Document | None = None, limit: int = 50) -> list[Document]:
        """Return the newest documents of a collection in MongoDB."""
        found = self._mongodb[self.settings.mongodb_database][collection].find(question or {}).sort("_id", -1).limit(limit)
        return list(found)

    def indexes(self, collection: str) -> list[str]:
        """Return the names of a collection's indexes in MongoDB."""
        return sorted(self._mongodb[self.settings.mongodb_database][collection].index_information())

    def elasticsearch(self, path: str) -> Any:
        """Return what Elasticsearch answers to a GET.

        Raises:
            ServiceUnavailableError: it does not.
        """
        user, password = self.settings.elasticsearch_username, self.settings.elasticsearch_password.get_secret_value()
        try:
            answer = httpx.get(f"{self.settings.elasticsearch_url}/{path}", auth=(user, password) if user else None, timeout=10.0)
        except httpx.TransportError as cause:
            raise ServiceUnavailableError("Elasticsearch does not answer: `veilocity doctor` says more") from cause
        if answer.status_code != 200:
            raise ServiceUnavailableError(f"Elasticsearch answered {answer.status_code}")
        return answer.json()

    @cached_property
    def tail(self) -> Tail:
        """Topics from now on."""
        found = Tail(self.settings)
        self._closing.append(found.close)
        return found

    @cached_property
    def story(self) -> Story:
        """A persona's fraud among a crowd, sent once, and what came of it."""
        return Story.told(self)

    def until(self, holds: Callable[[], bool], patience_s: float) -> bool:
        """Wait until something holds; say whether it did in time."""
        deadline = time.monotonic() + patience_s
        while not holds():
            if time.monotonic() > deadline:
                return False
            time.sleep(_PAUSE_S)
        return True

    def __enter__(self) -> Visit:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
