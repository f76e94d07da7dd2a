"""What may be missing from one store and not from the other, because it was refused there or deleted on purpose: counted, never named.

A dead letter stands for one document of one batch. Deleted documents (of forgotten people, or too old) are counted by store, kind and, for
all but alerts, day. Each allowance excuses one document and is used up by it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from storage.kinds import AMENDMENTS, Document
from storage.mongo import MONGODB

__all__ = ["Allowances"]

_ELASTICSEARCH = "elasticsearch"


class Allowances:
    """Excuses, used up one by one."""

    def __init__(self, letters: Iterable[Document] = (), erasures: Iterable[Document] = ()) -> None:
        """Take the documents of `dead_letters` and of `erasures`."""
        self._letters = Counter((one["store"], one["kind"], one["seq"]) for one in letters)
        self._gone: Counter[tuple[str, str, int | None]] = Counter()
        for one in erasures:
            step = one.get("pending")
            self._gone[one["store"], one["kind"], one.get("day_ms")] += one["count"] + (step["count"] if step else 0)

    def missing(self, store: str, kind: str, day_ms: int, seq: int, *, was_amended: bool = False) -> bool:
        """Say whether a document of the other store may be missing from this one.

        Args:
            store: where it is missing.
            kind: its kind.
            day_ms: when the day of its time began.
            seq: the batch that the other store has it from.
            was_amended: whether that batch may not be the one that this store refused.

        >>> some = Allowances([{"store": "mongodb", "kind": "alerts", "seq": 7}])
        >>> [some.missing("mongodb", "alerts", 0, 7) for _ in range(2)]
        [True, False]
        """
        if self._use_letter((store, kind, seq)):
            return True
        for day in (day_ms, None):
            # What is gone from both stores is missing from neither's point of view.
            if self._gone[store, kind, day] > self._gone[_other(store), kind, day]:
                self._gone[store, kind, day] -= 1
                return True
        if was_amended:
            first = next((key for key, count in self._letters.items() if key[:2] == (store, kind) and count and key[2] < seq), None)
            return first is not None and self._use_letter(first)
        return False

    def differing(self, kind: str, seqs: dict[str, int]) -> bool:
        """Say whether a document may differ because the store with the older batch refused the newer one.

        Args:
            kind: its kind.
            seqs: by store, the batch that it has the document from.
        """
        older, newer = sorted(seqs, key=lambda store: seqs[store])
        return self._use_letter((older, AMENDMENTS, seqs[newer])) or self._use_letter((older, kind, seqs[newer]))

    def _use_letter(self, key: tuple[str, str, int]) -> bool:
        if not self._letters[key]:
            return False
        self._letters[key] -= 1
        return True


def _other(store: str) -> str:
    return _ELASTICSEARCH if store == MONGODB else MONGODB
