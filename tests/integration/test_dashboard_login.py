"""Two dashboards as processes on one real MongoDB: one session for both, triage and unmasking by the account that is logged in."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
from pydantic import SecretStr

from storage.accounts import AccountStore
from storage.cases import CaseReader
from storage.documents import MaskedBatch, Progress
from storage.mongo import MongoStore
from storage.roles import Role
from storage.schema import ensure_collections
from tests.integration.case_world import PERSON, REASON, exact_alert, sealed_alert
from tests.integration.storage_world import minute
from tests.integration.test_dashboard_service import dashboard, free_port, until_healthy
from tests.logins import NOW_MS, PASSWORD, client_of, make_account
from veilocity.contracts import encode
from veilocity.settings import Settings, load

pytestmark = pytest.mark.services


class Pair(NamedTuple):
    """Two dashboards on one store, with one sealed alert in it."""

    settings: Settings
    first: str
    second: str
    alert: str


@pytest.fixture(name="pair", scope="module")
def _pair(mongodb_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    name = f"login{uuid.uuid4().hex[:10]}"
    folder: Path = tmp_path_factory.mktemp("login")
    settings = load(
        {}, mongodb_uri=SecretStr(mongodb_server), mongodb_database=name, mongodb_keys_database=f"{name}_keys", state_dir=folder
    )
    store = MongoStore(settings)
    ensure_collections(store.database)
    masked = sealed_alert(settings)
    progress = Progress(id="privacy", seq=0, event_ms=minute(120), alerts=1)
    assert store.write(MaskedBatch(progress=progress, alerts=(masked,))) == []
    store.write_progress(progress)
    for person, role in (("ada", Role.TRIAGE), ("ben", Role.TRIAGE), ("una", Role.UNMASK), ("viv", Role.VIEW), ("dis", Role.VIEW)):
        make_account(settings, person, role)
    variables = {
        "VEILOCITY_MONGODB_URI": mongodb_server,
        "VEILOCITY_MONGODB_DATABASE": name,
        "VEILOCITY_MONGODB_KEYS_DATABASE": f"{name}_keys",
        "VEILOCITY_STATE_DIR": str(folder),
    }
    with ExitStack() as running:
        ports = [free_port(), free_port()]
        for port, process in [(port, running.enter_context(dashboard(port, **variables))) for port in ports]:
            until_healthy(port, process)
        first, second = (f"http://127.0.0.1:{port}" for port in ports)
        yield Pair(settings, first, second, masked.id)
    for database in (name, f"{name}_keys"):
        store._client.drop_database(database)
    store.close()


def moved(client: httpx.Client, url: str) -> httpx.Client:
    """Return a client with the same cookie and token at another dashboard; a cookie belongs to a host, whatever the port."""
    token = client.cookies["veilocity"]
    csrf = {"X-Veilocity-CSRF": client.headers["X-Veilocity-CSRF"], "Origin": url}
    return httpx.Client(base_url=url, cookies={"veilocity": token}, headers=csrf, timeout=30.0)


def test_a_session_holds_at_both_and_logging_out_at_one_ends_it_at_the_other(pair: Pair) -> None:
    with client_of(pair.first, "viv") as here, moved(here, pair.second) as there:
        assert there.get("/privacy/state").status_code == 200
        assert there.get("/api/account").json()["may"] == ["view"]
        assert there.post("/logout").status_code == 303
        answer = here.get("/privacy/state")
        assert (answer.status_code, answer.json()["reason"]) == (401, "not_logged_in")


def test_an_account_that_is_disabled_loses_its_requests_at_once_and_its_stream_soon(pair: Pair) -> None:
    with client_of(pair.first, "dis") as client:
        with client.stream("GET", "/events", timeout=30.0) as stream:
            told = stream.iter_lines()
            assert next(told)
            with AccountStore(pair.settings) as accounts:
                accounts.set_disabled("dis", NOW_MS, disabled=True)
            assert client.get("/privacy/state").status_code == 401
            # Ends by itself, or the client gives up with an error.
            for _ in told:
                pass
        answer = client.post("/login", data={"name": "dis", "password": PASSWORD})
        assert (answer.status_code, answer.json()["reason"]) == (401, "wrong_login")


def test_guesses_are_counted_by_both_together(pair: Pair) -> None:
    make_account(pair.settings, "guessed", Role.VIEW)
    outcomes = []
    for number in range(7):
        url = (pair.first, pair.second)[number % 2]
        answer = httpx.post(f"{url}/login", data={"name": "guessed", "password": "a wrong password"}, headers={"Origin": url}, timeout=30.0)
        outcomes.append(answer.status_code)
    assert outcomes[:5] == [401] * 5
    assert 429 in outcomes[5:]
    with httpx.Client() as client:
        told = client.get(f"{pair.first}/metrics").text + client.get(f"{pair.second}/metrics").text
    assert 'veilocity_dashboard_logins_total{outcome="limited"}' in told


def test_a_session_does_not_help_a_foreign_page(pair: Pair) -> None:
    with client_of(pair.first, "ada") as client:
        decision: dict[str, Any] = {"revision": 0, "status": "acknowledged"}
        path = f"/api/cases/{pair.alert}/decision"
        for headers in ({"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"X-Veilocity-CSRF": "x"}):
            answer = client.post(path, json=decision, headers=headers)
            assert (answer.status_code, answer.json()["reason"]) == (403, "forged"), headers
        assert client.get(f"/api/cases/{pair.alert}").json() == {"alert": pair.alert, "case": None}


def test_two_who_decide_at_once_are_told_of_each_other_by_name(pair: Pair) -> None:
    path = f"/api/cases/{pair.alert}"
    with client_of(pair.first, "ada") as ada, client_of(pair.second, "ben") as ben, client_of(pair.second, "viv") as viv:
        begun = ada.post(f"{path}/decision", json={"revision": 0, "status": "acknowledged"})
        assert (begun.status_code, begun.json()["case"]["author"], begun.json()["case"]["revision"]) == (200, "ada", 1)
        late = ben.post(f"{path}/decision", json={"revision": 0, "status": "acknowledged"})
        assert (late.status_code, late.json()["reason"]) == (409, "conflict")
        assert late.json()["case"] == begun.json()["case"]
        assert "ada changed the case" in late.json()["error"]
        assert ben.post(f"{path}/assign", json={"revision": 1, "assignee": "ben"}).json()["case"]["assignee"] == "ben"
        assert ben.post(f"{path}/note", json={"revision": 2, "note": "asked the shop"}).json()["case"]["revision"] == 3
        refused = ben.post(f"{path}/decision", json={"revision": 3, "status": "confirmed_fraud"})
        assert (refused.status_code, "needs a reason" in refused.json()["error"]) == (400, True)
        assert viv.post(f"{path}/note", json={"revision": 3, "note": "me too"}).json()["reason"] == "forbidden"
        trail = viv.get(f"{path}/history").json()["events"]
        assert [(one["author"], one["role"], one["after"], one["note"]) for one in trail] == [
            ("ada", "triage", "acknowledged", ""),
            ("ben", "triage", "acknowledged", ""),
            ("ben", "triage", "acknowledged", "asked the shop"),
        ]
        unknown = ada.post("/api/cases/0000/decision", json={"revision": 0, "status": "acknowledged"})
        assert (unknown.status_code, "no such alert" in unknown.json()["error"]) == (400, True)


def test_evidence_opens_to_the_role_and_everybody_who_asked_is_recorded(pair: Pair) -> None:
    path = f"/api/alerts/{pair.alert}/unmask"
    with client_of(pair.first, "una") as una, client_of(pair.second, "ada") as ada:
        refused = ada.post(path, json={"reason": REASON})
        assert (refused.status_code, refused.json()["reason"]) == (403, "forbidden")
        opened = una.post(path, json={"reason": REASON})
        assert opened.content == encode(exact_alert())
        assert PERSON in opened.text
        assert opened.headers["Cache-Control"] == "no-store"
        assert una.post(path, json={"reason": " "}).status_code == 400
        told = ada.get(f"/api/cases/{pair.alert}/history").json()["unmaskings"]
    assert [(one["author"], one["role"], one["outcome"], one["reason"]) for one in told] == [
        ("ada", "triage", "refused", REASON),
        ("una", "unmask", "opened", REASON),
    ]
    with CaseReader(pair.settings) as reader:
        assert [(one.author, one.outcome) for one in reader.unmaskings(pair.alert)] == [("ada", "refused"), ("una", "opened")]
