"""The only place where releases are made: proposed by the anonymiser, verified from the rows, then written.

`verify` shares no code with the search: it counts distinct people, looks every exact value up in the path of its printed value, adds the
sensitive values up in fractions, and checks that no payment is in two classes. `verify_written` counts people once more, in what is to be
written. A class that fails stops the service, because a wrong release cannot be taken back.
"""

from __future__ import annotations

import hmac
from collections import Counter
from collections.abc import Mapping, Sequence
from fractions import Fraction
from functools import lru_cache
from hashlib import blake2b
from math import ceil
from operator import attrgetter

import msgspec

from privacy.anonymity import AnonymousClass, Limits, Row, mean_loss, sensitive_counts
from privacy.hierarchies import PATHS, TIME, QuasiIdentifiers, cell_resolution
from privacy.members import members_of
from privacy.regions import Regional, Terms, anonymise_window, here
from privacy.windows import Window
from veilocity.contracts import Release, Verdict
from veilocity.errors import UnsafeReleaseError

__all__ = ["ReleasedWindow", "class_id", "release", "verify", "verify_cheaply", "verify_written"]

_CLOSENESS_DIGITS = 10_000
_ID, _QUASI, _SENSITIVE, _SUBJECT = (attrgetter(name) for name in ("id", "quasi", "sensitive", "subject"))
_FAULT = "nothing was released, please report this"


class ReleasedWindow(msgspec.Struct, frozen=True):
    """What a closed window gives."""

    releases: tuple[Release, ...]
    """Sorted by class id, so that their order tells nothing."""
    released: int
    """Payments in releases."""
    left: tuple[Row, ...]
    """Rows that found no class, sorted by id: held for a wider window, or suppressed."""

    @property
    def loss(self) -> float:
        """Mean loss per payment, those that are left counting 1; 0 when there is none."""
        lost = sum(one.loss * one.payments for one in self.releases) + len(self.left)
        total = self.released + len(self.left)
        return lost / total if total else 0.0


def release(rows: Sequence[Row], policy: str, terms: Terms, window: Window, salt: bytes, regional: Regional = here) -> ReleasedWindow:
    """Return the verified releases of one closed window.

    Guarantee: every release covers payments of at least k distinct people of `rows` with at least l distinct sensitive values whose
    distribution is at most t from that of `rows`, and tells one member for each of them; every payment is in one release or left; and
    the same rows and salt give the same releases whatever their order and wherever regions are anonymised.

    Args:
        rows: of the window.
        policy: name of the policy, written into the releases.
        terms: what classes must keep.
        window: whose rows these are.
        salt: of the window (`privacy.members`).
        regional: where regions are anonymised. Anywhere but `here` each region must have been verified there; what is cheap is proven
            once more.

    Raises:
        UnsafeReleaseError: a class failed its proof; nothing of the window is released.
    """
    classes, left, found = anonymise_window(rows, terms, regional)
    for fault in (one.fault for one in found if one.fault):
        raise UnsafeReleaseError(fault)
    whole = sensitive_counts(rows)
    if found and regional is not here:
        verify_cheaply(classes, terms.limits, rows, whole)
    else:
        verify(classes, terms.limits, rows, whole, terms.time_level)
    releases = [_written(one, policy, terms.limits, window, whole, salt) for one in classes]
    verify_written(classes, releases, salt)
    return ReleasedWindow(
        releases=tuple(sorted(releases, key=lambda one: one.class_id)),
        released=sum(len(one.rows) for one in classes),
        left=tuple(sorted(left, key=lambda row: row.id)),
    )


def verify(
    classes: Sequence[AnonymousClass], limits: Limits, rows: Sequence[Row], whole: Mapping[str, int] | None = None, time_level: int = 0
) -> None:
    """Prove from the rows that every class is safe.

    Args:
        classes: what is to be released.
        limits: k, l and t that each must keep.
        rows: that were to be anonymised.
        whole: how often each sensitive value occurs in the window; by default in `rows`.
        time_level: lowest level at which times may be printed.

    Raises:
        UnsafeReleaseError: fewer than k distinct people, fewer than l distinct sensitive values or farther than t, a value outside its
            printed value, a time printed too finely, a payment in two classes or from nowhere, or two classes printed alike.
    """
    verify_cheaply(classes, limits, rows, whole)
    originals = set(map(id, rows))
    known = {row.id: row for row in rows}
    covers = [lru_cache(maxsize=None)(path) for path in PATHS]
    for one in classes:
        # The very rows are equal to themselves; comparing is for those that came back from elsewhere.
        if any(known[row.id] != row for row in one.rows if id(row) not in originals):
            raise UnsafeReleaseError(f"a payment was never staged as it is: {_FAULT}")
        for exact in set(map(_QUASI, one.rows)):
            paths = [path(value) for path, value in zip(covers, exact, strict=True)]
            if any(shown not in path for path, shown in zip(paths, one.printed, strict=True)):
                raise UnsafeReleaseError(f"a value lies outside what its class prints: {_FAULT}")
            if one.printed[TIME] in paths[TIME][:time_level]:
                raise UnsafeReleaseError(f"a class prints a time more finely than its window allows: {_FAULT}")


