"""What the privacy stage promises, as one value: settings that, once a stage has begun, must not change under it."""

from __future__ import annotations

import hmac
from collections.abc import Sequence

import msgspec

from privacy.anonymity import Limits
from privacy.hierarchies import covering_level
from privacy.identifiers.keyring import KeyRing
from privacy.policies.compiling import CompiledPolicy, compile_policy
from privacy.policies.model import DEFAULT_FILE, read_policy
from privacy.policies.operators import Seal
from privacy.policies.overrides import in_force
from privacy.regions import Terms
from privacy.rounding import MINUTE_MS
from privacy.tokens import TokenKind
from privacy.windows import Window, WindowPolicy
from veilocity.errors import UnsafePolicyError
from veilocity.eventtime import window_start_ms
from veilocity.settings import Settings

__all__ = ["Policy", "compiled_policy", "key_checks"]

_EVIDENCE = "alert.evidence"
_SENSITIVE = ("verdict",)


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
    key_checks: tuple[str, ...]
    """`key_checks` of the ring: with other keys records would no longer join. Versions may be added."""
    digest: str
    """`CompiledPolicy.digest`: what becomes of every field."""
    period_ms: int
    """During how much event time a person has one position; 0 for ever."""
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

    def changes(self, later: Policy) -> tuple[str, ...]:
        """Return the names of what differs in a later promise; key versions that were added do not.

        The digest is named only where nothing else says what changed.
        """
        names = [name for name in self.__struct_fields__ if name not in ("key_checks", "digest")]
        changed = [name for name in names if getattr(self, name) != getattr(later, name)]
        if later.key_checks[: len(self.key_checks)] != self.key_checks:
            changed.append("key_checks")
        if not changed and later.digest != self.digest:
            changed.append("digest")
        return tuple(changed)

    @classmethod
    def of(cls, compiled: CompiledPolicy, settings: Settings, checks: Sequence[str]) -> Policy:
        """Return the promise of a policy and these settings.

        Args:
            compiled: the policy in force.
            settings: what the operator wants besides.
            checks: `key_checks` of the key ring in use.

        Raises:
            SettingsError: the widths of windows are not multiples of each other.
        """
        releases, sketches = compiled.releases, compiled.sketches
        width, *later = (minutes * MINUTE_MS for minutes in releases.tiers_minutes)
        return cls(
            name=compiled.name,
            k=releases.k,
            windows=WindowPolicy(
                width_ms=width,
                delay_ms=releases.delay_s * 1000,
                idle_ms=releases.idle_s * 1000,
                later_ms=tuple(later),
                drain_ms=round(releases.drain_s * 1000),
            ),
            cell_resolution=releases.quasi_identifiers.cell[0],
            sample_size=sketches.sample_size,
            bloom_capacity=sketches.bloom_capacity,
            bloom_error_rate=sketches.bloom_error_rate,
            similarity=sketches.similarity,
            key_checks=tuple(checks),
            digest=compiled.digest,
            period_ms=compiled.period_ms(TokenKind.SUBJECT) or 0,
            l=releases.l,
            t=releases.t,
            hold_loss=releases.hold_loss,
            region_rows=settings.privacy_region_rows,
        )


def compiled_policy(settings: Settings) -> CompiledPolicy:
    """Return the policy that these settings put in force.

    Raises:
        UnsafePolicyError: the file cannot be read, the policy is dangerous, or it asks for what this stage does not do.
    """
    compiled = compile_policy(in_force(read_policy(settings.privacy_policy_file or DEFAULT_FILE), settings))
    for rule in compiled.rules:
        if isinstance(rule.operator, Seal) and rule.where != _EVIDENCE:
            raise UnsafePolicyError(f"{rule.where} has no place for a sealed value: write drop, as {_EVIDENCE} alone can be sealed")
    if compiled.releases.sensitive not in (_SENSITIVE, ()):
        raise UnsafePolicyError("the stage guards the verdict of a class and nothing else: write sensitive: [verdict]")
    return compiled


def key_checks(ring: KeyRing) -> tuple[str, ...]:
    """Return 8 hexadecimal digits of each version of a key ring, oldest first: they tell another key or time, and nothing of the keys.

    >>> from privacy.identifiers.keyring import ALWAYS_MS
    >>> one, two = (1, ALWAYS_MS, bytes(32)), (2, 1_000_000, bytes(range(32)))
    >>> key_checks(KeyRing([one, two]))[:1] == key_checks(KeyRing([one])) != key_checks(KeyRing([(1, ALWAYS_MS, bytes(range(32)))]))
    True
    """
    return tuple(
        hmac.digest(ring.key("check value", version=version), f"version {version} {ring.from_ms(version)}".encode(), "sha256")[:4].hex()
        for version in ring.versions
    )
