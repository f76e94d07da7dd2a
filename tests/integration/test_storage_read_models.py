"""Every list, figure and time line of the pages on real stores, held to the same thing computed from the documents in plain Python."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
from threading import Event, Thread

import msgspec
import pytest

from storage.areas import Cell
from storage.cases import CaseWriter, Status
from storage.documents import MaskedAlert, MaskedBatch, MaskedTransaction, Progress
from storage.filters import Filter
from storage.queries import Reader
from tests.integration.case_world import REASON, to
from tests.integration.query_world import (
    AROUND,
    BAY,
    DATELINE,
    MIDDLE_MS,
    MINUTE_MS,
    RULES,
    SPAN_MINUTES,
    SUBJECT,
    World,
    at_the_dateline,
    everything,
    in_the_bay,
    later_ms,
    made_alert,
    made_payment,
    near_paris,
    newest_first,
    places,
    refresh,
    write_world,
)
from tests.integration.storage_world import START_MS, both, writing
from veilocity.contracts import Channel, ObservationKind, Severity, Verdict
from veilocity.errors import StoreUnavailableError
from veilocity.settings import Settings

pytestmark = pytest.mark.services

DECIDED = (Status.ACKNOWLEDGED, Status.CONFIRMED_FRAUD, Status.FALSE_POSITIVE)


@pytest.fixture
def world(service_settings: Settings) -> World:
    made = write_world(service_settings)
    refresh(service_settings)
    return made


@pytest.fixture
def reader(service_settings: Settings) -> Iterator[Reader]:
    reader = Reader(service_settings)
    yield reader
    reader.close()


ALERT_CASES: dict[str, tuple[Filter, Callable[[MaskedAlert], bool]]] = {
    "all": (Filter(), lambda one: True),
    "time": (
        Filter(since_ms=START_MS + 30 * MINUTE_MS, until_ms=MIDDLE_MS),
        lambda one: START_MS + 30 * MINUTE_MS <= later_ms(one) < MIDDLE_MS,
    ),
    "severity": (Filter(severities=(Severity.HIGH,)), lambda one: one.severity is Severity.HIGH),
    "two rules": (Filter(rules=RULES[:2]), lambda one: one.rule in RULES[:2]),
    "rule, severity and time": (
        Filter(rules=RULES[3:], severities=(Severity.LOW, Severity.MEDIUM), until_ms=MIDDLE_MS),
        lambda one: one.rule == RULES[3] and one.severity is not Severity.HIGH and later_ms(one) < MIDDLE_MS,
    ),
    "nothing": (Filter(rules=("no-such-rule",)), lambda one: False),
    "box": (Filter(area=BAY), lambda one: any(map(in_the_bay, places(one)))),
    "box across the antimeridian": (Filter(area=DATELINE), lambda one: any(map(at_the_dateline, places(one)))),
    "circle and severity": (
        Filter(area=AROUND, severities=(Severity.LOW,)),
        lambda one: one.severity is Severity.LOW and any(map(near_paris, places(one))),
    ),
    "person": (Filter(subject=SUBJECT), lambda one: one.subject == SUBJECT),
    "person and rule": (Filter(subject=SUBJECT, rules=RULES[:1]), lambda one: one.subject == SUBJECT and one.rule == RULES[0]),
}


@pytest.mark.parametrize("limit", [1, 7, 500])
def test_alerts_are_listed_as_a_plain_filter_would(world: World, reader: Reader, limit: int) -> None:
    alerts, _ = world
    kept = []
    for name, (which, wanted) in ALERT_CASES.items():
        if limit == 1 and name not in ("severity", "box", "person", "time"):
            continue
        rows = everything(reader.alert_page, which, limit)
        expected = [one for one in alerts if wanted(one)]
        assert [row.alert.id for row in rows] == newest_first(expected), name
        kept.append(len(expected))
    # The known answers are neither nothing nor everything.
    assert sum(0 < count < len(alerts) for count in kept) >= 3


def test_alerts_are_the_same_while_elasticsearch_is_silent(world: World, service_settings: Settings) -> None:
    alerts, payments = world
    silent = Reader(service_settings.model_copy(update={"elasticsearch_url": "http://127.0.0.1:9"}))
    for which, wanted in ALERT_CASES.values():
        rows = everything(silent.alert_page, which, 40)
        assert [row.alert.id for row in rows] == newest_first([one for one in alerts if wanted(one)])
    found = everything(silent.payment_page, Filter(amount_low=100.0), 40)
    assert {one.id for one in found} == {one.id for one in payments if one.amount >= 100.0}
    assert silent.look_up(SUBJECT).elsewhere is None
    with pytest.raises(StoreUnavailableError):
        silent.panels(Filter())
    silent.close()


def judge(settings: Settings, alerts: list[MaskedAlert]) -> dict[str, Status]:
    """Judge every third alert, and note something on every tenth without judging it."""
    judged: dict[str, Status] = {}
    with CaseWriter(settings) as writer:
        for number, one in enumerate(alerts[::3]):
            status = DECIDED[number % 3]
            writer.change(one.id, 0, to(Status.ACKNOWLEDGED))
            if status is not Status.ACKNOWLEDGED:
                writer.change(one.id, 1, to(status, reason=REASON))
            judged[one.id] = status
        for one in alerts[1::30]:
            writer.change(one.id, 0, to(None, note="look at it tomorrow"))
    return judged


def test_alerts_are_listed_by_status_and_amount_and_counted(world: World, reader: Reader, service_settings: Settings) -> None:
    alerts, payments = world
    judged = judge(service_settings, alerts)
    for status in (Status.NEW, *DECIDED):
        for which in (Filter(status=status), Filter(status=status, rules=RULES[:2], area=AROUND, since_ms=START_MS + MINUTE_MS)):
            rows = everything(reader.alert_page, which, 9)
            wanted = [one for one in alerts if judged.get(one.id, Status.NEW) is status]
            if which.rules:
                wanted = [one for one in wanted if one.rule in RULES[:2] and any(map(near_paris, places(one)))]
                wanted = [one for one in wanted if later_ms(one) >= START_MS + MINUTE_MS]
            assert [row.alert.id for row in rows] == newest_first(wanted)
            assert {row.status for row in rows} <= {status}
    paid = {one.alert for one in payments if one.amount >= 250 and one.currency == "EUR"}
    which = Filter(amount_low=250.0, currency="EUR", severities=(Severity.LOW,))
    rows = everything(reader.alert_page, which, 5)
    assert [row.alert.id for row in rows] == newest_first([one for one in alerts if one.id in paid and one.severity is Severity.LOW])
    assert 0 < len(rows) < len(alerts) / 2
    facets = reader.alert_facets(Filter(severities=(Severity.LOW,), until_ms=MIDDLE_MS))
    before = [one for one in alerts if later_ms(one) < MIDDLE_MS]
    low = [one for one in before if one.severity is Severity.LOW]
    assert (facets.total, facets.rules, facets.complete) == (len(low), dict(Counter(one.rule for one in low)), True)
    assert facets.severities == {severity: sum(one.severity is severity for one in before) for severity in Severity}
    states = Counter(judged.get(one.id, Status.NEW) for one in low)
    assert facets.statuses == {status: states[status] for status in Status}
    of_person = reader.alert_facets(Filter(subject=SUBJECT))
    mine = [one for one in alerts if one.subject == SUBJECT]
    assert (of_person.total, of_person.rules) == (len(mine), dict(Counter(one.rule for one in mine)))
    assert of_person.statuses == {status: sum(judged.get(one.id, Status.NEW) is status for one in mine) for status in Status}


PAYMENT_CASES: dict[str, tuple[Filter, Callable[[MaskedTransaction], bool]]] = {
    "all": (Filter(), lambda one: True),
    "amount": (Filter(amount_low=12.0, amount_high=75.0), lambda one: one.amount in (12.0, 75.0)),
    "category, currency": (
        Filter(categories=("food & drink",), currency="EUR"),
        lambda one: (one.category, one.currency) == ("food & drink", "EUR"),
    ),
    "flagged by channel": (
        Filter(verdicts=(Verdict.FLAGGED,), channels=(Channel.ATM, Channel.RECURRING)),
        lambda one: one.alert is not None and one.channel in (Channel.ATM, Channel.RECURRING),
    ),
    "severity": (Filter(severities=(Severity.HIGH,)), lambda one: one.severity is Severity.HIGH),
    "box": (Filter(area=BAY), lambda one: one.place is not None and in_the_bay(one.place)),
    "circle and time": (
        Filter(area=AROUND, since_ms=MIDDLE_MS),
        lambda one: one.place is not None and near_paris(one.place) and one.minute_ms >= MIDDLE_MS,
    ),
    "person and amount": (Filter(subject=SUBJECT, amount_high=5.0), lambda one: one.subject == SUBJECT and one.amount <= 5),
}


def test_payments_are_listed_as_a_plain_filter_would(world: World, reader: Reader) -> None:
    _, payments = world
    for name, (which, wanted) in PAYMENT_CASES.items():
        found = everything(reader.payment_page, which, 23)
        expected = sorted((one for one in payments if wanted(one)), key=lambda one: (one.minute_ms, one.id), reverse=True)
        assert [one.id for one in found] == [one.id for one in expected], name
        assert 0 < len(expected), name
    cell = next(one.place.cell for one in payments if one.place is not None)
    found = everything(reader.payment_page, Filter(area=Cell(cell)), 23)
    assert {one.id for one in found} == {one.id for one in payments if one.place is not None and one.place.cell == cell}


def test_pages_give_each_once_while_others_are_inserted(world: World, reader: Reader, service_settings: Settings) -> None:
    alerts, payments = world
    stop = Event()

    def insert() -> None:
        with writing(service_settings) as writer:
            for seq in range(4, 400):
                if stop.is_set():
                    return
                more = [made_alert(1_000 + seq * 3 + number) for number in range(3)]
                paid = [made_payment(10_000 + seq * 5 + number, more) for number in range(5)]
                progress = Progress(id="privacy", seq=seq, event_ms=START_MS + SPAN_MINUTES * MINUTE_MS)
                inserted = MaskedBatch(
                    progress=progress,
                    alerts=tuple(msgspec.structs.replace(one, seq=seq) for one in more),
                    transactions=tuple(msgspec.structs.replace(one, seq=seq) for one in paid),
                )
                writer.write(both(inserted))

    thread = Thread(target=insert)
    thread.start()
    try:
        for which, wanted in (ALERT_CASES["severity"], ALERT_CASES["box"], ALERT_CASES["all"]):
            rows = everything(reader.alert_page, which, 6)
            seen = [row.alert.id for row in rows]
            assert seen == newest_first([row.alert for row in rows])
            assert len(seen) == len(set(seen))
            assert set(seen) >= {one.id for one in alerts if wanted(one)}
        happened = everything(reader.replay_page, START_MS, MIDDLE_MS, 50)
        names = [(one.payment or one.alert).id for one in happened]
        assert len(names) == len(set(names))
        assert set(names) >= {one.id for one in payments if one.minute_ms < MIDDLE_MS}
    finally:
        stop.set()
        thread.join()


def test_a_random_filter_lists_what_holds(world: World, reader: Reader) -> None:
    alerts, _ = world
    dice = random.Random(7)  # noqa: S311  # a made-up world
    for _ in range(15):
        severities = tuple(dice.sample(tuple(Severity), dice.randrange(3)))
        rules = tuple(dice.sample(RULES, dice.randrange(3)))
        since_ms = dice.choice((None, START_MS + dice.randrange(SPAN_MINUTES) * MINUTE_MS))
        which = Filter(severities=severities, rules=rules, since_ms=since_ms)
        rows = everything(reader.alert_page, which, dice.randrange(1, 40))
        expected = [
            one
            for one in alerts
            if (not severities or one.severity in severities)
            and (not rules or one.rule in rules)
            and (since_ms is None or later_ms(one) >= since_ms)
        ]
        assert [row.alert.id for row in rows] == newest_first(expected)
        assert all(row.alert.first.kind is ObservationKind.FIX for row in rows)
