"""The part of haversine 2.9 that is used; the package ships no types."""

from enum import Enum

import numpy as np
from numpy.typing import ArrayLike, NDArray

class Unit(Enum):
    KILOMETERS = "km"
    METERS = "m"

def haversine(
    point1: tuple[float, float], point2: tuple[float, float], unit: Unit = ..., normalize: bool = ..., check: bool = ...
) -> float: ...
def haversine_vector(
    array1: ArrayLike, array2: ArrayLike, unit: Unit = ..., comb: bool = ..., normalize: bool = ..., check: bool = ...
) -> NDArray[np.float64]: ...
