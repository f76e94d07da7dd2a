"""Random small histories that go where the engine's branches are: what a person, a phone and a thief may do, in pieces."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random

import msgspec

from tests.unit.rules_world import APIA, LAGOS, LONDON, PARIS, SUVA, Event, fix, payment
from veilocity.contracts import Channel, Fix, FixFlag, Transaction
from veilocity.geo import interpolate

__all__ = ["HISTORY_S", "story"]

HISTORY_S = 14 * 86_400
LATEST_S = 1_784.0
CAMDEN, CROYDON, READING = (51.53903, -0.14265), (51.37143, -0.10108), (51.45517, -0.97139)
BRUSSELS, SWAPPED = (50.85031, 4.35173), (-0.12781, 51.50741)
POLE = (90.0, 12.3)
PLACES = (LONDON, LONDON, LONDON, CAMDEN, CROYDON, READING, PARIS, LAGOS, SUVA, APIA, POLE)
DAY = 86_400.0
Place = tuple[float, float]


def story(seed: int) -> list[Event]:
    """Return events in an order of arrival, each within the lateness bound but for the last ones of some; some arrive twice."""
    random = Random(seed)  # noqa: S311  # a seeded test, nothing secret
    events: list[Event] = []
    clock = 0.0
    for number in range(random.choice((1, 2, 2, 3))):
        piece = random.choice(FIRST if number == 0 else PIECES)
        events += piece(random, clock)
        clock += random.choice((40.0, 300.0, 1300.0, 5000.0, DAY)) + (number % 2)
    events += [_odd_payment(random, random.uniform(0.0, clock)) for _ in range(random.choice((0, 0, 1)))]
    numbered = [_named(event, number) for number, event in enumerate(events)]
    return _arrivals(random, numbered)


def _named(event: Event, number: int) -> Event:
    return event if isinstance(event, Fix) else msgspec.structs.replace(event, id=f"t{number}")


def _arrivals(random: Random, events: list[Event]) -> list[Event]:
    events = [*events, *(random.choice(events) for _ in range(random.choice((0, 1, 3))))]
    delays = (0.0, 0.0, 20.0, 300.0, LATEST_S)
    stamped = [(_at_s(event) + random.choice(delays), number, event) for number, event in enumerate(events)]
    arrivals = [event for _, _, event in sorted(stamped, key=lambda one: one[:2])]
    if random.random() < 0.02:
        arrivals += [fix(-2.0 * HISTORY_S, LAGOS), payment(-2.0 * HISTORY_S, LAGOS, id="late")]
    return arrivals


def _at_s(event: Event) -> float:
    return event.authorised_ms / 1e3 if isinstance(event, Transaction) else event.fix_ns / 1e9


def _near(random: Random, place: Place) -> Place:
    north = random.choice((0.0, 0.00011, 0.00023))
    return place[0] + (north if place[0] < 0 else -north), place[1]


def _stay(random: Random, start_s: float, place: Place, count: int, step_s: float, device: str = "phone") -> list[Event]:
    return [fix(start_s + number * step_s, _near(random, place), device=device, accuracy_m=12.3) for number in range(count)]


def _step(random: Random) -> float:
    return random.choice((16.0, 31.0, 61.0, 70.0, 121.0))


def _pay(random: Random, at_s: float, place: Place, **options: object) -> Transaction:
    channel = options.pop("channel", None) or random.choice((Channel.CARD_PRESENT,) * 3 + (Channel.ATM,))
    whole = random.random() < 0.1
    at_s = round(at_s / 60.0) * 60.0 - 0.0 if whole else round(at_s) + 0.3
    return payment(
        at_s,
        place,
        channel=channel,  # type: ignore[arg-type]  # a channel
        merchant=str(options.get("merchant") or random.choice(("A", "B", "C", "D", "E", "F"))),
        card=str(options.get("card")) if options.get("card") else random.choice((None, "1", "2")),
    )


def _spending(random: Random, start_s: float) -> list[Event]:
    """A phone at one place, a card at any."""
    home, step_s, count = random.choice(PLACES), _step(random), random.choice((1, 2, 4, 8))
    events = _stay(random, start_s, home, count, step_s)
    for _ in range(random.choice((1, 1, 2, 3))):
        near = random.random() < 0.3
        events.append(_pay(random, start_s + random.uniform(-50.0, count * step_s + 200.0), home if near else random.choice(PLACES)))
    return events


def _cards_alone(random: Random, start_s: float) -> list[Event]:
    """Payments and no phone."""
    times = sorted(random.uniform(0.0, random.choice((50.0, 2_000.0, 9_000.0))) for _ in range(random.choice((1, 3, 5))))
    return [_pay(random, start_s + at_s, random.choice(PLACES)) for at_s in times]


def _cash(random: Random, start_s: float) -> list[Event]:
    """Cash from machine to machine, with or without a phone beside."""
    shops = [(LONDON[0] + 0.01 * number, LONDON[1]) for number in range(5)] + [CROYDON, READING]
    times = sorted(random.uniform(0.0, 2_500.0) for _ in range(random.choice((2, 4, 6))))
    draws: list[Event] = [_pay(random, start_s + at_s, random.choice(shops), channel=Channel.ATM) for at_s in times]
    last = draws[-1]
    if random.random() < 0.4 and isinstance(last, Transaction) and last.lat is not None and last.lon is not None:
        draws.append(fix(start_s + times[-1] + 20.0, (last.lat, last.lon)))
    return draws


def _jump(random: Random, start_s: float) -> list[Event]:
    """A phone that is here and then there: for good, for a while, or for a moment."""
    here, there = random.choice(PLACES), random.choice((PARIS, LAGOS, BRUSSELS, READING, SUVA, (50.9, -0.13)))
    step_s, left, right = _step(random), random.choice((1, 3, 5, 11)), random.choice((1, 2, 4, 6, 11))
    events = _stay(random, start_s, here, left, step_s)
    begin_s = start_s + left * step_s
    events += _stay(random, begin_s, there, right, step_s)
    if random.random() < 0.5:
        events += _stay(random, begin_s + right * step_s, here, random.choice((1, 3)), step_s)
    if random.random() < 0.5:
        events.append(_pay(random, random.uniform(start_s, begin_s + right * step_s + 100.0), random.choice((here, there, LAGOS))))
    return events


def _ping_pong(random: Random, start_s: float) -> list[Event]:
    """Two phones under one id."""
    step_s, rounds = random.choice((20.0, 65.0, 400.0)), random.choice((4, 7, 9))
    here, there = LONDON, random.choice((PARIS, LAGOS))
    events: list[Event] = [
        one for turn in range(rounds) for one in _stay(random, start_s + 2 * turn * step_s, (here, there)[turn % 2], 2, step_s)
    ]
    events.append(_pay(random, start_s + random.uniform(0.0, 2 * rounds * step_s + 4_000.0), random.choice((LONDON, LAGOS, SUVA))))
    return events


def _clock(random: Random, start_s: float) -> list[Event]:
    """A train whose passenger's phone falls back some hours, or whose fixes arrive that late."""
    train = [fix(start_s + minute * 60.0, interpolate(*LONDON, *BRUSSELS, minute / 120.0)) for minute in range(0, 121, 12)]
    if random.random() < 0.5:
        events: list[Event] = [*train]
        shift_s = random.choice((3_600.0, 7_200.0, 5_400.0))
        for minute in range(130, 134):
            before = (minute * 60.0 - shift_s) / 60.0 / 120.0
            events.append(fix(start_s + minute * 60.0, interpolate(*LONDON, *BRUSSELS, max(0.0, min(1.0, before)))))
        return events
    events = [*_stay(random, start_s, LONDON, 4, 61.0)]
    for at_s in (250.0, 311.0, 372.0, 433.0):
        late = fix(start_s + at_s, _near(random, PARIS))
        events.append(msgspec.structs.replace(late, received_ms=late.received_ms + random.choice((3_600_000, 7_230_000, 5_000_000))))
    events.append(_pay(random, start_s + random.uniform(0.0, 500.0), random.choice((LONDON, LAGOS))))
    return events


