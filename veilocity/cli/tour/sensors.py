"""Rows 1 to 10: sensors, from the phone to the map."""

from __future__ import annotations

import time
import uuid
from typing import Any

from cryptography.fernet import Fernet

from devstack import mosquitto
from ingest.directory import Directory
from ingest.fields import Arrival
from ingest.intake import Intake
from ingest.noise import mix
from ingest.protocols import PROTOCOLS, Request
from ingest.recordings import pushes
from ingest.sealed import DeviceKeys, seal
from ingest.tracks import PLACE, Row
from rules.library import default_rule_book
from sketches import BloomFilter, BottomKSample
from veilocity.cli.tour.extras import asked
from veilocity.cli.tour.stops import Found, Stop, absent, failed, ok
from veilocity.cli.tour.visit import Visit
from veilocity.errors import InvalidInputError
from veilocity.monitoring.dashboards import DASHBOARDS
from veilocity.monitoring.panels import render

__all__ = ["STOPS"]

_HOME = (52.516312, 13.377712)


def owntracks(**changes: object) -> dict[str, object]:
    """Return a message of OwnTracks from now."""
    return {"_type": "location", "lat": _HOME[0], "lon": _HOME[1], "tst": int(time.time()), "acc": 5, "tid": "to"} | changes


def _mqtt(visit: Visit) -> Found:
    if not visit.runs("mqtt"):
        return absent("not here because no MQTT broker runs: `make demo` brings one, or set VEILOCITY_MQTT_HOST.")
    import msgspec  # noqa: PLC0415  # with the client only
    from paho.mqtt import publish  # noqa: PLC0415  # only where there is a broker

    settings = visit.settings
    device = f"tour{visit.mark}/phone"
    user, password = settings.mqtt_username, settings.mqtt_password.get_secret_value()
    ours = settings.state_dir / "keys" / f"mqtt-{mosquitto.PHONES}.password"
    if ours.is_file():
        # The broker that the launcher brought lets the bridge read and phones write.
        user, password = mosquitto.PHONES, ours.read_text(encoding="ascii")
    login: Any = {"username": user, "password": password} if user else None
    tls: Any = {"ca_certs": settings.mqtt_ca_file or None} if settings.mqtt_tls else None
    tail = visit.tail
    good, bad = msgspec.json.encode(owntracks()), b"not JSON"
    messages: list[Any] = [(f"owntracks/{device}", good, 1, False), (f"owntracks/{device}", bad, 1, False)]
    publish.multiple(messages, hostname=settings.mqtt_host, port=settings.mqtt_port, auth=login, tls=tls)
    if not tail.until(lambda: device in tail.devices and bool(tail.rejects), 20.0):
        return failed("a place published over MQTT did not reach Kafka within 20 s: is the bridge running?")
    return ok("a place published over MQTT is in Kafka, and a message that was none is among the rejects with its reason.")


def _noise(visit: Visit) -> Found:
    now_ns = time.time_ns()
    # Seven decimals that end in no zero: rounder places would be taken for cloaked ones.
    places = [f"{_HOME[0] + number / 10**5:.5f}17" for number in range(100)]
    rows = [
        Row(PLACE, {"time": str(now_ns - (100 - number) * 10**9), "latitude": place, "longitude": f"{_HOME[1]:.6f}7"})
        for number, place in enumerate(places)
    ]
    mixed = mix(rows, 0.2, seed=7)
    answers = [visit.send("/v1/sensor-logger", push) for push in pushes(mixed.rows, f"tour-noise-{visit.mark}")]
    taken, refused = (sum(answer[name] for answer in answers) for name in ("accepted", "rejected"))
    kinds, fakes = len({label.kind for label in mixed.labels}), len(mixed.labels)
    if taken < len(rows) or taken + refused != len(rows) + fakes:
        return failed(f"of 100 readings and {fakes} fakes {taken} were accepted and {refused} refused.")
    return ok(f"{fakes} labelled fakes of {kinds} kinds among 100 readings; {taken} were accepted, {refused} refused as impossible.")


def _sealed(_visit: Visit) -> Found:
    key, other, device = Fernet.generate_key(), Fernet.generate_key(), "tour"
    closed = seal(b"[]", device, key)
    if DeviceKeys({device: [key]}).open(closed).body != b"[]":
        return failed("what was encrypted did not come back.")
    try:
        DeviceKeys({device: [other]}).open(closed)
    except InvalidInputError as refusal:
        return ok(f"the right key opens a sealed push; a wrong one is refused ({refusal.reason.value}).")
    return failed("a wrong key opened a sealed push.")


