"""A policy with single values replaced: what settings of the same meaning win over the file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypedDict, Unpack

import msgspec

from privacy.policies.model import Aggregates, Policy
from veilocity.settings import Settings

__all__ = ["Overrides", "in_force", "with_overrides"]

_RELEASES = ("k", "l", "t", "tiers_minutes", "delay_s", "idle_s", "drain_s", "hold_loss")
_AS_SETTINGS = ("k", "l", "t", "delay_s", "idle_s", "drain_s", "hold_loss")
"""Those of them that a setting of the same name replaces."""
_SKETCHES = ("sample_size", "bloom_capacity", "bloom_error_rate", "similarity")


class Overrides(TypedDict, total=False):
    """What may be overridden; None leaves the policy's value."""

    policy: str | None
    k: int | None
    l: int | None  # noqa: E741  # its name in the literature
    t: float | None
    tiers_minutes: tuple[int, ...] | None
    delay_s: int | None
    idle_s: int | None
    drain_s: float | None
    hold_loss: float | None
    cell_resolution: int | None
    sample_size: int | None
    bloom_capacity: int | None
    bloom_error_rate: float | None
    similarity: float | None


def with_overrides(policy: Policy, /, **overrides: Unpack[Overrides]) -> Policy:
    """Return the policy with these values in the place of its own; it is judged only when it is compiled.

    Args:
        policy: as written.
        overrides: `policy` (its name), the figures of `releases` and `sketches` by their names, and `cell_resolution`, which is the
            finest cell of releases (with its ancestors two and four up) and of every place that is stored, but
            for places that the policy has coarser. Counts with noise have cells no finer, and are off where windows are no whole hours.

    >>> from privacy.policies.model import DEFAULT_FILE, read_policy
    >>> changed = with_overrides(read_policy(DEFAULT_FILE), k=20, cell_resolution=5)
    >>> changed.releases.k, changed.releases.quasi_identifiers.cell, changed.records["transaction"]["place"]
    (20, (5, 3, 1), {'generalise': {'h3_resolution': 5}})
    """
    given = {name: value for name, value in overrides.items() if value is not None}
    releases = msgspec.structs.replace(policy.releases, **{name: given[name] for name in _RELEASES if name in given})
    sketches = msgspec.structs.replace(policy.sketches, **{name: given[name] for name in _SKETCHES if name in given})
    records, finest = policy.records, overrides.get("cell_resolution")
    if finest is not None:
        before = max(releases.quasi_identifiers.cell, default=finest)
        cells = (finest, max(0, finest - 2), max(0, finest - 4))
        releases = msgspec.structs.replace(releases, quasi_identifiers=msgspec.structs.replace(releases.quasi_identifiers, cell=cells))
        records = {name: {field: _at(written, before, finest) for field, written in fields.items()} for name, fields in records.items()}
    name = overrides.get("policy") or policy.policy
    aggregates = policy.aggregates
    if isinstance(aggregates, Aggregates) and finest is not None:
        aggregates = msgspec.structs.replace(aggregates, cell_resolution=min(aggregates.cell_resolution, finest))
    if "tiers_minutes" in given and releases.tiers_minutes[0] % 60:
        aggregates = "off"
    return msgspec.structs.replace(policy, policy=name, releases=releases, sketches=sketches, records=records, aggregates=aggregates)


def _at(written: object, before: int, finest: int) -> object:
    """Return an operation with its resolution moved along; one that is coarser on purpose is never made finer."""
    if isinstance(written, Mapping):
        return {
            key: _at(_moved(value, before, finest) if key == "h3_resolution" else value, before, finest) for key, value in written.items()
        }
    return written


def _moved(resolution: object, before: int, finest: int) -> object:
    if not isinstance(resolution, int):
        return resolution
    return finest if resolution == before else min(resolution, finest)


def in_force(policy: Policy, settings: Settings) -> Policy:
    """Return the policy with the settings of the privacy stage in the place of its own values.

    A setting that still has its default leaves the policy's value. Windows of another width than the first tier replace the tiers by that
    width and those of the policy that are multiples of it; `privacy_hold_minutes` replaces all tiers but the first.
    """

    def changed(name: str) -> Any:
        value = getattr(settings, f"privacy_{name}")
        return None if value == Settings.model_fields[f"privacy_{name}"].default else value

    figures = {name: changed(name) for name in (*_AS_SETTINGS, "cell_resolution", *_SKETCHES, "policy")}
    return with_overrides(policy, **figures, tiers_minutes=_tiers(policy, changed("window_minutes"), changed("hold_minutes")))


def _tiers(policy: Policy, width: int | None, hold: str | None) -> tuple[int, ...] | None:
    if width is None and hold is None:
        return None
    first, *later = policy.releases.tiers_minutes
    first = first if width is None else width
    if hold is not None:
        return first, *(int(minutes) for minutes in hold.split(",") if minutes)
    return first, *(tier for tier in later if tier > first and tier % first == 0)
