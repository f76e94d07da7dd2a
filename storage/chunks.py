"""One batch on its way into one store, in chunks: what the store acknowledged is never offered again, what it could not take now is.

A chunk is bounded in documents and in bytes, and one chunk is on its way at a time, so memory and the store's queue are bounded. When the
store says "too much" or does not answer in time, the next chunk is half as large, down to a single document; each chunk that it takes makes
the next one an eighth larger. So a store that needs longer for a full chunk than we wait for an answer is served in smaller ones instead of
being asked the same for ever, and six of seven of its chunks are taken.

A store that went away may have forgotten what it acknowledged just before: a full disk, a primary that was replaced before the others had
copied from it. Where that can be, a batch with an outage in it is offered once more as a whole when it is done.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from storage.refusals import Refusal
from veilocity.errors import StateError, StoreUnavailableError

__all__ = ["Answer", "ChunkLimit", "Item", "Step", "Work"]

_SHARE = 8
"""Each chunk that was taken lets the next be larger by this part of itself."""
_PASSES_AFTER_OUTAGES = 3
"""A store that goes away in each of them cannot be helped, and the batch has to end."""
_HOPELESS = 100
"""So many documents refused for good in a row: then the documents are not what is wrong."""


class Item(Protocol):
    """One document on its way."""

    @property
    def size(self) -> int:
        """Its bytes on the wire."""
        ...


_I = TypeVar("_I", bound=Item)


class ChunkLimit:
    """How much one request may hold, and whether the store takes anything at all. Kept from batch to batch; for one thread."""

    def __init__(self, documents: int, size: int) -> None:
        """Begin with the most.

        Args:
            documents: most of them in one chunk.
            size: most bytes in one chunk; a single document may have more.
        """
        self._most = (documents, size)
        self.documents, self.size = documents, size
        self._refused_in_a_row = 0

    def fewer(self) -> None:
        """Halve.

        >>> limit = ChunkLimit(1_000, 4_096)
        >>> limit.fewer()
        >>> limit.documents, limit.size
        (500, 2048)
        """
        self.documents, self.size = max(1, self.documents // 2), max(1, self.size // 2)

    def more(self) -> None:
        """Grow by an eighth, up to the most.

        >>> limit = ChunkLimit(1_000, 4_096)
        >>> limit.fewer()
        >>> limit.more()
        >>> limit.documents, limit.size
        (563, 2305)
        """
        now = (self.documents, self.size)
        self.documents, self.size = (min(most, held + held // _SHARE + 1) for most, held in zip(self._most, now, strict=True))

    def is_hopeless(self, taken: int, refused: int) -> bool:
        """Note what became of a chunk; say whether so many were refused one after the other that the store must be wrong.

        >>> limit = ChunkLimit(1_000, 4_096)
        >>> limit.is_hopeless(0, 60), limit.is_hopeless(1, 60), limit.is_hopeless(0, 60), limit.is_hopeless(0, 40)
        (False, False, False, True)
        """
        self._refused_in_a_row = 0 if taken else self._refused_in_a_row + refused
        return self._refused_in_a_row >= _HOPELESS


@dataclass(frozen=True, slots=True)
class Answer(Generic[_I]):
    """What a store said to one chunk; whatever is in neither list is in the store."""

    later: Sequence[_I] = ()
    """What it cannot take now."""
    refused: Sequence[Refusal] = ()
    """What it will never take."""
    why: str = ""
    """Why not now, for a log."""


@dataclass(slots=True)
class Step(Generic[_I]):
    """Documents that may be written in any order. `send` may be called again with the same ones."""

    items: Iterable[_I]
    send: Callable[[list[_I]], Answer[_I]]
    limit: ChunkLimit
    _waiting: deque[_I] = field(default_factory=deque)
    _rest: Iterator[_I] | None = None

    def run(self, work: Work) -> None:
        """Write all that is left.

        Raises:
            StoreUnavailableError: the store could not take some of it now; those are left, and only those.
            StateError: the store refuses all of it.
        """
        while chunk := self._take():
            try:
                answer = self.send(chunk)
            except StoreUnavailableError:
                self._give_back(chunk)
                raise
            if self.limit.is_hopeless(len(chunk) - len(answer.later) - len(answer.refused), len(answer.refused)):
                one = answer.refused[0]
                raise StateError(f"{one.store} refuses every document ({one.kind}: {one.reason}): is its schema ours? See docs/stores.md")
            work.refused.extend(answer.refused)
            work.moved += len(chunk) - len(answer.later)
            if answer.later:
                self._give_back(answer.later)
                raise StoreUnavailableError(answer.why)
            self.limit.more()

    def _take(self) -> list[_I]:
        if self._rest is None:
            self._rest = iter(self.items)
        chunk: list[_I] = []
        size = 0
        while len(chunk) < self.limit.documents:
            item = self._waiting.popleft() if self._waiting else next(self._rest, None)
            if item is None:
                break
            if chunk and size + item.size > self.limit.size:
                self._waiting.appendleft(item)
                break
            chunk.append(item)
            size += item.size
        return chunk

    def _give_back(self, items: Sequence[_I]) -> None:
        self._waiting.extendleft(reversed(items))
        self.limit.fewer()


class Work:
    """One batch and one store: steps in their order, each done once, and all once more if the store was away meanwhile."""

    def __init__(self, steps: Callable[[list[Refusal]], Iterable[Step[Any]]], *, forgetful: bool = False) -> None:
        """Nothing is written yet.

        Args:
            steps: makes the steps, each when its time has come; it may add refusals of its own to the list it is given. Writing them
                again must change nothing.
            forgetful: whether the store may lose what it acknowledged when it goes away.
        """
        self.refused: list[Refusal] = []
        self.moved = 0
        """Documents that the store has dealt with: whoever waits sees whether it gets on."""
        self._make = steps
        self._steps = iter(steps(self.refused))
        self._now: Step[Any] | None = None
        self._passes_left = _PASSES_AFTER_OUTAGES if forgetful else 0
        self._is_doubtful = False

    def go_on(self) -> list[Refusal]:
        """Do what is left, and return all that was refused for good since the beginning.

        Raises:
            StoreUnavailableError: the store does not answer; call again, and it goes on where it was.
            StateError: the store refuses everything.
        """
        try:
            while True:
                self._now = self._now or next(self._steps, None)
                if self._now is not None:
                    self._now.run(self)
                    self._now = None
                elif self._is_doubtful and self._passes_left:
                    self._begin_again()
                else:
                    return self.refused
        except StoreUnavailableError:
            self._is_doubtful = True
            raise

    def _begin_again(self) -> None:
        self._is_doubtful = False
        self._passes_left -= 1
        self.refused = []
        self._steps = iter(self._make(self.refused))
