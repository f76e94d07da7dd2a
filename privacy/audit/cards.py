"""Check `cards`: no card is known by two of token, truncation and digits, in one document or across the stores.

Whoever holds a hash and a truncation of one card number needs to try only the digits in between: of `411111******1111` that is a million,
of which one in ten passes Luhn's test. The same holds for two different truncations.

Source: PCI SSC FAQ 1308 (hash and truncation), FAQ 1091 and 1117 (truncations); PCI DSS 4.0.1 requirement 3.5.1.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from privacy.audit.documents import StoredDocument, Where, last_name
from privacy.audit.examiner import Examiner
from privacy.audit.patterns import TOKEN

__all__ = ["CardsCheck", "card_form"]

_NAME = re.compile(r"(?:^|_)(?:card|pan|bin|iin)(?:_|$)|last_?(?:4|four)", re.IGNORECASE)
_MASKED = re.compile(r"([0-9]{0,8})[\s*xX•.…#_-]+([0-9]{0,4})")
_PART = re.compile(r"[0-9]{4}|[0-9]{6}|[0-9]{8}|[0-9]{10}")
_DIGITS = re.compile(r"[0-9]{11,19}")
_TOKEN, _DIGIT = "token", "digits"
_MOST_KEPT = 1_000_000


@lru_cache(maxsize=10_000)
def card_form(value: object) -> str:
    """Return what form of a card number a value of a card's field is: `token`, `digits`, `truncated ...`, or empty for none.

    >>> card_form("5f2b4b3c9d0e1f2a3b4c5d6e7f809102"), card_form("411111******1111"), card_form(1111), card_form("visa")
    ('token', 'truncated 6+4', 'truncated 4', '')
    """
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(text, str):
        return ""
    if TOKEN.fullmatch(text):
        return _TOKEN
    if _DIGITS.fullmatch(text):
        return _DIGIT
    if _PART.fullmatch(text):
        return f"truncated {len(text)}"
    match = _MASKED.fullmatch(text)
    return f"truncated {len(match.group(1))}+{len(match.group(2))}" if match and any(match.groups()) else ""


class CardsCheck(Examiner):
    """Looks for cards that are told in two forms."""

    name = "cards"

    def __init__(self) -> None:
        super().__init__()
        self._forms: dict[str, set[str]] = {}
        self._seen: dict[str, dict[int, tuple[str, Where, str]]] = {}
        self._cards = 0

    def see(self, document: StoredDocument) -> None:
        """Note the forms of a document's card fields."""
        forms = _forms(document)
        if not forms:
            return
        self._cards += 1
        self._forms.setdefault(document.store, set()).update(form for _, form in forms)
        if _dangerous({form for _, form in forms}):
            path = next(path for path, form in forms if form.startswith("truncated"))
            self.faults.add(document.fault(path, "is a truncation beside another form of the same card number"))

    def close(self) -> bool:
        """Ask for a second look where two stores tell cards in forms that must not meet."""
        self.figures = {"documents_with_cards": self._cards, "forms": len(set().union(*self._forms.values())) if self._forms else 0}
        return len(self._forms) > 1 and _dangerous(set().union(*self._forms.values()))

    def look(self, document: StoredDocument) -> None:
        """Keep which payment has its card in which form."""
        forms, match = _forms(document), _match_key(document.fields)
        if forms and match is not None:
            seen = self._seen.setdefault(document.store, {})
            if len(seen) < _MOST_KEPT:
                seen[match] = (forms[0][1], document.where, forms[0][0])

    def finish(self) -> None:
        """Blame payments that are alike but for the form of their card."""
        stores = sorted(self._seen)
        for place, store in enumerate(stores):
            for other in stores[place + 1 :]:
                for match in self._seen[store].keys() & self._seen[other].keys():
                    (form, where, path), (form_there, where_there, path_there) = self._seen[store][match], self._seen[other][match]
                    if _dangerous({form, form_there}):
                        truncated = form.startswith("truncated")
                        fault = where.fault(path, _REASON) if truncated else where_there.fault(path_there, _REASON)
                        self.faults.add(fault)


_REASON = "is a truncation of a card number whose other form is in the other store, in a payment that agrees in all else"


def _forms(document: StoredDocument) -> list[tuple[str, str]]:
    parts = document.parts
    leaves = [leaf for leaves in (parts.tokens, parts.texts, parts.numbers) for leaf in leaves if _is_card_field(leaf[0])]
    return [(path, form) for path, value in leaves if (form := card_form(value))]


@lru_cache(maxsize=10_000)
def _is_card_field(path: str) -> bool:
    return _NAME.search(last_name(path)) is not None


def _dangerous(forms: set[str]) -> bool:
    return len(forms) > 1 and any(form.startswith("truncated") for form in forms)


def _match_key(fields: dict[str, Any]) -> int | None:
    place = fields.get("place")
    cell = place.get("cell") if isinstance(place, dict) else None
    key = (fields.get("minute_ms"), cell, fields.get("amount"), fields.get("merchant"))
    return None if key[0] is None or key[2] is None else hash(key)
