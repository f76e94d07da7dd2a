import os
import subprocess
import sys
from pathlib import Path

import pytest
from pybloom_live import BloomFilter as LibraryFilter

from sketches.bloom import BloomFilter

ROOT = Path(__file__).resolve().parents[2]


def test_the_librarys_union_forgets_its_count_and_ours_does_not() -> None:
    left, right = LibraryFilter(1000, 0.01), LibraryFilter(1000, 0.01)
    ours, other = BloomFilter(1000, 0.01), BloomFilter(1000, 0.01)
    for number in range(900):
        left.add(f"l{number}")
        right.add(f"r{number}")
        ours.add(b"l%d" % number)
        other.add(b"r%d" % number)
    assert len(left.union(right)) == 0, "the library is mended: our own count may go"
    ours.merge(other)
    assert len(ours) == pytest.approx(1800, rel=0.02)
    assert ours.overfilled


def test_a_filter_over_its_capacity_forgets_nothing_and_says_so() -> None:
    keys = [b"%d" % number for number in range(60_000)]
    full = BloomFilter(1000, 0.001)
    full.update_batch(keys)
    assert all(key in full for key in keys)
    assert full.overfilled
    assert full.present_error_rate() > 0.001
    half = BloomFilter(1000, 0.001)
    half.update_batch(keys[:1000])
    assert not half.overfilled
    assert half.present_error_rate() < 0.001


def test_keys_of_other_types_are_refused_so_that_1_and_text_1_stay_apart() -> None:
    seen = BloomFilter(1000, 0.001)
    for key in (1, "1", None):
        with pytest.raises(TypeError, match="encode it"):
            seen.add(key)  # type: ignore[arg-type]  # what a caller without types would do
    assert b"\xff\x00" not in seen
    seen.add(b"\xff\x00")
    assert b"\xff\x00" in seen
    assert "ÿ\x00".encode() not in seen


@pytest.mark.parametrize("capacity", range(30_000, 30_008))
def test_saved_bytes_come_back_without_padding_and_still_unite(capacity: int) -> None:
    saved = BloomFilter(capacity, 0.01)
    saved.update_batch([b"a", b"b"])
    restored = BloomFilter.from_bytes(saved.to_bytes())
    fresh = BloomFilter(capacity, 0.01)
    fresh.add(b"c")
    restored.merge(fresh)
    assert all(key in restored for key in (b"a", b"b", b"c"))
    assert len(restored) == 3
    assert restored.to_bytes() == BloomFilter.from_bytes(restored.to_bytes()).to_bytes()


def test_another_process_with_another_hash_seed_makes_the_same_bytes() -> None:
    program = (
        "from sketches.bloom import BloomFilter; from sketches.reservoir import Reservoir; import hashlib\n"
        "b = BloomFilter(2000, 0.01); r = Reservoir(5, b's'); keys = [str(n).encode() for n in range(500)]\n"
        "b.update_batch(keys); r.update_batch(keys)\n"
        "print(hashlib.sha256(b.to_bytes() + r.to_bytes()).hexdigest())"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", program],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(digests) == 1


def test_the_bytes_of_this_layout_never_change() -> None:
    """A saved filter of an earlier program must still answer: this digest was taken when layout 1 was made."""
    import hashlib

    golden = BloomFilter(1000, 0.01)
    golden.update_batch(b"place-%d" % number for number in range(100))
    assert hashlib.sha256(golden.to_bytes()).hexdigest() == "41a1a7d441d61a7590265d61180ca323da849a5159163673fd4c4587c783dab4"
