"""What an operator may know and use besides the value: facts of the record, and services that hold the keys.

The services are protocols, so that operators hold no key, read no file and draw no chance of their own: everything secret is behind
`Tools`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Protocol

import msgspec

from privacy.tokens import TokenKind
from veilocity.errors import KeyMissingError

__all__ = ["Cipher", "Context", "NoiseSource", "Operation", "Pseudonymiser", "Tools", "Truncation", "Vault"]


class Pseudonymiser(Protocol):
    """Makes keyed tokens for one sink (or one that all sinks share)."""

    def token(self, kind: TokenKind, identifier: str, event_ms: int) -> str:
        """Return 32 hexadecimal digits; tokens of persons change with the period of `event_ms`."""


class Cipher(Protocol):
    """Format-preserving encryption (FF1, NIST SP 800-38G Rev. 1) under keys of the key ring."""

    def encrypt(self, text: str, radix: int, tweak: str, event_ms: int) -> str:
        """Return a text of the same length over the first `radix` of 0-9, a-z."""

    def encrypt_card(self, number: str, tweak: str, event_ms: int) -> str:
        """Return digits of the same length that fail the Luhn check, so that nobody takes them for a card number."""


class Truncation(Protocol):
    """Cuts card numbers as PCI allows for their length and brand."""

    def truncate(self, number: str, first: int, last: int) -> str:
        """Return at most the `first` and `last` digits, stars between; fewer digits where the number's length demands it."""


class Vault(Protocol):
    """Seals a value under the data key of one person; who deletes that key has erased the value everywhere."""

    def seal(self, subject: str, event_ms: int, document_id: str, field: str, text: bytes) -> bytes:
        """Return the sealed bytes, bound to document and field.

        Raises:
            ErasedError: the person was erased.
        """


class NoiseSource(Protocol):
    """Noise drawn from a keyed hash of the record: the same record has the same noise for ever, so asking again averages nothing out."""

    def place(self, lat: float, lon: float, epsilon_per_m: float, record_id: str, event_ms: int) -> tuple[float, float]:
        """Return the place moved by planar Laplace noise, in degrees.

        Raises:
            ContractError: the place is out of range; noise must not carry it into the range.
        """

    def amount(self, amount_minor: int, scale_minor: int, record_id: str, event_ms: int) -> int:
        """Return the amount with discrete Laplace noise of this scale, in minor units."""


@dataclass(frozen=True, slots=True)
class Tools:
    """The services of one sink. One that a policy does not use may be absent; asking for it is then refused."""

    pseudonymiser: Pseudonymiser | None = None
    shared_pseudonymiser: Pseudonymiser | None = None
    cipher: Cipher | None = None
    truncation: Truncation | None = None
    vault: Vault | None = None
    noise: NoiseSource | None = None


class Context(msgspec.Struct, frozen=True, gc=False):
    """One value's surroundings: raw, so it never leaves the process that masks.

    Args:
        sink: store that the value is for.
        field: `record.field` of the policy.
        subject: raw identifier of the person, under whose key values are sealed.
        document_id: id of the masked document, which a sealed value is bound to.
        record_id: raw identity of the record, from which noise is drawn.
        event_ms: event time, from which periods of pseudonyms are told.
        tools: services of this sink.
        token_kind: of an identifier.
        currency: of an amount.
        floor: a bound that a rounded lower bound must not fall below, where it was above (a speed limit).
        period_ms: width of the period after which encrypted identifiers change.
    """

    sink: str
    field: str
    subject: str
    document_id: str
    record_id: str
    event_ms: int
    tools: Tools
    token_kind: TokenKind | None = None
    currency: str = ""
    floor: float | None = None
    period_ms: int | None = None

    def lacking(self, service: str) -> KeyMissingError:
        """Return the error for a service that this policy needs and the process has not got."""
        return KeyMissingError(
            f"{self.field} in {self.sink} needs the service `{service}`, which was not given: check the key ring and its settings"
        )


class Operation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="operation"):
    """What every operator is: a name of the grammar, typed parameters, `apply(value, context)`; immutable, comparable, picklable."""

    name: ClassVar[str]
    """The word of the grammar."""

    def words(self) -> str:
        """Return the operation as a person reads it: name and the parameters that are set."""
        values = {key: value for key, value in msgspec.structs.asdict(self).items() if value is not None and value is not False}
        return " ".join([self.name, *(f"{key}={value}" for key, value in values.items())])