def _filters(visit: Visit) -> Found:
    device = f"tour-filter-{uuid.uuid4().hex[:8]}"
    before = visit.metric("ingest", "veilocity_ingest_filtered_fixes_total", reason="accuracy")
    body = {"_type": "location", "lat": _HOME[0], "lon": _HOME[1], "tst": int(time.time()), "acc": 9000, "topic": f"owntracks/{device}/p"}
    visit.send("/v1/owntracks", body)
    after = visit.metric("ingest", "veilocity_ingest_filtered_fixes_total", reason="accuracy")
    if after <= before:
        return failed("a fix with a radius of 9 km was not named.")
    intake = Intake(visit.settings, Directory())
    found = intake.take(PROTOCOLS["owntracks"], Request(b"{}"), Arrival(int(time.time() * 1000), 300.0))
    return ok(
        f"a fix with a radius of 9 km is named `accuracy` on the way in ({int(after)} so far); an empty one: {len(found.rejects)} reject."
    )


def _history(visit: Visit) -> Found:
    return asked(visit, "postgres_dsn", "history_metrics_port", "the sensor history in PostgreSQL", "veilocity sinks postgres")


def _known_places(visit: Visit) -> Found:
    sample = BottomKSample(1_000, seed=b"tour")
    sample.update_batch([f"{_HOME[0] + n / 10**4:.4f},{_HOME[1]:.4f}" for n in range(50_000)])
    places = sample.estimate()
    known = BloomFilter(1_000, 0.001, seed=1)
    known.update_batch(places)
    strangers = [f"stranger-{n}" for n in range(100_000)]
    false = int(known.contains_batch(strangers).sum())
    if len(places) != 1_000 or not known.contains_batch(places).all() or false > 200:
        return failed(f"{len(places)} sampled, {false} of 100,000 strangers called known.")
    held = visit.documents("sketches", limit=1)
    live = f" The running filter has seen {held[0]['visits']:,} pairs of person and place." if held else ""
    return ok(f"1,000 of 50,000 places sampled, all known again; {false} of 100,000 strangers called known (promised 0.1 %).{live}")


def _verdicts(_visit: Visit) -> Found:
    book = default_rule_book()
    names = {entry.rule.id for entry in book.entries}
    wanted = {"geofence", "atypical-place", "spoofed-location"}
    return ok("the rules geofence, atypical-place and spoofed-location are in force.") if wanted <= names else failed("a rule is missing.")


def _map(visit: Visit) -> Found:
    return ok(f"look at {visit.page('/')}: people, payments and alerts with their evidence, on a map of its own.")


def _grafana(_visit: Visit) -> Found:
    (sensors,) = (render(one) for one in DASHBOARDS if one.name == "sensors")
    panels = [panel for panel in sensors["panels"] if panel["type"] in ("gauge", "timeseries")]
    averages = [panel for panel in panels if panel["fieldConfig"]["defaults"].get("decimals") == 6]
    if len(averages) < 6:
        return failed(f"{len(averages)} panels with six decimals.")
    return ok("deploy/grafana has three gauges and three lines of mean latitude, longitude and height, with six decimals.")


STOPS = (
    Stop(1, "MQTT from signed-in devices", "Phones publish over MQTT; the broker checks who they are, the bridge what they say.", _mqtt),
    Stop(2, "Labelled noise", "Fakes of seven kinds are mixed among readings at a set rate, from a seed.", _noise),
    Stop(3, "Encryption at the device", "A push may come sealed with a key of its phone.", _sealed),
    Stop(4, "Stateless rule on each message", "Each fix carries the names of the filters that would have dropped it.", _filters),
    Stop(5, "Time-series store with tiers", "A sensor history with full readings for hours and one a minute for days.", _history),
    Stop(6, "Read-back with paging", "Ranges and latest values as consistent rows.", _history),
    Stop(7, "Reservoir sample and known places", "A uniform sample feeds a filter that says whether a place was seen.", _known_places),
    Stop(8, "Position verdict against home", "Rules judge the distance from home and usual places, in metres.", _verdicts),
    Stop(9, "Map of samples with verdicts", "The live map shows every verdict with its evidence.", _map),
    Stop(10, "Grafana dashboard of sensors", "Gauges and lines of mean places of k people, with six decimals.", _grafana),
)
