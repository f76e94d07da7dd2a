"""What operators need of keys, from one key ring: pseudonyms, ciphers, sealing and noise for one sink.

Only what a policy uses is made, and the packages of the others are not even imported. Nothing here is pickled: each process reads its own
key ring and makes its own tools.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from privacy.policies.compiling import CompiledPolicy
from privacy.policies.model import PERSON_KINDS
from privacy.policies.operators import Encrypt, Token, Tools
from privacy.tokens import TokenKind

if TYPE_CHECKING:
    from privacy.identifiers.card_tokens import CardCipher
    from privacy.identifiers.keyring import KeyRing
    from privacy.identifiers.sealing import SubjectKeyStore

__all__ = ["SHARED", "tools_for"]

SHARED = "shared"
"""The sink for whose sake tokens that all stores share are made."""
_CIPHER_PURPOSE = "identifiers/ff1"
_NOISE_PURPOSE = "noise"
_KEPT_CIPHERS = 64


def tools_for(policy: CompiledPolicy, ring: KeyRing, sink: str, subject_keys: SubjectKeyStore | None = None) -> Tools:
    """Return the services that a policy needs for one sink.

    Args:
        policy: in force.
        ring: the keys.
        sink: `mongodb` or `elasticsearch`; its tokens join with no other sink's.
        subject_keys: where persons' keys are kept; without it nothing can be sealed, and a policy that seals is refused at its first value.
    """
    from privacy.identifiers.pseudonyms import Pseudonymiser  # noqa: PLC0415  # imports NumPy, which a policy check does not need

    periods = {kind: policy.period_ms(kind) or 0 for kind in PERSON_KINDS}
    shared = any(isinstance(rule.operator, Token | Encrypt) and rule.operator.scope == "shared" for rule in policy.rules)
    vault = None
    if subject_keys is not None and policy.uses("seal"):
        from privacy.identifiers.sealing import Sealer  # noqa: PLC0415  # only where something is sealed

        vault = Sealer(ring, subject_keys)
    return Tools(
        pseudonymiser=Pseudonymiser(ring, sink, periods[TokenKind.SUBJECT], periods),
        shared_pseudonymiser=Pseudonymiser(ring, SHARED, periods[TokenKind.SUBJECT], periods) if shared else None,
        cipher=_Ciphers(ring) if policy.uses("encrypt") else None,
        truncation=_Truncation() if policy.uses("mask") else None,
        vault=vault,
        noise=_KeyedNoise(ring) if policy.uses("noise") else None,
    )


class _Ciphers:
    """FF1 under the ring's keys."""

    __slots__ = ("_cards", "_ring")

    def __init__(self, ring: KeyRing) -> None:
        self._ring = ring
        self._cards: dict[str, CardCipher] = {}

    def encrypt(self, text: str, radix: int, tweak: str, event_ms: int) -> str:
        """Return the ciphertext of an identifier."""
        from privacy.identifiers.ff1 import FF1  # noqa: PLC0415  # only where something is encrypted

        return FF1(self._ring.key(_CIPHER_PURPOSE, event_ms), radix).encrypt(text, tweak.encode())

    def encrypt_card(self, number: str, tweak: str, event_ms: int) -> str:
        """Return the ciphertext of a card number."""
        from privacy.identifiers.card_tokens import CardCipher  # noqa: PLC0415  # only where something is encrypted

        if tweak not in self._cards:
            if len(self._cards) >= _KEPT_CIPHERS:
                self._cards.clear()
            self._cards[tweak] = CardCipher(self._ring, tweak)
        return self._cards[tweak].encrypt(number, event_ms)


class _Truncation:
    """Card numbers cut by their brand and length."""

    __slots__ = ()

    def truncate(self, number: str, first: int, last: int) -> str:
        """Return the first and last digits, fewer where brand and length demand it."""
        from privacy.identifiers.cards import brand_of, truncate, truncation_format  # noqa: PLC0415  # only where something is cut

        most = truncation_format(brand_of(number), len(number))
        return truncate(number, min(first, most.first), min(last, most.last))


class _KeyedNoise:
    """Noise from one key for all sinks: two keys would be two releases of the same value."""

    __slots__ = ("_ring",)

    def __init__(self, ring: KeyRing) -> None:
        self._ring = ring

    def place(self, lat: float, lon: float, epsilon_per_m: float, record_id: str, event_ms: int) -> tuple[float, float]:
        """Return the moved place in degrees."""
        from privacy.differential.places import noisy_place  # noqa: PLC0415  # only where noise is drawn

        key = self._ring.key(_NOISE_PURPOSE, event_ms)
        return noisy_place(lat, lon, epsilon_per_m=epsilon_per_m, key=key, record=record_id)

    def amount(self, amount_minor: int, scale_minor: int, record_id: str, event_ms: int) -> int:
        """Return the noisy amount in minor units."""
        from privacy.differential.places import noisy_amount  # noqa: PLC0415  # only where noise is drawn

        key = self._ring.key(_NOISE_PURPOSE, event_ms)
        return noisy_amount(amount_minor, epsilon_per_minor=1.0 / scale_minor, key=key, record=record_id)
