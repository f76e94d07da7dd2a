"""The ledger: what each micro-batch left behind, so that a repeated one starts from the same past and computes the same documents.

    ledger/00000012.entry           state after micro-batch 12, and the places it added to the filter
    ledger/00000012.places          the whole filter after micro-batch 12, every `SNAPSHOT_BATCHES`
    staged/0-1690596000000/12.rows  payments that micro-batch 12 put aside for the window of tier 0 that begins then
    staged/0-1690596000000/salt     by which its members are made, from when it is closed
    drawn/START-END.drawn           noise of the counts of a window, from before anybody sees it (`privacy.aggregates`)
    erasures/ID.request             whom to forget (`privacy.erasure_requests`)

Spark repeats micro-batch N with the same records until it has recorded N as committed. So: entry N is written after the stores have
everything of N and before Spark commits N; a repeated N reads entry N-1 and overwrites its own files; and the staged rows and the salt of
a window that N closed are deleted by N+1, when N can no longer be repeated. Checkpoint, ledger, staged rows and stores live and die
together: `check` refuses a checkpoint without its ledger and a ledger without its checkpoint.

A person is forgotten over three micro-batches, each of which may be repeated: entry N - 1 names the request; N leaves out what was staged
before it and writes a snapshot of the filter; N + 1, when N can no longer be repeated, takes it out of the files, deletes the entries
before N, whose lists of places name people, and then the request.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import msgspec

from privacy.aggregates import AggregateState
from privacy.distinct import DistinctCounts
from privacy.erasure_requests import Requests
from privacy.files import read_whole, write_whole
from privacy.heartbeat import Silence
from privacy.members import window_salt
from privacy.policy import Policy
from privacy.state import StagedRow, StageState
from privacy.windows import Clock, Window
from sketches import BloomFilter, Reservoir
from storage.documents import Progress
from veilocity.errors import StateError

__all__ = ["SNAPSHOT_BATCHES", "Ledger"]

_LOST = "staged payments of the privacy stage were lost or added: restore its whole folder, or remove it to begin anew"
LAYOUT = 3
SNAPSHOT_BATCHES = 200
_NOTHING = -1


class _Entry(msgspec.Struct):
    """State after one micro-batch; the filter is its last snapshot and the places added since."""

    layout: int
    policy: Policy
    progress: Progress
    clock: Clock
    open_windows: list[dict[int, int]]
    closed_windows: list[tuple[int, int]]
    """Tier and start of the windows that this micro-batch closed: their staged rows are still there."""
    silence: Silence
    sample: bytes
    new_places: list[bytes]
    snapshot: int
    """Micro-batch of the newest snapshot of the filter, -1 for none."""
    requested: tuple[str, ...] = ()
    """Requests that the next micro-batch carries out."""
    applied: tuple[str, ...] = ()
    """Requests that this micro-batch carried out."""
    distinct: bytes = b""
    counts: bytes = b""
    """What counts with noise have spent; nothing before the first closed window."""


class _Layout(msgspec.Struct):
    layout: int


class Ledger:
    """The ledger in one folder. One process at a time."""

    def __init__(self, directory: Path, policy: Policy, snapshot_batches: int = SNAPSHOT_BATCHES) -> None:
        """Open the ledger.

        Args:
            directory: the stage's folder; made when missing.
            policy: the promise; an entry of another promise is refused.
            snapshot_batches: micro-batches between two snapshots of the filter.
        """
        self._entries = directory / "ledger"
        self._staged = directory / "staged"
        self._requests = Requests(directory)
        self._gone: frozenset[str] = frozenset()
        """Whose rows of earlier micro-batches this one does not see."""
        self._batch = _NOTHING
        self._policy = policy
        self._snapshot_batches = snapshot_batches
        for folder in (self._entries, self._staged, directory / "erasures"):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def check(self, committed: int, begun: int) -> None:
        """Refuse a checkpoint and a ledger that do not belong together.

        Args:
            committed: last micro-batch that Spark committed, -1 for none.
            begun: last micro-batch whose records Spark chose, -1 for none.

        Raises:
            StateError: one of the two is missing or older than the other allows.
        """
        newest = max((int(path.stem) for path in self._entries.glob("*.entry")), default=_NOTHING)
        if newest < committed or newest > begun:
            raise StateError(
                "checkpoint and ledger of the privacy stage do not belong together: restore the whole folder, "
                "or remove all of it together with the stores' data to begin anew"
            )
        if committed > _NOTHING:
            self._read(committed)

    def load(self, batch: int) -> StageState:
        """Return the state after `batch`; -1 is before the first.

        Raises:
            StateError: the entry is missing, damaged, newer, or of another promise.
        """
        if batch == _NOTHING:
            return StageState.fresh(self._policy)
        entry = self._read(batch)
        return StageState(
            progress=entry.progress,
            clock=entry.clock,
            open_windows=entry.open_windows,
            sample=Reservoir.from_bytes(entry.sample),
            places=self._places(batch, entry.snapshot),
            distinct=DistinctCounts.from_bytes(entry.distinct),
            counts=AggregateState.from_bytes(entry.counts) if entry.counts else None,
            silence=entry.silence,
            requested=entry.requested,
            applied=entry.applied,
        )

    def accept(self, committed: int, begun: int) -> None:
        """Let the next micro-batch carry out the requests that came while no stage ran, unless it has begun: it may have written already.

        Args:
            committed: last micro-batch that Spark committed, -1 for none.
            begun: last micro-batch whose records Spark chose, -1 for none.
        """
        if committed != _NOTHING and committed == begun:
            entry = self._read(committed)
            entry.requested = self._open_requests(entry.applied)
            write_whole(self._entry_path(committed), msgspec.msgpack.encode(entry))

    def purge(self, batch: int, state: StageState) -> None:
        """Remove what the predecessor of `batch` erased from the files, as it can no longer be repeated.

        Raises:
            StateError: a file is damaged.
        """
        if not state.applied:
            return
        # A request that is gone was carried out to the end by an attempt at this micro-batch that broke off later.
        left = [self._requests.read(one) for one in state.applied if one in self._requests.ids()]
        people = frozenset(request.person for request in left)
        for path in self._staged.glob("*/*.rows") if people else ():
            if int(path.stem) < batch - 1:
                _rewrite(path, people)
        self._forget_entries(before=batch - 1)
        for identity in state.applied:
            self._requests.remove(identity)
        state.applied = ()

    def erase(self, batch: int, state: StageState) -> int:
        """Take the people whom the entry before `batch` names out of the state; return how many of their payments were pending.

        Their rows stay on the disk until the next micro-batch, and `staged` leaves them out.

        Raises:
            StateError: a request or a staged file is missing or damaged.
        """
        requests = [self._requests.read(identity) for identity in state.requested]
        state.applied, state.requested = state.requested, ()
        self._gone, gone = frozenset(), frozenset(request.person for request in requests)
        if not requests:
            return 0
        state.sample = state.sample.without(payment.encode() for request in requests for payment in request.payments)
        before = state.pending
        for tier, windows in enumerate(state.open_windows):
            for start_ms, count in list(windows.items()):
                # What a broken-off attempt at this micro-batch has staged does not count.
                rows = self._rows(tier, start_ms, before=batch)
                if len(rows) != count:
                    raise StateError(_LOST)
                windows[start_ms] = sum(row.row.subject not in gone for row in rows)
                if not windows[start_ms]:
                    del windows[start_ms]
        self._gone, self._batch = gone, batch
        return before - state.pending

    def stage(self, batch: int, tier: int, staged: dict[int, list[StagedRow]]) -> None:
        """Put payments aside until their windows, by their starts, close; staging a micro-batch again overwrites it.

        A micro-batch stages for a tier once: payments that it read for tier 0, those that a window of the tier before left for a later.
        """
        for start_ms, rows in staged.items():
            write_whole(self._folder(tier, start_ms) / f"{batch}.rows", msgspec.msgpack.encode(rows))

    def staged(self, tier: int, start_ms: int, expected: int) -> list[StagedRow]:
        """Return all payments that wait for a window, sorted by id.

        Raises:
            StateError: there are not as many as were counted.
        """
        rows = self._rows(tier, start_ms)
        if len(rows) != expected:
            raise StateError(_LOST)
        return sorted(rows, key=lambda staged: staged.row.id)

    def salt(self, window: Window) -> bytes:
        """Return the salt of a window that closes; it is on the disk when this returns, and goes with the window's staged payments.

        Raises:
            StateError: it is damaged.
        """
        return window_salt(self._folder(window.tier, window.start_ms))

    def commit(self, batch: int, state: StageState, new_places: list[bytes], closed: Sequence[Window]) -> None:
        """Write the entry of `batch`, then forget what no repetition can need any more."""
        previous = self._read(batch - 1) if batch else None
        snapshot = previous.snapshot if previous else _NOTHING
        if state.applied or batch - snapshot >= self._snapshot_batches:
            write_whole(self._snapshot_path(batch), state.places.to_bytes())
            self._forget_entries(before=snapshot)
            snapshot = batch
        state.requested = self._open_requests(state.applied)
        entry = _Entry(
            layout=LAYOUT,
            policy=self._policy,
            progress=state.progress,
            clock=state.clock,
            open_windows=state.open_windows,
            closed_windows=[(window.tier, window.start_ms) for window in closed],
            silence=state.silence,
            sample=state.sample.to_bytes(),
            new_places=new_places,
            snapshot=snapshot,
            requested=state.requested,
            applied=state.applied,
            distinct=state.distinct.to_bytes(),
            counts=state.counts.to_bytes() if state.counts else b"",
        )
        write_whole(self._entry_path(batch), msgspec.msgpack.encode(entry))
        # `batch` is running, so its predecessor is committed: what that closed cannot be asked for again.
        for tier, start_ms in previous.closed_windows if previous else []:
            shutil.rmtree(self._folder(tier, start_ms), ignore_errors=True)

    def _open_requests(self, applied: Sequence[str]) -> tuple[str, ...]:
        return tuple(identity for identity in self._requests.ids() if identity not in applied)

    def _rows(self, tier: int, start_ms: int, before: int | None = None) -> list[StagedRow]:
        """Return what is staged for a window, without who is being forgotten: what this micro-batch itself staged of them is new.

        Args:
            tier: of the window.
            start_ms: of the window.
            before: only by micro-batches before this one.
        """
        rows: list[StagedRow] = []
        for path in self._folder(tier, start_ms).glob("*.rows"):
            if before is None or int(path.stem) < before:
                hidden = self._gone if int(path.stem) < self._batch else frozenset()
                rows += [row for row in read_whole(path, list[StagedRow]) if row.row.subject not in hidden]
        return rows

    def _places(self, batch: int, snapshot: int) -> BloomFilter:
        if snapshot == _NOTHING:
            places = BloomFilter(self._policy.bloom_capacity, self._policy.bloom_error_rate)
        else:
            try:
                places = BloomFilter.from_bytes(self._snapshot_path(snapshot).read_bytes())
            except OSError as cause:
                raise StateError("a snapshot of the privacy stage's filter is missing: restore its whole folder") from cause
        for earlier in range(snapshot + 1, batch + 1):
            places.update_batch(self._read(earlier).new_places)
        return places

    def _read(self, batch: int) -> _Entry:
        layout = read_whole(self._entry_path(batch), _Layout).layout
        if layout > LAYOUT:
            raise StateError(f"ledger layout {layout} is newer than {LAYOUT}: upgrade this program")
        if layout < LAYOUT:
            raise StateError(
                f"ledger layout {layout} is older than {LAYOUT} and has the same tokens for both stores: use the program that wrote it, "
                "or remove the folder of the privacy stage together with the stores' data to begin anew"
            )
        entry = read_whole(self._entry_path(batch), _Entry)
        changed = entry.policy.changes(self._policy)
        if changed:
            raise StateError(f"{_difference(changed)}, or remove its folder together with the stores' data to begin anew")
        return entry

    def _forget_entries(self, before: int) -> None:
        for path in (*self._entries.glob("*.entry"), *self._entries.glob("*.places")):
            if int(path.stem) < before:
                path.unlink(missing_ok=True)

    def _folder(self, tier: int, start_ms: int) -> Path:
        return self._staged / f"{tier}-{start_ms}"

    def _entry_path(self, batch: int) -> Path:
        return self._entries / f"{batch:08d}.entry"

    def _snapshot_path(self, batch: int) -> Path:
        return self._entries / f"{batch:08d}.places"


def _rewrite(path: Path, gone: frozenset[str]) -> None:
    """Take people out of a file of staged rows; a file without rows goes, and a folder without files."""
    rows = read_whole(path, list[StagedRow])
    kept = [row for row in rows if row.row.subject not in gone]
    if kept and len(kept) < len(rows):
        write_whole(path, msgspec.msgpack.encode(kept))
    elif not kept:
        path.unlink()
        if not any(path.parent.iterdir()):
            path.parent.rmdir()


def _difference(changed: Sequence[str]) -> str:
    if changed == ("digest",):
        return "the privacy stage began with another policy: name that file in VEILOCITY_PRIVACY_POLICY_FILE again"
    if changed == ("key_checks",):
        return "the privacy stage began with another key ring: put that file back, as versions may be added but none changed or taken out"
    return f"the privacy stage began with other values of {', '.join(changed)}: use those again"
