"""Figures, time lines, replays and people of the pages on real stores, held to the same thing computed in plain Python."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from elasticsearch import Elasticsearch

from storage.areas import Area, Cell
from storage.documents import MaskedBatch, Progress
from storage.filters import Filter
from storage.finding import minutes_question
from storage.kinds import ALERTS, TRANSACTIONS, Document, Kind
from storage.mappings import alias
from storage.paging import Page
from storage.queries import Reader
from storage.read_alerts import facets_question
from storage.read_panels import STEP_MS, panels_question
from storage.read_people import elsewhere_question
from storage.read_timeline import MomentKind, moments
from tests.integration.case_world import mongodb
from tests.integration.query_world import (
    AROUND,
    BAY,
    DATELINE,
    MIDDLE_MS,
    MINUTE_MS,
    PEOPLE,
    RULES,
    SPAN_MINUTES,
    SUBJECT,
    World,
    at_the_dateline,
    everything,
    in_the_bay,
    later_ms,
    near_paris,
    newest_first,
    refresh,
    write_world,
)
from tests.integration.storage_world import START_MS, alert, both, minute, token, transaction, writing
from veilocity.contracts import Channel, Severity
from veilocity.errors import InvalidInputError
from veilocity.settings import Settings

pytestmark = pytest.mark.services


@pytest.fixture
def reader(service_settings: Settings) -> Iterator[Reader]:
    reader = Reader(service_settings)
    yield reader
    reader.close()


@pytest.fixture
def world(service_settings: Settings) -> World:
    made = write_world(service_settings)
    refresh(service_settings)
    return made


def test_the_ten_panels_are_what_the_payments_come_to(world: World, reader: Reader) -> None:
    _, payments = world
    which = Filter(since_ms=START_MS, until_ms=START_MS + SPAN_MINUTES * MINUTE_MS, channels=(Channel.ATM, Channel.CARD_PRESENT))
    panels = reader.panels(which)
    shown = [one for one in payments if one.channel in which.channels and one.minute_ms < (which.until_ms or 0)]
    assert panels.payments == len(shown) > 100
    assert panels.people == len({one.subject for one in shown})
    assert panels.cards == len({one.card for one in shown})
    assert panels.merchants == len({one.merchant for one in shown})
    counted = Counter(one.category for one in shown)
    assert [(share.name, share.payments) for share in panels.categories] == sorted(counted.items(), key=lambda pair: (-pair[1], pair[0]))[
        :5
    ]
    assert {share.name: share.payments for share in panels.channels} == Counter(one.channel.value for one in shown)
    assert {share.name: share.payments for share in panels.device_types} == Counter(one.device_type or "(none)" for one in shown)
    volume = Counter(one.minute_ms // STEP_MS * STEP_MS for one in shown)
    assert [(one.start_ms, one.payments) for one in panels.volume] == sorted(volume.items())
    assert [money.currency for money in panels.money] == ["EUR", "USD", "NGN"]
    for money, averages in zip(panels.money, panels.averages, strict=True):
        of = [one for one in shown if one.currency == money.currency]
        assert money.payments == len(of)
        assert money.total == pytest.approx(sum(one.amount for one in of))
        assert money.average == pytest.approx(money.total / len(of))
        sums = {name: sum(one.amount for one in of if one.category == name) for name in {one.category for one in of}}
        assert [round(total, 2) for _, total in money.categories] == sorted((round(total, 2) for total in sums.values()), reverse=True)[:5]
        assert all(total == pytest.approx(sums[name]) for name, total in money.categories)
        for start_ms, average in averages.points:
            then = [one.amount for one in of if one.minute_ms // STEP_MS * STEP_MS == start_ms]
            assert average == pytest.approx(sum(then) / len(then))
    assert reader.panels(Filter()).until_ms == START_MS + (SPAN_MINUTES + 1) * MINUTE_MS
    with pytest.raises(InvalidInputError, match="at most seven days"):
        reader.panels(Filter(since_ms=0, until_ms=8 * 86_400_000))
    with pytest.raises(InvalidInputError, match="cannot be limited by subject"):
        reader.panels(Filter(subject=SUBJECT))


def test_figures_of_empty_stores_are_empty(reader: Reader, service_settings: Settings) -> None:
    with writing(service_settings):
        assert reader.alert_page(Filter(severities=(Severity.HIGH,)), 5) == Page()
        assert reader.payment_page(Filter(amount_low=1.0), 5) == Page()
        assert reader.people_page(BAY, 5) == Page()
        assert reader.replay_page(START_MS, MIDDLE_MS, 5) == Page()
        assert (reader.panels(Filter()).payments, reader.alert_facets(Filter()).total) == (0, 0)
        assert reader.look_up(SUBJECT).elsewhere == {}
        with pytest.raises(InvalidInputError, match="there is no such alert"):
            reader.evidence(token("alert", 1))


def test_the_evidence_of_an_alert_is_what_its_person_did_around_it(reader: Reader, service_settings: Settings) -> None:
    person = token("subject", 1)
    payments = tuple(
        msgspec.structs.replace(transaction(number, 0), subject=person, minute_ms=minute(-60 * number)) for number in range(40)
    )
    sealed = msgspec.structs.replace(alert(1, 0), sealed="c2VhbGVk")
    others = tuple(msgspec.structs.replace(alert(number, 0, minute_ms=minute(-600 * number)), subject=person) for number in (2, 3, 6))
    strangers = (alert(7, 0), alert(8, 0))
    progress = Progress(id="privacy", seq=0, event_ms=START_MS)
    with writing(service_settings) as writer:
        writer.write(both(MaskedBatch(progress=progress, transactions=payments, alerts=(sealed, *others, *strangers))))
    found = reader.evidence(sealed.id)
    assert found.alert == alert(1, 0)
    # A day before the earlier observation, which is an hour before the later one.
    assert [one.id for one in found.payments] == [one.id for one in payments[:26]]
    assert [one.id for one in found.related] == [others[0].id]
    assert (found.case, found.position, found.complete) == (None, None, True)
    few = reader.evidence(sealed.id, limit=3)
    assert ([one.id for one in few.payments], few.complete) == ([one.id for one in payments[:3]], False)
    axis = moments(found)
    assert [one.minute_ms for one in axis] == sorted(one.minute_ms for one in axis)
    assert Counter(one.kind for one in axis) == {MomentKind.PAYMENT: 26, MomentKind.ALERT: 2, MomentKind.FIX: 2}
    assert len(reader.evidence(sealed.id, around_ms=0).payments) == 2
    with pytest.raises(InvalidInputError, match="at most 31 days"):
        reader.evidence(sealed.id, around_ms=32 * 86_400_000)


def test_a_replay_gives_everything_between_two_times_in_order(world: World, reader: Reader) -> None:
    alerts, payments = world
    since_ms, until_ms = START_MS, START_MS + 600 * MINUTE_MS
    expected = sorted(
        [(one.minute_ms, 0, one.id) for one in payments if since_ms <= one.minute_ms < until_ms]
        + [(later_ms(one), 1, one.id) for one in alerts if since_ms <= later_ms(one) < until_ms]
    )
    for limit in (3, 37, 500):
        found = everything(reader.replay_page, since_ms, until_ms, limit)
        assert [(one.minute_ms, 0 if one.payment else 1, (one.payment or one.alert).id) for one in found] == expected
    with pytest.raises(InvalidInputError, match="at most 31 days apart"):
        reader.replay_page(until_ms, since_ms, 5)


def test_people_of_a_part_of_the_map_and_what_a_pseudonym_stands_for(world: World, reader: Reader) -> None:
    alerts, payments = world
    all_places = {one.id: one for one in reader.positions(PEOPLE)}
    areas: tuple[Area, ...] = (BAY, DATELINE, AROUND)
    tests = (in_the_bay, at_the_dateline, near_paris)
    for area, holds in zip(areas, tests, strict=True):
        found = everything(reader.people_page, area, 2)
        expected = sorted((one for one in all_places.values() if holds(one.place)), key=lambda one: (one.seq, one.id), reverse=True)
        assert found == expected
    assert len(all_places) == PEOPLE
    mine = reader.look_up(SUBJECT, 5)
    assert (mine.alert, mine.payment, mine.position) == (None, None, all_places[SUBJECT])
    assert [one.id for one in mine.alerts] == newest_first([one for one in alerts if one.subject == SUBJECT])[:5]
    assert len(mine.payments) == 5
    # The tests write the same tokens into both stores.
    assert mine.elsewhere == {"subject": sum(one.subject == SUBJECT for one in payments)}
    assert reader.look_up(alerts[0].id).alert == alerts[0]
    assert reader.look_up(payments[0].id).payment == payments[0]
    with pytest.raises(InvalidInputError, match="no pseudonym"):
        reader.look_up("x" * 101)


def test_elasticsearch_answers_from_its_indexes(world: World, service_settings: Settings) -> None:
    wide = Filter(
        since_ms=START_MS + MINUTE_MS,
        until_ms=MIDDLE_MS,
        severities=(Severity.HIGH,),
        rules=RULES[:1],
        area=BAY,
    )
    paid = Filter(since_ms=START_MS + MINUTE_MS, until_ms=MIDDLE_MS, amount_low=5.0, categories=("fuel",), area=AROUND)
    questions: list[tuple[Kind[Any], Document]] = [
        (ALERTS, minutes_question(ALERTS, wide, None, 50)),
        (ALERTS, minutes_question(ALERTS, Filter(area=Cell("87283082affffff")), MIDDLE_MS, 50)),
        (ALERTS, facets_question(Filter(since_ms=START_MS + MINUTE_MS))),
        (TRANSACTIONS, minutes_question(TRANSACTIONS, paid, MIDDLE_MS, 50)),
        (TRANSACTIONS, minutes_question(TRANSACTIONS, Filter(amount_high=5.0), None, 50)),
        (TRANSACTIONS, panels_question(paid)),
        (TRANSACTIONS, elsewhere_question(SUBJECT)),
    ]
    with Elasticsearch(service_settings.elasticsearch_url) as search:
        for kind, body in questions:
            answer = search.search(index=alias(service_settings.elasticsearch_index_prefix, kind), profile=True, **body).body
            used = {name for shard in answer["profile"]["shards"] for one in shard["searches"] for name in _queries(one["query"])}
            assert used, body
            assert not used & {"MatchAllDocsQuery", "FieldExistsQuery", "DocValuesRangeQuery"}, (body, used)


def _queries(found: list[Document]) -> Iterator[str]:
    for one in found:
        yield one["type"]
        yield from _queries(one.get("children", []))


def test_an_index_of_before_is_dropped_when_another_stands_for_it(service_settings: Settings) -> None:
    with mongodb(service_settings) as database:
        for name in (ALERTS.name, TRANSACTIONS.name):
            database[name].create_index("minute_ms")
        with writing(service_settings):
            for name in (ALERTS.name, TRANSACTIONS.name):
                indexes = [tuple(field for field, _ in one["key"]) for one in database[name].index_information().values()]
                assert ("minute_ms",) not in indexes
                assert ("minute_ms", "_id") in indexes
