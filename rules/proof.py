"""The evidence of an alert, worked out from its two observations and the thresholds alone."""

from __future__ import annotations

from hashlib import sha256

import msgspec

from veilocity.contracts import Alert, Observation, ObservationKind, RuleParameters, Severity
from veilocity.evidence import fine_with_s, speed_bounds_kmh, tell
from veilocity.geo import Interval, distance_bounds_m

__all__ = ["Evidence", "alert_id", "prove", "recompute"]


class Evidence(msgspec.Struct, frozen=True, gc=False):
    """What follows from two observations and the thresholds; the fields are those of `Alert`."""

    severity: Severity
    distance_m: Interval
    elapsed_s: float
    speed_kmh: Interval | None
    fine_with_s: float
    sentence: str


def alert_id(rule: str, subject: str, anchor: str) -> str:
    """Return the identity of an alert: the same contradiction has the same one in every run.

    >>> alert_id("impossible-travel", "anna", "t1")
    '43db0c0478b46ad79d42a59a7addebaf'
    """
    return sha256(f"{rule}|{subject}|{anchor}".encode("utf-8", "surrogatepass")).hexdigest()[:32]


def prove(first: Observation, second: Observation, parameters: RuleParameters) -> Evidence:
    """Return the figures, the severity and the sentence for two observations in event-time order.

    Severity: two fixes at different times may be one faulty receiver or a second device (medium); a payment, or being at two places at
    the same moment, needs a person (high).
    """
    distance_m = distance_bounds_m(first.lat, first.lon, first.accuracy_m, second.lat, second.lon, second.accuracy_m)
    elapsed_s = (second.event_ns - first.event_ns) / 1e9
    speed_kmh = speed_bounds_kmh(distance_m, elapsed_s, parameters.time_slack_s)
    fine_s = fine_with_s(distance_m, parameters.speed_limit_kmh, parameters.time_slack_s)
    two_fixes = first.kind is ObservationKind.FIX and second.kind is ObservationKind.FIX
    return Evidence(
        severity=Severity.MEDIUM if two_fixes and speed_kmh is not None else Severity.HIGH,
        distance_m=distance_m,
        elapsed_s=elapsed_s,
        speed_kmh=speed_kmh,
        fine_with_s=fine_s,
        sentence=tell(distance_m, elapsed_s, speed_kmh, parameters.speed_limit_kmh, fine_s),
    )


def recompute(alert: Alert) -> Alert:
    """Return the alert with id, severity, figures and sentence worked out again from its observations and parameters alone.

    Guarantee: equal to the alert itself, for every alert that the engine makes.
    """
    evidence = prove(alert.first, alert.second, alert.parameters)
    fields = {name: getattr(evidence, name) for name in Evidence.__struct_fields__}
    return msgspec.structs.replace(alert, id=alert_id(alert.rule, alert.subject, alert.anchor), **fields)
