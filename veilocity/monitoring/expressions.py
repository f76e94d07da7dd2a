"""PromQL that several panels and rules share."""

from __future__ import annotations

__all__ = ["changes_of_share", "grew", "quantile", "rose", "share"]


def quantile(q: float, histogram: str, *, by: str = "", over: str = "$__rate_interval") -> str:
    """Return the q-quantile of a histogram of seconds.

    >>> quantile(0.99, "veilocity_a_seconds", by="stage")
    'histogram_quantile(0.99, sum by (le, stage) (rate(veilocity_a_seconds_bucket[$__rate_interval])))'
    """
    labels = f"le, {by}" if by else "le"
    return f"histogram_quantile({q:g}, sum by ({labels}) (rate({histogram}_bucket[{over}])))"


def share(part: str, whole: str) -> str:
    """Return one sum over another: no figure, and not 0 / 0, where there is no whole."""
    return f"{part} / ({whole} > 0)"


def changes_of_share(gauge: str, part: str, rest: str, over: str) -> str:
    """Return which share of what two ever-growing gauges grew by the first one grew by.

    Args:
        gauge: name of the metric.
        part: matcher of the one.
        rest: matcher of the other.
        over: time, as PromQL writes it.
    """
    one, other = (f"sum(delta({gauge}{{{matcher}}}[{over}]))" for matcher in (part, rest))
    return share(one, f"({one} + {other})")


def grew(counter: str, over: str) -> str:
    """Return what is there only if a counter grew.

    A counter with labels is born with its first event, of which `increase` sees nothing: so a series that was not there counts as well.

    >>> grew("a_total", "15m")
    'increase(a_total[15m]) > 0 or (a_total > 0 unless a_total offset 15m)'
    """
    return f"increase({counter}[{over}]) > 0 or ({counter} > 0 unless {counter} offset {over})"


def rose(gauge: str, over: str) -> str:
    """Return what is there only if a gauge that counts since the beginning is higher than it was.

    Such a gauge stands at 0 for a moment when its service starts: an alarm needs a wait that is longer than that.

    >>> rose("a", "1d")
    'a > a offset 1d or (a > 0 unless a offset 1d)'
    """
    return f"{gauge} > {gauge} offset {over} or ({gauge} > 0 unless {gauge} offset {over})"
