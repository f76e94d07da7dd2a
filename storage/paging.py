"""Pages of a list whose things are found in parts: pure, so that every order of finding, filtering and inserting can be tried.

A source gives parts of the list in its order. Some of a part may not be wanted after all (a place, a status), so a page is made of as many
parts as it takes, up to a bound: a page may then be short, or empty, and still say where to go on. So no question runs for long, whatever
is asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import msgspec

from storage.cursors import Key, read_cursor, write_cursor
from veilocity.errors import InvalidInputError, RejectReason

__all__ = ["MOST_ITEMS", "Page", "Part", "Source", "make_page"]

MOST_ITEMS = 500
"""The most on one page."""
_T = TypeVar("_T")


class Page(msgspec.Struct, Generic[_T], frozen=True):
    """Some of a list."""

    items: tuple[_T, ...] = ()
    next: str | None = None
    """Cursor of the page after this one; None at the end. A short page that has one looked as far as it may."""
    looked_to_ms: int | None = None
    """How far it was looked in event time, where the list is by time; None at the end."""


@dataclass(frozen=True, slots=True)
class Part(Generic[_T]):
    """What a source found in one step."""

    items: list[tuple[Key, _T]]
    """What is wanted, in the order of the list."""
    end: Key | None
    """Everything up to this key was looked at; None where nothing is left."""


Source = Callable[[Key | None, int], Part[_T]]
"""Gives the part after a key (None: the first). It should have the number of items asked for, and may have more, fewer or none."""


def make_page(source: Source[_T], question: str, limit: int, cursor: str | None, *, parts: int, by_time: bool = True) -> Page[_T]:
    """Return one page.

    Guarantee: following the cursors gives everything that was there from beginning to end once, in order, whatever is inserted
    meanwhile.

    Args:
        source: of the list.
        question: the list with everything it is limited to, for the cursor.
        limit: at most this many, 1 to 500.
        cursor: of the page before; None for the first.
        parts: the most that is asked of the source.
        by_time: whether the numbers of the keys are minutes.

    Raises:
        InvalidInputError: the limit or the cursor is refused.
    """
    if not 1 <= limit <= MOST_ITEMS:
        raise InvalidInputError(RejectReason.INVALID_FIELD, f"a page has 1 to {MOST_ITEMS} items: ask for as many")
    key = None if cursor is None else read_cursor(cursor, question)
    found: list[tuple[Key, _T]] = []
    for _ in range(parts):
        part = source(key, limit - len(found))
        found += part.items
        key = part.end
        if key is None or len(found) >= limit:
            break
    if len(found) > limit:
        # What was found in excess is found again.
        found, key = found[:limit], found[limit - 1][0]
    items = tuple(item for _, item in found)
    if key is None:
        return Page(items)
    return Page(items, write_cursor(key, question), key[0] if by_time else None)
