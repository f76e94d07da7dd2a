"""PostgreSQL of a run: data in the state folder, a password of its own, and a bank's table of payments for the feed to read. Optional.

`devstack.postgres` is the one of the tests, which keeps nothing.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from devstack import probes
from devstack.environment import changed
from devstack.install import Installer
from devstack.mosquitto import library_path, make_password
from devstack.postgres import USER, find
from devstack.process import Folders, ProcessSpec
from devstack.servers import as_nobody
from veilocity.errors import DependencyError
from veilocity.settings import Settings

__all__ = ["TABLE", "password_file", "point_at", "postgres"]

TABLE = (
    "CREATE SEQUENCE payment_numbers; "
    "CREATE TABLE payments (id text PRIMARY KEY DEFAULT 'bank-' || nextval('payment_numbers'), "
    "card text NOT NULL, authorised_at timestamptz NOT NULL, amount numeric(12, 2) NOT NULL, currency text NOT NULL, "
    "merchant text NOT NULL, category text NOT NULL, channel text NOT NULL, lat double precision, lon double precision);"
)
"""Its columns are called as the fields of a payment, so the feed needs no mapping."""
_OPTIONS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "wal_level": "logical",
    "max_slot_wal_keep_size": "1GB",
    "max_wal_size": "256MB",
    "shared_buffers": "64MB",
    "log_min_messages": "warning",
}
# Made under another name first: what was killed while it was made is made again. `--single` needs no connection to make a table.
_SCRIPT = """
set -eu
programs=$1 data=$2 passwords=$3 table=$4
shift 4
if [ ! -e "$data" ]; then
  rm -rf "$data.part"
  "$programs/initdb" -D "$data.part" -U USER -A scram-sha-256 --pwfile "$passwords" -E UTF8 --locale=C.UTF-8
  printf '%s\\n' "$table" | "$programs/postgres" --single -D "$data.part" postgres
  mv "$data.part" "$data"
fi
exec "$programs/postgres" -D "$data" "$@"
"""


def password_file(settings: Settings) -> Path:
    """Return where the password of the user lies."""
    return settings.state_dir.absolute() / "keys" / "postgres.password"


def point_at(settings: Settings, port: int) -> Settings:
    """Return the settings with the address of a server of ours, for the sensor history and, unless somebody chose another, for the feed."""
    address = f"postgresql://{USER}:{make_password(password_file(settings))}@127.0.0.1:{port}/postgres"
    feed = {} if "feed_postgres_dsn" in settings.model_fields_set else {"feed_postgres_dsn": address}
    return changed(settings, postgres_dsn=address, **feed)


def postgres(settings: Settings, folders: Folders, ports: Mapping[str, int], base: Mapping[str, str], _installer: Installer) -> ProcessSpec:
    """Return one PostgreSQL node.

    Raises:
        DependencyError: it is not there.
    """
    programs = find(settings)
    if programs is None:
        raise DependencyError("no PostgreSQL was found: run devstack/bootstrap.sh postgres, or install it")
    data, port = settings.data_dir.absolute() / "postgres", ports["postgres"]
    data.parent.mkdir(parents=True, exist_ok=True)
    make_password(password_file(settings))
    options = [word for name, value in {**_OPTIONS, "port": str(port)}.items() for word in ("-c", f"{name}={value}")]
    arguments = (str(programs), str(data), str(password_file(settings)), TABLE, *options)
    # PostgreSQL refuses to run as root.
    prefix = as_nobody("PostgreSQL", ()) if os.geteuid() == 0 else ()
    # What clients of PostgreSQL read from the environment would name another server.
    environment = {name: value for name, value in base.items() if not name.startswith("PG")}
    libraries = library_path(programs.parents[1])
    argv = (*prefix, "/bin/sh", "-c", _SCRIPT.replace("USER", USER), "postgres", *arguments)
    return ProcessSpec("postgres", argv, lambda: _answers(data, port), environment | libraries)


def _answers(data: Path, port: int) -> bool:
    """Return whether it takes connections: it listens before it does, and its file of state survives a kill."""
    try:
        state = (data / "postmaster.pid").read_text(encoding="utf-8").splitlines()[7].strip()
    except (OSError, IndexError):
        return False
    return state == "ready" and probes.port_answers(port)
