"""Fakes among real readings: as many as asked for, labelled, and nothing real touched."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import msgspec
import pytest

from ingest import replay, sensor_logger
from ingest.directory import Directory
from ingest.fields import Arrival
from ingest.noise import Label, NoiseKind, labels_csv, mix
from ingest.push import Answer
from ingest.recordings import pushes, read_rows
from ingest.tracks import PLACE, Row
from veilocity import settings
from veilocity.contracts import Fix, FixFlag
from veilocity.eventtime import NS_PER_S
from veilocity.geo import great_circle_m

START_NS = 1_700_000_000 * NS_PER_S
NOW = Arrival(received_ms=1_800_000_000_000, future_limit_s=300.0)


def walk(count: int) -> list[Row]:
    return [
        Row(PLACE, {"time": str(START_NS + n * NS_PER_S), "latitude": f"{52.516312 + n * 1e-5:.6f}", "longitude": "13.377712"})
        for n in range(count)
    ]


@pytest.mark.parametrize("rate", [0.0, 0.01, 0.1, 0.5, 0.8])
def test_the_share_of_fakes_is_the_rate(rate: float) -> None:
    # n = 20,000 readings: their fakes are negative binomial with standard deviation sqrt(n rate) / (1 - rate); 5 of them fail once in 10^6.
    count = 20_000
    labels = mix(walk(count), rate, seed=3).labels
    expected, deviation = count * rate / (1 - rate), (count * rate) ** 0.5 / (1 - rate)
    assert abs(len(labels) - expected) <= 5 * deviation


def test_real_readings_stay_and_every_fake_has_its_label() -> None:
    real = walk(500)
    mixed = mix(real, 0.3, seed=3)
    times = [int(row.fields["time"]) for row in mixed.rows]
    assert times == sorted(times)
    assert len(set(times)) == len(times)
    fakes = {label.time_ns: label for label in mixed.labels}
    assert [row for row in mixed.rows if int(row.fields["time"]) not in fakes] == real
    for row in mixed.rows:
        label = fakes.get(int(row.fields["time"]))
        assert label is None or (float(row.fields["latitude"]), float(row.fields["longitude"])) == (label.latitude, label.longitude)
    assert {label.kind for label in mixed.labels} == set(NoiseKind)


def test_fakes_of_rows_with_one_time_have_times_of_their_own() -> None:
    labels = mix([row for row in walk(50) for _ in range(4)], 0.5, seed=3).labels
    assert len(labels) > 100
    assert len({label.time_ns for label in labels} - {START_NS + n * NS_PER_S for n in range(50)}) == len(labels)


def test_same_seed_same_fakes() -> None:
    assert mix(walk(300), 0.2, 5) == mix(walk(300), 0.2, 5)
    assert mix(walk(300), 0.2, 5).labels != mix(walk(300), 0.2, 6).labels


def test_what_cannot_be_placed_or_timed_gets_no_fake() -> None:
    rows = [
        Row("Barometer", {"time": "5", "pressure": "1"}),
        Row(PLACE, {"time": "", "latitude": "1.5", "longitude": "2.5"}),
        Row(PLACE, {"time": "5"}),
    ]
    assert mix(rows, 0.9, 1) == (rows, [])


@pytest.mark.parametrize("rate", [-0.1, 1.0, float("nan")])
def test_a_rate_that_is_no_share(rate: float) -> None:
    with pytest.raises(ValueError, match="rate"):
        mix([], rate, 1)


def only(kind: NoiseKind) -> list[tuple[Fix | None, Label]]:
    """Return what the gateway makes of each fake of one kind."""
    mixed = mix(walk(400), 0.2, seed=9, kinds=[kind])
    outcomes = [sensor_logger.parse(msgspec.json.encode(push), NOW, Directory()) for push in pushes(mixed.rows, "phone")]
    fixes = {item.fix_ns: item for outcome in outcomes for item in outcome.accepted if isinstance(item, Fix)}
    assert len(mixed.labels) > 50
    return [(fixes.get(label.time_ns), label) for label in mixed.labels]


def test_kinds_are_what_they_say() -> None:
    assert all(fix is not None and FixFlag.MOCK in fix.flags for fix, _ in only(NoiseKind.MOCK))
    assert all(fix is not None and FixFlag.CLOAKED in fix.flags for fix, _ in only(NoiseKind.CLOAKED))
    assert all(fix is None for fix, _ in only(NoiseKind.ZERO))
    for kind, low_m, high_m in ((NoiseKind.JUMP, 40_000.0, 5_600_000.0), (NoiseKind.DRIFT, 290.0, 3_500.0), (NoiseKind.CACHED, 0.0, 60.0)):
        for fix, _ in only(kind):
            assert fix is not None
            assert low_m <= great_circle_m(52.516312, 13.377712, fix.lat, fix.lon) + (500.0 if kind is NoiseKind.DRIFT else 0.0)
            assert great_circle_m(52.516312, 13.377712, fix.lat, fix.lon) <= high_m + 500.0


def test_labels_travel_with_a_recording_that_is_rebased(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[replay.Due] = []

    def play(requests: list[replay.Due], *_: object, **__: object) -> Answer:
        sent.extend(requests)
        return Answer()

    monkeypatch.setattr(replay, "play", play)
    file, labels = tmp_path / "phone-1.csv", tmp_path / "labels.csv"
    file.write_text("time,latitude,longitude\n" + "".join(",".join(row.fields.values()) + "\n" for row in walk(200)), encoding="utf-8")
    replay.run(settings.load({}), file, "http://127.0.0.1:1", 0, "", rebase=True, noise=replay.Noise(0.3, 7, labels))
    times = {reading["time"] for due in sent for reading in due.body["payload"]}  # type: ignore[call-overload]  # a push
    written = [int(row["time_ns"]) for row in csv.DictReader(io.StringIO(labels.read_text(encoding="utf-8")))]
    assert len(written) > 30
    assert set(written) < times
    assert len(times) - len(written) == len(read_rows(file)[0]) == 200
    assert labels_csv([]) == "time_ns,kind,latitude,longitude\n"
