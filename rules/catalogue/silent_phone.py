"""Rule `silent-phone`: a phone that always reports falls silent, and its owner's card is used again and again."""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import Meta

from rules.glance import Quiet
from rules.hits import Evidence, Proof
from rules.profile import Recent
from rules.rule import Parameters, Rule, check
from rules.scene import Scene
from rules.sight import RECURRING
from veilocity.contracts import Severity
from veilocity.evidence import tell_duration

__all__ = ["SilentPhone", "SilentPhoneParameters"]


class SilentPhoneParameters(Parameters, frozen=True):
    """How long is silent, and how many payments are a burst."""

    silent_s: float = 2700.0
    at_most_s: float = 21_600.0
    """A phone that is silent for longer was switched off for a reason of its own."""
    payments: int = 4
    window_s: Annotated[float, Meta(gt=0, le=86_400)] = 1800.0
    habit_fixes: int = 20
    """Only of a phone that reported so much before is silence news."""


class SilentPhone(Rule[SilentPhoneParameters]):
    """See the module."""

    id: ClassVar[str] = "silent-phone"
    version: ClassVar[str] = "1"
    title: ClassVar[str] = "A burst of payments while the phone is silent"
    reasons: ClassVar[tuple[str, ...]] = ("silent_phone",)
    false_positives: ClassVar[str] = "An empty battery on a shopping day."
    parameter_type: ClassVar[type[Parameters]] = SilentPhoneParameters

    def quiet(self) -> Quiet:
        """The phone reported a while ago."""
        return Quiet(silent_ns=self.parameters.silent_s * 1e9)

    def judge(self, scene: Scene) -> Evidence | None:
        """Count payments since the phone's last fix."""
        own = self.parameters
        phone = scene.phones[0] if scene.phones else None
        if phone is None or phone.before is None or phone.seen < own.habit_fixes or scene.sight.kind == RECURRING:
            return None
        silent_ns = scene.sight.event_ns - phone.before.event_ns
        if not own.silent_s * 1e9 <= silent_ns <= own.at_most_s * 1e9:
            return None
        burst: list[Recent] = [one for one in scene.profile.since(scene.sight.event_ns - int(own.window_s * 1e9)) if one.kind != RECURRING]
        if len(burst) + 1 < own.payments:
            return None
        facts = {"silent_s": float(silent_ns // 1_000_000_000), "payments": float(len(burst) + 1)}
        return Evidence(phone.before, scene.sight, facts)

    def prove(self, evidence: Evidence) -> Proof:
        """Grade: low."""
        facts, own = evidence.facts, self.parameters
        enough = facts["payments"] >= own.payments and facts["silent_s"] >= own.silent_s
        return Proof(
            severity=Severity.LOW if enough else None,
            score=0.5,
            cause="silent_phone",
            sentence=f"{facts['payments']:.0f} payments in a row while the phone is silent for {tell_duration(facts['silent_s'])}.",
            checks=check(phone_seldom_reports=False),
        )

    def group(self, evidence: Evidence) -> str:
        """One silence is one episode."""
        return f"since {evidence.first.event_ns}"
