import pickle

import pytest

from privacy.identifiers.keyring import ALWAYS_MS, KeyRing
from privacy.identifiers.sealing import (
    MemorySubjectKeyStore,
    Sealer,
    SubjectKeyStore,
    new_subject_key,
    owner_token,
    rewrap,
    unwrap,
    wrap,
    wrapped_version,
)
from veilocity.errors import ErasedError, KeyMissingError, StateError

ONE, TWO = bytes(range(32)), bytes(32)
RING = KeyRing([(1, ALWAYS_MS, ONE)])
ROTATED = KeyRing([(1, ALWAYS_MS, ONE), (2, 1_000, TWO)])
TEXT = b"seen in Oslo at noon"


def test_what_was_sealed_opens_in_its_place_alone() -> None:
    sealer = Sealer(RING, MemorySubjectKeyStore())
    sealed = sealer.seal("anna", 0, "alert-1", "evidence", TEXT)
    assert sealer.open_sealed(sealed, "alert-1", "evidence") == TEXT
    for document_id, field in (("alert-2", "evidence"), ("alert-1", "note"), ("alert-1evidence", ""), ("evidence", "alert-1")):
        with pytest.raises(StateError, match="another document or field"):
            sealer.open_sealed(sealed, document_id, field)


def test_every_changed_byte_is_seen() -> None:
    sealer = Sealer(RING, MemorySubjectKeyStore())
    sealed = sealer.seal("anna", 0, "alert-1", "evidence", TEXT)
    for place in range(len(sealed)):
        changed = bytes([*sealed[:place], sealed[place] ^ 1, *sealed[place + 1 :]])
        with pytest.raises((StateError, KeyMissingError)):
            sealer.open_sealed(changed, "alert-1", "evidence")
    for length in range(len(sealed)):
        with pytest.raises(StateError):
            sealer.open_sealed(sealed[:length], "alert-1", "evidence")


def test_sealing_again_gives_the_same_bytes_and_nothing_else_does() -> None:
    store = MemorySubjectKeyStore()
    sealed = Sealer(RING, store).seal("anna", 0, "alert-1", "evidence", TEXT)
    assert Sealer(RING, store).seal("anna", 0, "alert-1", "evidence", TEXT) == sealed
    assert Sealer(ROTATED, store).seal("anna", 999, "alert-1", "evidence", TEXT) == sealed
    assert len(sealed) == len(TEXT) + 53
    others = [
        Sealer(RING, store).seal(subject, 0, document_id, field, TEXT)
        for subject, document_id, field in (("ben", "alert-1", "evidence"), ("anna", "alert-2", "evidence"), ("anna", "alert-1", "note"))
    ]
    others.append(Sealer(RING, MemorySubjectKeyStore()).seal("anna", 0, "alert-1", "evidence", TEXT))
    # Five bytes of format and version are the same; of the rest, header and body each differ.
    bodies = {document[-len(TEXT) :] for document in [sealed, *others]}
    assert len(bodies) == 5
    assert len({document[5:37] for document in [sealed, *others[:3]]}) == 4


def test_nobody_opens_what_is_about_a_forgotten_person() -> None:
    store = MemorySubjectKeyStore()
    sealer = Sealer(RING, store)
    annas, bens = (sealer.seal(subject, 0, "alert-1", "evidence", TEXT) for subject in ("anna", "ben"))
    sealer.forget("anna")
    sealer.forget("anna")
    with pytest.raises(ErasedError, match="forgotten"):
        sealer.open_sealed(annas, "alert-1", "evidence")
    with pytest.raises(ErasedError, match="without it"):
        sealer.seal("anna", 0, "alert-2", "evidence", TEXT)
    assert sealer.open_sealed(bens, "alert-1", "evidence") == TEXT
    assert not store.replace(owner_token(RING, "anna"), b"old", b"new")
    assert rewrap(ROTATED, store) == 1
    with pytest.raises(ErasedError):
        Sealer(ROTATED, store).open_sealed(annas, "alert-1", "evidence")


