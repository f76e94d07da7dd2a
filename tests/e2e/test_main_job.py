"""The main job on real services: everything is started as `make demo` starts it, fed, hurt, and then has to add up.

Three recordings of honest phones, a card file and a simulated day with fraud whose truth is known go in over HTTP. In the middle the
gateway, the rules service and the privacy stage are killed with SIGKILL. Afterwards every event must be accounted for, every impossible
trip must be an alert in Kafka, in both stores and on the page, and no identifier may be anywhere behind the privacy stage.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import msgspec
import pytest
from playwright.sync_api import Page

from devstack import Stack
from ingest.cards import read_cards
from ingest.recordings import read_sensor_logger
from ingest.simulator import CityPlan, Event, Label, Push, directory, simulate, truth
from privacy.audit import KnownIdentifiers, audit_stores
from privacy.identifiers.keyring import KeyRing
from privacy.identifiers.pseudonyms import Pseudonymiser
from privacy.identifiers.sealing import Sealer
from privacy.tokens import TokenKind
from privacy.unsealing import unseal
from storage.audits import AuditStore
from storage.vault import SubjectKeys
from tests.e2e.whole_system import (
    StubbornClient,
    elasticsearch_documents,
    files_below,
    final_alerts,
    leaks,
    mongodb_documents,
    read_topic,
    until,
)
from tests.logins import logged_in
from veilocity import settings as kernel_settings
from veilocity.cli.conservation import total
from veilocity.cli.doctor import examine
from veilocity.contracts import Alert, Decision, DirectoryEntry, RulesProgress, Severity
from veilocity.errors import ErasedError
from veilocity.settings import Settings
from veilocity.topics import ALERTS, DECISIONS, RULES_PROGRESS

pytestmark = [pytest.mark.services, pytest.mark.spark, pytest.mark.browser, pytest.mark.timeout(900)]

PLAN = CityPlan(seed=20_231, people=30, frauds_per_person_day=4.0)
HOURS = 6.0
RECORDINGS = ("strapdown_2023-08-09_16-37-41", "strapdown_2025-06-11_20-34-24", "strapdown_2025-06-14_21-17-02")
PAYMENTS_PER_POST = 20
STORES = ("mongodb", "elasticsearch")
ARTIFACTS = Path(__file__).parents[1] / "artifacts"


@dataclass
class Story:
    """What was sent, and what must come of it."""

    phones: list[str] = field(default_factory=list)
    """Devices of the honest recordings."""
    transactions: set[str] = field(default_factory=set)
    identifiers: set[str] = field(default_factory=set)
    """Raw card numbers, user, device and transaction ids."""
    labels: list[Label] = field(default_factory=list)
    answers: Counter[str] = field(default_factory=Counter)
    sent: Counter[str] = field(default_factory=Counter)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    environment = {"VEILOCITY_INGEST_TOKEN": "a-token-of-the-test", "VEILOCITY_PRIVACY_AUDIT_S": "60"}
    settings = kernel_settings.load(environment, state_dir=tmp_path_factory.mktemp("main-job"))
    with Stack(settings) as running:
        yield running


@pytest.fixture(scope="module")
def story(stack: Stack, shared_data: Path) -> Story:
    """Feed everything, with three kills on the way, and wait until nothing is in flight."""
    told = Story()
    client = StubbornClient(stack.address("ingest"), stack.settings.ingest_token.get_secret_value())
    try:
        # Oldest events first: what comes in the order of time is late nowhere.
        _play_cards(client, told, shared_data)
        _play_phones(client, told, shared_data)
        _play_city(client, told, stack)
    finally:
        client.close()
    told.answers = client.answers
    until(lambda: examine(stack.settings).conservation.complete, "everything accounted for", 180.0)
    return told


def _play_cards(client: StubbornClient, told: Story, shared_data: Path) -> None:
    payments = read_cards(shared_data / "cards" / "sparkov_kaggle_head_intellisense.csv")
    for start in range(0, len(payments), 100):
        client.send("/v1/transactions", msgspec.json.encode(payments[start : start + 100]))
    told.transactions.update(payment["id"] for payment in payments)
    told.identifiers.update(payment["card"] for payment in payments)
    told.sent["payments"] += len(payments)


def _play_phones(client: StubbornClient, told: Story, shared_data: Path) -> None:
    for name in RECORDINGS:
        pushes = read_sensor_logger(shared_data / "sensor_logger" / f"{name}.csv", device=f"phone-of-{name}")
        for push in pushes:
            client.send("/v1/sensor-logger", msgspec.json.encode(push))
            told.sent["readings"] += len(push["payload"])
        told.phones.append(f"phone-of-{name}")
        told.identifiers.add(f"phone-of-{name}")


def _play_city(client: StubbornClient, told: Story, stack: Stack) -> None:
    start_ms = (time.time_ns() // 1_000_000) - int((HOURS + 1.0) * 3_600_000)
    entries: list[DirectoryEntry] = list(directory(PLAN))
    client.send("/v1/directory", msgspec.json.encode(entries), "PUT")
    told.identifiers.update(entry.id for entry in entries)
    told.identifiers.update(entry.subject for entry in entries)
    told.labels = list(truth(PLAN, start_ms, HOURS))
    events = list(simulate(PLAN, start_ms, HOURS))
    kills = {len(events) // 4: "ingest", len(events) // 2: "rules", 3 * len(events) // 4: "privacy"}
    batch: list[bytes] = []
    for ordinal, event in enumerate(events):
        if ordinal in kills:
            stack.kill(kills[ordinal])
        _send(client, told, event, batch)
    _flush(client, told, batch)
    for name in kills.values():
        until(lambda name=name: stack.restarts(name) >= 1, f"{name} came back", 60.0)  # type: ignore[misc]  # a lambda with a default


def _send(client: StubbornClient, told: Story, event: Event, batch: list[bytes]) -> None:
    if isinstance(event, Push):
        # What was paid before must be sent before.
        _flush(client, told, batch)
        client.send("/v1/sensor-logger", event.body)
        told.sent["readings"] += len(msgspec.json.decode(event.body)["payload"])
        return
    batch.append(event.body)
    if len(batch) == PAYMENTS_PER_POST:
        _flush(client, told, batch)


def _flush(client: StubbornClient, told: Story, batch: list[bytes]) -> None:
    if not batch:
        return
    client.send("/v1/transactions", b"[" + b",".join(batch) + b"]")
    told.transactions.update(msgspec.json.decode(body)["id"] for body in batch)
    told.sent["payments"] += len(batch)
    batch.clear()


def _totals(settings: Settings) -> RulesProgress:
    newest: dict[int, RulesProgress] = {}
    for progress in read_topic(settings, RULES_PROGRESS, RulesProgress):
        newest[progress.partition] = progress
    return total(newest.values())


def test_every_item_that_was_sent_was_answered_for(story: Story) -> None:
    assert story.answers["accepted"] + story.answers["rejected"] + story.answers["ignored"] == (
        story.sent["readings"] + story.sent["payments"] + len(list(directory(PLAN)))
    )


def test_every_payment_has_one_decision_and_one_document_in_each_store(stack: Stack, story: Story) -> None:
    told: dict[str, list[int]] = {}
    for decision in read_topic(stack.settings, DECISIONS, Decision):
        told.setdefault(decision.transaction.id, []).append(decision.revision)
    assert set(told) == story.transactions
    # What later events changed is told again, under the next number: none is missing and none told twice.
    assert [revisions for revisions in told.values() if revisions != list(range(1, len(revisions) + 1))] == []
    census = examine(stack.settings)
    assert census.conservation.complete, census
    totals = _totals(stack.settings)
    assert totals.decided == len(story.transactions)
    assert (
        totals.fixes_read == totals.fixes_kept + totals.fixes_duplicate + totals.fixes_thinned + totals.fixes_late + totals.fixes_rejected
    )
    assert totals.fixes_rejected == totals.transactions_rejected == 0
    mongodb, elasticsearch = (_tokens(stack.settings, store, TokenKind.TRANSACTION, story.transactions) for store in STORES)
    assert _ids(mongodb_documents(stack.settings), "transactions") == mongodb
    assert _ids(elasticsearch_documents(stack.settings), f"{stack.settings.elasticsearch_index_prefix}-transactions") == elasticsearch


def _tokens(settings: Settings, store: str, kind: TokenKind, identifiers: Iterable[str]) -> set[str]:
    """Return the tokens of events in a store: the same at all times."""
    made = Pseudonymiser(KeyRing.from_file(settings.token_key_file), store, 0)
    return {made.token(kind, identifier, 0) for identifier in identifiers}


def _ids(documents: Iterator[tuple[str, str]], place: str) -> set[str]:
    return {text.split("'_id': '", 1)[1].split("'", 1)[0] for where, text in documents if where.startswith(place)}


def _expected(story: Story) -> list[Label]:
    labels = [label for label in story.labels if label.expected_alert]
    assert len(labels) >= 10
    return labels


def _alert_of(label: Label, alerts: dict[str, Alert]) -> Alert | None:
    """Return the alert that tells this fraud: its payment, or a fix of the intruder's device, is part of it.

    A second fraud of the same person in the same city joins the episode of the first: its payment stands in the episode, not at an end.
    """
    guilty = label.transaction or label.device
    for alert in alerts.values():
        names = (alert.first.id, alert.second.id, *alert.episode.events)
        if alert.subject == label.subject and guilty in {name.split("@")[0] for name in names}:
            return alert
    return None


def test_every_impossible_trip_is_an_alert_in_kafka_and_both_stores(stack: Stack, story: Story) -> None:
    alerts = final_alerts(read_topic(stack.settings, ALERTS, Alert))
    found = [_alert_of(label, alerts) for label in _expected(story)]
    assert None not in found, [label.kind for label, alert in zip(_expected(story), found, strict=True) if alert is None]
    mongodb, elasticsearch = (_tokens(stack.settings, store, TokenKind.ALERT, [one.id for one in found if one]) for store in STORES)
    assert mongodb <= _ids(mongodb_documents(stack.settings), "alerts")
    assert elasticsearch <= _ids(elasticsearch_documents(stack.settings), f"{stack.settings.elasticsearch_index_prefix}-alerts")


def test_honest_phones_raise_no_alert_at_any_time(stack: Stack, story: Story) -> None:
    alerts = read_topic(stack.settings, ALERTS, Alert)
    assert not [alert.sentence for alert in alerts if alert.subject in story.phones]


def test_the_city_raises_no_alert_but_those(stack: Stack, story: Story) -> None:
    alerts = final_alerts(read_topic(stack.settings, ALERTS, Alert))
    city = {entry.subject for entry in directory(PLAN)}
    # A near miss is a fraud, too: only a speed limit between two payments cannot tell.
    guilty = {(label.subject, label.transaction or label.device) for label in story.labels}

    def is_known(alert: Alert) -> bool:
        return bool(guilty & {(alert.subject, end.id.split("@")[0]) for end in (alert.first, alert.second)})

    graver = [alert for alert in alerts.values() if alert.severity is not Severity.LOW and alert.subject in city]
    assert not [alert.sentence for alert in graver if not is_known(alert)]


def test_the_page_shows_every_impossible_trip(stack: Stack, story: Story, page: Page) -> None:
    alerts = final_alerts(read_topic(stack.settings, ALERTS, Alert))
    found = [alert for alert in (_alert_of(label, alerts) for label in _expected(story)) if alert]
    expected = _tokens(stack.settings, "mongodb", TokenKind.ALERT, [alert.id for alert in found])
    logged_in(page, stack)

    def shown() -> set[str]:
        return set(page.evaluate("() => [...document.querySelectorAll('[data-alert-id][data-state]')].map(row => row.dataset.alertId)"))

    until(lambda: expected <= shown(), "every impossible trip on the page", 30.0)
    page.locator("[data-alert-id][data-state]").first.click()
    ARTIFACTS.mkdir(exist_ok=True)
    page.screenshot(path=ARTIFACTS / "main-job.png")


def test_no_token_is_in_both_stores_and_every_class_is(stack: Stack, story: Story) -> None:
    prefix = stack.settings.elasticsearch_index_prefix
    # Classes and their members are the same in both on purpose: they name nobody.
    mongodb = (text for where, text in mongodb_documents(stack.settings) if where != "releases")
    elasticsearch = (text for where, text in elasticsearch_documents(stack.settings) if not where.startswith(f"{prefix}-releases"))
    found = [{token for text in texts for token in re.findall(r"\b[0-9a-f]{32}\b", text)} for texts in (mongodb, elasticsearch)]
    assert min(map(len, found)) > len(story.transactions)
    assert not found[0] & found[1]
    classes = _ids(mongodb_documents(stack.settings), "releases")
    assert classes == _ids(elasticsearch_documents(stack.settings), f"{prefix}-releases")


def test_sealed_evidence_opens_word_for_word_until_its_person_is_forgotten(stack: Stack, story: Story) -> None:
    settings = stack.settings
    alerts = final_alerts(read_topic(settings, ALERTS, Alert))
    made = Pseudonymiser(KeyRing.from_file(settings.token_key_file), "mongodb", 0)
    sealed = {made.token(TokenKind.ALERT, alert.id, 0): alert for alert in alerts.values()}
    assert {identity: unseal(settings, identity) for identity in sealed} == sealed
    identity, alert = next(iter(sealed.items()))
    keys = SubjectKeys(settings)
    Sealer(KeyRing.from_file(settings.token_key_file), keys).forget(alert.subject)
    keys.close()
    with pytest.raises(ErasedError):
        unseal(settings, identity)


def test_no_identifier_is_in_a_store_a_log_a_metric_or_the_state_of_the_privacy_stage(stack: Stack, story: Story) -> None:
    settings = stack.settings
    identifiers = {identifier for identifier in story.identifiers | story.transactions if len(identifier) >= 6}
    metrics = ((name, httpx.get(f"{stack.address(name)}/metrics").text) for name in ("ingest", "rules", "privacy", "dashboard"))
    assert leaks(mongodb_documents(settings), identifiers) == []
    assert leaks(elasticsearch_documents(settings), identifiers) == []
    assert leaks(files_below(settings.state_dir / "logs"), identifiers) == []
    assert leaks(files_below(settings.privacy_dir), identifiers) == []
    assert leaks(metrics, identifiers) == []


def test_an_outsider_finds_nothing_in_the_stores_that_must_not_be_there(stack: Stack, story: Story, tmp_path: Path) -> None:
    known = tmp_path / "identifiers"
    known.write_text("\n".join(name for name in story.identifiers | story.transactions if len(name) >= 6))
    report = audit_stores(stack.settings, known=KnownIdentifiers.from_file(known), keep=False)
    assert report.passed, [fault.sentence() for check in report.checks for fault in check.faults]
    assert sum(report.read.values()) > 2 * len(story.transactions)


def test_the_stage_audits_itself_and_tells_the_result(stack: Stack, story: Story) -> None:
    def told() -> bool:
        return "veilocity_privacy_audit_passed 1.0" in httpx.get(f"{stack.address('privacy')}/metrics").text

    until(told, "an audit on schedule", 180.0)
    with AuditStore(stack.settings) as audits:
        assert audits.newest()[0]["passed"]
