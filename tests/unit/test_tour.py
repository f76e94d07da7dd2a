"""The tour's stops as data, and how it walks: one stop that fails costs nothing but itself."""

from __future__ import annotations

from typing import Any

import pytest
from typer.testing import CliRunner

from veilocity import settings as kernel_settings
from veilocity.cli import app
from veilocity.cli.tour import extras
from veilocity.cli.tour.catalogue import STOPS
from veilocity.cli.tour.stops import State, Stop, absent, chosen, failed, ok
from veilocity.cli.tour.visit import Visit
from veilocity.cli.tour.walk import walk
from veilocity.errors import ServiceUnavailableError, SettingsError


class Nobody(Visit):
    """A visit of nothing: stores are empty and no address is asked."""

    def __init__(self, documents: dict[str, list[dict[str, Any]]] | None = None) -> None:
        self.settings = kernel_settings.load({})
        self.held = documents or {}

    def documents(self, collection: str, question: dict[str, Any] | None = None, limit: int = 50) -> list[dict[str, Any]]:
        found = self.held.get(collection, [])
        return [one for one in found if all(one.get(name) == value for name, value in (question or {}).items())][:limit]

    def page(self, path: str) -> str:
        return f"http://dashboard{path}"


def stop(number: int, check: Any) -> Stop:
    return Stop(number, f"row {number}", "A sentence.", check)


def test_all_rows_or_some() -> None:
    assert chosen(STOPS, "") == list(STOPS)
    assert [one.number for one in chosen(STOPS, "54-60, 3")] == [3, 54, 55]
    for wrong in ("x", "1-", "0", "99"):
        with pytest.raises(SettingsError, match="--rows"):
            chosen(STOPS, wrong)


def test_a_stop_that_fails_costs_nothing_but_itself() -> None:
    def away(_visit: Visit) -> Any:
        raise ServiceUnavailableError("the gateway does not answer: is it running?")

    def broken(_visit: Visit) -> Any:
        raise KeyError("4539148803436467")

    seen: list[int] = []
    stops = [
        stop(1, away),
        stop(2, broken),
        stop(3, lambda _: ok("fine.")),
        stop(4, lambda _: absent("not here because.")),
        stop(5, lambda _: failed("no.")),
    ]
    found = list(walk(stops, Nobody(), lambda one: seen.append(one.number)))
    assert [one.found.state for one in found] == [State.FAILED, State.FAILED, State.OK, State.ABSENT, State.FAILED]
    assert "is it running" in found[0].found.sentence and "4539148803436467" not in found[1].found.sentence
    assert seen == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("number", [3, 7, 8, 10, 13, 20, 22, 25, 29, 30, 38])
def test_what_needs_no_server_is_ok_by_itself(number: int) -> None:
    (visited,) = walk(chosen(STOPS, str(number)), Nobody())
    assert visited.found.state is State.OK, visited.found.sentence


@pytest.mark.parametrize("number", [5, 6, 17, 23, 32, 33, 34, 37, 39, 43, 44, 47, 50, 51, 52, 53, 54, 55])
def test_what_is_not_here_says_what_brings_it(number: int) -> None:
    (visited,) = walk(chosen(STOPS, str(number)), Nobody())
    assert visited.found.state is State.ABSENT, visited.found.sentence
    assert visited.found.sentence.startswith("not here")
    assert "VEILOCITY_" in visited.found.sentence or "`veilocity " in visited.found.sentence


def test_reports_and_segments_are_told_from_their_documents() -> None:
    reports = [{"_id": f"frauds:{n}", "report": "frauds", "start_ms": n, "count": count} for n, count in ((1, 4), (2, None))]
    segments = [{"_id": "segments:1", "start_ms": 1, "people": 9, "k": 5, "segments": [{"segment": "A", "people": 4}]}]
    visit = Nobody({"reports": reports, "segments": segments})
    told = {one.stop.number: one.found for one in walk(chosen(STOPS, "32,51-54"), visit)}
    assert "withheld" in told[51].sentence and told[51].state is State.OK
    assert told[52].state is State.ABSENT and told[53].state is State.OK and "http://dashboard/reports" in told[54].sentence
    assert told[32].state is State.FAILED, "a segment of four people with k = 5"


def test_an_extra_that_is_configured_and_silent_is_a_failure() -> None:
    visit = Nobody()
    visit.settings = kernel_settings.load({}, mqtt_host="127.0.0.1", mqtt_metrics_port=1)
    assert extras.asked(visit, "mqtt_host", "mqtt_metrics_port", "the bridge", "veilocity mqtt").state is State.FAILED


def test_the_command_names_its_options() -> None:
    shown = CliRunner().invoke(app, ["tour", "--help"], env={"COLUMNS": "200", "NO_COLOR": "1"}).output
    assert all(option in shown for option in ("--rows", "--json", "--yes"))
