"""What identifiers look like in free text: card numbers, e-mail and network addresses, telephone and account numbers.

Card numbers are 11 to 19 digits that pass Luhn's test (ISO/IEC 7812-1), account numbers pass ISO 13616's; the others are known by their
form. Separators of up to two characters between digits do not hide a number. Tokens (32 or 64 hexadecimal digits), H3 cells and whole hours
in ids of segments are taken out first, as they hold digits by chance.

Accidents: a random number of 11 to 19 digits passes Luhn's test one time in ten, so numbers that are no card numbers must not stand in
free text either; a random IBAN-like word passes one time in 97. Of sealed evidence, which is random base64, 4 MB hold an account number
by chance: a row of 200 base64 characters and more, of 40 different ones, is opened if there is plain text in it, and otherwise only
searched for unbroken rows of 13 digits and more.
"""

from __future__ import annotations

import ipaddress
import re
from base64 import b64decode
from collections.abc import Iterator

import h3

__all__ = ["TOKEN", "card_number", "in_text", "luhn"]

TOKEN = re.compile(r"(?<![0-9A-Za-z])(?:[0-9A-Fa-f]{32}){1,2}(?![0-9A-Za-z])")
_GROUP = re.compile(r"(?<![0-9A-Za-z])([0-9a-f]{10,12})-(?=[0-9a-f]{32}(?![0-9A-Za-z]))")
_SEGMENTS = re.compile(r"(?<![0-9A-Za-z])segments:([0-9]{1,14})(?![0-9])")
_CELL = re.compile(r"(?<![0-9A-Za-z])8[0-9a-f]{14}(?![0-9A-Za-z])")
_WINDOW = re.compile(r"(?<![0-9A-Za-z_])(?:frauds|merchants|high_value|day_counts|sessions):([0-9]{13})(?![0-9])")
_DIGITS = re.compile(r"(?<![0-9])[0-9](?:[\s._/\u2010-\u2015\u2212-]{0,2}[0-9]){10,}")
_RUN = re.compile(r"[0-9]+")
_MAIL = re.compile(r"[\w.+%-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+")
_PHONE = re.compile(
    r"(?<![\w+])(?:\+|00)[1-9](?:[\s().\-/]{0,2}[0-9]){6,13}(?![0-9])"
    r"|(?<![\w-])(?:\([2-9][0-9]{2}\)\s?|[2-9][0-9]{2}[-.\s])[2-9][0-9]{2}[-.][0-9]{4}(?![\w-])"
)
_IBAN = re.compile(r"(?<![A-Z0-9])[A-Z]{2}[0-9]{2}(?:[ -]?[A-Z0-9]){11,30}", re.IGNORECASE)
_IPV4 = re.compile(r"(?<![\w.])(?:[0-9]{1,3}\.){3}[0-9]{1,3}(?![\w.])")
_IPV6 = re.compile(r"(?<![\w:])[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7}(?![\w:])")
_MAC = re.compile(
    r"(?<![0-9A-Fa-f:-])(?:[0-9A-Fa-f]{2}([:-]))(?:[0-9A-Fa-f]{2}\1){4}[0-9A-Fa-f]{2}(?![0-9A-Fa-f:-])"
    r"|(?<![\w.])(?:[0-9A-Fa-f]{4}\.){2}[0-9A-Fa-f]{4}(?![\w.])"
)
_UUID = re.compile(r"(?<![0-9A-Fa-f])[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}(?![0-9A-Fa-f])")
_IBAN_LENGTHS = (
    "AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DK18 DO28 EE20 EG29 ES24 FI18 FO18 FR27 GB22 GE22 "
    "GI23 GL18 GR27 GT28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 LB28 LC32 LI21 LT20 LU20 LV21 LY25 MC27 MD24 ME22 MK19 MR27 "
    "MT31 MU30 NL18 NO15 PK24 PL28 PS29 PT25 QA29 RO24 RS22 SA24 SC31 SE24 SI19 SK24 SM27 ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20"
)
_LENGTH_OF = {entry[:2]: int(entry[2:]) for entry in _IBAN_LENGTHS.split()}
_BASE64 = re.compile(r"[0-9A-Za-z+/]{200,}={0,2}")
_LONG_RUN = re.compile(r"[0-9]{13,}")
_LEAST_VARIED = 40
_MINUTE_MS = 60_000
_STEP_MS = 10_000
_HOUR_MS = 3_600_000
_SHORTEST, _LONGEST = 11, 19
_USUAL = 16
_FEW = 3


def luhn(digits: str) -> bool:
    """Say whether a row of digits passes Luhn's test.

    >>> luhn("4111111111111111"), luhn("4111111111111112")
    (True, False)
    """
    total = 0
    for place, digit in enumerate(reversed(digits)):
        number = int(digit) * (1 + place % 2)
        total += number - 9 * (number > 9)
    return total % 10 == 0


