"""Two stores are held against each other: whatever is missing, extra, changed or doubled is found in its minute, and nothing else is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest

from storage.allowances import Allowances
from storage.kinds import ALERTS, GROUPS, RELEASES, TRANSACTIONS, Document, Kind, to_document
from storage.reading import DAY_MS
from storage.verify import Terms, Verification, verify
from tests.integration.storage_world import START_MS, alert, group, release, token, transaction
from veilocity.errors import StoreUnavailableError

KINDS: tuple[Kind[Any], ...] = (TRANSACTIONS, ALERTS, RELEASES, GROUPS)
MONGODB, ELASTICSEARCH = "mongodb", "elasticsearch"
HOUR_MS = 3_600_000


class Memory:
    """A store in memory; `outages` questions fail before it answers again."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.documents: dict[str, list[Document]] = {kind.name: [] for kind in KINDS}
        self.outages = 0
        self.most_read = 0

    def days(self, kind: Kind[Any]) -> dict[int, int]:
        self._answer()
        days: dict[int, int] = {}
        for one in self.documents[kind.name]:
            day_ms = one["minute_ms"] - one["minute_ms"] % DAY_MS
            days[day_ms] = days.get(day_ms, 0) + 1
        return days

    def between(self, kind: Kind[Any], from_ms: int, until_ms: int) -> Iterator[Document]:
        for one in self.documents[kind.name]:
            self._answer()
            if from_ms <= one["minute_ms"] < until_ms:
                yield dict(one)

    def _answer(self) -> None:
        if self.outages:
            self.outages -= 1
            raise StoreUnavailableError("down")


def _disguised(kind: Kind[Any], document: Document) -> Document:
    """Return the document with the tokens of the other store."""
    named = {"subject", "card", "device", "user", "alert", *(() if kind is RELEASES else ("_id",))}
    other = {name: token("other", value) if name in named and value is not None else value for name, value in document.items()}
    if kind is GROUPS:
        other["members"] = [token("other", member) for member in document["members"]]
    return other


@pytest.fixture
def stores() -> tuple[Memory, Memory]:
    """Two stores with the same documents over three days, each with its own tokens."""
    records: dict[Kind[Any], list[Any]] = {
        TRANSACTIONS: [transaction(number, number, START_MS + number * HOUR_MS) for number in range(60)],
        ALERTS: [alert(number, number) for number in range(20)],
        RELEASES: [release(number, number) for number in range(9)],
        GROUPS: [msgspec.structs.replace(group(number, number), payments=3 + number) for number in range(9)],
    }
    mongodb, search = Memory(MONGODB), Memory(ELASTICSEARCH)
    for kind, some in records.items():
        for record in some:
            document = to_document(kind, record)
            mongodb.documents[kind.name].append({name: value for name, value in document.items() if name not in kind.unsearched})
            search.documents[kind.name].insert(0, _disguised(kind, mongodb.documents[kind.name][-1]))
    return mongodb, search


def look(stores: tuple[Memory, Memory], *, last_seq: int = 100, allowances: Allowances | None = None, **terms: Any) -> Verification:
    return verify(stores, lambda: last_seq, allowances or Allowances(), lambda _: None, Terms(**terms), KINDS)


def test_stores_with_other_tokens_and_another_order_are_equal(stores: tuple[Memory, Memory]) -> None:
    found = look(stores)
    assert (found.equal, found.exit_code, found.differences, found.in_flight) == (True, 0, (), 0)
    assert {kind: (count.mongodb, count.elasticsearch) for kind, count in found.kinds.items()} == {
        "transactions": (60, 60),
        "alerts": (20, 20),
        "releases": (9, 9),
        "groups": (9, 9),
    }
    assert found.kinds["transactions"].by_day == {"2026-11-22": (24, 24), "2026-11-23": (24, 24), "2026-11-24": (12, 12)}


def _lose(documents: list[Document]) -> str:
    return str(documents.pop(5)["_id"])


def _double(documents: list[Document]) -> str:
    documents.append(documents[5] | {"_id": "twice"} if "release" not in documents[5] else dict(documents[5]))
    return str(documents[-1]["_id"])


