"""A writer that is killed in a transaction leaves its documents held: the next writer waits until the server ends it, and not for ever."""

import subprocess
import sys
from threading import Event

import pytest
from msgspec.structs import replace

from storage.kinds import ALERTS
from storage.mongo import MongoStore
from storage.patience import insist
from storage.schema import ensure_collections
from tests.integration.storage_world import alert, batch
from veilocity.settings import Settings

pytestmark = [pytest.mark.services, pytest.mark.timeout(300)]
KILLED = """
import os, sys
from pymongo import MongoClient
uri, database, collection, identity = sys.argv[1:]
client = MongoClient(uri)
session = client.start_session()
session.start_transaction()
client[database][collection].update_one({"_id": identity}, {"$set": {"revision": 0}}, session=session)
os._exit(0)
"""


def test_what_a_killed_writer_holds_is_written_in_the_end(service_settings: Settings) -> None:
    store = MongoStore(service_settings, socket_timeout_ms=5_000)
    try:
        ensure_collections(store.database)
        one = replace(batch(1), alerts=[alert(1, 1)])
        assert store.write(one) == []
        identity = one.alerts[0].id
        uri = service_settings.mongodb_uri.get_secret_value()
        subprocess.run([sys.executable, "-c", KILLED, uri, service_settings.mongodb_database, ALERTS.name, identity], check=True)
        # One document alone is written outside of a transaction.
        work = store.begin(replace(one, alerts=[alert(1, 2, revision=2)]))
        # A transaction may live for 60 seconds.
        assert insist("mongodb", work.go_on, Event(), lambda: work.moved) == []
        now = store.database[ALERTS.name].find_one({"_id": identity})
        assert now is not None
        assert now["revision"] == 2
    finally:
        store.close()
