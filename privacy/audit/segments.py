"""What a document of segments must keep: people of each at least k, k at least 2, and people that add up."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

__all__ = ["SEGMENTS", "segment_faults"]

SEGMENTS = "segments"
"""Collection of the segments."""
_FIELDS = frozenset(("segment", "people", "payments_per_day", "mean_amount", "night_share", "distance_km", "online_share", "words"))


def segment_faults(fields: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Give path and reason of everything that is wrong with a document.

    >>> list(segment_faults({"k": 5, "people": 4, "segments": [{"segment": "A", "people": 4}]}))
    [('segments[].people', 'is a segment of fewer than k people')]
    >>> list(segment_faults({"k": 1, "people": 9, "segments": [{"people": 8, "members": ["a"]}]}))
    [('k', 'is below 2'), ('segments[]', 'has a field that no segment has'), ('people', 'is not the sum of the segments')]
    """
    k, segments = _whole(fields.get("k")), fields.get("segments")
    found = [one for one in segments if isinstance(one, dict)] if isinstance(segments, list) else []
    if k < 2:
        yield "k", "is below 2"
    for one in found:
        if _whole(one.get("people")) < k:
            yield "segments[].people", "is a segment of fewer than k people"
        if not one.keys() <= _FIELDS:
            yield "segments[]", "has a field that no segment has"
    if sum(_whole(one.get("people")) for one in found) != _whole(fields.get("people")):
        yield "people", "is not the sum of the segments"


def _whole(value: object) -> int:
    return int(value) if isinstance(value, int) and not isinstance(value, bool) else 0
