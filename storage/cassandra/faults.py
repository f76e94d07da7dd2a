"""What Cassandra's driver raises, as our errors; and whether the driver is there at all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from veilocity.errors import DependencyError, SettingsError, StateError, StoreUnavailableError

try:
    from cassandra import (
        AuthenticationFailed,
        DriverException,
        RequestValidationException,
        Unauthorized,
        UnresolvableContactPoints,
    )
    from cassandra.cluster import NoHostAvailable
except ImportError as cause:
    raise DependencyError("Cassandra's driver is not installed: install the extra, `pip install 'veilocity[cassandra]'`") from cause

__all__ = ["CASSANDRA", "translated"]

CASSANDRA = "cassandra"
_REFUSED = "Cassandra refuses the user: check VEILOCITY_CASSANDRA_USERNAME, its password and its rights on the keyspace"


@contextmanager
def translated() -> Iterator[None]:
    """Turn what the driver raises into our errors; messages of the driver may quote values and stay out.

    Raises:
        StoreUnavailableError: Cassandra does not answer, or has too few nodes to keep a row safe.
        SettingsError: it refuses our user, or its name is unknown.
        StateError: it refuses what we ask.
    """
    try:
        yield
    except NoHostAvailable as cause:
        reasons = list(cause.errors.values() if isinstance(cause.errors, Mapping) else cause.errors)
        if reasons and all(isinstance(reason, AuthenticationFailed) for reason in reasons):
            raise SettingsError(_REFUSED) from cause
        raise StoreUnavailableError("Cassandra does not answer: is it running where VEILOCITY_CASSANDRA_HOSTS says?") from cause
    except (AuthenticationFailed, Unauthorized) as cause:
        raise SettingsError(_REFUSED) from cause
    except UnresolvableContactPoints as cause:
        raise SettingsError("VEILOCITY_CASSANDRA_HOSTS names hosts that nobody knows: write host names separated by commas") from cause
    except RequestValidationException as cause:
        raise StateError(
            f"Cassandra refuses a statement ({type(cause).__name__}): is the keyspace ours and the version 4.0 or newer? See docs/extras.md"
        ) from cause
    except (DriverException, OSError) as cause:
        raise StoreUnavailableError(f"Cassandra cannot serve now ({type(cause).__name__})") from cause
