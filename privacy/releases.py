"""The only place where releases are made: proposed by the anonymiser, verified from the rows, then written.

`verified` shares no code with the search: it counts distinct people, looks every exact value up in the path of its printed value, and
checks that no payment is in two classes. A class that fails stops the service, because a wrong release cannot be taken back.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

import msgspec

from privacy.anonymity import AnonymousClass, Row, anonymise, loss_of, mean_loss
from privacy.hierarchies import PATHS, QuasiIdentifiers, cell_resolution
from veilocity.contracts import Release
from veilocity.errors import UnsafeReleaseError

__all__ = ["ReleasedWindow", "class_id", "release", "verify"]


class ReleasedWindow(msgspec.Struct, frozen=True):
    """What a closed window gives."""

    releases: tuple[Release, ...]
    """Sorted by class id, so that their order tells nothing."""
    released: int
    """Payments in releases."""
    suppressed: int
    """Payments that no class of k people could take in."""
    loss: float
    """Mean loss per payment, suppressed ones counting 1."""


def release(rows: Sequence[Row], policy: str, k: int, window_start_ms: int, window_end_ms: int) -> ReleasedWindow:
    """Return the verified releases of one closed window.

    Guarantee: every release covers payments of at least k distinct people of `rows`, every payment is in one release or suppressed, and
    the same rows give the same releases whatever their order.

    Raises:
        UnsafeReleaseError: a class failed its proof; nothing of the window is released.
    """
    classes, suppressed = anonymise(rows, k)
    verify(classes, k, rows)
    releases = (_written(one, policy, k, window_start_ms, window_end_ms) for one in classes)
    return ReleasedWindow(
        releases=tuple(sorted(releases, key=lambda one: one.class_id)),
        released=sum(len(one.rows) for one in classes),
        suppressed=len(suppressed),
        loss=mean_loss(classes, len(suppressed)),
    )


def verify(classes: Sequence[AnonymousClass], k: int, rows: Sequence[Row]) -> None:
    """Prove from the rows that every class is safe.

    Raises:
        UnsafeReleaseError: fewer than k distinct people, a value outside its printed value, a payment in two classes or from nowhere, or
            two classes printed alike.
    """
    known = {row.id: row for row in rows}
    seen: set[str] = set()
    printed: set[QuasiIdentifiers] = set()
    for one in classes:
        if len({row.subject for row in one.rows}) < k:
            raise UnsafeReleaseError("a class holds fewer distinct people than k: nothing was released, please report this")
        if one.printed in printed:
            raise UnsafeReleaseError("two classes are printed alike: nothing was released, please report this")
        printed.add(one.printed)
        for row in one.rows:
            if row.id in seen or known.get(row.id) != row:
                raise UnsafeReleaseError("a payment is in two classes or was never staged: nothing was released, please report this")
            seen.add(row.id)
            if any(shown not in path(value) for path, value, shown in zip(PATHS, row.quasi, one.printed, strict=True)):
                raise UnsafeReleaseError("a value lies outside what its class prints: nothing was released, please report this")


def class_id(policy: str, window_start_ms: int, printed: QuasiIdentifiers) -> str:
    """Return the id of a class: the same policy, window and printed values give the same id, in any run.

    >>> len(class_id("default-1", 0, QuasiIdentifiers("*", "*", "*", "*")))
    32
    """
    parts = "\x1f".join((policy, str(window_start_ms), *printed))
    return blake2b(parts.encode(), digest_size=16, person=b"veilocity-class").hexdigest()


def _written(one: AnonymousClass, policy: str, k: int, window_start_ms: int, window_end_ms: int) -> Release:
    return Release(
        class_id=class_id(policy, window_start_ms, one.printed),
        policy=policy,
        window_start_ms=window_start_ms,
        window_end_ms=window_end_ms,
        k=k,
        people=len({row.subject for row in one.rows}),
        payments=len(one.rows),
        loss=round(sum(loss_of(one.printed, row.quasi) for row in one.rows) / len(one.rows), 6),
        cell=one.printed.cell,
        cell_resolution=cell_resolution(one.printed.cell),
        hour=one.printed.hour,
        amount_band=one.printed.amount_band,
        category=one.printed.category,
        flagged=sum(row.flagged for row in one.rows),
    )
