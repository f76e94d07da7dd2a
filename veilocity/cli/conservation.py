"""The equations that say whether every event is accounted for, from figures that were read while the system runs.

The figures of a running system are never of one moment. They are read against the stream, the last stage first (`Figures` lists the
order), so that what a later stage has done can only be less than what an earlier one has given it. A stage that has done more has doubled
something, and a stage that has read everything and done less has lost something: both are violations, whatever moved meanwhile. Anything
else that is missing is on its way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from enum import StrEnum

import msgspec

from storage.census import Census, StoreCount
from storage.documents import Progress
from veilocity.contracts import RulesProgress

__all__ = ["Conservation", "Equation", "Figures", "RulesFigures", "State", "TopicFigures", "conservation", "total"]


class State(StrEnum):
    """What can be said of an equation."""

    HOLDS = "holds"
    IN_FLIGHT = "in flight"
    VIOLATED = "violated"
    UNKNOWN = "unknown"
    """A service that knows one of the figures does not answer."""


class TopicFigures(msgspec.Struct, frozen=True):
    """How far a reader is in one topic, all partitions together."""

    read: int
    """Offsets that the reader has behind it; a transaction's mark is an offset too, so this is no number of records everywhere."""
    end: int

    @property
    def behind(self) -> int:
        """Offsets that wait."""
        return max(0, self.end - self.read)


class RulesFigures(msgspec.Struct, frozen=True):
    """What the rules service says of itself and where it stands."""

    done: RulesProgress
    """Summed over the partitions."""
    fixes: TopicFigures
    transactions: TopicFigures


class Figures(msgspec.Struct, frozen=True):
    """Everything the equations are made of, None where nobody answered, in the order in which it must be read."""

    acknowledged: int | None = None
    """1: fixes and payments that the gateway has acknowledged since it started."""
    spark_read: dict[str, int] | None = None
    """2: offsets behind Spark's last finished batch by topic; None where its checkpoint cannot be seen from here."""
    census: Census | None = None
    """3: what the stores hold and the privacy stage's progress."""
    rules: RulesFigures | None = None
    """4: the committed offsets, then the counters, then the ends of the topics."""
    ends: dict[str, int] | None = None
    """5: the ends of `fixes`, `decisions` and `alerts`."""


class Equation(msgspec.Struct, frozen=True):
    """One equation with its figures."""

    name: str
    left: int | None
    right: int | None
    state: State
    behind: int = 0
    """How many are on their way."""
    sentence: str = ""


class Conservation(msgspec.Struct, frozen=True):
    """All equations."""

    equations: tuple[Equation, ...]

    @property
    def complete(self) -> bool:
        """Whether every equation is known and holds: nothing is on its way, lost or doubled."""
        return all(equation.state is State.HOLDS for equation in self.equations)

    @property
    def violated(self) -> bool:
        """Whether something was lost or doubled."""
        return any(equation.state is State.VIOLATED for equation in self.equations)


def total(parts: Iterable[RulesProgress]) -> RulesProgress:
    """Return the sum over partitions; the partition of the sum is -1.

    >>> total([RulesProgress(0, decided=2), RulesProgress(1, decided=3)]).decided
    5
    """
    counters = [name for name in RulesProgress.__struct_fields__ if name not in ("partition", "schema")]
    summed = dict.fromkeys(counters, 0)
    for part in parts:
        for name in counters:
            summed[name] += getattr(part, name)
    return RulesProgress(-1, **summed)


def conservation(figures: Figures) -> Conservation:
    """Return every equation of the path, first stage first."""
    return Conservation(
        (
            _acknowledged(figures),
            *_reading(figures.rules),
            *_rules(figures.rules),
            *_handed_over(figures),
            *_privacy(figures.census),
            *_stores(figures.census),
        )
    )


def _acknowledged(figures: Figures) -> Equation:
    name = "acknowledged by the gateway since it started <= in Kafka"
    if figures.acknowledged is None or figures.rules is None:
        return _unknown(name)
    written = figures.rules.fixes.end + figures.rules.transactions.end
    if figures.acknowledged > written:
        return Equation(name, figures.acknowledged, written, State.VIOLATED, sentence="acknowledged events are not in Kafka")
    return Equation(name, figures.acknowledged, written, State.HOLDS)


def _reading(rules: RulesFigures | None) -> Iterator[Equation]:
    for topic in ("fixes", "transactions"):
        name = f"records on {topic} = read by rules"
        if rules is None:
            yield _unknown(name)
            continue
        place: TopicFigures = getattr(rules, topic)
        done: int = getattr(rules.done, f"{topic}_read")
        if done < place.read:
            yield Equation(name, place.end, done, State.VIOLATED, sentence=f"rules went past {topic} that it did not count")
        else:
            yield _flow(name, place.end, done, lost=False)


def _rules(rules: RulesFigures | None) -> Iterator[Equation]:
    names = (
        "fixes read = kept + duplicate + thinned + late + rejected",
        "transactions read = decided + duplicate + rejected",
        "decided = flagged + clear + not scorable",
    )
    if rules is None:
        yield from map(_unknown, names)
        return
    done = rules.done
    fixes = done.fixes_kept + done.fixes_duplicate + done.fixes_thinned + done.fixes_late + done.fixes_rejected
    transactions = done.decided + done.transactions_duplicate + done.transactions_rejected
    yield _equal(names[0], done.fixes_read, fixes)
    yield _equal(names[1], done.transactions_read, transactions)
    yield _equal(names[2], done.decided, done.flagged + done.clear + done.not_scorable)


