"""The table of masked payments and how far it is filled. Values travel as parameters of prepared statements, never inside a statement."""

from __future__ import annotations

import ssl
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from storage.cassandra.faults import translated
from storage.cassandra.rows import COLUMNS, row, timestamp_us, ttl_s
from storage.documents import MaskedTransaction
from veilocity.errors import SettingsError
from veilocity.settings import Settings

# Only here, after `faults` has said what to install where it is missing.
from cassandra import ConsistencyLevel  # isort: skip
from cassandra.auth import PlainTextAuthProvider  # isort: skip
from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile  # isort: skip
from cassandra.concurrent import execute_concurrent_with_args  # isort: skip
from cassandra.policies import DCAwareRoundRobinPolicy, TokenAwarePolicy  # isort: skip
from cassandra.query import UNSET_VALUE  # isort: skip

__all__ = ["Held", "PaymentTable"]

_ANSWER_S = 10.0
_PROTOCOL = 5
"""Of Cassandra 4.0 and newer."""
_CONCURRENCY = 64
_PAGE_ROWS = 2_000
_FINAL_US = 2**62
"""Later than any batch: what was erased never comes back, however late an older version is written."""
_ROW = "payments"
# Whole names, because prepared statements must not depend on a session's keyspace.
_MAKE_PAYMENTS = "CREATE TABLE IF NOT EXISTS {keyspace}.payments ({columns})"
_MAKE_HELD = "CREATE TABLE IF NOT EXISTS {keyspace}.sink_progress (id text PRIMARY KEY, seq bigint, erased bigint)"
_INSERT = "INSERT INTO {keyspace}.payments ({names}) VALUES ({marks}) USING TIMESTAMP ? AND TTL ?"
_DELETE = "DELETE FROM {keyspace}.payments USING TIMESTAMP ? WHERE id = ?"
_READ_IDS = "SELECT id FROM {keyspace}.payments"
_READ_HELD = "SELECT seq, erased FROM {keyspace}.sink_progress WHERE id = ?"
_WRITE_HELD = "INSERT INTO {keyspace}.sink_progress (id, seq, erased) VALUES (?, ?, ?)"


class Held(NamedTuple):
    """How far the table is filled."""

    seq: int = -1
    """Every batch up to this one is in it."""
    erased: int = 0
    """How many payments MongoDB had erased when this table was last searched for them."""


