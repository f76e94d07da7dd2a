"""Versions of models in a folder, and which of them are in force.

    FOLDER/boosting/0001-3f2a9c1d/model.npz   the model, numbers only
                                  card.json   what it is worth, and the SHA-256 of the model
                                  card.md     the same for people
    FOLDER/active.json                        which version of each name is in force, and every promotion and rollback

A version appears under its name by one rename when all of it is written, and never changes. What is in force changes by one rename of
`active.json`. Whoever writes holds the folder's lock; whoever reads needs none.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import msgspec

from rules.models.archive import from_bytes
from rules.models.card import Card, markdown
from rules.models.features import FEATURES_VERSION
from rules.models.model import Model
from veilocity.errors import SettingsError, StateError

__all__ = ["Change", "Entry", "Registry"]

_VERSION = re.compile(r"\d{4,}-[0-9a-f]{8}")
_NAME = re.compile(r"[a-z][a-z0-9-]{0,39}")
_MODEL, _CARD, _PAGE, _ACTIVE = "model.npz", "card.json", "card.md", "active.json"


class Entry(msgspec.Struct, frozen=True):
    """One stored version."""

    name: str
    version: str
    active: bool
    card: Card


class Change(msgspec.Struct, frozen=True):
    """One promotion or rollback."""

    at_ms: int
    action: Literal["promote", "rollback"]
    name: str
    version: str | None
    """In force from then on; None where a rollback left none."""


class _Pointer(msgspec.Struct, frozen=True):
    version: str
    sha256: str


class _Active(msgspec.Struct, frozen=True):
    active: dict[str, _Pointer] = {}
    before: dict[str, list[_Pointer | None]] = {}
    """By name what was in force earlier, the oldest first: what rollbacks go back to."""
    history: tuple[Change, ...] = ()
    layout: int = 1


class Registry:
    """The models of one folder; any number of processes may use it at once."""

    def __init__(self, folder: Path) -> None:
        """Take a folder; it is made when something is stored."""
        self.folder = folder

    def stamp(self) -> str:
        """Return what changes with every promotion and rollback, for the price of asking the file system for one file."""
        try:
            found = (self.folder / _ACTIVE).stat()
        except FileNotFoundError:
            return ""
        # The history only grows, so the size alone would do; the rest tells files that were put there by hand.
        return f"{found.st_size}-{found.st_mtime_ns}-{found.st_ino}"

    def active(self) -> tuple[Model, ...]:
        """Return the models in force, by name.

        Raises:
            StateError: a file is missing, changed since it was promoted, or no model.
        """
        return tuple(self._read(name, pointer) for name, pointer in sorted(self._active().active.items()))

    def load(self, name: str, version: str) -> Model:
        """Return one version.

        Raises:
            SettingsError: there is none such.
            StateError: its file is no longer what its card says, or no model.
        """
        return self._read(name, _Pointer(version, self.card(name, version).sha256))

    def data(self, name: str, version: str) -> bytes:
        """Return the file of one version, for `add` of another folder.

        Raises:
            SettingsError: there is none such.
            StateError: it is no longer what its card says.
        """
        return self._data(name, _Pointer(version, self.card(name, version).sha256))

    def card(self, name: str, version: str) -> Card:
        """Return the card of one version.

        Raises:
            SettingsError: there is none such.
            StateError: the card cannot be read.
        """
        if version not in self.versions(name):
            raise SettingsError("there is no such version of the model: `veilocity models list` names them")
        try:
            return msgspec.json.decode((self.folder / name / version / _CARD).read_bytes(), type=Card)
        except (OSError, msgspec.MsgspecError) as cause:
            raise StateError(f"the card of a model cannot be read ({type(cause).__name__}): restore its folder") from cause

    def versions(self, name: str) -> list[str]:
        """Return the versions of a model, oldest first; none for a name that is not there."""
        folder = self.folder / name
        if not _NAME.fullmatch(name) or not folder.is_dir():
            return []
        return sorted((one.name for one in folder.iterdir() if _VERSION.fullmatch(one.name)), key=_number)

    def entries(self) -> list[Entry]:
        """Return every version of every model, oldest first."""
        active = self._active().active
        names = sorted(one.name for one in self.folder.iterdir() if one.is_dir()) if self.folder.is_dir() else []
        return [
            Entry(name, version, name in active and active[name].version == version, self.card(name, version))
            for name in names
            for version in self.versions(name)
        ]

    def history(self) -> tuple[Change, ...]:
        """Return every promotion and rollback, oldest first."""
        return self._active().history

    def add(self, data: bytes, card: Card) -> str:
        """Store a model and return its version; one that is there already keeps the version and the card that it has.

        Guarantee: the version is there as a whole or not at all, whenever the process is killed.

        Args:
            data: of `rules.models.archive.to_bytes`.
            card: with the SHA-256 of `data`.

        Raises:
            SettingsError: the name is none, or the card is another model's.
        """
        if not _NAME.fullmatch(card.name) or card.sha256 != hashlib.sha256(data).hexdigest():
            raise SettingsError("a model needs a name of small letters, digits and dashes, and the card that was made for it")
        with self._locked():
            versions = self.versions(card.name)
            for version in versions:
                if self.card(card.name, version).sha256 == card.sha256:
                    return version
            for left in self.folder.glob(".part-*"):
                # Whoever wrote it was killed: the lock is ours.
                shutil.rmtree(left, ignore_errors=True)
            version = f"{_number(versions[-1]) + 1 if versions else 1:04}-{card.sha256[:8]}"
            self._store(card, version, data)
            return version

    def promote(self, name: str, version: str, at_ms: int) -> None:
        """Put a version in force; one that is in force already stays.

        Args:
            name: of the model.
            version: of it.
            at_ms: now.

        Raises:
            SettingsError: there is none such, or it was trained on features of another version.
            StateError: its file is damaged; what was in force stays.
        """
        card = self.card(name, version)
        if self.load(name, version).features_version != FEATURES_VERSION:
            raise SettingsError("the model was trained on other features than this program computes: train it anew, and promote that")

        def change(old: _Active) -> _Active:
            known, pointer = old.active.get(name), _Pointer(version, card.sha256)
            if known == pointer:
                return old
            return _Active(
                {**old.active, name: pointer},
                {**old.before, name: [*old.before.get(name, []), known]},
                (*old.history, Change(at_ms, "promote", name, version)),
            )

        self._change(change)

    def rollback(self, name: str, at_ms: int) -> str | None:
        """Put in force again what was before the last promotion, and return it: None where that was nothing.

        Raises:
            SettingsError: the model was never promoted, or every promotion is rolled back.
        """

        def change(old: _Active) -> _Active:
            before = old.before.get(name, [])
            if not before:
                raise SettingsError("there is no promotion of this model to go back from: `veilocity models list` shows what is in force")
            active = {one: pointer for one, pointer in old.active.items() if one != name}
            if before[-1] is not None:
                active[name] = before[-1]
                self._read(name, before[-1])
            done = Change(at_ms, "rollback", name, before[-1].version if before[-1] else None)
            return _Active(active, {**old.before, name: before[:-1]}, (*old.history, done))

        new = self._change(change)
        return new.active[name].version if name in new.active else None

    def _read(self, name: str, pointer: _Pointer) -> Model:
        return from_bytes(self._data(name, pointer), pointer.version)

    def _data(self, name: str, pointer: _Pointer) -> bytes:
        try:
            data = (self.folder / name / pointer.version / _MODEL).read_bytes()
        except OSError as cause:
            raise StateError(f"the file of a model cannot be read ({type(cause).__name__}): restore it, or roll back") from cause
        if hashlib.sha256(data).hexdigest() != pointer.sha256:
            raise StateError("the file of a model is not the one that was judged (its SHA-256 differs): restore it, or roll back")
        return data

    def _active(self) -> _Active:
        try:
            found = msgspec.json.decode((self.folder / _ACTIVE).read_bytes(), type=_Active)
        except FileNotFoundError:
            return _Active()
        except (OSError, msgspec.MsgspecError) as cause:
            raise StateError(f"active.json of the models cannot be read ({type(cause).__name__}): restore it, or promote anew") from cause
        if not all(_NAME.fullmatch(name) and _VERSION.fullmatch(pointer.version) for name, pointer in found.active.items()):
            raise StateError("active.json of the models names what is no version: restore it, or promote anew")
        if found.layout > _Active().layout:
            raise StateError("active.json of the models was written by a newer Veilocity: upgrade this program first")
        return found

    def _change(self, change: Callable[[_Active], _Active]) -> _Active:
        with self._locked():
            old = self._active()
            new = change(old)
            if new is not old:
                part = self.folder / f".{_ACTIVE}"
                _write(part, msgspec.json.format(msgspec.json.encode(new)))
                part.replace(self.folder / _ACTIVE)
                _sync(self.folder)
            return new

    def _store(self, card: Card, version: str, data: bytes) -> None:
        part = Path(tempfile.mkdtemp(prefix=".part-", dir=self.folder))
        try:
            _write(part / _MODEL, data)
            _write(part / _CARD, msgspec.json.format(msgspec.json.encode(card)))
            _write(part / _PAGE, markdown(card).encode())
            part.chmod(0o755)
            _sync(part)
            home = self.folder / card.name
            home.mkdir(exist_ok=True)
            part.rename(home / version)
            _sync(home)
        finally:
            shutil.rmtree(part, ignore_errors=True)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = (self.folder / ".lock").open("ab")
        except OSError as cause:
            raise SettingsError(f"the folder of the models cannot be written ({type(cause).__name__}): choose another") from cause
        with lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _number(version: str) -> int:
    return int(version.partition("-")[0])


def _write(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
