"""Rule `spoofed-location`: the phone that vouches for a card looks as if a program moved it.

Signs: the phone says itself that its place was set by a program; its fixes are frozen to the last digit while its receiver cannot be that
steady; its track is too perfect, moving with one speed and one accuracy without any jitter.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise, takewhile
from typing import Annotated, ClassVar

from msgspec import Meta

from rules.glance import Quiet
from rules.hits import Evidence, Proof
from rules.rule import Parameters, Rule, check
from rules.scene import Scene
from rules.sight import MOCK, NO_SPEED, Sight
from rules.travel import gap_m
from veilocity.contracts import Severity

__all__ = ["SpoofedLocation", "SpoofedLocationParameters"]


class SpoofedLocationParameters(Parameters, frozen=True):
    """How much of a track is looked at, and how steady is too steady."""

    window_s: Annotated[float, Meta(gt=0, le=900)] = 900.0
    """Fixes are kept for a quarter of an hour."""
    near_m: float = 5_000.0
    """The phone vouches for a card at most so far away."""
    mock_fixes: int = 1
    frozen_fixes: int = 12
    """Fixes of another place in between, and then identical to the last digit: so many in a row."""
    perfect_fixes: int = 8
    perfect_spread: float = 0.002
    """Largest relative difference between the steps of a track that is too perfect."""


class SpoofedLocation(Rule[SpoofedLocationParameters]):
    """See the module."""

    id: ClassVar[str] = "spoofed-location"
    version: ClassVar[str] = "1"
    title: ClassVar[str] = "The phone beside the card looks faked"
    reasons: ClassVar[tuple[str, ...]] = ("mock_location", "frozen_track", "too_perfect_track")
    false_positives: ClassVar[str] = "Developers' phones; a phone that repeats its last fix while it lies still indoors."
    parameter_type: ClassVar[type[Parameters]] = SpoofedLocationParameters

    def quiet(self) -> Quiet:
        """A receiver whose accuracy changes is real, and the history of a calm phone holds no fix set by a program."""
        return Quiet(steady=True)

    def judge(self, scene: Scene) -> Evidence | None:
        """Look at the fixes of the last minutes before a payment, of phones near it."""
        if not scene.has_place:
            return None
        for phone in scene.phones:
            window = phone.window(int(self.parameters.window_s * 1e9))
            if not window or gap_m(window[-1], scene.sight) > self.parameters.near_m:
                continue
            facts = self._signs(window)
            if facts:
                return Evidence(window[-1], scene.sight, {**facts, "fixes": float(len(window))})
        return None

    def _signs(self, window: Sequence[Sight]) -> dict[str, float]:
        own = self.parameters
        mock = sum(1 for sight in window if sight.flags & MOCK)
        if mock >= own.mock_fixes:
            return {"mock_fixes": float(mock)}
        if len(window) >= own.frozen_fixes:
            last = window[-1]
            frozen = list(takewhile(lambda one: one[1:4] == last[1:4], reversed(window)))
            # A moving receiver reports a speed: frozen in place with a speed is a contradiction in itself.
            if len(frozen) >= own.frozen_fixes and any(one.speed_dms not in (NO_SPEED, 0) and one.speed_dms > 10 for one in frozen):
                return {"frozen_fixes": float(len(frozen))}
        if len(window) >= own.perfect_fixes and _is_too_perfect(window[-own.perfect_fixes :], own.perfect_spread):
            return {"perfect_fixes": float(own.perfect_fixes)}
        return {}

    def prove(self, evidence: Evidence) -> Proof:
        """Grade: a mock flag is medium, a track that looks made is low."""
        facts = evidence.facts
        if "mock_fixes" in facts:
            return self._proof(Severity.MEDIUM, "mock_location", f"{facts['mock_fixes']:.0f} fixes were set by a program, says the phone.")
        if "frozen_fixes" in facts:
            return self._proof(
                Severity.LOW, "frozen_track", f"{facts['frozen_fixes']:.0f} fixes at one place to the last digit, at a speed."
            )
        if "perfect_fixes" in facts:
            text = f"{facts['perfect_fixes']:.0f} fixes in steps of one length and with one accuracy: no receiver is that steady."
            return self._proof(Severity.LOW, "too_perfect_track", text)
        return self._proof(None, "mock_location", "")

    def _proof(self, severity: Severity | None, cause: str, sentence: str) -> Proof:
        return Proof(severity, 0.6 if severity is Severity.MEDIUM else 0.5, cause, sentence, checks=check(cached_fix=False))


def _is_too_perfect(window: Sequence[Sight], spread: float) -> bool:
    """Say whether all steps have the same direction, the same length for their time, and the same accuracy."""
    if len({sight.accuracy_dm for sight in window}) > 1:
        return False
    steps = []
    for first, second in pairwise(window):
        seconds = (second.event_ns - first.event_ns) / 1e9
        steps.append(((second.lat_e7 - first.lat_e7) / seconds, (second.lon_e7 - first.lon_e7) / seconds))
    size = max(abs(one) for step in steps for one in step)
    if size < 100.0:
        # Under a metre a second: somebody who stands still.
        return False
    return all(max(step[axis] for step in steps) - min(step[axis] for step in steps) <= spread * size for axis in (0, 1))
