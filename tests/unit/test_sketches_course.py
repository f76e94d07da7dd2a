"""The course: every algorithm has its chapter, the truth beside it is the truth, and the page is whole, closed and the same each time."""

from __future__ import annotations

import base64
import hashlib
import inspect
import itertools
import json
import math
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np
import pytest
from typer.testing import CliRunner

from privacy import course as privacy_course
from sketches.contract import Sketch
from sketches.course import Chapter, Curve, Figure, Plot, Role, Stream, Topic, contents, read_csv, render, simulate, write
from sketches.course.drawing import graph_plot
from sketches.course.similarity import features_of
from sketches.course.study import Study
from sketches.hyperloglog import HyperLogLog
from tests.unit.sketch_examples import sketch_classes
from veilocity.cli import app
from veilocity.cli import rubric as command
from veilocity.errors import SettingsError

ROOT = Path(__file__).parents[2]
EVENTS, SEED = 4_000, 7


@pytest.fixture(name="stream", scope="module")
def _stream() -> Stream:
    return simulate(EVENTS, SEED)


@pytest.fixture(name="course", scope="module")
def _course(stream: Stream) -> dict[str, Chapter]:
    return {chapter.id: chapter for chapter in contents.chapters(stream, SEED)}


def small_chapter(**changes: object) -> Chapter:
    curve = Curve(name="one", x=(1.0, 2.0), y=(1.0, math.inf), role=Role.ESTIMATE)
    plot = Plot(topic=Topic.TIME, caption="What one sees.", x_title="x", y_title="y", curves=(curve,))
    figure = Figure(what="things", estimate=11.0, truth=10.0, low=9.0, high=12.0, memory_bytes=5, exact_bytes=5_000)
    whole = Chapter(
        id="small",
        part="Part",
        title="Small",
        theory="One sentence.",
        guarantee="a - b",
        reference="A book.",
        plots=(plot,),
        figures=(figure,),
    )
    return msgspec.structs.replace(whole, **changes)


def figure_of(chapter: Chapter) -> Figure:
    return chapter.figures[0]


def plots_of(page: str) -> Any:
    block = re.search(r'<script type="application/json" id="plots">(.*?)</script>', page, re.DOTALL)
    assert block is not None
    return json.loads(block[1])


def scripts_of(page: str) -> list[str]:
    return re.findall(r"<script>(.*?)</script>", page, re.DOTALL)


def test_every_algorithm_has_a_chapter() -> None:
    told = {
        value
        for module in vars(contents).values()
        if inspect.ismodule(module)
        for value in vars(module).values()
        if inspect.isclass(value) and issubclass(value, Sketch)
    }
    assert {one.__name__ for one in sketch_classes()} <= {one.__name__ for one in told}


def test_the_number_of_chapters_is_known_beforehand(course: dict[str, Chapter]) -> None:
    assert len(course) == len(contents.COURSE)


def test_every_chapter_tells_theory_promise_source_and_figures(course: dict[str, Chapter]) -> None:
    for chapter in course.values():
        assert re.fullmatch(r"[a-z0-9-]+", chapter.id), chapter.id
        assert chapter.theory.endswith("."), chapter.id
        assert not re.search(r"\. [A-Z]", chapter.theory), f"{chapter.id}: theory is one sentence"
        assert len(chapter.guarantee) > 20, chapter.id
        assert re.search(r"\d{4}|MMDS", chapter.reference), chapter.id
        assert chapter.figures, chapter.id
        assert all(figure.memory_bytes > 0 and figure.exact_bytes > 0 for figure in chapter.figures), chapter.id


def test_every_chapter_shows_what_the_course_promises(course: dict[str, Chapter]) -> None:
    for chapter in course.values():
        wanted = {Topic.TIME, Topic.MEMORY, Topic.ERROR, Topic.MERGE}
        if chapter.id == "exact-sliding-counter":
            wanted -= {Topic.ERROR}
        assert wanted <= {plot.topic for plot in chapter.plots}, chapter.id
    topics = {plot.topic for chapter in course.values() for plot in chapter.plots}
    assert {Topic.FALSE_POSITIVES, Topic.CURVE, Topic.GRAPH} <= topics


def test_every_plot_has_as_many_values_as_places(course: dict[str, Chapter]) -> None:
    for chapter in course.values():
        for plot in chapter.plots:
            assert plot.caption.endswith((".", "]")), plot.caption
            assert plot.curves
            for curve in plot.curves:
                assert len(curve.x) == len(curve.y) > 0, (chapter.id, curve.name)
                assert not curve.labels or len(curve.labels) == len(curve.x)
            if plot.band is not None:
                assert len(plot.band.x) == len(plot.band.low) == len(plot.band.high)
                assert all(low <= high for low, high in zip(plot.band.low, plot.band.high, strict=True)), chapter.id


