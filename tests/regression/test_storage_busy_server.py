"""Long reading of a MongoDB that is busy for seconds: its own look whether the server is there must not break off the question."""

import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from pymongo.errors import AutoReconnect

from devstack import Stack
from devstack.environment import changed
from storage.mongo import connect
from veilocity import settings as kernel_settings
from veilocity.settings import Settings

pytestmark = pytest.mark.services
DOCUMENTS = 3_000
ANSWER_MS = 60_000


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[Stack]:
    """A server that nobody else needs, as it is stopped in the middle."""
    with Stack(kernel_settings.load({}, state_dir=tmp_path), servers=("mongodb",), services=()) as stack:
        yield stack


def looking_often(settings: Settings) -> Settings:
    """Return settings whose clients look every half second, not every ten, whether the server is there."""
    return changed(settings, mongodb_uri=f"{settings.mongodb_uri.get_secret_value()}&heartbeatFrequencyMS=500")


def test_an_audit_outwaits_a_busy_server(own_server: Stack) -> None:
    settings = looking_often(own_server.settings)
    writer, hasty, patient = (connect(settings, socket_timeout_ms=ANSWER_MS, patient=one) for one in (True, False, True))
    writer["store"]["notes"].insert_many([{"_id": number} for number in range(DOCUMENTS)])
    pid = own_server.pid("mongodb")
    assert pid is not None
    processes = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    cursors = [client["store"]["notes"].find(batch_size=500) for client in (hasty, patient)]
    read = [[next(cursor)["_id"]] for cursor in cursors]
    for process in processes:
        process.suspend()
    # The patient one asks first: its question is open for all the time in which the hasty one gives up.
    going_on = threading.Thread(target=lambda: read[1].extend(document["_id"] for document in cursors[1]))
    going_on.start()
    try:
        with pytest.raises(AutoReconnect):
            read[0].extend(document["_id"] for document in cursors[0])
        # Once more, as the patient one's look may have begun a little later.
        with pytest.raises(AutoReconnect):
            hasty["store"]["notes"].find_one()
    finally:
        for process in processes:
            process.resume()
    going_on.join(ANSWER_MS / 1000)
    assert sorted(read[1]) == list(range(DOCUMENTS))
    for client in (writer, hasty, patient):
        client.close()
