"""What was released, as the page shows it: windows, sizes of classes against k, and what a higher k would cost and save. Pure.

**The trade.** From what was released one thing can be told of a higher k without a new search: releasing only the classes that have so many
people is one way of keeping it. So for each such k the page shows what that way would give:

    prosecutor(k) = max over classes with f >= k people of 1/f
    marketer(k)   = mean over their payments of 1/f
    loss(k)       = mean over all payments of the class's loss, 1 where the class is left out

The anonymiser would merge small classes instead of leaving them out, so loss(k) is what a higher k costs at most where the search is at its
best. Below the k in force nothing can be told: no such class was ever released. There the promise 1/k alone is drawn.

Risks are those of `privacy.measure.risk` (El Emam & Dankar, JAMIA 15(5), 2008), weighed by payments.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from storage.documents import ReleaseDocument
from veilocity.contracts import Release, Verdict

__all__ = ["ReleasesPicture", "SizeBar", "TradePoint", "WindowPicture", "picture_releases", "sizes_of", "trade_of"]

_BARS = 24
_TAIL = 0.98
"""Share of the classes that have a bar of their own; the largest share the last bar."""
_POINTS = 80


class WindowPicture(msgspec.Struct, frozen=True):
    """The classes of one window."""

    start_ms: int
    end_ms: int
    policy: str
    classes: int
    payments: int
    smallest: int
    """People of the smallest class."""
    k: int
    l: int  # noqa: E741  # the name of the parameter everywhere
    """Fewest distinct verdicts of a class."""
    t: float
    """Largest distance of a class's verdicts from those of the window."""
    loss: float
    """Mean over payments."""
    held: bool
    """Whether the window is wider than the narrowest shown: its payments were held back first."""


class SizeBar(msgspec.Struct, frozen=True):
    """Classes of `low` to `high` people, both included."""

    low: int
    high: int
    classes: int
    payments: int


class TradePoint(msgspec.Struct, frozen=True):
    """What is left if only classes of at least `k` people are released."""

    k: int
    classes: int
    prosecutor: float
    marketer: float
    loss: float
    left_out: float
    """Share of the payments whose class is smaller."""


class ReleasesPicture(msgspec.Struct, frozen=True):
    """The last windows. Figures without a window are those of all windows of `policy` together."""

    policy: str
    """Of the newest window."""
    k: int
    """That each class promises; 0 where nothing was released."""
    windows: tuple[WindowPicture, ...] = ()
    """Newest first."""
    complete: bool = True
    """False where a window has more classes than are looked at."""
    classes: int = 0
    payments: int = 0
    held_payments: int = 0
    """In windows wider than the narrowest."""
    smallest: int = 0
    l: int = 0  # noqa: E741  # as above
    t: float = 0.0
    loss: float = 0.0
    inference: float = 0.0
    """Most that finding a class adds to the chance of one verdict: max over classes and verdicts of share(class) - share(all)."""
    sizes: tuple[SizeBar, ...] = ()
    trade: tuple[TradePoint, ...] = ()
    """By rising k, the first at the k in force."""


def picture_releases(documents: Sequence[ReleaseDocument], limit: int, windows: int) -> ReleasesPicture:
    """Return what the page shows of the newest classes.

    Args:
        documents: newest batch first.
        limit: how many were asked for: if there are as many, the oldest batch among them may be cut and is left out.
        windows: how many of the newest windows to show.

    >>> picture_releases([], 10, 5).k
    0
    """
    whole, complete = _whole_batches(documents, limit)
    held: dict[tuple[int, int, str], list[Release]] = {}
    for one in whole:
        held.setdefault((one.release.window_end_ms, one.release.window_start_ms, one.release.policy), []).append(one.release)
    if not held:
        return ReleasesPicture("", 0)
    shown = sorted(held, reverse=True)[:windows]
    narrowest_ms = min(end - start for end, start, _ in shown)
    policy = held[shown[0]][0].policy
    classes = [release for key in shown if key[2] == policy for release in held[key]]
    payments = sum(release.payments for release in classes)
    wider = [release for release in classes if release.window_end_ms - release.window_start_ms > narrowest_ms]
    return ReleasesPicture(
        policy=policy,
        k=classes[0].k,
        windows=tuple(_window(held[key], narrowest_ms) for key in shown),
        complete=complete,
        classes=len(classes),
        payments=payments,
        held_payments=sum(release.payments for release in wider),
        smallest=min(release.people for release in classes),
        l=min(release.l for release in classes),
        t=max(release.t for release in classes),
        loss=round(_lost(classes) / payments, 4),
        inference=round(_inference(classes), 4),
        sizes=sizes_of([(release.people, release.payments) for release in classes], classes[0].k),
        trade=trade_of(classes, classes[0].k),
    )


