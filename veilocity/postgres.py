"""How every room talks to PostgreSQL, and what its errors mean for a loop. Needs the extra `postgres`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from veilocity.errors import DependencyError, SettingsError, StoreUnavailableError

try:
    import psycopg
    from psycopg.conninfo import make_conninfo
except ImportError as cause:
    raise DependencyError("PostgreSQL needs a library that is not installed: pip install 'veilocity[postgres]'") from cause

__all__ = ["Connection", "connect", "faults"]

Connection = psycopg.Connection[tuple[Any, ...]]
_CONNECT_S = 10
_REFUSED = (
    psycopg.errors.InvalidAuthorizationSpecification,
    psycopg.errors.InvalidCatalogName,
    psycopg.errors.InsufficientPrivilege,
    psycopg.errors.ObjectNotInPrerequisiteState,
    psycopg.errors.UndefinedTable,
    psycopg.errors.FeatureNotSupported,
)


@contextmanager
def faults() -> Iterator[None]:
    """Turn what the driver raises into our errors; rows never are part of a message.

    Raises:
        StoreUnavailableError: PostgreSQL is away, or gave up this attempt (a deadlock, a full disk).
        SettingsError: the user may not, the table is not there, or the server is not set up for it.
    """
    try:
        yield
    except _REFUSED as refused:
        # Messages of these classes name relations and roles, never values.
        raise SettingsError(f"PostgreSQL refuses: {refused.diag.message_primary or type(refused).__name__} (docs/extras.md)") from refused
    except (psycopg.OperationalError, psycopg.InterfaceError) as away:
        raise StoreUnavailableError(
            "PostgreSQL does not answer, or refuses the connection: is it running, and are user, password and database of the DSN right?"
        ) from away


def connect(dsn: str, name: str) -> Connection:
    """Return a connection in autocommit mode: a transaction is what `connection.transaction()` encloses.

    Args:
        dsn: connection string of libpq, as address or as `host=... dbname=...`; times of the session are UTC whatever it says.
        name: what the server's list of connections calls us.

    Raises:
        SettingsError: no connection string, or one that cannot be read.
        StoreUnavailableError: PostgreSQL does not answer, or refuses.
    """
    if not dsn:
        raise SettingsError("no PostgreSQL is named: give its connection string (docs/extras.md)")
    try:
        whole = make_conninfo(dsn, application_name=name, connect_timeout=_CONNECT_S)
    except psycopg.ProgrammingError as cause:
        # Its message shows the string, password and all.
        raise SettingsError("the connection string of PostgreSQL cannot be read: write postgresql://USER@HOST:PORT/DATABASE") from cause
    with faults():
        connection = psycopg.connect(whole, autocommit=True)
        # Whatever the defaults of server and role are: these decide how times and numbers are written.
        for option, value in (("timezone", "UTC"), ("datestyle", "ISO, YMD"), ("extra_float_digits", "1")):
            connection.execute("SELECT set_config(%s, %s, false)", [option, value])
    return connection
