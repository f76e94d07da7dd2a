"""The fold over a phone's fixes: tracks, jumps between them, and what each jump turned out to be.

The fold takes trusted fixes in event-time order, so what it says is a function of the set of fixes. It is bounded: `MAX_TRACKS` tracks of
four fixes, `MAX_JUMPS` jumps, the switches of one cause.
"""

from __future__ import annotations

from rules.motion.clock import PathPoint, is_clock_shift
from rules.motion.glitch import track_returned_to
from rules.motion.limits import MotionLimits
from rules.motion.stale import is_stale
from rules.motion.track import Track, is_reachable
from rules.motion.two_sources import recent_switches
from rules.sight import LATE_CLOCK, Sight
from rules.travel import gap_m

__all__ = ["FAR_FUTURE_NS", "MAX_JUMPS", "MAX_TRACKS", "Jump", "Trace"]

MAX_TRACKS = 4
MAX_JUMPS = 32
MAX_DISPUTES = 8
MAX_GLITCHED = 16
_WRONG_NS = 4 * 3_600_000_000_000
FAR_FUTURE_NS = 2**62


class Jump:
    """One jump, and what has become of it."""

    __slots__ = ("cause", "destination", "left_fixes", "left_s", "origin", "resolved_ns", "right_fixes", "right_s", "track")

    def __init__(
        self,
        origin: Sight,
        destination: Sight,
        left: tuple[int, float],
        track: int,
        right: tuple[int, float] = (1, 0.0),
        cause: str = "",
        resolved_ns: int = FAR_FUTURE_NS,
    ) -> None:
        """Note a jump.

        Args:
            origin: last fix of the track that was left.
            destination: first fix of the track that began.
            left: fixes and seconds of the former.
            track: number of the latter.
            right: fixes and seconds of the latter so far.
            cause: `clock_shift`, `two_sources`, `glitch` once recognised; empty while nothing explains the jump.
            resolved_ns: when it became plain what the jump was; from then on nothing changes it, and the phone's word counts again.
        """
        self.origin = origin
        self.destination = destination
        self.left_fixes, self.left_s = left
        self.right_fixes, self.right_s = right
        self.track = track
        self.cause = cause
        self.resolved_ns = resolved_ns

    def copy(self) -> Jump:
        """Return an independent copy."""
        left, right = (self.left_fixes, self.left_s), (self.right_fixes, self.right_s)
        return Jump(self.origin, self.destination, left, self.track, right, self.cause, self.resolved_ns)


