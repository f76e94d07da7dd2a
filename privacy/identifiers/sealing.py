"""Sealing: evidence about a person is encrypted under a key of that person alone, and forgetting the person is deleting that key.

    data key  = 64 random bytes per person, stored wrapped: AES key wrap (RFC 3394) under
                HMAC-SHA-256(ring key of "subject-keys", owner token), so a wrapped key opens for its owner only
    sealed    = format || ring version || header || body
    header    = AES-SIV(ring key of "sealed owners", owner token;       associated: document id, field)
    body      = AES-SIV(data key, text;              associated: document id, field, owner token)

Guarantees: sealing is deterministic, so a repeated micro-batch writes the same bytes; a sealed text opens in the document and field it was
made for and nowhere else, unchanged or not at all (AES-SIV, RFC 5297); once the wrapped key is deleted, nobody can open what it sealed, in
no copy or backup of the documents, as long as the store of keys itself is not restored from one; a tombstone stays, so the person gets no
new key and nothing more is sealed about them.

What determinism leaks: that the same text was sealed for the same person in the same field of the same document, as by a repetition; with
other documents nothing can be compared, as their ids are associated. The length of the text is visible. The owner stands in the header as a
token, encrypted differently in each document: who holds the ring can find whose key to ask for, who does not cannot join two documents.

References: RFC 5297 (AES-SIV); RFC 3394 and NIST SP 800-38F (key wrap); NIST SP 800-88 Rev. 1, 2.6 (cryptographic erase).
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Iterator
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap

from privacy.identifiers.keyring import KeyRing
from veilocity.errors import ErasedError, KeyMissingError, StateError

__all__ = [
    "MemorySubjectKeyStore",
    "Sealer",
    "SubjectKeyStore",
    "new_subject_key",
    "owner_token",
    "rewrap",
    "unwrap",
    "wrap",
    "wrapped_version",
]

_SUBJECT_KEY_BYTES = 64
_FORMAT = b"\x01"
_VERSION_BYTES = 4
_OWNER_BYTES = 16
_TAG_BYTES = 16
_HEADER_BYTES = _TAG_BYTES + _OWNER_BYTES
_BODY_START = 1 + _VERSION_BYTES + _HEADER_BYTES


class SubjectKeyStore(Protocol):
    """Where wrapped keys of people are kept; apart from the documents, and out of their backups.

    Every method is atomic for its owner. `wrapped` is what `wrap` returns: bytes to keep as they are.
    """

    def get_or_create(self, owner: str, fresh: bytes) -> bytes | None:
        """Return the owner's wrapped key, after keeping `fresh` as such if there is none yet; None when the owner is erased."""
        ...

    def get(self, owner: str) -> bytes | None:
        """Return the owner's wrapped key; None when the owner is erased.

        Raises:
            KeyMissingError: there never was one.
        """
        ...

    def erase(self, owner: str) -> None:
        """Delete the owner's wrapped key for good, if there is one, and keep a tombstone in its place; harmless when repeated."""
        ...

    def replace(self, owner: str, old: bytes, new: bytes) -> bool:
        """Keep `new` if the owner's wrapped key still is `old`, and say whether it was; never brings back an erased owner."""
        ...

    def owners(self) -> Iterator[str]:
        """Yield every owner that has a key."""
        ...


class MemorySubjectKeyStore:
    """A store of wrapped keys in this process, for tests and for trying things out.

    >>> store = MemorySubjectKeyStore()
    >>> store.get_or_create("owner", b"first"), store.get_or_create("owner", b"second")
    (b'first', b'first')
    >>> store.erase("owner")
    >>> store.get_or_create("owner", b"third") is None
    True
    """

    def __init__(self) -> None:
        self._keys: dict[str, bytes | None] = {}

    def get_or_create(self, owner: str, fresh: bytes) -> bytes | None:
        """Return the owner's wrapped key or keep the fresh one; None when the owner is erased."""
        return self._keys.setdefault(owner, fresh)

    def get(self, owner: str) -> bytes | None:
        """Return the owner's wrapped key; None when the owner is erased.

        Raises:
            KeyMissingError: there never was one.
        """
        try:
            return self._keys[owner]
        except KeyError:
            message = "there is no key of the person who owns this text: put the store of people's keys back from its latest state"
            raise KeyMissingError(message) from None

    def erase(self, owner: str) -> None:
        """Leave a tombstone instead of the owner's key."""
        self._keys[owner] = None

    def replace(self, owner: str, old: bytes, new: bytes) -> bool:
        """Keep `new` if the owner's wrapped key still is `old`."""
        same = self._keys.get(owner) == old
        if same:
            self._keys[owner] = new
        return same

    def owners(self) -> Iterator[str]:
        """Yield every owner that has a key."""
        return iter([owner for owner, wrapped in self._keys.items() if wrapped is not None])


