"""Generalisation hierarchies: for every value the ever wider values it may be printed as, the last of them `*`.

Promises: every printed value covers the values below it; a missing value is a category of its own (`none`) that nothing covers but `*`; a
label that would stand for two different sets of values is printed with its path, so that a printed value is never ambiguous.

A `Hierarchy` says how values generalise; a `Tree` is that hierarchy over the values of one column, numbered for the search.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from privacy.amounts import band_path
from privacy.categories import category_path
from privacy.hierarchies import EVERYTHING, MISSING, cell_path
from veilocity.errors import SettingsError

__all__ = ["Hierarchy", "Tree", "text_of"]

LabelPath = tuple[str, ...]
Unknown = Literal["refuse", "root"]


def text_of(value: object) -> str:
    """Return a value as hierarchies write it: whole numbers without a fraction, whatever column type they come in.

    >>> text_of(39.0), text_of(2.5), text_of("Male")
    ('39', '2.5', 'Male')
    """
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    return str(value)


class Tree(NamedTuple):
    """A hierarchy over one column; `L` levels (0 the values, L - 1 `*`), `N` leaves, every array of shape (L, N)."""

    leaves: tuple[str, ...]
    """The values, in the order of the numbers that stand for them."""
    node: NDArray[np.int32]
    """Number of the node above each leaf at each level; equal numbers are equal nodes."""
    loss: NDArray[np.float64]
    """(leaves under the node - 1) / (N - 1): 0 exact, 1 everything hidden."""
    labels: tuple[str, ...]
    """What each node is printed as."""

    @property
    def height(self) -> int:
        """Steps from a value to `*`."""
        return len(self.node) - 1


class Hierarchy:
    """How the values of one column generalise. Make one with `from_csv`, `from_mapping`, `intervals` or `from_paths`.

    >>> city = Hierarchy.from_mapping({"Lyon": ("FR",), "Nice": ("FR",), "Bonn": ("DE",)})
    >>> city.path("Nice"), city.path(None)
    (('Nice', 'FR', '*'), ('none', 'none', '*'))
    """

    def __init__(
        self, path: Callable[[object], LabelPath | None], domain: tuple[LabelPath, ...] | None, height: int, unknown: Unknown
    ) -> None:
        """Keep the parts; the class methods know how to make them.

        Args:
            path: from a value (never missing) to its labels, the value's own first, `*` last; None for an unknown value.
            domain: the paths of all values, or None when the values of the column are the domain.
            height: steps from a value to `*`.
            unknown: what becomes of a value without a path: an error, or a category of its own directly below `*`.
        """
        self._path = path
        self._domain = domain
        self._height = height
        self._unknown = unknown

    @classmethod
    def from_csv(cls, file: Path, *, unknown: Unknown = "refuse") -> Hierarchy:
        """Read ARX's format as it is: `value;wider;wider;*` per line, no header, UTF-8, the last newline optional.

        Raises:
            SettingsError: lines of different lengths, a value that stands twice, or no line.
        """
        rows = [line.split(";") for line in file.read_text(encoding="utf-8-sig").splitlines() if line]
        if len({len(row) for row in rows}) != 1 or len({row[0] for row in rows}) != len(rows):
            raise SettingsError(f"the hierarchy {file.name} needs lines of one length and every value once: mend the file")
        return cls.from_mapping({row[0]: row[1:] for row in rows}, unknown=unknown)

    @classmethod
    def from_mapping(cls, above: Mapping[str, Sequence[str]], *, unknown: Unknown = "refuse") -> Hierarchy:
        """Take for each value its wider values, narrow to wide; `*` is added where it is missing and short paths are filled up.

        Raises:
            SettingsError: there is no value, or `*` is one.
        """
        if not above or EVERYTHING in above:
            raise SettingsError(f"a hierarchy needs values, and {EVERYTHING} may not be one: mend the mapping")
        bare = {value: [value, *(list(wider)[:-1] if list(wider)[-1:] == [EVERYTHING] else wider)] for value, wider in above.items()}
        height = max(len(path) for path in bare.values())
        paths = {value: (*path, *[path[-1]] * (height - len(path)), EVERYTHING) for value, path in bare.items()}
        return cls(lambda value: paths.get(text_of(value)), tuple(paths.values()), height, unknown)

    @classmethod
    def intervals(cls, low: float, high: float, widths: Sequence[float], *, unknown: Unknown = "refuse") -> Hierarchy:
        """Cut `low <= value < high` into half-open intervals of ever wider widths, all counted from `low`; the first are the leaves.

        >>> Hierarchy.intervals(0, 120, (1, 5, 20)).path(20)
        ('[20, 21)', '[20, 25)', '[20, 40)', '*')

        Raises:
            SettingsError: a width is not a whole multiple of the one before it, or the range is not one of the first.
        """
        # As decimals, which are exact: a value on a bound must not fall below it for a rounding error.
        start, *steps = (Fraction(str(number)) for number in (low, *widths, high - low))
        if len(steps) < 2 or min(steps) <= 0 or any((wide / narrow).denominator > 1 for narrow, wide in pairwise(steps)):
            raise SettingsError("the widths of intervals must grow by whole factors up to the whole range: choose other widths")

        def exact(number: Fraction) -> LabelPath | None:
            if not start <= number < start + steps[-1]:
                return None
            return (*(_interval(number, start, width) for width in steps[:-1]), EVERYTHING)

        def path(value: object) -> LabelPath | None:
            try:
                return exact(Fraction(str(value)))
            except ValueError:
                return None

        leaves = (exact(start + index * steps[0]) for index in range(int(steps[-1] / steps[0])))
        return cls(path, tuple(leaf for leaf in leaves if leaf), len(widths), unknown)

    @classmethod
    def from_paths(cls, path: Callable[[str], Sequence[str]], height: int) -> Hierarchy:
        """Take a function from a value to its `height` + 1 labels, its own first, `*` last; the column's values are the domain."""
        return cls(lambda value: tuple(path(text_of(value))), None, height, "refuse")

    @classmethod
    def cells(cls) -> Hierarchy:
        """H3 cells, their ancestors two and four resolutions up, `*` (`privacy.hierarchies.cell_path`)."""
        return cls.from_paths(cell_path, 3)

    @classmethod
    def amount_bands(cls) -> Hierarchy:
        """Bands of amounts, decade, currency, `*` (`privacy.amounts.band_path`)."""
        return cls.from_paths(band_path, 3)

    @classmethod
    def categories(cls) -> Hierarchy:
        """Merchant categories, group, `*` (`privacy.categories.category_path`)."""
        return cls.from_paths(category_path, 2)

    def path(self, value: Any) -> LabelPath:
        """Return the labels of a value, its own first, `*` last.

        Raises:
            SettingsError: the value is unknown and this hierarchy refuses such.
        """
        if pd.isna(value) or value == MISSING:
            return (*[MISSING] * self._height, EVERYTHING)
        found = self._path(value)
        if found is None and self._unknown == "refuse":
            raise SettingsError("a value is not in its hierarchy: add it there, or make the hierarchy with unknown='root'")
        return found if found is not None else (*[text_of(value)] * self._height, EVERYTHING)

    def tree(self, values: Iterable[object]) -> tuple[Tree, NDArray[np.int32]]:
        """Close the hierarchy over the distinct values of a column.

        Returns:
            the tree, and the number of the leaf of each value, shape (values,).

        Raises:
            SettingsError: see `path`; or two labels cannot be told apart even by their paths.
        """
        found = [self.path(value) for value in values]
        domain = {path[0]: path for path in self._domain or ()}
        # New leaves in sorted order: the order of rows must not number them.
        domain |= {path[0]: path for path in sorted(set(found)) if path[0] not in domain}
        numbers = {leaf: number for number, leaf in enumerate(domain)}
        return _tree(list(domain.values())), np.array([numbers[path[0]] for path in found], dtype=np.int32)


