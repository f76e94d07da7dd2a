"""The made-up bank's rows are payments that the feed takes, and their time is the city's."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

from devstack.postgres_node import TABLE
from ingest.cdc import bank
from ingest.cdc.mapping import FIELDS
from ingest.directory import Directory
from ingest.fields import Arrival
from ingest.transactions import judge
from veilocity.settings import load


def test_the_same_seed_pays_the_same_and_another_one_differently() -> None:
    first = list(islice(bank.payments(7), 20))
    assert first == list(islice(bank.payments(7), 20))
    assert first != list(islice(bank.payments(8), 20))
    assert len({payment.card for payment in first}) > 3


def test_the_table_has_every_column_that_is_written() -> None:
    for column in bank._INSERT.partition("(")[2].partition(")")[0].split(", "):
        assert f" {column} " in TABLE.replace("(", " ")


def test_every_row_is_a_payment_that_the_feed_takes() -> None:
    columns = [name for name in bank._INSERT.partition("(")[2].partition(")")[0].split(", ") if name != "channel"]
    assert set(columns) <= set(FIELDS)
    moment = datetime(2026, 11, 20, 10, tzinfo=UTC)
    rows = [
        dict(zip(columns, [row.card, moment.isoformat(), *map(str, row[1:])], strict=True))
        | {"id": f"bank-{number}", "channel": "card-present"}
        for number, row in enumerate(islice(bank.payments(7), 50))
    ]
    found = judge(rows, Arrival(int(moment.timestamp() * 1000) + 1, 300.0), Directory())
    assert (len(found.accepted), found.rejects) == (50, [])


def test_time_is_the_citys_and_the_walls_where_there_is_none(tmp_path: Path) -> None:
    settings = load({}, state_dir=tmp_path)
    settings.data_dir.mkdir(parents=True)
    assert bank._moment(settings, True) is None
    (settings.data_dir / "simulator.json").write_text('{"sent_until_ms": 1800000000000}', encoding="utf-8")
    assert bank._moment(settings, True) == datetime(2027, 1, 15, 8, tzinfo=UTC)
    moment = bank._moment(settings, False)
    assert moment is not None
    assert abs((datetime.now(UTC) - moment).total_seconds()) < 3600
