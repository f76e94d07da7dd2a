"""Kinds of identifiers that are replaced by tokens.

A token is a keyed hash that stands for an identifier everywhere after the privacy stage (`privacy.identifiers.pseudonyms`). Each kind is a
domain of its own: tokens of two kinds of one identifier cannot be linked.
"""

from __future__ import annotations

from enum import StrEnum

__all__ = ["TokenKind"]


class TokenKind(StrEnum):
    """What an identifier identifies: its own domain of tokens."""

    SUBJECT = "subject"
    CARD = "card"
    DEVICE = "device"
    USER = "user"
    TRANSACTION = "transaction"
    ALERT = "alert"
