"""Counts with noise as the page shows them: what the windows cost a person, which were refused, and the running total. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from storage.documents import AggregateDocument, NoisyCount, NoisyShare, RunningTotal

__all__ = ["BudgetPicture", "PublishedWindow", "picture_budget"]


class PublishedWindow(msgspec.Struct, frozen=True):
    """One window as a whole: published with noise, or refused."""

    start_ms: int
    end_ms: int
    epsilon: float
    refused: bool
    payments: NoisyCount | None
    flagged: NoisyCount | None
    fraud_rate: NoisyShare | None


class BudgetPicture(msgspec.Struct, frozen=True):
    """What the windows shown have cost whoever paid in each of them, and what any person can lose at most."""

    windows: tuple[PublishedWindow, ...]
    """Newest first, all of one policy."""
    policy: str
    epsilon: float
    """Of the newest window that was published; 0 where all were refused."""
    delta: float
    spent: float
    """Sum of epsilon over the windows shown: basic composition."""
    person_epsilon: float
    """Most that one person loses in any stretch of `horizon_days`."""
    person_delta: float
    horizon_days: int
    confidence: float
    payments_per_person: int
    refused: int
    """Windows shown that the budget refused."""
    epsilon_left: float | None
    """Of the newest window, if it was refused: what the budget had left."""
    total: RunningTotal | None
    """Of the newest window that was published."""


def picture_budget(documents: Sequence[AggregateDocument]) -> BudgetPicture | None:
    """Return what the page shows of the published windows, or None where there are none.

    Args:
        documents: of whole windows, newest first; those of another policy than the newest are left out.
    """
    if not documents:
        return None
    newest = documents[0]
    shown = [one for one in documents if one.policy == newest.policy]
    published = next((one for one in shown if not one.refused), None)
    return BudgetPicture(
        windows=tuple(
            PublishedWindow(
                one.window_start_ms, one.window_end_ms, one.terms.epsilon, one.refused, one.payments, one.flagged, one.fraud_rate
            )
            for one in shown
        ),
        policy=newest.policy,
        epsilon=published.terms.epsilon if published else 0.0,
        delta=published.terms.delta if published else 0.0,
        spent=round(sum(one.terms.epsilon for one in shown), 6),
        person_epsilon=newest.terms.person_epsilon,
        person_delta=newest.terms.person_delta,
        horizon_days=newest.terms.horizon_days,
        confidence=newest.terms.confidence,
        payments_per_person=newest.terms.payments_per_person,
        refused=sum(one.refused for one in shown),
        epsilon_left=newest.epsilon_left,
        total=published.total if published else None,
    )
