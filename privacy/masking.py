"""Records masked for both stores at once: what leaves holds what the policy lets out, and no store's tokens are another's.

Operations that are the same for both stores run once; tokens, and what the policy wants differently, are made for each. Inside the stage,
where payments wait for their windows and people are counted, a payment and a person have a third pseudonym that is in no document; it is
made with the oldest key and never changes, so that a person who pays on both sides of a change of period or key counts once.

A masked record is a pseudonym of one person's doing, not an anonymous one: only releases are (docs/privacy.md). `RecordMasker` says what a
policy means, one record at a time; payments are too many for that, so what nearly every policy does with them has a short way here, and a
test holds it to the same results.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from privacy.identifiers.keyring import KeyRing
from privacy.identifiers.pseudonyms import Pseudonymiser
from privacy.policies.applying import RecordMasker
from privacy.policies.catalogue import RECORDS, SINKS, Field, Kind, needed
from privacy.policies.compiling import CompiledPolicy
from privacy.policies.draft import Rule
from privacy.policies.operators import (
    Drop,
    Encrypt,
    GeneraliseAmount,
    GeneraliseFraction,
    GeneralisePlace,
    GeneraliseTime,
    Keep,
    Operator,
    Seal,
    StoredAmount,
    Token,
    Tools,
)
from privacy.policies.operators.context import Context
from privacy.policies.operators.context import Pseudonymiser as TokenMaker
from privacy.policies.services import tools_for
from privacy.rounding import minute_ms
from privacy.tokens import TokenKind
from privacy.unstored import UnstoredMasker
from storage.documents import MaskedAlert, MaskedAmendment, MaskedEpisode, MaskedObservation, MaskedTransaction, Position
from veilocity.contracts import Alert, Decision, Fix
from veilocity.errors import FatalError

if TYPE_CHECKING:
    from privacy.identifiers.sealing import SubjectKeyStore

__all__ = ["ELASTICSEARCH", "MONGODB", "STAGE", "MaskedDecision", "Masker", "amendment_of"]

MONGODB, ELASTICSEARCH = SINKS
STAGE = "stage"
"""The sink of pseudonyms that stay inside the stage."""
_EVIDENCE = "alert.evidence"
_REMEMBERED = 100_000
"""Results kept of one field; then it is begun anew."""
_PLAIN = (GeneraliseTime, GeneraliseFraction)
_REPEATING = (GeneralisePlace, GeneraliseAmount)
"""Operators whose values come again and cost more than a look."""
_PLACES = {name: place for place, name in enumerate(MaskedTransaction.__struct_fields__)}
_NESTED = ("first", "second", "episode")
_FLAT = tuple(name for name in MaskedAlert.__struct_fields__ if name not in (*_NESTED, "seq", "sealed"))


class MaskedDecision(NamedTuple):
    """A decision as the stage goes on with it."""

    id: str
    """Of the payment, inside the stage."""
    person: str
    """By which people are counted, inside the stage."""
    minute_ms: int
    documents: dict[str, MaskedTransaction]
    """By store. Whether the place was seen before is filled in by the driver, which holds the filter."""


class Masker:
    """Masks records in one process; it holds keys and what was computed before, so it is never pickled. Not for two threads at once."""

    def __init__(self, policy: CompiledPolicy, ring: KeyRing, subject_keys: Callable[[], SubjectKeyStore]) -> None:
        """Prepare what is done with every field.

        Args:
            policy: in force.
            ring: the keys.
            subject_keys: opens the store of people's keys; called when there is evidence to seal, and not before.
        """
        self.keeps_alerts, self.keeps_positions = policy.keeps("alert"), policy.keeps("position")
        """Whether any store has these records."""
        cells = policy.releases.quasi_identifiers.cell
        self.unstored = None if policy.keeps("transaction") else UnstoredMasker(ring, STAGE, cells[0])
        """For payments that no store has; then `decision` must not be called."""
        operator = policy.operator("alert", "evidence", MONGODB) if self.keeps_alerts else None
        self._seal = operator if isinstance(operator, Seal) else None
        self._ring, self._subject_keys = ring, subject_keys
        # What is sealed has no field of its own, and only MongoDB keeps it.
        open_policy = _with_rules(policy, map(_unsealed, policy.rules))
        tools = {sink: tools_for(open_policy, ring, sink) for sink in SINKS}
        self._payments = _Payments(open_policy, ring, tools) if self.unstored is None else None
        own = {sink: _with_rules(open_policy, _own_rules(open_policy, "alert", sink)) for sink in SINKS}
        self._alerts = {sink: RecordMasker(own[sink], "alert", sink, tools[sink]) for sink in SINKS}
        self._positions = RecordMasker(open_policy, "position", MONGODB, tools[MONGODB])
        self._inside = Pseudonymiser(ring, STAGE, 0)
        self._always_ms = ring.from_ms(ring.versions[0])
        self._people = _Tokens(self._inside, TokenKind.SUBJECT, 0, ring, nullable=False)

    def decision(self, decision: Decision, seq: int) -> MaskedDecision:
        """Return the masked payment with its answer.

        Args:
            decision: first or later answer to a payment.
            seq: number of the micro-batch, written into every document.

        Raises:
            ContractError: coordinates out of range.
            FatalError: the policy drops the record `transaction`.
        """
        if self._payments is None:
            raise FatalError("the policy drops payments: take their rows by `unstored`")
        payment = decision.transaction
        documents = self._payments.documents(decision, seq)
        identity = self._inside.token(TokenKind.TRANSACTION, payment.id, self._always_ms)
        person = self._people.of(payment.subject, self._always_ms) or ""
        return MaskedDecision(identity, person, minute_ms(payment.authorised_ms), documents)

    def position(self, fix: Fix, seq: int) -> Position:
        """Return the masked place of a phone, for MongoDB, which alone keeps it.

        Raises:
            ContractError: coordinates out of range.
        """
        values = self._positions.masked(fix)
        return Position(values["id"], seq, values["minute_ms"], values["place"])

    def alert(self, alert: Alert, seq: int) -> dict[str, MaskedAlert]:
        """Return the masked alert for each store, its evidence not sealed yet.

        Raises:
            ContractError: coordinates out of range.
        """
        values: dict[str, Any] = {}
        documents = {}
        for sink, masker in self._alerts.items():
            values = values | masker.masked(alert)
            documents[sink] = _alert(values, seq)
        return documents

    def sealed(self, alerts: Sequence[tuple[Alert, dict[str, MaskedAlert]]]) -> list[dict[str, MaskedAlert]]:
        """Return masked alerts with their exact evidence sealed into MongoDB's, if the policy seals it.

        Guarantee: the same alert has the same sealed text, as long as the person's key lives; after that it has none.

        Raises:
            StoreUnavailableError: the store of people's keys does not answer.
        """
        if self._seal is None or not alerts:
            return [documents for _, documents in alerts]
        from privacy.identifiers.sealing import Sealer  # noqa: PLC0415  # most parts hold no alert

        tools = Tools(vault=Sealer(self._ring, self._subject_keys()))
        found = []
        for alert, documents in alerts:
            document = documents[MONGODB]
            event_ms = alert.episode.first_ms
            context = Context(MONGODB, _EVIDENCE, alert.subject, document.id, alert.id, event_ms, tools)
            text = self._seal.apply(alert, context)
            sealed = None if text is None else b64encode(text).decode("ascii")
            found.append({**documents, MONGODB: msgspec.structs.replace(document, sealed=sealed)})
        return found

    def __reduce__(self) -> str:
        # A pickle would carry the keys, and with its memory the identifiers.
        raise TypeError("a masker is not pickled: let each process make one from its own key ring")


def amendment_of(transaction: MaskedTransaction) -> MaskedAmendment:
    """Return what a later answer changes of a stored payment."""
    return MaskedAmendment(*(getattr(transaction, name) for name in MaskedAmendment.__struct_fields__))


class _Tokens:
    """Tokens of one kind and store; those of people are remembered, since people come again."""

    __slots__ = ("_kind", "_known", "_maker", "_nullable", "_ring", "_width_ms")

    def __init__(self, maker: TokenMaker, kind: TokenKind, width_ms: int | None, ring: KeyRing, *, nullable: bool) -> None:
        self._maker, self._kind, self._width_ms, self._ring, self._nullable = maker, kind, width_ms, ring, nullable
        self._known: dict[tuple[str, int], str] = {}

    def of(self, identifier: str | None, event_ms: int) -> str | None:
        if identifier is None or (not identifier and self._nullable):
            return None
        if self._width_ms is None:
            return self._maker.token(self._kind, identifier, event_ms)
        mark = event_ms // self._width_ms if self._width_ms else self._ring.version_at(event_ms)
        found = self._known.get((identifier, mark))
        if found is None:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            found = self._known[identifier, mark] = self._maker.token(self._kind, identifier, event_ms)
        return found


class _Step(NamedTuple):
    """What is done with one field of a payment."""

    read: Callable[[Decision], Any]
    operator: Operator
    places: tuple[int, ...]
    memory: dict[Any, Any] | None

    def fill(self, values: list[Any], decision: Decision, context: Context) -> None:
        value = self.read(decision)
        if value is None:
            return
        result = self.operator.apply(value, context) if self.memory is None else self._remembered(self.memory, value, context)
        if isinstance(result, StoredAmount):
            values[_PLACES["amount"]], values[_PLACES["amount_band"]] = result
        else:
            for place in self.places:
                values[place] = result

    def _remembered(self, memory: dict[Any, Any], value: Any, context: Context) -> Any:
        key = value, context.currency
        found = memory.get(key)
        if found is None:
            if len(memory) >= _REMEMBERED:
                memory.clear()
            found = memory[key] = self.operator.apply(value, context)
        return found


class _Own(NamedTuple):
    """What one store has for itself."""

    tokens: tuple[tuple[Callable[[Decision], Any], int, _Tokens], ...]
    steps: tuple[_Step, ...]
    rest: RecordMasker | None
    """For operations that have no short way."""


class _Payments:
    """Masks payments for all stores in one go."""

    def __init__(self, policy: CompiledPolicy, ring: KeyRing, tools: dict[str, Tools]) -> None:
        by_sink = {sink: {rule.field.name: rule for rule in policy.rules_of("transaction", sink)} for sink in SINKS}
        alike = {
            name for name, rule in by_sink[MONGODB].items() if all(rules[name].operator == rule.operator for rules in by_sink.values())
        }
        common = [rule for name, rule in by_sink[MONGODB].items() if name in alike and isinstance(rule.operator, (*_PLAIN, *_REPEATING))]
        kept = [rule for name, rule in by_sink[MONGODB].items() if name in alike and isinstance(rule.operator, Keep) and rule.field.stored]
        self._keep: Callable[[Decision], tuple[Any, ...]] = attrgetter(*(_path(rule.field, rule.field.raw[0]) for rule in kept))
        self._kept = tuple(_PLACES[rule.field.stored[0]] for rule in kept)
        self._common = tuple(map(_step, common))
        done = {rule.field.name for rule in (*common, *kept)}
        self._own = {
            sink: _own(policy, sink, [rule for name, rule in rules.items() if name not in done], tools[sink], ring)
            for sink, rules in by_sink.items()
        }
        self._no_tools = Tools()

    def documents(self, decision: Decision, seq: int) -> dict[str, MaskedTransaction]:
        payment = decision.transaction
        event_ms = payment.authorised_ms
        context = Context("", "transaction", payment.subject, "", payment.id, event_ms, self._no_tools, currency=payment.currency)
        shared: list[Any] = [None] * len(_PLACES)
        shared[_PLACES["seq"]] = seq
        for place, value in zip(self._kept, self._keep(decision), strict=True):
            shared[place] = value
        for step in self._common:
            step.fill(shared, decision, context)
        documents = {}
        for sink, own in self._own.items():
            values = shared.copy()
            for read, place, tokens in own.tokens:
                values[place] = tokens.of(read(decision), event_ms)
            for step in own.steps:
                step.fill(values, decision, context)
            if own.rest is not None:
                for path, value in own.rest.masked(decision).items():
                    values[_PLACES[path]] = value
            documents[sink] = MaskedTransaction(*values)
        return documents


def _own(policy: CompiledPolicy, sink: str, rules: Iterable[Rule], tools: Tools, ring: KeyRing) -> _Own:
    tokens, steps, rest = [], [], []
    for rule in rules:
        field, operator = rule.field, rule.operator
        maker = _token_maker(operator, tools)
        if maker is not None and field.token_kind is not None and field.stored:
            nullable = not needed(RECORDS["transaction"], field)
            made = _Tokens(maker, field.token_kind, policy.period_ms(field.token_kind), ring, nullable=nullable)
            tokens.append((_reader(field), _PLACES[field.stored[0]], made))
        elif isinstance(operator, (*_PLAIN, *_REPEATING)):
            steps.append(_step(rule))
        elif field.stored and not isinstance(operator, Drop):
            rest.append(rule)
    masker = RecordMasker(_with_rules(policy, rest), "transaction", sink, tools) if rest else None
    return _Own(tuple(tokens), tuple(steps), masker)


def _token_maker(operator: Operator, tools: Tools) -> TokenMaker | None:
    if not isinstance(operator, Token):
        return None
    return tools.pseudonymiser if operator.scope == "sink" else tools.shared_pseudonymiser


def _step(rule: Rule) -> _Step:
    memory: dict[Any, Any] | None = {} if isinstance(rule.operator, _REPEATING) else None
    return _Step(_reader(rule.field), rule.operator, tuple(_PLACES[path] for path in rule.field.stored), memory)


def _reader(field: Field) -> Callable[[Decision], Any]:
    get: Callable[[Decision], Any] = attrgetter(*(_path(field, raw) for raw in field.raw))
    if field.kind is Kind.PLACE:
        return lambda decision: None if None in (place := get(decision)) else place
    return get


def _path(field: Field, raw: str) -> str:
    """Return where a decision has a field: a payment's fields count as its own."""
    return raw if field.raw[0] in Decision.__struct_fields__ else f"transaction.{raw}"


