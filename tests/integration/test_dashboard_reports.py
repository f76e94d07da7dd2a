"""The page of reports on a real MongoDB: what it reads, and that it says so when the store is gone or holds something else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import msgspec
import pytest
from pydantic import SecretStr

from dashboard.access import Access
from dashboard.app import create_server
from dashboard.desks import Desks
from dashboard.events import Hub
from dashboard.reports_desk import ReportsDesk
from storage.mongo import MongoStore
from storage.reports import ReportReader, ReportStore
from storage.roles import Role
from storage.segments import SEGMENTS, SegmentReader, segments_id
from storage.segments_writer import SegmentStore
from tests.e2e.reports_world import DAY_MS, day_of_reports, segmentation
from veilocity.errors import StateError, StoreUnavailableError
from veilocity.settings import Settings, load

pytestmark = pytest.mark.services
END_MS = 1_795_400_040_000
_NOWHERE = "mongodb://127.0.0.1:1/?directConnection=true"


@pytest.fixture(name="segments")
def _segments(service_settings: Settings) -> Iterator[SegmentReader]:
    with closing(SegmentReader(service_settings)) as reader:
        yield reader


@pytest.fixture(name="store")
def _store(service_settings: Settings) -> Iterator[MongoStore]:
    with closing(MongoStore(service_settings)) as store:
        yield store


def test_the_newest_segments_are_read_and_none_of_an_empty_store(segments: SegmentReader, store: MongoStore) -> None:
    assert segments.newest() is None
    some = [segmentation(END_MS + day * DAY_MS) for day in (1, 2, 0)]
    store.database[SEGMENTS].insert_many(
        [{"_id": segments_id(one.start_ms), **msgspec.to_builtins(one), "made_by": "a later version"} for one in some]
    )
    assert segments.newest() == some[1]


def test_a_document_of_another_shape_is_told_and_not_shown(segments: SegmentReader, store: MongoStore) -> None:
    store.database[SEGMENTS].insert_one({"_id": f"segments:{END_MS}", "segments": 3})
    with pytest.raises(StateError, match="unknown shape"):
        segments.newest()


def test_the_page_shows_what_the_store_holds(service_settings: Settings, segments: SegmentReader) -> None:
    with closing(ReportStore(service_settings)) as writer, closing(ReportReader(service_settings)) as reader:
        writer.ensure()
        writer.write(day_of_reports(END_MS, windows=130))
        with SegmentStore(service_settings) as released:
            released.write(segmentation(END_MS))
        desks = Desks(reports=ReportsDesk(lambda: reader, lambda: segments))
        told = create_server(Hub(), desks=desks, access=Access(role=Role.VIEW)).test_client().get("/reports/state").get_json()
    assert (told["store"], told["event_ms"]) == ("up", END_MS)
    assert (len(told["frauds"]["windows"]), len(told["sales"]["ends_ms"])) == (20, 120)
    assert [len(measure["lines"]) for measure in told["sales"]["measures"]] == [20, 20, 8]
    assert (told["day"]["count"], told["segments"]["segments"][0]["people"]) == (3_904, 512)
    assert [row["report"] for row in told["left_out"]] == ["frauds", "merchants", "high_value", "day_counts", "sessions"]


def test_a_store_that_is_gone_is_said_to_be_down() -> None:
    settings = load({}, mongodb_uri=SecretStr(_NOWHERE))
    with closing(ReportReader(settings)) as reader, closing(SegmentReader(settings)) as segments:
        desks = Desks(reports=ReportsDesk(lambda: reader, lambda: segments))
        told = create_server(Hub(), desks=desks, access=Access(role=Role.VIEW)).test_client().get("/reports/state").get_json()
        assert (told["store"], told["loaded"]) == ("down", False)
        with pytest.raises(StoreUnavailableError):
            segments.newest()
