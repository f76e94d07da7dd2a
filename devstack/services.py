"""Our own services as processes. They wait for topics and stores by themselves, so all start at once, and come back when they die."""

from __future__ import annotations

import sys
from collections.abc import Mapping

from devstack import java, probes
from devstack.environment import variables
from devstack.extras import METRICS_PORTS
from devstack.process import ProcessSpec
from veilocity.settings import Settings

__all__ = ["ON_SPARK", "PORTS", "SERVICES", "address", "configured", "host", "service", "simulator"]

SERVICES = ("ingest", "rules", "privacy", "dashboard")
ON_SPARK = ("privacy", "reports")
"""The services that need Java and Spark's Kafka connector."""
PORTS = {
    "ingest": "ingest_port",
    "rules": "rules_metrics_port",
    "privacy": "privacy_metrics_port",
    "dashboard": "dashboard_port",
    "notify": "notifications_metrics_port",
    "mqtt": "mqtt_metrics_port",
    "reports": "reports_metrics_port",
    **METRICS_PORTS,
}
"""The setting that holds each service's port."""

_HOSTS = {
    "ingest": "ingest_host",
    "rules": "metrics_host",
    "privacy": "metrics_host",
    "dashboard": "dashboard_host",
    "notify": "metrics_host",
    "mqtt": "metrics_host",
    "reports": "metrics_host",
    **dict.fromkeys(METRICS_PORTS, "metrics_host"),
}

# Without the working folder on its path: a folder of the user called `rules` must not be taken for ours.
_PYTHON = (sys.executable, "-P")


def configured(settings: Settings) -> tuple[str, ...]:
    """Return the services that the settings ask for.

    The notifier is one of them where a file says whom to tell, the bridge where there is a broker, the reports where they are on.

    >>> configured(Settings())
    ('ingest', 'rules', 'privacy', 'dashboard')
    >>> configured(Settings(mqtt_host="127.0.0.1"))[-1]
    'mqtt'
    """
    notifier = () if settings.notifications_file is None else ("notify",)
    reports = ("reports",) if settings.reports == "on" else ()
    return (*SERVICES, *reports, *notifier, *(("mqtt",) if settings.mqtt_host else ()))


def service(name: str, settings: Settings, base: Mapping[str, str]) -> ProcessSpec:
    """Return one of our services as a process on this interpreter.

    Raises:
        DependencyError: what runs on Spark has no fitting Java.
    """
    environment = {**base, **variables(settings)}
    if name in ON_SPARK:
        machine = java.choose(java.SPARK, java.installed(base))
        environment |= {"JAVA_HOME": str(machine.home), "PYSPARK_PYTHON": sys.executable, "PYSPARK_DRIVER_PYTHON": sys.executable}
    url = f"{address(name, settings)}/healthz"
    argv = (*_PYTHON, "-m", "veilocity.cli", *(name.split("-") if name in METRICS_PORTS else (name,)))
    return ProcessSpec(name, argv, lambda: probes.http_answers(url), environment, restarts=True)


def simulator(settings: Settings, base: Mapping[str, str], people: int, speed: float, seed: int) -> ProcessSpec:
    """Return the simulated city that feeds the gateway; it counts as ready as soon as it runs."""
    options = ("--url", address("ingest", settings), "--people", str(people), "--speed", str(speed), "--seed", str(seed))
    argv = (*_PYTHON, "-m", "veilocity.cli", "simulate", *options)
    return ProcessSpec("simulate", argv, lambda: True, {**base, **variables(settings)}, restarts=True, finishes=True)


def host(name: str, settings: Settings) -> str:
    """Return the address on which a service listens."""
    return str(getattr(settings, _HOSTS[name]))


def address(name: str, settings: Settings) -> str:
    """Return the address at which this machine reaches a service."""
    listening = host(name, settings)
    # A service that listens everywhere is reached on loopback.
    reached = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(listening, f"[{listening}]" if ":" in listening else listening)  # noqa: S104  # compared, not bound
    return f"http://{reached}:{getattr(settings, PORTS[name])}"
