"""Discrete Laplace noise: drawn by OpenDP, and the law it follows, in closed form.

The discrete Laplace law of scale b gives an integer z the probability (1 - a) / (1 + a) a^|z|, a = e^(-1/b). Added to counts of which one
person changes the sum of absolute values by at most s, it is epsilon-differentially private with b = s / epsilon. OpenDP draws it with
integer arithmetic only, so that no rounding of a float tells the exact count, and its map (not a formula of ours) states the epsilon.

Its draws come from the operating system and cannot be seeded: a draw must be written down before it is used (`CountsRecord`, `Tree`).

References: Ghosh, Roughgarden and Sundararajan, "Universally utility-maximizing privacy mechanisms", STOC 2009, for the law; Canonne,
Kamath and Steinke, "The discrete Gaussian for differential privacy", NeurIPS 2020, for the exact sampler; Rogers, "A unifying privacy
analysis framework for unknown domain algorithms", 2023, for the selection of keys by a threshold.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from opendp.domains import atom_domain, map_domain, vector_domain
from opendp.measurements import make_laplace, make_laplace_threshold
from opendp.metrics import absolute_distance, l01inf_distance, l1_distance
from opendp.mod import Measurement, enable_features

from veilocity.errors import UnsafePolicyError

__all__ = ["add_laplace", "laplace_radius", "laplace_variance", "scale_for", "select", "threshold_for"]

# What OpenDP calls "contrib" are mechanisms whose proofs stand beside the code and wait for an outside review.
enable_features("contrib")
_I64 = "i64"


@lru_cache(maxsize=256)
def _laplace(scale: float) -> Measurement:
    return make_laplace(vector_domain(atom_domain(T=_I64)), l1_distance(T=_I64), scale)


@lru_cache(maxsize=256)
def _threshold(scale: float, threshold: int) -> Measurement:
    space = map_domain(atom_domain(T="String"), atom_domain(T=_I64)), l01inf_distance(absolute_distance(T=_I64))
    return make_laplace_threshold(*space, scale, threshold)


def _loss(measurement: Measurement, distance: object) -> Any:
    """Return what OpenDP proves: epsilon, or epsilon and delta, for inputs at this distance."""
    return measurement.map(distance)  # type: ignore[no-untyped-call]  # the package is typed but for this method


@lru_cache(maxsize=256)
def scale_for(sensitivity: int, epsilon: float) -> float:
    """Return the least scale, up to rounding, that OpenDP proves to be epsilon-differentially private for this L1 sensitivity.

    Raises:
        UnsafePolicyError: one of the two is not a positive, finite number.

    >>> 7.999 < scale_for(sensitivity=4, epsilon=0.5) < 8.001
    True
    """
    if not (sensitivity > 0 and 0.0 < epsilon < math.inf):
        raise UnsafePolicyError("sensitivity and epsilon must be positive and finite: correct the policy")
    scale = sensitivity / epsilon
    while _loss(_laplace(scale), sensitivity) > epsilon:
        scale *= 1.0 + 2.0**-50
    return scale


def add_laplace(values: Sequence[int], scale: float) -> list[int]:
    """Return each value with its own noise added; another call gives other noise.

    >>> len(add_laplace([5, 0, 7], scale=2.0))
    3
    """
    drawn: list[int] = _laplace(scale)(list(values))
    return drawn


def threshold_for(sensitivity: int, scale: float, delta: float) -> int:
    """Return the least threshold at which keys that only one person has are shown with probability at most `delta`, all of them together.

    One person has at most `sensitivity` keys, each with a count of at most `sensitivity`; OpenDP's map states the delta of both at once.

    Raises:
        UnsafePolicyError: delta is not between 0 and 1.

    >>> threshold_for(sensitivity=4, scale=8.0, delta=1e-6)
    120
    """
    if not 0.0 < delta < 1.0:
        raise UnsafePolicyError("keys that are not public need a delta between 0 and 1: name the public cells, or a delta")
    # The tail of the continuous law lies above that of the discrete one by less than a step.
    threshold = max(1, sensitivity + math.floor(scale * math.log(sensitivity / (2.0 * delta))) - 2)
    while _loss(_threshold(scale, threshold), (sensitivity,) * 3)[1] > delta:
        threshold += 1
    return threshold


def select(counts: Mapping[str, int], scale: float, threshold: int) -> dict[str, int]:
    """Return the keys whose noisy count reaches the threshold, with that count, sorted by key.

    A key that nobody has is never in `counts` and never shown; that a key is shown tells of one person with probability delta at most.

    >>> select({"busy": 1_000_000, "lonely": 1}, scale=2.0, threshold=1_000).keys()
    dict_keys(['busy'])
    """
    shown: dict[str, int] = _threshold(scale, threshold)(dict(counts))
    return dict(sorted(shown.items()))


def laplace_variance(scale: float) -> float:
    """Return the variance of the discrete Laplace law, 2 a / (1 - a)^2 with a = e^(-1/scale); below 2 scale^2.

    >>> round(laplace_variance(8.0), 3)
    127.833
    """
    return 0.5 / math.sinh(0.5 / scale) ** 2


def laplace_radius(scale: float, confidence: float, terms: int = 1) -> int:
    """Return the least r for which one draw, or the sum of two, lies within -r..r with this confidence; exact, no approximation.

        P(|Z| > r)      = 2 a^(r+1) / (1 + a)
        P(|Z + Y| > r)  = 2 p^2 a^(r+1) ((r + 1 + q) / (1 - a) + a / (1 - a)^2),  p = (1 - a) / (1 + a),  q = (1 + a^2) / (1 - a^2)

    Args:
        scale: of each draw.
        confidence: between 0 and 1.
        terms: 1 or 2 independent draws.

    Raises:
        UnsafePolicyError: the confidence is not between 0 and 1.

    >>> laplace_radius(8.0, 0.95), laplace_radius(8.0, 0.95, terms=2)
    (24, 33)
    """
    if not 0.0 < confidence < 1.0:
        raise UnsafePolicyError("a confidence lies between 0 and 1: correct the policy")
    allowed = 1.0 - confidence
    high = 1
    while _tail(scale, high, terms) > allowed:
        high *= 2
    low = -1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if _tail(scale, middle, terms) > allowed else (low, middle)
    return high


def _tail(scale: float, radius: int, terms: int) -> float:
    decay, gap = math.exp(-1.0 / scale), -math.expm1(-1.0 / scale)
    power = math.exp(-(radius + 1) / scale)
    if terms == 1:
        return 2.0 * power / (1.0 + decay)
    offset = (1.0 + decay * decay) / (gap * (1.0 + decay))
    return 2.0 * (gap / (1.0 + decay)) ** 2 * power * ((radius + 1 + offset) / gap + decay / gap**2)
