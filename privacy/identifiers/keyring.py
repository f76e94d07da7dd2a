"""The key ring: versions of one secret, each with the event time from which it is in force, and a key of its own for every purpose.

    key(purpose, version) = HKDF-SHA-256(master of the version, info = "veilocity key ring 1" || 0x00 || length || 0x00 || purpose)

Guarantees: what is derived depends on the ring, the purpose and the version alone, so a replay of old events finds the old keys and makes
the same tokens whatever was added since; keys of two purposes or two versions are independent as long as HMAC-SHA-256 is a pseudorandom
function, so one that leaks tells nothing of the others; a master is never printed, compared or pickled.

A ring is text, one version a line, oldest first; `always` is a time before all times, and a line that starts with # is a comment:

    1 always 8f3c...64 hexadecimal digits
    2 2026-11-22T00:00:00Z 02ab...64 hexadecimal digits

A file of 64 hexadecimal digits alone is version 1, in force always.

References: RFC 5869 (HKDF); NIST SP 800-57 Part 1 Rev. 5, sections 5.3 (cryptoperiods) and 8.2.4 (key derivation).
"""

from __future__ import annotations

import hmac
import os
import secrets
import stat
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from veilocity.errors import InvalidInputError, KeyMissingError, SettingsError
from veilocity.eventtime import NS_PER_MS, format_ms, ns_from_iso

__all__ = ["ALWAYS_MS", "KEY_BYTES", "KeyRing"]

KEY_BYTES = 32
"""Length of a master, and of a derived key unless another is asked for."""
ALWAYS_MS = -(2**63)
"""The event time of a version that has been in force since ever."""

_ALWAYS = "always"
_INFO = b"veilocity key ring 1\x00"
_CACHED_KEYS = 1_024
_SECRET_MOUNT = Path("/run/secrets")
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_WRITERS = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH
_FORMAT = "one line per version with its number, the time from which it is in force (or `always`) and 64 hexadecimal digits"


