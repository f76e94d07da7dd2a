"""Which release window a payment belongs to, which payments are late, and which windows are closed.

With m[p] the newest event time seen on Kafka partition p of `decisions` in offset order, and M the largest of all m[p]:

    a payment on p is late        when its window ends at or before  m[p] - delay, or was closed by an earlier micro-batch
    a window is closed            when it ends at or before          min over p of max(m[p], M - idle)  -  delay

Every payment that enters a window after the window's end has passed on its own partition is late by the first rule, whichever way batches
are cut; so the content of a closed window does not depend on the cut. The `idle` term is what keeps a partition without payments from
holding windows back for ever: a partition counts as at most `idle` behind the newest one. Only payments of a partition that lags more
than `idle` in event time can then be late because of when they were read; they are counted as late like any other.

Windows close by event time alone: when no payment comes at all, the last windows stay open and their payments pending.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from veilocity.eventtime import window_start_ms

__all__ = ["Clock", "WindowPolicy"]


class WindowPolicy(msgspec.Struct, frozen=True):
    """How wide windows are, and how long they wait."""

    width_ms: int
    delay_ms: int
    idle_ms: int
    partitions: int
    """Partitions of `decisions`; one without any payment yet holds windows back too, for `idle_ms`."""


class Clock(msgspec.Struct, frozen=True):
    """How far event time has come; `advanced` gives the next one.

    >>> policy = WindowPolicy(width_ms=100, delay_ms=10, idle_ms=1000, partitions=2)
    >>> clock, windows = Clock().assigned(policy, [(0, 5), (0, 120), (0, 99), (0, 7), (1, 90)])
    >>> windows
    [0, 100, None, None, 0]
    >>> clock.closed(policy).closed_ms
    0
    >>> clock, windows = clock.assigned(policy, [(1, 250)])
    >>> clock.closed(policy).closed_ms
    100
    """

    newest_ms: dict[int, int] = {}
    """Newest event time of each partition."""
    closed_ms: int = 0
    """Every window that ends at or before this is closed."""

    def assigned(self, policy: WindowPolicy, events: Iterable[tuple[int, int]]) -> tuple[Clock, list[int | None]]:
        """Return the clock after these events, and for each the start of its window, or None for a late one.

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
        return Clock(newest, self.closed_ms), windows

    def closed(self, policy: WindowPolicy) -> Clock:
        """Return the clock with every window closed that all partitions have passed."""
        if not self.newest_ms:
            return self
        overall = max(self.newest_ms.values())
        behind = overall - policy.idle_ms
        partitions = set(range(policy.partitions)) | set(self.newest_ms)
        slowest = min(max(self.newest_ms.get(partition, behind), behind) for partition in partitions)
        passed = slowest - policy.delay_ms
        return Clock(self.newest_ms, max(self.closed_ms, passed - passed % policy.width_ms))

    def newly_closed(self, policy: WindowPolicy, open_windows: Mapping[int, int]) -> list[int]:
        """Return the starts of the open windows that this clock has closed, oldest first."""
        return sorted(start for start in open_windows if start + policy.width_ms <= self.closed_ms)
