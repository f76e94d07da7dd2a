"""Every route of the dashboard states the role that it needs, and a stranger gets nothing from those that need one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from flask import Flask
from werkzeug.routing import Rule

from dashboard.access.answers import Refusal
from dashboard.access.permissions import ASKED_BY_ITSELF, BY_PAGES, OPEN, ROUTES, WHILE_CHANGING
from storage.roles import Role
from tests.unit.login_world import Cupboard, whole_server

DOCS = Path(__file__).resolve().parents[2] / "docs"
MAY_BE_OPEN = {
    "/login",
    "/healthz",
    "/metrics",
    "/assets/<path:filename>",
    "/_dash-component-suites/<string:package_name>/<path:fingerprinted_path>",
    "/_favicon.ico",
}


@pytest.fixture(name="server", scope="module")
def _server() -> Flask:
    return whole_server(Cupboard())


def rules_of(server: Flask) -> list[Rule]:
    return list(server.url_map.iter_rules())


def test_every_route_states_its_role(server: Flask) -> None:
    rules = {rule.rule for rule in rules_of(server)}
    assert len(rules) > 20
    assert rules - ROUTES.keys() == set(), "add it to dashboard/access/permissions.py"
    assert ROUTES.keys() - rules == set(), "there is no such route"
    assert rules >= ASKED_BY_ITSELF | BY_PAGES | WHILE_CHANGING


def test_nothing_is_open_but_what_must_be() -> None:
    assert {rule for rule, role in ROUTES.items() if role is OPEN} == MAY_BE_OPEN


def test_what_changes_something_needs_more_than_to_look_or_is_about_oneself(server: Flask) -> None:
    changing = {rule.rule for rule in rules_of(server) if (rule.methods or set()) - {"GET", "HEAD", "OPTIONS"}}
    own = {"/login", "/logout", "/password", "/api/account/seen", "/_dash-update-component"}
    assert {rule for rule in changing - own if not (ROUTES[rule] or Role.VIEW).allows(Role.TRIAGE)} == set()


def test_a_stranger_gets_nothing_from_a_route_that_needs_a_role(server: Flask) -> None:
    client = server.test_client()
    for rule in rules_of(server):
        if ROUTES[rule.rule] is OPEN:
            continue
        path = re.sub(r"<[^>]*>", "x", rule.rule)
        for method in sorted((rule.methods or set()) - {"OPTIONS"}):
            answer = client.open(path, method=method, headers={"Origin": "http://localhost"})
            assert answer.status_code == 401, (method, path)
            assert method == "HEAD" or answer.get_json()["reason"] == "not_logged_in"
            page = client.open(path, method=method, headers={"Origin": "http://localhost", "Accept": "text/html"})
            assert page.status_code in (303, 401), (method, path)


def test_the_document_tells_every_address_and_its_role() -> None:
    text = (DOCS / "http-api.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `(?:GET|POST|GET, POST) ([^`]+)` \| (\w+) \|", text, re.MULTILINE))
    told = {path: role for path, role in rows.items() if path in ROUTES}
    assert told == {path: "anybody" if (role := ROUTES[path]) is OPEN else role.value for path in told}
    assert {rule for rule in ROUTES if rule.startswith(("/api/", "/log", "/pass", "/acc", "/phone/"))} <= told.keys() | {"/phone/state"}


def test_the_document_tells_every_reason() -> None:
    text = (DOCS / "http-api.md").read_text(encoding="utf-8").partition("# The dashboard")[2]
    told = re.findall(r"^\| \d{3} \| ([^|]+) \|", text, re.MULTILINE)
    assert {reason.value for reason in Refusal} <= set(re.findall(r"`(\w+)`", " ".join(told)))
