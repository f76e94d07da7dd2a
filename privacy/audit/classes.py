"""Check `classes`: every released class keeps what it promises, recounted from what it carries.

Of each class: people are the distinct members, at least k, and k is at least 2; payments are counted whole in `sensitive`, and l is the
number of its values; printed values are well formed, cover the window's time and are never finer than it. Of each window: ids are
unique, and the order of insertion tells nothing. Of all windows: nested or disjoint, never overlapping. Of both
stores: the same class reads the same. Of customer segments: each has at least k people, and no field that a segment has not.

t cannot be recomputed exactly: it was taken over all payments of the window, and those that were held back or suppressed are in no class.
But let P be the window's distribution, q_E that of class E and R that of all classes printed with the same time, which is a mixture of q_E
with weights w_E. Then TV(q_E, R) <= TV(q_E, P) + TV(P, R) <= t_E + sum of w_F t_F. A class beyond that bound prints a t that is too low.
"""

from __future__ import annotations

from collections import defaultdict
from hashlib import blake2b
from typing import NamedTuple

import msgspec

from privacy.audit.documents import StoredDocument, Where
from privacy.audit.examiner import Examiner
from privacy.audit.model import Limits
from privacy.audit.ordering import order_score
from privacy.audit.printed import EVERYTHING, malformed, time_span_ms
from privacy.audit.releases import RELEASES, Printed, ReadRelease, Window, read_release, release_faults
from privacy.audit.segments import SEGMENTS, segment_faults

__all__ = ["ClassesCheck", "class_faults"]

_FLAGGED = "flagged"
_ROUNDING = 1e-4
"""t is printed with four digits, rounded up."""


class _Class(NamedTuple):
    """What is kept of a class until all of its window are known."""

    where: Where
    class_id: str
    printed: Printed
    k: int
    t: float
    sensitive: tuple[tuple[str, int], ...]
    digest: bytes
    order: int


class ClassesCheck(Examiner):
    """Recounts every class."""

    name = "classes"

    def __init__(self, limits: Limits) -> None:
        super().__init__()
        self._limits = limits
        self._windows: dict[tuple[str, str, Window], list[_Class]] = defaultdict(list)
        self._smallest = 0

    def see(self, document: StoredDocument) -> None:
        """Judge a class by itself, and segments."""
        if document.collection == SEGMENTS:
            for path, reason in segment_faults(document.fields):
                self.faults.add(document.fault(path, reason))
        if document.collection != RELEASES:
            return
        for fault in release_faults(document):
            self.faults.add(fault)
        release = read_release(document)
        if release is None:
            return
        for path, reason in class_faults(release, self._limits):
            self.faults.add(document.fault(f"release.{path}", reason))
        if document.fields.get("_id") != release.class_id:
            self.faults.add(document.fault("release.class_id", "is not the document's id"))
        if document.fields.get("minute_ms") != release.window_start_ms:
            self.faults.add(document.fault("minute_ms", "is not the start of the window"))
        people = len(set(release.members or ()))
        self._smallest = min(self._smallest or people, people)
        self._windows[document.store, release.policy, release.window].append(_kept(document, release))

    def close(self) -> bool:
        """Judge windows, policies and stores."""
        self.note = "t is bounded, not recomputed: releases do not carry the distribution of their whole window"
        worst = 0.0
        for classes in self._windows.values():
            self._see_ids(classes)
            worst = max(worst, self._see_closeness(classes))
        self._see_policies()
        self._see_overlaps()
        self._see_stores()
        self._see_order()
        self.figures |= {
            "classes": sum(map(len, self._windows.values())),
            "windows": len({window for _, _, window in self._windows}),
            "fewest_people": self._smallest,
            "largest_distance_from_released": round(worst, 4),
        }
        return False

    def _see_ids(self, classes: list[_Class]) -> None:
        ids: set[str] = set()
        for one in classes:
            if one.class_id in ids:
                self.faults.add(one.where.fault("release.class_id", "names another class of the window too"))
            ids.add(one.class_id)

    def _see_closeness(self, classes: list[_Class]) -> float:
        by_time: dict[str, list[_Class]] = defaultdict(list)
        for one in classes:
            by_time[one.printed.hour].append(one)
        worst = 0.0
        for alike in by_time.values():
            whole: dict[str, int] = defaultdict(int)
            for one in alike:
                for value, count in one.sensitive:
                    whole[value] += count
            payments = sum(whole.values())
            mixture = sum(one.t * sum(count for _, count in one.sensitive) for one in alike) / payments if payments else 0.0
            for one in alike:
                distance = _total_variation(dict(one.sensitive), whole)
                worst = max(worst, distance)
                if distance > one.t + mixture + _ROUNDING:
                    self.faults.add(one.where.fault("release.t", "is too low for what the class and its neighbours say"))
        return worst

    def _see_policies(self) -> None:
        promised: dict[str, int] = {}
        for (_, policy, _), classes in sorted(self._windows.items()):
            for one in classes:
                if promised.setdefault(policy, one.k) != one.k:
                    self.faults.add(one.where.fault("release.k", "is another k than that of other classes of its policy"))

    def _see_overlaps(self) -> None:
        by_policy: dict[tuple[str, str], set[Window]] = defaultdict(set)
        for store, policy, window in self._windows:
            by_policy[store, policy].add(window)
        for (store, policy), windows in by_policy.items():
            # Sorted so that what may hold a window stands before it.
            open_ends: list[int] = []
            for window in sorted(windows, key=lambda one: (one.start_ms, -one.end_ms)):
                while open_ends and open_ends[-1] <= window.start_ms:
                    open_ends.pop()
                if open_ends and window.end_ms > open_ends[-1]:
                    where = self._windows[store, policy, window][0].where
                    self.faults.add(where.fault("release.window_start_ms", "begins a window that cuts another one in two"))
                open_ends.append(window.end_ms)

    def _see_stores(self) -> None:
        known: dict[tuple[str, Window, str], tuple[str, bytes]] = {}
        for (store, policy, window), classes in self._windows.items():
            for one in classes:
                other, digest = known.setdefault((policy, window, one.class_id), (store, one.digest))
                if other != store and digest != one.digest:
                    self.faults.add(one.where.fault("release", "reads otherwise in the other store"))

    def _see_order(self) -> None:
        for store in sorted({store for store, _, _ in self._windows}):
            windows = [classes for (other, _, _), classes in self._windows.items() if other == store]
            inserted = [sorted((one for one in classes if one.order >= 0), key=lambda one: one.order) for classes in windows]
            score = order_score([[one.printed for one in classes] for classes in inserted])
            self.figures[f"{store}_order_score"] = round(score, 2)
            if score > _LARGEST_SCORE:
                where = next(classes for classes in inserted if len(classes) > 1)[0].where
                self.faults.add(where.fault("", "is one of classes that were inserted in the order of what they print"))


