"""Make a table k-anonymous by local recoding: each row is generalised only as far as its own neighbourhood needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Generic, Literal, NamedTuple, TypeVar

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from privacy.anonymise import proof as proofs
from privacy.anonymise.encoding import Encoded, encode, ranks
from privacy.anonymise.hierarchies import Hierarchy, Tree
from privacy.anonymise.proof import Proof
from privacy.hierarchies import EVERYTHING
from veilocity.errors import SettingsError, UnsafePolicyError, UnsafeReleaseError

__all__ = ["Anonymised", "anonymise", "check_request"]

Losses = dict[str, dict[str, float]]
T = TypeVar("T", pd.DataFrame, pa.Table)


class Anonymised(NamedTuple, Generic[T]):
    """A table that may be released, and why."""

    table: T
    """Quasi-identifiers as printed (text), the sensitive column, the kept columns; sorted by all of them; no index."""
    classes: NDArray[np.int64]
    """(rows of the table,): place in `proof.classes` of the class of each row, -1 for a starred row."""
    proof: Proof


class Request(NamedTuple):
    """What was asked for."""

    quasi: Mapping[str, Hierarchy]
    k: int
    person: str | None
    sensitive: str | None
    l: int  # noqa: E741  # the field's own name for it
    t: float
    effort: Literal["fast", "fine"]
    keep: tuple[str, ...]
    starred: bool
    ordered: bool


def anonymise(  # noqa: PLR0913  # each is a word of the policy, and all but three have a default
    table: T,
    quasi: Mapping[str, Hierarchy],
    k: int,
    *,
    person: str | None = None,
    sensitive: str | None = None,
    l: int = 1,  # noqa: E741  # the field's own name for it
    t: float = 1.0,
    effort: Literal["fast", "fine"] = "fast",
    keep: Sequence[str] = (),
    suppressed: Literal["removed", "starred"] = "removed",
    seed: int = 1,
) -> Anonymised[T]:
    """Generalise quasi-identifiers until every printed combination stands for at least k people.

    Guarantee, proven from the rows before this returns: for every printed combination, |people| >= k, |distinct sensitive values| >= l and
    EMD(sensitive values of the class, of all released rows) <= t; every printed value covers the true one; rows = released + suppressed.
    The output depends on the rows alone: neither their order nor the index reaches it. Minimised is the loss, the mean over all cells of
    (values under the printed one - 1) / (values of the domain - 1), a suppressed row counting 1.

    Args:
        table: a data frame or an Arrow table of any number of rows; the output is of the same kind. It is not changed.
        quasi: the columns an outsider may know, each with its hierarchy.
        k: people per printed combination, at least 2.
        person: column that names people; without it every row is a person. It is never in the output. Rows without a name
            might be anybody's, so they are suppressed.
        sensitive: column whose values l and t protect; numbers are compared by their order, all else as categories.
        l: distinct sensitive values per class; a missing value is one.
        t: largest distance, 0 to 1.
        effort: `fine` loses a few per cent less and takes several times as long.
        keep: further columns to copy. All others are left out: only the caller knows that a column identifies nobody.
        suppressed: rows for which there is no class are removed, or stay with `*` and nothing else.
        seed: of the search; equal tables and seeds give equal output.

    Raises:
        SettingsError: a column is absent, or holds a value that its hierarchy refuses.
        UnsafePolicyError: k, l or t promise nothing, or an identifying column was to be kept.
        UnsafeReleaseError: the proof failed; nothing was returned.

    References: Sweeney (2002) for k-anonymity; Machanavajjhala et al., "l-diversity", ACM TKDD 1 (2007); Li et al., "t-closeness", ICDE
    2007; Iyengar, "Transforming data to satisfy privacy constraints", KDD 2002, for the loss; LeFevre et al., "Mondrian multidimensional
    k-anonymity", ICDE 2006, for local recoding.

    >>> people = pd.DataFrame({"city": ["Lyon", "Nice", "Bonn", "Kiel", "Lyon"], "ill": ["no", "yes", "no", "yes", "no"]})
    >>> city = Hierarchy.from_mapping({"Lyon": ["FR"], "Nice": ["FR"], "Bonn": ["DE"], "Kiel": ["DE"]})
    >>> done = anonymise(people, {"city": city}, k=2, sensitive="ill", l=2)
    >>> done.table["city"].tolist(), [one.people for one in done.proof.classes], round(done.proof.loss, 3)
    (['DE', 'DE', 'FR', 'FR', 'FR'], [2, 3], 0.333)
    """
    frame = proofs.to_frame(table)
    ordered = sensitive in frame.columns and _is_number(frame[sensitive])
    request = Request(quasi, k, person, sensitive, l, t, effort, tuple(keep), suppressed == "starred", ordered)
    check_request(request, frame)
    named = frame if person is None else frame[frame[person].notna()]
    encoded = encode(named, quasi, person, sensitive, keep)
    labels, levels = _classes(encoded, request, seed)
    shown, proof = _proven(named, encoded, labels, levels, request, len(frame))
    return _output(table, shown, proof)


def check_request(request: Request, frame: pd.DataFrame) -> None:
    """Refuse what cannot be asked for.

    Raises:
        SettingsError: a column is absent or named twice.
        UnsafePolicyError: k, l or t promise nothing, or an identifying column was to be kept.
    """
    used = [*request.quasi, *([request.sensitive] if request.sensitive is not None else []), *request.keep]
    absent = [name for name in [*used, *([request.person] if request.person is not None else [])] if name not in frame.columns]
    if absent or len(set(used)) != len(used) or not request.quasi or not frame.columns.is_unique:
        raise SettingsError(f"every column must be in the table once and play one part, one that of a quasi-identifier; absent: {absent}")
    if request.person in used:
        raise UnsafePolicyError("the column of people would be printed: leave it out of quasi, sensitive and keep")
    if request.k < 2 or request.l < 1 or not 0 <= request.t <= 1:
        raise UnsafePolicyError("k must be at least 2, l at least 1 and t between 0 and 1: choose values that promise something")
    if (request.l > 1 or request.t < 1) and request.sensitive is None:
        raise UnsafePolicyError("l and t protect a sensitive column: name it")


def _classes(encoded: Encoded, request: Request, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    if not len(encoded.order):
        return np.zeros(0, dtype=np.int64), np.zeros((0, len(encoded.trees)), dtype=np.int64)
    from privacy.anonymise.solve import Goal, Solver  # noqa: PLC0415  # brings numba, which takes a second, and compiles

    found = Solver(encoded, request.effort, seed).solve(Goal(request.k, request.l, request.t, request.ordered))
    return found.labels, found.levels


def _proven(
    frame: pd.DataFrame, encoded: Encoded, labels: NDArray[np.int64], levels: NDArray[np.int64], request: Request, rows: int
) -> tuple[pd.DataFrame, Proof]:
    """Print the released rows, prove them against what they were, and return them in their final order with the proof of all `rows`."""
    inside = labels >= 0
    source = frame.iloc[encoded.order[inside]].reset_index(drop=True)
    shown = pd.DataFrame(index=source.index)
    losses: Losses = {}
    for at, ((name, hierarchy), tree) in enumerate(zip(request.quasi.items(), encoded.trees, strict=True)):
        shown[name] = np.array(tree.labels, dtype=object)[tree.node[levels[labels[inside], at], encoded.leaves[at, inside]]]
        losses[name] = _check_cover(source[name], shown[name], tree, hierarchy)
    people = proofs.keys(source[request.person]) if request.person is not None else range(len(source))
    values = source[request.sensitive] if request.sensitive is not None else pd.Series([None] * len(source), dtype=object)
    printed = zip(*(shown[name].tolist() for name in request.quasi), strict=True)
    groups = proofs.groups_of(printed, people, proofs.keys(values))
    classes = proofs.measure(groups, list(losses.values()), request.sensitive is not None, request.ordered)
    proofs.check_classes(classes, request.k, request.l, request.t)
    for name in [*([request.sensitive] if request.sensitive is not None else []), *request.keep]:
        shown[name] = source[name]
    order = np.lexsort([ranks(shown[name]) for name in reversed(shown.columns)]) if len(shown) else np.zeros(0, dtype=np.int64)
    shown = shown.iloc[order].reset_index(drop=True)
    missing = rows - len(shown)
    if request.starred and missing:
        stars = pd.DataFrame({name: [EVERYTHING] * missing for name in request.quasi}).reindex(columns=shown.columns)
        shown = pd.concat([shown.astype(object), stars.astype(object)], ignore_index=True)
    return shown, _proof(request, classes, losses, rows, shown)


def _proof(request: Request, classes: list[proofs.ClassProof], losses: Losses, rows: int, shown: pd.DataFrame) -> Proof:
    released = sum(one.rows for one in classes)
    return Proof(
        quasi=tuple(request.quasi),
        sensitive=request.sensitive,
        k=request.k,
        l=request.l,
        t=request.t,
        distinct_people=request.person is not None,
        ordered=request.ordered,
        effort=request.effort,
        rows=rows,
        released=released,
        suppressed=rows - released,
        starred=request.starred,
        loss=(sum(one.rows * one.loss for one in classes) + rows - released) / max(1, rows),
        value_loss=losses,
        classes=tuple(classes),
        checksum=proofs.checksum(shown),
    )


def _check_cover(source: pd.Series, shown: pd.Series, tree: Tree, hierarchy: Hierarchy) -> dict[str, float]:
    """Prove that every printed value of a column covers the true one; return the loss of each printed value."""
    under: dict[str, set[str]] = {}
    for level in tree.node:
        for leaf, node in zip(tree.leaves, level, strict=True):
            under.setdefault(tree.labels[node], set()).add(leaf)
    pairs = pd.DataFrame({"true": source, "shown": shown}).drop_duplicates()
    for value, printed in zip(pairs["true"].tolist(), pairs["shown"].tolist(), strict=True):
        if hierarchy.path(None if pd.isna(value) else value)[0] not in under[printed]:
            raise UnsafeReleaseError(f"the column {shown.name} prints a value that does not cover the true one: nothing may be released")
    return {printed: (len(under[printed]) - 1) / max(1, len(tree.leaves) - 1) for printed in sorted(set(shown))}


def _output(table: T, shown: pd.DataFrame, proof: Proof) -> Anonymised[T]:
    places = {one.printed: place for place, one in enumerate(proof.classes)}
    printed = list(zip(*(shown[name].tolist() for name in proof.quasi), strict=True))
    classes = np.array([places.get(one, -1) for one in printed], dtype=np.int64)
    if proof.starred:
        classes[proof.released :] = -1
    if isinstance(table, pa.Table):
        return Anonymised(pa.Table.from_pandas(shown, preserve_index=False).replace_schema_metadata(None), classes, proof)
    return Anonymised(shown, classes, proof)


def _is_number(column: pd.Series) -> bool:
    return bool(pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column))
