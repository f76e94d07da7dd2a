"""Encrypted bodies: the right key opens, every other case is one counted reject."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography.fernet import Fernet

from ingest.directory import Directory
from ingest.fields import Arrival
from ingest.intake import Intake
from ingest.outcome import Outcome
from ingest.protocols import PROTOCOLS, Request
from ingest.sealed import read_keys, seal
from veilocity import settings
from veilocity.errors import RejectReason, SettingsError

ARRIVAL = Arrival(1_700_000_000_000, 300.0)
KEY, OTHER = Fernet.generate_key(), Fernet.generate_key()
PLACE = b'{"_type":"location","lat":52.516312,"lon":13.377712,"tst":1699999999,"topic":"owntracks/jane/phone"}'


def take(folder: Path, body: bytes, lines: str, **request: Any) -> Outcome:
    file = folder / "keys.csv"
    file.write_text("device,key\n" + lines, encoding="utf-8")
    intake = Intake(settings.load({}, ingest_keys_file=str(file)), Directory())
    return intake.take(PROTOCOLS["owntracks"], Request(body, **request), ARRIVAL)


def line(device: str, key: bytes) -> str:
    return f"{device},{key.decode()}\n"


def test_the_right_key_opens(tmp_path: Path) -> None:
    outcome = take(tmp_path, seal(PLACE, "jane/phone", KEY), line("jane/phone", KEY))
    assert [fix.device for fix in outcome.accepted] == ["jane/phone"]  # type: ignore[union-attr]  # a fix


def test_while_keys_change_both_open(tmp_path: Path) -> None:
    lines = line("jane/phone", KEY) + line("jane/phone", OTHER)
    assert [take(tmp_path, seal(PLACE, "jane/phone", key), lines).items for key in (KEY, OTHER)] == [1, 1]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (seal(PLACE, "jane/phone", OTHER), RejectReason.UNDECRYPTABLE),
        (seal(PLACE, "nobody", KEY), RejectReason.UNDECRYPTABLE),
        (b'{"device":"jane/phone","fernet":"garbage"}', RejectReason.UNDECRYPTABLE),
        ('{"device":"jane/phone","fernet":"ключ"}'.encode(), RejectReason.UNDECRYPTABLE),
        (b'{"device":"4.5E+15","fernet":"x"}', RejectReason.DAMAGED_IDENTIFIER),
        (seal(PLACE.replace(b"jane", b"john"), "jane/phone", KEY), RejectReason.UNDECRYPTABLE),
        (PLACE, RejectReason.NOT_ENCRYPTED),
    ],
    ids=["wrong key", "unknown device", "no token", "no ascii", "damaged", "another's place", "in clear"],
)
def test_everything_else_is_one_reject(tmp_path: Path, body: bytes, reason: RejectReason) -> None:
    outcome = take(tmp_path, body, line("jane/phone", KEY))
    assert (outcome.accepted, [reject.reason for reject in outcome.rejects]) == ([], [reason])


def test_a_reject_of_a_wrong_key_shows_no_place(tmp_path: Path) -> None:
    (reject,) = take(tmp_path, seal(PLACE, "jane/phone", OTHER), line("jane/phone", KEY)).rejects
    assert "52.5" not in reject.payload


def test_nothing_beside_an_encrypted_body_changes_it(tmp_path: Path) -> None:
    file = tmp_path / "keys.csv"
    file.write_text("device,key\n" + line("7", KEY), encoding="utf-8")
    intake = Intake(settings.load({}, ingest_keys_file=str(file)), Directory())
    body = seal(b"id=7&lat=52.516312&lon=13.377712&timestamp=1699999999", "7", KEY)
    outcome = intake.take(PROTOCOLS["traccar"], Request(body, {"lat": "1.5", "timestamp": "1699990000"}), ARRIVAL)
    assert [fix.lat for fix in outcome.accepted] == [52.516312]  # type: ignore[union-attr]  # a fix


def test_a_device_without_a_key_may_send_in_clear(tmp_path: Path) -> None:
    assert len(take(tmp_path, PLACE, line("john/phone", KEY)).accepted) == 1


def test_some_apps_own_field_of_that_name_is_left_alone(tmp_path: Path) -> None:
    body = msgspec.json.encode({**msgspec.json.decode(PLACE), "fernet": "x"})
    assert len(take(tmp_path, body, line("john/phone", KEY)).accepted) == 1


@pytest.mark.parametrize("content", ["device,key\nphone-1,short\n", "name,key\nx,y\n", "device,key\nphone-1\n"])
def test_a_wrong_file_is_told_without_its_content(tmp_path: Path, content: str) -> None:
    file = tmp_path / "keys.csv"
    file.write_text(content, encoding="utf-8")
    with pytest.raises(SettingsError, match="line 2") as told:
        read_keys(file)
    assert "phone-1" not in str(told.value)
    with pytest.raises(SettingsError, match="cannot be read"):
        read_keys(tmp_path / "nowhere")
