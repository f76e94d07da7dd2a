"""The rules there are. A new rule is one file here, one line in `RULE_TYPES`, and one rule file with its tests."""

from __future__ import annotations

from rules.catalogue.atm_hop import AtmHop
from rules.catalogue.geofence import Geofence
from rules.catalogue.habits import AtypicalPlace, NewCountry, NewDevice, UnusualAmount
from rules.catalogue.implied_over_reported import ImpliedOverReported
from rules.catalogue.impossible_travel import ImpossibleTravel
from rules.catalogue.phone_far_from_card import PhoneFarFromCard
from rules.catalogue.silent_phone import SilentPhone
from rules.catalogue.simultaneous_use import SimultaneousUse
from rules.catalogue.spoofed_location import SpoofedLocation
from rules.catalogue.windows import AmountPerWindow, CardTesting, CountPerWindow, CountriesPerWindow, MerchantsPerWindow
from rules.rule import Rule

__all__ = ["RULE_TYPES"]

_TYPES: tuple[type[Rule], ...] = (  # type: ignore[type-arg]  # rules of any parameters
    ImpossibleTravel,
    PhoneFarFromCard,
    SimultaneousUse,
    AtmHop,
    NewCountry,
    AtypicalPlace,
    NewDevice,
    CountPerWindow,
    AmountPerWindow,
    MerchantsPerWindow,
    CountriesPerWindow,
    CardTesting,
    Geofence,
    SpoofedLocation,
    SilentPhone,
    UnusualAmount,
    ImpliedOverReported,
)

RULE_TYPES: dict[str, type[Rule]] = {kind.id: kind for kind in _TYPES}  # type: ignore[type-arg]  # as above
"""Every rule of the catalogue by its id, in the order in which they are asked."""