def owner_token(ring: KeyRing, subject: str) -> str:
    """Return the name of a person in the store of keys: 32 hexadecimal digits, for ever the same.

    It is made with the oldest version of the ring, so a rotation does not lose an owner; it appears in no document unencrypted.

    >>> ring = KeyRing([(1, -(2**63), bytes(range(32)))])
    >>> len(owner_token(ring, "anna")), owner_token(ring, "anna") == owner_token(ring, "ben")
    (32, False)
    """
    key = ring.key("subject owners", version=ring.versions[0])
    return hmac.digest(key, subject.encode("utf-8", "surrogatepass"), "sha256")[:_OWNER_BYTES].hex()


def new_subject_key() -> bytes:
    """Return a new data key from the system's source of randomness.

    >>> len(new_subject_key()), new_subject_key() == new_subject_key()
    (64, False)
    """
    return secrets.token_bytes(_SUBJECT_KEY_BYTES)


def wrap(ring: KeyRing, owner: str, subject_key: bytes) -> bytes:
    """Return a data key wrapped under the newest version of the ring, with that version in front (77 bytes).

    >>> ring = KeyRing([(1, -(2**63), bytes(range(32)))])
    >>> wrapped = wrap(ring, "owner", bytes(64))
    >>> unwrap(ring, "owner", wrapped) == bytes(64), wrapped_version(wrapped), len(wrapped)
    (True, 1, 77)
    """
    version = ring.versions[-1]
    return _FORMAT + version.to_bytes(_VERSION_BYTES, "big") + aes_key_wrap(_wrapping_key(ring, owner, version), subject_key)


def unwrap(ring: KeyRing, owner: str, wrapped: bytes) -> bytes:
    """Return the data key of an owner.

    Raises:
        KeyMissingError: the version of the ring that wrapped it is gone.
        StateError: it is another owner's, was changed, or is no wrapped key.
    """
    version = wrapped_version(wrapped)
    try:
        return aes_key_unwrap(_wrapping_key(ring, owner, version), wrapped[1 + _VERSION_BYTES :])
    except InvalidUnwrap:
        message = f"a person's key does not open with version {version} of the key ring: the store was changed, or belongs to another ring"
        raise StateError(message) from None


def wrapped_version(wrapped: bytes) -> int:
    """Return the version of the ring under which a data key is wrapped.

    Raises:
        StateError: not a wrapped key.
    """
    return _version(wrapped, "a person's key")


def rewrap(ring: KeyRing, store: SubjectKeyStore) -> int:
    """Wrap every key of the store under the newest version of the ring, and return how many were changed.

    Sealed texts stay as they are. An owner who is erased meanwhile stays erased. Afterwards an old version is still needed for the headers
    of texts that were sealed under it and for the tokens of its time.

    Raises:
        KeyMissingError: a version that is still in use is not in the ring.
        StateError: a key does not open.
    """
    changed = 0
    for owner in store.owners():
        old = store.get(owner)
        if old is not None and wrapped_version(old) != ring.versions[-1]:
            changed += store.replace(owner, old, wrap(ring, owner, unwrap(ring, owner, old)))
    return changed


