"""The page `/rubric`: the report as it stands, its own policy around it, and a sentence where there is none."""

from __future__ import annotations

import base64
import hashlib
import threading
from pathlib import Path

import httpx
import pytest
from flask import Flask
from werkzeug.serving import make_server

from dashboard import course_service
from dashboard.app import create_server
from dashboard.course import PATH, course_file
from dashboard.desks import Desks
from dashboard.events import Hub
from veilocity.cli import rubric as command
from veilocity.errors import PortTakenError
from veilocity.settings import load

PAGE = b'<!DOCTYPE html><script type="application/json">[]</script><script>one()</script><script>two()</script>'


@pytest.fixture(name="file")
def _file(tmp_path: Path) -> Path:
    file = tmp_path / "rubric.html"
    file.write_bytes(PAGE)
    return file


def both_servers(file: Path) -> list[Flask]:
    return [create_server(Hub(), desks=Desks(course=file)), course_service.create_course_server(file)]


def rules_of(policy: str) -> dict[str, str]:
    return {name: rest for name, _, rest in (rule.partition(" ") for rule in policy.split("; "))}


def test_the_report_is_served_as_it_stands_by_both_servers(file: Path) -> None:
    for server in both_servers(file):
        answer = server.test_client().get(PATH)
        assert answer.status_code == 200
        assert answer.data == PAGE
        assert answer.mimetype == "text/html"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Cache-Control"] == "no-cache"


def test_its_policy_lets_its_own_scripts_run_and_nothing_else(file: Path) -> None:
    for server in both_servers(file):
        rules = rules_of(server.test_client().get(PATH).headers["Content-Security-Policy"])
        wanted = {f"'sha256-{base64.b64encode(hashlib.sha256(script).digest()).decode()}'" for script in (b"one()", b"two()")}
        assert set(rules["script-src"].split()) == wanted
        assert rules["default-src"] == "'none'"
        assert rules["sandbox"] == "allow-scripts", "an origin of its own: it cannot read the live page"
        assert "connect-src" not in rules


def test_the_live_page_keeps_its_own_policy(file: Path) -> None:
    with_course, without = (create_server(Hub(), desks=Desks(course=course)).test_client().get("/").headers for course in (file, None))
    assert with_course["Content-Security-Policy"] == without["Content-Security-Policy"]
    assert "sandbox" not in with_course["Content-Security-Policy"]


def test_where_there_is_no_report_the_page_says_what_writes_one(tmp_path: Path) -> None:
    for server in both_servers(tmp_path / "absent.html"):
        answer = server.test_client().get(PATH)
        assert answer.status_code == 404
        assert "veilocity rubric --serve" in answer.text
        assert answer.headers["Content-Security-Policy"]


def test_a_report_that_did_not_change_is_not_sent_again_and_a_new_one_is(file: Path) -> None:
    client = course_service.create_course_server(file).test_client()
    tag = client.get(PATH).headers["ETag"]
    assert client.get(PATH, headers={"If-None-Match": tag}).status_code == 304
    file.write_bytes(PAGE + b"more")
    assert client.get(PATH, headers={"If-None-Match": tag}).data == PAGE + b"more"


def test_alone_the_root_leads_to_the_report(file: Path) -> None:
    answer = course_service.create_course_server(file).test_client().get("/")
    assert answer.status_code == 302
    assert answer.headers["Location"] == PATH


def test_the_report_lies_in_the_state_folder(tmp_path: Path) -> None:
    assert course_file(load({}, state_dir=tmp_path)) == tmp_path / "rubric.html"


def test_a_dashboard_that_shows_this_very_report_is_left_to_do_so(file: Path) -> None:
    server = make_server("127.0.0.1", 0, course_service.create_course_server(file))
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        where = f"http://127.0.0.1:{server.port}{PATH}"
        assert command._shows(where, PAGE)
        assert not command._shows(where, b"another")
        assert httpx.get(where, trust_env=False).content == PAGE
        settings = load({}, dashboard_port=server.port, state_dir=file.parent)
        with pytest.raises(PortTakenError, match="VEILOCITY_DASHBOARD_PORT"):
            course_service.serve(settings)
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5.0)
    assert not command._shows(where, PAGE)
