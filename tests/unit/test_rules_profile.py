"""What is learned of a person, within bounds, and what the rules about habits make of it."""

from __future__ import annotations

import math

import msgspec
import pytest

from rules.profile import MAX_COUNTRIES, MAX_DEVICES, MAX_HABITS, MAX_PLACES, MAX_RECENT, Profile, name_hash
from rules.ruling import absorb
from rules.sight import Sight, payment_sight
from tests.unit.rules_world import LAGOS, LONDON, PARIS, START_MS, Event, Tally, book, fix, payment, play
from veilocity.contracts import Channel, Severity, Transaction, Verdict

MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0
NEAR_LONDON = (51.6, -0.2)


def learn(profile: Profile, transaction: Transaction, *, usual: bool = True, far: bool = False) -> Sight:
    sight = payment_sight(transaction, 1000.0)
    profile.learn(sight, transaction, is_usual=usual, contradicts_phone=far)
    return sight


def at(place: tuple[float, float], at_s: float = 0.0) -> Sight:
    return payment_sight(payment(at_s, place), 1000.0)


def test_places_near_each_other_are_one_that_grows() -> None:
    profile = Profile()
    learn(profile, payment(0))
    learn(profile, payment(30 * DAY, NEAR_LONDON))
    (place,) = profile.places
    assert (place.lat_e7, place.first_ns, place.last_ns) == (515_074_000, START_MS * 10**6, (START_MS + 30 * 86_400_000) * 10**6)
    assert place.weight == pytest.approx(1.5), "the first payment counts half after a month"
    learn(profile, payment(31 * DAY, PARIS))
    assert len(profile.places) == 2


def test_the_lightest_place_makes_room() -> None:
    profile = Profile()
    for number in range(MAX_PLACES):
        for repeat in range(2 if number else 1):
            learn(profile, payment(number * DAY + repeat, (float(number * 5), 10.0)))
    learn(profile, payment(20 * DAY, LONDON))
    assert len(profile.places) == MAX_PLACES
    assert profile.place_near(at((0.0, 10.0)), 25_000.0) is None
    assert profile.place_near(at(LONDON), 25_000.0) is not None


def test_what_was_used_least_recently_goes_first() -> None:
    profile = Profile()
    for number in range(MAX_COUNTRIES + 1):
        learn(profile, payment(number * MINUTE, country=chr(65 + number) * 2, device=f"d{number % (MAX_DEVICES + 1)}"))
        learn(profile, payment(number * MINUTE + 1, country="AA", device="d0"))
    assert len(profile.countries) == MAX_COUNTRIES
    assert "AA" in profile.countries
    assert "BB" not in profile.countries
    assert len(profile.devices) == MAX_DEVICES
    assert name_hash("d0") in profile.devices


def test_a_flagged_payment_teaches_no_habit() -> None:
    profile = Profile()
    learn(profile, payment(0, LAGOS, country="NG", device="thief", amount_minor=999_999), usual=False)
    assert (profile.places, profile.countries, profile.devices, profile.amounts) == ((), (), (), 0.0)
    assert profile.payments == 1, "it counts for the windows and for the cold start"
    assert len(list(profile.since(0))) == 1


def test_the_mean_and_the_deviation_are_those_of_the_logarithm() -> None:
    profile = Profile()
    amounts = [100, 200, 400, 1_600, 50]
    for number, amount in enumerate(amounts):
        learn(profile, payment(number * MINUTE, amount_minor=amount))
    logs = [math.log(amount) for amount in amounts]
    mean = sum(logs) / len(logs)
    assert profile.amount_mean == pytest.approx(mean)
    assert profile.amount_variance == pytest.approx(sum((one - mean) ** 2 for one in logs) / len(logs))
    learn(profile, payment(HOUR, amount_minor=-5))
    assert profile.amounts == 6.0


