"""The gate: who is let in, with which cookie, from where, and what each refusal says."""

from __future__ import annotations

import re

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from dashboard.access.permissions import ROUTES
from dashboard.service import check_exposure
from storage.roles import Role
from tests.logins import token_in
from tests.unit.login_world import RIGHT, Cupboard, account, whole_server
from veilocity.contracts import Alert
from veilocity.errors import ForbiddenError, SettingsError
from veilocity.settings import load

HERE = {"Origin": "http://localhost"}
PAGE = {**HERE, "Accept": "text/html", "Sec-Fetch-Mode": "navigate"}
TRIAGE_PATH = "/api/cases/5f2b/decision"
DECISION = {"revision": 1, "status": "closed"}


@pytest.fixture(name="door")
def _door() -> Cupboard:
    people = (account(), account("ben", Role.TRIAGE), account("chief", Role.ADMIN), account("new", Role.ADMIN, must_change=True))
    return Cupboard().with_accounts(*people)


@pytest.fixture(name="server")
def _server(door: Cupboard) -> Flask:
    return whole_server(door)


def log_in(client: FlaskClient, name: str = "ada", **form: str) -> TestResponse:
    return client.post("/login", data={"name": name, "password": RIGHT, **form}, headers=PAGE)


def inside(server: Flask, name: str = "ada") -> tuple[FlaskClient, dict[str, str]]:
    """Return a client that is logged in, and the headers of a change."""
    client = server.test_client()
    assert log_in(client, name).status_code == 303
    told = client.get("/api/account").get_json()
    return client, {**HERE, told["csrf"]["header"]: told["csrf"]["token"]}


def cookie_of(answer: TestResponse) -> tuple[str, set[str]]:
    """Return name and attributes of the cookie that an answer sets."""
    first, *rest = answer.headers["Set-Cookie"].split("; ")
    return first.split("=")[0], set(rest)


def test_a_login_opens_a_session_in_a_cookie_that_no_script_reads(server: Flask) -> None:
    answer = log_in(server.test_client())
    assert (answer.status_code, answer.headers["Location"]) == (303, "/")
    assert cookie_of(answer) == ("veilocity", {"HttpOnly", "Path=/", "SameSite=Lax"})
    assert answer.headers["Cache-Control"] == "no-store"


def test_over_https_the_cookie_and_the_browser_are_bound_to_it(door: Cupboard) -> None:
    answer = log_in(whole_server(door, https=True).test_client())
    assert cookie_of(answer) == ("__Host-veilocity", {"HttpOnly", "Path=/", "SameSite=Lax", "Secure"})
    assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"


def test_who_logs_in_again_gets_another_session_and_the_old_one_is_over(server: Flask, door: Cupboard) -> None:
    client = server.test_client()
    log_in(client)
    before = set(door.tokens)
    log_in(client)
    assert len(door.tokens) == 1
    assert not before & set(door.tokens)


def test_a_token_that_somebody_planted_is_not_taken_over(server: Flask, door: Cupboard) -> None:
    client = server.test_client()
    client.set_cookie("veilocity", "planted")
    log_in(client)
    assert "planted" not in door.tokens
    assert client.get("/api/account").status_code == 200


@pytest.mark.parametrize("form", [{"password": "wrong"}, {"name": "nobody"}])
def test_a_wrong_login_does_not_say_what_was_wrong(server: Flask, form: dict[str, str]) -> None:
    client = server.test_client()
    answer = client.post("/login", data={"name": "ada", "password": RIGHT, **form}, headers=PAGE)
    assert answer.status_code == 401
    assert "Name or password is wrong." in answer.text
    assert "Set-Cookie" not in answer.headers
    assert 'role="alert"' in answer.text
    assert "wrong_login" in client.post("/login", data={"name": "ada", "password": "x"}, headers=HERE).text


def test_who_guesses_too_often_is_told_how_long_to_wait(server: Flask) -> None:
    answer = server.test_client().post("/login", data={"name": "limited", "password": "x"}, headers=PAGE)
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "2")
    assert "Too many attempts: try again in 2 seconds." in answer.text


def test_what_is_typed_is_shown_as_text_alone(server: Flask) -> None:
    answer = server.test_client().post("/login", data={"name": '"><script>', "password": "x", "next": '/"onx="'}, headers=PAGE)
    assert "<script>" not in answer.text
    assert 'value="/&quot;onx=&quot;"' in answer.text


