"""`token`: a keyed pseudonym instead of an identifier."""

from __future__ import annotations

from typing import ClassVar, Literal

from privacy.policies.operators.context import Context, Operation
from veilocity.errors import FatalError

__all__ = ["Token"]


class Token(Operation, frozen=True, tag="token"):
    """Replaces an identifier by the first 128 bits of HMAC-SHA-256 under a key of the key ring.

    Guarantee: without the key a token cannot be checked against a guess. With `scope: sink` the tokens of two stores cannot be joined;
    tokens of persons differ between periods. Source: PCI DSS 4.0.1 requirement 3.5.1.1; EDPB Guidelines 01/2025 (pseudonymisation domain).
    """

    name: ClassVar[str] = "token"
    scope: Literal["sink", "shared"] = "sink"
    """Whether each store has tokens of its own, or all the same ones."""

    def apply(self, value: str, context: Context) -> str:
        """Return 32 hexadecimal digits.

        Raises:
            KeyMissingError: no pseudonymiser of this scope.
        """
        if context.token_kind is None:
            raise FatalError(f"{context.field} is not an identifier and has no token: give it another operation")
        tools = context.tools
        maker = tools.pseudonymiser if self.scope == "sink" else tools.shared_pseudonymiser
        if maker is None:
            raise context.lacking("pseudonymiser" if self.scope == "sink" else "shared_pseudonymiser")
        return maker.token(context.token_kind, value, context.event_ms)