class KeyRing:
    """Versions of a master key, from which every other key of the privacy stage is derived.

    >>> ring = KeyRing([(1, ALWAYS_MS, bytes(32)), (2, 1_000_000, bytes(range(32)))])
    >>> ring.version_at(999_999), ring.version_at(1_000_000)
    (1, 2)
    >>> ring.key("tokens", event_ms=999_999) == ring.key("tokens", version=1) != ring.key("tokens", version=2)
    True
    >>> ring.key("tokens") == ring.key("tokens", version=2), len(ring.key("tokens"))
    (True, 32)
    """

    __slots__ = ("_derived", "_from_ms", "_masters")

    def __init__(self, versions: Sequence[tuple[int, int, bytes]]) -> None:
        """Hold the versions.

        Args:
            versions: number (1 or more), first event time in ms (`ALWAYS_MS` for since ever) and master (32 bytes) of each, oldest first.

        Raises:
            KeyMissingError: none at all.
            SettingsError: numbers or times that do not rise, a master of another length, or the same master twice.
        """
        if not versions:
            raise KeyMissingError("the key ring is empty: make one with `openssl rand -hex 32`, or put the file back from its backup")
        for number, _, master in versions:
            if number < 1:
                raise SettingsError("the key ring has a version below 1: number the versions 1, 2, 3 and so on")
            if len(master) != KEY_BYTES:
                raise SettingsError(f"version {number} of the key ring has {len(master)} bytes instead of {KEY_BYTES}: {_FORMAT}")
        for (number, from_ms, _), (later, later_ms, _) in pairwise(versions):
            if later <= number or later_ms <= from_ms:
                raise SettingsError(f"version {later} of the key ring must have a higher number and a later time than version {number}")
        if len({master for _, _, master in versions}) < len(versions):
            raise SettingsError("two versions of the key ring have the same key: a rotation needs a new one from `openssl rand -hex 32`")
        self._masters = {number: master for number, _, master in versions}
        self._from_ms = [from_ms for _, from_ms, _ in versions]
        self._derived: dict[tuple[str, int, int], bytes] = {}

    @classmethod
    def from_file(cls, path: Path) -> KeyRing:
        """Read a ring that its owner alone can read.

        Others may read the file itself below /run/secrets, since such a mount belongs to one container, and where nobody can write it and
        its folder is closed to them: so `veilocity secrets` makes files for such mounts.

        Raises:
            KeyMissingError: the file is missing or empty.
            SettingsError: it cannot be read, is open to other users, or is not a key ring.
        """
        return cls(_read(path))

    @classmethod
    def from_environment(cls, name: str, environment: Mapping[str, str]) -> KeyRing:
        """Read a ring from the text of an environment variable; there a comma may stand for the end of a line.

        Raises:
            KeyMissingError: the variable is missing or empty.
            SettingsError: it does not hold a key ring.
        """
        text = environment.get(name, "")
        if not text.strip():
            raise KeyMissingError(f"the environment variable {name} holds no key ring: set it to {_FORMAT}")
        return cls(_parse(text.replace(",", "\n")))

    @classmethod
    def generate(cls, path: Path) -> KeyRing:
        """Write a ring with one random version, readable by its owner only; a file that is there is never overwritten.

        Raises:
            FileExistsError: the file is there.
        """
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        versions = [(1, ALWAYS_MS, secrets.token_bytes(KEY_BYTES))]
        _write_new(path, _text(versions))
        _sync(path.parent)
        return cls(versions)

    @classmethod
    def rotated(cls, path: Path, from_ms: int) -> KeyRing:
        """Add a random version to the ring in a file, and keep the old ones: what they made can still be read and made again.

        The file is replaced in one step and keeps its mode; who reads it sees the old ring or the new one, also after a loss of power.

        Args:
            path: the file.
            from_ms: event time from which the new version is in force. Choose one that no event has reached yet: an event that was
                masked with the old version and is replayed after the rotation would have another token.

        Raises:
            KeyMissingError: there is no ring yet.
            SettingsError: the ring cannot be read, or its newest version is in force from `from_ms` or later.
            FileExistsError: another rotation of this file runs, or was cut off: its `.new` file lies beside it.
        """
        path = path.resolve()
        versions = _read(path)
        versions.append((versions[-1][0] + 1 if versions else 1, from_ms, secrets.token_bytes(KEY_BYTES)))
        ring = cls(versions)
        beside = path.with_name(f"{path.name}.new")
        mode = path.stat().st_mode
        _write_new(beside, _text(versions))
        beside.chmod(mode)
        beside.replace(path)
        # Records may be masked with the version soon: it must not be lost after that.
        _sync(path.parent)
        return ring

    def oldest(self, count: int) -> KeyRing:
        """Return a ring of the `count` oldest versions alone, of all where there are not as many.

        Raises:
            KeyMissingError: none is asked for.

        >>> KeyRing([(1, ALWAYS_MS, bytes(32)), (2, 1_000_000, bytes(range(32)))]).oldest(1)
        KeyRing(versions=(1,), keys hidden)
        """
        return KeyRing(self._versions()[:count])

    @property
    def versions(self) -> tuple[int, ...]:
        """Numbers of all versions, oldest first."""
        return tuple(self._masters)

    def from_ms(self, version: int) -> int:
        """Return the event time from which a version is in force, `ALWAYS_MS` for since ever.

        Raises:
            KeyMissingError: not in the ring.
        """
        self._master(version)
        return self._from_ms[self.versions.index(version)]

    def version_at(self, event_ms: int) -> int:
        """Return the version in force at an event time: the last that began at or before it.

        Raises:
            KeyMissingError: the oldest version began later.
        """
        place = bisect_right(self._from_ms, event_ms)
        if not place:
            raise KeyMissingError("no version of the key ring is in force at so old an event: put the older versions back into the ring")
        return self.versions[place - 1]

    def key(self, purpose: str, event_ms: int | None = None, version: int | None = None, *, length: int = KEY_BYTES) -> bytes:
        """Return the key of a purpose, derived from one version of the master.

        Args:
            purpose: what the key is for, such as `subject-keys`; few and constant, never an identifier.
            event_ms: take the version in force at this event time.
            version: take this one. With neither, the newest.
            length: in bytes, up to 8160; keys of two lengths are independent too.

        Raises:
            KeyMissingError: the version is not in the ring.
            SettingsError: both a time and a version, or no purpose.
        """
        if not purpose or (event_ms is not None and version is not None):
            raise SettingsError("a key needs a purpose, and either an event time or a version: leave one out")
        if version is None:
            version = self.versions[-1] if event_ms is None else self.version_at(event_ms)
        wanted = (purpose, version, length)
        found = self._derived.get(wanted)
        if found is None:
            info = _INFO + length.to_bytes(2, "big") + b"\x00" + purpose.encode()
            found = HKDF(algorithm=SHA256(), length=length, salt=None, info=info).derive(self._master(version))
            if len(self._derived) >= _CACHED_KEYS:
                self._derived.clear()
            self._derived[wanted] = found
        return found

    def check_value(self) -> str:
        """Return 8 hexadecimal digits that differ for another ring (another key, time or version) and tell nothing of the keys.

        Two processes that print the same one make the same tokens, up to a chance of 2^-32.
        """
        check = b"".join(
            f"{number} {from_ms} ".encode() + self.key("check value", version=number) for number, from_ms, _ in self._versions()
        )
        return hmac.digest(self.key("check value"), check, "sha256")[:4].hex()

    def _master(self, version: int) -> bytes:
        try:
            return self._masters[version]
        except KeyError:
            message = f"version {version} is not in the key ring: put it back from the backup, since what it made cannot be read without it"
            raise KeyMissingError(message) from None

    def _versions(self) -> list[tuple[int, int, bytes]]:
        return [(number, from_ms, master) for (number, master), from_ms in zip(self._masters.items(), self._from_ms, strict=True)]

    def __repr__(self) -> str:
        return f"KeyRing(versions={self.versions}, keys hidden)"

    def __reduce__(self) -> str:
        # A pickle would carry the keys into plans, logs and checkpoints.
        raise TypeError("a key ring is not pickled: let each process read it from its file")


