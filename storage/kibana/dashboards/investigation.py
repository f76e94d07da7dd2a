"""Investigation: where, how far, how fast, by which rule and when, and the evidence in a sentence.

Retracted alerts, which a late event explained, are in the list below and in the count by state; every other panel leaves them out.
"""

from __future__ import annotations

from storage.kibana.charts import Chart, Metric, Shape, Terms, Times, Where
from storage.kibana.dashboards.model import Dashboard, Filter, Grid, Note, Placed
from storage.kibana.maps import MapPanel
from storage.kibana.scatter import Scatter
from storage.kibana.searches import SEARCHES
from storage.kinds import ALERTS

__all__ = ["INVESTIGATION"]

_STANDING = Where("state", ("retracted",), negated=True)
_COUNT = Metric("alerts")
_SEVERITY = Terms("severity", "severity", 3)
_RULE = Terms("rule", "rule", 20)

_INTRODUCTION = Note(
    "introduction",
    "**Alerts about pseudonyms.** A person's token changes every 7 days and is another one in MongoDB and on the live page: look the "
    "alert up there by rule, minute and places. Distances and speeds are the least that both accuracy radii allow, rounded; places are "
    "centres of cells of about 5 km².",
)


def _chart(name: str, title: str, note: str, shape: Shape, metrics: tuple[Metric, ...], *buckets: Terms | Times) -> Chart:
    return Chart(name, title, note, ALERTS, shape, metrics, buckets, _STANDING)


_ALERTS = _chart("standing", "Standing alerts", "Alerts that no late event has explained.", "metric", (_COUNT,))
_PEOPLE = _chart(
    "alerted-people",
    "People with alerts",
    "Tokens are counted; they change with the period of pseudonyms (7 days by default).",
    "metric",
    (Metric("people", "unique_count", "subject"),),
)
_FASTEST = _chart(
    "fastest",
    "Highest speed",
    "The highest of the lower bounds: nobody could have been slower. Rounded to two significant digits.",
    "metric",
    (Metric("km/h at least", "max", "speed_kmh.low", decimals=0),),
)
_STATES = Chart(
    "states",
    "By state",
    "Open, amended by a later event, or retracted because a late event explained it.",
    ALERTS,
    "donut",
    (_COUNT,),
    (Terms("state", "state", 3),),
)
_RULES = _chart(
    "rules",
    "Alerts by rule and severity",
    "Newest revisions.",
    "bar_horizontal_stacked",
    (_COUNT,),
    _RULE,
    _SEVERITY,
)
_TIMELINE = _chart("timeline", "Timeline", "By the later of the two observations.", "bar_stacked", (_COUNT,), _SEVERITY, Times(60, "hour"))
_SUBJECTS = _chart(
    "subjects",
    "People with the most alerts",
    "Filter by a token to see one person's alerts within one period of pseudonyms.",
    "table",
    (_COUNT, Metric("highest score", "max", "score", decimals=2)),
    Terms("subject", "person (token)", 10),
)
_TRAVEL = Scatter(
    "distance-time",
    "Distance against time",
    "One dot for each of the newest 1,000 alerts about travel; above the dashed line nobody is as fast as the rule's limit. Both axes are "
    "logarithmic; distances are lower bounds.",
    _STANDING,
)
_MAP = MapPanel(
    "investigation",
    "where it happened",
    "Lines lead from the first observation of an alert to the second, and are as wide as they are many. Squares count payments. There is "
    "no street map: a base layer may be added where a tile service is at hand.",
)

INVESTIGATION = Dashboard(
    "investigation",
    "Veilocity: investigation",
    "Alerts of the last day on a map, by rule, by severity, by distance and time, and over time.",
    ALERTS,
    (Filter("severity", "Severity"), Filter("rule", "Rule"), Filter("state", "State")),
    (
        Placed(_INTRODUCTION, Grid(0, 0, 48, 4)),
        Placed(_ALERTS, Grid(0, 4, 12, 6)),
        Placed(_PEOPLE, Grid(12, 4, 12, 6)),
        Placed(_FASTEST, Grid(24, 4, 12, 6)),
        Placed(_STATES, Grid(36, 4, 12, 12)),
        Placed(_MAP, Grid(0, 10, 36, 20)),
        Placed(_SUBJECTS, Grid(36, 16, 12, 14)),
        Placed(_RULES, Grid(0, 30, 24, 13)),
        Placed(_TRAVEL, Grid(24, 30, 24, 13)),
        Placed(_TIMELINE, Grid(0, 43, 48, 10)),
        Placed(SEARCHES[0], Grid(0, 53, 48, 16)),
    ),
    time_from="now-7d",
)