def _handed_over(figures: Figures) -> Iterator[Equation]:
    """From Kafka to the privacy stage, which counts records while Spark's checkpoint counts offsets."""
    given: dict[str, Callable[[RulesFigures], int]] = {
        "decisions": lambda rules: rules.done.decided + rules.done.decisions_amended,
        "alerts": lambda rules: rules.done.alerts_opened + rules.done.alerts_amended + rules.done.alerts_retracted,
    }
    taken: dict[str, Callable[[Progress], int]] = {
        "decisions": lambda progress: progress.decisions,
        "alerts": lambda progress: progress.alert_revisions,
    }
    for topic, give in given.items():
        name = f"{topic} by rules = {topic} read by privacy"
        if figures.rules is None or figures.census is None:
            yield _unknown(name)
            continue
        spark_read = (figures.spark_read or {}).get(topic)
        everything_read = spark_read is not None and figures.ends is not None and spark_read >= figures.ends[topic]
        yield _flow(name, give(figures.rules), taken[topic](_progress(figures.census)), lost=everything_read)


def _privacy(census: Census | None) -> Iterator[Equation]:
    names = ("decisions read = stored + amendments + rejected", "stored = released + suppressed + late + pending + erased")
    if census is None:
        yield from map(_unknown, names)
        return
    progress = _progress(census)
    # `rejected` counts records of every topic, so it bounds the undecodable decisions from above.
    answers = progress.transactions + progress.amendments
    undecodable = progress.decisions - answers
    state = State.HOLDS if 0 <= undecodable <= progress.rejected else State.VIOLATED
    yield Equation(names[0], progress.decisions, answers + max(0, min(undecodable, progress.rejected)), state)
    states = progress.released + progress.suppressed + progress.late + progress.pending + progress.erased
    yield _equal(names[1], progress.transactions, states)


def _stores(census: Census | None) -> Iterator[Equation]:
    for store in ("MongoDB", "Elasticsearch"):
        names = (f"stored payments = documents in {store}", f"alerts = documents in {store}", f"released classes = documents in {store}")
        if census is None:
            yield from map(_unknown, names)
            continue
        progress = _progress(census)
        held: StoreCount = census.mongodb if store == "MongoDB" else census.elasticsearch
        payments, alerts = held.refused_transactions, held.refused_alerts
        finished = held.transactions + payments + held.erased_transactions
        everything = held.transactions_with_unfinished + payments + held.erased_transactions_with_unfinished
        # What the policy drops is in neither store, and is no loss.
        yield _between(names[0], progress.transactions - progress.unstored, finished, everything)
        everything = held.alerts_with_unfinished + alerts
        yield _alerts(names[1], progress.alerts, held.alerts + alerts, everything, held.erased_alerts_with_unfinished)
        classes = held.releases + held.refused_releases
        yield _between(
            names[2],
            progress.classes,
            classes + held.erased_releases,
            classes + held.erased_releases_with_unfinished,
            "old ones are being deleted",
        )
    name = "released payments = payments of the classes in MongoDB"
    if census is None:
        yield _unknown(name)
        return
    finished = census.released_payments + census.erased_payments
    everything = census.released_payments + census.erased_payments_with_unfinished
    yield _between(name, _progress(census).released, finished, everything, "old ones are being deleted")


def _progress(census: Census) -> Progress:
    return census.progress or Progress(id="privacy", seq=-1)


def _unknown(name: str) -> Equation:
    return Equation(name, None, None, State.UNKNOWN, sentence="not known: see the services")


def _equal(name: str, left: int, right: int) -> Equation:
    if left == right:
        return Equation(name, left, right, State.HOLDS)
    return Equation(name, left, right, State.VIOLATED, sentence=_difference(left - right))


def _flow(name: str, given: int, done: int, *, lost: bool) -> Equation:
    """Return the equation of two stages.

    Args:
        name: what it says.
        given: by the earlier stage, read after `done`.
        done: by the later stage.
        lost: whether the later stage has read everything, so that what is missing is not on its way.
    """
    if done == given:
        return Equation(name, given, done, State.HOLDS)
    if done > given or lost:
        return Equation(name, given, done, State.VIOLATED, sentence=_difference(given - done))
    behind = given - done
    return Equation(name, given, done, State.IN_FLIGHT, behind, f"{behind:,} on their way")


def _between(name: str, expected: int, finished: int, everything: int, why: str = "a batch is being written") -> Equation:
    """Return the equation of documents that a batch under way may just be replacing."""
    if finished == everything == expected:
        return Equation(name, expected, finished, State.HOLDS)
    if finished <= expected <= everything:
        return Equation(name, expected, finished, State.IN_FLIGHT, 0, why)
    return Equation(name, expected, finished, State.VIOLATED, sentence=_difference(expected - finished))


def _alerts(name: str, expected: int, finished: int, everything: int, erased: int) -> Equation:
    """Return the equation of alerts: one that was erased may be there again, with a revision that came later."""
    if erased and finished <= expected <= everything + erased:
        return Equation(name, expected, expected, State.HOLDS, sentence=f"{expected - finished:,} were erased with their people")
    return _between(name, expected, finished, everything)


def _difference(missing: int) -> str:
    return f"{missing:,} are missing" if missing > 0 else f"{-missing:,} are too many"
