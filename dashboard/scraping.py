"""What our services tell of themselves: where they are, whether they answer, and their metrics as numbers.

The parsing is pure. Asking is one request with a short patience, past any proxy: a service is on this machine or in this network.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import httpx
import msgspec
from prometheus_client.parser import text_string_to_metric_families

from veilocity.settings import Settings

__all__ = ["EMPTY", "Scrape", "Target", "ask", "parse", "targets"]

_PATIENCE_S = 2.0
_OK = 200
_PORTS = {
    "ingest": ("ingest_host", "ingest_port"),
    "rules": ("metrics_host", "rules_metrics_port"),
    "privacy": ("metrics_host", "privacy_metrics_port"),
    "dashboard": ("dashboard_host", "dashboard_port"),
    "reports": ("metrics_host", "reports_metrics_port"),
    "segments": ("metrics_host", "segments_metrics_port"),
    "notify": ("metrics_host", "notifications_metrics_port"),
}
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104  # compared, not bound


class Target(msgspec.Struct, frozen=True):
    """One of our services."""

    name: str
    url: str | None
    """None where its port is 0: it cannot be asked."""
    port_setting: str


class Scrape(msgspec.Struct, frozen=True):
    r"""The metrics of one process at one moment: values by name and labels.

    >>> told = parse('# TYPE a counter\na_total{kind="x"} 2\na_total{kind="y"} 3\n# TYPE b gauge\nb 4\n')
    >>> told.total("a_total"), told.total("a_total", kind="y"), told.by("a_total", "kind"), told.value("b"), told.value("c")
    (5.0, 3.0, {'x': 2.0, 'y': 3.0}, 4.0, None)
    """

    samples: dict[str, list[tuple[dict[str, str], float]]]

    def has(self, name: str) -> bool:
        """Say whether the process tells this metric at all."""
        return name in self.samples

    def total(self, name: str, **labels: str) -> float:
        """Return the sum over all samples with these labels; 0 where there is none."""
        return sum(value for found, value in self.samples.get(name, ()) if _has(found, labels))

    def value(self, name: str, **labels: str) -> float | None:
        """Return the sum as `total` does, but None where there is no sample."""
        values = [value for found, value in self.samples.get(name, ()) if _has(found, labels)]
        return sum(values) if values else None

    def by(self, name: str, label: str, **labels: str) -> dict[str, float]:
        """Return the sums by the value of one label, in the order of those values."""
        sums: dict[str, float] = {}
        for found, value in self.samples.get(name, ()):
            if label in found and _has(found, labels):
                sums[found[label]] = sums.get(found[label], 0.0) + value
        return dict(sorted(sums.items()))


EMPTY = Scrape({})


def _has(found: Mapping[str, str], labels: Mapping[str, str]) -> bool:
    return all(found.get(name) == value for name, value in labels.items())


def parse(text: str) -> Scrape:
    """Return an exposition in Prometheus's text format as numbers; a gap (NaN) is no number.

    Raises:
        ValueError: no exposition.
    """
    samples: dict[str, list[tuple[dict[str, str], float]]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if not math.isnan(sample.value):
                samples.setdefault(sample.name, []).append((dict(sample.labels), float(sample.value)))
    return Scrape(samples)


def targets(settings: Settings) -> tuple[Target, ...]:
    """Return our services as the settings have them: the notifier where a file says whom to tell, reports and segments where they are on.

    >>> [one.url for one in targets(Settings(rules_metrics_port=0, dashboard_services="privacy=http://far:1"))]
    ['http://127.0.0.1:8088', None, 'http://far:1', 'http://127.0.0.1:8050']
    """
    elsewhere = dict(entry.split("=", 1) for entry in settings.dashboard_services.split(",") if entry)
    wanted = {"notify": settings.notifications_file is not None, "reports": settings.reports == "on", "segments": settings.segments == "on"}
    names = [name for name in _PORTS if wanted.get(name, True) or name in elsewhere]
    return tuple(Target(name, elsewhere.get(name) or _here(name, settings), _PORTS[name][1]) for name in names)


def _here(name: str, settings: Settings) -> str | None:
    host_setting, port_setting = _PORTS[name]
    port = int(getattr(settings, port_setting))
    if port == 0:
        return None
    host = str(getattr(settings, host_setting))
    reached = _EVERYWHERE.get(host, f"[{host}]" if ":" in host else host)
    return f"http://{reached}:{port}"


def ask(url: str, get: Callable[..., httpx.Response] = httpx.get) -> tuple[bool, Scrape]:
    """Return whether a service says that it is healthy, and its metrics (empty where it does not tell them).

    Args:
        url: of the service.
        get: as `httpx.get`.
    """
    try:
        healthy = get(f"{url}/healthz", timeout=_PATIENCE_S, trust_env=False).status_code == _OK
        answer = get(f"{url}/metrics", timeout=_PATIENCE_S, trust_env=False)
        return healthy, parse(answer.text) if answer.status_code == _OK else EMPTY
    except (httpx.HTTPError, ValueError):
        return False, EMPTY