def test_somebody_may_be_forgotten_before_anything_is_sealed() -> None:
    sealer = Sealer(RING, MemorySubjectKeyStore())
    sealer.forget("anna")
    with pytest.raises(ErasedError):
        sealer.seal("anna", 0, "alert-1", "evidence", TEXT)


def test_a_lost_store_of_keys_is_not_taken_for_an_erasure() -> None:
    sealed = Sealer(RING, MemorySubjectKeyStore()).seal("anna", 0, "alert-1", "evidence", TEXT)
    with pytest.raises(KeyMissingError, match="put the store"):
        Sealer(RING, MemorySubjectKeyStore()).open_sealed(sealed, "alert-1", "evidence")


def test_a_rotation_leaves_sealed_texts_readable_before_and_after_rewrapping() -> None:
    store: SubjectKeyStore = MemorySubjectKeyStore()
    old = Sealer(RING, store).seal("anna", 0, "alert-1", "evidence", TEXT)
    rotated = Sealer(ROTATED, store)
    new = rotated.seal("anna", 5_000, "alert-2", "evidence", TEXT)
    owner = owner_token(ROTATED, "anna")
    assert owner == owner_token(RING, "anna")
    assert wrapped_version(store.get(owner) or b"") == 1
    assert (rewrap(ROTATED, store), rewrap(ROTATED, store)) == (1, 0)
    assert wrapped_version(store.get(owner) or b"") == 2
    assert rotated.open_sealed(old, "alert-1", "evidence") == rotated.open_sealed(new, "alert-2", "evidence") == TEXT


def test_a_version_that_is_gone_is_named() -> None:
    store = MemorySubjectKeyStore()
    sealed = Sealer(RING, store).seal("anna", 0, "alert-1", "evidence", TEXT)
    with pytest.raises(KeyMissingError, match="version 1"):
        Sealer(KeyRing([(2, ALWAYS_MS, TWO)]), store).open_sealed(sealed, "alert-1", "evidence")


def test_a_wrapped_key_opens_for_its_owner_and_ring_only() -> None:
    key = new_subject_key()
    wrapped = wrap(ROTATED, "owner", key)
    assert unwrap(ROTATED, "owner", wrapped) == key
    assert key not in wrapped
    assert wrap(ROTATED, "owner", key) == wrapped
    changed = wrapped[:-1] + bytes([wrapped[-1] ^ 1])
    for ring, owner, what in (
        (ROTATED, "other", wrapped),
        (KeyRing([(2, ALWAYS_MS, ONE)]), "owner", wrapped),
        (ROTATED, "owner", changed),
        (ROTATED, "owner", wrapped[:-8]),
        (ROTATED, "owner", wrapped[:5]),
        (ROTATED, "owner", b"\x02" + wrapped[1:]),
        (ROTATED, "owner", b""),
    ):
        with pytest.raises(StateError):
            unwrap(ring, owner, what)


def test_the_memory_store_keeps_the_first_key_and_replaces_only_what_is_there() -> None:
    store = MemorySubjectKeyStore()
    assert store.get_or_create("a", b"1") == store.get_or_create("a", b"2") == store.get("a") == b"1"
    assert not store.replace("a", b"2", b"3")
    assert store.replace("a", b"1", b"3")
    assert store.get("a") == b"3"
    assert list(store.owners()) == ["a"]
    store.erase("a")
    assert list(store.owners()) == []
    assert store.get("a") is None


def test_a_text_may_be_empty_or_long() -> None:
    sealer = Sealer(RING, MemorySubjectKeyStore())
    for text in (b"", b"x", bytes(100_000)):
        assert sealer.open_sealed(sealer.seal("anna", 0, "alert-1", "evidence", text), "alert-1", "evidence") == text


def test_a_sealer_never_travels() -> None:
    sealer = Sealer(RING, MemorySubjectKeyStore())
    assert repr(sealer) == "Sealer(keys hidden)"
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(sealer)
