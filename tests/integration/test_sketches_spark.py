"""Sketches that Spark builds have the bytes that plain Python builds, in batch and in streams; samples and joins keep their promise."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

import pandas as pd
import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.functions import spark_partition_id

from sketches.contract import Sketch
from sketches.frequency import CountMin
from sketches.hyperloglog import HyperLogLog
from sketches.reservoir_l import ReservoirL
from sketches.similarity import jaccard
from sketches.spark import SketchStream, aggregate, aggregate_by, fixed_size_sample, merge_tree, similar_pairs
from sketches.spark.aggregate import FAN_IN
from sketches.weighted_reservoir import WeightedReservoir
from veilocity.errors import SketchMismatchError, StateError
from veilocity.settings import load
from veilocity.spark import start_session

pytestmark = [
    pytest.mark.spark,
    # PySpark leaves the socket through which it collects rows to the garbage collector.
    pytest.mark.filterwarnings("ignore:unclosed.*socket:ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
]

ROWS = 4_000


@pytest.fixture(scope="module")
def spark(spark_connector: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    settings = load({}, spark_jars=spark_connector)
    session = start_session(settings, "sketches-test", tmp_path_factory.mktemp("spark"), {"spark.sql.shuffle.partitions": "2"})
    yield session
    session.stop()


@pytest.fixture(scope="module")
def payments(spark: SparkSession) -> DataFrame:
    """Shops by popularity, in 20 partitions, so that the tree has two levels; cached, so that they stay the same."""
    rng = random.Random(5)  # noqa: S311  # test data
    shops = [f"shop-{min(int(rng.paretovariate(0.8)), 500)}" for _ in range(ROWS)]
    table = pd.DataFrame({"number": range(ROWS), "shop": shops, "weight": [1.0 + number % 7 for number in range(ROWS)]})
    frame = spark.createDataFrame(table).repartition(20, "number").cache()
    assert frame.rdd.getNumPartitions() == 20 > FAN_IN
    return frame


def by_partition(frame: DataFrame, *columns: str) -> list[list[object]]:
    """Return the items of each partition, in its order."""
    parts: dict[int, list[object]] = {number: [] for number in range(frame.rdd.getNumPartitions())}
    for row in frame.select(spark_partition_id().alias("part"), *columns).collect():
        parts[row["part"]].append(row[columns[0]] if len(columns) == 1 else tuple(row[name] for name in columns))
    return [parts[number] for number in sorted(parts)]


EXACT = [HyperLogLog(precision=12, seed=1), CountMin(width=256, depth=4, seed=1)]
SAMPLED = [ReservoirL(capacity=50, seed=1)]


@pytest.mark.parametrize("empty", [*EXACT, *SAMPLED], ids=lambda one: type(one).__name__)
def test_spark_and_plain_python_build_the_same_bytes(payments: DataFrame, empty: Sketch) -> None:
    parts = []
    for items in by_partition(payments, "shop"):
        part = empty.clone()
        part.update_batch(items)  # type: ignore[arg-type]  # text
        parts.append(part)
    found = aggregate(payments, "shop", empty)
    assert found.to_bytes() == merge_tree(parts).to_bytes()
    assert found.to_bytes() == aggregate(payments, "shop", empty).to_bytes()


@pytest.mark.parametrize("empty", EXACT, ids=lambda one: type(one).__name__)
def test_an_exact_merge_does_not_depend_on_the_partitions(payments: DataFrame, empty: Sketch) -> None:
    whole = empty.clone()
    whole.update_batch([row["shop"] for row in payments.collect()])
    assert aggregate(payments, "shop", empty).to_bytes() == whole.to_bytes()
    assert aggregate(payments.coalesce(1), "shop", empty).to_bytes() == whole.to_bytes()


def test_items_of_two_columns_are_pairs(payments: DataFrame) -> None:
    empty = WeightedReservoir(capacity=40, seed=3)
    parts = []
    for items in by_partition(payments, "shop", "weight"):
        part = empty.clone()
        part.update_batch(items)  # type: ignore[arg-type]  # pairs
        parts.append(part)
    assert aggregate(payments, ["shop", "weight"], empty).to_bytes() == merge_tree(parts).to_bytes()


def test_each_group_has_the_sketch_of_its_rows(payments: DataFrame) -> None:
    empty = CountMin(width=256, depth=4, seed=1)
    by_weight: dict[float, CountMin] = {}
    for row in payments.collect():
        by_weight.setdefault(row["weight"], empty.clone()).update(row["shop"])
    found = {row["weight"]: bytes(row["sketch"]) for row in aggregate_by(payments, ["weight"], "shop", empty).collect()}
    assert found == {weight: sketch.to_bytes() for weight, sketch in by_weight.items()}
    with pytest.raises(SketchMismatchError, match="key"):
        aggregate_by(payments, [], "shop", empty)


def test_no_rows_are_an_empty_sketch(payments: DataFrame) -> None:
    empty = HyperLogLog(precision=12, seed=1)
    assert aggregate(payments.where("number < 0"), "shop", empty).to_bytes() == empty.to_bytes()


def test_a_stream_that_replays_its_newest_batch_counts_once(spark: SparkSession, payments: DataFrame, tmp_path: Path) -> None:
    source, state = tmp_path / "in", tmp_path / "state"
    for number in range(3):
        payments.where(f"number % 3 = {number}").select("shop").coalesce(1).write.mode("append").parquet(str(source))
    empty = CountMin(width=256, depth=4, seed=1)
    stream = SketchStream(empty, "shop", state)
    replays: list[int] = []

    def crash_once(frame: DataFrame, batch: int) -> None:
        # As after a crash behind the state's last write and before Spark's: the same batch is handed out again.
        stream(frame, batch)
        SketchStream(empty, "shop", state)(frame, batch)
        replays.append(batch)

    reader = spark.readStream.schema("shop string").option("maxFilesPerTrigger", 1).parquet(str(source))
    query = reader.writeStream.foreachBatch(crash_once).trigger(availableNow=True).option("checkpointLocation", str(tmp_path / "c")).start()
    assert query.awaitTermination(120)
    assert replays == [0, 1, 2]
    whole = aggregate(payments, "shop", empty)
    assert stream.total().to_bytes() == whole.to_bytes()
    assert SketchStream(empty, "shop", state).total().to_bytes() == whole.to_bytes()
    with pytest.raises(SketchMismatchError, match="differ in width"):
        SketchStream(CountMin(width=128, depth=4, seed=1), "shop", state)
    state.write_bytes(state.read_bytes()[:-1])
    with pytest.raises(StateError, match="damaged"):
        SketchStream(empty, "shop", state)


def test_a_sample_has_its_size_and_with_an_identity_does_not_depend_on_the_partitions(payments: DataFrame) -> None:
    first = fixed_size_sample(payments, 100, seed=1, identity=["number"])
    again = fixed_size_sample(payments.repartition(3), 100, seed=1, identity=["number"])
    other = fixed_size_sample(payments, 100, seed=2, identity=["number"])
    numbers = [{row["number"] for row in frame.collect()} for frame in (first, again, other)]
    assert [len(one) for one in numbers] == [100, 100, 100]
    assert numbers[0] == numbers[1] != numbers[2]
    assert fixed_size_sample(payments, 100, seed=1).count() == 100
    assert fixed_size_sample(payments.where("number < 7"), 100, seed=1).count() == 7
    assert first.columns == payments.columns
    with pytest.raises(SketchMismatchError, match="at least one row"):
        fixed_size_sample(payments, 0, seed=1)


def test_the_sample_is_uniform(payments: DataFrame) -> None:
    """N = 60 seeds, 40 of 400 rows each: chi-square over 8 blocks of 50 rows has 7 degrees of freedom, so over 42 has probability 5e-7."""
    few = payments.where("number < 400").coalesce(4).cache()
    taken = Counter(row["number"] // 50 for seed in range(60) for row in fixed_size_sample(few, 40, seed, identity=["number"]).collect())
    mean = 60 * 40 / 8
    assert sum((taken[block] - mean) ** 2 for block in range(8)) / mean < 42.0


def test_similar_pairs_are_verified_and_few_are_missed(spark: SparkSession) -> None:
    """120 planted pairs at Jaccard >= 0.7, recall stated 0.99: 6 or more missed has probability below 1e-3 at the bound, seeds fixed."""
    rng = random.Random(11)  # noqa: S311  # test data
    sets: dict[str, frozenset[str]] = {}
    for number in range(120):
        base = rng.sample(range(100_000), 40)
        sets[f"a{number:03}"] = frozenset(map(str, base))
        sets[f"b{number:03}"] = frozenset(map(str, [*base[:36], *rng.sample(range(100_000), 4)]))
    rows = [(identity, sorted(features)) for identity, features in sorted(sets.items())]
    frame = spark.createDataFrame([*rows, ("empty", [])], "id string, features array<string>").repartition(3)
    found = {(row["first"], row["second"]): row["similarity"] for row in similar_pairs(frame, "id", "features", 0.7).collect()}
    truth = {pair: jaccard(sets[pair[0]], sets[pair[1]]) for pair in combinations(sorted(sets), 2)}
    alike = {pair: value for pair, value in truth.items() if value >= 0.7}
    assert len(alike) >= 120
    assert found.keys() <= alike.keys()
    assert all(found[pair] == pytest.approx(alike[pair]) for pair in found)
    assert len(found) >= len(alike) - 5


def test_a_bucket_of_the_same_rows_costs_linear_work(spark: SparkSession) -> None:
    frame = spark.createDataFrame([(number, ["x", "y", "z"]) for number in range(200)], "id int, features array<string>")
    assert similar_pairs(frame, "id", "features", 0.9).count() == sum(min(number, 32) for number in range(200))