def _flight(random: Random, start_s: float) -> list[Event]:
    """A phone that is off in the air, or reports from it."""
    events = _stay(random, start_s, LONDON, random.choice((2, 11)), 61.0)
    landed_s = start_s + random.choice((2_400.0, 4_800.0))
    events += _stay(random, landed_s, PARIS, random.choice((1, 4)), 61.0)
    events.append(_pay(random, random.uniform(start_s, landed_s + 300.0), random.choice((LONDON, PARIS, READING))))
    if random.random() < 0.3:
        events.append(fix(landed_s - 900.0, interpolate(*LONDON, *PARIS, 0.6), speed_mps=240.0))
    return events


def _doubtful(random: Random, start_s: float) -> list[Event]:
    """Fixes that a program set, that are repeated, rounded or vague, among good ones."""
    flags = random.choice(((FixFlag.MOCK,), (FixFlag.CACHED,), (FixFlag.CLOAKED,), ()))
    events = _stay(random, start_s, LONDON, random.choice((0, 3, 6)), 31.0)
    place = random.choice((LAGOS, (51.5, -0.1), (51.52, -0.13), PARIS))
    events += [fix(start_s + 7.0 + number * 31.0, place, flags=flags, accuracy_m=random.choice((8.0, None))) for number in range(3)]
    events.append(_pay(random, start_s + random.uniform(0.0, 300.0), random.choice((LONDON, LAGOS, CROYDON))))
    return events


