"""Which release window a payment belongs to, which payments are late, and which windows are closed.

With m[p] the newest event time seen on Kafka partition p of `decisions` in offset order, and M the largest of all m[p]:

    a payment on p is late        when its window ends at or before  m[p] - delay, or was closed by an earlier micro-batch
    a window is closed            when it ends at or before          min over p of max(m[p], M - idle)  -  delay

Every payment that enters a window after the window's end has passed on its own partition is late by the first rule, whichever way batches
are cut; so the content of a closed window does not depend on the cut. The `idle` term is what keeps a partition without payments from
holding windows back for ever: a partition counts as at most `idle` behind the newest one. Only payments of a partition that lags more
than `idle` in event time can then be late because of when they were read; they are counted as late like any other.

Windows have tiers of growing width, all aligned to the epoch. Payments enter a window of tier 0; what found no class there is held for the
window of the next tier that its time lies in, and so on. The windows of the last tier are the deadline.

A drain closes everything at once, when the stream has fallen silent (`privacy.heartbeat`). It cuts event time at the end of the newest
open window of tier 0: windows of every tier end there, and what comes later begins new ones. So a closed window never takes a payment
again, whatever its tier.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import pairwise

import msgspec

from veilocity.errors import SettingsError
from veilocity.eventtime import window_start_ms

__all__ = ["Clock", "Window", "WindowPolicy"]


class WindowPolicy(msgspec.Struct, frozen=True):
    """How wide windows are, and how long they wait."""

    width_ms: int
    """Of tier 0."""
    delay_ms: int
    idle_ms: int
    later_ms: tuple[int, ...] = ()
    """Widths of the later tiers: each a multiple of the one before."""
    drain_ms: int = 0
    """Silence by the wall clock after which everything is closed; 0 for never."""

    def __post_init__(self) -> None:
        widths = self.widths_ms
        if any(wide % narrow or wide == narrow for narrow, wide in pairwise(widths)):
            raise SettingsError("each tier of release windows must be a multiple of the tier before: for instance 60, 360 and 1440 minutes")

    @property
    def widths_ms(self) -> tuple[int, ...]:
        """Width of each tier."""
        return self.width_ms, *self.later_ms

    @property
    def last_tier(self) -> int:
        """The tier whose windows are the deadline."""
        return len(self.later_ms)


class Window(msgspec.Struct, frozen=True, order=True):
    """One window: half open in event time."""

    tier: int
    start_ms: int
    end_ms: int


class Clock(msgspec.Struct, frozen=True):
    """How far event time has come; its methods give the next one.

    >>> policy = WindowPolicy(width_ms=100, delay_ms=10, idle_ms=1000, later_ms=(300,))
    >>> clock, windows = Clock().assigned(policy, [(0, 5), (0, 120), (0, 99), (0, 7), (1, 90)])
    >>> windows
    [0, 100, None, None, 0]
    >>> clock.closed(policy, partitions=(0, 1)).closed_ms
    0
    >>> clock, windows = clock.assigned(policy, [(1, 250)])
    >>> clock.closed(policy, partitions=(0, 1)).closed_ms
    100
    >>> clock = clock.drained(policy, [0, 100])
    >>> clock.window(policy, 1, 150), clock.window(policy, 1, 250)
    (Window(tier=1, start_ms=0, end_ms=200), Window(tier=1, start_ms=200, end_ms=300))
    """

    newest_ms: dict[int, int] = {}
    """Newest event time of each partition."""
    closed_ms: int = 0
    """Every window that ends at or before this is closed."""
    cuts_ms: tuple[int, ...] = ()
    """Where drains cut event time, oldest first; those that no open window can touch are forgotten."""

    def assigned(self, policy: WindowPolicy, events: Iterable[tuple[int, int]]) -> tuple[Clock, list[int | None]]:
        """Return the clock after these events, and for each the start of its window of tier 0, or None for a late one.

        Args:
            policy: the windows.
            events: (partition, event time in ms), in offset order within each partition.
        """
        newest = dict(self.newest_ms)
        windows: list[int | None] = []
        for partition, event_ms in events:
            passed = max(newest.get(partition, event_ms), event_ms)
            newest[partition] = passed
            start = window_start_ms(event_ms, policy.width_ms)
            end = start + policy.width_ms
            windows.append(None if end <= passed - policy.delay_ms or end <= self.closed_ms else start)
        return Clock(newest, self.closed_ms, self.cuts_ms), windows

    def closed(self, policy: WindowPolicy, partitions: Iterable[int]) -> Clock:
        """Return the clock with every window closed that all partitions have passed.

        Args:
            policy: the windows.
            partitions: of `decisions`, as of this micro-batch: there may be more than before. One without any payment yet holds windows
                back too, for `idle_ms`.
        """
        if not self.newest_ms:
            return self
        overall = max(self.newest_ms.values())
        behind = overall - policy.idle_ms
        slowest = min(max(self.newest_ms.get(partition, behind), behind) for partition in {*partitions, *self.newest_ms})
        passed = slowest - policy.delay_ms
        closed_ms = max(self.closed_ms, passed - passed % policy.width_ms)
        # A window that is open before this step ends after the old `closed_ms`: an older cut than its width touches none of them.
        cuts_ms = tuple(cut for cut in self.cuts_ms if cut > self.closed_ms - policy.widths_ms[-1])
        return Clock(self.newest_ms, closed_ms, cuts_ms)

    def drained(self, policy: WindowPolicy, open_windows: Iterable[int]) -> Clock:
        """Return the clock with everything closed that began.

        Args:
            policy: the windows.
            open_windows: starts of the open windows of tier 0.
        """
        closed_ms = max([self.closed_ms, *(start + policy.width_ms for start in open_windows)])
        return Clock(self.newest_ms, closed_ms, tuple(sorted({*self.cuts_ms, closed_ms})))

    def window(self, policy: WindowPolicy, tier: int, event_ms: int) -> Window:
        """Return the window of a tier that a time lies in."""
        start = window_start_ms(event_ms, policy.widths_ms[tier])
        end = start + policy.widths_ms[tier]
        return Window(
            tier,
            max([start, *(cut for cut in self.cuts_ms if cut <= event_ms)]),
            min([end, *(cut for cut in self.cuts_ms if cut > event_ms)]),
        )

    def newly_closed(self, policy: WindowPolicy, tier: int, open_windows: Mapping[int, int]) -> list[Window]:
        """Return the open windows of a tier that this clock has closed, oldest first.

        Args:
            policy: the windows.
            tier: which.
            open_windows: of this tier, by their starts.
        """
        windows = (self.window(policy, tier, start) for start in sorted(open_windows))
        return [window for window in windows if window.end_ms <= self.closed_ms]
