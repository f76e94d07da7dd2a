"""Pseudonyms: keyed hashes that stand for identifiers in one store, and for people during one period only.

    token = first 128 bits of HMAC-SHA-256(K, kind || 0x00 || identifier), as 32 hexadecimal digits
    K     = HMAC-SHA-256(ring key of "pseudonyms/SINK", "period" || 0x00 || kind || 0x00 || start of the period || its length)

The ring's version is the one in force at the start of the period, so that one person has one token during the whole of it. Transactions and
alerts never change, since they name an event and not a person, and whoever refers to one (a payment to its alert) need not know when it
happened: for them the period's start and length are 0 and the version is the ring's oldest.

Guarantees: the same identifier, kind, sink and period have the same token in every process and every replay. Tokens of two sinks, two kinds
or two periods of a person cannot be linked without the ring, so neither can two stores be joined nor a person be followed beyond a period
(EDPB Guidelines 01/2025: a pseudonymisation domain per recipient and time). n identifiers of one domain share a token by accident with a
probability below n^2 / 2^129. Whoever holds the ring can test guesses: a token is a pseudonym, not anonymity.

References: RFC 2104 and FIPS 198-1 (HMAC, truncation as in NIST SP 800-107 Rev. 1, 5.3.3); PCI DSS 4.0.1, requirement 3.5.1.1.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from privacy.identifiers.columns import TextColumn, as_texts
from privacy.identifiers.keyed import KeyedHash, keyed_hash
from privacy.identifiers.keyring import KeyRing
from privacy.tokens import TokenKind
from veilocity.errors import SettingsError
from veilocity.eventtime import window_start_ms

__all__ = ["EVENT_KINDS", "Pseudonymiser"]

EVENT_KINDS = frozenset({TokenKind.TRANSACTION, TokenKind.ALERT})
"""Kinds that name an event and never rotate; all others name a person or a thing of one."""

_KEPT_STATES = 512


class _Domain(NamedTuple):
    """Within what tokens of one identifier are equal."""

    kind: TokenKind
    version: int
    start_ms: int
    width_ms: int


class Pseudonymiser:
    """Makes the tokens of one sink. Not for two threads at once; like the ring, it is never printed or pickled.

    >>> ring = KeyRing([(1, -(2**63), bytes(range(32)))])
    >>> week_ms = 7 * 86_400_000
    >>> mongodb, elasticsearch = Pseudonymiser(ring, "mongodb", week_ms), Pseudonymiser(ring, "elasticsearch", week_ms)
    >>> mongodb.token(TokenKind.CARD, "4111111111111111", 0)
    'fd35d4c40324db7cf8c6246afa88f3f8'
    >>> mongodb.token(TokenKind.CARD, "7", 0) == mongodb.token(TokenKind.CARD, "7", week_ms - 1)
    True
    >>> mongodb.token(TokenKind.CARD, "7", 0) == mongodb.token(TokenKind.CARD, "7", week_ms)
    False
    >>> mongodb.token(TokenKind.ALERT, "7", 0) == elasticsearch.token(TokenKind.ALERT, "7", 0)
    False
    >>> mongodb.tokens(TokenKind.USER, ["7", None], 0) == [mongodb.token(TokenKind.USER, "7", 0), None]
    True
    """

    __slots__ = ("_cache_size", "_known", "_known_size", "_periods", "_ring", "_sink", "_states")

    def __init__(
        self,
        ring: KeyRing,
        sink: str,
        period_ms: int,
        overrides: Mapping[TokenKind, int] | None = None,
        cache_size: int = 262_144,
    ) -> None:
        """Hold the ring and the rules of rotation.

        Args:
            ring: where keys come from.
            sink: name of the store the tokens are for.
            period_ms: during how much event time a person keeps a token, aligned to 1970 UTC; 0 for ever. Take a multiple of the longest
                window in which people are counted by token, or one who is seen on both sides of a change counts twice.
            overrides: other periods of single kinds.
            cache_size: how many identifiers may be remembered with their tokens; 0 for none.

        Raises:
            SettingsError: no sink, a negative period or cache, or a period for a kind that names an event.
        """
        periods = {**dict.fromkeys(TokenKind, period_ms), **(overrides or {}), **dict.fromkeys(EVENT_KINDS, 0)}
        if any((overrides or {}).get(kind) for kind in EVENT_KINDS):
            raise SettingsError("tokens of transactions and alerts do not rotate, or nothing could refer to them: leave their period out")
        if not sink or "/" in sink or min(periods.values()) < 0 or cache_size < 0:
            raise SettingsError("a pseudonymiser needs the name of a sink, and a period and a cache of 0 or more: mend the policy")
        self._ring = ring
        self._sink = sink
        self._periods = periods
        self._cache_size = cache_size
        self._states: dict[_Domain, KeyedHash] = {}
        self._known: dict[_Domain, dict[str | None, str | None]] = {}
        self._known_size = 0

    def token(self, kind: TokenKind, identifier: str, event_ms: int) -> str:
        """Return the token of one identifier: 32 hexadecimal digits.

        Args:
            kind: what it identifies.
            identifier: as it came.
            event_ms: time of the event it belongs to; of a transaction or alert it changes nothing.

        Raises:
            KeyMissingError: the ring has no version for that time.
        """
        return self._state_of(self._domain(kind, event_ms)).tokens([identifier])[0]

    def tokens(self, kind: TokenKind, identifiers: TextColumn, event_ms: int | NDArray[Any]) -> list[str | None]:
        """Return the tokens of a column: element for element what `token` returns, and None where an identifier is missing.

        An identifier that repeats is hashed once per period, here and in later calls as long as it is remembered.

        Args:
            kind: what they identify.
            identifiers: text, with None, NaN or null for a missing one; shape (n,).
            event_ms: one event time for all, or one for each, shape (n,), integers.

        Raises:
            KeyMissingError: the ring has no version for one of the times.
            InvalidInputError: an identifier is not text.
            SettingsError: not as many times as identifiers, or times that are not whole numbers.
        """
        texts = as_texts(identifiers)
        if isinstance(event_ms, int):
            return self._column(self._domain(kind, event_ms), texts) if texts else []
        times = np.asarray(event_ms)
        if times.shape != (len(texts),) or (times.dtype.kind not in "iu" and texts):
            raise SettingsError("a column of tokens needs one event time in whole ms for each identifier, or one for all")
        found: list[str | None] = [None] * len(texts)
        for domain, rows in self._rows_by_domain(kind, times.astype(np.int64)):
            if len(rows) == len(texts):
                return self._column(domain, texts)
            for row, token in zip(rows, self._column(domain, [texts[row] for row in rows]), strict=True):
                found[row] = token
        return found

    def tokens_between(self, kind: TokenKind, identifier: str, from_ms: int, until_ms: int) -> list[str]:
        """Return every token that an identifier had for events from `from_ms` (inclusive) to `until_ms` (exclusive), oldest first.

        This is how a person is found again in a store, to be shown what is kept or to have it deleted.

        Raises:
            KeyMissingError: the ring has no version for the earliest time.
        """
        if until_ms <= from_ms:
            return []
        width_ms = self._periods[kind]
        if width_ms:
            times = list(range(window_start_ms(from_ms, width_ms), until_ms, width_ms))
        else:
            begins = (self._ring.from_ms(version) for version in self._ring.versions)
            times = [from_ms, *(begin for begin in begins if from_ms < begin < until_ms)]
        return list(dict.fromkeys(self.token(kind, identifier, time_ms) for time_ms in times))

    def window_member(self, window_start_ms: int, subject: str, scope: str = "") -> str:
        """Return the pseudonym of a person within one window, with which people are counted and nothing else is joined.

        Args:
            window_start_ms: where the window begins, in event time.
            subject: the person.
            scope: what else keeps pseudonyms apart, such as the tier (two tiers may begin at one time) or the class.

        Raises:
            KeyMissingError: the ring has no version for that time.
        """
        return self.window_members(window_start_ms, [subject], scope)[0]

    def window_members(self, window_start_ms: int, subjects: Sequence[str], scope: str = "") -> list[str]:
        """Return `window_member` of many people; shape (n,)."""
        version = self._ring.version_at(window_start_ms)
        master = self._ring.key(f"window members/{self._sink}", version=version)
        key = hmac.digest(master, _number(window_start_ms) + scope.encode(), "sha256")
        return keyed_hash(key, b"member\x00").tokens(subjects)

    def _domain(self, kind: TokenKind, event_ms: int) -> _Domain:
        if kind in EVENT_KINDS:
            return _Domain(kind, self._ring.versions[0], 0, 0)
        width_ms = self._periods[kind]
        if not width_ms:
            return _Domain(kind, self._ring.version_at(event_ms), 0, 0)
        start_ms = window_start_ms(event_ms, width_ms)
        return _Domain(kind, self._ring.version_at(start_ms), start_ms, width_ms)

    def _rows_by_domain(self, kind: TokenKind, times: NDArray[np.int64]) -> Iterable[tuple[_Domain, list[int]]]:
        width_ms = self._periods[kind]
        if kind in EVENT_KINDS:
            marks = np.zeros_like(times)
        elif width_ms:
            marks = times - times % width_ms
        else:
            begins = [self._ring.from_ms(version) for version in self._ring.versions]
            marks = np.searchsorted(np.array(begins), times, side="right")
        order = np.argsort(marks, kind="stable")
        for rows in np.split(order, np.flatnonzero(np.diff(marks[order])) + 1) if len(order) else []:
            yield self._domain(kind, int(times[rows[0]])), rows.tolist()

    def _column(self, domain: _Domain, texts: list[str | None]) -> list[str | None]:
        known = self._known.get(domain, {None: None})
        missing: Any = [text for text in dict.fromkeys(texts) if text not in known]
        if self._known_size + len(missing) > self._cache_size:
            # Begun anew rather than entry by entry: people who are about come back within a batch or two.
            self._known.clear()
            self._known_size = 0
            known = {None: None}
            missing = [text for text in dict.fromkeys(texts) if text is not None]
        fresh: list[Any] = self._state_of(domain).tokens(missing)
        known.update(zip(missing, fresh, strict=True))
        if len(missing) <= self._cache_size:
            self._known[domain] = known
            self._known_size += len(missing)
        return fresh if len(missing) == len(texts) else list(map(known.__getitem__, texts))

    def _state_of(self, domain: _Domain) -> KeyedHash:
        """Return the state after the key and the kind, remembered for the last domains."""
        found = self._states.get(domain)
        if found is None:
            master = self._ring.key(f"pseudonyms/{self._sink}", version=domain.version)
            name = domain.kind.value.encode() + b"\x00"
            label = b"period\x00" + name + _number(domain.start_ms) + _number(domain.width_ms)
            found = keyed_hash(hmac.digest(master, label, "sha256"), name)
            if len(self._states) >= _KEPT_STATES:
                self._states.clear()
            self._states[domain] = found
        return found

    def __repr__(self) -> str:
        return f"Pseudonymiser(sink={self._sink!r}, keys hidden)"

    def __reduce__(self) -> str:
        # A pickle would carry the keys, and with its cache the identifiers.
        raise TypeError("a pseudonymiser is not pickled: let each process make one from its own key ring")


def _number(value: int) -> bytes:
    return value.to_bytes(8, "big", signed=True)
