"""The privacy stage for long, with crashes: simulated events by the million while it is killed, gets more partitions and falls silent.

Afterwards everything must add up, and an outsider must find nothing (`benchmarks.privacy_soak_judge`). It runs on real servers of its own,
is bounded by `--minutes`, tells once a minute in a log how far it is, and ends all it started. Run it with `make soak-privacy`, or in full
with `make soak-privacy ARGS="--events 10000000 --kills 20"`.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import msgspec

from benchmarks.figures import Figure, write
from benchmarks.privacy_soak_chaos import Kill, Moment, Place, StageProcess, drawn_kills
from benchmarks.privacy_soak_feed import Feeder, events_read
from benchmarks.privacy_soak_judge import Verdict, judge
from benchmarks.privacy_soak_leaks import files_of, found_in, leaks, secrets_of
from benchmarks.privacy_soak_world import Plan, truth_of
from devstack import Stack, spark_jars
from devstack.cancellation import Cancellation
from devstack.environment import changed
from devstack.install import Installer
from devstack.ports import free_port
from devstack.report import SilentReporter
from storage.documents import Progress
from storage.queries import Reader
from veilocity import settings as kernel_settings
from veilocity.errors import StoreUnavailableError
from veilocity.kafka import ensure_topics, wait_for_topics
from veilocity.settings import Settings

__all__ = ["Outcome", "Soak", "figures", "plan_of"]

_LOOK_S = 0.05
_TELL_EVERY_S = 60.0
_STUCK_S = 600.0
"""Without any news for so long, it is broken."""
_LEAD_HOURS = 8
"""How far the feeder may be ahead, in event time: less than a partition may lag before windows no longer wait for it."""


class Outcome(msgspec.Struct):
    """What one soak did and found."""

    events: int
    seconds: float
    """From the first start of the stage until it had read everything and drained."""
    places: dict[Place, int]
    """Kills, by where the stage was."""
    silences: int
    growths: int
    own_ends: int
    verdict: Verdict


def plan_of(events: int, silences: int = 3, growths: int = 2, seed: int = 1) -> Plan:
    """Return a plan of so many events: some 400 an hour at 20,000 events, 30,000 an hour at 10 million.

    >>> plan = plan_of(10_000_000)
    >>> plan.blocks, plan.people, plan.hours, plan.silences, plan.growths
    (2000, 20000, 336, (500, 1000, 1500), (666, 1333))
    """
    block = 5_000 if events > 1_000_000 else 1_000 if events > 100_000 else 250
    blocks = -(-events // block)
    return Plan(
        events=events,
        people=min(20_000, max(300, events // 100)),
        hours=min(336, max(48, events // 2_000)),
        seed=seed,
        block_events=block,
        silences=tuple(blocks * number // (silences + 1) for number in range(1, silences + 1)),
        growths=tuple(blocks * number // (growths + 1) for number in range(1, growths + 1)),
    )


class Soak:
    """One run on servers that are there, with topics, database and folder of its own."""

    def __init__(self, settings: Settings, plan: Plan, kills: list[Kill], folder: Path, *, stored: bool = True) -> None:
        """Nothing runs yet.

        Args:
            settings: of the stage; its key ring and its topics are there.
            plan: what is simulated.
            kills: to come.
            folder: for logs.
            stored: whether the policy stores payments.
        """
        self._settings, self._plan, self._kills, self._stored = settings, plan, list(kills), stored
        self._log, self._diary = folder / "privacy.log", folder / "soak.log"
        self._reader = Reader(settings)
        self._last = Progress("privacy", 0)
        self.stage = StageProcess(settings, self._log, self.progress)
        lead_blocks = max(1, plan.blocks * _LEAD_HOURS // plan.hours)
        self.feeder = Feeder(settings, plan, lead_blocks, self.progress)
        self._leaked: set[str] = set()
        self._secrets = secrets_of(settings)
        self._began_s = self._told_s = time.monotonic()

    def progress(self) -> Progress:
        """Return what the stage says; what it said last while the store does not answer."""
        try:
            self._last = self._reader.progress() or self._last
        except StoreUnavailableError:
            self._tell("the store did not answer")
        return self._last

    def run(self, minutes: float) -> Outcome:
        """Feed, kill, let it drain, judge.

        Args:
            minutes: after which nothing more is fed; what is written is judged.
        """
        self._began_s = time.monotonic()
        try:
            self.stage.start()
            self.feeder.start()
            self._live(self._began_s + minutes * 60)
            seconds = time.monotonic() - self._began_s
            self._settle()
        finally:
            self.feeder.enough()
            self.stage.stop()
            last = self.progress()
            self._reader.close()
        self._search_files()
        truth = truth_of(self._plan, self.feeder.blocks)
        self._tell("the stage has stopped; judging")
        verdict = judge(self._settings, self._plan, truth, last, sorted(self._leaked), stored=self._stored)
        return Outcome(
            truth.events,
            seconds,
            dict(self.stage.places),
            self.feeder.silences,
            self.feeder.growths,
            self.stage.own_ends,
            verdict,
        )

    def _live(self, until_s: float) -> None:
        """Return when everything is written, read and drained and every kill has come; kill on the way."""
        news, heard_s = self.progress(), time.monotonic()
        while self.feeder.is_alive() or self._kills or not self.feeder.drained():
            if self.feeder.error is not None:
                raise self.feeder.error
            if time.monotonic() > until_s:
                self.feeder.enough()
                self._kills.clear()
            if time.monotonic() - self._told_s > _TELL_EVERY_S:
                self._tell("running")
                self._search_metrics()
            if (progress := self.progress()) != news:
                news, heard_s = progress, time.monotonic()
            if time.monotonic() - heard_s > _STUCK_S:
                raise SystemExit(f"the stage has not moved for {_STUCK_S:.0f} s: see {self._log}")
            self.stage.revive()
            if not self._kill_if_due():
                time.sleep(_LOOK_S)

    def _settle(self) -> None:
        """Return when the stage that the last kill left runs again and has finished what it began."""
        deadline = time.monotonic() + _STUCK_S
        while not (self._search_metrics() and self.stage.settled()):
            if time.monotonic() > deadline:
                raise SystemExit(f"the stage did not come to rest: see {self._log}")
            self.stage.revive()
            time.sleep(_LOOK_S)

    def _kill_if_due(self) -> bool:
        everything = not self.feeder.is_alive() and self.feeder.drained()
        for place, kill in enumerate(self._kills):
            # One that is to hit a start comes next after the kill that caused the start.
            starts = kill.moment is Moment.START and all(one.moment is Moment.DRAIN for one in self._kills[:place])
            due = starts or events_read(self._last) >= kill.after_events
            if everything or (due and (kill.moment is not Moment.DRAIN or self._waits())):
                self._kills.remove(kill)
                where = self.stage.kill(kill, silent=self._waits, patient=not everything)
                self._tell(f"kill {self.stage.kills}: asked for {kill.moment.value}; it was {where.value}")
                self._search_files()
                self.stage.start()
                return True
        return False

    def _waits(self) -> bool:
        """Whether the feeder is silent, and the stage has read what is written."""
        return self.feeder.silent and events_read(self.progress()) >= self.feeder.readable

    def _search_files(self) -> None:
        """Look at everything as the crash has left it."""
        for path in files_of(self._settings, [self._log]):
            where = "the log" if path == self._log else str(path.relative_to(self._settings.privacy_dir).parts[0])
            self._leaked.update(f"{where} of the stage holds {what}" for what in found_in(path, self._secrets))

    def _search_metrics(self) -> bool:
        """Look at the metrics; return whether there are any."""
        try:
            told = httpx.get(f"http://127.0.0.1:{self._settings.privacy_metrics_port}/metrics").content
        except httpx.TransportError:
            # It is just starting.
            return False
        self._leaked.update(f"a metric of the stage holds {what}" for what in leaks(told, self._secrets))
        return True

    def _tell(self, what: str) -> None:
        self._told_s = time.monotonic()
        last = self._last
        line = (
            f"{self._told_s - self._began_s:8.0f} s  written {self.feeder.blocks * self._plan.block_events:>10,}  "
            f"read {events_read(last):>10,}  released {last.released:>10,}  late {last.late:>7,}  pending {last.pending:>8,}  "
            f"kills {self.stage.kills:>3}  {what}\n"
        )
        with self._diary.open("a", encoding="utf-8") as diary:
            diary.write(line)


def figures(outcome: Outcome, kills: int) -> list[Figure]:
    """Return what is kept of a soak.

    Args:
        outcome: of it.
        kills: that were asked for.
    """
    verdict = outcome.verdict
    return [
        Figure("soak.classes_below_k", verdict.classes_below_k, "classes", "<= 0"),
        Figure("soak.identifiers_found", verdict.identifiers_found, "found", "<= 0"),
        Figure("soak.lost", verdict.lost, "records", "<= 0"),
        Figure("soak.doubled", verdict.doubled, "records", "<= 0"),
        Figure("soak.events", outcome.events, "events", ">= 10000000"),
        Figure("soak.kills", sum(outcome.places.values()), "kills", f">= {kills}"),
        Figure("soak.kills_in_batches", sum(n for place, n in outcome.places.items() if place is not Place.IDLE), "kills", "information"),
        Figure("soak.partition_changes", outcome.growths, "changes", ">= 2"),
        Figure("soak.silences", outcome.silences, "silences", ">= 1"),
        Figure("soak.classes", verdict.classes, "classes", "information"),
        Figure("soak.classes_fitted", verdict.classes_fitted, "classes", "information"),
        Figure("soak.released_share", verdict.progress.released / max(1, verdict.progress.transactions), "of payments", "information"),
        Figure("soak.seconds", outcome.seconds, "s", "information"),
    ]


def soak_settings(base: Settings, policy: Path | None, batch_records: int) -> Settings:
    """Return the settings of a stage that drains after seconds of silence and does not audit by itself: this judges."""
    values: dict[str, object] = {
        "privacy_heartbeat_s": 0.5,
        "privacy_drain_s": 3.0,
        "privacy_audit_s": 0.0,
        "privacy_batch_records": batch_records,
        "privacy_metrics_port": free_port([]),
    }
    if policy is not None:
        values["privacy_policy_file"] = policy.absolute()
    return changed(base, **values)


def main(tell: Callable[[str], None] = print) -> int:
    """Soak, write the figures, return 0 when nothing is wrong and as much happened as was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=300_000)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--minutes", type=float, default=240.0, help="after which nothing more is fed; what was fed is judged")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--policy", type=Path, help="privacy policy of the stage")
    parser.add_argument("--releases-only", action="store_true", help="the policy stores no payments and alerts")
    parser.add_argument("--batch-records", type=int, default=20_000)
    parser.add_argument("--logs", type=Path, help="folder for the logs; by default it goes with the run")
    parser.add_argument("--name", default="privacy_soak", help="of the file of figures")
    options = parser.parse_args()
    plan = plan_of(options.events, seed=options.seed)
    kills = drawn_kills(options.kills, options.events, len(plan.silences), options.seed)
    with tempfile.TemporaryDirectory(prefix="veilocity-privacy-soak-") as folder:
        logs = options.logs or Path(folder)
        logs.mkdir(parents=True, exist_ok=True)
        with Stack(kernel_settings.load({}, state_dir=Path(folder) / "state"), services=()) as stack:
            Installer(stack.settings, SilentReporter(), Cancellation()).spark()
            settings = changed(stack.settings, spark_jars=",".join(str(jar) for jar in spark_jars(stack.settings)))
            settings = soak_settings(settings, options.policy, options.batch_records)
            ensure_topics(settings)
            wait_for_topics(settings)
            tell(f"soaking; how far it is stands in {logs / 'soak.log'}")
            outcome = Soak(settings, plan, kills, logs, stored=not options.releases_only).run(options.minutes)
    write(options.name, figures(outcome, options.kills), ("pyspark", "confluent-kafka", "pymongo", "elasticsearch"))
    tell(f"the stage died {dict(outcome.places)}, and ended by itself {outcome.own_ends} times")
    for fault in outcome.verdict.faults:
        tell(fault)
    complete = outcome.events >= options.events and sum(outcome.places.values()) >= options.kills
    return 0 if outcome.verdict.passed and complete else 1


if __name__ == "__main__":
    raise SystemExit(main())
