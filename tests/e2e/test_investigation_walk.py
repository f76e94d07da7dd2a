"""A fresh analyst's walk, as docs/investigations.md tells it: each command is read out of the document and run on real servers.

What a command prints must be what stands under it there, with ids for ids and times of the wall clock for others. A long run of hexadecimal
digits stands for one thing in the whole document, and so does what the run prints in its place.
"""

from __future__ import annotations

import json
import os
import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from devstack.environment import base
from devstack.services import service
from tests.integration.case_world import SUBJECT, changed, payments_of_person, sealed_alert, write_alerts
from tests.integration.storage_world import alert, minute, token
from veilocity.cli import app
from veilocity.errors import VeilocityError
from veilocity.logs import scrub
from veilocity.settings import Settings

pytestmark = pytest.mark.services

DOCUMENT = Path(__file__).parents[2] / "docs" / "investigations.md"
_VARIES = re.compile(r"(?<![0-9a-f])(?:[0-9a-f]{64}|[0-9a-f]{32})(?![0-9a-f])|[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")
_COMMAND = "veilocity "


def steps() -> list[tuple[str, list[str]]]:
    """Return each command of the document with the lines under it."""
    found: list[tuple[str, list[str]]] = []
    for block in re.findall(r"```text\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL):
        for line in block.splitlines():
            if line.startswith(_COMMAND):
                found.append((line, []))
            else:
                found[-1][1].append(line)
    return found


def run(command: str, settings: Settings) -> list[str]:
    """Run a command of `veilocity` in this process, as its main function would, and return what it prints."""
    environment = service("privacy", settings, base(os.environ)).environment
    result = CliRunner().invoke(app, shlex.split(command.removeprefix(_COMMAND)), env=dict(environment))
    lines = result.output.splitlines()
    if isinstance(result.exception, VeilocityError):
        return [*lines, f"veilocity: {scrub(str(result.exception))}"]
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return lines


def same(told: str, printed: str, names: dict[str, str]) -> bool:
    """Compare two lines; learn what stands for what."""
    ours, theirs = _VARIES.findall(told), _VARIES.findall(printed)
    if _VARIES.sub("*", told) != _VARIES.sub("*", printed):
        return False
    for one, other in zip(ours, theirs, strict=True):
        if "T" not in one and names.setdefault(one, other) != other:
            return False
    return len(set(names.values())) == len(names)


def write_world(settings: Settings) -> None:
    """Write two alerts of a person, one of which is sealed, an alert of somebody else, and the person's payments."""
    second = changed(alert(3, 0, minute_ms=minute(30)), subject=SUBJECT)
    write_alerts(settings, (sealed_alert(settings), second, alert(4, 0, minute_ms=minute(45))), payments_of_person())


@pytest.mark.timeout(180)
def test_the_walk_of_the_document_is_what_happens(service_settings: Settings) -> None:
    write_world(service_settings)
    names: dict[str, str] = {}
    walked = steps()
    assert len(walked) >= 12
    for command, told in walked:
        printed = run(_VARIES.sub(lambda match: names.get(match.group(), match.group()), command), service_settings)
        assert len(printed) == len(told), (command, printed)
        for expected, line in zip(told, printed, strict=True):
            assert same(expected, line, names), (command, expected, line)
    assert token("alert", 1) in names.values()


def test_programs_get_the_same_as_json(service_settings: Settings) -> None:
    write_world(service_settings)
    identity = token("alert", 1)
    assert [one["id"] for one in json.loads("".join(run("veilocity cases list --json", service_settings)))][-1] == identity
    run(f"veilocity cases set {identity} acknowledged --author ada", service_settings)
    run(f"veilocity cases unmask {identity} --reason why --author ben --role unmask", service_settings)
    shown = json.loads("".join(run(f"veilocity cases show {identity} --json", service_settings)))
    assert (shown["alert"]["id"], shown["case"]["status"], "sealed" in shown["alert"]) == (identity, "acknowledged", True)
    assert shown["alert"]["sealed"] is None
    trail = json.loads("".join(run(f"veilocity cases history {identity} --json", service_settings)))
    assert [trail["events"][0]["author"], trail["unmaskings"][0]["outcome"]] == ["ada", "opened"]
    assert json.loads("".join(run("veilocity cases verify --json", service_settings)))["fault_count"] == 0
    assert json.loads("".join(run("veilocity cases labels --json", service_settings)))["complete"]


def test_the_list_of_new_alerts_holds_what_nobody_has_acknowledged(service_settings: Settings) -> None:
    write_world(service_settings)
    run(f"veilocity cases set {token('alert', 1)} --assignee ben --author ada", service_settings)
    run(f"veilocity cases set {token('alert', 3)} acknowledged --author ada", service_settings)
    new = run("veilocity cases list --status new", service_settings)
    assert [line.split("  ")[0] for line in new] == [token("alert", 4), token("alert", 1)]
    assert run("veilocity cases list --assignee ben", service_settings) == new[1:]
    assert run("veilocity cases list --rule payments-count", service_settings) == new[:1]
    assert run("veilocity cases list --status closed", service_settings) == ["none"]


def test_what_may_be_an_identifier_is_warned_of(service_settings: Settings) -> None:
    write_world(service_settings)
    printed = run(f"veilocity cases set {token('alert', 1)} --note 'call +49 30 901820' --author ada", service_settings)
    assert printed == [
        "Careful: the text looks as if it held: phone. The audit of the stores will say so too.",
        "new by ada (revision 1)",
    ]
    assert "status is one of new, acknowledged" in " ".join(run(f"veilocity cases set {token('alert', 1)} solved", service_settings))