class Sealer:
    """Seals and opens texts; never printed or pickled.

    >>> ring = KeyRing([(1, -(2**63), bytes(range(32)))])
    >>> sealer = Sealer(ring, MemorySubjectKeyStore())
    >>> sealed = sealer.seal("anna", 0, "alert-1", "evidence", b"seen in Oslo")
    >>> sealer.open_sealed(sealed, "alert-1", "evidence")
    b'seen in Oslo'
    >>> sealer.forget("anna")
    >>> sealer.open_sealed(sealed, "alert-1", "evidence")
    Traceback (most recent call last):
    veilocity.errors.ErasedError: the person this text is about is forgotten: nobody can open it any more
    """

    __slots__ = ("_ring", "_store")

    def __init__(self, ring: KeyRing, store: SubjectKeyStore) -> None:
        """Hold the ring and the store of people's keys."""
        self._ring = ring
        self._store = store

    def seal(self, subject: str, event_ms: int, document_id: str, field: str, text: bytes) -> bytes:
        """Return a text sealed under the key of a person, which is made if there is none yet.

        Args:
            subject: whom it is about.
            event_ms: event time of the document, which decides the version of the ring for the header.
            document_id: of the document it will stand in.
            field: where it will stand there.
            text: what to seal, 1 byte or more.

        Returns:
            53 bytes more than the text; the same for the same arguments.

        Raises:
            ErasedError: the person is forgotten; the document must do without the text.
            KeyMissingError: the ring has no version for that time.
            StateError: the person's key does not open.
        """
        owner = owner_token(self._ring, subject)
        version = self._ring.version_at(event_ms)
        wrapped = self._store.get_or_create(owner, wrap(self._ring, owner, new_subject_key()))
        if wrapped is None:
            raise ErasedError("the person this text is about is forgotten: write the document without it")
        place = [document_id.encode(), field.encode()]
        header = AESSIV(self._owner_key(version)).encrypt(bytes.fromhex(owner), place)
        body = AESSIV(unwrap(self._ring, owner, wrapped)).encrypt(text, [*place, owner.encode()])
        return _FORMAT + version.to_bytes(_VERSION_BYTES, "big") + header + body

    def open_sealed(self, sealed: bytes, document_id: str, field: str) -> bytes:
        """Return the text that was sealed for a document and field.

        Raises:
            ErasedError: the person is forgotten.
            KeyMissingError: the ring's version, or the person's key, is not where it must be.
            StateError: it was sealed for another place, or was changed.
        """
        version = _version(sealed, "a sealed text")
        place = [document_id.encode(), field.encode()]
        try:
            owner = AESSIV(self._owner_key(version)).decrypt(sealed[1 + _VERSION_BYTES : _BODY_START], place).hex()
            wrapped = self._store.get(owner)
            if wrapped is None:
                raise ErasedError("the person this text is about is forgotten: nobody can open it any more")
            return AESSIV(unwrap(self._ring, owner, wrapped)).decrypt(sealed[_BODY_START:], [*place, owner.encode()])
        except (InvalidTag, ValueError):
            raise StateError("a sealed text does not open: it was changed, or moved here from another document or field") from None

    def forget(self, subject: str) -> None:
        """Delete the key of a person, so that nothing sealed about them can be opened, and leave a tombstone; harmless when repeated."""
        self._store.erase(owner_token(self._ring, subject))

    def _owner_key(self, version: int) -> bytes:
        return self._ring.key("sealed owners", version=version, length=_SUBJECT_KEY_BYTES)

    def __repr__(self) -> str:
        return "Sealer(keys hidden)"

    def __reduce__(self) -> str:
        # A pickle would carry the keys into plans, logs and checkpoints.
        raise TypeError("a sealer is not pickled: let each process make one from its own key ring")


def _wrapping_key(ring: KeyRing, owner: str, version: int) -> bytes:
    return hmac.digest(ring.key("subject-keys", version=version), owner.encode(), "sha256")


def _version(stored: bytes, what: str) -> int:
    if stored[:1] != _FORMAT or len(stored) <= 1 + _VERSION_BYTES:
        raise StateError(f"{what} has a format that this program does not know: upgrade it, or put the store back")
    return int.from_bytes(stored[1 : 1 + _VERSION_BYTES], "big")
