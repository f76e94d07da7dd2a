"""Mappings and validators say exactly what the records say, and the waiting and refusing parts keep their word."""

from __future__ import annotations

from threading import Event
from typing import Any

import msgspec
import pytest

from storage import kinds
from storage.documents import Sample
from storage.kinds import ALERTS, KINDS, POSITIONS, SAMPLES, SEARCHABLE, TRANSACTIONS, Kind, from_document, to_document
from storage.mappings import components, mapping, template
from storage.migrations.planning import STEPS, refuse_newer
from storage.patience import LONGEST_DELAY_S, delay_s, insist
from storage.schema import INDEXES
from storage.validation import validator
from tests.integration.storage_world import aggregate, alert, batch, group, position, release, transaction
from veilocity.errors import StateError, StoreUnavailableError

EXAMPLES = {
    "transactions": (transaction(1, 0), transaction(3, 0)),
    "alerts": (alert(0, 0), alert(1, 0)),
    "positions": (position(0, 0),),
    "releases": (release(0, 0),),
    "groups": (group(0, 0),),
    "aggregates": (aggregate(0, 0), aggregate(1, 0, refused=True)),
    "samples": (batch(0).sample,),
    "sketches": (batch(0).sketches,),
    "progress": (batch(0).progress,),
}


def _name(kind: Kind[Any]) -> str:
    return kind.name


def _paths(value: object, at: str = "") -> set[str]:
    """Return the path of every field; a list counts as its elements, a point as one field."""
    if isinstance(value, list | tuple):
        return set().union(*(_paths(element, at) for element in value), {at})
    if not isinstance(value, dict) or "coordinates" in value:
        return {at}
    return set().union(*(_paths(inner, f"{at}.{name}".lstrip(".")) for name, inner in value.items()))


def _mapped(properties: dict[str, Any], at: str = "") -> set[str]:
    found = set()
    for name, what in properties.items():
        path = f"{at}.{name}".lstrip(".")
        found |= _mapped(what["properties"], path) if "properties" in what else {path}
    return found


@pytest.mark.parametrize("kind", SEARCHABLE, ids=_name)
def test_the_mapping_names_every_field_of_the_documents_and_no_other(kind: Kind[Any]) -> None:
    documents = [to_document(kind, record) for record in EXAMPLES[kind.name]]
    fields = set().union(*map(_paths, documents)) - {"_id", *kind.unsearched}
    # A place or speed that is null in one example is spelt out in the other.
    fields -= {path for path in fields if any(other.startswith(f"{path}.") for other in fields)}
    assert _mapped(mapping(kind)["properties"]) == fields


@pytest.mark.parametrize("kind", SEARCHABLE, ids=_name)
def test_every_level_of_a_mapping_refuses_unknown_fields(kind: Kind[Any]) -> None:
    def levels(what: dict[str, Any]) -> list[dict[str, Any]]:
        return [what, *(level for inner in what["properties"].values() if "properties" in inner for level in levels(inner))]

    assert all(level["dynamic"] == "strict" for level in levels(mapping(kind)))
    assert template("v", kind)["index_patterns"] == [f"v-{kind.name}-*"]


@pytest.mark.parametrize("kind", SEARCHABLE, ids=_name)
def test_a_template_with_its_components_makes_the_whole_mapping_and_says_nothing_twice(kind: Kind[Any]) -> None:
    parts = components("v")
    made = template("v", kind)
    shared = [parts[name]["mappings"]["properties"] for name in made["composed_of"] if "mappings" in parts[name]]
    own = made["template"]["mappings"]["properties"]
    assert set(made["composed_of"]) == set(parts)
    assert not set(own) & {name for properties in shared for name in properties}
    together = {name: what for properties in (*shared, own) for name, what in properties.items()}
    assert together == mapping(kind)["properties"]


@pytest.mark.parametrize("kind", KINDS, ids=_name)
def test_the_validator_asks_for_every_field_and_refuses_others(kind: Kind[Any]) -> None:
    rules = validator(kind)["$jsonSchema"]
    for record in EXAMPLES[kind.name]:
        assert set(rules["required"]) == set(rules["properties"]) == set(to_document(kind, record))
    assert rules["additionalProperties"] is False


def test_every_kind_that_is_read_by_batch_has_its_index() -> None:
    assert {kind.name for kind in KINDS if ("seq",) in INDEXES.get(kind.name, ())} == {
        "transactions",
        "alerts",
        "positions",
        "releases",
        "groups",
    }


def test_one_time_orders_an_alert_whatever_the_order_of_its_ends() -> None:
    late = alert(0, 5)
    turned = msgspec.structs.replace(late, first=late.second, second=late.first)
    assert to_document(ALERTS, late)["minute_ms"] == to_document(ALERTS, turned)["minute_ms"] == late.second.minute_ms


def test_a_document_of_another_shape_is_refused_with_a_sentence() -> None:
    stranger = to_document(SAMPLES, Sample("sample", 1, 2, ())) | {"seen": "many"}
    with pytest.raises(StateError, match="another program or version"):
        from_document(SAMPLES, stranger)
    with pytest.raises(StateError, match="another program or version"):
        from_document(POSITIONS, {"_id": "x", "place": None})
    with pytest.raises(StateError, match="another program or version"):
        from_document(TRANSACTIONS, {"_id": "x", "place": {"cell": "c"}})


def test_a_newer_schema_is_refused_and_an_equal_or_older_one_is_not() -> None:
    refuse_newer("the database", len(STEPS))
    refuse_newer("the database", 0)
    with pytest.raises(StateError, match="upgrade it"):
        refuse_newer("the database", len(STEPS) + 1)


def test_waiting_grows_to_its_bound_and_stays_there() -> None:
    longest = [delay_s(attempt, 1.0) for attempt in range(1, 200)]
    assert longest == sorted(longest)
    assert longest[-1] == LONGEST_DELAY_S
    assert all(delay_s(attempt, 0.0) == delay_s(attempt, 1.0) / 2 for attempt in (1, 3, 50))


def test_a_store_that_comes_back_gets_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("storage.patience.delay_s", lambda _attempt: 0.0)
    answers = [StoreUnavailableError("down")] * 30

    def call() -> str:
        if answers:
            raise answers.pop()
        return "written"

    assert insist("mongodb", call, Event()) == "written"
    assert not answers


def test_waiting_ends_when_told_to_stop_and_never_as_a_success() -> None:
    stop = Event()
    stop.set()

    def call() -> None:
        raise StoreUnavailableError("MongoDB does not answer")

    with pytest.raises(StoreUnavailableError, match="repeated at the next start"):
        insist("mongodb", call, stop)


def test_a_fault_that_does_not_pass_is_not_repeated() -> None:
    calls = []

    def call() -> None:
        calls.append(1)
        raise StateError("refused")

    with pytest.raises(StateError):
        insist("mongodb", call, Event())
    assert len(calls) == 1


def test_months_are_those_of_utc() -> None:
    assert kinds.month(1_795_305_600_000) == "2026.11"
    assert kinds.month(1_796_083_199_999) == "2026.11"
    assert kinds.month(1_796_083_200_000) == "2026.12"
