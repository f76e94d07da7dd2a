"""A curve as one HTML file: the recommendation, the pictures, the figures; it holds its scripts and asks nobody for anything.

It is drawn as the report of the course is (`sketches.course.report`): plotly and a small script inside the page, named by their SHA-256 in
a content security policy.

Promises: equal curves and names make equal bytes; no name of a file or column is taken for markup; without JavaScript the figures are
there.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from privacy.curves.advice import Recommendation
from privacy.curves.model import Curve, Point
from privacy.curves.plots import cost_plot, risk_plot, score_plot, trade_plot
from sketches.course import Chapter
from sketches.course.report import document, section

__all__ = ["SCORE", "chapters_of", "render"]

SCORE = "score = 1 - max(prosecutor, journalist, marketer, unicity, inference)"
_PART = "k against privacy"
_COLUMNS = ("k", "classes", "smallest", "suppressed", "loss", "query_error", "prosecutor", "marketer", "unicity", "inference", "t", "score")
_ROWS = 12


def render(curve: Curve, advice: Recommendation, source: str) -> str:
    """Return the page.

    Args:
        curve: of a table.
        advice: what is recommended of it.
        source: name of the table.
    """
    chapters = chapters_of(curve, advice)
    plots = [plot for chapter in chapters for plot in chapter.plots]
    numbers = iter(range(len(plots)))
    body = (_head(curve, advice, source), *(section(chapter, numbers) for chapter in chapters), _table(curve, advice))
    return document("k against privacy", _contents(chapters), body, plots)


def chapters_of(curve: Curve, advice: Recommendation) -> tuple[Chapter, ...]:
    """Return what is told of a curve."""
    return (
        Chapter(
            id="score",
            part=_PART,
            title="What privacy costs",
            theory="The score is 1 less the chance of the best attack that was measured; 1 - 1/k is the same for one attack alone, the "
            "search for a row in its class.",
            guarantee=SCORE,
            reference="Article 29 Working Party, “Opinion 05/2014 on anonymisation techniques”; Satopaa, Albrecht, Irwin and Raghavan, "
            "ICDCS workshops 2011 (Kneedle).",
            plots=(score_plot(curve), trade_plot(curve, advice)),
        ),
        Chapter(
            id="risks",
            part=_PART,
            title="Found, joined, guessed",
            theory="A class of k people hides which of them a row belongs to, but neither what all of them share nor who comes again in "
            "other rows.",
            guarantee="prosecutor ≤ 1/k where every row names its person; unicity and inference have no bound in k",
            reference="El Emam, “Guide to the de-identification of personal health information”, 2013; de Montjoye, Hidalgo, Verleysen and "
            "Blondel, Scientific Reports 3:1376, 2013.",
            plots=(risk_plot(curve),),
        ),
        Chapter(
            id="cost",
            part=_PART,
            title="Loss and wrong answers",
            theory="Loss says how wide printed values are, and the error of random counts what that does to whoever counts with them.",
            guarantee="loss(k) never falls as k grows; 0 is exact, 1 is everything hidden",
            reference="Iyengar, KDD 2002; LeFevre, DeWitt and Ramakrishnan, ICDE 2006; Xiao and Tao, VLDB 2006.",
            plots=(cost_plot(curve),),
        ),
    )


def _contents(chapters: Sequence[Chapter]) -> str:
    links = "".join(f'<li><a href="#{chapter.id}">{escape(chapter.title)}</a></li>' for chapter in chapters)
    return (
        '<nav aria-label="Contents"><a class="brand" href="#top">Veilocity</a>'
        f'<h2>{_PART}</h2><ul>{links}<li><a href="#figures">Figures</a></li></ul></nav>'
    )


def _head(curve: Curve, advice: Recommendation, source: str) -> str:
    people = "every row another person" if curve.people is None else f"{curve.people:,} people"
    told = [f"Known to an outsider: {', '.join(curve.quasi)}"]
    if curve.sensitive is not None:
        told.append(f"not to be learnt: {curve.sensitive}")
    if curve.trace:
        told.append(f"{curve.trace_points} points of a trace known: {', '.join(curve.trace)}")
    return "\n".join(
        (
            '<header id="top"><h1>k against privacy</h1>',
            f"<p>{escape(source)}: {curve.rows:,} rows, {people}. {escape('; '.join(told))}.</p>",
            f"<p><b>{escape(advice.why)}</b></p>",
            "<p>The figures hold for these columns, for this table alone and for an outsider who knows nothing else. They are measured, "
            "not guaranteed: another table of the same people adds to what somebody knows.</p>",
            "<noscript><p>The plots need JavaScript; the figures in the table do not.</p></noscript>",
            "</header>",
        )
    )


def _table(curve: Curve, advice: Recommendation) -> str:
    head = "".join(f'<th scope="col">{name.replace("_", " ")}</th>' for name in _COLUMNS)
    rows = "".join(_row(point) for point in _chosen(curve, advice))
    return (
        '<section id="figures"><h3>Figures</h3><div class="table"><table><caption>Some k of the curve; all are in curve.csv</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div></section>"
    )


def _chosen(curve: Curve, advice: Recommendation) -> list[Point]:
    """Return the points of a dozen k at even ratios, and those that are spoken of."""
    last = len(curve.points) - 1
    places = {round((last + 1) ** (step / (_ROWS - 1))) - 1 for step in range(_ROWS)}
    spoken = {advice.k, advice.knee, advice.fitting}
    return [point for place, point in enumerate(curve.points) if place in places or point.k in spoken]


def _row(point: Point) -> str:
    cells = "".join(f"<td>{_shown(getattr(point, name))}</td>" for name in _COLUMNS[1:])
    return f'<tr><th scope="row">{point.k}</th>{cells}</tr>'


def _shown(value: float | None) -> str:
    if value is None:
        return "\N{EN DASH}"
    return f"{value:,}" if isinstance(value, int) else f"{value:.3f}"