def _own_rules(policy: CompiledPolicy, record: str, sink: str) -> Sequence[Rule]:
    """Return what must be done for a store when MongoDB's values are there: nearly always its own pseudonyms alone."""
    rules = policy.rules_of(record, sink)
    first = {rule.field.name: rule.operator for rule in policy.rules_of(record, MONGODB)}
    if sink == MONGODB or any(rule.operator != first[rule.field.name] for rule in rules):
        return rules
    return [rule for rule in rules if isinstance(rule.operator, Token | Encrypt)]


def _with_rules(policy: CompiledPolicy, rules: Iterable[Rule]) -> CompiledPolicy:
    return msgspec.structs.replace(policy, rules=tuple(rules))


def _unsealed(rule: Rule) -> Rule:
    return msgspec.structs.replace(rule, operator=Drop()) if isinstance(rule.operator, Seal) else rule


def _alert(values: dict[str, Any], seq: int) -> MaskedAlert:
    first, second = (_part(MaskedObservation, end, values) for end in ("first", "second"))
    episode = _part(MaskedEpisode, "episode", values)
    return MaskedAlert(seq=seq, first=first, second=second, episode=episode, **{name: values[name] for name in _FLAT})


def _part(kind: type[Any], name: str, values: dict[str, Any]) -> Any:
    return kind(*(values[f"{name}.{field}"] for field in kind.__struct_fields__))