def test_the_last_day_is_remembered_up_to_a_bound() -> None:
    profile = Profile()
    for number in range(MAX_RECENT + 30):
        learn(profile, payment(number * 1.0, amount_minor=number))
    found = list(profile.since(0))
    assert [one.amount_minor for one in found] == list(range(30, MAX_RECENT + 30))
    assert [one.amount_minor for one in profile.since((START_MS + 120_000) * 10**6)] == [120, 121, 122, 123, 124, 125]
    learn(profile, payment(2 * DAY, amount_minor=7))
    assert [one.amount_minor for one in profile.since(0)] == [7]


def test_a_recent_payment_keeps_what_windows_ask_for() -> None:
    profile = Profile()
    learn(profile, payment(0, merchant="Baker", card="c1", country="GB", channel=Channel.ATM, amount_minor=-(2**70)))
    (one,) = profile.since(0)
    assert (one.merchant, one.card, one.country, one.kind) == (name_hash("Baker"), name_hash("c1"), b"GB", 2)
    assert one.amount_minor == -(2**62)


def test_cards_count_at_a_place_and_merchants_everywhere() -> None:
    profile = Profile()
    for number, place in enumerate((PARIS, LAGOS, PARIS)):
        sight = learn(profile, payment(number * DAY, place, merchant="Chain", card="second"), far=True)
    card, merchant = profile.habit(name_hash("second"), sight), profile.habit(name_hash("merchant Chain"), None)
    assert card is not None
    assert merchant is not None
    assert (card[3], merchant[3]) == (2, 3)
    assert merchant.first_ns == START_MS * 10**6
    assert profile.habit(name_hash("second"), at(LONDON)) is None
    for number in range(MAX_HABITS):
        learn(profile, payment(4 * DAY + number, PARIS, merchant=f"m{number}"), far=True)
    assert len(profile.habits) == MAX_HABITS
    assert profile.habit(name_hash("merchant Chain"), None) is None


@pytest.mark.parametrize(("payments", "days", "is_settled"), [(10, 0.0, True), (9, 13.9, False), (2, 14.0, True), (0, 99.0, False)])
def test_cold_start_ends_by_count_or_by_event_time(payments: int, days: float, is_settled: bool) -> None:
    profile = Profile()
    for number in range(payments):
        learn(profile, payment(number * 1.0))
    assert profile.is_settled(round((START_MS / 1e3 + days * DAY) * 1e9), 10, 14.0) is is_settled


def test_the_reference_moves_with_what_is_believed() -> None:
    profile = Profile()
    first = payment(0)
    absorb(profile, at(LONDON), first, ())
    assert profile.reference == at(LONDON)
    odd = play([payment(0, id="a"), payment(600.3, LAGOS, id="b")], book("impossible-travel")).state.payments[1].hits
    absorb(profile, at(LAGOS, 600.3), first, odd)
    assert (profile.reference, profile.candidate) == (at(LONDON), at(LAGOS, 600.3))
    absorb(profile, at(LAGOS, 900.3), first, odd)
    assert (profile.reference, profile.candidate) == (at(LAGOS, 900.3), None)


def test_a_contradiction_with_a_phone_moves_nothing() -> None:
    tally = play([*(fix(number * MINUTE) for number in range(11)), payment(620.3, LAGOS, id="a")], book("impossible-travel"))
    profile = tally.state.tip
    assert profile is not None
    assert (profile.reference, profile.candidate) == (None, None)
    assert len(profile.habits) == 1


def test_a_profile_is_written_and_read() -> None:
    profile = Profile()
    for number in range(20):
        learn(profile, payment(number * HOUR, (10.0 + number, 3.1), country="GB", device="d", card="c"), far=number % 2 == 0)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(profile), type=Profile) == profile


NEW_S = 2.9 * DAY


def habit_of(count: int) -> list[Event]:
    """Payments of somebody at home, one every six hours, without a phone."""
    return [payment(number * 6 * HOUR, id=f"h{number}", country="GB", device="browser", amount_minor=1_500) for number in range(count)]


def causes(tally: Tally, name: str = "t1") -> tuple[str, ...]:
    return tally.decisions[name].reasons


