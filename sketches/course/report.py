"""The report: one HTML file that holds its scripts, its styles and its data, and asks nobody for anything.

The plots are drawn by plotly.js, which is put into the page once. The data of all plots is one block of JSON; a small script draws a plot
when it comes near the window, in the colours of the light or the dark scheme, whichever the reader's system has, and again when that
changes. A content security policy inside the page names the two scripts by their SHA-256, so nothing else runs even where the file is
opened from a disk.

Guarantee: the same chapters give the same bytes: there is no time, no random name and no path of this machine in the page, and no text of
the stream is taken for markup (all of it is escaped).

References: W3C, "Content Security Policy Level 3", 2024; Leskovec, Rajaraman and Ullman, "Mining of Massive Datasets", 2020.
"""

from __future__ import annotations

import base64
import hashlib
import math
import os
import re
from collections.abc import Iterable, Sequence
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any

import msgspec

from sketches.course.chapter import Chapter, Curve, Figure, Plot
from sketches.course.study import CONFIDENCE

__all__ = ["document", "figures_json", "render", "section", "write"]

_MARKS = {"line": "l", "dashes": "d", "steps": "s", "points": "p", "bars": "b"}


def write(path: Path, source: str, chapters: Sequence[Chapter], extra: Sequence[Chapter] = (), missing: Sequence[str] = ()) -> None:
    """Write the report and, beside it with the ending `.json`, its figures; a reader never sees half of a file.

    Args:
        path: the file, replaced if it is there.
        source: what the stream is.
        chapters: of this room.
        extra: of other rooms, at the end.
        missing: a sentence for each chapter that is left out, and why.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    both = [*chapters, *extra]
    page, figures = render(source, both, missing).encode(), figures_json(source, both)
    _replace(path.with_suffix(".json"), figures)
    _replace(path, page)


def _replace(path: Path, content: bytes) -> None:
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        fresh.write_bytes(content)
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)


def figures_json(source: str, chapters: Sequence[Chapter]) -> bytes:
    """Return every figure of the report as JSON: what stands at the end of the stream, without the plots. No number is a gap.

    >>> figures_json("nothing", [])
    b'{"source":"nothing","confidence":0.95,"chapters":[]}'
    """
    told = [
        {
            "id": chapter.id,
            "part": chapter.part,
            "title": chapter.title,
            "guarantee": chapter.guarantee,
            "figures": [_told(figure) for figure in chapter.figures],
        }
        for chapter in chapters
    ]
    return msgspec.json.encode({"source": source, "confidence": CONFIDENCE, "chapters": told})


def _told(figure: Figure) -> dict[str, Any]:
    return {**msgspec.structs.asdict(figure), "error": figure.error, "holds": figure.holds}


def render(source: str, chapters: Sequence[Chapter], missing: Sequence[str] = ()) -> str:
    """Return the page.

    >>> page = render("nothing", [])
    >>> page.startswith("<!DOCTYPE html>"), page == render("nothing", [])
    (True, True)
    """
    plots = [plot for chapter in chapters for plot in chapter.plots]
    body = (_head(source, chapters, missing), *_parts(chapters, iter(range(len(plots)))))
    return document("The algorithms and their promises", _contents(chapters), body, plots)


def document(title: str, contents: str, body: Iterable[str], plots: Sequence[Plot]) -> str:
    """Return a whole page, for the report and for pages of other rooms that are drawn like it.

    Args:
        title: of the page, plain text.
        contents: its `nav`, as markup.
        body: what stands beside it, as markup; sections come from `section`.
        plots: of all sections, in their order.
    """
    # Five megabytes that who imports a chapter does not need; plotly has no types.
    from plotly.offline import get_plotlyjs  # type: ignore[import-untyped]  # noqa: PLC0415  # see above

    library = _closed(get_plotlyjs())
    driver = _closed(_asset("report.js"))
    policy = (
        f"default-src 'none'; script-src {_hash(library)} {_hash(driver)}; style-src-elem 'unsafe-inline'; style-src-attr 'none'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )
    return "\n".join(
        (
            "<!DOCTYPE html>",
            '<html lang="en">',
            '<head><meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{escape(policy)}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta name="color-scheme" content="dark light">',
            f"<title>{escape(title)}</title>",
            f"<style>{_asset('report.css')}</style></head>",
            "<body>",
            contents,
            "<main>",
            *body,
            "</main>",
            f'<script type="application/json" id="plots">{_data(plots)}</script>',
            f"<script>{library}</script>",
            f"<script>{driver}</script>",
            "</body></html>",
            "",
        )
    )


def _asset(name: str) -> str:
    return files("sketches.course").joinpath(name).read_text(encoding="utf-8")


def _closed(script: str) -> str:
    """Return a script that cannot end its element early: what would end it can stand in a string only, where an escape means the same."""
    return re.sub(r"<(?=/script|!--)", r"\\x3C", script, flags=re.IGNORECASE)


def _data(plots: Sequence[Plot]) -> str:
    return msgspec.json.encode([_drawn(plot) for plot in plots]).decode().replace("<", "\\u003c")


def _hash(script: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


def _grouped(chapters: Iterable[Chapter]) -> dict[str, list[Chapter]]:
    parts: dict[str, list[Chapter]] = {}
    for chapter in chapters:
        parts.setdefault(chapter.part, []).append(chapter)
    return parts


def _contents(chapters: Sequence[Chapter]) -> str:
    lines = ['<nav aria-label="Contents"><a class="brand" href="#top">Veilocity</a>']
    for part, members in _grouped(chapters).items():
        links = "".join(f'<li><a href="#{chapter.id}">{escape(chapter.title)}</a></li>' for chapter in members)
        lines.append(f"<h2>{escape(part)}</h2><ul>{links}</ul>")
    return "\n".join([*lines, "</nav>"])


def _head(source: str, chapters: Sequence[Chapter], missing: Sequence[str]) -> str:
    figures = [figure for chapter in chapters for figure in chapter.figures]
    held = [figure.holds for figure in figures if figure.holds is not None]
    lines = [
        '<header id="top"><h1>The algorithms and their promises</h1>',
        f"<p>The stream: {escape(source)}. Every algorithm sees it once, in fixed memory; beside each stands the exact answer.</p>",
        f"<p>Bounds are asked for a confidence of {CONFIDENCE * 100:.0f} %, so about one truth in twenty may lie outside. "
        f"Here {sum(held)} of {len(held)} lie inside.</p>",
        *(f'<p class="missing">{escape(sentence)}</p>' for sentence in missing),
        "<noscript><p>The plots need JavaScript; the figures in the tables do not.</p></noscript>",
        _overview(chapters),
        "</header>",
    ]
    return "\n".join(line for line in lines if line)


def _overview(chapters: Sequence[Chapter]) -> str:
    rows = [
        f'<tr><th scope="row"><a href="#{chapter.id}">{escape(chapter.title)}</a></th>{_cells(figure)}</tr>'
        for chapter in chapters
        for figure in chapter.figures[:1]
    ]
    return _table("All at the end of the stream", "algorithm", rows) if rows else ""


def _parts(chapters: Sequence[Chapter], numbers: Iterable[int]) -> Iterable[str]:
    numbered = iter(numbers)
    for part, members in _grouped(chapters).items():
        yield f'<h2 class="part">{escape(part)}</h2>'
        for chapter in members:
            yield section(chapter, numbered)


def section(chapter: Chapter, numbers: Iterable[int]) -> str:
    """Return the section of a chapter; its plots take the next numbers."""
    # Strict would ask the endless side for one more number than there are plots.
    shown = "".join(_frame(chapter, plot, number) for plot, number in zip(chapter.plots, numbers, strict=False))
    rows = [f'<tr><th scope="row">{escape(figure.what)}</th>{_cells(figure)}</tr>' for figure in chapter.figures]
    return "\n".join(
        (
            f'<section id="{chapter.id}"><h3>{escape(chapter.title)}</h3>',
            f"<p>{escape(_typeset(chapter.theory))}</p>",
            f'<p class="promise"><b>Guarantee</b> <code>{escape(_typeset(chapter.guarantee))}</code></p>',
            f'<div class="plots">{shown}</div>',
            _table("At the end of the stream", "what", rows) if rows else "",
            f'<p class="reference">{escape(chapter.reference)}</p></section>',
        )
    )


def _typeset(text: str) -> str:
    """Return a text whose minus signs are such: a hyphen that stands alone, or before a number in brackets or an exponent."""
    return re.sub(r"(?<=[ (^])-(?=[ \d(])", "\N{MINUS SIGN}", text)


def _frame(chapter: Chapter, plot: Plot, number: int) -> str:
    where = f"plot-{chapter.id}-{number}"
    wide = ' class="wide"' if plot.wide else ""
    return (
        f'<figure{wide} data-topic="{plot.topic.name.lower()}"><div class="plot" id="{where}" data-plot="{number}" role="img" '
        f'aria-label="{escape(plot.caption)}"></div><figcaption>{escape(plot.caption)}</figcaption></figure>'
    )


def _table(caption: str, first: str, rows: Sequence[str]) -> str:
    names = (first, "estimate", "exact", "bounds", "error", "memory", "exact memory")
    head = "".join(f'<th scope="col">{name}</th>' for name in names)
    return (
        f'<div class="table"><table><caption>{caption}</caption><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>'
    )


def _cells(figure: Figure) -> str:
    bounds = "\N{EN DASH}" if figure.low is None or figure.high is None else f"{_number(figure.low)} to {_number(figure.high)}"
    if figure.holds is False:
        bounds = f'<span class="outside">{bounds}, outside</span>'
    plain = (_number(figure.estimate), _number(figure.truth))
    rest = (_share(figure.error), _size(figure.memory_bytes), _size(figure.exact_bytes))
    return "".join(f"<td>{text}</td>" for text in (*plain, bounds, *rest))


def _number(value: float) -> str:
    if not math.isfinite(value):
        return "∞" if value > 0 else "\N{MINUS SIGN}∞"
    if value == int(value) or abs(value) >= 10_000:
        return f"{value:,.0f}" if abs(value) < 1e12 else f"{value:.3g}"
    return f"{value:,.4g}"


def _share(value: float) -> str:
    return f"{value * 100.0:.2g} %" if value < 10.0 else f"{value:.2g} \N{MULTIPLICATION SIGN}"


def _size(size: int) -> str:
    for unit in ("B", "kB", "MB"):
        if size < 1_000 or unit == "MB":
            return f"{size:.3g} {unit}"
        size = size / 1_000  # type: ignore[assignment]  # a number of kilobytes may be broken
    raise AssertionError("unreachable")


def _drawn(plot: Plot) -> dict[str, Any]:
    """Return a plot as the page's script reads it."""
    found: dict[str, Any] = {"x": plot.x_title, "y": plot.y_title, "curves": [_curve(curve) for curve in plot.curves]}
    if plot.band is not None:
        band = plot.band
        found["band"] = {"name": band.name, "x": _cut(band.x), "low": _cut(band.low), "high": _cut(band.high)}
    for name, value in (("lx", plot.log_x), ("ly", plot.log_y), ("bare", plot.bare)):
        if value:
            found[name] = 1
    return found


def _curve(curve: Curve) -> dict[str, Any]:
    found: dict[str, Any] = {
        "name": curve.name,
        "mark": _MARKS[curve.shape],
        "role": curve.role.value,
        "x": _cut(curve.x),
        "y": _cut(curve.y),
    }
    if curve.labels:
        found["labels"] = curve.labels
    return found


def _cut(values: Iterable[float | str | None]) -> list[float | str | None]:
    """Return numbers of six digits; what is not finite is a gap."""
    return [
        value if value is None or isinstance(value, str) else float(f"{value:.6g}") if math.isfinite(value) else None for value in values
    ]