_LARGEST_SCORE = 6.0
"""Standard deviations; by accident with a probability below 1e-8 for all four printed values together."""


def class_faults(release: ReadRelease, limits: Limits) -> list[tuple[str, str]]:
    """Return field and reason of everything that is wrong with one class.

    Args:
        release: the class.
        limits: what must hold whatever the policy says.
    """
    return [*_people_faults(release, limits), *_sensitive_faults(release, limits), *_printed_faults(release)]


def _people_faults(release: ReadRelease, limits: Limits) -> list[tuple[str, str]]:
    members = release.members or []
    people = len(set(members))
    faults = []
    if release.k < max(2, limits.k):
        faults.append(("k", "is below what must be promised at least"))
    if not members:
        faults.append(("members", "are missing: nobody can recount the people"))
        people = release.people
    elif people != len(members):
        faults.append(("members", "name a person twice"))
    elif members != sorted(members):
        faults.append(("members", "are not sorted: their order may tell something"))
    if people != release.people:
        faults.append(("people", "is not the number of distinct members"))
    if people < release.k:
        faults.append(("people", "are fewer than k"))
    if release.payments < people:
        faults.append(("payments", "are fewer than people"))
    return faults


def _sensitive_faults(release: ReadRelease, limits: Limits) -> list[tuple[str, str]]:
    if not release.sensitive or release.l is None or release.t is None:
        return [("sensitive", "is missing: nobody can recompute l and t")]
    faults = []
    distinct = sum(count > 0 for count in release.sensitive.values())
    if min(release.sensitive.values()) < 0 or sum(release.sensitive.values()) != release.payments:
        faults.append(("sensitive", "does not add up to the payments"))
    if release.flagged != release.sensitive.get(_FLAGGED, 0):
        faults.append(("flagged", "is not what `sensitive` says"))
    if release.l != distinct:
        faults.append(("l", "is not the number of distinct sensitive values"))
    if distinct < limits.l:
        faults.append(("l", "is below what must be promised at least"))
    if not 0.0 <= release.t <= limits.t:
        faults.append(("t", "is beyond what may be promised"))
    return faults


def _printed_faults(release: ReadRelease) -> list[tuple[str, str]]:
    faults = list(malformed(release.cell, release.cell_resolution, release.hour, release.amount_band).items())
    if not release.category:
        faults.append(("category", "is empty"))
    if release.window_end_ms <= release.window_start_ms:
        faults.append(("window_end_ms", "is not after the window's start"))
    if not 0.0 <= release.loss <= 1.0:
        faults.append(("loss", "is not between 0 and 1"))
    if release.hour != EVERYTHING and not any(path == "hour" for path, _ in faults):
        start_ms, end_ms = time_span_ms(release.hour)
        if start_ms >= release.window_end_ms or end_ms <= release.window_start_ms:
            faults.append(("hour", "lies outside the window"))
    return faults


def _kept(document: StoredDocument, release: ReadRelease) -> _Class:
    # Members may be other pseudonyms in each store; their number is not.
    shown = msgspec.structs.replace(release, members=None, sensitive=dict(sorted((release.sensitive or {}).items())))
    return _Class(
        where=document.where,
        class_id=release.class_id,
        printed=release.printed,
        k=release.k,
        t=1.0 if release.t is None else release.t,
        sensitive=tuple((release.sensitive or {}).items()),
        digest=blake2b(msgspec.json.encode(shown), digest_size=16).digest(),
        order=-1 if document.order is None else document.order,
    )


def _total_variation(counts: dict[str, int], whole: dict[str, int]) -> float:
    size, total = sum(counts.values()), sum(whole.values())
    if not size or not total:
        return 0.0
    return sum(abs(counts.get(value, 0) * total - whole[value] * size) for value in whole) / (2 * size * total)
