"""Saved searches: the documents behind the charts, with the columns that an investigator reads first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from storage.kibana.charts import Where
from storage.kibana.data_views import TIME_FIELD, layer_reference
from storage.kibana.objects import SavedObject, compact, identity
from storage.kinds import ALERTS, RELEASES, TRANSACTIONS, Kind

__all__ = ["SEARCHES", "SavedSearch", "search_object"]

_INDEX = "kibanaSavedObjectMeta.searchSourceJSON.index"


@dataclass(frozen=True, slots=True)
class SavedSearch:
    """One search."""

    name: str
    title: str
    note: str
    kind: Kind[Any]
    columns: tuple[str, ...]
    where: Where | None = None


ALERTS_SEARCH = SavedSearch(
    "alerts",
    "Veilocity: alerts",
    "Every alert in its newest revision, with the evidence in one sentence. A retracted alert is one that a late event explained.",
    ALERTS,
    ("severity", "state", "rule", "sentence", "subject", "speed_kmh.low", "fine_with_s", "episode.count"),
)
FLAGGED_SEARCH = SavedSearch(
    "flagged-payments",
    "Veilocity: flagged payments",
    "Payments whose newest answer is `flagged`. `alert` is the id of the alert that says why.",
    TRANSACTIONS,
    ("severity", "reasons", "amount", "currency", "merchant", "category", "channel", "subject", "alert"),
    Where("verdict", ("flagged",)),
)
RELEASES_SEARCH = SavedSearch(
    "releases",
    "Veilocity: released classes",
    "k-anonymous classes: the only documents here that may leave the house.",
    RELEASES,
    ("release.people", "release.payments", "release.cell", "release.hour", "release.amount_band", "release.category", "release.loss"),
)
SEARCHES: tuple[SavedSearch, ...] = (ALERTS_SEARCH, FLAGGED_SEARCH, RELEASES_SEARCH)


def search_object(prefix: str, search: SavedSearch) -> SavedObject:
    """Return the search as Discover saves it, the newest documents first."""
    query = search.where.kql() if search.where is not None else ""
    source = {"filter": [], "highlightAll": True, "indexRefName": _INDEX, "query": {"language": "kuery", "query": query}, "version": True}
    attributes = {
        "title": search.title,
        "description": search.note,
        "columns": list(search.columns),
        "sort": [[TIME_FIELD, "desc"]],
        "grid": {},
        "hideChart": False,
        "isTextBasedQuery": False,
        "timeRestore": False,
        "kibanaSavedObjectMeta": {"searchSourceJSON": compact(source)},
    }
    return SavedObject("search", identity(prefix, "search", search.name), attributes, (layer_reference(prefix, search.kind, _INDEX),))
