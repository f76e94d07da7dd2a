"""Mosquitto, the MQTT broker that phones publish to: Debian's own build, installed by anybody or unpacked into the cache by bootstrap.sh.

It is optional: where it is not found the system runs without it. It listens on loopback, lets nobody in without a password, and keeps
what was published while nobody read.
"""

from __future__ import annotations

import base64
import hashlib
import os
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path

from devstack import probes
from devstack.install import cache_folder
from devstack.process import Folders, ProcessSpec
from veilocity.settings import Settings

__all__ = ["BRIDGE", "PHONES", "configuration", "find", "library_path", "make_password", "mosquitto", "password_line"]

BRIDGE, PHONES = "bridge", "phones"
"""The two users: one reads what the others write."""
_ITERATIONS = 101
_SALT_BYTES = 12


def find(settings: Settings) -> Path | None:
    """Return the program, or None where there is none."""
    found = shutil.which("mosquitto", path=os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin")))
    if found is not None:
        return Path(found)
    fetched = cache_folder(settings) / "mosquitto" / "usr" / "sbin" / "mosquitto"
    return fetched if fetched.exists() else None


def library_path(program: Path) -> dict[str, str]:
    """Return the variable by which a program that was unpacked, not installed, finds the libraries beside it."""
    libraries = sorted((program.parents[1] / "lib").glob("*-linux-gnu*"))
    return {} if program.parents[1] == Path("/usr") or not libraries else {"LD_LIBRARY_PATH": os.pathsep.join(map(str, libraries))}


def password_line(user: str, password: str, salt: bytes = b"") -> str:
    """Return a line of Mosquitto's password file, as mosquitto_passwd writes it: PBKDF2 (RFC 8018) with SHA-512.

    >>> password_line("jane", "secret", b"123456789012")[:34]
    'jane:$7$101$MTIzNDU2Nzg5MDEy$h3OGT'
    """
    chosen = salt or secrets.token_bytes(_SALT_BYTES)
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), chosen, _ITERATIONS)
    return f"{user}:$7${_ITERATIONS}${base64.b64encode(chosen).decode()}${base64.b64encode(digest).decode()}"


def make_password(file: Path) -> str:
    """Return the password in a file that only its owner can read, made at first."""
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as stream:
            stream.write(secrets.token_hex(16))
    return file.read_text(encoding="ascii").strip()


def configuration(port: int, passwords: Path, access: Path, data: Path | None = None, tls: Mapping[str, Path] | None = None) -> str:
    """Return a configuration file.

    Args:
        port: on loopback.
        passwords: file of lines by `password_line`.
        access: file of who may read and write which topics.
        data: folder where sessions and messages survive a restart; None for memory alone.
        tls: files by the options `certfile` and `keyfile`; None for no TLS.
    """
    lines = [
        f"listener {port} 127.0.0.1",
        *(f"{option} {file}" for option, file in (tls or {}).items()),
        "allow_anonymous false",
        f"password_file {passwords}",
        f"acl_file {access}",
        # Its defaults keep 1,000 messages and have 20 on their way, which is far less than a bridge takes at a time.
        "max_queued_messages 1000000",
        "max_inflight_messages 0",
        f"persistence {'true' if data else 'false'}",
        *([f"persistence_location {data}/"] if data else []),
        # Its other lines name clients, which may be names of people.
        "log_type error",
        "log_type warning",
        "log_dest stderr",
    ]
    return "\n".join(lines) + "\n"


def mosquitto(settings: Settings, folders: Folders, port: int, base: Mapping[str, str], program: Path) -> ProcessSpec:
    """Return the broker with its two users; passwords are in the folder of keys."""
    keys = settings.state_dir.absolute() / "keys"
    data = settings.data_dir.absolute() / "mosquitto"
    data.mkdir(parents=True, exist_ok=True)
    passwords, access, config = (folders.run / name for name in ("mosquitto.passwords", "mosquitto.access", "mosquitto.conf"))
    lines = [password_line(user, make_password(keys / f"mqtt-{user}.password")) for user in (BRIDGE, PHONES)]
    passwords.write_text("\n".join(lines) + "\n", encoding="ascii")
    access.write_text(f"user {BRIDGE}\ntopic read #\n\nuser {PHONES}\ntopic readwrite #\n", encoding="ascii")
    config.write_text(configuration(port, passwords, access, data), encoding="utf-8")
    for file in (passwords, access):
        file.chmod(0o600)
    # Started by root it would become `mosquitto`, a user who may not exist and cannot read these files.
    with config.open("a", encoding="utf-8") as stream:
        stream.write("user root\n" if os.geteuid() == 0 else "")
    argv = (str(program), "-c", str(config))
    return ProcessSpec("mosquitto", argv, lambda: probes.port_answers(port), {**base, **library_path(program)})
