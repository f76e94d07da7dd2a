"""What each micro-batch of the reports left behind, so that a repeated one starts from the same past.

    state/00000012.entry           state after micro-batch 12, without the hours of the last day
    hours/START-00000012.hour      payments of each person in the hour that begins then, as micro-batch 12 left them

Spark repeats micro-batch N until it has recorded N as committed; entry N is written after every sink has everything of N and before that.
A repeated N reads entry N - 1, which is kept until N + 1 is done. As a window's document follows from the records in Kafka alone
(`privacy.reports.clock`), the whole folder may also be removed: then everything is computed again, and is the same.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from privacy.files import read_whole, write_whole
from privacy.reports.state import ReportState, ReportTerms
from veilocity.errors import StateError

__all__ = ["LAYOUT", "ReportLedger"]

LAYOUT = 1
_NOTHING = -1
_ADVICE = "remove the folder of the reports to compute them again from Kafka"


class _Entry(msgspec.Struct):
    layout: int
    terms: ReportTerms
    state: ReportState
    hours: dict[int, int]
    """Start of an hour to the micro-batch that wrote its file."""


class ReportLedger:
    """The ledger in one folder. One process at a time."""

    def __init__(self, directory: Path, terms: ReportTerms) -> None:
        """Open the ledger.

        Args:
            directory: of the reports; made when missing.
            terms: of the reports; an entry of others is refused.
        """
        self._entries, self._hours = directory / "state", directory / "hours"
        self._terms = terms
        for folder in (self._entries, self._hours):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def check(self, committed: int, begun: int) -> None:
        """Refuse a checkpoint and a ledger that do not belong together.

        Args:
            committed: last micro-batch that Spark committed, -1 for none.
            begun: last micro-batch whose records Spark chose, -1 for none.

        Raises:
            StateError: one is missing or older than the other allows, or was written under other terms.
        """
        newest = max((int(path.stem) for path in self._entries.glob("*.entry")), default=_NOTHING)
        if newest < committed or newest > begun:
            raise StateError(f"checkpoint and state of the reports do not belong together: {_ADVICE}")
        if committed > _NOTHING:
            self._read(committed)

    def load(self, batch: int) -> ReportState:
        """Return the state after `batch`; -1 is before the first.

        Raises:
            StateError: the entry is missing, damaged, or of other terms.
        """
        if batch == _NOTHING:
            return ReportState()
        entry = self._read(batch)
        for start_ms, written in entry.hours.items():
            entry.state.day_counts.hours[start_ms] = read_whole(self._hour_path(start_ms, written), dict[str, int])
        return entry.state

    def commit(self, batch: int, state: ReportState) -> None:
        """Write the entry of `batch`, then forget what no repetition can need any more."""
        before = self._read(batch - 1).hours if batch else {}
        day = state.day_counts
        hours = {start_ms: batch if start_ms in day.changed else before[start_ms] for start_ms in day.hours}
        for start_ms in day.changed:
            write_whole(self._hour_path(start_ms, batch), msgspec.msgpack.encode(day.hours[start_ms]))
        day.changed = set()
        bare = msgspec.structs.replace(state, day_counts=msgspec.structs.replace(day, hours={}))
        write_whole(self._entry_path(batch), msgspec.msgpack.encode(_Entry(LAYOUT, self._terms, bare, hours)))
        needed = {self._hour_path(start_ms, written) for some in (before, hours) for start_ms, written in some.items()}
        for path in self._hours.glob("*.hour"):
            if path not in needed:
                path.unlink(missing_ok=True)
        for path in self._entries.glob("*.entry"):
            if int(path.stem) < batch - 1:
                path.unlink(missing_ok=True)

    def _read(self, batch: int) -> _Entry:
        entry = read_whole(self._entry_path(batch), _Entry)
        if entry.layout != LAYOUT:
            raise StateError(f"layout {entry.layout} of the reports' state is not {LAYOUT}: {_ADVICE}")
        if entry.terms != self._terms:
            raise StateError(f"the reports' settings, the policy's k or the key ring changed: put them back, or {_ADVICE}")
        return entry

    def _entry_path(self, batch: int) -> Path:
        return self._entries / f"{batch:08d}.entry"

    def _hour_path(self, start_ms: int, batch: int) -> Path:
        return self._hours / f"{start_ms}-{batch:08d}.hour"
