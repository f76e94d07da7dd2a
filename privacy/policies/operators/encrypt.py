"""`encrypt`: format-preserving encryption, which who holds the key can undo."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import msgspec

from privacy.policies.operators.context import Context, Operation
from privacy.tokens import TokenKind
from veilocity.errors import ContractError, RejectReason

__all__ = ["ALPHABETS", "Encrypt"]

ALPHABETS = {"digits": "0123456789", "letters-and-digits": "0123456789abcdefghijklmnopqrstuvwxyz"}
"""Characters of an identifier that can be encrypted; 10 and 36 of them."""


class Encrypt(Operation, frozen=True, tag="encrypt"):
    """Replaces an identifier by its FF1 ciphertext, of the same length and alphabet; a card number's fails the Luhn check.

    Guarantee: a permutation of all identifiers of one length, for one key and tweak; the tweak names the field, with `scope: sink` the
    store, and of a person's identifier the period. Equal identifiers stay equal within these and nowhere else. A card number must pass the
    Luhn check. Source: NIST SP 800-38G Rev. 1.
    """

    name: ClassVar[str] = "encrypt"
    tweak: str
    """Public; must differ between kinds of identifiers."""
    min_length: Annotated[int, msgspec.Meta(ge=1)]
    """Shorter identifiers are refused, as they would be too few."""
    alphabet: Literal["digits", "letters-and-digits"] = "digits"
    scope: Literal["sink", "shared"] = "sink"

    def apply(self, value: str, context: Context) -> str:
        """Return the ciphertext.

        Raises:
            ContractError: the identifier is shorter than `min_length`, or has a character outside the alphabet.
            KeyMissingError: no cipher.
        """
        if context.tools.cipher is None:
            raise context.lacking("cipher")
        if len(value) < self.min_length or not set(value) <= set(ALPHABETS[self.alphabet]):
            raise ContractError(RejectReason.INVALID_FIELD, f"{context.field} is too short or has characters that cannot be encrypted")
        tweak = self._tweak(context)
        if context.token_kind is TokenKind.CARD:
            return context.tools.cipher.encrypt_card(value, tweak, context.event_ms)
        return context.tools.cipher.encrypt(value, len(ALPHABETS[self.alphabet]), tweak, context.event_ms)

    def _tweak(self, context: Context) -> str:
        # The period is in the tweak, so that a ciphertext does not follow a person for longer than a token would.
        period = context.event_ms // context.period_ms if context.period_ms else 0
        return f"{self.tweak}/{context.sink if self.scope == 'sink' else ''}/{period}"