def _interval(number: Fraction, start: Fraction, width: Fraction) -> str:
    low = start + (number - start) // width * width
    return f"[{text_of(float(low))}, {text_of(float(low + width))})"


def _tree(paths: list[LabelPath]) -> Tree:
    levels = len(paths[0])
    members: dict[LabelPath, list[int]] = {}
    for leaf, path in enumerate(paths):
        for level in range(levels):
            members.setdefault(path[level:], []).append(leaf)
    numbers = {suffix: number for number, suffix in enumerate(members)}
    node = np.array([[numbers[path[level:]] for path in paths] for level in range(levels)], dtype=np.int32)
    sizes = np.array([len(leaves) for leaves in members.values()], dtype=np.float64)
    loss = (sizes - 1) / max(1, len(paths) - 1)
    return Tree(tuple(path[0] for path in paths), node, loss[node], _labels(members))


def _labels(members: dict[LabelPath, list[int]]) -> tuple[str, ...]:
    covered: dict[str, set[tuple[int, ...]]] = {}
    for suffix, leaves in members.items():
        covered.setdefault(suffix[0], set()).add(tuple(leaves))
    # A value keeps its name; a wider value that shares a label with something else is told apart by its path from above, in brackets.
    height = max(len(suffix) for suffix in members)
    labels = tuple(
        suffix[0] if len(covered[suffix[0]]) == 1 or len(suffix) == height else f"[{'/'.join(reversed(suffix[:-1]))}]" for suffix in members
    )
    printed: dict[str, set[tuple[int, ...]]] = {}
    for label, leaves in zip(labels, members.values(), strict=True):
        printed.setdefault(label, set()).add(tuple(leaves))
    if any(len(sets) > 1 for sets in printed.values()):
        raise SettingsError("two different values of a hierarchy are printed alike even with their paths: rename one of them")
    return labels
