"""Why a policy's releases, aggregates, sketches and sinks are not safe: each function is one danger, with its reason and source."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from privacy.policies.catalogue import SENSITIVE_VALUES, SINKS
from privacy.policies.draft import Draft, Fault
from privacy.policies.model import Aggregates, Hierarchies

__all__ = ["RELEASE_DANGERS"]

_MINUTE_S = 60
_FULL = Hierarchies()
_MOST_EPSILON, _MOST_DELTA = 10.0, 1e-5
_FINEST_CELL = 9


def k_below_two(draft: Draft) -> Iterator[Fault]:
    """A class of one person is that person.

    Source: Sweeney, "k-anonymity", IJUFKS 10 (2002).
    """
    if draft.policy.releases.k < 2:
        yield Fault("k-below-two", "releases.k", "", "a class of one person hides nobody: write k: 2 or more (5 is usual)")


def l_impossible(draft: Draft) -> Iterator[Fault]:
    """A class cannot hold more different values than there are: everything would be suppressed, and a typing error would look like safety.

    Source: Machanavajjhala et al., "l-diversity", TKDD 1 (2007).
    """
    releases = draft.policy.releases
    if releases.l < 1:
        yield Fault(
            "l-impossible", "releases.l", "", "a class has at least one value: write l: 1 to ask nothing, 2 or more to ask for variety"
        )
    for name in releases.sensitive:
        values = SENSITIVE_VALUES.get(name)
        if values is not None and releases.l > values:
            yield Fault("l-impossible", "releases.l", "", f"{name} has {values} values: write l: {values} or less")


def t_out_of_range(draft: Draft) -> Iterator[Fault]:
    """A distance between distributions lies between 0 and 1; 0 would suppress everything.

    Source: Li, Li, Venkatasubramanian, "t-Closeness", ICDE 2007.
    """
    if not 0.0 < draft.policy.releases.t <= 1.0:
        yield Fault("t-out-of-range", "releases.t", "", "t is a distance above 0 and up to 1: write t: 0.3, or 1 to ask nothing")


def sensitive_unfit(draft: Draft) -> Iterator[Fault]:
    """What is printed of a class as a quasi-identifier is the same for all its members, so it cannot be what the class hides.

    Source: Machanavajjhala et al., "l-diversity", TKDD 1 (2007), section 2.
    """
    releases = draft.policy.releases
    printed = (*Hierarchies.__struct_fields__, "place", "authorised_ms", "amount_minor")
    for name in releases.sensitive:
        if name in printed:
            sentence = f"{name} is a quasi-identifier, which is printed: take it out; {_choices()} can be sensitive"
            yield Fault("sensitive-unfit", "releases.sensitive", "", sentence)
        elif name not in SENSITIVE_VALUES:
            yield Fault(
                "sensitive-unfit", "releases.sensitive", "", f"'{name}' is no field of a payment that can be sensitive: write {_choices()}"
            )
    if not releases.sensitive and (releases.l > 1 or releases.t < 1.0):
        sentence = "l and t are about a sensitive value, and none is named: write sensitive: [verdict]"
        yield Fault("sensitive-unfit", "releases.sensitive", "", sentence)


def _choices() -> str:
    return ", ".join(name for name in SENSITIVE_VALUES if name not in Hierarchies.__struct_fields__)


def tiers_not_nested(draft: Draft) -> Iterator[Fault]:
    """Windows that overlap without containing each other put one payment into two classes, and intersecting these finds it.

    Source: Xiao and Tao, "m-invariance", SIGMOD 2007.
    """
    tiers = draft.policy.releases.tiers_minutes
    if not tiers or tiers[0] < 1:
        yield Fault("tiers-not-nested", "releases.tiers_minutes", "", "a window has at least a minute: write [60, 360, 1440]")
    elif any(wide <= narrow or wide % narrow for narrow, wide in pairwise(tiers)):
        sentence = "each tier must be a multiple of the one before and wider: write [60, 360, 1440]"
        yield Fault("tiers-not-nested", "releases.tiers_minutes", "", sentence)
    if len(tiers) > len(_FULL.time):
        sentence = f"there are {len(_FULL.time)} levels of time, so at most {len(_FULL.time)} tiers: take the rest out"
        yield Fault("tiers-not-nested", "releases.tiers_minutes", "", sentence)


def levels_unsupported(draft: Draft) -> Iterator[Fault]:
    """A hierarchy that the release does not climb would be a promise that nobody keeps.

    Cells climb two resolutions at a time, the other quasi-identifiers as `privacy.hierarchies` has them.
    """
    written = draft.policy.releases.quasi_identifiers
    finest = written.cell[0] if written.cell else -1
    climbed = (finest, max(0, finest - 2), max(0, finest - 4))
    if not 0 <= finest <= _FINEST_CELL or written.cell != climbed:
        sentence = "a cell and its ancestors two and four resolutions up, the finest at most 9: write [7, 5, 3]"
        yield Fault("levels-unsupported", "releases.quasi_identifiers.cell", "", sentence)
    for name in ("time", "amount_band", "category"):
        levels = getattr(_FULL, name)
        if getattr(written, name) != levels:
            sentence = f"releases climb these levels and no others: write [{', '.join(levels)}]"
            yield Fault("levels-unsupported", f"releases.quasi_identifiers.{name}", "", sentence)


def waits_nonsense(draft: Draft) -> Iterator[Fault]:
    """Waits that contradict each other lose payments as late, or hold them past the deadline that was promised."""
    releases = draft.policy.releases
    deadline_s = max(releases.tiers_minutes, default=0) * _MINUTE_S
    for name in ("delay_s", "idle_s", "drain_s"):
        if getattr(releases, name) < 0:
            yield Fault("waits-nonsense", f"releases.{name}", "", "a wait is not negative: write 0 or more")
    if releases.delay_s > deadline_s:
        sentence = f"it is longer than the last tier: write {deadline_s} or less"
        yield Fault("waits-nonsense", "releases.delay_s", "", sentence)
    if releases.idle_s < releases.delay_s:
        sentence = f"a partition would count as silent before its late payments may come: write {releases.delay_s} or more"
        yield Fault("waits-nonsense", "releases.idle_s", "", sentence)
    if releases.drain_s > deadline_s:
        sentence = f"a silent stream would hold payments past their deadline: write {deadline_s} or less, or 0 for never"
        yield Fault("waits-nonsense", "releases.drain_s", "", sentence)
    if not 0.0 <= releases.hold_loss <= 1.0:
        yield Fault("waits-nonsense", "releases.hold_loss", "", "a loss lies between 0 and 1: write 0.5")


def aggregates_unsafe(draft: Draft) -> Iterator[Fault]:
    """A large epsilon is no promise (e^10 = 22,026 to 1), and a large delta lets single people through.

    Source: Dwork and Roth, "The Algorithmic Foundations of Differential Privacy" (2014), section 2.3.
    """
    aggregates = draft.policy.aggregates
    if not isinstance(aggregates, Aggregates):
        return
    if not 0.0 < aggregates.epsilon <= _MOST_EPSILON:
        yield Fault("aggregates-unsafe", "aggregates.epsilon", "", "epsilon lies above 0 and up to 10: write 1.0 or the like")
    if not 0.0 < aggregates.delta <= _MOST_DELTA:
        sentence = "cells are not public, so delta lies above 0, and at most 1e-5: write 1e-7 or the like"
        yield Fault("aggregates-unsafe", "aggregates.delta", "", sentence)
    if aggregates.person_epsilon is not None and aggregates.person_epsilon < aggregates.epsilon:
        sentence = "a person's budget must last for one window at least: write epsilon or more, or leave it out for what all windows cost"
        yield Fault("aggregates-unsafe", "aggregates.person_epsilon", "", sentence)
    if any(minutes % 60 for minutes in draft.policy.releases.tiers_minutes[:1]):
        sentence = "counts are made by whole hours: begin releases.tiers_minutes with 60 or a multiple, or write aggregates: off"
        yield Fault("aggregates-unsafe", "releases.tiers_minutes", "", sentence)
    for name in ("contributions", "horizon_days"):
        if getattr(aggregates, name) < 1:
            yield Fault("aggregates-unsafe", f"aggregates.{name}", "", "it must be bounded, by 1 or more: write a whole number")
    if not 0 <= aggregates.cell_resolution <= _FINEST_CELL:
        yield Fault("aggregates-unsafe", "aggregates.cell_resolution", "", "an H3 resolution between 0 and 9: write 5 or the like")


def sketches_nonsense(draft: Draft) -> Iterator[Fault]:
    """A filter without room or with a certain error answers nothing, and a similarity of 0 makes one group of all."""
    sketches = draft.policy.sketches
    for name, fine, instead in (
        ("sample_size", sketches.sample_size >= 1, "1 or more"),
        ("bloom_capacity", sketches.bloom_capacity >= 1000, "1000 or more"),
        ("bloom_error_rate", 0.0 < sketches.bloom_error_rate < 1.0, "a rate between 0 and 1, as 0.001"),
        ("similarity", 0.0 < sketches.similarity < 1.0, "a similarity between 0 and 1, as 0.7"),
    ):
        if not fine:
            yield Fault("sketches-nonsense", f"sketches.{name}", "", f"it is out of range: write {instead}")


def sinks_unknown(draft: Draft) -> Iterator[Fault]:
    """A store that the policy forgets would get documents that nobody judged."""
    if sorted(draft.policy.sinks.stores) != sorted(SINKS):
        yield Fault("sinks-unknown", "sinks.stores", "", f"documents go to these stores and no others: write [{', '.join(SINKS)}]")


RELEASE_DANGERS = {
    "k-below-two": k_below_two,
    "l-impossible": l_impossible,
    "t-out-of-range": t_out_of_range,
    "sensitive-unfit": sensitive_unfit,
    "tiers-not-nested": tiers_not_nested,
    "levels-unsupported": levels_unsupported,
    "waits-nonsense": waits_nonsense,
    "aggregates-unsafe": aggregates_unsafe,
    "sketches-nonsense": sketches_nonsense,
    "sinks-unknown": sinks_unknown,
}
"""Short name to function."""
