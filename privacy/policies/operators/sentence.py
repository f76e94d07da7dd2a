"""`generalise` a sentence: told again from what was rounded, never quoted."""

from __future__ import annotations

from typing import ClassVar, Literal, NamedTuple

from privacy.policies.operators.context import Context, Operation
from veilocity.evidence import tell, tell_duration
from veilocity.geo import Interval

__all__ = ["GeneraliseSentence", "Told"]


class Told(NamedTuple):
    """What of an alert has left already, rounded: a sentence may repeat it."""

    rule: str
    cause: str
    distance_m: Interval | None
    elapsed_s: float | None
    speed_kmh: Interval | None
    speed_limit_kmh: float | None
    fine_with_s: float | None


class GeneraliseSentence(Operation, frozen=True, tag="generalise sentence"):
    """Tells an alert again from its rounded figures; one that is not about travel by rule and cause alone.

    Guarantee: the sentence is a function of fields that the same document states.
    """

    name: ClassVar[str] = "generalise"
    retell: Literal["rounded"] = "rounded"

    def apply(self, value: Told, context: Context) -> str:
        """Return the sentence."""
        if value.distance_m is not None and value.elapsed_s is not None:
            if value.speed_limit_kmh is not None and value.fine_with_s is not None:
                return tell(value.distance_m, value.elapsed_s, value.speed_kmh, value.speed_limit_kmh, value.fine_with_s)
            if value.distance_m.low > 0.0:
                apart_km = value.distance_m.low / 1000
                return f"At least {apart_km:,.0f} km apart within {tell_duration(value.elapsed_s)}: {value.cause.replace('_', ' ')}."
        return f"{value.rule.replace('-', ' ').capitalize()}: {value.cause.replace('_', ' ')}."
