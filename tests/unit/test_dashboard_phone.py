"""The page of the phone without a browser: what is kept and forgotten, who may be chosen, how a phone is told, and what is off."""

from __future__ import annotations

import base64
import random
import re

import msgspec
import pyarrow as pa
import pytest
import segno
from flask.testing import FlaskClient
from pydantic import SecretStr

from dashboard.access import Access
from dashboard.app import create_server
from dashboard.desks import Desks
from dashboard.events import Hub
from dashboard.phone_connect import addresses, configuration_link, connection, qr_svg, zstd_frame
from dashboard.phone_desk import PhoneDesk
from dashboard.phone_path import HOUR_MS, MOST, Path, Reading
from dashboard.phone_room import Room
from storage.roles import Role
from tests.e2e.pages_world import PhoneWorld, walk
from tests.e2e.privacy_world import START_MS
from tests.logins import from_page
from tests.unit.hand_clock import Clock
from veilocity.contracts import Fix, SubjectId
from veilocity.errors import InvalidInputError
from veilocity.settings import Settings, load

NOW_MS = START_MS + 12 * HOUR_MS
TOKEN = "do not tell"  # noqa: S105  # of a test
ON = load({}, dashboard_phone="on", ingest_public_url="https://phones.example", ingest_token=SecretStr(TOKEN))


@pytest.fixture(name="clock")
def _clock() -> Clock:
    return Clock(NOW_MS)


@pytest.fixture(name="room")
def _room(clock: Clock) -> Room:
    return Room(clock)