class PaymentTable:
    """One keyspace; for one thread. Each method raises `StoreUnavailableError` when Cassandra does not answer."""

    def __init__(self, settings: Settings) -> None:
        """Connect, and make keyspace and tables where they are missing.

        Raises:
            SettingsError: no host is named, it refuses the user, or it has fewer nodes than copies are wanted.
            StateError: the tables are not ours.
        """
        self._keep_days = settings.storage_keep_transactions_days
        self._cluster = _cluster(settings)
        try:
            with translated():
                self._session = self._cluster.connect()
                self._prepare(settings)
        except BaseException:
            self.close()
            raise

    def held(self) -> Held:
        """Return how far the table is filled."""
        with translated():
            found = self._session.execute(self._read_held, (_ROW,)).one()
        return Held() if found is None else Held(found.seq, found.erased)

    def hold(self, held: Held) -> None:
        """Say how far the table is filled; only after `put` and `erase` have returned."""
        with translated():
            self._session.execute(self._write_held, (_ROW, held.seq, held.erased))

    def put(self, payments: Iterable[MaskedTransaction], now_ms: int) -> tuple[int, int]:
        """Write payments; return how many are written, and how many are too old to be.

        Guarantee: once it has returned, a quorum of the data centre's copies holds each of them or a newer version of it, whatever was
        written before and in whatever order.
        """
        rows = []
        old = 0
        for payment in payments:
            left_s = ttl_s(payment.minute_ms, self._keep_days, now_ms)
            if left_s is None:
                old += 1
            else:
                rows.append((*row(payment, UNSET_VALUE), timestamp_us(payment.seq), left_s))
        with translated():
            execute_concurrent_with_args(self._session, self._insert, rows, concurrency=_CONCURRENCY, raise_on_first_error=True)
        return len(rows), old

    def pages(self) -> Iterator[list[str]]:
        """Give the ids of all payments, some at a time, in no order."""
        with translated():
            some: list[str] = []
            for found in self._session.execute(self._read_ids):
                some.append(found.id)
                if len(some) >= _PAGE_ROWS:
                    yield some
                    some = []
            if some:
                yield some

    def erase(self, ids: Sequence[str]) -> None:
        """Delete payments for good."""
        parameters = [(_FINAL_US, identity) for identity in ids]
        with translated():
            execute_concurrent_with_args(self._session, self._delete, parameters, concurrency=_CONCURRENCY, raise_on_first_error=True)

    def close(self) -> None:
        """Let the connections go."""
        self._cluster.shutdown()

    def _prepare(self, settings: Settings) -> None:
        """Make what is missing. Names cannot be parameters: the settings let letters, digits and underscores through alone."""
        keyspace, copies = settings.cassandra_keyspace, settings.cassandra_replication
        nodes = len(self._cluster.metadata.all_hosts())
        if copies > nodes:
            raise SettingsError(
                f"{copies} copies of a row need as many Cassandra nodes, and there are {nodes}: lower VEILOCITY_CASSANDRA_REPLICATION"
            )
        session = self._session
        replication = f"{{'class': 'NetworkTopologyStrategy', 'replication_factor': {copies}}}"
        session.execute(f"CREATE KEYSPACE IF NOT EXISTS {keyspace} WITH replication = {replication}")
        columns = ", ".join(f"{name} {kind}" for name, kind in COLUMNS.items())
        for statement in (_MAKE_PAYMENTS, _MAKE_HELD):
            session.execute(statement.format(keyspace=keyspace, columns=columns))
        names, marks = ", ".join(COLUMNS), ", ".join("?" * len(COLUMNS))
        self._insert = session.prepare(_INSERT.format(keyspace=keyspace, names=names, marks=marks))
        self._delete = session.prepare(_DELETE.format(keyspace=keyspace))
        self._read_ids = session.prepare(_READ_IDS.format(keyspace=keyspace))
        self._read_ids.fetch_size = _PAGE_ROWS
        self._read_held = session.prepare(_READ_HELD.format(keyspace=keyspace))
        self._write_held = session.prepare(_WRITE_HELD.format(keyspace=keyspace))


def _cluster(settings: Settings) -> Cluster:
    hosts = [host.strip() for host in settings.cassandra_hosts.split(",") if host.strip()]
    if not hosts:
        raise SettingsError("no Cassandra is named: set VEILOCITY_CASSANDRA_HOSTS (docs/extras.md)")
    user, password = settings.cassandra_username, settings.cassandra_password.get_secret_value()
    profile = ExecutionProfile(
        TokenAwarePolicy(DCAwareRoundRobinPolicy()), consistency_level=ConsistencyLevel.LOCAL_QUORUM, request_timeout=_ANSWER_S
    )
    try:
        context = ssl.create_default_context(cafile=settings.cassandra_ca_file or None) if settings.cassandra_tls else None
    except OSError as cause:
        raise SettingsError("VEILOCITY_CASSANDRA_CA_FILE cannot be read: name a file of certificates in PEM") from cause
    with translated():
        return Cluster(
            hosts,
            settings.cassandra_port,
            auth_provider=PlainTextAuthProvider(user, password) if user else None,
            ssl_context=context,
            protocol_version=_PROTOCOL,
            execution_profiles={EXEC_PROFILE_DEFAULT: profile},
            application_name="veilocity",
            # It would tell every node who we are, and is a feature of another product.
            monitor_reporting_enabled=False,
        )
