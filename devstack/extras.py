"""Which extras a run can have: each needs a library, and a server that is somewhere else or can be started here.

What is missing is told in a sentence, and the rest runs.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from importlib.util import find_spec
from typing import NamedTuple
from urllib.parse import urlsplit

from devstack import java, postgres
from devstack.environment import base, variables
from devstack.process import ProcessSpec
from veilocity.errors import DependencyError
from veilocity.settings import Settings

__all__ = ["BANK", "LABELS", "METRICS_PORTS", "NOTHING", "Chosen", "bank", "chosen", "lasting", "way_into_postgres"]

BANK = "bank"
"""The process that fills the table which the feed from PostgreSQL reads."""
METRICS_PORTS = {
    "sinks-postgres": "history_metrics_port",
    "feeds-postgres": "feed_postgres_metrics_port",
    "sinks-cassandra": "cassandra_metrics_port",
    "feeds-avro": "avro_metrics_port",
}
"""The setting that holds each service's port; a service is called as its command is, with a hyphen."""
LABELS = {
    "postgres": "PostgreSQL",
    "sinks-postgres": "sensor history",
    "feeds-postgres": "feed from PostgreSQL",
    "sinks-cassandra": "Cassandra sink",
    "feeds-avro": "feeds of Avro",
    BANK: "bank's table",
}


class _Extra(NamedTuple):
    """One extra."""

    name: str
    """As in `pip install 'veilocity[NAME]'`."""
    server: str
    address: str
    """The setting that says where the server is; set by somebody, none is started."""
    libraries: tuple[str, ...]
    services: tuple[str, ...]


class Chosen(NamedTuple):
    """What to start."""

    servers: tuple[str, ...]
    services: tuple[str, ...]


NOTHING = Chosen((), ())
_EXTRAS = (
    _Extra("postgres", "postgres", "postgres_dsn", ("psycopg",), ("sinks-postgres", "feeds-postgres")),
    _Extra("cassandra", "cassandra", "cassandra_hosts", ("cassandra",), ("sinks-cassandra",)),
    _Extra("avro", "apicurio", "registry_url", ("fastavro", "httpx2"), ("feeds-avro",)),
)
_JAVA = {"cassandra": java.CASSANDRA, "apicurio": java.APICURIO}


def chosen(settings: Settings, say: Callable[[str], None]) -> Chosen:
    """Return the servers and services of the extras that can run here.

    Args:
        settings: as loaded; an extra whose server's address somebody set uses that server.
        say: told a sentence for each extra that is left out.
    """
    servers: list[str] = []
    services: list[str] = []
    for extra in _EXTRAS:
        try:
            is_elsewhere = _check(extra, settings)
        except DependencyError as missing:
            say(f"The extra {extra.name} is left out: {missing}")
            continue
        servers += [] if is_elsewhere else [extra.server]
        services += extra.services
    is_own = "postgres" not in servers or "feed_postgres_dsn" in settings.model_fields_set
    if is_own and "feeds-postgres" in services:
        # Which table of somebody's own server holds payments, and what its columns mean, only somebody knows.
        services.remove("feeds-postgres")
        say("The feed from PostgreSQL is left out, as its server is yours: `veilocity feeds postgres --table TABLE` starts it")
    return Chosen(tuple(servers), tuple(services))


def _check(extra: _Extra, settings: Settings) -> bool:
    """Return whether the server is somewhere else.

    Raises:
        DependencyError: the extra cannot run here; says what to install.
    """
    if any(find_spec(library) is None for library in extra.libraries):
        raise DependencyError(f"its library is not installed: run `make demo-extras`, or `pip install 'veilocity[{extra.name}]'`")
    if extra.address in settings.model_fields_set:
        return True
    if extra.server in _JAVA:
        java.choose(_JAVA[extra.server], java.installed(base(os.environ)))
    elif postgres.find(settings) is None:
        raise DependencyError("no PostgreSQL was found: run `devstack/bootstrap.sh postgres`, or install it")
    return False


def lasting(spec: ProcessSpec, services: Collection[str]) -> ProcessSpec:
    """Return the process of a server, as one that comes back when it dies where one of these services is there to use it."""
    used = any(extra.server == spec.name and not set(extra.services).isdisjoint(services) for extra in _EXTRAS)
    return replace(spec, restarts=True) if used else spec


def bank(settings: Settings, environment: Mapping[str, str], *, with_city: bool) -> ProcessSpec:
    """Return the process that fills the table of payments.

    Args:
        settings: in force.
        environment: without settings of ours.
        with_city: let time go as it does in the simulated city.
    """
    argv = (sys.executable, "-P", "-m", "ingest.cdc.bank", *(("--city",) if with_city else ()))
    return ProcessSpec(BANK, argv, lambda: True, {**environment, **variables(settings)}, restarts=True)


def way_into_postgres(settings: Settings) -> str:
    """Return a sentence that says how a person reaches the PostgreSQL of this run."""
    port = urlsplit(settings.postgres_dsn.get_secret_value()).port
    password = settings.state_dir / "keys" / "postgres.password"
    return f"PostgreSQL takes clients on port {port} as user {postgres.USER}, database postgres; the password is in {password}"
