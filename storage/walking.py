"""Walking through one collection of MongoDB in the order of an index, a few documents at a time.

Some servers read all that a range of an index holds and sort it, however few documents are wanted. So a walk asks for a short range first
and for longer ones only if that held too little: on any server the cost depends on what is shown, not on what is stored. The first stage
of every question is what an index answers alone; a server with a better planner takes the following ones along.
"""

from __future__ import annotations

import math
from typing import Any

import msgspec
from pymongo import ASCENDING, DESCENDING
from pymongo.collection import Collection

from storage.cursors import Key
from storage.kinds import Document
from storage.mongo import translated

__all__ = ["ANSWER_MS", "Walk", "ask", "next_width", "walk_down", "walk_up"]

ANSWER_MS = 4_000
"""After this time the server gives a question up."""
_LEAP = 8
"""How much longer the next range is where nothing was found: from a minute to a century in nine questions."""
_GROWTH = 2
"""How much longer it may be where something was."""
_SHARE = 0.7
"""Of what should be missing: days are several times as busy as nights, and what is read in excess costs more than one question more."""


class Walk(msgspec.Struct, frozen=True, kw_only=True):
    """What is walked through."""

    field: str = "minute_ms"
    """An integer; in an index behind the fields of `only`."""
    only: Document = {}
    """What every document has: fields that stand before `field` in the index."""
    also: Document = {}
    """What else must hold: compared by the server, answered by no index, so it must not be rare."""
    hidden: tuple[str, ...] = ()
    """Fields that stay in the store."""
    lowest: int = 0
    """Nothing below, inclusive."""
    highest: int
    """Where the first range of a walk down without a key begins; higher ones are in that range, too."""
    width: int
    """Of the first range."""


def walk_down(collection: Collection[Document], walk: Walk, below: Key | None, limit: int) -> list[Document]:
    """Return documents in descending order of `field`, then `_id`.

    Args:
        collection: which.
        walk: through what.
        below: only what is below this key; with an empty id nothing of its number.
        limit: at most this many.

    Raises:
        StoreUnavailableError: MongoDB does not answer.
    """
    found: list[Document] = []
    upper: Document = {}
    top = walk.highest + 1
    if below is not None:
        top, upper = below[0], {"$lt": below[0]}
        if below[1] and top >= walk.lowest:
            found += _part(collection, walk, top, {"_id": {"$lt": below[1]}}, DESCENDING, limit)
    begun, held, width = top, len(found), walk.width
    while len(found) < limit and (top > walk.lowest or not upper):
        low = max(walk.lowest, top - width)
        found += _part(collection, walk, {"$gte": low, **upper}, {}, DESCENDING, limit - len(found))
        width = next_width(width, begun - low, len(found) - held, limit - len(found))
        top, upper = low, {"$lt": low}
    return found


def walk_up(collection: Collection[Document], walk: Walk, above: Key | None, limit: int) -> list[Document]:
    """Return documents in ascending order of `field`, then `_id`, from `lowest` up to `highest` inclusive.

    Args:
        collection: which.
        walk: through what.
        above: only what is above this key; with an empty id what is of its number, too.
        limit: at most this many.

    Raises:
        StoreUnavailableError: MongoDB does not answer.
    """
    found: list[Document] = []
    low, width = walk.lowest, walk.width
    if above is not None and above[0] >= low:
        low = above[0]
        if above[1]:
            found += _part(collection, walk, low, {"_id": {"$gt": above[1]}}, ASCENDING, limit)
            low += 1
    begun, held = low, len(found)
    while len(found) < limit and low <= walk.highest:
        end = min(low + width, walk.highest + 1)
        found += _part(collection, walk, {"$gte": low, "$lt": end}, {}, ASCENDING, limit - len(found))
        width = next_width(width, end - begun, len(found) - held, limit - len(found))
        low = end
    return found


def next_width(width: int, looked: int, found: int, missing: int) -> int:
    """Return how long the next range should be to hold most of what is missing, if documents lie on as they did so far.

    Args:
        width: of the range before.
        looked: how long all ranges so far were.
        found: how many documents they held.
        missing: how many are still wanted.

    >>> next_width(60, 60, 10, 40), next_width(60, 60, 0, 50), next_width(600, 600, 100, 1)
    (120, 480, 5)
    """
    if found == 0:
        return width * _LEAP
    return max(1, min(width * _GROWTH, math.ceil(looked * missing / found * _SHARE)))


def _part(collection: Collection[Document], walk: Walk, where: Any, behind: Document, order: int, limit: int) -> list[Document]:
    return ask(collection, {**walk.only, walk.field: where}, {**walk.also, **behind}, walk.hidden, {walk.field: order, "_id": order}, limit)


def ask(
    collection: Collection[Document], indexed: Document, also: Document, hidden: tuple[str, ...], order: dict[str, int], limit: int
) -> list[Document]:
    """Return documents that an index finds and that hold something else besides.

    Args:
        collection: which.
        indexed: what one index answers alone.
        also: what else must hold.
        hidden: fields that stay in the store.
        order: fields and directions.
        limit: at most this many.

    Raises:
        StoreUnavailableError: MongoDB does not answer.
    """
    pipeline: list[Document] = [{"$match": indexed}]
    if also:
        pipeline.append({"$match": also})
    pipeline += [{"$sort": order}, {"$limit": limit}]
    if hidden:
        pipeline.append({"$project": dict.fromkeys(hidden, 0)})
    with translated():
        return list(collection.aggregate(pipeline, maxTimeMS=ANSWER_MS, batchSize=limit + 1))