def test_the_order_of_arrival_and_repeats_change_nothing() -> None:
    fixes = walk("phone", NOW_MS, 200)
    shuffled = random.Random(1).sample(fixes, 200) + fixes[:50]  # noqa: S311  # an order of arrival
    path = Path()
    assert sum(path.add(fix) for fix in shuffled) == 200
    assert [one.at_ms for one in path.since(0)] == [fix.fix_ns // 1_000_000 for fix in fixes]
    assert len(path) == path.taken == 200


def test_no_more_than_an_hour_and_3600_readings_are_kept() -> None:
    path = Path()
    for fix in walk("phone", NOW_MS, MOST + 500):
        path.add(fix)
    assert len(path) == MOST
    late = msgspec.structs.replace(walk("phone", NOW_MS, 1)[0], fix_ns=(NOW_MS + 2 * HOUR_MS) * 1_000_000)
    assert path.add(late)
    assert len(path) == 1, "everything else is more than an hour before the newest"
    assert not path.add(walk("phone", NOW_MS, 1)[0])
    assert len(path._known) == 1


def test_one_asks_for_what_came_since_and_gets_nothing_twice() -> None:
    path, number = Path(), 0
    seen: list[Reading] = []
    for fix in walk("phone", NOW_MS, 90):
        path.add(fix)
        if path.taken % 7 == 0:
            news = path.since(number)
            seen += news
            number = max(one.number for one in news)
    assert [one.number for one in seen] == list(range(1, 85))
    assert path.since(path.taken) == ()


def test_a_page_gets_its_own_phone_alone_and_nothing_of_before(room: Room) -> None:
    mine, other = room.enter(), room.enter()
    room.take(walk("phone-a", NOW_MS, 1)[0])
    room.pair(mine, "phone-a")
    room.pair(other, "phone-b")
    for fix in [*walk("phone-a", NOW_MS, 3), *walk("phone-b", NOW_MS, 2), *walk("phone-c", NOW_MS, 9)]:
        room.take(fix)
    first, second = room.look(mine, 0), room.look(other, 0)
    assert (len(first.readings), len(second.readings)) == (3, 2)
    assert first.phone is not None
    assert (first.phone.tail, first.phone.first_ms) == ("ne-a", NOW_MS - 2_000)


def test_a_phone_of_the_directory_is_found_by_its_person(room: Room) -> None:
    page = room.enter()
    room.pair(page, "person-17")
    room.take(msgspec.structs.replace(walk("phone-a", NOW_MS, 1)[0], subject=SubjectId("person-17")))
    assert len(room.look(page, 0).readings) == 1


def test_pairing_anew_forgets_the_phone_before(room: Room) -> None:
    page = room.enter()
    room.pair(page, "phone-a")
    room.take(walk("phone-a", NOW_MS, 1)[0])
    before = room.look(page, 0).path
    room.pair(page, "phone-b")
    view = room.look(page, 0)
    assert view.readings == ()
    assert view.path != before


def test_a_page_that_leaves_or_is_silent_for_two_minutes_is_forgotten(room: Room, clock: Clock) -> None:
    left, silent, looking = room.enter(), room.enter(), room.enter()
    for page in (left, silent, looking):
        room.pair(page, "phone-a")
    room.leave(left)
    for _ in range(5):
        clock.ms += 29_000
        assert room.look(looking, 0).phase == "paired"
    assert room.look(left, 0).phase == room.look(silent, 0).phase == room.look("guessed", 0).phase == "gone"
    assert room.viewers == 1
    with pytest.raises(InvalidInputError, match="forgotten"):
        room.pair(silent, "phone-a")
    room.leave(looking)
    assert (room._viewers, len(room._sessions)) == ({}, 0), "nobody's id is kept while nobody looks"


def test_nothing_is_remembered_while_nobody_looks(room: Room) -> None:
    room.take(walk("phone-a", NOW_MS, 1)[0])
    assert len(room._sessions) == 0


def test_a_phone_that_begins_a_recording_may_be_chosen_and_one_that_only_goes_on_may_not(room: Room) -> None:
    page = room.enter()
    for fix in walk("a-phone-that-goes-on", NOW_MS, 40, first=900):
        room.take(fix)
    assert room.look(page, 0).candidates == ()
    for fix in walk("a-phone-that-begins", NOW_MS, 5):
        room.take(fix)
    # Its app counts messages on, but the recording is another one.
    room.take(walk("a-phone-that-goes-on", NOW_MS, 1, session="s2", first=941)[0])
    view = room.look(page, 0)
    assert [one.tail for one in view.candidates] == ["s-on", "gins"]
    assert "lat" not in str(msgspec.to_builtins(view.candidates))
    room.choose(page, view.candidates[1].handle)
    room.take(walk("a-phone-that-begins", NOW_MS + 1_000, 1, first=6)[0])
    assert len(room.look(page, 0).readings) == 1


def test_a_recording_that_had_begun_before_the_page_asked_again_is_not_offered_twice(room: Room) -> None:
    page = room.enter()
    for fix in walk("phone", NOW_MS, 12):
        room.take(fix)
    assert len(room.look(page, 0).candidates) == 1


def test_pages_candidates_and_remembered_recordings_are_bounded(clock: Clock) -> None:
    room = Room(clock, most=2)
    page = room.enter()
    room.enter()
    with pytest.raises(InvalidInputError, match="close one"):
        room.enter()
    for number in range(25_000):
        room.take(walk(f"phone-{number:05d}", NOW_MS, 1)[0]) if number < 40 else room._sessions.update({f"p{number}": "s"})
    room.take(walk("one-more", NOW_MS, 1)[0])
    assert len(room.look(page, 0).candidates) == 8
    assert len(room._sessions) <= 20_000


def test_a_handle_of_another_page_chooses_nothing(room: Room) -> None:
    one, other = room.enter(), room.enter()
    room.take(walk("phone", NOW_MS, 1)[0])
    handle = room.look(one, 0).candidates[0].handle
    with pytest.raises(InvalidInputError, match="no longer"):
        room.choose(other, handle)


@pytest.mark.parametrize("length", [0, 1, 255, 256, 257, 4_000])
def test_the_frame_is_read_by_a_real_reader_of_zstd(length: int) -> None:
    content = bytes(random.Random(length).randbytes(length))  # noqa: S311  # any bytes
    assert pa.decompress(zstd_frame(content), decompressed_size=length, codec="zstd", asbytes=True) == content


def test_the_link_for_the_app_holds_address_and_token() -> None:
    link = configuration_link("http://10.0.0.2:8088/v1/sensor-logger", TOKEN)
    frame = base64.b64decode(link.removeprefix("sensorlogger://config/"))
    wanted = msgspec.json.decode(frame[frame.index(b"{") :])
    assert wanted["http"] == {"enabled": True, "url": "http://10.0.0.2:8088/v1/sensor-logger", "batchPeriod": 1_000, "authToken": TOKEN}
    assert wanted["sensorState"]["Location"]["enabled"] is True
    assert "authToken" not in base64.b64decode(configuration_link("http://10.0.0.2:8088").removeprefix("sensorlogger://config/")).decode(
        "latin-1"
    )


def test_the_picture_has_the_modules_of_the_code() -> None:
    text = configuration_link("http://192.168.178.21:8088/v1/sensor-logger", "x" * 64)
    code = segno.make(text, error="l", micro=False)
    svg = qr_svg(text)
    drawn = set()
    path = re.search(r'class="qrline"[^>]* d="([^"]+)"', svg)
    assert path is not None
    x, y = 0.0, 0.0
    for command, values in re.findall(r"([Mmh])([-0-9. ]+)", path[1]):
        numbers = [float(value) for value in re.findall(r"-?[0-9.]+", values)]
        if command == "h":
            drawn |= {(int(y), int(x + step)) for step in range(int(numbers[0]))}
            x += numbers[0]
        else:
            x, y = (numbers[0], numbers[1]) if command == "M" else (x + numbers[0], y + numbers[1])
    dark = {(row + 3, column + 3) for row, line in enumerate(code.matrix) for column, module in enumerate(line) if module}
    assert drawn == dark


def test_the_addresses_are_those_that_a_phone_can_reach() -> None:
    everywhere = addresses(load({}, ingest_host="0.0.0.0", ingest_token=SecretStr("t")))  # noqa: S104  # not bound
    assert all(one.url.endswith(":8088/v1/sensor-logger") and "127.0.0.1" not in one.url for one in everywhere)
    assert [one.url for one in addresses(load({}, ingest_host="10.1.2.3"))] == ["http://10.1.2.3:8088/v1/sensor-logger"]
    assert connection(load({})).reachable is False, "on loopback no phone reaches it"
    assert connection(ON).reachable is True


def desk_of(settings: Settings, clock: Clock) -> tuple[PhoneDesk, PhoneWorld]:
    worlds: list[PhoneWorld] = []

    def source(room: Room) -> PhoneWorld:
        worlds.append(PhoneWorld(room))
        return worlds[0]

    return PhoneDesk(settings, source, clock_ms=clock), worlds[0]


@pytest.fixture(name="world")
def _world() -> list[PhoneWorld]:
    return []


@pytest.fixture(name="client")
def _client(clock: Clock, world: list[PhoneWorld]) -> FlaskClient:
    desk, made = desk_of(ON, clock)
    world.append(made)
    return from_page(create_server(Hub(), desks=Desks(phone=desk), access=Access(role=Role.ADMIN)))


def entered(client: FlaskClient) -> dict[str, str]:
    return {"Veilocity-Viewer": client.post("/phone/enter", json={}).get_json()["viewer"]}


def test_a_phone_is_paired_and_told_row_by_row(client: FlaskClient, world: list[PhoneWorld]) -> None:
    me = entered(client)
    world[0].send(*walk("phone-4711", NOW_MS, 2))
    waiting = client.get("/phone/state", headers=me).get_json()
    assert (waiting["phase"], [one["tail"] for one in waiting["candidates"]]) == ("waiting", ["4711"])
    assert client.post("/phone/pair", json={"candidate": waiting["candidates"][0]["handle"]}, headers=me).status_code == 200
    world[0].send(*walk("phone-4711", NOW_MS + 2_000, 2, first=3))
    told = client.get("/phone/state", headers=me).get_json()
    assert (told["phase"], told["phone"]["taken"]) == ("paired", 2)
    row = dict(zip(told["columns"], told["readings"][1], strict=True))
    assert (row["number"], row["at_ms"]) == (2, NOW_MS + 2_000)
    assert client.get("/phone/state?after=2", headers=me).get_json()["readings"] == []
    client.post("/phone/leave", json={}, headers=me)
    assert client.get("/phone/state", headers=me).get_json()["phase"] == "gone"


def test_a_page_without_its_name_sees_nothing(client: FlaskClient, world: list[PhoneWorld]) -> None:
    me = entered(client)
    client.post("/phone/pair", json={"device": "phone"}, headers=me)
    world[0].send(*walk("phone", NOW_MS, 3))
    told = client.get("/phone/state").get_json()
    assert (told["phase"], told["readings"]) == ("gone", [])


def test_answers_are_kept_by_nobody_and_hold_no_token_unless_it_is_asked_for(client: FlaskClient) -> None:
    me = entered(client)
    for path in ("/phone", "/phone/connect", "/phone/state"):
        answer = client.get(path, headers=me)
        assert TOKEN not in answer.text
        assert path == "/phone" or answer.headers["Cache-Control"] == "no-store"
    plain = client.post("/phone/code", json={"address": 0}, headers=me)
    assert TOKEN not in plain.text
    assert TOKEN.encode() not in base64.b64decode(plain.get_json()["link"].removeprefix("sensorlogger://config/"))
    secret = client.post("/phone/code", json={"address": 0, "token": True}, headers=me).get_json()
    assert secret["token"] == TOKEN
    assert client.post("/phone/code", json={"address": 9}, headers=me).status_code == 409


@pytest.mark.parametrize("path", ["/phone/enter", "/phone/pair", "/phone/code"])
def test_a_form_or_a_link_of_another_site_can_do_nothing(client: FlaskClient, world: list[PhoneWorld], path: str) -> None:
    assert client.post(path, data={"device": "phone"}).status_code == 415
    assert client.post(path, data="{}", content_type="text/plain").status_code == 415
    client.get(path)
    assert world[0].woken == 0


def test_nonsense_is_answered_with_a_sentence(client: FlaskClient) -> None:
    me = entered(client)
    assert client.post("/phone/pair", data="[", content_type="application/json", headers=me).status_code == 400
    assert "device id" in client.post("/phone/pair", json={"device": "  "}, headers=me).get_json()["error"]
    assert client.post("/phone/pair", json={"device": "x" * 300}, headers=me).status_code == 409
    assert client.get("/phone/state?after=many", headers=me).status_code == 200


def test_the_page_is_off_unless_somebody_turned_it_on(clock: Clock) -> None:
    desk, world = desk_of(load({}), clock)
    client = from_page(create_server(Hub(), desks=Desks(phone=desk), access=Access(role=Role.ADMIN)))
    assert client.get("/phone/state").get_json()["phase"] == "off"
    for path in ("/phone/enter", "/phone/pair", "/phone/code"):
        refused = client.post(path, json={})
        assert (refused.status_code, "VEILOCITY_DASHBOARD_PHONE=on" in refused.get_json()["error"]) == (409, True)
    assert world.woken == 0, "and nothing is read from Kafka"


def test_nothing_is_read_before_a_page_enters(client: FlaskClient, world: list[PhoneWorld]) -> None:
    client.get("/phone")
    client.get("/phone/state")
    assert world[0].woken == 0
    entered(client)
    assert world[0].woken == 1


def test_the_page_runs_only_files_of_ours(client: FlaskClient) -> None:
    answer = client.get("/phone")
    assert "unsafe" not in answer.headers["Content-Security-Policy"]
    assert not re.search(r"style=|<script>|<style|https?:", answer.text)
    for path in re.findall(r'(?:src|href)="(assets/[^"]+)"', answer.text):
        assert client.get(f"/{path}", buffered=True).status_code == 200, path


def test_who_was_paired_is_not_logged(client: FlaskClient, capsys: pytest.CaptureFixture[str]) -> None:
    me = entered(client)
    client.post("/phone/pair", json={"device": "secret-phone-7"}, headers=me)
    assert "secret-phone-7" not in "".join(capsys.readouterr())


def test_a_fix_says_what_is_doubtful() -> None:
    fix: Fix = walk("phone", NOW_MS, 1, flagged=True)[0]
    path = Path()
    path.add(fix)
    assert path.since(0)[0].flags == ("cloaked",)
