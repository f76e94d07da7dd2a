"""Rule `geofence`: a payment in an area where cards must not be used, or outside of the areas where they may be."""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec

from rules.glance import Quiet
from rules.hits import Evidence, Proof
from rules.rule import Parameters, Rule, check
from rules.scene import Scene
from rules.sight import Sight
from veilocity.contracts import Severity
from veilocity.geo import great_circle_m

__all__ = ["Area", "Geofence", "GeofenceParameters"]


class Area(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A circle on the earth."""

    name: str
    lat: Annotated[float, msgspec.Meta(ge=-90, le=90)]
    lon: Annotated[float, msgspec.Meta(ge=-180, le=180)]
    radius_m: Annotated[float, msgspec.Meta(gt=0)]


class GeofenceParameters(Parameters, frozen=True):
    """Areas; empty lists mean that nothing is forbidden."""

    forbidden: tuple[Area, ...] = ()
    allowed: tuple[Area, ...] = ()
    severity: Severity = Severity.MEDIUM


class Geofence(Rule[GeofenceParameters]):
    """See the module."""

    id: ClassVar[str] = "geofence"
    version: ClassVar[str] = "1"
    title: ClassVar[str] = "Inside a forbidden area, or outside of the allowed ones"
    reasons: ClassVar[tuple[str, ...]] = ("forbidden_area", "outside_allowed_areas")
    false_positives: ClassVar[str] = "A merchant at the edge of an area whose place is not exact."
    parameter_type: ClassVar[type[Parameters]] = GeofenceParameters

    def quiet(self) -> Quiet | None:
        """Without areas nothing is forbidden."""
        return None if self.parameters.forbidden or self.parameters.allowed else Quiet()

    def judge(self, scene: Scene) -> Evidence | None:
        """Measure the distance to the areas' centres."""
        own = self.parameters
        if not scene.has_place or not (own.forbidden or own.allowed):
            return None
        facts = self._facts(scene.sight)
        return Evidence(scene.sight, scene.sight, facts) if facts else None

    def _facts(self, sight: Sight) -> dict[str, float]:
        for index, area in enumerate(self.parameters.forbidden):
            # With its whole radius inside: a place that may be outside is not accused.
            if _distance_m(area, sight) + sight.accuracy_dm / 10.0 <= area.radius_m:
                return {"area": float(index)}
        allowed = self.parameters.allowed
        if allowed and all(_distance_m(area, sight) - sight.accuracy_dm / 10.0 > area.radius_m for area in allowed):
            return {"areas": float(len(allowed))}
        return {}

    def prove(self, evidence: Evidence) -> Proof:
        """Measure again."""
        facts = self._facts(evidence.second)
        if "area" in facts:
            cause, sentence = "forbidden_area", f"Payment inside the area '{self.parameters.forbidden[int(facts['area'])].name}'."
        else:
            cause, sentence = "outside_allowed_areas", f"Payment outside of all {len(self.parameters.allowed)} areas where it may be."
        return Proof(self.parameters.severity if facts else None, 0.7, cause, sentence, checks=check(place_not_exact=False))


def _distance_m(area: Area, sight: Sight) -> float:
    return great_circle_m(area.lat, area.lon, sight.lat_e7 / 1e7, sight.lon_e7 / 1e7)
