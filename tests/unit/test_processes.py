"""What every service does as a process."""

from __future__ import annotations

import os
import signal
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from threading import Event

import pytest

from veilocity.errors import PortTakenError
from veilocity.processes import answering, pause_s, stop_on_signals

SETTING = "VEILOCITY_MQTT_METRICS_PORT"


@pytest.fixture(autouse=True)
def _handlers() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_sets_the_event_and_does_not_end_the_process(number: signal.Signals) -> None:
    stop = stop_on_signals()
    assert not stop.is_set()
    os.kill(os.getpid(), number)
    assert stop.wait(10.0)


def test_an_event_of_the_callers_is_set_by_a_signal() -> None:
    mine = Event()
    assert stop_on_signals(mine) is mine


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def test_health_is_answered_meanwhile_and_the_port_is_free_afterwards() -> None:
    port, well = _free_port(), Event()
    address = f"http://127.0.0.1:{port}/healthz"
    with answering(port, "127.0.0.1", SETTING, well.is_set):
        with pytest.raises(urllib.error.HTTPError, match="503"):
            urllib.request.urlopen(address, timeout=10)
        well.set()
        with urllib.request.urlopen(address, timeout=10) as answer:
            assert answer.status == 200
    socket.create_server(("127.0.0.1", port)).close()


def test_a_port_that_is_taken_is_told_with_the_setting_that_changes_it() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        pytest.raises(PortTakenError, match=SETTING),
        answering(taken.getsockname()[1], "127.0.0.1", SETTING),
    ):
        pass


def test_port_zero_answers_nothing() -> None:
    with answering(0, "127.0.0.1", SETTING):
        pass


def test_pauses_double_to_their_bound_and_at_most_half_of_one_is_chance() -> None:
    longest = [pause_s(failures, longest_s=5.0, chance=1.0) for failures in range(1, 200)]
    assert longest == sorted(longest)
    assert (longest[0], longest[-1]) == (0.25, 5.0)
    assert all(0.5 * bound <= pause_s(failures, longest_s=5.0) <= bound for failures, bound in enumerate(longest, 1))
