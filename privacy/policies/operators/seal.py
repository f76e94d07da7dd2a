"""`seal`: the value, readable only with the key of the person it is about."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from privacy.policies.operators.context import Context, Operation
from veilocity.errors import ErasedError

__all__ = ["Seal"]


class Seal(Operation, frozen=True, tag="seal"):
    """Encrypts a value under the data key of its person, bound to document and field.

    Guarantee: when that key is deleted, nobody reads the value any more, wherever it was copied (crypto-shredding). Sealed values stand
    beside the document's fields, in `sealed`.
    """

    name: ClassVar[str] = "seal"

    def apply(self, value: object, context: Context) -> bytes | None:
        """Return the sealed JSON of the value; None where the person was erased.

        Raises:
            KeyMissingError: no vault.
        """
        if context.tools.vault is None:
            raise context.lacking("vault")
        text = msgspec.json.encode(value)
        try:
            return context.tools.vault.seal(context.subject, context.event_ms, context.document_id, context.field, text)
        except ErasedError:
            # The document is written without it: that the person was forgotten is no fault.
            return None