def _read(path: Path) -> list[tuple[int, int, bytes]]:
    try:
        mode = path.stat().st_mode
        text = path.read_text(encoding="ascii")
    except FileNotFoundError as cause:
        raise KeyMissingError(f"there is no key ring at {path}: make one with `openssl rand -hex 32`, or mount the one in use") from cause
    except (OSError, ValueError):
        # Without the cause: a decoding error carries the bytes.
        raise SettingsError(f"the key ring {path} cannot be read: it must be text, with {_FORMAT}") from None
    if mode & _OTHERS and not (path.resolve().is_relative_to(_SECRET_MOUNT) or _is_for_mounts(path.resolve(), mode)):
        raise SettingsError(f"the key ring {path} is open to other users: run `chmod 600 {path}`")
    return _parse(text)


def _is_for_mounts(path: Path, mode: int) -> bool:
    """Say whether only its folder keeps others out, and nobody writes it: so `veilocity secrets` makes files that containers mount."""
    return not mode & _WRITERS and not path.parent.stat().st_mode & _OTHERS


def _parse(text: str) -> list[tuple[int, int, bytes]]:
    """Read the lines of a ring; no message shows a line, since it holds a key."""
    lines = [line.split() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    if len(lines) == 1 and len(lines[0]) == 1:
        return [(1, ALWAYS_MS, _master_from(lines[0][0], 1))]
    found = []
    for place, words in enumerate(lines, 1):
        if len(words) != 3 or not (words[0].isascii() and words[0].isdigit()):
            raise SettingsError(f"line {place} of the key ring is not a version: it needs {_FORMAT}")
        found.append((int(words[0]), _from_ms(words[1], place), _master_from(words[2], place)))
    return found


def _text(versions: list[tuple[int, int, bytes]]) -> str:
    """Return the lines that `_parse` reads."""
    times = [_ALWAYS if from_ms == ALWAYS_MS else format_ms(from_ms) for _, from_ms, _ in versions]
    return "".join(f"{number} {time} {master.hex()}\n" for (number, _, master), time in zip(versions, times, strict=True))


def _from_ms(text: str, place: int) -> int:
    if text == _ALWAYS:
        return ALWAYS_MS
    try:
        time_ms, rest = divmod(ns_from_iso(text), NS_PER_MS)
    except InvalidInputError:
        rest = 1
    if rest:
        raise SettingsError(f"line {place} of the key ring has no time in whole ms such as 2026-11-22T00:00:00Z: write one, or `{_ALWAYS}`")
    return time_ms


def _master_from(text: str, place: int) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        # Without the cause: its message may show a part of the key.
        raise SettingsError(f"line {place} of the key ring has a key that is not hexadecimal: `openssl rand -hex 32` makes one") from None


def _write_new(path: Path, text: str) -> None:
    """Write a file that was not there, readable by its owner only, and wait until the disk has it."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    """Wait until the disk has the names of a folder."""
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
