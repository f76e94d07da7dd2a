"""The secret files that docker-compose.yml mounts: made once, random, never printed.

The folder is closed to everyone but its owner; the files in it are readable, because a container's user, who is not the folder's owner,
reads them through a mount that keeps their mode.
"""

from __future__ import annotations

import base64
import secrets
from pathlib import Path

__all__ = ["FILES", "write"]

FILES = (
    "ingest_token",
    "token_key",
    "mongodb_password",
    "mongodb_uri",
    "elasticsearch_password",
    "kibana_password",
    "grafana_password",
    "notify_secret",
    "mqtt_password",
    "mqtt_phones_password",
    "mqtt_passwords",
)
"""The files, in the order they are made: the connection string and the broker's file need the passwords."""


def write(directory: Path) -> list[str]:
    """Make the files that are missing and return their names; a file that is there stays as it is.

    Raises:
        OSError: the folder cannot be written.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    directory.chmod(0o700)
    made = []
    for name in FILES:
        path = directory / name
        if not path.exists():
            path.write_text(_value(name, directory), encoding="ascii")
            path.chmod(0o444)
            made.append(name)
    return made


def _value(name: str, directory: Path) -> str:
    if name == "mongodb_uri":
        password = (directory / "mongodb_password").read_text(encoding="ascii")
        return f"mongodb://veilocity:{password}@mongodb:27017/?authSource=admin&directConnection=true&w=1&journal=true"
    if name == "mqtt_passwords":
        from devstack.mosquitto import BRIDGE, PHONES, password_line  # noqa: PLC0415  # a room, imported when needed

        users = {BRIDGE: "mqtt_password", PHONES: "mqtt_phones_password"}
        return "".join(f"{password_line(user, (directory / file).read_text(encoding='ascii'))}\n" for user, file in users.items())
    if name == "notify_secret":
        # As Standard Webhooks writes them.
        return f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}"
    # Hexadecimal: no character that a shell, a URL or a YAML file reads differently. 32 bytes are the token key's length.
    return secrets.token_hex(32)
