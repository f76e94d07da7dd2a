"""The history of the stores' schema: what is pending follows from what a store says, and an edited history is noticed."""

from __future__ import annotations

import msgspec
import pytest

from storage.kinds import KINDS, SEARCHABLE
from storage.mappings import mapping
from storage.migrations import STEPS, AddFields, Step
from storage.migrations.planning import pending, taken_over
from storage.validation import validator
from veilocity.errors import StateError

RELEASED = {
    "0001-masked-documents": "hnbnifeknicbabonnilhhmcbeiklchna",
    "0002-amended-answers": "laiimaljfodppgaffipclbccbhkbhnhi",
    "0003-sealed-evidence": "egpnkjkaphoindehfhnikaofacblkamd",
    "0004-erased-payments": "hfbkhccbjfegjnngnkgkghplceniekkh",
    "0005-unstored-payments": "bdmlfidkgdmndhpggfhnbodgebicpnog",
}
"""What is in stores out there: a line is added for a new step, and never changed."""
DONE = {step.id: step.checksum() for step in STEPS}


def test_no_released_step_was_edited() -> None:
    assert DONE == RELEASED


def test_the_history_has_no_gap_and_one_file_for_each_step() -> None:
    assert [step.number for step in STEPS] == list(range(1, len(STEPS) + 1))
    assert all(step.why for step in STEPS)


def test_steps_are_about_fields_that_documents_have() -> None:
    fields = {kind.name: set(validator(kind)["$jsonSchema"]["properties"]) for kind in KINDS}
    mapped = {kind.name: set(mapping(kind)["properties"]) for kind in SEARCHABLE}
    for step in STEPS:
        assert all(set(action.fields) <= fields[action.collection] for action in step.mongodb), step.id
        assert all(set(action.fields) <= mapped[action.kind] for action in step.elasticsearch), step.id


def test_an_empty_store_has_everything_before_it_and_a_finished_one_nothing() -> None:
    assert pending("the database", {}) == STEPS
    assert pending("the database", DONE) == ()
    assert taken_over(DONE, len(STEPS)) == ()


@pytest.mark.parametrize("version", range(1, len(STEPS) + 1))
def test_a_store_that_kept_a_version_alone_is_taken_over_where_it_is(version: int) -> None:
    went_through = taken_over({}, version)
    assert [step.number for step in went_through] == list(range(1, version + 1))
    left = pending("the database", {step.id: step.checksum() for step in went_through})
    assert [step.number for step in left] == list(range(version + 1, len(STEPS) + 1))


def test_an_edited_step_is_noticed() -> None:
    edited = msgspec.structs.replace(STEPS[3], mongodb=(AddFields("progress", {"erased": 1}),))
    with pytest.raises(StateError, match="0004-erased-payments is not what the database went through"):
        pending("the database", DONE, (*STEPS[:3], edited, *STEPS[4:]))


def test_a_newer_store_is_refused_by_its_steps_too() -> None:
    newer = DONE | {"0099-later": "a" * 32}
    with pytest.raises(StateError, match=f"has schema 99, this program knows {len(STEPS)}: upgrade it"):
        pending("the database", newer)


def test_a_renamed_step_and_one_that_was_slipped_in_are_refused() -> None:
    with pytest.raises(StateError, match="0002-other, which this program does not have"):
        pending("the database", {"0001-masked-documents": DONE["0001-masked-documents"], "0002-other": "a" * 32})
    slipped_in = {identity: checksum for identity, checksum in DONE.items() if not identity.startswith("0002")}
    with pytest.raises(StateError, match="0002-amended-answers comes before steps"):
        pending("the database", slipped_in)


def test_words_for_people_may_be_said_better() -> None:
    step = Step(number=1, name="first", why="so", mongodb=(AddFields("alerts", {"score": 1.0}),))
    assert step.checksum() == msgspec.structs.replace(step, why="because").checksum()
    assert step.stores == ("mongodb",)
