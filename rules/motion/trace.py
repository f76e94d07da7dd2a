"""The fold over a phone's fixes: tracks, jumps between them, and what each jump turned out to be.

The fold takes trusted fixes in event-time order, so what it says is a function of the set of fixes. It is bounded: `MAX_TRACKS` tracks of
four fixes, `MAX_JUMPS` jumps, the switches of one cause; what else it notes goes with the fixes that it is about (`Trace.forget`).

What it says of a time is asked with a limit, and is then a function of the fixes up to that limit: a later one must not change it, because
the payment of that time may be forgotten, and its answer final, when the later fix arrives.
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

    __slots__ = ("disputes", "doubles", "jumps", "limits", "next_number", "switches", "tracks", "trouble_ns", "two_sources_ns", "wrong")

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
        self.disputes: list[tuple[int, int, int]] = []
        """Spans of time around several switches in a row: begin, end, and the second switch, by which the beginning became known."""
        self.doubles: list[tuple[int, int]] = []
        """Spans of time after the switches that made the phone two, or kept it two."""
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
        twin.doubles = list(self.doubles)
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
        if not current.tail or is_reachable(current.last, sight, self.limits):
            return self._go_on(current, sight)
        self.trouble_ns = sight.event_ns
        if is_stale(current, sight, self.limits):
            self.wrong.append((current.tail.pop().event_ns, sight.event_ns))
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
        never_was = False
        for jump in self._open(sight.event_ns):
            if jump.track == left.number:
                jump.resolved_ns = sight.event_ns
                jump.cause = jump.cause or "glitch"
                never_was = jump.cause == "glitch"
        self._switch(left, sight)
        if never_was:
            left.begin_anew()
        return track.number

    def _switch(self, left: Track, sight: Sight) -> None:
        """Note a change of track; with the last of too many the phone is known to be two, which is one finding for all of them."""
        self._dispute(self.switches[-1] if self.switches else -FAR_FUTURE_NS, sight.event_ns)
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
        begin_ns = self.doubles.pop()[0] if self.doubles and self.doubles[-1][1] >= sight.event_ns else sight.event_ns
        self.doubles.append((begin_ns, sight.event_ns + int(self.limits.pending_s * 1e9)))

    def _dispute(self, before_ns: int, now_ns: int) -> None:
        """Note that a switch follows another one, if it does so soon.

        A chain of such switches is one span. What a further one adds lies a width after the switch before it, and so after itself: it is
        known by then. Only where the span begins is known no earlier than from the second switch.
        """
        width_ns = int(self.limits.dispute_s * 1e9)
        if now_ns - before_ns > width_ns:
            return
        begin_ns, known_ns = before_ns - width_ns, now_ns
        if self.disputes and self.disputes[-1][1] == before_ns + width_ns:
            begin_ns, _, known_ns = self.disputes.pop()
        self.disputes.append((begin_ns, now_ns + width_ns, known_ns))

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
        return {jump.track: jump.resolved_ns for jump in self.jumps if jump.cause == "glitch"}

    def in_dispute(self, event_ns: int, known_ns: int) -> bool:
        """Say whether the phone contradicts itself around a time, so that its word against a card is worth little.

        Args:
            event_ns: the time.
            known_ns: fixes later than this play no part.
        """
        if any(begin_ns <= event_ns <= end_ns for begin_ns, end_ns in self.doubles):
            return True
        if any(begin_ns <= event_ns <= end_ns and told_ns <= known_ns for begin_ns, end_ns, told_ns in self.disputes):
            return True
        pending_ns = int(self.limits.pending_s * 1e9)
        return any(
            jump.origin.event_ns < event_ns <= min(jump.resolved_ns, jump.destination.event_ns + pending_ns)
            and jump.destination.event_ns <= known_ns
            and not (jump.cause == "glitch" and jump.resolved_ns <= known_ns)
            for jump in self.jumps
        )

    def is_settled(self, now_ns: int) -> bool:
        """Say whether a fix at a time finds no jump that may still turn out to be anything."""
        return not self.jumps or not self._open(now_ns)

    def unsure(self, horizon_ns: int) -> set[int]:
        """Return the numbers of the tracks that may never have been, as far as the fixes before the horizon tell: they alone are final."""
        return {jump.track for jump in self.jumps if self._final_ns(jump) >= horizon_ns}

    def _final_ns(self, jump: Jump) -> int:
        """Return up to when a fix may change what a jump was."""
        return min(jump.resolved_ns, jump.destination.event_ns + int(self.limits.memory_s * 1e9))

    def settled(self, horizon_ns: int) -> list[Jump]:
        """Take out and return the jumps, the oldest first, that no fix from the horizon on can change any more."""
        count = 0
        while count < len(self.jumps) and self._final_ns(self.jumps[count]) < horizon_ns:
            count += 1
        done, self.jumps = self.jumps[:count], self.jumps[count:]
        return done

    def forget(self, bound_ns: int) -> None:
        """Let go of what no time from a bound on can be asked for, once all fixes before it are folded and forgotten."""
        self.disputes = [one for one in self.disputes if one[1] >= bound_ns]
        self.doubles = [one for one in self.doubles if one[1] >= bound_ns]
        self.wrong = []

    def is_plain(self, now_ns: int) -> bool:
        """Say whether all there is to say is how long the one track is."""
        memory_ns = now_ns - int(self.limits.memory_s * 1e9)
        stale = self.two_sources_ns < now_ns and all(at_ns < memory_ns for at_ns in self.switches)
        return stale and not self.jumps and all(track.last.event_ns < memory_ns for track in self.tracks[:-1])