def test_the_first_page_says_how_to_make_an_account_as_long_as_there_is_none(door: Cupboard) -> None:
    assert "veilocity accounts add" not in whole_server(door).test_client().get("/login").text
    assert "veilocity accounts add" in whole_server(Cupboard()).test_client().get("/login").text


def test_a_stranger_is_sent_to_the_login_and_comes_back_to_the_page(server: Flask) -> None:
    client = server.test_client()
    sent = client.get("/privacy?x=1", headers=PAGE)
    assert (sent.status_code, sent.headers["Location"]) == (303, "/login?next=/privacy%3Fx%3D1")
    page = client.get(sent.headers["Location"], headers=PAGE).text
    wanted = re.search(r'name="next" value="([^"]*)"', page)
    assert wanted is not None
    assert log_in(client, next=wanted[1]).headers["Location"] == "/privacy?x=1"
    assert client.get("/login?next=/privacy").headers["Location"] == "/privacy", "who is logged in needs no form"


@pytest.mark.parametrize("wanted", ["//evil.example/", "https://evil.example/", "/\\evil.example", "javascript:1"])
def test_a_link_cannot_lead_elsewhere_after_the_login(server: Flask, wanted: str) -> None:
    assert log_in(server.test_client(), next=wanted).headers["Location"] == "/"


def test_logging_out_ends_the_session_and_the_cookie(server: Flask, door: Cupboard) -> None:
    client, headers = inside(server)
    answer = client.post("/logout", headers=headers)
    assert (answer.status_code, answer.headers["Location"], door.tokens) == (303, "/login", {})
    assert "Max-Age=0" in answer.headers["Set-Cookie"]
    assert client.get("/api/account").status_code == 401


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site", "Origin": "http://localhost"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
    ],
)
def test_a_change_from_elsewhere_is_refused_even_with_the_token(server: Flask, headers: dict[str, str]) -> None:
    client, mine = inside(server, "chief")
    token = {name: value for name, value in mine.items() if name != "Origin"}
    for path in ("/logout", TRIAGE_PATH, "/login", "/_dash-update-component"):
        answer = client.post(path, headers={**token, **headers}, json=DECISION)
        assert (answer.status_code, answer.get_json()["reason"]) == (403, "forged"), path


@pytest.mark.parametrize("token", [{}, {"X-Veilocity-CSRF": ""}, {"X-Veilocity-CSRF": "of another session"}])
def test_a_change_without_the_token_of_its_session_is_refused(server: Flask, token: dict[str, str]) -> None:
    client, _ = inside(server, "chief")
    changing = [rule.rule for rule in server.url_map.iter_rules() if "POST" in (rule.methods or ()) and rule.rule != "/login"]
    assert len(changing) > 7
    for rule in changing:
        answer = client.post(rule.replace("<alert>", "5f2b"), headers={**HERE, **token})
        assert (answer.status_code, answer.get_json()["reason"]) == (403, "forged"), rule


def test_the_token_of_another_session_of_the_same_account_does_not_do(server: Flask) -> None:
    (client, mine), (_, other) = inside(server), inside(server)
    assert mine != other
    assert client.post("/logout", headers=other).status_code == 403
    assert client.post("/logout", headers=mine).status_code == 303


def test_a_form_carries_the_token_in_a_field(server: Flask) -> None:
    client, _ = inside(server)
    token = token_in(client.get("/password").text)
    assert client.post("/logout", data={"csrf": token}, headers=PAGE).status_code == 303


def test_a_role_that_is_too_low_gets_a_page_and_a_program_a_reason(server: Flask) -> None:
    client, headers = inside(server, "ada")
    refused = client.post(TRIAGE_PATH, headers=headers, json=DECISION)
    assert (refused.status_code, refused.get_json()["reason"]) == (403, "forbidden")
    assert refused.get_json()["error"] == "this needs the role triage, and yours is view: ask an administrator"
    page = client.post(TRIAGE_PATH, headers={**headers, **PAGE}, json=DECISION)
    assert page.status_code == 403
    assert "<h1>No permission</h1>" in page.text
    allowed, mine = inside(server, "ben")
    assert allowed.post(TRIAGE_PATH, headers=mine, json=DECISION).status_code == 409