def test_few_truths_lie_outside_their_bounds(course: dict[str, Chapter]) -> None:
    """n: a figure of each of 25 chapters; seed 7 fixes the answer. Of another seed, 4 of 19 at 95 % lie outside with probability 0.013."""
    outside = [chapter.id for chapter in course.values() if figure_of(chapter).holds is False]
    assert len(outside) <= 3, outside
    certain = {"count-min", "space-saving", "decayed-counts", "dgim", "dgim-sum", "exact-sliding-counter"}
    assert not certain & set(outside)


def test_the_truth_is_what_a_plain_count_says(course: dict[str, Chapter], stream: Stream) -> None:
    counts = Counter(stream.items)
    for name in ("bloom", "scalable-bloom", "counting-bloom", "flajolet-martin", "hyperloglog"):
        assert figure_of(course[name]).truth == len(counts), name
    assert figure_of(course["ams"]).truth == sum(count**2 for count in counts.values())
    assert figure_of(course["sampled-moments"]).truth == sum(count**3 for count in counts.values())
    window = EVENTS // 16
    assert figure_of(course["dgim"]).truth == stream.items[-window:].count(stream.burst)
    assert figure_of(course["dgim-sum"]).truth == sum(min(4_095, round(value)) for value in stream.values[-window:].tolist())
    assert figure_of(course["space-saving"]).truth == counts[stream.ranked(19)]
    top = {item for item, _ in counts.most_common(10)}
    share = sum(item in top for item in stream.items) / EVENTS
    for name in ("reservoir-r", "reservoir-l", "stratified-sample"):
        assert figure_of(course[name]).truth == pytest.approx(share), name
    fade = 2.0 ** (-1.0 / max(200, EVENTS // 20))
    decayed = sum(fade ** (EVENTS - 1 - place) for place, item in enumerate(stream.items) if item == stream.burst)
    assert figure_of(course["decayed-counts"]).truth == pytest.approx(decayed)
    known = set(stream.items[: EVENTS // 8])
    assert figure_of(course["minhash"]).truth == pytest.approx(len(known) / len(counts))


def test_the_true_number_of_triangles_and_of_alike_pairs_is_that_of_comparing_all(course: dict[str, Chapter], stream: Stream) -> None:
    edges = {frozenset(pair) for pair in itertools.pairwise(stream.items) if pair[0] != pair[1]}
    near: dict[str, set[str]] = {}
    for one, two in map(tuple, edges):
        near.setdefault(one, set()).add(two)
        near.setdefault(two, set()).add(one)
    triangles = sum(len(near[one] & near[two]) for one, two in map(tuple, edges)) / 3
    assert figure_of(course["triest"]).truth == triangles == figure_of(course["mergeable-triangles"]).truth
    sets = [features_of(name) for name in stream.names]
    assert len(sets) <= 1_000
    alike = sum(len(one & two) >= 0.7 * len(one | two) for one, two in itertools.combinations(sets, 2))
    assert figure_of(course["lsh"]).truth == alike > 10


def test_a_wrong_estimate_is_called_outside() -> None:
    """The check behind the table can fail: a sketch that saw only half of the stream does not pass for one that saw all."""
    items = [str(number) for number in range(5_000)]
    study = Study(
        what="distinct items",
        axis="items",
        make=lambda size, run: HyperLogLog(precision=12, seed=run),
        size=1,
        sizes=(1,),
        size_name="size",
        items=items[:2_500],
        seed=1,
        answer=lambda sketch: sketch.estimate(),
        interval=lambda sketch: sketch.bounds(),
        truth=lambda events: 2.0 * events,
        exact_bytes=lambda events: events,
    )
    assert study.figure().holds is False
    assert 'class="outside"' in render("", [small_chapter(figures=(study.figure(),))])
    assert 'class="outside"' not in render("", [small_chapter()])


def test_another_seed_gives_other_plots_and_the_same_one_the_same(course: dict[str, Chapter], stream: Stream) -> None:
    for make in (contents.COURSE[0], contents.COURSE[-1]):
        again, other = make(stream, SEED), make(stream, SEED + 1)
        assert again == course[again.id]
        assert other != again


def test_the_report_has_the_same_bytes_in_every_process(tmp_path: Path) -> None:
    digests = set()
    for number in ("1", "2"):
        file = tmp_path / f"{number}.html"
        arguments = [sys.executable, "-m", "veilocity.cli", "rubric", "--events", "2000", "--output", str(file)]
        environment = {**os.environ, "PYTHONHASHSEED": number, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(arguments, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=240, check=False)
        assert done.returncode == 0, done.stderr
        assert done.stdout == f"The report is {file}.\n"
        digests.add(hashlib.sha256(file.read_bytes()).hexdigest())
    assert len(digests) == 1


def test_the_course_of_the_default_stream_takes_less_than_two_minutes(tmp_path: Path) -> None:
    arguments = [sys.executable, "-m", "veilocity.cli", "rubric"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(arguments, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout == "The report is rubric.html.\n"
    page = (tmp_path / "rubric.html").read_text(encoding="utf-8")
    assert "40,000 simulated payments" in page
    assert page.count("<section id=") == len(contents.COURSE) + 1
    assert '<section id="k-against-privacy">' in page


def test_the_page_asks_nobody_and_names_no_moment_and_no_place_of_this_machine(course: dict[str, Chapter], stream: Stream) -> None:
    page = render(stream.source, list(course.values()))
    library, _ = scripts_of(page)
    own = page.replace(library, "")
    assert not re.search(r"(?:src|href|url)\s*[=(]\s*[\"']?(?:https?:)?//", own)
    assert not re.search(r"20[2-9]\d-\d\d-\d\d|/work/|/home/|/tmp/", own)
    assert "default-src" in own
    assert len(own) < 1_500_000


def test_the_policy_names_exactly_the_scripts_of_the_page() -> None:
    page = render("", [small_chapter()])
    found = scripts_of(page)
    assert len(found) == 2
    for script in found:
        assert f"sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}" in page
    assert page.count("sha256-") == 2


def test_text_of_the_stream_is_never_markup() -> None:
    evil = '</script><script>alert("1")</script><img src=x onerror=alert(1)> & "more"'
    chapter = small_chapter(title=evil, theory=evil, figures=(msgspec.structs.replace(figure_of(small_chapter()), what=evil),))
    curve = msgspec.structs.replace(chapter.plots[0].curves[0], name=evil, labels=(evil, evil))
    chapter = msgspec.structs.replace(chapter, plots=(msgspec.structs.replace(chapter.plots[0], caption=evil, curves=(curve,)),))
    page = render(evil, [chapter], [evil])
    assert len(scripts_of(page)) == 2
    assert "<img" not in page.replace(scripts_of(page)[0], "")
    assert plots_of(page)[0]["curves"][0]["labels"] == [evil, evil]


def test_what_is_not_finite_is_a_gap() -> None:
    assert plots_of(render("", [small_chapter()]))[0]["curves"][0]["y"] == [1.0, None]


def test_a_minus_is_typeset_as_one() -> None:
    assert "a \N{MINUS SIGN} b" in render("", [small_chapter()])
    assert "A-ExpJ" in render("", [small_chapter(title="A-ExpJ")])


def test_a_chapter_of_another_room_and_a_missing_one_are_on_the_page(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "report.html"
    write(
        file,
        "a stream",
        [small_chapter()],
        extra=[small_chapter(id="extra", title="k against privacy", part="Privacy")],
        missing=["Left out."],
    )
    page = file.read_text(encoding="utf-8")
    assert page.index('<section id="small">') < page.index('<section id="extra">')
    assert '<a href="#extra">k against privacy</a>' in page
    assert '<p class="missing">Left out.</p>' in page
    assert sorted(one.name for one in file.parent.iterdir()) == ["report.html", "report.json"]


def test_the_figures_stand_beside_the_report_for_programs(tmp_path: Path) -> None:
    figure = Figure(what="items", estimate=110.0, truth=100.0, low=90.0, high=math.inf, memory_bytes=8, exact_bytes=800)
    write(tmp_path / "report.html", "a stream", [small_chapter(figures=(figure,))])
    told = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert (told["source"], told["confidence"], told["chapters"][0]["id"]) == ("a stream", 0.95, "small")
    assert told["chapters"][0]["figures"] == [
        {
            "what": "items",
            "estimate": 110.0,
            "truth": 100.0,
            "low": 90.0,
            "high": None,
            "memory_bytes": 8,
            "exact_bytes": 800,
            "error": 0.1,
            "holds": True,
        }
    ]


def test_a_report_that_cannot_be_written_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "report.html"
    file.write_text("old")

    def fail(*_: object) -> str:
        raise RuntimeError

    monkeypatch.setattr("sketches.course.report.render", fail)
    with pytest.raises(RuntimeError):
        write(file, "", [])
    assert file.read_text() == "old"
    assert [one.name for one in tmp_path.iterdir()] == ["report.html"]


def test_the_simulated_stream_has_a_sale_and_slips_of_the_pen() -> None:
    stream = simulate(20_000, 3)
    events = np.flatnonzero(stream.codes == stream.names.index(stream.burst)) / len(stream)
    assert ((events >= 0.6) & (events < 0.75)).mean() > 0.5
    names = set(stream.names)
    assert sum(f"{name} Ltd" in names for name in names) > 20
    assert stream.counts.max() > 50 * np.median(stream.counts)


@pytest.mark.parametrize("events", [0, 1_999, 1_000_001])
def test_a_stream_of_another_size_is_refused(events: int) -> None:
    with pytest.raises(SettingsError, match="--events"):
        simulate(events, 1)


def test_the_beginning_of_a_stream_is_a_stream(stream: Stream) -> None:
    begin = stream.first(2_500)
    assert begin.items == stream.items[:2_500]
    assert stream.first(10**6) is stream


def test_a_column_of_text_brings_gaps_and_one_of_numbers_itself(tmp_path: Path) -> None:
    file = tmp_path / "cards.csv"
    rows = [f'{number % 50 if number else "inf"},"shop {number % 70}, Ltd"' for number in range(3_000)]
    file.write_text("amount,merchant\n" + "\n".join([*rows, ",", ","]))
    shops = read_csv(file, "merchant", 2_500)
    assert len(shops) == 2_500
    assert shops.items[0] == "shop 0, Ltd"
    assert shops.values[100] == 70.0
    assert shops.source == "2,500 values of the column “merchant” of cards.csv"
    amounts = read_csv(file, "amount", 10_000)
    assert len(amounts) == 2_999, "empty fields and what is not finite are left out"
    assert amounts.items[50] == "1.0"
    assert amounts.values[50] == 1.0
    assert amounts.value_name == "amount"


@pytest.mark.parametrize(
    ("content", "column", "said"),
    [
        ("a,b\n" + "1,2\n" * 3_000, "c", "it has a, b"),
        ("a,b\n" + "1,2\n" * 100, "a", "at least 2,000"),
        ("a,b\n1,2,3\n", "a", "cannot be read as CSV"),
        ("", "a", "cannot be read as CSV"),
    ],
)
def test_a_file_that_does_not_serve_is_refused_with_what_to_do(tmp_path: Path, content: str, column: str, said: str) -> None:
    file = tmp_path / "file.csv"
    file.write_text(content)
    with pytest.raises(SettingsError, match=said):
        read_csv(file, column, 5_000)
    with pytest.raises(SettingsError, match="cannot be read"):
        read_csv(tmp_path / "absent.csv", column, 5_000)


def test_every_chapter_takes_a_dull_column() -> None:
    """One item only, numbers that are all zero, texts of one letter: nothing divides by nothing."""
    dull = Stream("dull", ("x",) * 2_000, np.zeros(2_000), "nothing")
    numbers = Stream("numbers", tuple(str(number % 7) for number in range(2_000)), np.linspace(-1_000.0, 999.0, 2_000), "number")
    for stream in (dull, numbers):
        render(stream.source, list(contents.chapters(stream, 1)))


def test_a_graph_without_edges_says_so() -> None:
    assert "no two items" in graph_plot(["a", "b"], [], []).caption


def test_the_command_says_what_is_missing_and_takes_what_privacy_offers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contents, "COURSE", contents.COURSE[:1])
    file = tmp_path / "report.html"
    arguments = ["rubric", "--events", "2000", "--output", str(file)]
    monkeypatch.setattr(command, "_privacy", lambda: None)
    assert CliRunner().invoke(app, arguments).exit_code == 0
    assert "“k against privacy” is left out" in file.read_text(encoding="utf-8")
    offered = SimpleNamespace(chapter=lambda stream, seed: small_chapter(id="privacy", title=f"k against privacy, {len(stream)}, {seed}"))
    monkeypatch.setattr(command, "_privacy", lambda: offered)
    assert CliRunner().invoke(app, arguments).exit_code == 0
    page = file.read_text(encoding="utf-8")
    assert "k against privacy, 2000, 7" in page
    assert "left out" not in page.replace(scripts_of(page)[0], "")


def test_the_hook_of_the_privacy_stage_is_found_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    assert command._privacy() is privacy_course
    monkeypatch.setattr(command, "_PRIVACY", "veilocity.no_such_module")
    assert command._privacy() is None
    monkeypatch.setattr(command, "_PRIVACY", "sketches.course.chapter")
    assert command._privacy().Chapter is Chapter


@pytest.mark.parametrize("arguments", [["--column", "a"], ["--file", "some.csv"]])
def test_a_file_without_a_column_is_refused(arguments: list[str]) -> None:
    result = CliRunner().invoke(app, ["rubric", *arguments])
    assert isinstance(result.exception, SettingsError)
    assert "belong together" in str(result.exception)
