"""What is remembered of one subject.

SubjectState
├── lanes      one per phone: its packed history, and what its forgotten fixes amount to
├── payments   of the history, in event-time order, each with what was found and what was said of it
├── base/tip   the habits before the first and after the last payment of the history
├── episodes   findings that left the history, as long as they may still grow
└── told       the newest revision of each alert that may still change
"""

from __future__ import annotations

from rules.hits import Hit
from rules.motion.clock import PathPoint
from rules.motion.trace import Trace
from rules.packed import RECORD_BYTES, History
from rules.profile import Profile
from rules.sight import Sight
from rules.told import EpisodeState, Ruling, Told

__all__ = ["MAX_IDS", "MAX_LANES", "MAX_PAYMENTS", "NEVER_NS", "Lane", "Payment", "SubjectState"]

NEVER_NS = -(2**62)
"""Before all time."""
MAX_PAYMENTS = 256
"""Payments that a history holds; more of them shorten it."""
MAX_IDS = 512
"""Transaction ids, as 64-bit hashes, that are remembered to drop repeats."""
MAX_LANES = 4
"""Phones of one subject at a time; the fixes of further ones are thinned away."""
_FIRST_CHECK = 24 * RECORD_BYTES


class Payment:
    """One payment of the history."""

    __slots__ = ("hits", "ordinary", "revision", "row", "ruling", "sight", "unscorable")

    def __init__(self, sight: Sight, row: bytes) -> None:
        self.sight = sight
        self.row = row
        """The transaction (`rules.rows`): an amended decision holds it, too."""
        self.hits: tuple[Hit, ...] = ()
        self.unscorable: str | None = None
        """Why nothing can be said of its place; None where something can."""
        self.ordinary = False
        """A glance was enough to clear it."""
        self.ruling: Ruling | None = None
        self.revision = 0

    @property
    def key(self) -> tuple[int, str]:
        """What sorts payments."""
        return self.sight.event_ns, self.sight.source


class Lane:
    """One phone of the subject."""

    __slots__ = (
        "born_ns",
        "calm",
        "check_at",
        "device",
        "dropped",
        "far_count",
        "far_first_ns",
        "history",
        "path",
        "stays",
        "trace",
        "track_count",
        "track_ns",
    )

    def __init__(self, device: str) -> None:
        self.device = device
        self.history = History()
        self.born_ns = 2**62
        """Time of its first fix ever."""
        self.dropped = 0
        """Fixes that are forgotten."""
        self.calm = True
        """Nothing in the history but one chain of near fixes: nothing to judge."""
        self.trace: Trace | None = None
        """The fold over the forgotten fixes; None while they were one track."""
        self.track_ns = 0
        """Then: when it began, and how many of them there were."""
        self.track_count = 0
        self.path: tuple[PathPoint, ...] = ()
        """Where it moved, coarsely, and where it stopped: of the forgotten fixes."""
        self.stays = b""
        self.far_first_ns = NEVER_NS
        """First of the forgotten fixes that contradicted an older phone, and how many did."""
        self.far_count = 0
        self.check_at = _FIRST_CHECK
        """Length in bytes of the history from which on it is worth while to look for what can be forgotten."""


class SubjectState:
    """Everything remembered of one subject."""

    __slots__ = ("alarmed_ns", "base", "episodes", "floor_ns", "ids", "lanes", "newest_ns", "past", "payments", "settled_ns", "tip", "told")

    def __init__(self, newest_ns: int = NEVER_NS) -> None:
        self.newest_ns = newest_ns
        """Latest event time seen."""
        self.floor_ns = NEVER_NS
        """The history starts here at the earliest, because it was too full before."""
        self.settled_ns = NEVER_NS
        """What one phone says against another is summed up before this time."""
        self.lanes: list[Lane] = []
        self.payments: list[Payment] = []
        self.past: tuple[Sight, ...] = ()
        """Payments of the hour before those: final, but neighbours of what is not."""
        self.ids = b""
        """Hashes of the transactions decided last, oldest first, eight bytes each."""
        self.tip: Profile | None = None
        """Habits after the newest payment; None where there was none."""
        self.base = b""
        """Habits before the first payment of the history; empty where there is none in it, and `tip` holds them."""
        self.episodes: tuple[EpisodeState, ...] = ()
        self.told: dict[str, Told] | None = None
        """None for most people: nothing was found."""
        self.alarmed_ns = NEVER_NS
        """Until when an event may change a finding, because a phone contradicts a card (or, without end, itself): no shortcut is taken."""
