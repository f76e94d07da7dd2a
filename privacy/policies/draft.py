"""A policy with its operations understood, before it is judged: what the dangers look at.

Four faults are found here already, because without them nothing can be judged: a field that nobody knows, one that is not listed, an
operation that does not fit, and a stored document that would lack what it needs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal

import msgspec

from privacy.policies.catalogue import RECORDS, SINKS, Field, Kind, Record, fields_of, needed
from privacy.policies.grammar import GrammarError, operations_of, operator_of, per_sink
from privacy.policies.model import Policy
from privacy.policies.operators import Drop, Keep, Operator, Seal

__all__ = ["ABOUT_ONE_PERSON", "STRUCTURAL", "Draft", "Fault", "Rule", "draft_of"]

ABOUT_ONE_PERSON = "about_one_person"
"""What the record `alert` must say openly beside its fields."""
STRUCTURAL = {
    "unknown-field": "A policy that speaks of a field that does not exist protects nothing.",
    "unlisted-field": "A field that a contract gained must not leave before somebody decided what becomes of it.",
    "operation-unfit": "An operation that does not fit its value would do something else than it says.",
    "document-incomplete": "A stored document without what it needs is refused by the stores, one record after the other.",
}
"""Faults found here, with their reasons."""


class Fault(msgspec.Struct, frozen=True):
    """One reason to refuse a policy."""

    danger: str
    """Its short name, as in docs/privacy-policy.md."""
    where: str
    """`record.field`, or the section."""
    sink: str
    """Empty where it is about all of them."""
    sentence: str
    """What is wrong and what to write instead."""

    def __str__(self) -> str:
        """Return place, sentence and short name."""
        return f"{self.where}{f' in {self.sink}' if self.sink else ''}: {self.sentence} [{self.danger}]"


class Rule(msgspec.Struct, frozen=True):
    """What becomes of one field on its way into one sink."""

    record: str
    field: Field
    sink: str
    operator: Operator

    @property
    def where(self) -> str:
        """Return `record.field`."""
        return f"{self.record}.{self.field.name}"

    def fault(self, danger: str, sentence: str) -> Fault:
        """Return a fault of this rule."""
        return Fault(danger, self.where, self.sink, sentence)


class Draft(msgspec.Struct, frozen=True):
    """A policy and its rules, in the order of catalogue and sinks."""

    policy: Policy
    rules: tuple[Rule, ...]

    def of_kind(self, *kinds: Kind) -> Iterator[Rule]:
        """Yield the rules of values of these kinds."""
        return (rule for rule in self.rules if rule.field.kind in kinds)

    def finest_cell(self) -> int | None:
        """Return the finest H3 resolution that a release prints; None where it prints none."""
        return max(self.policy.releases.quasi_identifiers.cell, default=None)


def draft_of(policy: Policy, records: Mapping[str, Record] = RECORDS) -> tuple[Draft, tuple[Fault, ...]]:
    """Return the rules that can be understood, and the faults of those that cannot.

    Args:
        policy: as written.
        records: the catalogue.
    """
    faults: list[Fault] = []
    rules: list[Rule] = []
    for name in policy.records:
        if name not in records:
            faults.append(Fault("unknown-field", name, "", f"there is no such record: write one of {', '.join(records)}"))
    for record in records.values():
        for made in _record_rules(record, policy.records.get(record.name, {})):
            (faults if isinstance(made, Fault) else rules).append(made)  # type: ignore[arg-type]  # chosen by the type
    return Draft(policy, tuple(rules)), tuple(faults)


def _record_rules(record: Record, written: Mapping[str, object] | Literal["drop"]) -> Iterator[Rule | Fault]:
    if written == "drop":
        return
    fields = fields_of(record)
    for name in written:
        if name not in fields and not (record.name == "alert" and name == ABOUT_ONE_PERSON):
            yield Fault("unknown-field", f"{record.name}.{name}", "", _unknown(record, name))
    for name, field in fields.items():
        if name in written:
            yield from _field_rules(record, field, written[name])
        else:
            choices = ", ".join(operations_of(field.kind)) if field.stored else "drop"
            yield Fault("unlisted-field", f"{record.name}.{name}", "", f"say what becomes of it: write `{name}:` with one of {choices}")


def _unknown(record: Record, name: str) -> str:
    owner = next((field.name for field in record.fields if name in field.raw), None)
    return f"it is a part of `{owner}`: write that instead" if owner else "this record has no such field: take the line out"


def _field_rules(record: Record, field: Field, written: object) -> Iterator[Rule | Fault]:
    where = f"{record.name}.{field.name}"
    try:
        operations = per_sink(written, tuple(sink for sink in SINKS if sink in record.sinks))
    except GrammarError as error:
        yield Fault("operation-unfit", where, "", str(error))
        return
    for sink, operation in operations.items():
        try:
            rule = Rule(record.name, field, sink, operator_of(operation, field.kind))
        except GrammarError as error:
            yield Fault("operation-unfit", where, sink, str(error))
            continue
        yield rule
        yield from _fitting_the_document(record, rule)


def _fitting_the_document(record: Record, rule: Rule) -> Iterator[Fault]:
    if isinstance(rule.operator, Drop | Seal) and needed(record, rule.field):
        words = ", ".join(word for word in operations_of(rule.field.kind) if word not in ("drop", "seal", "hash"))
        sentence = f"the stored document cannot be without {' and '.join(rule.field.stored)}: write one of {words}"
        yield rule.fault("document-incomplete", sentence)
    elif not rule.field.stored and not isinstance(rule.operator, Drop | Seal | Keep):
        yield rule.fault("operation-unfit", "the stored document has no field for it: write drop or seal")
    elif not rule.field.stored and isinstance(rule.operator, Keep) and rule.field.kind is Kind.LABEL:
        yield rule.fault("operation-unfit", "the stored document has no field for it: write drop or seal")
