"""The soak of the privacy stage, as far as it needs no server: the same world each time, marks on all that is raw, scales that tip."""

from dataclasses import dataclass
from itertools import pairwise

import msgspec
import numpy as np
import pytest

from benchmarks.privacy_soak import plan_of
from benchmarks.privacy_soak_chaos import Moment, drawn_kills
from benchmarks.privacy_soak_judge import weighed, weighed_counters
from benchmarks.privacy_soak_leaks import exact_numbers, leaks
from benchmarks.privacy_soak_people import is_exact
from benchmarks.privacy_soak_world import MARKS, START_MS, Block, Kind, Plan, truth_of
from privacy.audit.patterns import luhn
from storage.documents import Progress
from veilocity.contracts import Alert, Decision, Fix, decode
from veilocity.topics import ALERTS, DECISIONS, FIXES

PLAN = Plan(events=6_000, people=80, hours=48, seed=3, block_events=500, silences=(6,), growths=(4, 8))
HOUR_MS = 3_600_000


@dataclass
class Played:
    decisions: list[Decision]
    fixes: list[Fix]
    alerts: list[Alert]
    undecodable: int


@pytest.fixture(scope="module")
def played() -> Played:
    found = Played([], [], [], 0)
    for number in range(PLAN.blocks):
        for record in Block(PLAN, number).records():
            if record.value.startswith(b'{"transaction": '):
                found.undecodable += 1
            elif record.topic is DECISIONS:
                found.decisions.append(decode(record.value, Decision))
            elif record.topic is FIXES:
                found.fixes.append(decode(record.value, Fix))
            else:
                assert record.topic is ALERTS
                found.alerts.append(decode(record.value, Alert))
    return found


def test_a_block_is_the_same_each_time() -> None:
    assert list(Block(PLAN, 5).records()) == list(Block(PLAN, 5).records())
    assert list(Block(PLAN, 5).records()) != list(Block(msgspec.structs.replace(PLAN, seed=4), 5).records())


def test_the_truth_is_what_is_written(played: Played) -> None:
    truth = truth_of(PLAN, PLAN.blocks)
    first = [one for one in played.decisions if one.revision == 1]
    again = [one for one in played.decisions if one.revision == 2]
    assert [int(one.transaction.id.removeprefix("PAYMENT-")) for one in first] == truth.payments.tolist()
    assert sorted(int(one.transaction.id.removeprefix("PAYMENT-")) for one in again) == truth.amended.tolist()
    newest = {int(one.id.removeprefix("ALERT-")): one.revision for one in played.alerts}
    assert newest == truth.alerts
    assert {1, 2, 3} == set(truth.alerts.values())
    assert (len(played.alerts), len(played.fixes)) == (truth.alert_revisions, truth.fixes)
    assert played.undecodable == truth.bad_decisions + truth.bad_fixes > 0
    assert truth.events == PLAN.events


def test_an_answer_is_amended_after_it_was_given_and_revisions_come_in_order(played: Played) -> None:
    given: set[str] = set()
    for one in played.decisions:
        assert (one.transaction.id in given) == (one.revision == 2)
        given.add(one.transaction.id)
    known: dict[str, int] = {}
    for alert in played.alerts:
        assert alert.revision == known.get(alert.id, 0) + 1
        known[alert.id] = alert.revision


def test_everything_raw_is_marked(played: Played) -> None:
    for one in played.decisions:
        payment = one.transaction
        for text in (payment.id, payment.subject, payment.card, payment.device, payment.user):
            assert text is not None
            assert any(mark in text for mark in MARKS)
        assert payment.card is not None
        assert luhn(payment.card)
        assert payment.lat is None or (is_exact(payment.lat) and payment.lon is not None and is_exact(payment.lon))
    assert all(is_exact(fix.lat) and is_exact(fix.lon) for fix in played.fixes)
    assert leaks(str(played.fixes[0].lat).encode()) == ["an exact place"]
    assert exact_numbers(msgspec.msgpack.encode({"deep": [played.fixes[0].lon]})) == 1


def test_some_payments_are_hours_late_and_a_silence_is_longer_than_a_window() -> None:
    late = []
    ends = []
    for number in range(PLAN.blocks):
        block = Block(PLAN, number)
        smooth = PLAN.event_ms(np.arange(block.first, block.first + len(block.kinds)))
        behind = smooth - block.times_ms()
        assert not behind[block.kinds != Kind.PAYMENT].any()
        late.extend(behind[behind > 0].tolist())
        ends.append((int(smooth[0]), int(smooth[-1])))
    assert 0.005 < np.mean(np.array(late) > HOUR_MS) < 0.5
    assert ends[0][0] == START_MS
    assert all(before < after for (_, before), (after, _) in pairwise(ends))
    assert ends[6][0] - ends[5][1] > 2 * HOUR_MS
    assert [PLAN.partitions_at(number) for number in (3, 4, 7, 8)] == [2, 3, 3, 4]


def test_the_full_form_kills_at_every_kind_of_moment() -> None:
    plan = plan_of(10_000_000)
    kills = drawn_kills(20, plan.events, len(plan.silences), seed=1)
    assert len(kills) == 20
    assert {kill.moment for kill in kills} == set(Moment)
    assert {kill.whole_family for kill in kills} == {True, False}
    assert kills == drawn_kills(20, plan.events, len(plan.silences), seed=1)


def test_the_scales_tip_to_either_side() -> None:
    ids = np.arange(10, dtype=np.uint64)
    assert (weighed("x", ids, ids).lost, weighed("x", ids, ids).doubled) == (0, 0)
    assert (weighed("x", ids, ids[3:]).lost, weighed("x", ids[3:], ids).doubled) == (3, 3)
    assert weighed("x", ids, np.concatenate([ids, ids[:2]])).doubled == 2
    truth = truth_of(PLAN, 2)
    right = Progress(
        "privacy",
        5,
        decisions=truth.decisions,
        transactions=len(truth.payments),
        amendments=len(truth.amended),
        released=len(truth.payments) - 3,
        late=3,
        alert_revisions=truth.alert_revisions,
        alerts=len(truth.alerts),
        fixes=truth.fixes,
        rejected=truth.bad_decisions + truth.bad_fixes,
    )
    assert not [one for one in weighed_counters(truth, right) if one.lost or one.doubled]
    # Whoever stores no alert counts none.
    dropped = msgspec.structs.replace(right, alerts=0)
    assert not [one for one in weighed_counters(truth, dropped, stored=False) if one.lost or one.doubled]
    assert [one.what for one in weighed_counters(truth, dropped) if one.lost] == ["alerts counted"]
    for name in ("decisions", "amendments", "late", "alert_revisions", "alerts", "fixes", "rejected"):
        for change in (-1, 1):
            wrong = msgspec.structs.replace(right, **{name: getattr(right, name) + change})
            tipped = [one for one in weighed_counters(truth, wrong) if one.lost or one.doubled]
            assert sum(one.lost for one in tipped) == (change < 0)
            assert sum(one.doubled for one in tipped) == (change > 0)
