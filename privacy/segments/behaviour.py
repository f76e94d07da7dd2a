"""Features of each person in one window: sums by Spark, then five numbers a person. Sums are of integers, so no order changes a bit.

| feature | what | bounds |
|---|---|---|
| `payments_per_day` | payments by the days of the window | up to 50 |
| `mean_amount` | geometric mean of amounts in major units, each in its own currency | 0.01 to 1,000,000 |
| `night_share` | share of payments between 22 and 6 o'clock by the sun | 0 to 1 |
| `distance_km` | mean way from one payment with a place to the next | up to 20,100 |
| `online_share` | share of payments by e-commerce | 0 to 1 |

The bounds are fixed in advance, so one person moves no average by more than they let through.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as sql

from privacy.segments.rows import LOG_UNITS
from veilocity.geo import EARTH_RADIUS_M

__all__ = ["FEATURES", "Behaviour", "Matrix", "behaviour_of", "standardised", "summed"]

Matrix = NDArray[np.float64]
FEATURES = ("payments_per_day", "mean_amount", "night_share", "distance_km", "online_share")
_MOST_PER_DAY = 50.0
_LEAST_AMOUNT, _MOST_AMOUNT = 0.01, 1_000_000.0
_DAY_MS = 86_400_000


class Behaviour(NamedTuple):
    """What is known of the people of one window, in an order that tells nothing of them."""

    features: Matrix
    """One row a person, columns as `FEATURES`; rows ascend."""
    too_few: int
    """People with fewer payments than needed, who are in no row."""


def summed(rows: DataFrame) -> DataFrame:
    """Return one row for each window and person: payments, sums of logarithms, nights, online payments and ways.

    Args:
        rows: of `privacy.segments.rows`.
    """
    # Among payments of one minute the place decides: their order in Kafka may differ from run to run.
    order = Window.partitionBy("start_ms", "person").orderBy("minute_ms", "lat", "lon")
    before = order.rowsBetween(Window.unboundedPreceding, -1)
    lat, lon = (sql.last(name, ignorenulls=True).over(before) for name in ("lat", "lon"))
    legs = rows.withColumn("from_lat", lat).withColumn("from_lon", lon)
    legs = legs.withColumn("leg_m", sql.round(_distance_m("from_lat", "from_lon", "lat", "lon")).cast("long"))
    return legs.groupBy("start_ms", "person").agg(
        sql.count("*").alias("payments"),
        sql.sum("log_amount").alias("log_amounts"),
        sql.sum("night").alias("nights"),
        sql.sum("online").alias("online"),
        sql.coalesce(sql.sum("leg_m"), sql.lit(0)).alias("way_m"),
        sql.count("leg_m").alias("legs"),
    )


def _distance_m(lat_1: str, lon_1: str, lat_2: str, lon_2: str) -> Column:
    """Return the great-circle distance by the haversine formula; null where a place is missing."""
    here, there = sql.radians(lat_1), sql.radians(lat_2)
    north = sql.pow(sql.sin((there - here) / 2), 2)
    east = sql.pow(sql.sin((sql.radians(lon_2) - sql.radians(lon_1)) / 2), 2)
    # Rounding may take the haversine of opposite places above 1; `least` would take 1 for an unknown place.
    haversine = north + sql.cos(here) * sql.cos(there) * east
    return 2 * EARTH_RADIUS_M * sql.asin(sql.sqrt(sql.when(haversine > 1, 1.0).otherwise(haversine)))


def behaviour_of(sums: pa.Table, width_ms: int, fewest_payments: int) -> Behaviour:
    """Return the features of the people of one window.

    Args:
        sums: rows of `summed`, of one window.
        width_ms: of the window.
        fewest_payments: who made fewer has no behaviour to speak of.
    """
    column = {name: sums.column(name).to_numpy().astype(np.float64) for name in sums.column_names if name != "person"}
    enough = column["payments"] >= fewest_payments
    payments = column["payments"][enough]
    means = column["log_amounts"][enough] / payments / LOG_UNITS
    features = np.column_stack(
        [
            np.minimum(payments / (width_ms / _DAY_MS), _MOST_PER_DAY),
            np.exp(np.clip(means, np.log(_LEAST_AMOUNT), np.log(_MOST_AMOUNT))),
            column["nights"][enough] / payments,
            column["way_m"][enough] / np.maximum(column["legs"][enough], 1.0) / 1000.0,
            column["online"][enough] / payments,
        ]
    )
    # Sorted by themselves: the order of pseudonyms, or of Spark's tasks, must not decide where k-means begins.
    ordered = features[np.lexsort(features.T[::-1])] if len(features) else features
    return Behaviour(ordered, int(np.count_nonzero(~enough)))


def standardised(features: Matrix) -> Matrix:
    """Return features as k-means compares them: logarithms of what has no upper end, each with mean 0 and deviation 1.

    A feature that is the same for all is 0.

    >>> standardised(np.array([[1.0, 10.0, 0.0, 0.0, 0.5], [1.0, 1000.0, 1.0, 0.0, 0.5]])).round(9).tolist()
    [[0.0, -1.0, -1.0, 0.0, 0.0], [0.0, 1.0, 1.0, 0.0, 0.0]]
    """
    scaled = features.copy()
    scaled[:, 0], scaled[:, 1], scaled[:, 3] = np.log(features[:, 0]), np.log(features[:, 1]), np.log1p(features[:, 3])
    centred: Matrix = scaled - scaled.mean(axis=0)
    deviation = centred.std(axis=0)
    # What is the same for all leaves a remainder of rounding, which would become a difference.
    alike = deviation < 1e-9
    return np.where(alike, 0.0, centred / np.where(alike, 1.0, deviation)) + 0.0