def sizes_of(classes: Sequence[tuple[int, int]], k: int) -> tuple[SizeBar, ...]:
    """Return at most 24 bars of equal width from `k` on; the last may hold all larger classes.

    Args:
        classes: people and payments of each.
        k: fewest people; a class of fewer, which must not be, has a bar of its own before the others.

    >>> [(bar.low, bar.high, bar.classes) for bar in sizes_of([(5, 9), (5, 6), (7, 7)], 5)]
    [(5, 5, 2), (6, 6, 0), (7, 7, 1)]
    """
    if not classes:
        return ()
    people = sorted(size for size, _ in classes)
    largest, usual = people[-1], people[int((len(people) - 1) * _TAIL)]
    width = max(1, -(-(usual - k + 1) // (_BARS - 1)))
    count = max(1, min(_BARS, -(-(largest - k + 1) // width)))
    edges = [(k + number * width, k + (number + 1) * width - 1) for number in range(count)]
    edges[-1] = (edges[-1][0], max(edges[-1][1], largest))
    if people[0] < k:
        edges.insert(0, (people[0], k - 1))
    bars = []
    for low, high in edges:
        inside = [payments for size, payments in classes if low <= size <= high]
        bars.append(SizeBar(low, high, len(inside), sum(inside)))
    return tuple(bars)


def trade_of(classes: Sequence[Release], k: int) -> tuple[TradePoint, ...]:
    """Return what releasing only the classes of at least so many people would give, for each k at which that changes.

    Args:
        classes: that were released.
        k: the first to look at.

    Returns:
        At most 80 points by rising k. Prosecutor's and marketer's risk never rise, loss never falls.
    """
    rising = sorted(classes, key=lambda release: (release.people, release.class_id))
    payments = sum(release.payments for release in rising)
    # A class of n people is left out from n + 1 on, so there and nowhere else the figures jump.
    steps = sorted({k, *(release.people for release in rising if release.people >= k)})
    if len(steps) > _POINTS:
        steps = [*dict.fromkeys(steps[round(number * (len(steps) - 1) / (_POINTS - 1))] for number in range(_POINTS))]
    points = []
    for step in steps:
        kept = [release for release in rising if release.people >= step]
        if not kept:
            break
        kept_payments = sum(release.payments for release in kept)
        lost = _lost(kept) + payments - kept_payments
        points.append(
            TradePoint(
                k=step,
                classes=len(kept),
                prosecutor=1 / kept[0].people,
                marketer=sum(release.payments / release.people for release in kept) / kept_payments,
                loss=lost / payments,
                left_out=(payments - kept_payments) / payments,
            )
        )
    return tuple(points)


def _whole_batches(documents: Sequence[ReleaseDocument], limit: int) -> tuple[list[ReleaseDocument], bool]:
    if len(documents) < limit:
        return list(documents), True
    oldest = min(one.seq for one in documents)
    whole = [one for one in documents if one.seq > oldest]
    # One batch alone that is larger than the limit is shown as far as it was read, and the page says so.
    return (whole, True) if whole else (list(documents), False)


def _window(classes: Sequence[Release], narrowest_ms: int) -> WindowPicture:
    first = classes[0]
    payments = sum(release.payments for release in classes)
    return WindowPicture(
        start_ms=first.window_start_ms,
        end_ms=first.window_end_ms,
        policy=first.policy,
        classes=len(classes),
        payments=payments,
        smallest=min(release.people for release in classes),
        k=first.k,
        l=min(release.l for release in classes),
        t=max(release.t for release in classes),
        loss=round(_lost(classes) / payments, 4),
        held=first.window_end_ms - first.window_start_ms > narrowest_ms,
    )


def _lost(classes: Sequence[Release]) -> float:
    return sum(release.loss * release.payments for release in classes)


def _inference(classes: Sequence[Release]) -> float:
    payments = sum(release.payments for release in classes)
    most = 0.0
    for verdict in Verdict:
        share = sum(release.sensitive.get(verdict, 0) for release in classes) / payments
        most = max(most, *(release.sensitive.get(verdict, 0) / release.payments - share for release in classes))
    return most
