"""The file that Kibana imports: one saved object in a line, and a summary in the last.

The same prefix gives the same bytes, on every machine and in every run.
"""

from __future__ import annotations

import json

from storage.kibana.dashboard_objects import dashboard_object
from storage.kibana.dashboards import DASHBOARDS, Placed
from storage.kibana.data_views import VIEWED, data_view
from storage.kibana.maps import MapPanel, map_object
from storage.kibana.objects import Json, SavedObject, compact
from storage.kibana.searches import SEARCHES, search_object
from veilocity.errors import StateError

__all__ = ["objects", "parse", "render"]


def objects(prefix: str) -> tuple[SavedObject, ...]:
    """Return everything, what is referred to before what refers.

    Args:
        prefix: first part of the index names (`VEILOCITY_ELASTICSEARCH_INDEX_PREFIX`).

    >>> [each.type for each in objects("veilocity")].count("dashboard")
    2
    """
    panels: list[Placed] = [placed for dashboard in DASHBOARDS for placed in dashboard.panels]
    return (
        *(data_view(prefix, kind) for kind in VIEWED),
        *(search_object(prefix, search) for search in SEARCHES),
        *(map_object(prefix, placed.panel) for placed in panels if isinstance(placed.panel, MapPanel)),
        *(dashboard_object(prefix, dashboard) for dashboard in DASHBOARDS),
    )


def render(made: tuple[SavedObject, ...]) -> str:
    """Return the file's text."""
    summary = {
        "excludedObjects": [],
        "excludedObjectsCount": 0,
        "exportedCount": len(made),
        "missingRefCount": 0,
        "missingReferences": [],
    }
    return "".join(f"{compact(line)}\n" for line in (*(each.document() for each in made), summary))


def parse(text: str) -> list[Json]:
    """Return the lines of a file, the summary last.

    Raises:
        StateError: a line is not a JSON object.
    """
    lines = []
    for number, line in enumerate(text.splitlines(), start=1):
        try:
            found = json.loads(line)
        except ValueError as cause:
            raise StateError(f"line {number} is not JSON: is the file an export of Kibana, whole?") from cause
        if not isinstance(found, dict):
            raise StateError(f"line {number} is not an object: is the file an export of Kibana, whole?")
        lines.append(found)
    return lines