@pytest.mark.parametrize(("count", "found"), [(9, False), (10, True)])
def test_what_is_new_is_low_and_only_after_the_cold_start(count: int, found: bool) -> None:
    rules = book("new-country", "atypical-place", "new-device", "unusual-amount")
    new = payment(NEW_S, LAGOS, id="t1", country="NG", device="another", amount_minor=90_000)
    tally = play([*habit_of(count), new], rules)
    expected = {"new_country", "atypical_place", "new_device", "unusual_amount"} if found else set()
    assert set(causes(tally)) == expected
    assert tally.decisions["t1"].verdict is Verdict.CLEAR
    assert {alert.severity for alert in tally.standing.values()} <= {Severity.LOW}


def test_a_phone_beside_the_card_makes_a_new_country_usual() -> None:
    rules = book("new-country", "atypical-place")
    new = payment(NEW_S, LAGOS, id="t1", country="NG")
    assert causes(play([*habit_of(12), new], rules))
    assert not causes(play([*habit_of(12), fix(NEW_S - 60, LAGOS), new], rules))


def test_a_device_that_is_the_person_s_phone_is_not_new() -> None:
    paid = payment(NEW_S, id="t1", device="phone")
    assert causes(play([*habit_of(12), paid], book("new-device"))) == ("new_device",)
    assert not causes(play([*habit_of(12), fix(NEW_S - 60), paid], book("new-device")))


def test_what_was_called_new_once_is_known_from_then_on() -> None:
    tally = play(
        [*habit_of(12), payment(NEW_S, LAGOS, id="t1", country="NG"), payment(NEW_S + HOUR, LAGOS, id="t2", country="NG")],
        book("new-country", "atypical-place"),
    )
    assert causes(tally, "t1")
    assert causes(tally, "t2") == ()


def burst(count: int, every_s: float, **options: object) -> list[Event]:
    return [payment(number * every_s, id=f"t{number}", merchant=f"m{number}", **options) for number in range(count)]  # type: ignore[arg-type]  # fields


@pytest.mark.parametrize(
    ("rule", "events", "first_odd"),
    [
        ("payments-count", burst(12, 400.0), 9),
        ("payments-count", burst(12, 401.0), None),
        ("payments-merchants", burst(9, 500.0), 7),
        ("payments-merchants", burst(9, 520.0), None),
        ("payments-amount", burst(6, 100.0, amount_minor=125_000), 3),
        ("payments-amount", burst(6, 100.0, amount_minor=-125_000), None),
        ("card-testing", burst(5, 290.0, amount_minor=100, channel=Channel.ECOMMERCE), 3),
        ("card-testing", burst(5, 290.0, amount_minor=301, channel=Channel.ECOMMERCE), None),
        ("card-testing", burst(5, 310.0, amount_minor=100, channel=Channel.ECOMMERCE), None),
        ("payments-count", burst(12, 60.0, channel=Channel.RECURRING), None),
    ],
)
def test_windows_are_closed_at_both_ends_and_end_at_the_judged_payment(rule: str, events: list[Event], first_odd: int | None) -> None:
    tally = play(events, book(rule))
    found = [number for number in range(len(events)) if tally.decisions[f"t{number}"].severity is not None]
    assert found == ([] if first_odd is None else list(range(first_odd, len(events))))


def test_countries_are_counted_within_a_day_where_a_card_was_present() -> None:
    countries = ("GB", "FR", "BE")
    trip = [payment(number * 5 * HOUR, (40.0 + number, 3.1), id=f"t{number}", country=name) for number, name in enumerate(countries)]
    tally = play(trip, book("payments-countries"))
    assert ["many_countries" in causes(tally, one.id) for one in trip] == [False, False, True]
    online = [msgspec.structs.replace(one, channel=Channel.ECOMMERCE) for one in trip]
    assert not play(online, book("payments-countries")).standing


def test_late_payments_change_the_windows_of_those_after_them() -> None:
    events = burst(10, 60.0)
    tally = play([*events[:4], *events[5:], events[4]], book("payments-count"))
    assert tally.decisions["t9"].reasons == ("many_payments",)
    assert tally.decisions == play(events, book("payments-count")).decisions
