import pytest

from sketches.bloom import BloomFilter
from sketches.frame import pack, unpack
from sketches.reservoir import Reservoir
from veilocity.errors import SketchMismatchError, StateError


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"VEIL", "cut short"),
        (b"NOPE" + pack(b"DEMO", 1, b"x")[4:], "not a sketch"),
        (pack(b"OTHR", 1, b"x"), "not a sketch"),
        (pack(b"DEMO", 2, b"x"), "newer"),
        (pack(b"DEMO", 1, b"x")[:-1] + b"y", "damaged"),
    ],
)
def test_bytes_that_are_not_the_sketch_are_refused_with_a_sentence(data: bytes, sentence: str) -> None:
    with pytest.raises(StateError, match=sentence):
        unpack(data, b"DEMO", 1)


def test_a_reservoir_does_not_read_a_bloom_filter() -> None:
    with pytest.raises(StateError):
        Reservoir.from_bytes(BloomFilter(10, 0.01).to_bytes())


def test_a_well_framed_body_of_another_shape_is_refused() -> None:
    with pytest.raises(StateError, match="does not decode"):
        Reservoir.from_bytes(pack(b"RSVR", 1, b"\x01"))
    with pytest.raises(StateError, match="does not decode"):
        BloomFilter.from_bytes(pack(b"BLOM", 1, b"\x01"))


def test_sketches_of_other_parameters_do_not_merge() -> None:
    with pytest.raises(SketchMismatchError):
        Reservoir(3, b"a").merge(Reservoir(3, b"b"))
    with pytest.raises(SketchMismatchError):
        Reservoir(3, b"a").merge(Reservoir(4, b"a"))
    with pytest.raises(SketchMismatchError):
        BloomFilter(1000, 0.01).merge(BloomFilter(1000, 0.02))


def test_senseless_parameters_are_refused() -> None:
    for build in (lambda: Reservoir(0, b""), lambda: Reservoir(1, b"x" * 65), lambda: BloomFilter(0, 0.1), lambda: BloomFilter(9, 0.9)):
        with pytest.raises(SketchMismatchError):
            build()
