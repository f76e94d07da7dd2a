"""A policy as it is written: one YAML file, typed, unknown words refused. `compiling.compile_policy` says whether it is safe.

The sections of fields (`records`) are kept as plain data here, because each operation is judged with the field that it is for, so that all
faults are told at once.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

from privacy.policies.text import parse
from privacy.tokens import TokenKind
from veilocity.errors import UnsafePolicyError

__all__ = [
    "DEFAULT_FILE",
    "PERSON_KINDS",
    "PSEUDONYMS_KEY",
    "Aggregates",
    "Hierarchies",
    "Policy",
    "Pseudonyms",
    "Releases",
    "Sinks",
    "Sketches",
    "policy_of",
    "read_policy",
]

DEFAULT_FILE = Path(__file__).parent / "default.yaml"
PERSON_KINDS = (TokenKind.SUBJECT, TokenKind.CARD, TokenKind.DEVICE, TokenKind.USER)
"""Kinds whose pseudonyms change with the period; the others name an event."""
PSEUDONYMS_KEY = "pseudonyms"
"""Purpose, in the key ring, of the keys that make tokens."""


class _Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A part of a policy: an unknown word in it is refused."""


class Sinks(_Section, frozen=True, kw_only=True):
    """The stores, and whether who reads both may join them."""

    stores: tuple[str, ...] = ("mongodb", "elasticsearch")
    joinable: bool = False


class Pseudonyms(_Section, frozen=True, kw_only=True):
    """How long a person's pseudonym stays the same."""

    key: str = PSEUDONYMS_KEY
    """Purpose in the key ring; every token is keyed."""
    period_days: int = 7
    """Days of event time, aligned to 1970."""
    kinds: dict[Literal["subject", "card", "device", "user"], int] = {}
    """Other periods, by kind."""


class Hierarchies(_Section, frozen=True, kw_only=True):
    """What is printed of each quasi-identifier, narrow to wide; `*` stands above all and is not written."""

    cell: tuple[int, ...] = (7, 5, 3)
    """H3 resolutions."""
    time: tuple[Literal["hour", "six_hours", "day"], ...] = ("hour", "six_hours", "day")
    amount_band: tuple[Literal["band", "decade", "currency"], ...] = ("band", "decade", "currency")
    category: tuple[Literal["category", "group"], ...] = ("category", "group")


class Releases(_Section, frozen=True, kw_only=True):
    """What a released class must satisfy, and how long it may wait for that."""

    quasi_identifiers: Hierarchies = Hierarchies()
    sensitive: tuple[str, ...] = ("verdict",)
    k: int = 5
    """Fewest distinct people of a class."""
    l: int = 1  # noqa: E741  # its name in the literature
    """Fewest distinct sensitive values of a class; 1 asks nothing."""
    t: float = 1.0
    """Largest distance between the sensitive values of a class and of its window; 1 asks nothing."""
    tiers_minutes: tuple[int, ...] = (60, 360, 1440)
    """Widths of the windows in which a payment may find its class, the last being the deadline."""
    delay_s: int = 600
    idle_s: int = 86_400
    drain_s: float = 900.0
    """Silence of the whole stream after which open windows are closed; 0 for never."""
    hold_loss: float = 0.5
    """A payment is held for the next tier rather than put into a class that costs it more than this."""


class Aggregates(_Section, frozen=True, kw_only=True):
    """Published counts with noise (differential privacy)."""

    epsilon: float
    """Of one closed window."""
    delta: float
    contributions: int
    """Payments of one person that count in one window."""
    cell_resolution: int
    horizon_days: int
    """How long one person's budget must last."""
    person_epsilon: float | None = None
    """Most that one person loses in any stretch of the horizon, after which windows are refused; None for what all of them cost."""


class Sketches(_Section, frozen=True, kw_only=True):
    """Sizes of the sketches."""

    sample_size: int = 500
    bloom_capacity: int = 1_000_000
    bloom_error_rate: float = 0.001
    similarity: float = 0.7


class Policy(_Section, frozen=True, kw_only=True):
    """One policy as written: not yet judged."""

    policy: str
    """Its name."""
    version: int
    """Of the policy: raise it with every change, as it is written into what is released."""
    records: dict[str, dict[str, object]]
    """Record to field to operation."""
    releases: Releases
    sinks: Sinks = Sinks()
    pseudonyms: Pseudonyms = Pseudonyms()
    aggregates: Aggregates | Literal["off"] = "off"
    sketches: Sketches = Sketches()

    def period_days(self, kind: TokenKind) -> int | None:
        """Return after how many days a pseudonym of this kind changes; None for kinds that name an event."""
        if kind not in PERSON_KINDS:
            return None
        return {str(name): days for name, days in self.pseudonyms.kinds.items()}.get(kind.value, self.pseudonyms.period_days)


def read_policy(path: Path) -> Policy:
    """Read a policy file; whether it is safe is not asked yet.

    Raises:
        UnsafePolicyError: it cannot be read, is not YAML, or has an unknown section, word or type; names file and place.

    >>> read_policy(DEFAULT_FILE).releases.k
    5
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as cause:
        raise UnsafePolicyError(f"{path.name}: the file cannot be read ({type(cause).__name__}): name a policy file") from cause
    return policy_of(text, path.name)


def policy_of(text: str, name: str) -> Policy:
    """Return the policy that a text writes.

    Args:
        text: YAML.
        name: of the file, for messages.

    Raises:
        UnsafePolicyError: as `read_policy`.

    >>> policy_of("policy: mine", "mine.yaml")
    Traceback (most recent call last):
    veilocity.errors.UnsafePolicyError: mine.yaml: Object missing required field `version`: see docs/privacy-policy.md
    """
    try:
        return msgspec.convert(parse(text, name), Policy)
    except msgspec.ValidationError as cause:
        # The message ends with where it is, as a path from `$`.
        fault, _, place = str(cause).partition(" - at `$")
        where = place.rstrip("`").lstrip(".")
        raise UnsafePolicyError(f"{name}: {where + ': ' if where else ''}{fault}: see docs/privacy-policy.md") from cause
