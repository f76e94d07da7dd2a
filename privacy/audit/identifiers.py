"""Check `identifiers`: nothing that looks like an identifier, and no known one, stands anywhere in a store, in values or in keys."""

from __future__ import annotations

from privacy.audit.documents import StoredDocument, last_name
from privacy.audit.examiner import Examiner
from privacy.audit.known import KnownIdentifiers
from privacy.audit.model import Limits
from privacy.audit.patterns import card_number, in_text

__all__ = ["IdentifiersCheck"]

_REASONS = {
    "card-number": "holds a card number (11 to 19 digits that pass Luhn's test)",
    "e-mail": "holds an e-mail address",
    "iban": "holds an account number (IBAN)",
    "ip-address": "holds a network address",
    "mac-address": "holds a device's network address",
    "phone": "holds a telephone number",
    "uuid": "holds a UUID, as devices are named by",
    "known": "holds a known identifier",
    "plain-hash": "is a plain hash of a known identifier: anybody can compute it",
}
_EXEMPT = ("_ms", "version")
"""Ends of the names of numbers that are times: 13 digits, of which one in ten passes Luhn's test. `exactness` looks at them."""
_REMEMBERED = 200_000
_SMALLEST = 10_000_000
"""Eight digits: smaller numbers are no identifiers."""


class IdentifiersCheck(Examiner):
    """Looks at every leaf; a text that was seen before is not looked at again."""

    name = "identifiers"

    def __init__(self, limits: Limits, known: KnownIdentifiers | None = None) -> None:
        super().__init__()
        self._allowed = limits.allowed
        self._known = known
        self._judged: dict[str, tuple[str, ...]] = {}
        self._values = 0

    def see(self, document: StoredDocument) -> None:
        """Look at every value and every key."""
        parts = document.parts
        self._values += len(parts.texts) + len(parts.tokens) + len(parts.numbers) + len(parts.others)
        judged = self._judged
        for path, text in parts.texts:
            kinds = judged.get(text)
            self._blame(document, path, self._in_text(text) if kinds is None else kinds)
        for path, value in parts.others:
            if isinstance(value, bytes):
                self._blame(document, path, self._in_text(value.decode("latin-1")))
        for path, number in parts.numbers:
            if number >= _SMALLEST or number <= -_SMALLEST:
                self._blame(document, path, self._in_number(path, number))
        if self._known is not None:
            for path, token in parts.tokens:
                self._blame(document, path, self._in_token(token, self._known))

    def close(self) -> bool:
        """Tell how much was looked at."""
        self.figures = {"values": self._values, "known_identifiers": len(self._known) if self._known else 0}
        return False

    def _blame(self, document: StoredDocument, path: str, kinds: tuple[str, ...]) -> None:
        for kind in kinds:
            if (f"{document.collection}.{path}", kind) not in self._allowed:
                self.faults.add(document.fault(path, _REASONS[kind]))

    def _in_number(self, path: str, number: float) -> tuple[str, ...]:
        whole = int(number) if number == number // 1 else 0
        if self._known is not None and self._known.is_number(whole):
            return ("known",)
        return ("card-number",) if not last_name(path).endswith(_EXEMPT) and card_number(whole) else ()

    def _in_text(self, text: str) -> tuple[str, ...]:
        kinds = in_text(text)
        if self._known is not None and self._known.in_text(text):
            kinds = (*kinds, "known")
        if len(self._judged) >= _REMEMBERED:
            self._judged.clear()
        self._judged[text] = kinds
        return kinds

    @staticmethod
    def _in_token(token: str, known: KnownIdentifiers) -> tuple[str, ...]:
        if known.is_plain_hash(token):
            return ("plain-hash",)
        # A device may be named by 32 hexadecimal digits itself.
        return ("known",) if known.in_text(token) else ()
