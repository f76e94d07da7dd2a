"""What one phone's fixes say, told from the whole list at once: tracks, jumps, stays, path, and which fixes were wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from tests.reference.measures import Span, apart, distance
from tests.reference.seen import NS, Seen
from veilocity.geo import interpolate

__all__ = ["Jump", "Phone", "Track"]

DAY_NS = 86_400 * NS
HOUR_NS = 3_600 * NS
Point = tuple[int, float, float]


@dataclass
class Track:
    """A chain of fixes."""

    fixes: list[Seen]
    refuted: int = 0
    """So many of the first fixes never were."""

    @property
    def length(self) -> tuple[int, float]:
        """Its fixes, and the seconds from the first to the last of them."""
        return len(self.fixes) - self.refuted, (self.fixes[-1].at_ns - self.fixes[self.refuted].at_ns) / 1e9

    @property
    def is_strong(self) -> bool:
        """Whether it is long enough to be believed against another."""
        count, span_s = self.length
        return count >= 10 and span_s >= 600.0


@dataclass
class Jump:
    """A jump and what became of it."""

    origin: Seen
    destination: Seen
    track: Track
    left: tuple[int, float]
    right: tuple[int, float] = (1, 0.0)
    cause: str = ""
    closed_ns: int | None = None

    def is_open(self, now_ns: int) -> bool:
        """Whether it may still turn out to be anything."""
        return self.closed_ns is None and now_ns - self.destination.at_ns <= DAY_NS


def is_reachable(first: Seen, second: Seen) -> bool:
    """Whether a person could have gone from one to the other, or the way is too short for a jump."""
    gap = apart(first, second)
    if not gap.reaches(50_000.0):
        return True
    return not gap.over((abs(second.at_ns - first.at_ns) / 1e9 + 30.0) * 1100.0 / 3.6)


@dataclass
class Phone:
    """The reading of one phone."""

    device: str
    fixes: list[Seen]
    """All that hold a slot."""
    tracks: list[Track] = field(default_factory=list)
    """Those that may be gone on with, the current one last."""
    jumps: list[Jump] = field(default_factory=list)
    switches: list[int] = field(default_factory=list)
    doubled: list[int] = field(default_factory=list)
    """Switches at which the phone was found to be two."""
    moved_ns: int = 2**62
    """When it was first seen at a second place."""
    refuted: dict[int, int] = field(default_factory=dict)
    """When it became plain, by time of fix."""
    track_of: dict[int, Track] = field(default_factory=dict)

    def __post_init__(self) -> None:
        path: list[Point] = []
        for fix in self.fixes:
            if not fix.is_doubtful:
                self._take(fix, path)
                if not any(jump.is_open(fix.at_ns) for jump in self.jumps):
                    extend(path, fix)
                if len(path) > 1:
                    self.moved_ns = min(self.moved_ns, fix.at_ns)

    def _take(self, fix: Seen, path: list[Point]) -> None:
        if not self.tracks:
            self._begin(fix)
            return
        current = self.tracks[-1]
        last = current.fixes[-1]
        if is_reachable(last, fix):
            self._go_on(current, fix)
        elif any(last.at_ns - one.at_ns >= 60 * NS and is_reachable(one, fix) for one in current.fixes[-4:-1]):
            self.refuted[last.at_ns] = fix.at_ns
            current.fixes.pop()
            self._go_on(current, fix)
        elif (older := self._returned_to(current, fix)) is not None:
            self._return(current, older, fix)
        else:
            self._jump(current, fix, path)

    def _go_on(self, current: Track, fix: Seen) -> None:
        last = current.fixes[-1]
        if fix.at_ns - last.at_ns > 600 * NS and apart(last, fix).over(100_000.0):
            self._begin(fix)
            return
        current.fixes.append(fix)
        self.track_of[fix.at_ns] = current
        for jump in self.jumps:
            if jump.track is current and jump.is_open(fix.at_ns):
                jump.right = current.length
                if current.is_strong:
                    jump.closed_ns = fix.at_ns

    def _begin(self, fix: Seen) -> Track:
        track = Track([fix])
        self.track_of[fix.at_ns] = track
        fresh = [one for one in self.tracks if fix.at_ns - one.fixes[-1].at_ns <= DAY_NS]
        self.tracks = [*fresh, track][-4:]
        return track

    def _returned_to(self, current: Track, fix: Seen) -> Track | None:
        jump = apart(current.fixes[-1], fix)
        for track in reversed(self.tracks[:-1]):
            last = track.fixes[-1]
            fresh = fix.at_ns - last.at_ns <= DAY_NS
            if fresh and is_reachable(last, fix) and apart(last, fix).under_half_of(jump):
                return track
        return None

    def _return(self, left: Track, track: Track, fix: Seen) -> None:
        self.tracks = [*(one for one in self.tracks if one is not track), track]
        track.fixes.append(fix)
        self.track_of[fix.at_ns] = track
        refuted = 0
        for jump in self.jumps:
            if jump.track is left and jump.is_open(fix.at_ns):
                jump.closed_ns = fix.at_ns
                if not jump.cause:
                    jump.cause, refuted = "glitch", len(left.fixes)
                    self.refuted.update({one.at_ns: fix.at_ns for one in left.fixes})
        self._switch(left, track, fix)
        left.refuted = refuted or left.refuted

    def _jump(self, left: Track, fix: Seen, path: list[Point]) -> None:
        track = self._begin(fix)
        if not self._is_two(fix.at_ns):
            jump = Jump(left.fixes[-1], fix, track, left.length)
            if "late clock" in fix.flags | left.fixes[-1].flags or was_there_hours_ago(path, fix):
                jump.cause = "clock_shift"
            self.jumps.append(jump)
        self._switch(left, track, fix)

    def _is_two(self, at_ns: int) -> bool:
        return bool(self.doubled) and at_ns <= self.doubled[-1] + 14 * DAY_NS

    def _switch(self, left: Track, track: Track, fix: Seen) -> None:
        self.switches.append(fix.at_ns)
        if sum(fix.at_ns - at_ns <= 6 * HOUR_NS for at_ns in self.switches) < 6:
            return
        if not self._is_two(fix.at_ns):
            for jump in self.jumps:
                if jump.is_open(fix.at_ns):
                    jump.cause, jump.closed_ns = "two_sources", fix.at_ns
            self.jumps.append(Jump(left.fixes[-1], fix, track, left.length, cause="two_sources", closed_ns=fix.at_ns))
        self.doubled.append(fix.at_ns)

    def trusted(self, known_ns: int) -> list[Seen]:
        """Return the fixes that are evidence, as far as the fixes up to a time tell."""
        return [fix for fix in self.fixes if not fix.is_doubtful and self.refuted.get(fix.at_ns, known_ns + 1) > known_ns]

    def in_dispute(self, at_ns: int, known_ns: int) -> bool:
        """Whether the phone contradicts itself around a time."""
        if any(found_ns <= at_ns <= found_ns + HOUR_NS for found_ns in self.doubled):
            return True
        for first_ns, second_ns in pairwise(at for at in self.switches if at <= known_ns):
            if second_ns - first_ns <= 900 * NS and first_ns - 900 * NS <= at_ns <= second_ns + 900 * NS:
                return True
        return any(self._doubts(jump, at_ns, known_ns) for jump in self.jumps)

    @staticmethod
    def _doubts(jump: Jump, at_ns: int, known_ns: int) -> bool:
        if jump.destination.at_ns > known_ns or not jump.origin.at_ns < at_ns <= jump.destination.at_ns + HOUR_NS:
            return False
        if jump.closed_ns is None:
            return True
        return at_ns <= jump.closed_ns and not (jump.cause == "glitch" and jump.closed_ns <= known_ns)

    def support(self, around: Seen, known_ns: int) -> tuple[int, float]:
        """Return fixes and seconds of the track that a fix is on."""
        track = self.track_of[around.at_ns]
        own = [one.at_ns for one in self.trusted(known_ns) if one.at_ns <= known_ns and self.track_of[one.at_ns] is track]
        return len(own), (own[-1] - own[0]) / 1e9

    def has_moved(self, at_ns: int) -> bool:
        """Whether it was seen at two places by a time."""
        return self.moved_ns <= at_ns

    def stays(self, at_ns: int) -> list[tuple[int, int, float, float]]:
        """Return where it stopped by a time: from, until, place."""
        found: list[tuple[int, int, float, float]] = []
        for first, second in pairwise([fix for fix in self.fixes if not fix.is_doubtful and fix.at_ns <= at_ns]):
            if second.at_ns - first.at_ns < 40 * NS or between_e7(first.lat, first.lon, second) > 30_000:
                continue
            if found and between_e7(found[-1][2], found[-1][3], first) <= 100_000:
                found[-1] = (found[-1][0], second.at_ns, second.lat, second.lon)
            else:
                found.append((first.at_ns, second.at_ns, first.lat, first.lon))
        return found[-24:]


def between_e7(lat: float, lon: float, fix: Seen) -> int:
    """Return the differences of latitude and longitude together, in 1e-7 degrees."""
    return round(abs(fix.lat - lat) * 1e7) + round(abs(fix.lon - lon) * 1e7)


def extend(path: list[Point], fix: Seen) -> None:
    """Add a fix that is ten minutes and 0.05 degrees from the last point; 24 points are kept."""
    if path and (fix.at_ns - path[-1][0] < 600 * NS or between_e7(path[-1][1], path[-1][2], fix) < 500_000):
        return
    path.append((fix.at_ns, fix.lat, fix.lon))
    del path[:-24]


def was_there_hours_ago(path: Sequence[Point], fix: Seen) -> bool:
    """Whether the path was where the fix is, a whole number of hours ago."""
    for begin, end in pairwise(path):
        hours = next((k for k in range(1, 15) if fix.at_ns - k * HOUR_NS <= end[0]), None)
        if end[0] - begin[0] > 1800 * NS or hours is None or fix.at_ns <= end[0]:
            continue
        at_ns = fix.at_ns - hours * HOUR_NS
        if begin[0] <= at_ns:
            lat, lon = interpolate(begin[1], begin[2], end[1], end[2], (at_ns - begin[0]) / (end[0] - begin[0]))
            leg, off = distance(*begin[1:], *end[1:]), distance(lat, lon, fix.lat, fix.lon)
            if not Span(off.low - leg.high / 4.0, off.high - leg.low / 4.0).over(2_000.0):
                return True
    return False