class Trace:
    """What the fixes so far say of one phone."""

    __slots__ = ("disputes", "glitched", "jumps", "limits", "next_number", "switches", "tracks", "trouble_ns", "two_sources_ns", "wrong")

    def __init__(self, limits: MotionLimits, first_ns: int, count: int) -> None:
        """Begin with one track.

        Args:
            limits: thresholds.
            first_ns: since when it lasts.
            count: fixes of it that are forgotten.
        """
        self.limits = limits
        self.tracks = [Track(0, first_ns, count, [])]
        self.next_number = 1
        self.jumps: list[Jump] = []
        self.switches: list[int] = []
        """Times of the newest changes from one track to another, returns and jumps alike."""
        self.disputes: list[tuple[int, int]] = []
        """Spans of time with several switches in a row."""
        self.glitched: list[tuple[int, int]] = []
        """Tracks of settled jumps that never were, each with the time at which that became plain."""
        self.two_sources_ns = -FAR_FUTURE_NS
        """Until when the phone is known to be two."""
        self.wrong: list[tuple[int, int]] = []
        """Times of fixes that were found to be wrong, each with the time of the fix that showed it."""
        self.trouble_ns = -FAR_FUTURE_NS
        """When the phone last did anything but go on."""

    def copy(self) -> Trace:
        """Return an independent copy."""
        twin = Trace(self.limits, 0, 0)
        twin.tracks = [track.copy() for track in self.tracks]
        twin.next_number = self.next_number
        twin.jumps = [jump.copy() for jump in self.jumps]
        twin.switches = list(self.switches)
        twin.disputes = list(self.disputes)
        twin.glitched = list(self.glitched)
        twin.two_sources_ns = self.two_sources_ns
        twin.wrong = list(self.wrong)
        twin.trouble_ns = self.trouble_ns
        return twin

    def step(self, sight: Sight, path: tuple[PathPoint, ...]) -> int:
        """Take the next trusted fix; return the number of the track it belongs to.

        Args:
            sight: later than all before.
            path: coarse path up to here.
        """
        current = self.tracks[-1]
        if not current.count:
            current.first_ns = sight.event_ns
        if not current.tail or is_reachable(current.last, sight, self.limits):
            return self._go_on(current, sight)
        self.trouble_ns = sight.event_ns
        if is_stale(current, sight, self.limits):
            recent = [one for one in self.wrong if sight.event_ns - one[0] <= _WRONG_NS]
            self.wrong = [*recent, (current.tail.pop().event_ns, sight.event_ns)]
            current.count -= 1
            return self._go_on(current, sight)
        index = track_returned_to(self.tracks, sight, self.limits)
        if index is not None:
            return self._return(index, sight)
        return self._jump(current, sight, path)

    def _go_on(self, current: Track, sight: Sight) -> int:
        if current.tail and self._is_flight(current.last, sight):
            self.trouble_ns = sight.event_ns
            return self._begin(sight).number
        current.add(sight)
        for jump in self._open(sight.event_ns) if self.jumps else ():
            if jump.track == current.number:
                jump.right_fixes = current.count
                jump.right_s = current.span_s
                if not current.is_weak(self.limits):
                    jump.resolved_ns = sight.event_ns
        return current.number

    def _is_flight(self, last: Sight, sight: Sight) -> bool:
        if sight.event_ns - last.event_ns <= self.limits.flight_gap_s * 1e9:
            return False
        return gap_m(last, sight) > self.limits.flight_m

    def _return(self, index: int, sight: Sight) -> int:
        left, track = self.tracks[-1], self.tracks.pop(index)
        self.tracks.append(track)
        track.add(sight)
        for jump in self._open(sight.event_ns):
            if jump.track == left.number:
                jump.resolved_ns = sight.event_ns
                jump.cause = jump.cause or "glitch"
        self._switch(left, sight)
        return track.number

    def _switch(self, left: Track, sight: Sight) -> None:
        """Note a change of track; with the last of too many the phone is known to be two, which is one finding for all of them."""
        before_ns = self.switches[-1] if self.switches else -FAR_FUTURE_NS
        width_ns = int(self.limits.dispute_s * 1e9)
        if sight.event_ns - before_ns <= width_ns:
            begin_ns = before_ns - width_ns
            if self.disputes and self.disputes[-1][1] >= begin_ns:
                begin_ns = self.disputes.pop()[0]
            self.disputes = [*self.disputes, (begin_ns, sight.event_ns + width_ns)][-MAX_DISPUTES:]
        self.switches = recent_switches([*self.switches, sight.event_ns], sight.event_ns, self.limits)
        if len(self.switches) < self.limits.switches:
            return
        if sight.event_ns > self.two_sources_ns:
            found = Jump(
                left.last, sight, (left.count, left.span_s), self.tracks[-1].number, cause="two_sources", resolved_ns=sight.event_ns
            )
            for jump in self._open(sight.event_ns):
                jump.cause, jump.resolved_ns = "two_sources", sight.event_ns
            self.jumps = [*self.jumps, found][-MAX_JUMPS:]
        self.two_sources_ns = sight.event_ns + int(self.limits.two_sources_s * 1e9)

    def _open(self, now_ns: int) -> list[Jump]:
        """Return the jumps that may still turn out to be anything."""
        memory_ns = now_ns - int(self.limits.memory_s * 1e9)
        return [jump for jump in self.jumps if jump.resolved_ns == FAR_FUTURE_NS and jump.destination.event_ns >= memory_ns]

    def _jump(self, current: Track, sight: Sight, path: tuple[PathPoint, ...]) -> int:
        track = self._begin(sight)
        if sight.event_ns > self.two_sources_ns:
            jump = Jump(current.last, sight, (current.count, current.span_s), track.number)
            if (sight.flags | current.last.flags) & LATE_CLOCK or is_clock_shift(path, sight, self.limits):
                jump.cause = "clock_shift"
            self.jumps = [*self.jumps, jump][-MAX_JUMPS:]
        self._switch(current, sight)
        return track.number

    def _begin(self, sight: Sight) -> Track:
        track = Track(self.next_number, sight.event_ns, 1, [sight])
        self.next_number += 1
        memory_ns = sight.event_ns - int(self.limits.memory_s * 1e9)
        self.tracks = [*(one for one in self.tracks if one.last.event_ns >= memory_ns), track][-MAX_TRACKS:]
        return track

    def glitches(self) -> dict[int, int]:
        """Return the numbers of the tracks that never were, each with the time at which that became plain."""
        return dict([*self.glitched, *_glitched(self.jumps)])

    def in_dispute(self, event_ns: int, known_ns: int) -> bool:
        """Say whether the phone contradicts itself around a time, so that its word against a card is worth little.

        Args:
            event_ns: the time.
            known_ns: fixes later than this play no part.
        """
        since_ns = self.two_sources_ns - int(self.limits.two_sources_s * 1e9)
        if since_ns <= event_ns <= since_ns + int(self.limits.pending_s * 1e9):
            return True
        if any(begin_ns <= event_ns <= end_ns for begin_ns, end_ns in self.disputes):
            return True
        pending_ns = int(self.limits.pending_s * 1e9)
        return any(
            jump.origin.event_ns < event_ns <= min(jump.resolved_ns, jump.destination.event_ns + pending_ns)
            and jump.destination.event_ns <= known_ns
            and not (jump.cause == "glitch" and jump.resolved_ns <= known_ns)
            for jump in self.jumps
        )

    @property
    def is_settled(self) -> bool:
        """Whether it is plain of every jump what it was."""
        return all(jump.resolved_ns < FAR_FUTURE_NS for jump in self.jumps)

    def settled(self, horizon_ns: int) -> list[Jump]:
        """Take out and return the jumps, the oldest first, that no fix from the horizon on can change any more."""
        memory_ns = int(self.limits.memory_s * 1e9)
        count = 0
        while count < len(self.jumps):
            jump = self.jumps[count]
            if min(jump.resolved_ns, jump.destination.event_ns + memory_ns) >= horizon_ns:
                break
            count += 1
        done, self.jumps = self.jumps[:count], self.jumps[count:]
        self.glitched = [*self.glitched, *_glitched(done)][-MAX_GLITCHED:]
        return done

    def is_plain(self, now_ns: int) -> bool:
        """Say whether all there is to say is how long the one track is."""
        memory_ns = now_ns - int(self.limits.memory_s * 1e9)
        stale = self.two_sources_ns < now_ns and all(at_ns < memory_ns for at_ns in self.switches)
        return stale and not self.jumps and all(track.last.event_ns < memory_ns for track in self.tracks[:-1])


def _glitched(jumps: list[Jump]) -> list[tuple[int, int]]:
    return [(jump.track, jump.resolved_ns) for jump in jumps if jump.cause == "glitch"]
