"""The stage as a process that is killed: by SIGKILL, at moments that are drawn from a seed and then caught by looking at what it writes.

A moment is asked for and not guaranteed: where the stage was when it died is read afterwards from what it left (`Place`), and that is what
is counted. Half of the kills end the Python driver alone, as the kernel does when memory runs out; the others all of its processes.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path

import msgspec
import psutil

from devstack.environment import base
from devstack.services import service
from privacy.heartbeat import newest_batch
from privacy.state import sequence_of
from storage.documents import Progress
from veilocity.settings import Settings

__all__ = ["Kill", "Moment", "Place", "StageProcess", "drawn_kills"]

_LOOK_S = 0.002
_PATIENCE_S = 60.0
"""How long a moment is waited for; then the kill comes whatever the stage does."""
_STOP_WITHIN_S = 60.0
_STARTS_WITHIN_S = 20.0


class Moment(StrEnum):
    """When a kill is to come."""

    START = "soon after the start before"
    MASK = "while records are masked"
    STORES = "when staged rows are written, and the stores are next"
    LEDGER = "when the progress is written, and the ledger is next"
    COMMIT = "when the ledger is written, and Spark's commit is next"
    DRAIN = "while the stream is silent and payments wait"


class Place(StrEnum):
    """Where the stage was when it died, by what it left."""

    IDLE = "between micro-batches, or while it started"
    BEFORE_STORES = "in a micro-batch, before the stores"
    IN_STORES = "in a micro-batch, while the stores were written"
    BEFORE_LEDGER = "between the stores and the ledger"
    BEFORE_COMMIT = "between the ledger and Spark's commit"


class Kill(msgspec.Struct, frozen=True):
    """One kill to come."""

    after_events: int
    """That the stage has counted; one for a start comes right after the kill before it, one for a drain when the stream is silent."""
    moment: Moment
    whole_family: bool
    delay_s: float


def drawn_kills(count: int, events: int, silences: int, seed: int) -> list[Kill]:
    """Return kills in the order of time: one for each silence, the others over all events.

    >>> kills = drawn_kills(20, 10_000_000, 2, seed=1)
    >>> len(kills), sum(kill.moment is Moment.DRAIN for kill in kills), {kill.moment for kill in kills} == set(Moment)
    (20, 2, True)
    """
    dice = random.Random(seed)  # noqa: S311  # chooses what to hurt, no secret
    drains = min(silences, count)
    cycle = [Moment.LEDGER, Moment.STORES, Moment.START, Moment.COMMIT, Moment.MASK]
    moments = [cycle[number % len(cycle)] for number in range(count - drains)]
    # Spread over the run, with a chance for the very first batch and none for the last.
    at = sorted(int(events * 0.9 * (number + dice.random()) / max(1, len(moments))) for number in range(len(moments)))
    kills = [Kill(after, moment, dice.random() < 0.5, dice.random()) for after, moment in zip(at, moments, strict=True)]
    kills += [
        Kill(int(events * (number + 0.8) / (silences + 1)), Moment.DRAIN, dice.random() < 0.5, dice.random()) for number in range(drains)
    ]
    return sorted(kills, key=lambda kill: kill.after_events)


class StageProcess:
    """The privacy stage; dead or alive, one at a time."""

    def __init__(self, settings: Settings, log: Path, progress: Callable[[], Progress]) -> None:
        self._settings, self._log, self._progress = settings, log, progress
        self._process: subprocess.Popen[bytes] | None = None
        self._family: list[psutil.Process] = []
        self._began_s = 0.0
        self.places: Counter[Place] = Counter()
        self.own_ends = 0
        """How often it ended by itself, as it does when another's Java process still writes its checkpoint."""

    @property
    def kills(self) -> int:
        """How often it was killed."""
        return self.places.total()

    def start(self) -> None:
        """Start it, and return at once."""
        specification = service("privacy", self._settings, base(os.environ))
        with self._log.open("ab") as stream:
            self._process = subprocess.Popen(
                specification.argv, env=dict(specification.environment), stdout=stream, stderr=stream, start_new_session=True
            )
        self._began_s = time.monotonic()

    def revive(self) -> None:
        """Start it again if it has ended by itself, as whoever watches over it in production would."""
        if self._process is None or self._process.poll() is not None:
            self.own_ends += self._process is not None
            self.start()

    def kill(self, kill: Kill, *, silent: Callable[[], bool], patient: bool = True) -> Place:
        """Wait for the moment of a kill, kill, and return where that was.

        Args:
            kill: how.
            silent: whether the feeder is silent and the stage has read everything.
            patient: whether the moment can come at all; else the kill comes at once.
        """
        deadline = time.monotonic() + (_PATIENCE_S if patient else 0.0)
        while time.monotonic() < deadline and not self._met(kill, silent):
            self.revive()
            time.sleep(_LOOK_S)
        self._die(whole_family=kill.whole_family)
        place = self._place()
        self.places[place] += 1
        return place

    def settled(self) -> bool:
        """Say whether no micro-batch is under way."""
        return self._begun() == self._committed()

    def stop(self) -> None:
        """Ask it to end, and end whatever is left of all that ever ran."""
        process = self._process
        if process is not None and process.poll() is None:
            self._remember(process)
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(_STOP_WITHIN_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for one in self._family:
            if one.is_running():
                one.kill()

    def _met(self, kill: Kill, silent: Callable[[], bool]) -> bool:
        """Say whether the moment has come; of a moment that lasts, sleep through a part of it first."""
        settings = self._settings
        lasts_s = {Moment.DRAIN: settings.privacy_drain_s + settings.privacy_heartbeat_s, Moment.MASK: 0.2, Moment.STORES: 0.5}
        if kill.moment is Moment.START:
            return time.monotonic() - self._began_s > _STARTS_WITHIN_S * kill.delay_s
        met = silent() and self._progress().pending > 0 if kill.moment is Moment.DRAIN else self._in_batch(kill.moment)
        if met:
            time.sleep(kill.delay_s * lasts_s.get(kill.moment, 0.0))
        return met

    def _in_batch(self, moment: Moment) -> bool:
        begun = self._begun()
        if begun == self._committed():
            return False
        if moment is Moment.MASK:
            return not self._staged(begun)
        if moment is Moment.COMMIT:
            return self._entered(begun)
        written = self._progress().seq == sequence_of(begun)
        return self._staged(begun) and not written if moment is Moment.STORES else written and not self._entered(begun)

    def _die(self, *, whole_family: bool) -> None:
        process = self._process
        assert process is not None  # noqa: S101  # started before
        self._remember(process)
        if whole_family:
            for one in self._family:
                if one.is_running():
                    one.kill()
        process.kill()
        process.wait()

    def _remember(self, process: subprocess.Popen[bytes]) -> None:
        """Note all processes of the stage: those of a killed one that still end, too."""
        try:
            self._family = [*(one for one in self._family if one.is_running()), *psutil.Process(process.pid).children(recursive=True)]
        except psutil.NoSuchProcess:
            return

    def _place(self) -> Place:
        begun = self._begun()
        if begun == self._committed():
            return Place.IDLE
        if self._entered(begun):
            return Place.BEFORE_COMMIT
        if self._progress().seq == sequence_of(begun):
            return Place.BEFORE_LEDGER
        return Place.IN_STORES if self._staged(begun) else Place.BEFORE_STORES

    def _begun(self) -> int:
        return newest_batch(self._settings.privacy_dir / "checkpoint" / "offsets")

    def _committed(self) -> int:
        return newest_batch(self._settings.privacy_dir / "checkpoint" / "commits")

    def _entered(self, batch: int) -> bool:
        return (self._settings.privacy_dir / "ledger" / f"{batch:08d}.entry").exists()

    def _staged(self, batch: int) -> bool:
        return any(self._settings.privacy_dir.glob(f"staged/*/{batch}.rows"))
