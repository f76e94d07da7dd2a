"""What became of one attempt to send a message."""

from __future__ import annotations

from typing import Literal

import msgspec

__all__ = ["SENT", "Outcome", "failed"]


class Outcome(msgspec.Struct, frozen=True):
    """The end of one attempt."""

    result: Literal["sent", "failed", "refused", "gone"]
    """`failed` may succeed later; `refused` never will, for this message; `gone` never will, for this receiver."""
    reason: str = ""
    """A class of fault that may be logged and stored: never a receiver's words, an address or a secret."""
    retry_after_ms: int | None = None
    """What the receiver asked for."""


SENT = Outcome("sent")


def failed(reason: str, retry_after_ms: int | None = None) -> Outcome:
    """Return an attempt that may be repeated."""
    return Outcome("failed", reason, retry_after_ms)
