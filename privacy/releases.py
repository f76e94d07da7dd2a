"""The only place where releases are made: proposed by the anonymiser, verified from the rows, then written.

`verify` shares no code with the search: it counts distinct people, looks every exact value up in the path of its printed value, adds the
sensitive values up in whole numbers, and checks that no payment is there twice. `verify_written` counts people once more, in what is to be
written. A class that fails stops the service, because a wrong release cannot be taken back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from hashlib import blake2b, sha256
from itertools import pairwise
from typing import NamedTuple

import msgspec
import numpy as np

from privacy.anonymity import Classes, Limits, losses_of, sensitive_counts
from privacy.columns import Indexes
from privacy.hierarchies import PATHS, TIME, QuasiIdentifiers, cell_resolution
from privacy.members import members_of
from privacy.regions import Regional, Terms, anonymise_window, here
from privacy.table import RowTable
from privacy.windows import Window
from veilocity.contracts import Release, Verdict
from veilocity.errors import UnsafeReleaseError

__all__ = ["ReleasedWindow", "class_id", "release", "verify", "verify_cheaply", "verify_written"]

_CLOSENESS_DIGITS = 10_000
_FAULT = "nothing was released, please report this"


class ReleasedWindow(msgspec.Struct, frozen=True):
    """What a closed window gives."""

    releases: tuple[Release, ...]
    """Sorted by class id, so that their order tells nothing."""
    released: int
    """Payments in releases."""
    left: RowTable
    """Rows that found no class, by id: held for a wider window, or suppressed."""

    @property
    def loss(self) -> float:
        """Mean loss per payment, those that are left counting 1; 0 when there is none."""
        lost = sum(one.loss * one.payments for one in self.releases) + self.left.count
        total = self.released + self.left.count
        return lost / total if total else 0.0


class _Counted(NamedTuple):
    """What is in each class."""

    sizes: list[int]
    sensitive: list[dict[str, int]]
    """Rows by sensitive value, those that occur."""
    distances: list[tuple[int, int]]
    """Of the sensitive values from those of the window: numerator and denominator."""


def release(rows: RowTable, policy: str, terms: Terms, window: Window, salt: bytes, regional: Regional = here) -> ReleasedWindow:
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
    table = rows.ordered()
    classes, found = anonymise_window(table, terms, regional)
    for fault in (one.fault for one in found if one.fault):
        raise UnsafeReleaseError(fault)
    whole = sensitive_counts(table)
    if found and regional is not here:
        verify_cheaply(classes, terms.limits, table, whole)
    else:
        verify(classes, terms.limits, table, whole, terms.time_level)
    releases = _written(classes, table, policy, terms.limits, window, whole, salt)
    verify_written(classes, table, releases, salt)
    return ReleasedWindow(
        releases=tuple(sorted(releases, key=lambda one: one.class_id)),
        released=int(np.count_nonzero(classes.labels >= 0)),
        left=table.take(classes.labels < 0),
    )


def verify(classes: Classes, limits: Limits, table: RowTable, whole: Mapping[str, int] | None = None, time_level: int = 0) -> None:
    """Prove from the rows that every class is safe.

    Args:
        classes: what is to be released.
        limits: k, l and t that each must keep.
        table: that was to be anonymised.
        whole: how often each sensitive value occurs in the window; by default in `table`.
        time_level: lowest level at which times may be printed.

    Raises:
        UnsafeReleaseError: fewer than k distinct people, fewer than l distinct sensitive values or farther than t, a value outside its
            printed value, a time printed too finely, a payment that is there twice, or two classes printed alike.
    """
    verify_cheaply(classes, limits, table, whole)
    inside = classes.labels >= 0
    for place, (path, column) in enumerate(zip(PATHS, table.quasi, strict=True)):
        width = len(column.values)
        paths = [path(value) for value in column.values.tolist()]
        for pair in _distinct(classes.labels[inside] * width + column.codes[inside]).tolist():
            owner, code = divmod(pair, width)
            shown = classes.printed[owner][place]
            if shown not in paths[code]:
                raise UnsafeReleaseError(f"a value lies outside what its class prints: {_FAULT}")
            if place == TIME and shown in paths[code][:time_level]:
                raise UnsafeReleaseError(f"a class prints a time more finely than its window allows: {_FAULT}")


def verify_cheaply(classes: Classes, limits: Limits, table: RowTable, whole: Mapping[str, int] | None = None) -> None:
    """Prove what needs no look at quasi-identifiers: people, l, t, that no payment is there twice, and classes are printed differently.

    Raises:
        UnsafeReleaseError: as `verify`.
    """
    labels = classes.labels
    if len(labels) != table.count or (len(labels) and not -1 <= labels.min() <= labels.max() < len(classes.printed)):
        raise UnsafeReleaseError(f"the classes are not of these payments: {_FAULT}")
    if any(len(set(column.values.tolist())) != len(column.values) for column in table.columns):
        raise UnsafeReleaseError(f"one person or value has two numbers: {_FAULT}")
    if any(len(people) < limits.k for people in _people_of(classes, table)):
        raise UnsafeReleaseError(f"a class holds fewer distinct people than k: {_FAULT}")
    counted = _counted(classes, table, whole or sensitive_counts(table))
    if any(len(values) < limits.l for values in counted.sensitive):
        raise UnsafeReleaseError(f"a class holds fewer distinct sensitive values than l: {_FAULT}")
    closeness = Fraction(repr(limits.t))
    if any(part * closeness.denominator > closeness.numerator * whole_of for part, whole_of in counted.distances):
        raise UnsafeReleaseError(f"the sensitive values of a class are farther from the window's than t: {_FAULT}")
    ids = np.sort(table.ids[labels >= 0], kind="stable")
    if bool(np.any(ids[1:] == ids[:-1])):
        raise UnsafeReleaseError(f"a payment is there twice: {_FAULT}")
    if len(set(classes.printed)) != len(classes.printed):
        raise UnsafeReleaseError(f"two classes are printed alike: {_FAULT}")


def verify_written(classes: Classes, table: RowTable, releases: Sequence[Release], salt: bytes) -> None:
    """Prove that each release tells one member for each person of its class, and for nobody else, and no member of another's.

    Args:
        classes: that were proven.
        table: their rows.
        releases: one for each class, in their order.
        salt: of the window.

    Raises:
        UnsafeReleaseError: it does not.
    """
    seen: set[str] = set()
    # HMAC as RFC 2104 writes it, for keys of up to 64 bytes: the same as `hmac.digest` in half the time, and not how members were made.
    padded = salt.ljust(64, b"\0")
    inner, outer = bytes(byte ^ 0x36 for byte in padded), bytes(byte ^ 0x5C for byte in padded)
    for people, told in zip(_people_of(classes, table), releases, strict=True):
        start = inner + told.class_id.encode() + b"\0"
        known = {sha256(outer + sha256(start + person.encode()).digest()).hexdigest()[:32] for person in people}
        if not (set(told.members) == known and told.people == len(told.members) == len(people) >= told.k) or seen & known:
            raise UnsafeReleaseError(f"the members of a class are not its people: {_FAULT}")
        seen |= known


def class_id(policy: str, window: Window, printed: QuasiIdentifiers) -> str:
    """Return the id of a class: the same policy, window and printed values give the same id, in any run.

    >>> len(class_id("default-1", Window(0, 0, 3_600_000), QuasiIdentifiers("*", "*", "*", "*")))
    32
    """
    parts = "\x1f".join((policy, str(window.start_ms), str(window.end_ms), *printed))
    return blake2b(parts.encode(), digest_size=16, person=b"veilocity-class").hexdigest()


def _distinct(keys: Indexes) -> Indexes:
    """Return the distinct keys, sorted: several times as fast as NumPy's own."""
    ordered = np.sort(keys)
    first = np.ones(len(ordered), dtype=np.bool_)
    np.not_equal(ordered[1:], ordered[:-1], out=first[1:])
    return ordered[first]


