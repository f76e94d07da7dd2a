"""What people write about a case: short, printable, and without the identifiers that are certain to be ones.

A reason or a note is free text about a person, it cannot be taken back from an append-only trail, and it stands in a store that must
hold no identifier. So a card number or an e-mail address is refused here, before it is written; what only may be an identifier is left to
the audit (`privacy.audit`), which reads these texts like every other.
"""

from __future__ import annotations

import re

from veilocity.errors import InvalidInputError, RejectReason

__all__ = ["LONGEST_NOTE", "LONGEST_REASON", "checked_text"]

LONGEST_REASON = 200
LONGEST_NOTE = 2_000
"""Characters."""
_MAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_DIGITS = re.compile(r"(?<![0-9A-Za-z])[0-9](?:[\s._/-]{0,2}[0-9]){12,18}(?![0-9A-Za-z])")


def checked_text(text: str, what: str, longest: int) -> str:
    r"""Return the text without blanks at its ends, each run of blanks and line ends inside as one blank.

    Args:
        text: as somebody wrote it.
        what: for the sentence, as "the reason".
        longest: characters.

    Raises:
        InvalidInputError: it is too long, holds what cannot be printed, a card number, or an e-mail address.

    >>> checked_text(" the bank\n called ", "the reason", 20)
    'the bank called'
    >>> checked_text("paid with 4111 1111 1111 1111", "the note", 100)
    Traceback (most recent call last):
    veilocity.errors.InvalidInputError: invalid_field: the note holds what looks like a card number: say it without
    """
    found = " ".join(text.split())
    for wrong, sentence in (
        (len(found) > longest, f"is longer than {longest:,} characters: shorten it"),
        (not found.isprintable(), "holds characters that cannot be printed: write it in plain text"),
        (_MAIL.search(found), "holds an e-mail address: say it without"),
        (any(map(_is_card, _DIGITS.findall(found))), "holds what looks like a card number: say it without"),
    ):
        if wrong:
            raise InvalidInputError(RejectReason.INVALID_FIELD, f"{what} {sentence}")
    return found


def _is_card(text: str) -> bool:
    """Say whether 13 to 19 digits pass Luhn's test (ISO/IEC 7812-1)."""
    digits = [int(character) for character in text if character.isdecimal()]
    doubled = [sum(divmod(2 * digit, 10)) if place % 2 else digit for place, digit in enumerate(reversed(digits))]
    return sum(doubled) % 10 == 0
