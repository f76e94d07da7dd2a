"""A partition with learned rules: scores leave with the batch, in one commit, and everything else as without them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random

import msgspec
import pytest

from rules.hosting import engine_of
from rules.merge import FIX, PAYMENT, Record, Run
from rules.models.observing import Answer, Row
from rules.partition import Judge, Learned, Partition, Position
from rules.store import Limits, StateStore
from tests.unit.rules_world import LAGOS, LONDON, PARIS, fix, payment
from veilocity.contracts import Decision, Fix, LearnedScore, RulesProgress, decode, encode
from veilocity.settings import load
from veilocity.topics import DECISIONS, Topic

ENGINE = engine_of(load({}))
Sent = tuple[str, bytes, bytes | None]


class Outbox:
    """Keeps what was sent, and when it was committed."""

    def __init__(self) -> None:
        self.sent: list[Sent] = []
        self.commits = 0

    def send(self, topic: Topic, key: bytes, value: bytes | None) -> None:
        self.sent.append((topic.name, key, value))

    def commit(self, _: Mapping[str, int]) -> None:
        self.commits += 1


class Counting:
    """Scores a row by the payments of the day, and remembers the batches."""

    def __init__(self) -> None:
        self.is_scoring = True
        self.batches: list[int] = []
        self.looks = 0

    def look(self, _: float) -> None:
        self.looks += 1

    def answers(self, decisions: Sequence[Decision], rows: Sequence[Row | None]) -> list[Answer]:
        self.batches.append(len(decisions))
        assert len(decisions) == len(rows)
        scores = [None if row is None else (LearnedScore("learned-a", "1", row[4], 9.0, {}),) for row in rows]
        return [Answer(msgspec.structs.replace(one, learned=score or ())) for one, score in zip(decisions, scores, strict=True)]


def records(count: int = 400) -> list[Record]:
    """Return events of five people in the order in which Kafka took them."""
    random = Random(3)  # noqa: S311  # a seeded test, nothing secret
    found = []
    offsets = [0, 0]
    for number in range(count):
        subject = f"p{number % 5}"
        place = random.choice((LONDON, LONDON, PARIS, LAGOS))
        event = (
            payment(number * 30.0, place, id=f"t{number}", subject=subject) if number % 3 else fix(number * 30.0, LONDON, subject=subject)
        )
        rank = FIX if isinstance(event, Fix) else PAYMENT
        found.append(Record(number, rank, offsets[rank], encode(event), subject.encode()))
        offsets[rank] += 1
    found.append(Record(count, PAYMENT, offsets[PAYMENT], b"no event", b"p0"))
    return found


def runs(seed: int) -> list[Run]:
    random, rest, found = Random(seed), records(), []  # noqa: S311  # as above
    while rest:
        taken, rest = rest[: (size := random.randrange(1, 60))], rest[size:]
        ends = [max((one.offset + 1 for one in taken if one.rank == rank), default=-1) for rank in (FIX, PAYMENT)]
        found.append(Run(taken, (ends[0], ends[1])))
    return found


def worked(learned: Learned | None, seed: int = 1) -> Outbox:
    """Return what one partition sent of all the events, in batches of a few runs."""
    outbox, random = Outbox(), Random(seed)  # noqa: S311  # as above
    partition = Partition(Judge(ENGINE, StateStore(Limits(10**18, 10_000))), outbox, RulesProgress(0), Position(0, (0, 0)), learned=learned)
    for number, run in enumerate(runs(seed)):
        partition.look(float(number))
        partition.process(run)
        if random.random() < 0.5:
            partition.score()
            if random.random() < 0.5:
                partition.commit(0.0)
    partition.commit(0.0)
    return outbox


def decisions(outbox: Outbox) -> list[Decision]:
    return [decode(value or b"", Decision) for name, _, value in outbox.sent if name == DECISIONS.name]


@pytest.mark.parametrize("seed", range(5))
def test_all_but_the_scores_is_as_without_learned_rules(seed: int) -> None:
    alone, beside = worked(None, seed), worked(Counting(), seed)
    assert [msgspec.structs.replace(one, learned=()) for one in decisions(beside)] == decisions(alone)
    assert any(one.revision > 1 and one.learned for one in decisions(beside))
    others = [[one for one in outbox.sent if one[0] in ("alerts", "rejects")] for outbox in (alone, beside)]
    assert sorted(map(str, others[0])) == sorted(map(str, others[1]))
    states = [[one for one in outbox.sent if one[0].startswith("rules-")] for outbox in (alone, beside)]
    assert states[0] == states[1]


@pytest.mark.parametrize("seed", range(1, 4))
def test_a_score_does_not_depend_on_the_batches(seed: int) -> None:
    first, other = decisions(worked(Counting(), 0)), decisions(worked(Counting(), seed))
    assert [one.learned for one in first] == [one.learned for one in other]
    assert all(one.learned for one in first)


def test_nothing_is_sent_before_it_is_scored_and_nothing_twice() -> None:
    learned, outbox = Counting(), Outbox()
    partition = Partition(Judge(ENGINE, StateStore(Limits(10**18, 10_000))), outbox, RulesProgress(0), Position(0, (0, 0)), learned=learned)
    first, second, *_ = runs(1)
    partition.process(first)
    partition.look(0.0)
    partition.process(second)
    assert (decisions(outbox), learned.looks) == ([], 0)
    partition.score()
    told = len(decisions(outbox))
    assert learned.batches == [told]
    partition.score()
    partition.commit(0.0)
    assert (len(decisions(outbox)), learned.batches) == (told, [told])


def test_without_a_model_in_force_no_row_is_made() -> None:
    learned = Counting()
    learned.is_scoring = False
    assert worked(learned).sent == worked(None).sent
    assert learned.batches == []