def card_number(value: int) -> bool:
    """Say whether a number could be that of a card: 11 to 19 digits, Luhn's test, and more than three significant digits.

    >>> card_number(4_111_111_111_111_111), card_number(26_000_000_000)
    (True, False)
    """
    digits = str(abs(value))
    return _SHORTEST <= len(digits) <= _LONGEST and len(digits.rstrip("0")) > _FEW and luhn(digits)


def in_text(text: str) -> tuple[str, ...]:
    """Return the kinds of identifiers in a text, sorted.

    >>> in_text("call +49 30 901820 or write to jo@example.org")
    ('e-mail', 'phone')
    >>> in_text("card 4111-1111 1111.1111, account DE89 3704 0044 0532 0130 00")
    ('card-number', 'iban')
    >>> in_text("2026-11-22T12/18"), in_text("5f2b4b3c9d0e1f2a3b4c5d6e7f809102")
    ((), ())
    """
    if not any(character.isdecimal() or character in "@:" for character in text):
        return ()
    rest = _SEGMENTS.sub(_unless_an_hour, _WINDOW.sub(_unless_a_step, _BASE64.sub(_opened, text)))
    rest = _CELL.sub(_unless_a_cell, TOKEN.sub("#", _GROUP.sub(_unless_a_minute, rest)))
    found = set()
    # What is an account number or a UUID is not asked again whether its digits are a card's or a telephone's.
    for kind, pattern, holds in (("iban", _IBAN, _is_iban), ("uuid", _UUID, bool)):
        if any(holds(match.group()) for match in pattern.finditer(rest)):
            found.add(kind)
            rest = pattern.sub("#", rest)
    found |= {kind for kind, pattern in (("e-mail", _MAIL), ("phone", _PHONE), ("mac-address", _MAC)) if pattern.search(rest)}
    if any(_is_address(match.group()) for pattern in (_IPV4, _IPV6) for match in pattern.finditer(rest)):
        found.add("ip-address")
    if any(_is_card(match.group()) for match in _DIGITS.finditer(rest)):
        found.add("card-number")
    return tuple(sorted(found))


def _opened(match: re.Match[str]) -> str:
    """Return what is to be searched of a long row of base64 characters; of what is no base64, all of it."""
    written = match.group()
    if len(set(written)) < _LEAST_VARIED:
        return written
    try:
        data = b64decode(written, validate=True)
    except ValueError:
        data = b"\xff"
    return f"#{data.decode()}#" if data.isascii() else f"#{'#'.join(_LONG_RUN.findall(written))}#"


def _unless_a_cell(match: re.Match[str]) -> str:
    return "#" if h3.is_valid_cell(match.group()) else match.group()


def _unless_a_minute(match: re.Match[str]) -> str:
    """Take the start of a window out of a group's id; whole minutes are one number in 60,000."""
    return "#" if int(match.group(1), 16) % _MINUTE_MS == 0 else match.group()


def _unless_a_step(match: re.Match[str]) -> str:
    """Take the start of a window out of a report's id; whole ten seconds are one number in 10,000."""
    return "#" if int(match.group(1)) % _STEP_MS == 0 else match.group()


def _unless_an_hour(match: re.Match[str]) -> str:
    """Take the start of a window out of the id of its segments; whole hours are one number in 3,600,000."""
    return "#" if int(match.group(1)) % _HOUR_MS == 0 else match.group()


def _is_card(text: str) -> bool:
    return any(number[0] != "0" and luhn(number) for number in _candidates(_RUN.findall(text)))


def _candidates(runs: list[str]) -> Iterator[str]:
    """Give every row of neighbouring runs that is as long as a card number; of longer runs what is as long as most cards."""
    for first in range(len(runs)):
        joined = ""
        for run in runs[first:]:
            joined += run
            if len(joined) > _LONGEST:
                break
            if len(joined) >= _SHORTEST:
                yield joined
        for start in range(len(runs[first]) - _USUAL + 1 if len(runs[first]) > _LONGEST else 0):
            yield runs[first][start : start + _USUAL]


def _is_iban(text: str) -> bool:
    compact = re.sub("[ -]", "", text).upper()
    length = _LENGTH_OF.get(compact[:2], len(compact) + 1)
    if len(compact) < length:
        return False
    turned = compact[4:length] + compact[:4]
    return int("".join(str(int(character, 36)) for character in turned)) % 97 == 1


def _is_address(text: str) -> bool:
    if ":" in text and sum(map(bool, text.split(":"))) < _FEW:
        return False
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
