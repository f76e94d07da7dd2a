"""A person out of the sensor history, for good: rows of both tiers, the newest readings, and a mark that keeps older ones out.

Kafka still holds raw fixes, and a sink that reads them again would bring the person back. The mark, a pseudonym and a time, is what stops
it; it goes when readings of its time are no longer kept anyway.
"""

from __future__ import annotations

from datetime import UTC, datetime

from veilocity.postgres import Connection, faults

__all__ = ["erase"]


def erase(connection: Connection, subject: str, now_ms: int) -> int:
    """Delete everything of a person up to now and return how many readings that were.

    Args:
        connection: where `storage.postgres.prepare` was called.
        subject: pseudonym in this history.
        now_ms: the time.

    Guarantee: no reading of the person from before `now_ms` is in the history afterwards, or comes into it, whatever is written at the
    same time.

    Raises:
        StoreUnavailableError: PostgreSQL does not answer; nothing was deleted.
    """
    until = datetime.fromtimestamp(now_ms / 1000, UTC)
    erased = 0
    with faults(), connection.transaction():
        # Writers wait here, and find the mark when they go on.
        connection.execute("LOCK TABLE ONLY sensor_history IN SHARE ROW EXCLUSIVE MODE")
        connection.execute(
            "INSERT INTO sensor_history_erased AS known VALUES (%s, %s)"
            " ON CONFLICT (subject) DO UPDATE SET until = greatest(known.until, excluded.until)",
            [subject, until],
        )
        for table in ("sensor_history", "sensor_history_minutes"):
            erased += connection.execute(f"DELETE FROM {table} WHERE subject = %s AND event_time <= %s", [subject, until]).rowcount
        connection.execute("DELETE FROM sensor_history_latest WHERE subject = %s AND event_time <= %s", [subject, until])
    return erased
