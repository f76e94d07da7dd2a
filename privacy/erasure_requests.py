"""What the stage is asked to erase of a person from what it still holds back: one file per request, whole or not there.

    erasures/ID.request     which person, by the stage's own pseudonym, and which payments the sample may name, by their ids in MongoDB

A micro-batch must give the same documents however often it is repeated, so it may not look for requests while it runs. The ledger entry of
micro-batch N names the requests that N + 1 carries out (`privacy.ledger`); what comes later waits for the entry after that. A request is
removed by N + 2, once nothing of it is on the disk any more and N + 1 can no longer be repeated.
"""

from __future__ import annotations

import re
import secrets
from pathlib import Path

import msgspec

from privacy.files import read_whole, write_whole
from veilocity.errors import StateError

__all__ = ["Request", "Requests"]

_END = ".request"
_TOKEN = re.compile(rb"[0-9a-f]{32}")


class Request(msgspec.Struct, frozen=True):
    """One person, with nothing raw."""

    person: str
    """Pseudonym of the stage."""
    payments: tuple[str, ...]
    """Ids in MongoDB."""


class Requests:
    """The requests in one folder of a stage.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     requests = Requests(Path(folder))
    ...     identity = requests.add(Request("0f" * 16, ()))
    ...     requests.ids() == (identity,), requests.read(identity).person == "0f" * 16, requests.remove(identity), requests.ids()
    (True, True, None, ())
    """

    def __init__(self, directory: Path) -> None:
        """Take the stage's folder; nothing is made in it yet."""
        self._directory = directory
        self._folder = directory / "erasures"

    def add(self, request: Request) -> str:
        """Keep a request and return its id; it is on the disk when this returns."""
        identity = secrets.token_hex(8)
        write_whole(self._folder / f"{identity}{_END}", msgspec.msgpack.encode(request))
        return identity

    def ids(self) -> tuple[str, ...]:
        """Return the ids of all requests that are not carried out."""
        return tuple(sorted(path.name.removesuffix(_END) for path in self._folder.glob(f"*{_END}") if not path.name.startswith(".")))

    def read(self, identity: str) -> Request:
        """Return a request.

        Raises:
            StateError: it is not there, or damaged.
        """
        return read_whole(self._folder / f"{identity}{_END}", Request)

    def of(self, person: str) -> list[Request]:
        """Return a person's requests that are not carried out.

        Raises:
            StateError: one is damaged.
        """
        found = []
        for identity in self.ids():
            try:
                found.append(self.read(identity))
            except StateError:
                # Carried out and removed at this moment, or really damaged.
                if identity in self.ids():
                    raise
        return [request for request in found if request.person == person]

    def remove(self, identity: str) -> None:
        """Forget a request; harmless when repeated."""
        (self._folder / f"{identity}{_END}").unlink(missing_ok=True)

    def names(self, person: str, payments: frozenset[str] | set[str]) -> bool:
        """Say whether a ledger entry or a staged row names the person, or the sample one of the payments.

        The filter is not asked: it holds no person, only the answer to a question about one.
        """
        wanted = {one.encode() for one in (person, *payments)}
        data = bytes.fromhex(person)
        for pattern in ("ledger/*.entry", "staged/*/*.rows"):
            for path in self._directory.glob(pattern):
                try:
                    held = path.read_bytes()
                except FileNotFoundError:
                    continue  # the stage goes on meanwhile
                if data in held or not wanted.isdisjoint(_TOKEN.findall(held)):
                    return True
        return False
