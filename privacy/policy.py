"""What the privacy stage promises, as one value: settings that, once a stage has begun, must not change under it."""

from __future__ import annotations

import msgspec

from privacy.anonymity import Limits
from privacy.hierarchies import covering_level
from privacy.regions import Terms
from privacy.rounding import MINUTE_MS
from privacy.windows import Window, WindowPolicy
from veilocity.eventtime import window_start_ms
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
    l: int = 1  # noqa: E741  # the name of the parameter everywhere
    """Fewest distinct verdicts in a class."""
    t: float = 1.0
    """Largest distance of the verdicts of a class from those of its window."""
    hold_loss: float = 0.5
    """Where a wider window is to come, payments that would lose more than this are held for it."""
    region_rows: int = 50_000
    """Payments from which a window is cut by region."""

    def terms(self, window: Window) -> Terms:
        """Return what a window is released under.

        Only the last tier hides whatever it must; and from the second tier on times are printed as wide as the window is, because its
        payments are what several windows left.
        """
        width_ms = self.windows.widths_ms[window.tier]
        start_ms = window_start_ms(window.start_ms, width_ms)
        last = window.tier == self.windows.last_tier
        return Terms(
            limits=Limits(self.k, self.l, self.t, loss=1.0 if last else self.hold_loss),
            region_loss=self.hold_loss,
            region_rows=self.region_rows,
            time_level=covering_level(start_ms, start_ms + width_ms) if window.tier else 0,
        )

    @classmethod
    def of(cls, settings: Settings, partitions: int, key_check: str) -> Policy:
        """Return the promise of these settings.

        Args:
            settings: what the operator wants.
            partitions: partitions of the topic `decisions`.
            key_check: check value of the token key in use.

        Raises:
            SettingsError: the widths of windows are not multiples of each other.
        """
        return cls(
            name=settings.privacy_policy,
            k=settings.privacy_k,
            windows=WindowPolicy(
                width_ms=settings.privacy_window_minutes * MINUTE_MS,
                delay_ms=settings.privacy_delay_s * 1000,
                idle_ms=settings.privacy_idle_s * 1000,
                partitions=partitions,
                later_ms=tuple(int(minutes) * MINUTE_MS for minutes in settings.privacy_hold_minutes.split(",") if minutes),
                drain_ms=round(settings.privacy_drain_s * 1000),
            ),
            cell_resolution=settings.privacy_cell_resolution,
            sample_size=settings.privacy_sample_size,
            bloom_capacity=settings.privacy_bloom_capacity,
            bloom_error_rate=settings.privacy_bloom_error_rate,
            similarity=settings.privacy_similarity,
            key_check=key_check,
            l=settings.privacy_l,
            t=settings.privacy_t,
            hold_loss=settings.privacy_hold_loss,
            region_rows=settings.privacy_region_rows,
        )
