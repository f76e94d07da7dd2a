"""The schema registry: schemas are registered before anything is written, and read by their number. A shell around Confluent's client."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ingest.avro.wire import Schema, to_schema
from veilocity.errors import DependencyError, InvalidInputError, RejectReason, ServiceUnavailableError, SettingsError, StateError
from veilocity.settings import Settings

try:
    from confluent_kafka.schema_registry import Schema as Registered
    from confluent_kafka.schema_registry import SchemaRegistryClient, SchemaRegistryError
    from fastavro.schema import SchemaParseException, UnknownType
    from httpx2 import HTTPError
except ImportError as cause:
    raise DependencyError("the client of schema registries is not installed: install the extra, `pip install 'veilocity[avro]'`") from cause

__all__ = ["COMPATIBILITY", "Registry"]

COMPATIBILITY = "BACKWARD"
"""Whoever knows the newest schema can read all records of the ones before."""
_ANSWER_S = 5
_NOT_FOUND = 404
_INCOMPATIBLE = 409
_UNPROCESSABLE = 422
_REFUSED = (401, 403)


class Registry:
    """One registry; for one thread. What it has said of a number is remembered, because a number never changes its meaning."""

    def __init__(self, settings: Settings) -> None:
        """Connect to nothing yet.

        Raises:
            SettingsError: no registry is named.
        """
        if not settings.registry_url:
            raise SettingsError("no schema registry is named: set VEILOCITY_REGISTRY_URL (docs/extras.md)")
        config: dict[str, Any] = {"url": settings.registry_url, "timeout": _ANSWER_S, "max.retries": 0}
        if settings.registry_username:
            config["basic.auth.user.info"] = f"{settings.registry_username}:{settings.registry_password.get_secret_value()}"
        if settings.registry_ca_file:
            config["ssl.ca.location"] = settings.registry_ca_file
        self._client = SchemaRegistryClient(config)
        self._schemas: dict[int, Schema] = {}

    def close(self) -> None:
        """Let the connections go."""
        self._client.close()

    def register(self, subject: str, described: dict[str, Any]) -> int:
        """Return the number of a schema, registered when it is new.

        Args:
            subject: `TOPIC-value`.
            described: the schema.

        Raises:
            StateError: readers of the schema that is there could not follow, or the registry does not understand it.
            SettingsError: the registry refuses the user.
            ServiceUnavailableError: it does not answer.
        """
        schema = Registered(json.dumps(described), "AVRO")
        with _translated():
            try:
                # Some registries keep a rule only for what is there: a first schema has nothing to be compatible with.
                if subject in self._client.get_subjects():
                    self._client.set_compatibility(subject, COMPATIBILITY)
                    return self._client.register_schema(subject, schema)
                number = self._client.register_schema(subject, schema)
                self._client.set_compatibility(subject, COMPATIBILITY)
                return number
            except SchemaRegistryError as cause:
                if cause.http_status_code in (_INCOMPATIBLE, _UNPROCESSABLE):
                    raise StateError(
                        f"the registry refuses the schema of {subject}: records of the one before could not be read by it; "
                        "give every new field a default and change no type, or write to a topic of another name"
                    ) from cause
                raise

    def schema(self, number: int) -> Schema:
        """Return the schema of a number.

        Raises:
            InvalidInputError: ``unknown_schema``: the registry has none of that number, or one that is no Avro.
            ServiceUnavailableError: the registry does not answer.
        """
        if number not in self._schemas:
            with _translated():
                try:
                    self._schemas[number] = to_schema(json.loads(self._client.get_schema(number).schema_str or ""))
                except SchemaRegistryError as cause:
                    if cause.http_status_code == _NOT_FOUND:
                        raise _unknown() from cause
                    raise
                except (ValueError, SchemaParseException, UnknownType) as cause:
                    raise _unknown() from cause
        return self._schemas[number]


@contextmanager
def _translated() -> Iterator[None]:
    """Turn what the client raises into our errors."""
    try:
        yield
    except SchemaRegistryError as cause:
        if cause.http_status_code in _REFUSED:
            raise SettingsError("the registry refuses the user: check VEILOCITY_REGISTRY_USERNAME, its password and its rights") from cause
        raise ServiceUnavailableError(f"the schema registry cannot serve now (answer {cause.http_status_code})") from cause
    except (HTTPError, OSError) as cause:
        raise ServiceUnavailableError(f"the schema registry does not answer ({type(cause).__name__}): is it running?") from cause


def _unknown() -> InvalidInputError:
    return InvalidInputError(
        RejectReason.UNKNOWN_SCHEMA, "the registry has no Avro schema of the number that the record carries: register it"
    )
