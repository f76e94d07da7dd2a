"""From a policy as written to one in force: judged, complete, without a secret; or refused with every fault at once.

Promise: `compile_policy` returns a policy only if no danger of `DANGERS` applies, every raw field has an operation for every sink, and
every stored document gets what it cannot be without.
"""

from __future__ import annotations

import hashlib
from typing import Literal

import msgspec

from privacy.policies.catalogue import RECORDS, amended
from privacy.policies.dangers_identifiers import IDENTIFIER_DANGERS
from privacy.policies.dangers_releases import RELEASE_DANGERS
from privacy.policies.dangers_values import VALUE_DANGERS
from privacy.policies.draft import STRUCTURAL, Fault, Rule, draft_of
from privacy.policies.model import PERSON_KINDS, Aggregates, Policy, Releases, Sketches
from privacy.policies.operators import Operator
from privacy.tokens import TokenKind
from veilocity.errors import FatalError, UnsafePolicyError

__all__ = ["DANGERS", "CompiledPolicy", "compile_policy", "faults_of", "reason_of"]

DANGERS = {**IDENTIFIER_DANGERS, **VALUE_DANGERS, **RELEASE_DANGERS}
"""Every danger that is looked for, by its short name; the function's docstring is the reason."""
_DAY_MS = 86_400_000


class CompiledPolicy(msgspec.Struct, frozen=True):
    """A policy that was found safe: plain, picklable, hashable, comparable by value; it holds purposes of keys, never a key."""

    name: str
    version: int
    joinable: bool
    pseudonyms_key: str
    """Purpose of the tokens' key in the key ring."""
    periods: tuple[tuple[TokenKind, int], ...]
    """Days after which a pseudonym changes, of each kind of person."""
    rules: tuple[Rule, ...]
    releases: Releases
    aggregates: Aggregates | Literal["off"]
    sketches: Sketches

    @property
    def digest(self) -> str:
        """SHA-256 of the whole as 64 hexadecimal digits: equal policies have equal digests, in every process and on every machine."""
        return hashlib.sha256(msgspec.json.encode(self, order="deterministic")).hexdigest()

    def keeps(self, record: str) -> bool:
        """Say whether any store gets documents of a record: `transaction`, `alert` or `position`."""
        return any(rule.record == record for rule in self.rules)

    @property
    def dropped(self) -> tuple[str, ...]:
        """The records that no store gets."""
        return tuple(record for record in RECORDS if not self.keeps(record))

    def period_ms(self, kind: TokenKind) -> int | None:
        """Return the period of a kind's pseudonyms in milliseconds of event time; None for kinds that name an event."""
        return dict(self.periods)[kind] * _DAY_MS if kind in PERSON_KINDS else None

    def rules_of(self, record: str, sink: str) -> tuple[Rule, ...]:
        """Return the rules of one record on its way into one sink; those of an `amendment` are the payment's.

        Args:
            record: `transaction`, `amendment`, `alert` or `position`.
            sink: `mongodb` or `elasticsearch`; a record that does not go there has none.

        Raises:
            FatalError: no such record.
        """
        name = "transaction" if record == "amendment" else record
        if name not in RECORDS:
            raise FatalError(f"a policy has no record '{record}': ask for amendment, {', '.join(RECORDS)}")
        rules = (rule for rule in self.rules if rule.record == name and rule.sink == sink)
        return tuple(rule for rule in rules if record != "amendment" or amended(rule.field))

    def operator(self, record: str, field: str, sink: str) -> Operator:
        """Return what becomes of one field.

        Raises:
            FatalError: no such field in that record and sink.
        """
        for rule in self.rules_of(record, sink):
            if rule.field.name == field:
                return rule.operator
        raise FatalError(f"{record} has no field '{field}' in {sink}: docs/privacy-policy.md lists them")

    def uses(self, operation: str) -> bool:
        """Say whether any field has this operation: which services the stage must bring.

        >>> from privacy.policies.model import DEFAULT_FILE, read_policy
        >>> policy = compile_policy(read_policy(DEFAULT_FILE))
        >>> policy.uses("seal"), policy.uses("noise")
        (True, False)
        """
        return any(rule.operator.name == operation for rule in self.rules)


def faults_of(policy: Policy) -> tuple[Fault, ...]:
    """Return every reason to refuse a policy, in a fixed order; none where it is safe."""
    draft, structural = draft_of(policy)
    found = [*structural, *(fault for danger in DANGERS.values() for fault in danger(draft))]
    return tuple(dict.fromkeys(found))


def compile_policy(policy: Policy) -> CompiledPolicy:
    """Return the policy ready for use.

    Args:
        policy: as written.

    Raises:
        UnsafePolicyError: with every fault, a sentence each.

    >>> from privacy.policies.model import DEFAULT_FILE, read_policy
    >>> compile_policy(read_policy(DEFAULT_FILE)).operator("transaction", "card", "mongodb")
    Token(scope='sink')
    """
    faults = faults_of(policy)
    if faults:
        listed = "".join(f"\n- {fault}" for fault in faults)
        count = f"{len(faults)} faults" if len(faults) > 1 else "1 fault"
        raise UnsafePolicyError(f"the policy '{policy.policy}' is refused, {count}:{listed}")
    draft, _ = draft_of(policy)
    return CompiledPolicy(
        name=policy.policy,
        version=policy.version,
        joinable=policy.sinks.joinable,
        pseudonyms_key=policy.pseudonyms.key,
        periods=tuple((kind, policy.period_days(kind) or 0) for kind in PERSON_KINDS),
        rules=draft.rules,
        releases=policy.releases,
        aggregates=policy.aggregates,
        sketches=policy.sketches,
    )


def reason_of(danger: str) -> str:
    """Return why a danger is one: the first sentence of its explanation.

    >>> reason_of("k-below-two")
    'A class of one person is that person.'
    """
    return STRUCTURAL.get(danger) or (DANGERS[danger].__doc__ or "").partition("\n")[0]