def _change(documents: list[Document]) -> str:
    documents[5] = documents[5] | {"seq": documents[5]["seq"] - 1}
    return str(documents[5]["_id"])


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
@pytest.mark.parametrize("where", [0, 1], ids=[MONGODB, ELASTICSEARCH])
@pytest.mark.parametrize(("harm", "what"), [(_lose, "only in {other}"), (_double, "more often in {here}"), (_change, "differs")])
def test_every_harm_in_either_store_is_found_with_its_document(
    stores: tuple[Memory, Memory], kind: Kind[Any], where: int, harm: Callable[[list[Document]], str], what: str
) -> None:
    here, other = stores[where], stores[1 - where]
    at_ms = here.documents[kind.name][5]["minute_ms"]
    harmed = harm(here.documents[kind.name])
    found = look(stores)
    assert (found.exit_code, found.difference_count) == (2, 1)
    (difference,) = found.differences
    assert (difference.kind, difference.what) == (kind.name, what.format(here=here.name, other=other.name))
    assert difference.minute == f"2026-11-{22 + (at_ms - START_MS) // DAY_MS}T{at_ms // HOUR_MS % 24:02}:{at_ms // 60_000 % 60:02}"
    if harm is _double:
        same = {one["_id"] for one in here.documents[kind.name] if one["minute_ms"] == at_ms}
        assert difference.ids[here.name] in same
    else:
        assert (harmed in difference.ids.values()) is (harm is _change or kind is RELEASES)
    assert [count.hours_that_differ for name, count in found.kinds.items() if name == kind.name] == [1]
    assert sum(count.hours_that_differ for count in found.kinds.values()) == 1


def test_what_a_batch_under_way_has_written_is_no_difference(stores: tuple[Memory, Memory]) -> None:
    stores[0].documents["transactions"].append(to_document(TRANSACTIONS, transaction(99, 101, START_MS)))
    found = look(stores)
    assert (found.equal, found.kinds["transactions"].mongodb) == (True, 60)
    stores[0].documents["transactions"][3] |= {"seq": 101, "revision": 2}
    found = look(stores)
    assert (found.equal, found.in_flight) == (True, 1)


def test_what_was_refused_or_deleted_on_purpose_is_allowed_for_once(stores: tuple[Memory, Memory]) -> None:
    lost = [stores[1].documents["transactions"].pop() for _ in range(3)]
    letters = [{"store": ELASTICSEARCH, "kind": "transactions", "seq": lost[0]["seq"]}]
    gone = [{"store": ELASTICSEARCH, "kind": "transactions", "day_ms": START_MS, "count": 1, "done": True}]
    assert look(stores, allowances=Allowances(letters, [gone[0] | {"count": 2}])).kinds["transactions"].accounted_for == 3
    assert look(stores, allowances=Allowances(letters, [gone[0] | {"pending": {"count": 1}}])).equal
    assert look(stores, allowances=Allowances(letters, gone)).difference_count == 1
    elsewhere = Allowances(letters, [gone[0] | {"count": 2, "day_ms": START_MS + DAY_MS}])
    assert look(stores, allowances=elsewhere).difference_count == 2
    from_both = [gone[0] | {"count": 2}, gone[0] | {"count": 2, "store": MONGODB}]
    assert look(stores, allowances=Allowances(letters, from_both)).difference_count == 2


def test_an_amendment_that_one_store_refused_is_allowed_for(stores: tuple[Memory, Memory]) -> None:
    stores[0].documents["transactions"][5] |= {"seq": 70, "revision": 2, "verdict": "flagged"}
    letter = {"store": ELASTICSEARCH, "kind": "amendments", "seq": 70}
    assert look(stores).difference_count == 1
    assert look(stores, allowances=Allowances([letter])).equal
    assert not look(stores, allowances=Allowances([letter | {"store": MONGODB}])).equal


def test_a_stretch_of_time_is_looked_at_alone(stores: tuple[Memory, Memory]) -> None:
    stores[1].documents["transactions"] = [
        one for one in stores[1].documents["transactions"] if one["minute_ms"] != START_MS + 30 * HOUR_MS
    ]
    assert look(stores, until_ms=START_MS + 30 * HOUR_MS).equal
    assert look(stores, from_ms=START_MS + 31 * HOUR_MS).equal
    assert not look(stores, from_ms=START_MS + 30 * HOUR_MS, until_ms=START_MS + 31 * HOUR_MS).equal


def test_only_the_first_differences_are_named_and_all_are_counted(stores: tuple[Memory, Memory]) -> None:
    stores[1].documents["transactions"].clear()
    found = look(stores, most_differences=7)
    assert (len(found.differences), found.difference_count) == (7, 60)


def test_a_store_that_comes_back_is_read_on_and_one_that_does_not_is_told_with_the_day(stores: tuple[Memory, Memory]) -> None:
    stores[0].outages = 4
    assert look(stores).equal

    def days(kind: Kind[Any]) -> dict[int, int]:
        found = Memory.days(stores[1], kind)
        stores[1].outages = 10_000
        return found

    stores[1].days = days  # type: ignore[method-assign]  # breaks off after the first answer
    with pytest.raises(StoreUnavailableError, match="go on with --from 2026-11-22"):
        look(stores)