def verify_cheaply(classes: Sequence[AnonymousClass], limits: Limits, rows: Sequence[Row], whole: Mapping[str, int] | None = None) -> None:
    """Prove what needs no look at quasi-identifiers: people, l, t, that classes are disjoint, staged and printed differently.

    Raises:
        UnsafeReleaseError: as `verify`.
    """
    counts = whole or sensitive_counts(rows)
    total = sum(counts.values())
    closeness = Fraction(repr(limits.t))
    payments = 0
    seen: set[str] = set()
    for one in classes:
        if len(set(map(_SUBJECT, one.rows))) < limits.k:
            raise UnsafeReleaseError(f"a class holds fewer distinct people than k: {_FAULT}")
        values = Counter(map(_SENSITIVE, one.rows))
        if len(values) < limits.l:
            raise UnsafeReleaseError(f"a class holds fewer distinct sensitive values than l: {_FAULT}")
        if _distance(values, counts, total) > closeness:
            raise UnsafeReleaseError(f"the sensitive values of a class are farther from the window's than t: {_FAULT}")
        payments += len(one.rows)
        seen.update(map(_ID, one.rows))
    if len(seen) != payments or not seen <= set(map(_ID, rows)):
        raise UnsafeReleaseError(f"a payment is in two classes or was never staged: {_FAULT}")
    if len({one.printed for one in classes}) != len(classes):
        raise UnsafeReleaseError(f"two classes are printed alike: {_FAULT}")


def verify_written(classes: Sequence[AnonymousClass], releases: Sequence[Release], salt: bytes) -> None:
    """Prove that each release tells one member for each person of its class, and for nobody else, and no member of another's.

    Raises:
        UnsafeReleaseError: it does not.
    """
    seen: set[str] = set()
    for one, told in zip(classes, releases, strict=True):
        people = {row.subject for row in one.rows}
        known = {hmac.digest(salt, f"{told.class_id}\0{person}".encode(), "sha256").hex()[:32] for person in people}
        if not (set(told.members) == known and told.people == len(told.members) == len(people) >= told.k) or seen & known:
            raise UnsafeReleaseError(f"the members of a class are not its people: {_FAULT}")
        seen |= known


def class_id(policy: str, window: Window, printed: QuasiIdentifiers) -> str:
    """Return the id of a class: the same policy, window and printed values give the same id, in any run.

    The tier is part of the window: a drain may cut the windows of two tiers down to one span, and both may print a class alike.

    >>> len(class_id("default-1", Window(0, 0, 3_600_000), QuasiIdentifiers("*", "*", "*", "*")))
    32
    """
    # Tier 0 is not written: so ids of before tiers were stay what they are.
    tier = (str(window.tier),) if window.tier else ()
    parts = "\x1f".join((policy, str(window.start_ms), str(window.end_ms), *printed, *tier))
    return blake2b(parts.encode(), digest_size=16, person=b"veilocity-class").hexdigest()


def _distance(values: Mapping[str, int], whole: Mapping[str, int], total: int) -> Fraction:
    """Return the total variation between the distributions: the earth mover's distance where all values are equally far apart."""
    size = sum(values.values())
    return Fraction(sum(abs(values.get(value, 0) * total - count * size) for value, count in whole.items()), 2 * size * total)


def _written(one: AnonymousClass, policy: str, limits: Limits, window: Window, whole: Mapping[str, int], salt: bytes) -> Release:
    values = Counter(map(_SENSITIVE, one.rows))
    distance = _distance(values, whole, sum(whole.values()))
    identity = class_id(policy, window, one.printed)
    members = members_of(salt, identity, map(_SUBJECT, one.rows))
    return Release(
        class_id=identity,
        policy=policy,
        window_start_ms=window.start_ms,
        window_end_ms=window.end_ms,
        k=limits.k,
        people=len(members),
        payments=len(one.rows),
        loss=round(mean_loss([one]), 6),
        cell=one.printed.cell,
        cell_resolution=cell_resolution(one.printed.cell),
        hour=one.printed.hour,
        amount_band=one.printed.amount_band,
        category=one.printed.category,
        flagged=values[Verdict.FLAGGED],
        l=len(values),
        t=ceil(distance * _CLOSENESS_DIGITS) / _CLOSENESS_DIGITS,
        sensitive={verdict: values[verdict] for verdict in Verdict},
        members=members,
    )
