"""The course: every algorithm over one stream, its exact answer beside it, as a page that needs nothing but a browser.

- `Chapter`: what is told of one algorithm; other rooms may contribute their own.
- `simulate`, `read_csv`: the stream.
- `write`: the page.

`sketches.course.contents` lists the chapters; it imports every algorithm, so it is imported only where the course is held.
"""

from sketches.course.chapter import Band, Chapter, Curve, Figure, Plot, Role, Topic
from sketches.course.report import render, write
from sketches.course.stream import Stream, read_csv, simulate

__all__ = ["Band", "Chapter", "Curve", "Figure", "Plot", "Role", "Stream", "Topic", "read_csv", "render", "simulate", "write"]
