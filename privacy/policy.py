"""What the privacy stage promises, as one value: settings that, once a stage has begun, must not change under it."""

from __future__ import annotations

import msgspec

from privacy.rounding import MINUTE_MS
from privacy.windows import WindowPolicy
from veilocity.settings import Settings

__all__ = ["Policy"]


class Policy(msgspec.Struct, frozen=True):
    """The promise of one stage. It is saved with the ledger; another promise needs a new stage."""

    name: str
    k: int
    windows: WindowPolicy
    cell_resolution: int
    sample_size: int
    bloom_capacity: int
    bloom_error_rate: float
    similarity: float
    key_check: str
    """`Tokeniser.check_value`: with another key, records would no longer join."""

    @classmethod
    def of(cls, settings: Settings, partitions: int, key_check: str) -> Policy:
        """Return the promise of these settings.

        Args:
            settings: what the operator wants.
            partitions: partitions of the topic `decisions`.
            key_check: check value of the token key in use.
        """
        return cls(
            name=settings.privacy_policy,
            k=settings.privacy_k,
            windows=WindowPolicy(
                width_ms=settings.privacy_window_minutes * MINUTE_MS,
                delay_ms=settings.privacy_delay_s * 1000,
                idle_ms=settings.privacy_idle_s * 1000,
                partitions=partitions,
            ),
            cell_resolution=settings.privacy_cell_resolution,
            sample_size=settings.privacy_sample_size,
            bloom_capacity=settings.privacy_bloom_capacity,
            bloom_error_rate=settings.privacy_bloom_error_rate,
            similarity=settings.privacy_similarity,
            key_check=key_check,
        )