def _people_of(classes: Classes, table: RowTable) -> list[list[str]]:
    """Return the distinct people of each class."""
    inside = classes.labels >= 0
    width = len(table.people.values)
    pairs = _distinct(classes.labels[inside] * width + table.people.codes[inside])
    people = table.people.values[pairs % max(1, width)].tolist()
    ends = np.cumsum(np.bincount(pairs // max(1, width), minlength=len(classes.printed))).tolist()
    return [people[start:end] for start, end in pairwise([0, *ends])]


def _counted(classes: Classes, table: RowTable, whole: Mapping[str, int]) -> _Counted:
    """Add up; the distance is the total variation: the earth mover's distance where all values are equally far apart."""
    inside = classes.labels >= 0
    values = table.sensitive.values.tolist()
    keys = classes.labels[inside] * len(values) + table.sensitive.codes[inside]
    counts: list[list[int]] = (
        np.bincount(keys, minlength=len(classes.printed) * len(values)).reshape(len(classes.printed), len(values)).tolist()
    )
    sensitive = [{value: count for value, count in zip(values, row, strict=True) if count} for row in counts]
    sizes = [sum(row) for row in counts]
    total = sum(whole.values())
    distances = [
        (sum(abs(found.get(value, 0) * total - count * size) for value, count in whole.items()), 2 * size * total)
        for found, size in zip(sensitive, sizes, strict=True)
    ]
    return _Counted(sizes, sensitive, distances)


def _written(
    classes: Classes, table: RowTable, policy: str, limits: Limits, window: Window, whole: Mapping[str, int], salt: bytes
) -> list[Release]:
    counted = _counted(classes, table, whole)
    releases = []
    for number, (printed, people, loss) in enumerate(
        zip(classes.printed, _people_of(classes, table), losses_of(table, classes), strict=True)
    ):
        values, identity = counted.sensitive[number], class_id(policy, window, printed)
        part, whole_of = counted.distances[number]
        members = members_of(salt, identity, people)
        releases.append(
            Release(
                class_id=identity,
                policy=policy,
                window_start_ms=window.start_ms,
                window_end_ms=window.end_ms,
                k=limits.k,
                people=len(members),
                payments=counted.sizes[number],
                loss=round(loss, 6),
                cell=printed.cell,
                cell_resolution=cell_resolution(printed.cell),
                hour=printed.hour,
                amount_band=printed.amount_band,
                category=printed.category,
                flagged=values.get(Verdict.FLAGGED, 0),
                l=len(values),
                t=-(-part * _CLOSENESS_DIGITS // whole_of) / _CLOSENESS_DIGITS,
                sensitive={verdict: values.get(verdict, 0) for verdict in Verdict},
                members=members,
            )
        )
    return releases
