"""Write the document and the figure."""

from __future__ import annotations

from benchmarks.coverage.catalogue import ROWS
from benchmarks.coverage.document import DOCUMENT, ROOT, commands, render
from benchmarks.coverage.model import missing
from benchmarks.figures import Figure, write


def main() -> None:
    """Count the rows whose paths, tests and commands exist, and name what the others lack."""
    known = commands()
    lacking = {row.number: found for row in ROWS if (found := missing(row, ROOT, known))}
    DOCUMENT.write_text(render(), encoding="utf-8")
    write("coverage", [Figure("coverage.rows_working", float(len(ROWS) - len(lacking)), "rows", "= 55")], ())
    for number, found in lacking.items():
        print(f"row {number}: not here: {', '.join(found)}")


if __name__ == "__main__":
    main()
