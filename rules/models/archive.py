"""A model as bytes and back: numpy's `.npz` without pickle, so that a file can be wrong but can run nothing.

skops would store scikit-learn's own objects behind a list of trusted types; this needs neither the list nor scikit-learn where a payment is
scored, does not change with the library's version, and the same model is always the same bytes.
"""

from __future__ import annotations

import io
import itertools
from typing import Any

import msgspec
import numpy as np

from rules.models.autoencoder import Autoencoder
from rules.models.boosting import Boosting, Trees
from rules.models.model import Floats
from rules.models.reference import Reference
from veilocity.errors import StateError

__all__ = ["LAYOUT", "from_bytes", "to_bytes"]

LAYOUT = 1
"""Raise it when an older reader would misread a newer file."""
_NODES = ("roots", "feature", "threshold", "missing_left", "left", "right", "value")
_MOST_BYTES = 64_000_000


class _About(msgspec.Struct, frozen=True, kw_only=True):
    layout: int
    kind: str
    name: str
    features_version: int
    threshold: float
    reference: Reference
    figures: dict[str, float] = {}
    """Numbers of the kind: calibration, baseline, depth, layers."""


def to_bytes(model: Boosting | Autoencoder) -> bytes:
    """Return a model without its version as bytes, always the same for the same model."""
    arrays: dict[str, Any] = {}
    if isinstance(model, Boosting):
        arrays |= {f"tree_{name}": getattr(model.trees, name) for name in _NODES}
        trees = model.trees
        figures = {"depth": float(trees.depth), "baseline": trees.baseline, "slope": model.slope, "intercept": model.intercept}
    else:
        arrays |= {"means": model.means, "deviations": model.deviations}
        for number, (weight, bias) in enumerate(zip(model.weights, model.biases, strict=True)):
            arrays |= {f"weight_{number}": weight, f"bias_{number}": bias}
        figures = {"layers": float(len(model.weights))}
    about = _About(
        layout=LAYOUT,
        kind=model.kind,
        name=model.name,
        features_version=model.features_version,
        threshold=model.threshold,
        reference=model.reference,
        figures=figures,
    )
    arrays["about"] = np.frombuffer(msgspec.json.encode(about), np.uint8)
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def from_bytes(data: bytes, version: str = "") -> Boosting | Autoencoder:
    """Return the model that `to_bytes` wrote.

    Args:
        data: of the file.
        version: what to call it.

    Raises:
        StateError: the bytes are no model, or one of a newer layout.
    """
    if len(data) > _MOST_BYTES:
        raise StateError("a model's file is too large to be one: train it anew")
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        about = msgspec.json.decode(arrays.pop("about").tobytes(), type=_About)
        if about.layout > LAYOUT:
            raise StateError("a model was written by a newer Veilocity: upgrade this program, or train the model anew")
        return _model(about, arrays, version)
    except StateError:
        raise
    except Exception as cause:
        # A damaged file fails anywhere between zip, the tokenizer of numpy's headers and our own checks: all of it means the same.
        raise StateError(f"a model's file cannot be read ({type(cause).__name__}): train it anew, or go back to another version") from cause


def _model(about: _About, arrays: dict[str, Any], version: str) -> Boosting | Autoencoder:
    width = len(about.reference.features)
    common = (about.name, version, about.features_version, about.threshold, about.reference)
    if about.kind == "boosting":
        return Boosting(*common, _trees(about, arrays, width), about.figures["slope"], about.figures["intercept"])
    _ask(about.kind == "autoencoder")
    numbers = range(int(about.figures["layers"]))
    weights = tuple(_floats(arrays[f"weight_{number}"]) for number in numbers)
    biases = tuple(_floats(arrays[f"bias_{number}"]) for number in numbers)
    means, deviations = _floats(arrays["means"]), _floats(arrays["deviations"])
    _ask(means.shape == deviations.shape == (width,))
    inputs = (width, *(len(bias) for bias in biases))
    _ask(len(weights) > 0 and inputs[-1] == width)
    _ask(all(weight.shape == sizes for weight, sizes in zip(weights, itertools.pairwise(inputs), strict=True)))
    return Autoencoder(*common, means, deviations, weights, biases)


def _trees(about: _About, arrays: dict[str, Any], width: int) -> Trees:
    nodes = {name: arrays[f"tree_{name}"] for name in _NODES}
    count = len(nodes["feature"])
    _ask(all(array.shape == (count,) for name, array in nodes.items() if name != "roots") and nodes["roots"].ndim == 1)
    # A row must stay within the nodes, and must find each feature that a node asks for.
    _ask(all(_within(nodes[name], count) for name in ("roots", "left", "right")) and _within(nodes["feature"], width))
    depth = int(about.figures["depth"])
    _ask(0 <= depth <= count)
    return Trees(**nodes, depth=depth, baseline=about.figures["baseline"])


def _within(numbers: Any, end: int) -> bool:
    return numbers.dtype == np.int32 and bool(np.all((numbers >= 0) & (numbers < end)))


def _floats(array: Any) -> Floats:
    _ask(array.dtype == np.float64)
    found: Floats = array
    return found


def _ask(holds: bool) -> None:
    if not holds:
        raise ValueError
