"""The rules about what is new for a person: country, place, device, amount.

New is not wrong: each is low, asks for enough of a past first (payments or days of event time, whichever comes first), and is silent where
the person's own phone is beside the card.
"""

from __future__ import annotations

import math
from typing import ClassVar

from rules.glance import Quiet
from rules.hits import Evidence, Proof
from rules.profile import name_hash
from rules.rule import Parameters, Rule, check
from rules.scene import Scene
from veilocity.contracts import Severity

__all__ = [
    "AtypicalPlace",
    "AtypicalPlaceParameters",
    "HabitParameters",
    "NewCountry",
    "NewDevice",
    "UnusualAmount",
    "UnusualAmountParameters",
]


class HabitParameters(Parameters, frozen=True):
    """When enough is known to call something new."""

    payments: int = 10
    days: float = 14.0


def _low(cause: str, sentence: str, *, applies: bool) -> Proof:
    return Proof(Severity.LOW if applies else None, 0.5, cause, sentence, checks=check(cold_start=False, phone_beside=False))


class NewCountry(Rule[HabitParameters]):
    """Rule `new-country`: the card is used in a country it was never used in.

    Found when the country is none of the last 12 of the person, who has `payments` payments or `days` days behind them, and no phone of
    theirs is beside the card.
    """

    id: ClassVar[str] = "new-country"
    version: ClassVar[str] = "1"
    title: ClassVar[str] = "First payment in a country"
    reasons: ClassVar[tuple[str, ...]] = ("new_country",)
    false_positives: ClassVar[str] = "Holidays and business trips with the phone switched off; net shops that are elsewhere than they seem."
    parameter_type: ClassVar[type[Parameters]] = HabitParameters

    def quiet(self) -> Quiet:
        """A phone beside the card explains a new country."""
        return Quiet()

    def judge(self, scene: Scene) -> Evidence | None:
        """Compare the merchant's country with those of the person's payments."""
        country, profile = scene.transaction.country, scene.profile
        if not country or country in profile.countries or not profile.countries:
            return None
        if not profile.is_settled(scene.sight.event_ns, self.parameters.payments, self.parameters.days) or scene.phone_beside:
            return None
        return Evidence(scene.sight, scene.sight, {"known_countries": float(len(profile.countries)), "payments": float(profile.payments)})

    def prove(self, evidence: Evidence) -> Proof:
        """Grade: low."""
        facts = evidence.facts
        sentence = f"First payment in this country after {facts['payments']:,.0f} payments in {facts['known_countries']:.0f} others."
        return _low("new_country", sentence, applies=facts["known_countries"] >= 1)


class AtypicalPlaceParameters(HabitParameters, frozen=True):
    """How far a place must be from all the places where the person pays."""

    distance_m: float = 100_000.0


class AtypicalPlace(Rule[AtypicalPlaceParameters]):
    """Rule `atypical-place`: a payment far from every place where the person usually pays.

    Found when min over the known places of the distance > `distance_m` + radius of the payment's place, the person has `payments`
    payments or `days` days behind them, and no phone of theirs is beside the card.
    """

    id: ClassVar[str] = "atypical-place"
    version: ClassVar[str] = "1"
    title: ClassVar[str] = "Far from every usual place"
    reasons: ClassVar[tuple[str, ...]] = ("atypical_place",)
    false_positives: ClassVar[str] = "Day trips and holidays with the phone switched off."
    parameter_type: ClassVar[type[Parameters]] = AtypicalPlaceParameters

    def quiet(self) -> Quiet:
        """A phone beside the card explains a new place."""
        return Quiet()

    def judge(self, scene: Scene) -> Evidence | None:
        """Measure the distance to the known places."""
        own, profile = self.parameters, scene.profile
        if not scene.has_place or not profile.places:
            return None
        if not profile.is_settled(scene.sight.event_ns, own.payments, own.days):
            return None
        if profile.place_near(scene.sight, own.distance_m + scene.sight.accuracy_dm / 10.0) is not None or scene.phone_beside:
            return None
        return Evidence(scene.sight, scene.sight, {"known_places": float(len(profile.places))})

    def prove(self, evidence: Evidence) -> Proof:
        """Grade: low."""
        known, distance = evidence.facts["known_places"], self.parameters.distance_m / 1000.0
        sentence = f"More than {distance:,.0f} km from each of the {known:.0f} places where this person usually pays."
        return _low("atypical_place", sentence, applies=known >= 1)


