import numpy as np
import pytest
from datasketch import MinHash

from sketches.minhash import estimate, recall, signatures, solve_bands
from sketches.similarity import alike
from veilocity.errors import SketchMismatchError


def test_a_signature_is_the_librarys_own() -> None:
    features = frozenset({"grocery", "EUR 20-50", "mobile"})
    library = MinHash(num_perm=128, seed=1, scheme="affine32")
    for feature in features:
        library.update(feature.encode())
    assert np.array_equal(signatures([features])[0], library.hashvalues)


def test_empty_sets_are_refused_where_the_library_calls_them_equal() -> None:
    assert MinHash(num_perm=16).jaccard(MinHash(num_perm=16)) == 1.0, "the library is mended"
    with pytest.raises(SketchMismatchError, match="empty"):
        signatures([frozenset("a"), frozenset()])
    with pytest.raises(SketchMismatchError, match="empty"):
        alike({"a": frozenset(), "b": frozenset()}, similarity=0.5)


def test_signatures_of_other_lengths_do_not_compare() -> None:
    with pytest.raises(SketchMismatchError):
        estimate(signatures([frozenset("a")], places=64)[0], signatures([frozenset("a")], places=128)[0])


def test_bands_use_the_longest_rows_that_still_find_enough() -> None:
    for similarity in (0.3, 0.5, 0.7, 0.9):
        bands, rows, expected = solve_bands(similarity, places=128)
        assert bands * rows <= 128
        assert expected == recall(similarity, bands, rows) >= 0.99
        assert recall(similarity, 128 // (rows + 1), rows + 1) < 0.99
    with pytest.raises(SketchMismatchError):
        solve_bands(0.01, places=16)


def test_groups_are_connected_pairs_and_name_what_all_share() -> None:
    items = {
        "a": frozenset("123456789"),
        "b": frozenset("12345678x"),
        "c": frozenset("1234567yx"),
        "d": frozenset("qwertyuio"),
    }
    (group,) = alike(items, similarity=0.75)
    assert group.members == ("a", "b", "c")
    assert group.features == tuple("1234567")
    assert group.similarity == 0.8
    assert alike({}, similarity=0.75) == []


def test_a_bucket_of_very_many_sets_stays_linear_and_whole() -> None:
    items = {f"{number:05d}": frozenset([*"abcdefghij", f"own-{number}"]) for number in range(3000)}
    groups = alike(items, similarity=0.7)
    assert [len(group.members) for group in groups] == [3000]
