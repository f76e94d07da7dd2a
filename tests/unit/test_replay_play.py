"""Sending: repeats, answers and the pace of a recording."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest import replay
from ingest.push import Answer, Pusher
from ingest.replay import Due, play, rebase_ns, schedule, shifted
from veilocity.errors import InvalidInputError, ServiceUnavailableError, SettingsError
from veilocity.eventtime import NS_PER_S

Handler = Callable[[httpx.Request], httpx.Response]
GOOD = {"accepted": 2, "rejected": 1, "ignored": 3, "reasons": {"invalid_time": 1}}
EPOCH_NS = 1_655_176_505_000_000_000


def pusher(handler: Handler, *, patience_s: float = 60.0, pauses: list[float] | None = None) -> Pusher:
    kept = [] if pauses is None else pauses
    return Pusher("http://gateway", "s3cret", patience_s=patience_s, sleep=kept.append, transport=httpx.MockTransport(handler))


def test_an_answer_is_counted() -> None:
    with pusher(lambda _: httpx.Response(200, json=GOOD)) as sender:
        answer = sender.send("/v1/transactions", b"[]")
    assert (answer, answer.items) == (Answer(2, 1, 3), 6)


@pytest.mark.parametrize("status", [400, 413])
def test_a_refused_body_is_an_answer_too(status: int) -> None:
    with pusher(lambda _: httpx.Response(status, json={"accepted": 0, "rejected": 1, "ignored": 0})) as sender:
        assert sender.send("/v1/transactions", b"x") == Answer(0, 1, 0)


def test_the_same_bytes_are_sent_again_until_they_are_answered() -> None:
    seen: list[bytes] = []

    def flaky(request: httpx.Request) -> httpx.Response:
        seen.append(request.content)
        if len(seen) == 1:
            raise httpx.ConnectError("refused")
        if len(seen) == 2:
            raise httpx.ReadError("cut off")
        return httpx.Response(503 if len(seen) < 8 else 200, json=GOOD)

    pauses: list[float] = []
    with pusher(flaky, pauses=pauses) as sender:
        assert sender.send("/v1/transactions", b"the body") == Answer(2, 1, 3)
    assert seen == [b"the body"] * 8
    assert pauses == [0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0]


def test_patience_ends() -> None:
    with pusher(lambda _: httpx.Response(503), patience_s=0.0) as sender, pytest.raises(ServiceUnavailableError):
        sender.send("/v1/transactions", b"")


def test_the_token_goes_into_the_header_and_a_wrong_one_is_a_sentence() -> None:
    seen: list[str] = []

    def refuse(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers["Authorization"])
        assert "s3cret" not in str(request.url)
        return httpx.Response(401)

    with pusher(refuse) as sender, pytest.raises(SettingsError, match="VEILOCITY_INGEST_TOKEN"):
        sender.send("/v1/transactions", b"")
    assert seen == ["Bearer s3cret"]


@pytest.mark.parametrize(
    "response", [httpx.Response(404), httpx.Response(200, text="hello"), httpx.Response(200, json=[]), httpx.Response(302)]
)
def test_something_else_at_the_address_is_a_sentence(response: httpx.Response) -> None:
    with pusher(lambda _: response) as sender, pytest.raises(InvalidInputError, match="--url"):
        sender.send("/v1/transactions", b"")


def test_waiting_for_readiness() -> None:
    answers = iter([httpx.Response(503), httpx.Response(503), httpx.Response(200)])
    pauses: list[float] = []
    with pusher(lambda _: next(answers), pauses=pauses) as sender:
        sender.wait_until_ready()
    assert len(pauses) == 2
    with pusher(lambda _: httpx.Response(503)) as sender, pytest.raises(ServiceUnavailableError):
        sender.wait_until_ready(timeout_s=0.0)


def test_giving_up_frees_whoever_waits() -> None:
    tried = threading.Event()

    def down(_: httpx.Request) -> httpx.Response:
        tried.set()
        return httpx.Response(503)

    sender = Pusher("http://gateway", transport=httpx.MockTransport(down))
    failed: list[BaseException] = []

    def send() -> None:
        try:
            sender.send("/v1/transactions", b"")
        except ServiceUnavailableError as failure:
            failed.append(failure)

    thread = threading.Thread(target=send)
    thread.start()
    assert tried.wait(10)
    sender.give_up()
    thread.join(10)
    assert len(failed) == 1
    sender.close()


def push_at(*seconds: float) -> dict[str, Any]:
    return {"deviceId": "d", "payload": [{"name": "location", "time": EPOCH_NS + int(second * NS_PER_S)} for second in seconds]}


def test_pushes_are_due_when_their_latest_reading_is_taken() -> None:
    dues = schedule([push_at(5.0), push_at(-20.0, 1.0)])
    assert [(due.at_ns - EPOCH_NS) // NS_PER_S for due in dues] == [1, 5]
    assert {due.path for due in dues} == {"/v1/sensor-logger"}


def test_payments_of_a_minute_go_together() -> None:
    dues = schedule([{"id": str(second), "authorised_ms": 1_000 * second} for second in (61, 0, 59, 60, 200)])
    assert [[item["id"] for item in due.body] for due in dues if isinstance(due.body, list)] == [["0", "59"], ["60", "61"], ["200"]]
    assert [due.at_ns for due in dues] == [59 * NS_PER_S, 61 * NS_PER_S, 200 * NS_PER_S]


def test_what_has_no_readable_time_is_due_first() -> None:
    dues = schedule([{"id": "a", "authorised_ms": 86_400_000}, {"id": "b", "authorised_at": "new year"}])
    assert [due.at_ns for due in dues] == [86_400 * NS_PER_S] * 2


def test_shifting_moves_every_time_and_nothing_else() -> None:
    push = push_at(0.0, 1.0) | {"messageId": 3}
    push["payload"].append({"name": "location", "time": "noon"})
    (moved,) = shifted([Due(EPOCH_NS, "/v1/sensor-logger", push)], 5 * NS_PER_S)
    assert moved.at_ns == EPOCH_NS + 5 * NS_PER_S
    assert isinstance(moved.body, dict)
    assert [reading["time"] for reading in moved.body["payload"]] == [EPOCH_NS + 5 * NS_PER_S, EPOCH_NS + 6 * NS_PER_S, "noon"]
    assert moved.body["messageId"] == 3
    (paid,) = shifted([Due(0, "/v1/transactions", [{"id": "a", "authorised_ms": 7}, {"id": "b"}])], 5 * NS_PER_S)
    assert paid.body == [{"id": "a", "authorised_ms": 5_007}, {"id": "b"}]


@given(
    st.lists(st.integers(0, 10**6), min_size=1, max_size=30),
    st.sampled_from([0.0, 0.1, 0.5, 1.0, 1.7, 60.0, 3600.0]),
)
def test_a_rebased_recording_never_sends_the_future(seconds: list[int], speed: float) -> None:
    now_ns = 2 * EPOCH_NS
    recording = [Due(EPOCH_NS + second * NS_PER_S, "", []) for second in sorted(seconds)]
    moved = shifted(recording, rebase_ns(recording, now_ns, speed))
    for before, after in zip(recording, moved, strict=True):
        sent_ns = now_ns + ((before.at_ns - recording[0].at_ns) / speed if speed else 0)
        # A float holds this many nanoseconds to within a few hundred.
        assert after.at_ns <= sent_ns + 1_000


def test_everything_is_sent_once_and_added_up() -> None:
    seen: list[bytes] = []

    def take(request: httpx.Request) -> httpx.Response:
        seen.append(request.content)
        return httpx.Response(200, json={"accepted": 1, "rejected": 0, "ignored": 0})

    dues = schedule([push_at(float(second)) for second in range(50)])
    done: list[None] = []
    with pusher(take) as sender:
        assert play(dues, sender, 0.0, done=lambda: done.append(None)) == Answer(50, 0, 0)
    assert sorted(seen) == sorted(msgspec.json.encode(due.body) for due in dues)
    assert len(done) == 50


def test_a_faster_pace_waits_between_requests_in_proportion(monkeypatch: pytest.MonkeyPatch) -> None:
    moments: list[float] = []
    monkeypatch.setattr(replay, "_sleep_until", moments.append)
    began = time.monotonic()
    with pusher(lambda _: httpx.Response(200, json=GOOD)) as sender:
        play(schedule([push_at(0.0), push_at(10.0), push_at(40.0)]), sender, 10.0)
    assert [round(moment - moments[0], 6) for moment in moments] == [0.0, 1.0, 4.0]
    assert moments[0] >= began


def test_a_failure_stops_the_player_and_reaches_the_caller() -> None:
    with pusher(lambda _: httpx.Response(401)) as sender, pytest.raises(SettingsError):
        play(schedule([push_at(float(second)) for second in range(500)]), sender, 0.0)


def test_a_file_is_played_and_the_exit_code_says_whether_anything_was_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from veilocity import settings

    counts = {"accepted": 1, "rejected": 0, "ignored": 0}

    def patched(url: str, token: str = "") -> Pusher:
        return Pusher(url, token, transport=httpx.MockTransport(lambda _: httpx.Response(200, json=counts)))

    monkeypatch.setattr(replay, "Pusher", patched)
    path = tmp_path / "walk.csv"
    path.write_text("time,latitude,longitude\n1655176505000000000,47.1,15.2\n", encoding="utf-8")
    loaded = settings.load({})
    assert replay.run(loaded, path, url="http://gateway", speed=0.0, device="", rebase=True) == 0
    counts |= {"accepted": 0, "rejected": 1}
    assert replay.run(loaded, path, url="http://gateway", speed=0.0, device="", rebase=False) == 1