def _two_phones(random: Random, start_s: float) -> list[Event]:
    """A phone and a tablet, at one place or at two; the tablet is new or a day old."""
    own, other = random.choice((LONDON, PARIS)), random.choice((LONDON, LAGOS, PARIS))
    begun_s = start_s + random.choice((0.0, 500.0))
    events: list[Event] = _stay(random, start_s, own, random.choice((3, 6)), 61.0)
    events += _stay(random, begun_s, other, random.choice((1, 2, 5)), 61.0, device="tablet")
    if random.random() < 0.4:
        events += [fix(start_s + DAY + 15.0 * number, random.choice((own, other)), device="tablet") for number in range(4)]
        events += [fix(start_s + DAY + 620.0 * number, (own[0] + 0.06 * number, own[1])) for number in range(3)]
        start_s += DAY
    for _ in range(2):
        events.append(_pay(random, start_s + random.uniform(0.0, 900.0), random.choice((own, other, SUVA))))
    return events


def _habit(random: Random, start_s: float) -> list[Event]:
    """A head office, or a card that somebody of the family has: the same contradiction day after day."""
    merchant, card, far = random.choice((("Chain", None), (None, "9"))), None, random.choice((LAGOS, PARIS, CROYDON))
    events: list[Event] = []
    for day in range(3):
        events += _stay(random, start_s + day * DAY, LONDON, 4, 61.0)
        name, card = merchant
        events.append(_pay(random, start_s + day * DAY + 100.0, far, merchant=name, card=card))
    return events


def _settled(random: Random, start_s: float) -> list[Event]:
    """A payment told after the phone has left; places exchanged on the way."""
    events = _stay(random, start_s, READING, 4, 61.0)
    events += _stay(random, start_s + 2_400.0, LONDON, 4, 61.0)
    events.append(_pay(random, start_s + 2_400.0 + random.uniform(0.0, 300.0), random.choice((READING, SWAPPED))))
    return events


def _odd_payment(random: Random, at_s: float) -> Transaction:
    """A payment of which nothing can be said."""
    usual = _pay(random, at_s, LONDON)
    return random.choice(
        (
            msgspec.structs.replace(usual, channel=Channel.ECOMMERCE),
            msgspec.structs.replace(usual, channel=Channel.RECURRING),
            msgspec.structs.replace(usual, lat=None),
            msgspec.structs.replace(usual, lat=121.47, lon=31.23),
            msgspec.structs.replace(usual, lat=95.0, lon=300.0),
            msgspec.structs.replace(usual, lat=0.0, lon=0.0),
            msgspec.structs.replace(usual, category="airline"),
            msgspec.structs.replace(usual, received_ms=usual.authorised_ms - 700_000),
        )
    )


def _all() -> Iterator[Callable[[Random, float], list[Event]]]:
    yield from (_spending, _spending, _cards_alone, _cash, _jump, _jump, _ping_pong, _clock, _flight, _doubtful, _habit, _settled)


PIECES = tuple(_all())
FIRST = (*PIECES, _two_phones, _two_phones)
"""All phones of a person are there from the beginning."""
