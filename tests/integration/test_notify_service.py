"""The notifier as its own process, on a real MongoDB server and a real web server: nothing lost, nothing told twice."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from prometheus_client import REGISTRY
from pydantic import SecretStr
from pymongo import MongoClient
from pymongo.monitoring import CommandFailedEvent, CommandListener, CommandStartedEvent, CommandSucceededEvent

from devstack.ports import free_port
from storage.kinds import Document
from storage.notifications.cases import Cases
from storage.notifications.courier import Courier
from storage.notifications.documents import CASES, MESSAGES, Case, Standing
from storage.notifications.file import read_notifications
from storage.notifications.forgetting import leave_notifications
from storage.notifications.grouping import new_case
from storage.notifications.message import trial_message
from storage.notifications.outbox import FORGOTTEN, Outbox
from storage.notifications.planner import Planner
from storage.notifications.rules import Channel
from storage.notifications.schema import ensure_notifications
from storage.notifications.service import clock_ms
from tests.integration.notify_world import (
    SECRET,
    Answer,
    Hook,
    Store,
    hooked,
    make_alert,
    notifier,
    retracted,
    serving,
    stored,
    until,
    webhook,
    write_file,
)
from tests.integration.storage_world import token
from veilocity.contracts import Severity
from veilocity.settings import load

pytestmark = pytest.mark.services


@pytest.fixture(name="store")
def _store(mongodb_server: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Store]:
    name = f"notify{token(request.node.nodeid)[:10]}"
    with stored(load({}, mongodb_uri=SecretStr(mongodb_server), mongodb_database=name, state_dir=tmp_path)) as store:
        yield store


@pytest.fixture(name="hook")
def _hook() -> Iterator[Hook]:
    with hooked() as hook:
        yield hook


def begun(store: Store) -> None:
    """Return when a notifier has begun to read: what is written from now on is told."""
    until(lambda: store.database["notification_progress"].find_one({"owner": {"$gt": ""}}) is not None, "a notifier leads")


def ended(store: Store, count: int) -> None:
    until(lambda: len(store.messages(state={"$ne": "pending"})) >= count, f"{count} messages end")


def test_an_alert_is_told_with_its_link_and_only_what_is_masked(store: Store, hook: Hook, tmp_path: Path) -> None:
    store.write(make_alert(99, 0))  # before the first notifier: nobody is woken by what is old
    port = free_port()
    with notifier(store.settings, write_file(tmp_path, {"hook": webhook(hook.url)}), port) as process:
        begun(store)
        one = make_alert(1, 0)
        store.write(one)
        ended(store, 1)
        until(lambda: httpx.get(f"http://127.0.0.1:{port}/healthz").status_code == 200, "healthy")
        figures = httpx.get(f"http://127.0.0.1:{port}/metrics").text
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20.0) == 0
    (push,) = hook.pushes
    assert push.path == "/hook?team=fraud"
    assert (push.body["type"], push.body["data"]["severity"], push.body["data"]["cases"]) == ("case.opened", "high", 1)
    (line,) = push.body["data"]["named"]
    assert (line["alert"], line["sentence"]) == (one.id, one.sentence)
    assert line["link"] == f"https://fraud.example.com/#alert={one.id}"
    assert one.subject.encode() not in push.raw
    (message,) = store.messages()
    assert (message["state"], message["attempts"], message["lines"], message["parts"]) == ("sent", 1, [], [])
    assert push.id == f"msg_{message['_id']}"
    assert 'veilocity_notify_attempts_total{outcome="sent",receiver="hook"} 1.0' in figures
    assert 'veilocity_notify_pending{receiver="hook"} 0.0' in figures
    assert "veilocity_notify_leads 1.0" in figures


def test_updates_come_with_the_next_generation_and_retractions_too(store: Store, hook: Hook, tmp_path: Path) -> None:
    with serving(store.settings, write_file(tmp_path, {"hook": webhook(hook.url)})):
        begun(store)
        first = make_alert(1, 0, severity=Severity.MEDIUM)
        second = make_alert(2, 0, subject=first.subject)
        store.write(first)
        ended(store, 1)
        store.write(second)
        ended(store, 2)
        store.write(retracted(first), make_alert(2, 0, 2, subject=first.subject))  # a later revision that changes nothing
        ended(store, 3)
    bodies = [push.body for push in hook.pushes]
    assert [body["type"] for body in bodies] == ["case.opened", "case.updated", "case.updated"]
    assert [body["data"]["generation"] for body in bodies] == [1, 2, 3]
    assert [[(line["alert"], line["news"]) for line in body["data"]["named"]] for body in bodies] == [
        [(first.id, "new")],
        [(second.id, "new")],
        [(first.id, "retracted")],
    ]
    assert len({body["data"]["case"] for body in bodies}) == 1


def test_a_storm_is_one_message(store: Store, hook: Hook, tmp_path: Path) -> None:
    routes = [{"name": "all", "receivers": ["hook"], "storm_cases": 5, "group_wait": "1s", "group_interval": "20s"}]
    with serving(store.settings, write_file(tmp_path, {"hook": webhook(hook.url)}, routes)):
        begun(store)
        store.write(*(make_alert(number, 0) for number in range(600)))
        ended(store, 1)
        until(lambda: not store.database["notification_cases"].count_documents({"news": True}), "its cases know")
    (message,) = store.messages()
    (push,) = hook.pushes
    assert (push.body["type"], push.body["data"]["cases"], push.body["data"]["alerts"]) == ("cases.storm", 600, 600)
    assert (len(push.body["data"]["named"]), push.body["data"]["not_named"]) == (20, 580)
    assert len(push.raw) < 20_000
    cases = list(store.database["notification_cases"].find())
    assert len(cases) == 600
    assert {(case["generation"], case["news"], case["message"]) for case in cases} == {(1, False, "")}
    assert message["parts"] == []


def test_a_notifier_killed_between_sending_and_noting_it_sends_the_same_again(store: Store, hook: Hook, tmp_path: Path) -> None:
    file = write_file(tmp_path, {"hook": webhook(hook.url, timeout="1s")}, claim="2s")
    with notifier(store.settings, file) as process:
        begun(store)
        hook.answers.append(Answer(first=process.kill))
        store.write(make_alert(1, 0), make_alert(2, 0))
        assert process.wait(timeout=60.0) == -signal.SIGKILL
    assert store.messages(state="pending")
    with serving(store.settings, file):
        ended(store, 2)
    assert sorted(hook.told()) == sorted(make_alert(number, 0).id for number in (1, 2))
    first = hook.pushes[0]
    assert [push.raw for push in hook.pushes[1:] if push.id == first.id] == [first.raw]
    assert {message["state"] for message in store.messages()} == {"sent"}


def test_notifiers_killed_at_any_moment_lose_and_double_nothing(store: Store, hook: Hook, tmp_path: Path) -> None:
    routes = [{"name": "all", "receivers": ["hook"], "storm_cases": 1000}]
    file = write_file(tmp_path, {"hook": webhook(hook.url, timeout="1s")}, routes, claim="2s")
    written: list[str] = []

    def write(*numbers: int) -> None:
        some = [make_alert(number, 0) for number in numbers]
        written.extend(one.id for one in some)
        store.write(*some)

    with serving(store.settings, file):
        begun(store)
    for round_number in range(2):
        with notifier(store.settings, file) as process:
            so_far = len(hook.pushes)
            for step in range(4):
                write(*range(100 * round_number + 10 * step, 100 * round_number + 10 * step + 4))
                until(lambda sent=so_far + step: len(hook.pushes) > sent, "another is sent")  # type: ignore[misc]  # mypy cannot see a default's type
            process.kill()
    with serving(store.settings, file):
        until(lambda: len(set(hook.told())) == len(written) and not store.messages(state="pending"), "all are told")
    assert sorted(hook.told()) == sorted(written)
    bodies: dict[str, set[bytes]] = {}
    for push in hook.pushes:
        bodies.setdefault(push.id, set()).add(push.raw)
    assert {len(found) for found in bodies.values()} == {1}


def test_a_receiver_that_was_down_gets_everything_when_it_is_up(store: Store, tmp_path: Path) -> None:
    port = free_port()
    with serving(store.settings, write_file(tmp_path, {"hook": webhook(f"http://127.0.0.1:{port}/")})):
        begun(store)
        store.write(make_alert(1, 0), make_alert(2, 0))
        until(lambda: len(store.messages(attempts={"$gte": 2})) == 2, "it was tried again")
        assert {message["reason"] for message in store.messages()} == {"no answer (ConnectionRefusedError)"}
        with hooked(port) as hook:
            ended(store, 2)
    assert sorted(hook.told()) == sorted(make_alert(number, 0).id for number in (1, 2))


def test_a_slow_receiver_delays_nobody_else(store: Store, hook: Hook, tmp_path: Path) -> None:
    with hooked() as slow:
        slow.answers += [Answer(first=lambda: until(lambda: len(hook.pushes) == 3, "the other has all"))] * 3
        receivers = {"slow": webhook(slow.url), "quick": webhook(hook.url)}
        with serving(store.settings, write_file(tmp_path, receivers)):
            begun(store)
            store.write(*(make_alert(number, 0) for number in range(3)))
            ended(store, 6)
    assert len(hook.pushes) == 3


def test_an_error_is_tried_again_and_the_receivers_wish_is_honoured(store: Store, hook: Hook, tmp_path: Path) -> None:
    hook.answers += [Answer(500), Answer(503, (("Retry-After", "4"),)), Answer(302, (("Location", "http://127.0.0.1:9/"),))]
    with serving(store.settings, write_file(tmp_path, {"hook": webhook(hook.url)})):
        begun(store)
        store.write(make_alert(1, 0))
        ended(store, 1)
    assert len(hook.pushes) == 4
    assert len({(push.id, push.raw) for push in hook.pushes}) == 1
    assert hook.pushes[2].at_s - hook.pushes[1].at_s >= 4.0
    (message,) = store.messages()
    assert (message["state"], message["attempts"]) == ("sent", 4)


def test_a_receiver_that_is_gone_is_not_asked_again(store: Store, hook: Hook, tmp_path: Path) -> None:
    hook.answers += [Answer(410)]
    with serving(store.settings, write_file(tmp_path, {"hook": webhook(hook.url)})):
        begun(store)
        store.write(make_alert(1, 0), make_alert(2, 0))
        ended(store, 2)
    assert len(hook.pushes) == 1
    assert [(one["state"], one["reason"]) for one in store.messages()] == [("dead", "HTTP 410: the receiver wants no more messages")] * 2


def test_a_message_is_given_up_with_its_reason(store: Store, hook: Hook, tmp_path: Path) -> None:
    hook.answers += [Answer(404)] * 20
    with serving(store.settings, write_file(tmp_path, {"hook": webhook(hook.url)}, give_up_after="3s")):
        begun(store)
        store.write(make_alert(1, 0))
        ended(store, 1)
    (message,) = store.messages()
    assert message["state"] == "dead"
    assert message["reason"] == f"HTTP 404, given up after {message['attempts']} attempts"
    assert message["lines"], "what could not be told can be looked at"


def test_a_private_address_is_refused_unless_it_is_allowed(store: Store, hook: Hook, tmp_path: Path) -> None:
    with serving(store.settings, write_file(tmp_path, {"hook": webhook(hook.url, allow_networks=[])})):
        begun(store)
        store.write(make_alert(1, 0))
        until(lambda: bool(store.messages(reason={"$ne": ""})), "it was refused")
    assert store.messages()[0]["reason"] == "the address is refused: a private or reserved address"
    assert hook.pushes == []


def test_routes_send_by_severity(store: Store, hook: Hook, tmp_path: Path) -> None:
    with hooked() as other:
        routes = [
            {"name": "grave", "severity": "high", "receivers": ["hook"]},
            {"name": "rest", "receivers": ["other"], "rules": ["impossible-travel"]},
        ]
        file = write_file(tmp_path, {"hook": webhook(hook.url), "other": webhook(other.url)}, routes)
        with serving(store.settings, file):
            begun(store)
            store.write(
                make_alert(1, 0),
                make_alert(2, 0, severity=Severity.LOW),
                make_alert(3, 0, severity=Severity.LOW, rule="payments-count"),
            )
            ended(store, 2)
    assert hook.told() == [make_alert(1, 0).id]
    assert other.told() == [make_alert(2, 0).id]
    assert len(store.messages()) == 2


def test_two_notifiers_share_the_work(store: Store, hook: Hook, tmp_path: Path) -> None:
    file = write_file(tmp_path, {"hook": webhook(hook.url)}, [{"name": "all", "receivers": ["hook"], "storm_cases": 1000}])
    with serving(store.settings, file), serving(store.settings, file):
        begun(store)
        store.write(*(make_alert(number, 0) for number in range(20)))
        ended(store, 20)
    assert sorted(hook.told()) == sorted(make_alert(number, 0).id for number in range(20))
    assert len(hook.pushes) == 20


def test_it_waits_for_a_store_that_is_not_there_and_ends_when_told(tmp_path: Path, hook: Hook) -> None:
    nowhere = load({}, mongodb_uri=SecretStr("mongodb://127.0.0.1:1/?directConnection=true"), state_dir=tmp_path)
    with serving(nowhere, write_file(tmp_path, {"hook": webhook(hook.url)})) as service:
        until(lambda: (REGISTRY.get_sample_value("veilocity_store_retries_total", {"store": "mongodb"}) or 0) > 0, "it asks")
        assert not service.is_healthy()


def test_the_leader_that_stops_hands_over_at_once(store: Store, hook: Hook, tmp_path: Path) -> None:
    file = write_file(tmp_path, {"hook": webhook(hook.url)})
    with ExitStack() as first:
        first.enter_context(serving(store.settings, file))
        begun(store)
        with serving(store.settings, file):
            store.write(make_alert(1, 0))
            ended(store, 1)
            first.close()
            store.write(make_alert(2, 0))
            ended(store, 2)
    assert sorted(hook.told()) == sorted(make_alert(number, 0).id for number in (1, 2))
    assert len(hook.pushes) == 2


def test_who_is_forgotten_is_told_of_no_more(store: Store, hook: Hook, tmp_path: Path) -> None:
    hook.answers += [Answer(500)] * 9
    file = write_file(tmp_path, {"hook": webhook(hook.url)}, [{"name": "all", "receivers": ["hook"], "group_by": ["person"]}])
    theirs, other = make_alert(1, 0), make_alert(2, 0)
    with serving(store.settings, file):
        begun(store)
        store.write(theirs, other)
        until(lambda: len(store.messages(attempts={"$gte": 1})) == 2, "both were tried")
    assert leave_notifications(store.database, [theirs.id, token("a stranger")]) == 2
    assert leave_notifications(store.database, [theirs.id]) == 0
    reasons = {message["reason"] for message in store.messages(state="dead")}
    assert reasons == {FORGOTTEN}
    assert [line["id"] for message in store.messages() for line in message["lines"]] == [other.id]
    assert [one["id"] for case in store.database[CASES.name].find() for one in case["alerts"]] == [other.id]


def test_what_is_over_is_deleted_and_nothing_else(store: Store, tmp_path: Path) -> None:
    found = read_notifications(write_file(tmp_path, {"hook": webhook("http://127.0.0.1:1/")}), {"HOOK_SECRET": SECRET})
    ensure_notifications(store.database)
    kept, day_ms, now_ms = Cases(store.database), 86_400_000, 1_795_305_600_000
    channel = found.channels["all>hook"]
    gone = msgspec.structs.replace(channel, route="gone")

    def case(name: str, of: Channel, age_days: int, **fields: Any) -> Case:
        alerts = (Standing(name, "cash-out", 1, Severity.HIGH, retracted=False, told=None, news=None),)
        changed = {"changed_ms": now_ms - age_days * day_ms, "alerts": alerts, **fields}
        return msgspec.structs.replace(new_case(of, name), **changed)

    stay = [case("young", channel, 6), case("telling", channel, 99, news=True, due_ms=1), case("taken", channel, 99, message="m")]
    stay.append(case("other", gone, 89))
    over = [case("old", channel, 8), case("orphan", gone, 91, news=True, due_ms=1)]
    kept.put((new_case(channel, one.id), one) for one in (*stay, *over))
    assert kept.clean({channel.id: channel.timing.forget_ms}, 90 * day_ms, now_ms) == 2
    assert set(kept.get([one.id for one in (*stay, *over)])) == {one.id for one in stay}
    box = Outbox(store.database)
    for name in ("sent", "pending"):
        box.put(trial_message(name, "hook", now_ms))
    box.sent(trial_message("sent", "hook", now_ms), now_ms, day_ms)
    assert (box.clean(now_ms + day_ms - 1), box.clean(now_ms + day_ms)) == (0, 1)
    assert [one["_id"] for one in store.messages()] == ["pending"]


def test_every_question_is_answered_from_an_index(store: Store, hook: Hook, tmp_path: Path) -> None:
    class Questions(CommandListener):
        """Keeps what is asked of the notifier's collections that grow."""

        def __init__(self) -> None:
            self.asked: list[Document] = []

        def started(self, event: CommandStartedEvent) -> None:
            name = str(event.command.get(event.command_name))
            if event.command_name in ("find", "findAndModify", "count", "delete", "update") and name in (CASES.name, MESSAGES.name):
                self.asked.append({"collection": name, "command": dict(event.command)})

        def succeeded(self, event: CommandSucceededEvent) -> None:
            """Nothing to keep."""

        def failed(self, event: CommandFailedEvent) -> None:
            """Nothing to keep."""

    questions = Questions()
    client: MongoClient[Document] = MongoClient(store.settings.mongodb_uri.get_secret_value(), event_listeners=[questions])
    routes = [{"name": "all", "receivers": ["hook"], "repeat_interval": "1s"}]
    found = read_notifications(write_file(tmp_path, {"hook": webhook(hook.url)}, routes), {"HOOK_SECRET": SECRET})
    database = client[store.settings.mongodb_database]
    ensure_notifications(database)
    planner = Planner(database, found, "abc", clock_ms)
    courier = Courier(Outbox(database), found.receivers["hook"], found, clock_ms)
    try:
        planner.begin()
        store.write(make_alert(1, 0))
        assert planner.step()
        assert courier.step()
        courier.count()
    finally:
        client.close()
    filters = [(one["collection"], one_filter) for one in questions.asked for one_filter in _filters(one["command"])]
    assert len(filters) > 8
    for collection, asked in filters:
        plan = store.database.command("explain", {"find": collection, "filter": asked})["queryPlanner"]["winningPlan"]
        assert "COLLSCAN" not in str(plan), (collection, asked)


def _filters(command: Document) -> Iterator[Document]:
    """Return what a command looks for."""
    for one in (command, *command.get("deletes", ()), *command.get("updates", ())):
        asked = one.get("filter", one.get("q", one.get("query")))
        # What names ids is answered from them; this server's plan for ids beside another field says otherwise, MongoDB's does not.
        if asked and "_id" not in asked:
            yield asked
