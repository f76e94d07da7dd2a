"""Bodies that a phone encrypted for the gateway alone: Fernet under one key for each device. Pure, but for reading the file of keys.

An encrypted body is ``{"device": "ID", "fernet": "TOKEN"}`` in place of the body of any phone protocol; the token holds that body. A key
speaks for its own device only, and a device that has a key is heard encrypted only: otherwise whoever knows the gateway's token could
speak for it. A token's own time is not checked, as phones send what they queued for days; the rules service drops what comes twice.

Source: github.com/fernet/spec (AES-128-CBC and HMAC-SHA256, encrypt then authenticate), by the `cryptography` package.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import msgspec
from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from ingest.fields import Arrival, identifier, reject
from ingest.outcome import Outcome
from veilocity.contracts import Fix
from veilocity.errors import InvalidInputError, RejectError, RejectReason, SettingsError

__all__ = ["DeviceKeys", "Opened", "read_keys", "seal"]

_MARK = b'"fernet"'


class Opened(NamedTuple):
    """A body in clear and the device whose key opened it; None for a body that came in clear."""

    body: bytes
    device: str | None = None


class _Envelope(msgspec.Struct, forbid_unknown_fields=True):
    device: str
    fernet: str


def seal(body: bytes, device: str, key: bytes) -> bytes:
    """Return a body as a phone would encrypt it.

    >>> key = Fernet.generate_key()
    >>> DeviceKeys({"phone-1": [key]}).open(seal(b"{}", "phone-1", key))
    Opened(body=b'{}', device='phone-1')
    """
    return msgspec.json.encode(_Envelope(device, Fernet(key).encrypt(body).decode("ascii")))


class DeviceKeys:
    """The keys by device. A device may have several while it changes from one to the next."""

    def __init__(self, keys: Mapping[str, list[bytes]] | None = None) -> None:
        """Take url-safe base64 keys of 32 bytes, as Fernet writes them.

        Raises:
            ValueError: one is none.
        """
        self._keys = {device: MultiFernet([Fernet(key) for key in found]) for device, found in (keys or {}).items()}

    def __len__(self) -> int:
        """Return how many devices have a key."""
        return len(self._keys)

    def open(self, body: bytes) -> Opened:
        """Return what a body holds.

        Raises:
            InvalidInputError: ``undecryptable``: no key of that device opens it.
        """
        if _MARK not in body[:1024]:
            return Opened(body)
        try:
            envelope = msgspec.json.decode(body, type=_Envelope)
        except msgspec.MsgspecError:
            # Some app's own field of that name.
            return Opened(body)
        try:
            device = identifier(envelope.device, "device") or ""
            return Opened(self._keys[device].decrypt(envelope.fernet.encode()), device)
        except (KeyError, InvalidToken) as cause:
            detail = "no key of this device opens the body: give phone and gateway the same Fernet key"
            raise InvalidInputError(RejectReason.UNDECRYPTABLE, detail) from cause

    def check(self, outcome: Outcome, device: str | None, source: str, arrival: Arrival) -> Outcome:
        """Return an outcome in which every accepted fix may speak for its device; the others have become rejects.

        Args:
            outcome: of the body in clear.
            device: whose key opened the body; None where it came in clear.
            source: named in rejects.
            arrival: when it came.
        """
        if device is None and not self._keys:
            return outcome
        kept, rejects = [], list(outcome.rejects)
        for item in outcome.accepted:
            fault = self._fault(item, device) if isinstance(item, Fix) else None
            if fault is None:
                kept.append(item)
            else:
                rejects.append(reject(fault, msgspec.to_builtins(item), source, arrival))
        return Outcome(kept, rejects, outcome.ignored, outcome.body_refused)

    def _fault(self, fix: Fix, device: str | None) -> RejectError | None:
        if device is None and fix.device in self._keys:
            return RejectError(RejectReason.NOT_ENCRYPTED, "this device has a key: encrypt what it sends, or take its key away")
        if device is not None and fix.device != device:
            return RejectError(
                RejectReason.UNDECRYPTABLE, "the key of one device opened a body of another: a key speaks for its own device"
            )
        return None


def read_keys(path: Path) -> DeviceKeys:
    """Return the keys of a CSV file with the columns device, key; a device may have several lines.

    Raises:
        SettingsError: the file cannot be read or one of its lines is wrong; the message holds neither device nor key.
    """
    keys: dict[str, list[bytes]] = {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            for row in reader:
                device, key = (row.get("device") or "").strip(), (row.get("key") or "").strip().encode()
                if not device:
                    raise SettingsError(f"VEILOCITY_INGEST_KEYS_FILE, line {reader.line_num}: no device: the columns are device,key")
                Fernet(key)
                keys.setdefault(device, []).append(key)
    except (OSError, UnicodeDecodeError, csv.Error) as cause:
        raise SettingsError(f"VEILOCITY_INGEST_KEYS_FILE cannot be read ({type(cause).__name__})") from cause
    except ValueError:
        raise SettingsError(f"VEILOCITY_INGEST_KEYS_FILE, line {reader.line_num}: not a Fernet key (32 bytes, url-safe base64)") from None
    return DeviceKeys(keys)
