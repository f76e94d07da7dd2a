import csv
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pytest
from pyarrow import parquet
from typer.testing import CliRunner

from rules import Engine
from rules.backtest import Difference, Judgement, Order, Recording, Summary, compare, judge, survey
from rules.library import DEFAULT_FOLDER
from tests.unit.rules_world import LAGOS, LONDON, Event, book, fix, payment
from veilocity.cli import app
from veilocity.contracts import Alert, Decision, Fix, FixFlag, Severity, decode, encode
from veilocity.errors import RejectReason, SettingsError

DAY: list[Event] = [
    *(
        fix(at_s, (LONDON[0] + at_s * 1e-8, LONDON[1]), flags=(FixFlag.MOCK, FixFlag.CACHED) if at_s == 60 else ())
        for at_s in range(0, 600, 60)
    ),
    payment(301.0, LAGOS, id="far", country="NG"),
    payment(302.0, None, id="nowhere"),
]
BY_ARRIVAL = sorted(DAY, key=lambda event: event.received_ms)


def fields(event: Event) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(encode(event))
    return found


def write(path: Path, events: Sequence[Event]) -> Path:
    if path.suffix == ".csv":
        names = sorted({name for event in events for name in fields(event)})
        with path.open("w", newline="") as lines:
            writer = csv.DictWriter(lines, names)
            writer.writeheader()
            for event in events:
                row = fields(event)
                writer.writerow(row | ({"flags": ";".join(row["flags"])} if "flags" in row else {}))
    elif path.suffix == ".parquet":
        parquet.write_table(pa.Table.from_pylist([fields(event) for event in events], _schema(events)), path)
    else:
        path.write_bytes(b"".join(encode(event) + b"\n" for event in events))
    return path


def _schema(events: Sequence[Event]) -> pa.Schema:
    rows = [fields(event) for event in events]
    found = {name: value for row in rows for name, value in row.items()}
    return pa.schema([(name, pa.array([value]).type) for name, value in found.items()])


def read(*paths: Path, order: Order = Order.ARRIVAL) -> tuple[list[Event], Recording]:
    recording = Recording([survey(path, order) for path in paths], order)
    return list(recording), recording


@pytest.mark.parametrize("suffix", [".jsonl", ".ndjson", ".csv", ".parquet"])
def test_every_format_gives_the_same_events(tmp_path: Path, suffix: str) -> None:
    assert read(write(tmp_path / f"day{suffix}", BY_ARRIVAL))[0] == BY_ARRIVAL


def test_several_files_are_one_stream_in_order_of_arrival(tmp_path: Path) -> None:
    paths = [write(tmp_path / name, BY_ARRIVAL[start::3]) for start, name in enumerate(("a.jsonl", "b.csv", "c.parquet"))]
    events, recording = read(*paths)
    assert events == BY_ARRIVAL
    assert [file.in_order for file in recording.files] == [True, True, True]
    assert recording.rows == len(DAY)


def test_a_file_that_is_not_in_order_is_sorted(tmp_path: Path) -> None:
    events, recording = read(write(tmp_path / "day.jsonl", BY_ARRIVAL[::-1]))
    assert [event.received_ms for event in events] == [event.received_ms for event in BY_ARRIVAL]
    assert not recording.files[0].in_order


def test_events_come_in_order_of_event_time_if_asked(tmp_path: Path) -> None:
    late = msgspec.structs.replace(fix(0.0), received_ms=fix(900.0).received_ms)
    path = write(tmp_path / "day.jsonl", [fix(100.0), late])
    assert read(path)[0] == [fix(100.0), late]
    assert read(path, order=Order.EVENT)[0] == [late, fix(100.0)]


def test_a_bad_row_is_counted_with_its_reason_and_costs_only_itself(tmp_path: Path) -> None:
    lines = tmp_path / "day.jsonl"
    newer = encode(msgspec.structs.replace(fix(5.0), schema=99))
    lines.write_bytes(b"\n".join([encode(fix(0.0)), b"{", b"\xff", b'{"fix_ns": "soon"}', newer, b"", encode(fix(60.0))]))
    events, recording = read(lines)
    assert events == [fix(0.0), fix(60.0)]
    assert recording.rejects == {RejectReason.MISSING_FIELD: 2, RejectReason.UNDECODABLE: 1, RejectReason.UNKNOWN_SCHEMA: 1}
    assert list(recording) == events, "a second iteration counts anew"
    assert recording.rejects.total() == 4


