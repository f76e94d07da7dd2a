"""A person out of the sensor history, by the pseudonym that the key ring makes."""

from __future__ import annotations

import time

from privacy.history.names import Names
from privacy.identifiers.keyring import KeyRing
from storage.postgres.erasure import erase
from storage.postgres.schema import prepare
from veilocity.postgres import connect
from veilocity.settings import Settings

__all__ = ["forget"]


def forget(settings: Settings, subject: str) -> int:
    """Delete a person's readings up to now, and keep older ones from coming back; return how many went.

    Args:
        settings: where PostgreSQL and the key ring are.
        subject: the person, as it came.

    Raises:
        KeyMissingError: the key ring is not there.
        StoreUnavailableError: PostgreSQL does not answer; nothing was deleted.
    """
    token = Names(KeyRing.from_file(settings.token_key_file)).subject(subject)
    connection = connect(settings.postgres_dsn.get_secret_value(), "veilocity forget")
    try:
        prepare(connection, settings.history_keep_days)
        return erase(connection, token, time.time_ns() // 1_000_000)
    finally:
        connection.close()