class NewDevice(Rule[HabitParameters]):
    """Rule `new-device`: a payment is made with a device that was never seen for this person.

    Found when the device is none of the last 6 that paid and none of the person's phones, and the person has `payments` payments or
    `days` days behind them.
    """

    id: ClassVar[str] = "new-device"
    version: ClassVar[str] = "1"
    title: ClassVar[str] = "First payment with a device"
    reasons: ClassVar[tuple[str, ...]] = ("new_device",)
    false_positives: ClassVar[str] = "A new phone; a browser that forgets."
    parameter_type: ClassVar[type[Parameters]] = HabitParameters

    def quiet(self) -> Quiet:
        """Only payments that name a device are looked at."""
        return Quiet(devices=True)

    def judge(self, scene: Scene) -> Evidence | None:
        """Compare the device with those of earlier payments and with the person's phones."""
        device, profile, own = scene.transaction.device, scene.profile, self.parameters
        if not device or not profile.devices or name_hash(device) in profile.devices:
            return None
        known = any(phone.device == device for phone in scene.phones)
        if known or not profile.is_settled(scene.sight.event_ns, own.payments, own.days):
            return None
        return Evidence(scene.sight, scene.sight, {"known_devices": float(len(profile.devices))})

    def prove(self, evidence: Evidence) -> Proof:
        """Grade: low."""
        known = evidence.facts["known_devices"]
        return _low("new_device", f"First payment with this device; {known:.0f} others are known.", applies=known >= 1)


class UnusualAmountParameters(HabitParameters, frozen=True):
    """How far out of habit an amount must be."""

    deviations: float = 4.0
    """Standard deviations of the logarithm of the person's amounts."""
    least_deviation: float = 0.5
    """A person who always pays the same is not alarmed by a coffee more: at least a factor of e^0.5 is one deviation."""
    minimum_minor: int = 20_000


class UnusualAmount(Rule[UnusualAmountParameters]):
    """Rule `unusual-amount`: an amount far above what the person usually pays.

    distance = (ln(amount) - mean) / max(deviation, least_deviation), with mean and deviation of ln(amount) over the payments before
    (the last 50 or so); found when distance >= `deviations`, amount >= `minimum_minor`, and the person has `payments` payments or
    `days` days behind them.
    """

    id: ClassVar[str] = "unusual-amount"
    version: ClassVar[str] = "1"
    title: ClassVar[str] = "Amount out of habit"
    reasons: ClassVar[tuple[str, ...]] = ("unusual_amount",)
    false_positives: ClassVar[str] = "Furniture, a flight, a deposit; amounts of different currencies are compared as they are."
    parameter_type: ClassVar[type[Parameters]] = UnusualAmountParameters

    def quiet(self) -> Quiet:
        """Small amounts are never out of habit."""
        return Quiet(amount_minor=self.parameters.minimum_minor)

    def judge(self, scene: Scene) -> Evidence | None:
        """Compare the logarithm of the amount with its mean and deviation."""
        own, profile, amount = self.parameters, scene.profile, scene.transaction.amount_minor
        if amount < own.minimum_minor or not profile.is_settled(scene.sight.event_ns, own.payments, own.days):
            return None
        if profile.amounts < 2.0:
            return None
        deviation = max(own.least_deviation, math.sqrt(profile.amount_variance))
        distance = (math.log(max(1, amount)) - profile.amount_mean) / deviation
        if distance < own.deviations:
            return None
        facts = {"amount_minor": float(amount), "usual_minor": round(math.exp(profile.amount_mean), 2), "deviations": round(distance, 6)}
        return Evidence(scene.sight, scene.sight, {**facts, "phone_beside": float(scene.phone_beside)})

    def prove(self, evidence: Evidence) -> Proof:
        """Grade: low."""
        facts = evidence.facts
        factor = facts["amount_minor"] / max(1.0, facts["usual_minor"])
        return Proof(
            severity=Severity.LOW if facts["deviations"] >= self.parameters.deviations else None,
            score=0.5,
            cause="unusual_amount",
            sentence=f"{factor:,.0f} times what this person usually pays.",
            checks=check(cold_start=False, phone_beside=bool(facts["phone_beside"])),
        )
