"""What the page of privacy reads from a real store: audits, classes and windows, newest first, bounded, complete batches only."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest
from pymongo import MongoClient

from privacy.audit import AuditReport, Check, Fault
from privacy.audit.run import kept
from storage.audits import AUDITS, AuditStore
from storage.documents import MaskedBatch, Progress
from storage.kinds import Document
from storage.privacy_queries import AuditFault, AuditRun, PrivacyReader
from tests.integration.storage_world import HOUR_MS, START_MS, aggregate, batch, both, release, writing
from veilocity.errors import StateError
from veilocity.settings import Settings

pytestmark = pytest.mark.services


@pytest.fixture(name="reader")
def _reader(service_settings: Settings) -> Iterator[PrivacyReader]:
    reader = PrivacyReader(service_settings)
    yield reader
    reader.close()


def report(written_ms: int, faults: int = 0) -> AuditReport:
    found = tuple(Fault("mongodb", "releases", f"#{number}", "release.k", "is below 2") for number in range(faults))
    checks = (Check("classes", not faults, {"classes": 3}, found, faults, "t is bounded"), Check("cards", True))
    return AuditReport(written_ms, 1.25, {"mongodb/releases": 3}, checks, not faults)


def test_an_empty_store_is_read_as_empty(reader: PrivacyReader) -> None:
    assert (reader.audits(5).newest, reader.audits(5).runs) == (None, ())
    assert reader.releases(5) == []
    assert reader.published_windows(5) == []


def test_the_newest_audit_is_read_whole_and_of_the_others_how_they_ended(service_settings: Settings, reader: PrivacyReader) -> None:
    with AuditStore(service_settings) as store:
        for written_ms, faults in ((START_MS, 0), (START_MS + 2, 3), (START_MS + 1, 0)):
            store.save(written_ms, kept(report(written_ms, faults)))
    audits = reader.audits(2)
    assert audits.runs == (AuditRun(START_MS + 2, 1.25, False, 3, ("classes",)), AuditRun(START_MS + 1, 1.25, True, 0))
    assert {type(run.written_ms) for run in audits.runs} == {int}, "and nothing of the driver's own"
    assert audits.newest is not None
    assert (audits.newest.written_ms, audits.newest.passed, audits.newest.read) == (START_MS + 2, False, {"mongodb/releases": 3})
    check = audits.newest.checks[0]
    assert (check.name, check.fault_count, check.figures, check.note) == ("classes", 3, {"classes": 3}, "t is bounded")
    assert check.faults[0] == AuditFault("mongodb", "releases", "#0", "release.k", "is below 2")


def test_an_audit_of_another_shape_is_refused_with_a_sentence(service_settings: Settings, reader: PrivacyReader) -> None:
    client: MongoClient[Document] = MongoClient(service_settings.mongodb_uri.get_secret_value())
    with client:
        client[service_settings.mongodb_database][AUDITS].insert_one({"_id": "a", "verdict": "fine"})
    with pytest.raises(StateError, match="audits has an unknown shape"):
        reader.audits(1)


def test_classes_are_those_of_the_newest_complete_batches_without_members(service_settings: Settings, reader: PrivacyReader) -> None:
    with writing(service_settings) as writer:
        for seq in (0, 1, 40):
            writer.write(both(batch(seq)))
        writer._mongo.write(batch(41))  # stopped before the progress
    found = reader.releases(9)
    assert [one.seq for one in found] == [40, 1, 0]
    assert [one.seq for one in reader.releases(2)] == [40, 1]
    whole = release(40, 40)
    assert found[0] == msgspec.structs.replace(whole, release=msgspec.structs.replace(whole.release, members=()))


def test_windows_are_read_as_wholes_and_without_those_of_a_batch_under_way(service_settings: Settings, reader: PrivacyReader) -> None:
    def window(number: int, seq: int, cell: str = "*") -> MaskedBatch:
        start_ms = START_MS + number * HOUR_MS
        one = aggregate(number * 2 + (cell != "*"), seq)
        moved = msgspec.structs.replace(one, window_start_ms=start_ms, window_end_ms=start_ms + HOUR_MS, cell=cell)
        return MaskedBatch(progress=Progress(id="privacy", seq=seq, event_ms=start_ms + HOUR_MS), aggregates=(moved,))

    with writing(service_settings) as writer:
        for seq, (number, cell) in enumerate([(0, "*"), (0, "none"), (1, "*"), (30, "*")]):
            writer.write(both(window(number, seq, cell)))
        writer._mongo.write(window(31, 4))  # stopped before the progress
    assert [(one.window_start_ms - START_MS) // HOUR_MS for one in reader.published_windows(9)] == [30, 1, 0]
    assert [one.cell for one in reader.published_windows(3)] == ["*", "*"]
