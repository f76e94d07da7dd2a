"""What another rule book would have said of the same events."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from rules.backtest.judging import Judgement
from veilocity.contracts import Alert

__all__ = ["Change", "Difference", "compare"]


class Change(msgspec.Struct, frozen=True):
    """One alert of both that is not graded or explained alike."""

    one: Alert
    other: Alert


class Difference(msgspec.Struct, frozen=True):
    """Alerts that stand at the end, of two rule books on the same events. An alert is the same if rule, subject and anchor are."""

    only_one: tuple[Alert, ...]
    only_other: tuple[Alert, ...]
    changed: tuple[Change, ...]
    """Another severity, or another cause."""
    alike: int


def compare(one: Judgement, other: Judgement) -> Difference:
    """Return how the standing alerts of two judgements differ, each list in order of event time."""
    first, second = one.standing, other.standing
    both = [Change(alert, second[name]) for name, alert in first.items() if name in second]
    changed = [pair for pair in both if (pair.one.severity, pair.one.cause) != (pair.other.severity, pair.other.cause)]
    return Difference(
        only_one=_in_order(alert for name, alert in first.items() if name not in second),
        only_other=_in_order(alert for name, alert in second.items() if name not in first),
        changed=tuple(sorted(changed, key=lambda pair: _time(pair.one))),
        alike=len(both) - len(changed),
    )


def _in_order(alerts: Iterable[Alert]) -> tuple[Alert, ...]:
    return tuple(sorted(alerts, key=_time))


def _time(alert: Alert) -> tuple[int, str]:
    return alert.episode.first_ms, alert.id
