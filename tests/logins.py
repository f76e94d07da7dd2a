"""Logging in to a dashboard, for every test that opens one: an account made through storage, then the form as a person fills it in."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
from flask import Flask
from flask.testing import FlaskClient
from playwright.sync_api import Page

from devstack import Stack
from storage.accounts import AccountStore
from storage.roles import Role
from veilocity.errors import ConflictError
from veilocity.settings import Settings

NOW_MS = 1_795_400_000_000
PASSWORD = "a phrase for the tests"  # noqa: S105  # of made-up people


def make_account(settings: Settings, name: str = "ada", role: Role = Role.ADMIN, *, must_change: bool = False) -> None:
    """Make an account with `PASSWORD`; one that is there stays as it is."""
    with AccountStore(settings) as accounts:
        try:
            accounts.add(name, role, PASSWORD, NOW_MS, must_change=must_change)
        except ConflictError:
            return


def log_in(page: Page, url: str, name: str = "ada", password: str = PASSWORD) -> None:
    """Open the login of a dashboard and log in; the page shows the live map afterwards."""
    page.goto(f"{url.rstrip('/')}/login", wait_until="domcontentloaded")
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url(f"{url.rstrip('/')}/", wait_until="domcontentloaded")


def logged_in(page: Page, stack: Stack, role: Role = Role.ADMIN) -> Page:
    """Make an account of a role and open a running system's dashboard with it."""
    make_account(stack.settings, f"test-{role}", role)
    log_in(page, stack.address("dashboard"), f"test-{role}")
    return page


@contextmanager
def client_of(url: str, name: str = "ada", password: str = PASSWORD) -> Iterator[httpx.Client]:
    """Give a client that is logged in and carries what a change must carry, as a page does."""
    with httpx.Client(base_url=url, timeout=60.0, headers={"Origin": url.rstrip("/")}) as client:
        answer = client.post("/login", data={"name": name, "password": password})
        assert answer.status_code == 303, answer.text
        told = client.get("/api/account").json()
        client.headers[told["csrf"]["header"]] = told["csrf"]["token"]
        yield client


def from_page(server: Flask) -> FlaskClient:
    """Return a client whose requests say that they come from a page of the server, as a browser's do."""
    client = server.test_client()
    client.environ_base["HTTP_SEC_FETCH_SITE"] = "same-origin"
    return client


def token_in(page: str) -> str:
    """Return the session's token that a form carries."""
    found = re.search(r'name="csrf" value="([^"]+)"', page)
    assert found
    return found[1]
