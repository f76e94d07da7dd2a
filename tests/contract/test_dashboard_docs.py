"""What the documents say of the dashboard's pages is what the code has: addresses, permissions, keys, states."""

from __future__ import annotations

import re
from pathlib import Path

from flask import Flask

from dashboard.access import Access
from dashboard.access.permissions import ROUTES
from dashboard.app import create_server
from dashboard.desks import Desks
from dashboard.events import Hub
from dashboard.health_desk import HealthDesk
from dashboard.live_desk import LiveDesk
from dashboard.navigation import PAGES, html_links
from dashboard.payments_desk import PaymentsDesk
from dashboard.phone_desk import PhoneDesk
from dashboard.privacy_desk import PrivacyDesk
from dashboard.reports_desk import ReportsDesk
from dashboard.streams_desk import StreamsDesk
from storage.roles import Role
from tests.e2e.health_world import HealthWorld
from tests.e2e.live_world import LiveWorld
from tests.e2e.pages_world import PhoneWorld, StreamsWorld
from tests.e2e.payments_world import PaymentsWorld
from tests.e2e.privacy_world import PrivacyWorld
from tests.e2e.reports_world import ReportsWorld, SegmentsWorld
from veilocity.settings import load

ROOT = Path(__file__).resolve().parents[2]
PAGES_TEXT = (ROOT / "docs" / "dashboard.md").read_text(encoding="utf-8")
ASKED_TEXT = (ROOT / "docs" / "http-api.md").read_text(encoding="utf-8").split("## What the dashboard's pages ask")[1].split("\n## ")[0]


def server() -> Flask:
    desks = Desks(
        privacy=PrivacyDesk(PrivacyWorld, audit_every_s=0.0),
        streams=StreamsDesk(StreamsWorld),
        payments=PaymentsDesk(PaymentsWorld),
        reports=ReportsDesk(ReportsWorld, SegmentsWorld),
        phone=PhoneDesk(load({}), PhoneWorld),
        health=HealthDesk(HealthWorld, HealthWorld().count),
        live=LiveDesk(LiveWorld(), PrivacyWorld()),
    )
    return create_server(Hub(), desks=desks, access=Access(role=Role.ADMIN))


def asked() -> set[str]:
    """Return what the pages ask, without the pages themselves."""
    found = set()
    for rule in server().url_map.iter_rules():
        if re.match(r"/(payments|privacy|streams|reports|phone|health)/|/(evidence|alerts|facets|cells|replay)$", rule.rule):
            found |= {f"{verb} {rule.rule}" for verb in (rule.methods or set()) - {"HEAD", "OPTIONS"}}
    return found


def test_every_address_that_the_pages_ask_is_described_with_its_permission() -> None:
    rows = re.findall(r"^\| `((?:GET|POST) [^`?]+)[^`]*` \| (\w+) \|", ASKED_TEXT, re.MULTILINE)
    assert {address for address, _ in rows} == asked()
    for address, needs in rows:
        needed = ROUTES[address.split()[1]]
        assert needed is not None
        assert needs == needed.value, address


def test_every_page_of_the_navigation_is_answered_and_described_with_its_key() -> None:
    client = server().test_client()
    for page in PAGES:
        path = "/" + page.href.removeprefix("./")
        assert client.get(path).status_code == 200
        assert f"| `{path}` | `{page.key}` |" in PAGES_TEXT
    assert len({page.key for page in PAGES}) == len(PAGES)


def test_every_page_has_the_same_navigation_and_marks_itself() -> None:
    client = server().test_client()
    for page in PAGES[1:]:
        assert html_links(page.name) in client.get(f"/{page.href}").text
    layout = str(client.get("/_dash-layout").get_json())
    for page in PAGES:
        assert f"'{page.href}'" in layout


def test_every_state_of_the_pill_is_described() -> None:
    words = (ROOT / "dashboard" / "assets" / "page.js").read_text(encoding="utf-8").split("const WORDS = {")[1].split("};")[0]
    for word in re.findall(r': "([^"]+)"', words):
        assert f"| {word} |" in PAGES_TEXT, word
