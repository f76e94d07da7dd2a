"""A compiled policy at work: one raw record in, the masked values of its document out.

Promise: only what an operator returned is in the result; a field without a rule is in no result. Values that were sealed stand under
`sealed`, by the name of their field. A value that a record does not state (None) stays None and is never given to an operator.

The event time by which an alert's pseudonyms are made is the first of its episode, which later revisions keep.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import attrgetter
from typing import Any, NamedTuple

from privacy.policies.catalogue import Field, Kind
from privacy.policies.compiling import CompiledPolicy
from privacy.policies.draft import Rule
from privacy.policies.operators import Context, Drop, Keep, Operator, Seal, StoredAmount, Told, Tools
from privacy.tokens import TokenKind
from veilocity.contracts import Alert, Decision, Fix
from veilocity.errors import FatalError
from veilocity.eventtime import ms_from_ns

__all__ = ["SEALED", "RecordMasker", "masked"]

SEALED = "sealed"
"""Where sealed values stand in the result."""
_ENDS = ("first", "second")
_NUMBERS = ("speed_limit_kmh", "minimum_distance_m")
_RECORDS: dict[str, type[Decision | Alert | Fix]] = {"transaction": Decision, "amendment": Decision, "alert": Alert, "position": Fix}


class _Step(NamedTuple):
    """What is done with one field of every record; made once, as a store gets millions of records."""

    read: Callable[[Any, Mapping[str, Any]], Any]
    """Takes the raw record and what was masked before it."""
    operator: Operator
    where: str
    stored: tuple[str, ...]
    sealed: str
    """Its name where it is sealed."""
    token_kind: TokenKind | None
    period_ms: int | None
    has_floor: bool


class _Facts(NamedTuple):
    """What operators must know of a record."""

    subject: str
    record_id: str
    event_ms: int
    currency: str = ""
    speed_limit_kmh: float | None = None


class RecordMasker:
    """Masks records of one kind for one sink; holds its tools, so it is made in the process that masks, and never pickled."""

    __slots__ = ("_contract", "_record", "_sink", "_steps", "_tools")

    def __init__(self, policy: CompiledPolicy, record: str, sink: str, tools: Tools) -> None:
        """Prepare what is done with each field.

        Args:
            policy: in force.
            record: `transaction`, `amendment`, `alert` or `position`.
            sink: `mongodb` or `elasticsearch`.
            tools: the services of this sink.

        Raises:
            FatalError: no such record.
        """
        rules = policy.rules_of(record, sink)
        self._record, self._sink, self._tools, self._contract = record, sink, tools, _RECORDS[record]
        # A sentence repeats figures that must have been masked before it.
        ordered = sorted(rules, key=lambda rule: rule.field.kind is Kind.SENTENCE)
        self._steps = tuple(_step(policy, rule, end) for rule in ordered for end in _ends(rule))

    def masked(self, raw: Decision | Alert | Fix) -> dict[str, Any]:
        """Return the masked values of one record, by the paths of the stored document (`first.place`, `amount_band`).

        Raises:
            ContractError: a value that cannot be what it claims to be (coordinates out of range).
            KeyMissingError: the policy needs a service that the tools have not got.
            FatalError: a record of another kind.
        """
        if not isinstance(raw, self._contract):
            raise FatalError(f"a {type(raw).__name__} is not masked as '{self._record}': mask decisions, alerts and fixes as what they are")
        facts = _facts(raw)
        values: dict[str, Any] = {}
        sealed: dict[str, bytes] = {}
        for step in self._steps:
            result = self._result(step, raw, facts, values)
            if isinstance(step.operator, Seal):
                if result is not None:
                    sealed[step.sealed] = result
                result = None
            if isinstance(result, StoredAmount):
                values |= result._asdict()
            else:
                for path in step.stored:
                    values[path] = result
        return {**values, SEALED: sealed} if sealed else values

    def _result(self, step: _Step, raw: Decision | Alert | Fix, facts: _Facts, values: Mapping[str, Any]) -> Any:
        if isinstance(step.operator, Drop):
            return None
        value = step.read(raw, values)
        if value is None or isinstance(step.operator, Keep):
            return value
        context = Context(
            sink=self._sink,
            field=step.where,
            subject=facts.subject,
            document_id=str(values.get("id", "")),
            record_id=facts.record_id,
            event_ms=facts.event_ms,
            tools=self._tools,
            token_kind=step.token_kind,
            currency=facts.currency,
            floor=facts.speed_limit_kmh if step.has_floor else None,
            period_ms=step.period_ms,
        )
        return step.operator.apply(value, context)


def masked(policy: CompiledPolicy, record: str, sink: str, raw: Decision | Alert | Fix, tools: Tools) -> dict[str, Any]:
    """Return the masked values of a single record; for many make one `RecordMasker`, whose arguments and errors these are."""
    return RecordMasker(policy, record, sink, tools).masked(raw)


def _ends(rule: Rule) -> tuple[str, ...]:
    return _ENDS if rule.field.name.startswith("observation.") else ("",)


def _step(policy: CompiledPolicy, rule: Rule, end: str) -> _Step:
    kind = rule.field.token_kind
    return _Step(
        read=_reader(rule.record, rule.field, end),
        operator=rule.operator,
        where=rule.where,
        stored=tuple(path for path in rule.field.stored if path.startswith(end)),
        sealed=rule.field.name.replace("observation", end),
        token_kind=kind,
        period_ms=policy.period_ms(kind) if kind is not None else None,
        has_floor=rule.field.name == "speed_kmh",
    )


def _reader(record: str, field: Field, end: str) -> Callable[[Any, Mapping[str, Any]], Any]:
    """Return the function that reads a raw value as its operator takes it; it returns None where the record does not state it."""
    if field.kind is Kind.SENTENCE:
        return _told
    if field.kind is Kind.EVIDENCE and record == "alert":
        return lambda raw, _: raw
    if field.name in _NUMBERS:
        return lambda raw, _: _number(raw, field.name)
    # A decision carries its payment, whose fields count as its own.
    of_payment = record == "transaction" and field.raw[0] not in Decision.__struct_fields__
    paths = [("transaction." if of_payment else "") + path for path in field.raw if path.startswith(end)]
    get: Callable[[Any], Any] = attrgetter(*paths)
    if field.kind is Kind.PLACE:
        return lambda raw, _: None if None in (place := get(raw)) else place
    if paths[0].endswith("_ns"):
        return lambda raw, _: ms_from_ns(get(raw))
    return lambda raw, _: get(raw)


def _number(alert: Alert, name: str) -> float | None:
    value = alert.parameters.get(name)
    return float(value) if isinstance(value, int | float) else None


def _facts(raw: Decision | Alert | Fix) -> _Facts:
    if isinstance(raw, Decision):
        payment = raw.transaction
        return _Facts(payment.subject, payment.id, payment.authorised_ms, payment.currency)
    if isinstance(raw, Alert):
        return _Facts(raw.subject, raw.id, raw.episode.first_ms, speed_limit_kmh=_number(raw, "speed_limit_kmh"))
    return _Facts(raw.subject, f"{raw.device}@{raw.fix_ns}", ms_from_ns(raw.fix_ns))


def _told(alert: Alert, values: Mapping[str, Any]) -> Told:
    return Told(
        rule=alert.rule,
        cause=alert.cause,
        distance_m=values.get("distance_m"),
        elapsed_s=values.get("elapsed_s"),
        speed_kmh=values.get("speed_kmh"),
        speed_limit_kmh=values.get("speed_limit_kmh"),
        fine_with_s=values.get("fine_with_s"),
    )
