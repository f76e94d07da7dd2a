"""Which series Prometheus finds: what the code declares, what its client library tells of each process, and what Prometheus adds.

The code's own part comes from `veilocity.metrics.declared`, so it covers the modules that were imported before; the kernel imports no room,
whoever asks does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from prometheus_client import REGISTRY
from prometheus_client.registry import Collector

from veilocity.metrics import Family
from veilocity.monitoring.promql import asked

__all__ = ["SCRAPE_LABELS", "Catalogue"]

SCRAPE_LABELS = frozenset({"instance", "job", "service"})
"""Which Prometheus puts on everything it scrapes; `service` by deploy/prometheus/prometheus.yml."""
_OF_PROMETHEUS = {
    "ALERTS": frozenset({"alertname", "alertstate", "severity"}),
    "up": frozenset[str](),
}


class Catalogue:
    """Series and their labels.

    >>> catalogue = Catalogue([Family("veilocity_a_seconds", "histogram", "Of a test.", ("kind",))])
    >>> catalogue.faults('sum by (le, kind) (rate(veilocity_a_seconds_bucket{service="rules"}[5m]))')
    []
    >>> catalogue.faults('sum by (topic) (veilocity_a_seconds{reason="x"})')
    ['there is no veilocity_a_seconds', 'nothing here has the label topic']
    """

    def __init__(self, families: Iterable[Family], recorded: Mapping[str, Iterable[str]] | None = None) -> None:
        """Take what is declared.

        Args:
            families: of the code.
            recorded: series that recording rules make, with their labels.
        """
        self._labels: dict[str, frozenset[str]] = {name: labels | SCRAPE_LABELS for name, labels in _OF_PROMETHEUS.items()}
        for family in families:
            for name, labels in _series(family):
                self._labels[name] = labels | SCRAPE_LABELS
        self._labels |= {name: SCRAPE_LABELS for name in of_each_process()}
        self._labels |= {name: frozenset(labels) for name, labels in (recorded or {}).items()}

    @property
    def series(self) -> frozenset[str]:
        """Names of all series."""
        return frozenset(self._labels)

    def faults(self, expression: str) -> list[str]:
        """Return a sentence for each metric and label of a PromQL expression that does not exist."""
        found, known = [], set[str]()
        wanted = asked(expression)
        for selector in wanted.selectors:
            labels = self._labels.get(selector.metric)
            if labels is None:
                found.append(f"there is no {selector.metric}")
                continue
            known |= labels
            found += [f"{selector.metric} has no label {one.label}" for one in selector.matchers if one.label not in labels]
        return found + [f"nothing here has the label {label}" for label in sorted(wanted.labels - known)]


def _series(family: Family) -> Iterable[tuple[str, frozenset[str]]]:
    labels = frozenset(family.labels)
    if family.kind != "histogram":
        return [(family.name, labels)]
    return [(f"{family.name}_bucket", labels | {"le"}), (f"{family.name}_sum", labels), (f"{family.name}_count", labels)]


def of_each_process(registry: Collector = REGISTRY) -> Sequence[str]:
    """Return the series that the client library tells of every process, such as its memory."""
    return sorted({sample.name for family in registry.collect() if not family.name.startswith("veilocity_") for sample in family.samples})
