"""The examples in the documents run, and the page of the sketches lists each of them as it is."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

import pytest

from sketches.course import contents
from tests.unit.sketch_examples import sketch_classes

ROOT = Path(__file__).resolve().parents[2]


def text_of(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def rows() -> dict[str, list[str]]:
    """Return the cells of the table of classes, by class."""
    table = text_of("docs/sketches.md").split("## What is there")[1].split("## The course")[0]
    cells = [line.strip("|").split(" | ") for line in table.splitlines() if line.startswith("| `")]
    return {match[1]: row for row in cells if (match := re.match(r"\s*`(\w+)`", row[0]))}


@pytest.mark.parametrize("path", ["README.md", "docs/sketches.md"])
def test_the_examples_run(path: str) -> None:
    blocks = re.findall(r"```python\n(.*?)```", text_of(path), re.DOTALL)
    assert blocks
    for block in blocks:
        example = doctest.DocTestParser().get_doctest(block, {}, path, path, 0)
        assert example.examples
        said: list[str] = []
        assert doctest.DocTestRunner().run(example, out=said.append).failed == 0, "".join(said)


def test_every_sketch_is_listed_with_what_repeats_do() -> None:
    assert set(rows()) == {one.__name__ for one in sketch_classes()}
    for one in sketch_classes():
        assert rows()[one.__name__][-1].strip() == one.repeats.value, one


def test_the_readme_counts_them() -> None:
    assert f"{len(sketch_classes())} of them" in text_of("README.md")
    assert len(contents.COURSE) == len(sketch_classes())