def test_a_password_that_was_made_by_the_program_must_be_replaced_first(server: Flask) -> None:
    client, headers = inside(server, "new")
    assert client.get("/", headers=PAGE).headers["Location"] == "/password"
    assert client.get("/events").get_json()["reason"] == "password_change_needed"
    form = client.get("/password").text
    assert "was made for you" in form
    new = {"old": RIGHT, "new": "another long phrase", "again": "another long phrase", "csrf": token_in(form)}
    assert "not typed the same twice" in client.post("/password", data={**new, "again": "x"}, headers=PAGE).text
    assert "present password is wrong" in client.post("/password", data={**new, "old": "x"}, headers=PAGE).text
    assert client.post("/password", data=new, headers=PAGE).headers["Location"] == "/"
    assert headers


def test_a_page_that_asks_by_itself_does_not_keep_a_session_alive(server: Flask, door: Cupboard) -> None:
    client, headers = inside(server)
    door.looks.clear()
    client.get("/privacy/state")
    client.get("/api/account")
    client.get("/events").close()
    assert door.looks == [False] * 3
    client.get("/")
    client.post("/api/account/seen", headers=headers)
    assert door.looks[3:] == [True, True]


def test_a_stream_ends_with_its_session_and_not_with_the_store(server: Flask, door: Cupboard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dashboard.access.gate._LOOK_AGAIN_S", 0.0)
    monkeypatch.setattr("dashboard.events.HEARTBEAT_S", 0.01)
    client, _ = inside(server)
    stream = client.get("/events", buffered=False)
    told = stream.iter_encoded()
    assert next(told)
    door.down = True
    assert next(told), "nobody was logged out"
    door.down = False
    door.tokens.clear()
    assert list(told) == []
    stream.close()


def test_while_the_store_is_away_nobody_new_is_let_in(server: Flask, door: Cupboard) -> None:
    client, _ = inside(server)
    door.down = True
    page = client.get("/", headers=PAGE)
    assert (page.status_code, page.headers["Retry-After"]) == (503, "5")
    assert '<meta http-equiv="refresh" content="5">' in page.text
    assert client.get("/events").get_json()["reason"] == "store_unavailable"
    assert client.get("/login").status_code == 503
    assert client.get("/healthz").status_code == 200


def test_a_route_without_a_role_is_closed_to_everybody(server: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    client, _ = inside(server, "chief")
    monkeypatch.delitem(ROUTES, "/privacy")
    assert client.get("/privacy").status_code == 403


def test_without_a_login_only_this_machine_is_answered() -> None:
    client = whole_server(None).test_client()
    assert client.get("/").status_code == 200
    assert client.get("/login").headers["Location"] == "/"
    assert client.get("/api/account").get_json()["login"] is False
    assert client.get("/", base_url="http://evil.example").status_code == 403
    assert client.post(TRIAGE_PATH, json=DECISION).get_json()["reason"] == "forged"
    assert client.post(TRIAGE_PATH, json=DECISION, headers=HERE).get_json()["reason"] == "conflict"


def test_a_login_may_be_left_out_on_loopback_alone() -> None:
    check_exposure(load({}, dashboard_login="off"))
    check_exposure(load({}, dashboard_login="off", dashboard_host="::1"))
    check_exposure(load({}, dashboard_host="0.0.0.0"))  # noqa: S104  # compared, not bound
    with pytest.raises(SettingsError, match="leave VEILOCITY_DASHBOARD_LOGIN on, or listen on"):
        check_exposure(load({}, dashboard_login="off", dashboard_host="0.0.0.0"))  # noqa: S104  # compared, not bound


@pytest.mark.parametrize("path", ["/login", "/healthz", "/assets/main.js", "/", "/no/such/page"])
def test_every_answer_carries_the_headers(server: Flask, path: str) -> None:
    headers = server.test_client().get(path, buffered=True).headers
    rules = dict(rule.split(" ", 1) for rule in headers["Content-Security-Policy"].split("; "))
    assert rules["default-src"] == "'none'"
    assert "unsafe" not in rules.get("script-src", "")
    assert (headers["X-Content-Type-Options"], headers["Referrer-Policy"]) == ("nosniff", "no-referrer")
    assert headers["Cross-Origin-Opener-Policy"] == headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "geolocation=()" in headers["Permissions-Policy"]
    assert "Strict-Transport-Security" not in headers


def test_the_policy_of_the_login_allows_files_of_ours_and_its_own_form(server: Flask) -> None:
    answer = server.test_client().get("/login")
    rules = dict(rule.split(" ", 1) for rule in answer.headers["Content-Security-Policy"].split("; "))
    assert rules["form-action"] == "'self'"
    assert rules["frame-ancestors"] == rules["base-uri"] == "'none'"
    assert {rules[name] for name in ("script-src", "style-src", "img-src")} == {"'self'"}
    assert not re.search(r"<script>|<style|style=|https?:", answer.text)
    for path in re.findall(r'(?:src|href)="/(assets/[^"]+)"', answer.text):
        assert server.test_client().get(f"/{path}", buffered=True).status_code == 200, path


def test_a_body_of_another_shape_is_refused_with_a_reason(server: Flask) -> None:
    client, headers = inside(server, "ben")
    for body, kind, reason in (
        (b"{", "application/json", "malformed"),
        (b'{"revision": 1, "status": "closed"}', "text/plain", "malformed"),
        (b'{"revision": 1, "status": "won"}', "application/json", "invalid_field"),
        (b'{"revision": 1, "status": "closed", "author": "chief"}', "application/json", "invalid_field"),
        (b" " * 70_000, "application/json", "too_large"),
    ):
        answer = client.post(TRIAGE_PATH, data=body, content_type=kind, headers=headers)
        assert (answer.status_code, answer.get_json()["reason"]) == (400, reason), body[:40]


def test_evidence_is_asked_for_in_the_name_of_the_session(door: Cupboard) -> None:
    asked = []

    def unmask(alert: str, actor: object, reason: str, written_ms: int) -> Alert:
        asked.append((alert, actor, reason))
        raise ForbiddenError("opening sealed evidence needs the role unmask, and this is view: ask somebody who has it")

    server = whole_server(door, unmask)
    client, headers = inside(server, "ada")
    answer = client.post("/api/alerts/5f2b/unmask", json={"reason": "a reason"}, headers=headers)
    assert (answer.status_code, answer.get_json()["reason"]) == (403, "forbidden")
    assert asked == [("5f2b", account().actor, "a reason")], "the door behind records who was refused"


def test_a_dashboard_without_the_key_ring_says_so(server: Flask) -> None:
    client, headers = inside(server, "chief")
    answer = client.post("/api/alerts/5f2b/unmask", json={"reason": "a reason"}, headers=headers)
    assert (answer.status_code, answer.get_json()["reason"]) == (503, "key_missing")


def test_an_administrator_makes_and_changes_accounts_on_a_page(server: Flask, door: Cupboard) -> None:
    client, _ = inside(server, "chief")
    token = token_in(client.get("/accounts").text)

    def ask(what: str, name: str, **form: str) -> TestResponse:
        return client.post("/accounts", data={"csrf": token, "what": what, "name": name, **form}, headers=PAGE)

    made = ask("add", "eve", role="view")
    assert re.search(r"eve may log in as view with the one-time password [a-z0-9-]{24} \(shown this once\)", made.text)
    assert door.people["eve"].must_change
    assert "eve is unmask now." in ask("role", "eve", role="unmask").text
    assert "eve may log in no more." in ask("disable", "eve").text
    assert "eve may log in again." in ask("enable", "eve").text
    assert "eve has the one-time password" in ask("password", "eve").text
    for what, name, wrong in (
        ("disable", "chief", "own role"),
        ("role", "Chief ", "own role"),
        ("role", "eve", "one of view"),
        ("x", "", "nothing"),
    ):
        answer = ask(what, name)
        assert (answer.status_code, wrong in answer.text) == (400, True), what
    assert not door.people["chief"].disabled


def test_the_page_of_accounts_is_for_administrators(server: Flask) -> None:
    client, _ = inside(server, "ben")
    answer = client.get("/accounts", headers=PAGE)
    assert answer.status_code == 403
    assert "<h1>No permission</h1>" in answer.text
    assert "This needs the role admin, and yours is triage: ask an administrator." in answer.text
