"""Counts the rows of docs/reference-coverage.md that hold, and writes that document.

`python -m benchmarks.coverage` does both. A row whose files are not all in the checkout is shown without them, and does not count.
"""

from benchmarks.coverage.catalogue import ROWS
from benchmarks.coverage.document import DOCUMENT, render
from benchmarks.coverage.model import Row, missing

__all__ = ["DOCUMENT", "ROWS", "Row", "missing", "render"]
