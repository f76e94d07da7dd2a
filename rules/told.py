"""What was said: the ruling on a payment, an episode of findings, and the newest revision of its alert."""

from __future__ import annotations

import msgspec

from rules.hits import Hit
from veilocity.contracts import Severity, Verdict

__all__ = ["EpisodeState", "Ruling", "Told"]


class Ruling(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What was said of one payment."""

    verdict: Verdict
    score: float
    reasons: tuple[str, ...]
    rules: tuple[str, ...]
    alert_id: str | None
    severity: Severity | None


class EpisodeState(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Hits of one cause: the first, the strongest, the newest."""

    rule: str
    group: str
    anchor: str
    """Of the first hit: the alert's identity."""
    first_ns: int
    last_ns: int
    count: int
    events: tuple[str, ...]
    strongest: Hit
    place: tuple[int, int] | None


class Told(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The newest revision of an alert that was told."""

    revision: int
    content: bytes
    """Hash of what it said."""
    retracted: bool
    last_ns: int
    episode: EpisodeState
