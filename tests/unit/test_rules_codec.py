"""The written state: it comes back whole, and what cannot be read is refused."""

from __future__ import annotations

import base64

import pytest

from rules import Engine, SubjectState
from rules import codec as codec_module
from rules.codec import MIGRATIONS, STATE_VERSION, dump, load
from tests.unit.rules_world import LAGOS, LONDON, PARIS, Event, Tally, book, fix, payment, play
from veilocity.contracts import FixFlag
from veilocity.errors import StateError

HOUR = 3600.0


def rich_events() -> list[Event]:
    """Everything that a state can hold: two phones, jumps, two sources, alerts open, amended and retracted, habits, forgotten things."""
    events: list[Event] = [fix(number * 60.0) for number in range(60)]
    events += [fix(3_600 + number * 60.0, (LONDON, LAGOS)[number // 2 % 2]) for number in range(20)]
    events += [fix(3_700 + number * 60.0, PARIS, device="tablet", flags=(FixFlag.MOCK,) if number % 3 else ()) for number in range(9)]
    places = (LONDON, LAGOS, PARIS)
    events += [payment(3_000 + number * 211.0, places[number % 3], id=f"t{number}", card="c", country="GB") for number in range(9)]
    events.append(fix(3_000.0, PARIS, accuracy_m=1.0))
    events += [fix(3 * HOUR + number * 20.0, PARIS) for number in range(40)]
    return events


def test_a_state_comes_back_whole_after_every_event() -> None:
    engine, state = Engine(book()), SubjectState()
    for event in rich_events():
        engine.process(state, event)
        written = dump(state)
        assert dump(load(written)) == written
    assert state.told
    assert state.lanes[0].trace is not None
    assert any(one.retracted for one in state.told.values()) or state.episodes


def test_what_goes_on_from_a_written_state_is_the_same() -> None:
    events = rich_events()
    unbroken = play(events)
    broken = Tally()
    for event in events:
        play([event], after=broken)
        broken.state = load(dump(broken.state))
    assert broken.outcomes == unbroken.outcomes


def test_the_same_state_has_the_same_bytes_however_it_was_reached() -> None:
    events: list[Event] = [fix(number * 60.0) for number in range(10)]
    assert dump(play(events).state) == dump(play([*events[5:], *events[:5], events[3]]).state)


def test_an_empty_state_is_small() -> None:
    assert len(dump(SubjectState())) < 64


def test_a_newer_version_is_refused() -> None:
    with pytest.raises(StateError, match="upgrade the rules service"):
        load(bytes((STATE_VERSION + 1,)) + dump(SubjectState())[1:])


@pytest.mark.parametrize("data", [b"", b"\x00", b"\x01rest"])
def test_a_version_without_a_migration_is_refused(data: bytes) -> None:
    with pytest.raises(StateError, match="replay the inputs"):
        load(data)


def test_an_older_version_is_read_by_its_migration(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bytes] = []

    def migrate(data: bytes) -> SubjectState:
        seen.append(data)
        return play([fix(0)]).state

    monkeypatch.setitem(MIGRATIONS, 1, migrate)
    assert dump(load(b"\x01old")) == dump(play([fix(0)]).state)
    assert seen == [b"\x01old"]


@pytest.mark.parametrize("damage", [1, 2, 20, -1])
def test_a_state_that_was_cut_is_damaged(damage: int) -> None:
    with pytest.raises(StateError, match="damaged"):
        load(dump(play([fix(0), payment(60)]).state)[:damage])


def test_bytes_behind_a_state_are_damage() -> None:
    with pytest.raises(StateError, match="damaged"):
        load(dump(play([fix(0)]).state) + b"\x00")


GOLDEN = (
    "0-Vnndi=Mv9XtTjzyJUM00000)4%`#000000Moz#00000005DlrEq9(Ze_$U007Eor~G;t&}XwA(0}az$N&HU|Nj6009X-VwfuS*&}XwA(0}az$N&HU|Nj60&lr0A"
    "r)SCl006@P0Moz#000000002Z0zi<&0Kk!#n9mq`{I|3nJOIufvuDuK|LlLz%_k7e|Nj61qI5CDUfci@qI5B&VQy|=&j0`cnzoqvaL)h$0h+d${4C7`;-f`XQmaF6"
    "a&BdEAaiJMaHnT-Z)0V0d8}h$a%3%Va%FR6ZgjxFz`)BuNx<@Zvi`-(zrb6-8aCqVz`y~JmZf8CWnps50000000000kdVN@0mHzM#0bmjAj5L^&nd(wod5ukkdTne"
    "0000000000%K!iX000000LuUX00000006`Q0KmYV0nZqE{I|3nJOGiE&K|R8(9-|xf6&W6@Bjb+0002b7<&A-v>iME&lr0Ax3nER0FaQ7%Rle{000000Lwreh6-2A"
    ")N#uI000000002Q8vr~Vw72|v7~%u~0000002jM{%m4rY03aX%%>?3@&lr0Ax3nER0L~t>XVB9B?0?YBClJm5{{R7^bTPn?zy"
)


def test_the_bytes_of_a_state_do_not_change_without_a_new_version() -> None:
    """Red: raise `STATE_VERSION`, write the migration, and put the new bytes here."""
    state = play([fix(0), fix(60), payment(70, id="t1")], book("impossible-travel")).state
    assert base64.b85encode(dump(state)).decode() == GOLDEN
    assert codec_module.STATE_VERSION == base64.b85decode(GOLDEN)[0]
    assert dump(load(base64.b85decode(GOLDEN))) == base64.b85decode(GOLDEN)
