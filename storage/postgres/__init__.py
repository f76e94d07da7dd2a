"""The sensor history in PostgreSQL: one row a reading, in two tiers, as TimescaleDB's hypertable where that extension exists.

It is opt-in and as secret as the topic `fixes`: places are exact, people and devices are keyed pseudonyms. Needs the extra `postgres`.
"""

from storage.postgres.erasure import erase
from storage.postgres.queries import Page, averages, latest, page, walk
from storage.postgres.readings import Reading, Written
from storage.postgres.schema import prepare
from storage.postgres.tiers import Kept, maintain
from storage.postgres.writing import write

__all__ = ["Kept", "Page", "Reading", "Written", "averages", "erase", "latest", "maintain", "page", "prepare", "walk", "write"]
