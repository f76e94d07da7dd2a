import random

from hypothesis import given, settings
from hypothesis import strategies as st

from sketches.bloom import BloomFilter
from sketches.reservoir import Reservoir
from sketches.similarity import alike, jaccard

IDS = st.lists(st.binary(min_size=0, max_size=12), max_size=60)


def sampled(ids: list[bytes], capacity: int = 5) -> Reservoir:
    sample = Reservoir(capacity, b"key")
    sample.update_batch(ids)
    return sample


@given(ids=IDS, cut=st.integers(0, 60), shuffler=st.randoms(use_true_random=False))
def test_a_reservoir_depends_on_the_set_of_ids_only(ids: list[bytes], cut: int, shuffler: random.Random) -> None:
    whole = sampled(ids)
    left, right = sampled(ids[:cut]), sampled(ids[cut:])
    left.merge(right)
    again = ids + ids[:cut]
    shuffler.shuffle(again)
    assert whole.to_bytes() == left.to_bytes() == sampled(again).to_bytes()
    assert Reservoir.from_bytes(whole.to_bytes()).to_bytes() == whole.to_bytes()
    assert whole.members() == sorted(sorted(set(ids), key=lambda one: (whole.priority(one), one))[:5])


@settings(max_examples=30)
@given(left=IDS, right=IDS)
def test_a_bloom_filter_forgets_nothing_and_merges_by_any_order(left: list[bytes], right: list[bytes]) -> None:
    one, two, both = (BloomFilter(1000, 0.01) for _ in range(3))
    one.update_batch(left)
    two.update_batch(right)
    both.update_batch(left + right)
    one.merge(two)
    assert all(key in one for key in left + right)
    assert one.fill() == both.fill()
    assert abs(len(one) - len(set(left + right))) <= 1


@settings(max_examples=50)
@given(
    sets=st.lists(st.frozensets(st.sampled_from("abcdefgh"), min_size=1), max_size=25),
    shuffler=st.randoms(use_true_random=False),
)
def test_groups_do_not_depend_on_order_and_rest_on_verified_pairs(sets: list[frozenset[str]], shuffler: random.Random) -> None:
    items = {f"id-{index}": features for index, features in enumerate(sets)}
    shuffled = list(items.items())
    shuffler.shuffle(shuffled)
    groups = alike(items, similarity=0.6)
    assert groups == alike(dict(shuffled), similarity=0.6)
    for group in groups:
        assert len(group.members) > 1
        assert group.similarity >= 0.6
        for member in group.members:
            assert set(group.features) <= items[member]
            assert any(jaccard(items[member], items[other]) >= 0.6 for other in group.members if other != member)
    grouped = [member for group in groups for member in group.members]
    assert len(grouped) == len(set(grouped))
