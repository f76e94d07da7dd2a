"""Which steps a store lacks, from what it says of itself: pure.

Steps go forward only and in order. What a store says is held against what this program knows: a step that was applied and has another
checksum now was edited, a step that this program does not know is of a newer one, and a step that is missing below an applied one was
slipped in afterwards. All three are refused, because nobody can say what such a store holds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from storage.migrations.m0001_masked_documents import STEP as MASKED_DOCUMENTS
from storage.migrations.m0002_amended_answers import STEP as AMENDED_ANSWERS
from storage.migrations.m0003_sealed_evidence import STEP as SEALED_EVIDENCE
from storage.migrations.m0004_erased_payments import STEP as ERASED_PAYMENTS
from storage.migrations.m0005_unstored_payments import STEP as UNSTORED_PAYMENTS
from storage.migrations.model import Step
from veilocity.errors import StateError

__all__ = ["STEPS", "pending", "refuse_newer", "taken_over"]

STEPS: tuple[Step, ...] = (MASKED_DOCUMENTS, AMENDED_ANSWERS, SEALED_EVIDENCE, ERASED_PAYMENTS, UNSTORED_PAYMENTS)
"""The history, oldest first."""


def taken_over(applied: Mapping[str, str], version: int, steps: Sequence[Step] = STEPS) -> tuple[Step, ...]:
    """Return the steps that a store of before went through without a record of each.

    Args:
        applied: checksum by id of the steps that have a record.
        version: what the store says as a whole; 0 for a store that is empty.
        steps: the history.

    >>> [step.number for step in taken_over({}, 2)]
    [1, 2]
    """
    return tuple(step for step in steps if step.number <= version and step.id not in applied)


def pending(store: str, applied: Mapping[str, str], steps: Sequence[Step] = STEPS) -> tuple[Step, ...]:
    """Return the steps that are still to be done, oldest first.

    Args:
        store: what the sentence calls it.
        applied: checksum by id of the steps that were done.
        steps: the history.

    Raises:
        StateError: the store is of a newer program, or its history is another one.

    >>> [step.number for step in pending("the database", {MASKED_DOCUMENTS.id: MASKED_DOCUMENTS.checksum()})]
    [2, 3, 4, 5]
    """
    known = {step.id: step.checksum() for step in steps}
    for identity in sorted(applied.keys() - known.keys()):
        if _number(identity) > len(steps):
            raise StateError(
                f"{store} has schema {_number(identity)}, this program knows {len(steps)}: upgrade it, or name another database"
            )
        raise StateError(f"{store} went through step {identity}, which this program does not have: use the program that applied it")
    for identity, checksum in applied.items():
        if known[identity] != checksum:
            raise StateError(f"step {identity} is not what {store} went through: put its file back, and add a step instead of editing one")
    left = tuple(step for step in steps if step.id not in applied)
    late = [step.id for step in left if any(_number(identity) > step.number for identity in applied)]
    if late:
        raise StateError(f"step {late[0]} comes before steps that {store} has: give it the next number instead")
    return left


def refuse_newer(store: str, version: int, steps: Sequence[Step] = STEPS) -> None:
    """Stop before a newer program's data are misread.

    Raises:
        StateError: `version` is newer than this program.

    >>> refuse_newer("the MongoDB database", len(STEPS))
    """
    if version > len(steps):
        raise StateError(f"{store} has schema {version}, this program knows {len(steps)}: upgrade it, or name another database")


def _number(identity: str) -> int:
    number = identity.partition("-")[0]
    return int(number) if number.isdigit() else 0
