import itertools
import random

import numpy as np
import pytest

from sketches import lsh
from sketches.lsh import Bands, LshIndex, band_keys, candidate_pairs, recall, solve_bands
from sketches.minhash import MinHash, signatures
from sketches.similarity import alike, clusters, jaccard, measure_recall, similar_pairs
from veilocity.errors import SketchMismatchError, StateError


def near_sets(count: int, seed: int) -> list[frozenset[str]]:
    """Sets of which many are alike: small changes of a few."""
    generator = random.Random(seed)  # noqa: S311  # a seeded test, nothing secret
    centres = [[f"{centre}-{number}" for number in range(20)] for centre in range(max(1, count // 5))]
    return [frozenset([*generator.sample(generator.choice(centres), generator.randint(12, 20)), f"{number}"]) for number in range(count)]


def exact(sets: list[frozenset[str]], similarity: float) -> dict[tuple[int, int], float]:
    pairs = itertools.combinations(range(len(sets)), 2)
    return {(a, b): likeness for a, b in pairs if (likeness := jaccard(sets[a], sets[b])) >= similarity}


def test_bands_use_the_longest_rows_that_still_find_enough() -> None:
    for similarity in (0.3, 0.5, 0.7, 0.9):
        bands, rows, expected = solve_bands(similarity, places=128)
        assert bands == 128 // rows, "no whole band is left unused"
        assert expected == recall(similarity, bands, rows) >= 0.99
        assert recall(similarity, 128 // (rows + 1), rows + 1) < 0.99
    assert solve_bands(1.0, places=16)[:2] == (1, 16)
    with pytest.raises(SketchMismatchError, match="longer signatures"):
        solve_bands(0.01, places=16)


@pytest.mark.parametrize(("similarity", "wanted"), [(0.0, 0.9), (1.1, 0.9), (-0.5, 0.9), (0.5, 0.0), (0.5, 1.0)])
def test_nonsense_is_refused(similarity: float, wanted: float) -> None:
    with pytest.raises(SketchMismatchError, match="similarity lies"):
        solve_bands(similarity, 128, wanted)
    with pytest.raises(SketchMismatchError):
        LshIndex(similarity, wanted_recall=wanted)


def test_a_cut_may_be_chosen() -> None:
    index = LshIndex(0.5, places=100, cut=(20, 5))
    assert index.bands == (20, 5, recall(0.5, 20, 5))
    assert LshIndex.from_bytes(index.to_bytes()).bands == index.bands
    for cut in ((0, 5), (5, 0), (21, 5)):
        with pytest.raises(SketchMismatchError, match="cut"):
            LshIndex(0.5, places=100, cut=cut)


def test_band_keys_are_equal_just_where_all_places_of_a_band_are() -> None:
    generator = np.random.default_rng(2)
    rows = generator.integers(0, 3, (200, 12), dtype=np.uint32)
    bands = Bands(4, 3, 0.0)
    keys = band_keys(rows, bands)
    for band in range(4):
        cut = [tuple(row) for row in rows[:, 3 * band : 3 * band + 3].tolist()]
        mine = keys[:, band].tolist()
        assert all((cut[a] == cut[b]) == (mine[a] == mine[b]) for a, b in itertools.combinations(range(200), 2))
        assert np.array_equal(keys[:, band], lsh._folded(rows[:, 3 * band : 3 * band + 3], np.uint64(band)))
    assert not set(keys[:, 0].tolist()) & set(keys[:, 1].tolist()), "the number of the band is part of the key"


@pytest.mark.parametrize("limit", [1, 2, 5, 100])
def test_candidates_are_the_pairs_of_each_bucket_up_to_the_limit(limit: int) -> None:
    rows = np.random.default_rng(limit).integers(0, 4, (120, 6), dtype=np.uint32)
    found = candidate_pairs(rows, Bands(3, 2, 0.0), limit)
    wanted: set[tuple[int, int]] = set()
    left_out = 0
    for band in range(3):
        buckets: dict[tuple[int, ...], list[int]] = {}
        for number, row in enumerate(rows[:, 2 * band : 2 * band + 2].tolist()):
            buckets.setdefault(tuple(row), []).append(number)
        for bucket in buckets.values():
            pairs = list(itertools.combinations(range(len(bucket)), 2))
            wanted |= {(bucket[a], bucket[b]) for a, b in pairs if b - a <= limit}
            left_out += sum(b - a > limit for a, b in pairs)
    assert list(zip(found.first.tolist(), found.second.tolist(), strict=True)) == sorted(wanted)
    assert found.left_out == left_out


def test_candidates_do_not_depend_on_how_many_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = signatures(near_sets(300, 1))
    bands = solve_bands(0.5, 128)
    whole = candidate_pairs(rows, bands, 50)
    monkeypatch.setattr(lsh, "_MOST_PENDING", 10)
    again = candidate_pairs(rows, bands, 50)
    assert np.array_equal(whole.first, again.first)
    assert np.array_equal(whole.second, again.second)
    assert candidate_pairs(rows[:1], bands, 50).first.size == candidate_pairs(rows[:0], bands, 50).first.size == 0


def test_similar_pairs_are_verified_and_nearly_all() -> None:
    sets = near_sets(400, 3)
    for similarity in (0.4, 0.6, 0.8):
        wanted = exact(sets, similarity)
        found = similar_pairs(sets, similarity, places=256)
        assert found.left_out == 0
        assert {(pair.first, pair.second): pair.similarity for pair in found.pairs}.items() <= wanted.items()
        assert len(found.pairs) >= 0.97 * len(wanted) > 0
        assert found.compared >= len(found.pairs)
        assert found.pairs == sorted(found.pairs)


def test_similar_pairs_take_every_kind_of_set() -> None:
    names = similar_pairs([["a", "b", "b"], {"b", "a"}, frozenset("ab")], 0.9)
    numbers = similar_pairs([np.array([1, 2]), [2, 1], range(1, 3)], 0.9)
    assert [pair[:2] for pair in names.pairs] == [pair[:2] for pair in numbers.pairs] == [(0, 1), (0, 2), (1, 2)]
    assert similar_pairs([], 0.7).pairs == []
    assert similar_pairs([["a"]], 0.7).pairs == []
    with pytest.raises(SketchMismatchError, match="empty"):
        similar_pairs([["a"], []], 0.7)


def test_a_large_bucket_costs_bounded_work_and_says_so() -> None:
    sets = [frozenset("abcdefgh")] * 2000
    found = similar_pairs(sets, 0.7, most_neighbours=3)
    bands = solve_bands(0.7, 128).bands
    assert found.compared == 1999 + 1998 + 1997
    assert found.left_out == bands * (2000 * 1999 // 2 - found.compared)
    assert clusters(found.pairs) == [tuple(range(2000))]


def test_clusters_are_connected_components() -> None:
    assert clusters([]) == []
    assert clusters([(3, 4, 1.0), (0, 9, 1.0), (4, 5, 1.0), (7, 8, 1.0)]) == [(3, 4, 5), (0, 9), (7, 8)]
    generator = random.Random(4)  # noqa: S311  # a seeded test, nothing secret
    pairs = [(generator.randrange(200), generator.randrange(200), 0.5) for _ in range(120)]
    whole = clusters(pairs)
    generator.shuffle(pairs)
    assert clusters(pairs) == whole
    where = {member: number for number, group in enumerate(whole) for member in group}
    assert all(where[a] == where[b] for a, b, _ in pairs if a != b)


def test_measured_recall_says_what_was_planted() -> None:
    measured = measure_recall(0.55, places=64, pairs=300, union=40, seed=9)
    assert measured.similarity == 22 / 40
    assert measured.expected_recall == solve_bands(0.55, 64).expected_recall
    assert measured.found in range(285, 301)
    assert measured.bounds.low < measured.found / 300 <= measured.bounds.high
    assert measure_recall(0.55, pairs=1, union=100).similarity == 0.55, "0.55 * 100 is above 55 in binary"
    with pytest.raises(SketchMismatchError):
        measure_recall(0.7, pairs=0)


def index_of(sets: list[frozenset[str]], places: int = 128) -> LshIndex:
    index = LshIndex(similarity=0.6, places=places)
    index.update_batch([(f"{number:04d}", features) for number, features in enumerate(sets)])
    return index


def test_an_index_finds_what_is_alike_and_ranks_it() -> None:
    sets = near_sets(300, 5)
    index = index_of(sets)
    assert len(index) == 300
    wanted = exact(sets, 0.6)
    found = {(number, int(match.key)) for number, features in enumerate(sets) for match in index.query(features)}
    assert sum(pair in found for pair in wanted) >= 0.97 * len(wanted)
    assert all((number, number) in found for number in range(300))
    matches = index.query(sets[0])
    assert matches[0] == ("0000", 1.0)
    assert [match.estimate for match in matches] == sorted((match.estimate for match in matches), reverse=True)
    assert index.query(frozenset({"nobody", "has", "this"})) == []


def test_an_index_takes_sketches_of_its_own_kind() -> None:
    index = index_of(near_sets(20, 6))
    sketch = MinHash(places=128, seed=1)
    sketch.update_batch(["one", "two", "three"])
    index.insert("new", sketch)
    assert index.query(["one", "two", "three"])[0] == ("new", 1.0) == index.query(sketch)[0]
    for other in (MinHash(places=64), MinHash(seed=2), MinHash(one_permutation=True)):
        other.update("one")
        with pytest.raises(SketchMismatchError, match="its own"):
            index.insert("other", other)
        with pytest.raises(SketchMismatchError, match="its own"):
            index.query(other)
    nothing: list[list[str] | MinHash] = [[], MinHash()]
    for empty in nothing:
        with pytest.raises(SketchMismatchError, match="empty"):
            index.insert("empty", empty)
        with pytest.raises(SketchMismatchError, match="empty"):
            index.query(empty)
    assert "other" not in index
    assert "empty" not in index


def test_a_removed_key_leaves_no_trace() -> None:
    sets = near_sets(60, 7)
    index, without = index_of(sets), index_of(sets[:-1])
    assert index.remove("0059")
    assert not index.remove("0059")
    assert index.to_bytes() == without.to_bytes()
    assert index._buckets == without._buckets
    for number in range(59):
        assert index.remove(f"{number:04d}")
    assert index._buckets == {}
    assert index.to_bytes() == LshIndex(similarity=0.6).to_bytes()


def test_a_restored_index_has_the_same_buckets() -> None:
    index = index_of(near_sets(80, 8))
    again = LshIndex.from_bytes(index.to_bytes())
    assert again._buckets == index._buckets
    assert again.bands == index.bands
    assert again.query(near_sets(80, 8)[3]) == index.query(near_sets(80, 8)[3])


def test_one_key_is_one_set() -> None:
    index = LshIndex()
    index.insert("a", ["x", "y"])
    index.insert("a", ["y", "x"])
    before = index.to_bytes()
    with pytest.raises(SketchMismatchError, match="remove it first"):
        index.insert("a", ["z"])
    with pytest.raises(SketchMismatchError, match="remove it first"):
        index.update_batch([("b", ["x"]), ("b", ["z"])])
    other = LshIndex()
    other.update_batch([("a", ["z"]), ("c", ["w"])])
    with pytest.raises(SketchMismatchError, match="remove it first"):
        index.merge(other)
    with pytest.raises(SketchMismatchError, match="text"):
        index.insert(7, ["z"])  # type: ignore[arg-type]  # on purpose
    assert index.to_bytes() == before, "refused as a whole"
    assert index.remove("a")
    index.insert("a", ["z"])
    index.merge(other)
    assert len(index) == 2


def test_estimate_and_bounds_are_asked_for_two_keys() -> None:
    index = LshIndex(places=256)
    index.update_batch([("a", range(300)), ("b", range(100, 400))])
    assert 0.5 in index.bounds("a", "b", 0.999)
    assert index.estimate("a", "b") in index.bounds("a", "b")
    with pytest.raises(SketchMismatchError, match="insert it first"):
        index.estimate("a", "c")
    with pytest.raises(SketchMismatchError, match="insert it first"):
        index.bounds("c", "a")


def test_a_query_looks_at_a_bounded_part_of_a_bucket() -> None:
    index = LshIndex()
    index.update_batch([(f"{number:03d}", ["the", "same", "set"]) for number in reversed(range(100))])
    assert [match.key for match in index.query(["the", "same", "set"], most_per_bucket=3)] == ["000", "001", "002"]
    assert len(index.query(["the", "same", "set"])) == 100


def test_an_index_with_more_keys_than_signatures_is_refused() -> None:
    index = index_of(near_sets(3, 1))
    index._rows["0001"] = index._rows["0001"][:64]
    with pytest.raises(StateError):
        LshIndex.from_bytes(index.to_bytes())


def test_empty_feature_sets_are_refused() -> None:
    with pytest.raises(SketchMismatchError, match="empty"):
        alike({"a": frozenset(), "b": frozenset()}, similarity=0.5)


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
