from __future__ import annotations

import msgspec
import pytest

from privacy.policies.catalogue import RECORDS, Field, Kind, Record, amended, fields_of, needed, uncovered
from privacy.policies.draft import draft_of
from privacy.policies.model import DEFAULT_FILE, read_policy
from privacy.tokens import TokenKind
from storage.documents import MaskedAlert, MaskedAmendment, MaskedTransaction, Position
from veilocity.contracts import Fix, Observation

MADE_BY_THE_STAGE = {"seq", "place_seen_before", "sealed"}


@pytest.mark.parametrize("record", RECORDS.values(), ids=lambda record: record.name)
def test_every_field_of_a_contract_is_covered_once(record: Record) -> None:
    assert uncovered(record) == ()
    names = [field.name for field in record.fields]
    assert len(names) == len(set(names))
    covered = [path for field in record.fields for path in field.raw if path != "parameters"]
    assert len(covered) == len(set(covered)), "one raw field in two fields of the policy could leave by the laxer one"


@pytest.mark.parametrize("record", RECORDS.values(), ids=lambda record: record.name)
def test_every_field_of_a_document_is_made_once(record: Record) -> None:
    made = [path for field in record.fields for path in field.stored]
    assert len(made) == len(set(made))
    assert {path.partition(".")[0] for path in made} == set(record.document.__struct_fields__) - MADE_BY_THE_STAGE


class LoyalFix(Fix, frozen=True, omit_defaults=True):
    """A contract that gained a field."""

    loyalty_number: str | None = None


class SurerObservation(Observation, frozen=True, omit_defaults=True):
    """A structure inside a contract that gained a field."""

    network_cell: str = ""


def test_a_contract_that_gained_a_field_is_refused_until_the_policy_drops_it() -> None:
    policy = read_policy(DEFAULT_FILE)
    grown = {**RECORDS, "position": msgspec.structs.replace(RECORDS["position"], contract=LoyalFix)}
    assert uncovered(grown["position"]) == ("loyalty_number",)
    _, faults = draft_of(policy, grown)
    assert [(fault.danger, fault.where) for fault in faults] == [("unlisted-field", "position.loyalty_number")]
    for written, dangers in (("drop", []), ("keep", ["operation-unfit"]), ("token", ["operation-unfit"]), ("seal", ["operation-unfit"])):
        records = {**policy.records, "position": {**policy.written("position"), "loyalty_number": written}}
        _, faults = draft_of(msgspec.structs.replace(policy, records=records), grown)
        assert [fault.danger for fault in faults] == dangers


def test_a_new_structure_inside_a_contract_is_a_field_of_its_own() -> None:
    class Chained(Fix, frozen=True, omit_defaults=True):
        before: SurerObservation | None = None

    Chained.__annotations__["before"] = SurerObservation
    assert uncovered(msgspec.structs.replace(RECORDS["position"], contract=Chained)) == ("before",)


def test_what_a_document_needs_is_read_from_the_document() -> None:
    def needed_of(record: str) -> set[str]:
        return {name for name, field in fields_of(RECORDS[record]).items() if needed(RECORDS[record], field)}

    assert {"card", "device", "user", "place", "country", "severity", "alert_id", "device_type"} == {
        name for name, field in fields_of(RECORDS["transaction"]).items() if field.stored and name not in needed_of("transaction")
    }
    assert {"observation.event_ns", "elapsed_s", "sentence", "episode.count"} <= needed_of("alert")
    assert not {"observation.place", "distance_m", "speed_kmh", "fine_with_s", "evidence"} & needed_of("alert")
    assert needed_of("position") == {"subject", "fix_ns", "place"}


def test_an_amendment_is_what_its_document_holds() -> None:
    made = {path for field in RECORDS["transaction"].fields if amended(field) for path in field.stored}
    assert made == set(MaskedAmendment.__struct_fields__) - MADE_BY_THE_STAGE


def test_identifiers_are_known_as_such() -> None:
    kinds = {f"{record.name}.{field.name}": field.token_kind for record in RECORDS.values() for field in record.fields if field.token_kind}
    assert kinds["transaction.card"] is TokenKind.CARD
    assert kinds["transaction.alert_id"] is kinds["alert.id"] is TokenKind.ALERT
    assert {field.kind for record in RECORDS.values() for field in record.fields if field.token_kind} == {Kind.IDENTIFIER}
    assert all(document.__struct_fields__ for document in (MaskedAlert, MaskedTransaction, Position))
    assert Field("x", Kind.UNKNOWN, ("x",)) == Field("x", Kind.UNKNOWN, ("x",))
