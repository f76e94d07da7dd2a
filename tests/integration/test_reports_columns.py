"""What Spark makes of the reports' records: decoding, rejects, keyed people, age bands, a customer who is missing."""

from __future__ import annotations

import hmac
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from pyspark.sql import SparkSession

from privacy.reports.columns import events, read_customers
from privacy.reports.events import DECISIONS, SESSIONS, Payment, Visit
from privacy.reports.taking import taken
from tests.integration import reports_world as world
from veilocity import settings as kernel_settings
from veilocity import spark
from veilocity.contracts import Decision, SessionEvent, encode

pytestmark = [
    pytest.mark.spark,
    # Spark leaves sockets to the garbage collector.
    pytest.mark.filterwarnings("ignore:unclosed.*socket:ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
]
KEY = bytes(range(32))
TOPICS = {DECISIONS: "x.decisions", SESSIONS: "x.sessions"}


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory, spark_connector: str) -> Iterator[SparkSession]:
    settings = kernel_settings.load({}, spark_master="local[1]", spark_driver_memory="512m", spark_jars=spark_connector)
    found = spark.start_session(settings, "columns", tmp_path_factory.mktemp("spark"), {"spark.sql.shuffle.partitions": "1"})
    yield found
    found.stop()


def keyed(kind: str, text: str) -> str:
    return hmac.digest(KEY, kind.encode() + b"\x00" + text.encode(), "sha256").hex()[:32]


def test_records_become_events_and_what_is_none_is_counted(session: SparkSession, tmp_path: Path) -> None:
    drawn = world.drawn()
    decisions = [one for one in drawn if isinstance(one, Decision) and one.revision == 1][:50]
    amended = next(one for one in drawn if isinstance(one, Decision) and one.revision == 2)
    visits = [one for one in drawn if isinstance(one, SessionEvent)][:20]
    newer = msgspec.structs.replace(decisions[0], schema=2)
    bad = [b"", b"nothing", b'{"transaction": {"id": "x"}}', b"[]", encode(newer)]
    values = [*((TOPICS[DECISIONS], value) for value in [*map(encode, [*decisions, amended]), *bad])]
    values += [
        *((TOPICS[SESSIONS], value) for value in [*map(encode, visits), b'{"session": "s", "subject": "p", "type": "BUY", "event_ms": 5}'])
    ]
    values.append(("x.report-marks", b"{}"))
    rows = [(topic, 0, offset, bytearray(value)) for offset, (topic, value) in enumerate(values)]
    frame = session.createDataFrame(rows, "topic STRING, partition INT, offset BIGINT, value BINARY")
    file = tmp_path / "customers.csv"
    lines = "".join(f"{person},{year}-01-01\n" for person, year in world.BANDS.items())
    # One is there twice, one was born tomorrow, one never.
    file.write_text(
        f"name,customer_id,birthdate\n{''.join(f'x,{line}' + chr(10) for line in lines.split())}x,PERSON-001,1990-05-05\n"
        "x,PERSON-058,2999-01-01\nx,PERSON-059,never\n",
        encoding="utf-8",
    )
    found = taken(events(frame, TOPICS, KEY, read_customers(session, file.as_uri())).toArrow(), 7)
    assert (found.rejected, found.amended) == (len(bad) + 1, 1)
    payments = [event for _, event in found.records["decisions/0"]]
    for event, decision in zip(payments, decisions, strict=True):
        payment = decision.transaction
        assert isinstance(event, Payment)
        assert (event.event_ms, event.person) == (payment.authorised_ms, keyed("person", payment.subject))
        assert (event.verdict, event.merchant, event.category) == (decision.verdict, payment.merchant, payment.category)
        assert (event.currency, event.amount_minor, event.band) == (payment.currency, payment.amount_minor, world._band(decision))
        assert event.cell == (world._cell(decision) if decision.verdict == "flagged" else "")
    assert found.nameless == sum(1 for decision in decisions if decision.transaction.subject not in world.BANDS)
    for (_, event), visit in zip(found.records["sessions/0"], visits, strict=True):
        assert event == Visit(visit.event_ms, keyed("person", visit.subject), keyed("session", visit.session), visit.type)


def test_without_a_file_of_customers_everybody_is_unknown(session: SparkSession) -> None:
    decision = next(one for one in world.drawn() if isinstance(one, Decision))
    rows = [(TOPICS[DECISIONS], 3, 9, bytearray(encode(decision)))]
    frame = session.createDataFrame(rows, "topic STRING, partition INT, offset BIGINT, value BINARY")
    ((offset, event),) = taken(events(frame, TOPICS, KEY).toArrow(), 7).records["decisions/3"]
    assert isinstance(event, Payment)
    assert (offset, event.band) == (9, "unknown")
