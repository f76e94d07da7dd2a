"""`hash`: stands in the grammar only to be refused with its reason. There is no code that makes an unkeyed hash."""

from __future__ import annotations

from typing import ClassVar, Never

from privacy.policies.operators.context import Context, Operation
from veilocity.errors import UnsafePolicyError

__all__ = ["Hash"]


class Hash(Operation, frozen=True, tag="hash"):
    """Always refused: identifiers are few enough to hash them all (10^9 card numbers behind one issuer number).

    Source: PCI DSS 4.0.1 requirement 3.5.1.1 asks for a keyed hash of the whole number.
    """

    name: ClassVar[str] = "hash"
    algorithm: str = "sha256"
    salt: str | None = None

    def apply(self, value: object, context: Context) -> Never:
        """Refuse.

        Raises:
            UnsafePolicyError: always.
        """
        raise UnsafePolicyError(f"{context.field}: an unkeyed hash can be tried out against every identifier: write `token`")