def test_a_bad_cell_of_a_csv_file_costs_its_row_only(tmp_path: Path) -> None:
    path = write(tmp_path / "day.csv", [fix(0.0), fix(60.0), fix(120.0)])
    path.write_text(path.read_text().replace(str(fix(60.0).fix_ns), "yesterday"))
    events, recording = read(path)
    assert events == [fix(0.0), fix(120.0)]
    assert recording.rejects == {RejectReason.UNDECODABLE: 1}


@pytest.mark.parametrize("name", ["day.txt", "day.parquet", "missing.jsonl"])
def test_a_file_that_cannot_be_read_at_all_is_an_error(tmp_path: Path, name: str) -> None:
    (tmp_path / "day.txt").write_text("")
    (tmp_path / "day.parquet").write_text("no parquet")
    with pytest.raises(SettingsError, match=name):
        read(tmp_path / name)


def judged(*rules: str) -> Judgement:
    return judge(BY_ARRIVAL, Engine(book(*rules)))


def test_the_difference_tells_what_only_one_rule_book_says() -> None:
    both, one = judged("impossible-travel", "new-country", "phone-far-from-card"), judged("impossible-travel")
    assert one.standing, "the payment in Lagos is impossible"
    difference = compare(both, one)
    assert difference.only_other == ()
    assert {alert.rule for alert in difference.only_one} == {alert.rule for alert in both.standing.values()} - {"impossible-travel"}
    assert difference.alike == len(one.standing)
    assert compare(one, both).only_other == difference.only_one


def test_the_difference_tells_what_is_graded_otherwise() -> None:
    one, other = judged("impossible-travel"), judged("impossible-travel")
    (name, alert), *_ = one.standing.items()
    other.alerts[name] = msgspec.structs.replace(alert, severity=Severity.LOW)
    (change,) = compare(one, other).changed
    assert (change.one.severity, change.other.severity) == (alert.severity, Severity.LOW)
    assert compare(one, one).changed == ()


def command(*arguments: object) -> str:
    result = CliRunner().invoke(app, ["rules", "backtest", *map(str, arguments)], env={"COLUMNS": "200"}, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_the_command_writes_final_decisions_alerts_and_a_summary(tmp_path: Path) -> None:
    write(tmp_path / "fixes.jsonl", [event for event in BY_ARRIVAL if event not in BY_ARRIVAL[-2:]])
    (tmp_path / "bad.jsonl").write_text("{\n")
    write(tmp_path / "rest.csv", BY_ARRIVAL[-2:])
    told = command(tmp_path / "*.jsonl", tmp_path / "rest.csv", "--output", tmp_path / "out")
    decisions = [decode(line, Decision) for line in (tmp_path / "out" / "decisions.jsonl").read_bytes().splitlines()]
    alerts = [decode(line, Alert) for line in (tmp_path / "out" / "alerts.jsonl").read_bytes().splitlines()]
    summary = msgspec.json.decode((tmp_path / "out" / "summary.json").read_bytes(), type=Summary)
    assert {decision.transaction.id for decision in decisions} == {"far", "nowhere"}
    assert len(alerts) == len({alert.id for alert in alerts}) > 0
    assert (summary.fixes, summary.transactions, summary.rejects) == (10, 2, {"missing_field": 1})
    assert summary.rows == 13
    assert sum(summary.decisions.values()) == 2
    assert "impossible-travel" in told
    assert "rejected: missing_field" in told


def test_every_revision_is_written_if_asked(tmp_path: Path) -> None:
    # The phone was out of reach: its fixes come ten minutes late, and amend what was said of the payment.
    late = [msgspec.structs.replace(event, received_ms=event.received_ms + (600_000 if isinstance(event, Fix) else 0)) for event in DAY]
    write(tmp_path / "day.jsonl", late)
    command(tmp_path / "day.jsonl", "--output", tmp_path / "out", "--revisions")
    told = [decode(line, Decision) for line in (tmp_path / "out" / "decisions.jsonl").read_bytes().splitlines()]
    far = [decision.revision for decision in told if decision.transaction.id == "far"]
    assert far == list(range(1, len(far) + 1))
    assert len(far) > 1


def test_two_rule_folders_are_compared(tmp_path: Path) -> None:
    write(tmp_path / "day.jsonl", BY_ARRIVAL)
    one = tmp_path / "one"
    one.mkdir()
    shutil.copy(DEFAULT_FOLDER / "new-country.yaml", one)
    told = command(tmp_path / "day.jsonl", "--output", tmp_path / "out", "--rules", one, "--against", DEFAULT_FOLDER)
    difference = msgspec.json.decode((tmp_path / "out" / "difference.json").read_bytes(), type=Difference)
    assert difference.only_one == ()
    assert {alert.rule for alert in difference.only_other} == {"impossible-travel"}
    assert "only --against" in told
