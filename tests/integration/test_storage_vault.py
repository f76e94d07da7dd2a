"""The store of people's keys on a real MongoDB: one key for each owner, whoever comes first, and none after an erasure."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from devstack.environment import changed
from devstack.ports import free_port
from privacy.identifiers.keyring import ALWAYS_MS, KeyRing
from privacy.identifiers.sealing import Sealer, rewrap
from storage.vault import PatientSubjectKeys, SubjectKeys
from veilocity.errors import ErasedError, KeyMissingError, StoreUnavailableError
from veilocity.settings import Settings

pytestmark = pytest.mark.services

ONE = (1, ALWAYS_MS, bytes(range(32)))
RING = KeyRing([ONE])


@pytest.fixture
def keys(service_settings: Settings) -> Iterator[SubjectKeys]:
    found = SubjectKeys(service_settings, now_ms=5)
    yield found
    found.close()


def test_everybody_who_comes_at_once_gets_the_same_key(service_settings: Settings, keys: SubjectKeys) -> None:
    with ThreadPoolExecutor(8) as threads:
        found = set(threads.map(lambda number: keys.get_or_create("owner", bytes([number])), range(32)))
    assert len(found) == 1
    assert keys.get("owner") in found
    assert list(keys.owners()) == ["owner"]
    with pytest.raises(KeyMissingError):
        keys.get("nobody")


def test_who_is_erased_gets_no_key_again(keys: SubjectKeys) -> None:
    keys.get_or_create("owner", b"first")
    for _ in range(2):
        keys.erase("owner")
    assert (keys.get("owner"), keys.get_or_create("owner", b"second")) == (None, None)
    assert not keys.replace("owner", b"first", b"third")
    assert list(keys.owners()) == []
    keys.erase("stranger")
    assert keys.get_or_create("stranger", b"late") is None


def test_an_erasure_that_meets_first_sights_wins(keys: SubjectKeys) -> None:
    def act(number: int) -> None:
        if number % 4 == 3:
            keys.erase("owner")
        else:
            keys.get_or_create("owner", bytes([number]))

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(act, range(32)))
    assert (keys.get("owner"), keys.get_or_create("owner", b"late")) == (None, None)


def test_what_was_sealed_opens_after_a_rotation_of_keys_and_not_after_an_erasure(keys: SubjectKeys) -> None:
    sealed = Sealer(RING, keys).seal("anna", 0, "alert-1", "evidence", b"seen in Oslo")
    rotated = KeyRing([ONE, (2, 1_000, bytes(32))])
    assert (rewrap(rotated, keys), rewrap(rotated, keys)) == (1, 0)
    assert Sealer(rotated, keys).open_sealed(sealed, "alert-1", "evidence") == b"seen in Oslo"
    Sealer(rotated, keys).forget("anna")
    with pytest.raises(ErasedError):
        Sealer(rotated, keys).open_sealed(sealed, "alert-1", "evidence")


def test_a_store_that_does_not_answer_is_asked_for_a_while_and_no_longer(service_settings: Settings) -> None:
    nowhere = changed(service_settings, mongodb_uri=f"mongodb://127.0.0.1:{free_port([])}/?serverSelectionTimeoutMS=50")
    patient = PatientSubjectKeys(nowhere, patience_s=0.5)
    with pytest.raises(StoreUnavailableError, match="repeated at the next start"):
        patient.get_or_create("owner", b"key")
    patient.close()


def test_a_patient_store_answers_like_any_other(service_settings: Settings, keys: SubjectKeys) -> None:
    patient = PatientSubjectKeys(service_settings, patience_s=60.0)
    assert patient.get_or_create("owner", b"first") == keys.get("owner") == b"first"
    patient.close()
