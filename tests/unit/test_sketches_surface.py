"""What `sketches` offers, by name: changed on purpose, with a line in the change log, or not at all."""

from __future__ import annotations

import subprocess
import sys

import pytest

import sketches
from sketches.contract import Sketch
from tests.unit.sketch_examples import sketch_classes

SURFACE = """AmsF2 BloomFilter BottomKSample Bounds CountMin CountingBloomFilter DecayedCounts DecayedReservoir Deltas Dgim DgimSum
ExactSlidingCounter FkEstimator FlajoletMartin Group HyperLogLog KllQuantiles LshIndex MergeableTriangles MinHash Repeats Reservoir
ReservoirL ReservoirR RotatingBloomFilter ScalableBloomFilter Sketch SpaceSaving StratifiedSample Triest WeightedReservoir alike
similar_pairs""".split()


def test_the_surface_is_this() -> None:
    assert sorted(sketches.__all__) == sorted(SURFACE)
    for name in SURFACE:
        assert getattr(sketches, name).__name__ in {name, "BottomKSample"}
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = sketches.Nothing


def test_every_sketch_can_be_imported_from_the_room() -> None:
    offered = {one for name in SURFACE if isinstance(one := getattr(sketches, name), type) and issubclass(one, Sketch)}
    assert sketch_classes() <= offered


def test_who_needs_one_sketch_does_not_load_spark_or_another_library_of_sketches() -> None:
    script = "import sys, sketches; sketches.HyperLogLog; print({'pyspark', 'datasketch', 'scipy'} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "set()"
