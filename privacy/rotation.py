"""Which versions of the key ring a micro-batch masks with: decided before it masks, written down, and the same when it is repeated.

    keys.record     check values of the versions in force, oldest first (`privacy.policy.key_checks`)

A version that was added to the key file is taken up by the first micro-batch that begins after it: the record is written, then the
executors mask with the versions of the record and no others, whatever their file holds besides. A micro-batch that had begun before is
repeated with the record as it stands. So a rotation needs no restart, and a repeated micro-batch makes the same tokens.

A version is refused when the stage has seen an event of its time: such an event has a token of an older version, which nobody would look
for any more, neither to follow a person nor to forget one.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec

from privacy.files import read_whole, write_whole
from privacy.identifiers.keyring import KeyRing
from privacy.policy import key_checks
from privacy.rounding import MINUTE_MS
from veilocity.errors import SettingsError
from veilocity.eventtime import format_ms
from veilocity.logs import get_logger

__all__ = ["RECORD", "RingInForce", "seen_until_ms", "versions_in_force"]

RECORD = "keys.record"
_LOG = get_logger(__name__)


class _Record(msgspec.Struct, frozen=True):
    checks: tuple[str, ...]


class RingInForce:
    """The versions of one stage. One process at a time."""

    def __init__(self, directory: Path, key_file: Path, begun: int) -> None:
        """Open the record; a stage without one begins with the ring as it is.

        Args:
            directory: the stage's folder.
            key_file: the key ring.
            begun: last micro-batch whose records Spark had chosen when this process started, -1 for none: it may be repeated.

        Raises:
            KeyMissingError: there is no ring.
            SettingsError: the ring cannot be read, or is not the one that the stage began with.
            StateError: the record is damaged.
        """
        self._path, self._key_file, self._begun = directory / RECORD, key_file, begun
        _, found = self._ring()
        if not self._path.exists():
            self._write(found)
        self.checks = read_whole(self._path, _Record).checks
        """Check values of the versions in force."""
        self._must_extend(found)

    def taken_up(self, batch: int, newest_ms: Callable[[], int]) -> tuple[str, ...]:
        """Return the check values of the versions that a micro-batch masks with; the record tells them when this returns.

        Args:
            batch: its number.
            newest_ms: `Progress.event_ms` before it; asked when there is a new version.

        Raises:
            KeyMissingError: the ring is gone.
            SettingsError: old versions were changed or taken out, or a new one begins before an event that the stage has seen.
        """
        if batch > self._begun:
            added = self.check(newest_ms)
            if added:
                self._write(added)
                _LOG.info("A new version of the key ring is taken up.", count=len(added))
                self.checks = added
        return self.checks

    def check(self, newest_ms: Callable[[], int]) -> tuple[str, ...]:
        """Return the check values of a ring that has new versions, and nothing where it has none.

        Raises:
            KeyMissingError: the ring is gone.
            SettingsError: as `taken_up`.
        """
        ring, found = self._ring()
        self._must_extend(found)
        if found == self.checks:
            return ()
        until_ms = seen_until_ms(newest_ms())
        for version in ring.versions[len(self.checks) :]:
            from_ms = ring.from_ms(version)
            if from_ms < until_ms:
                raise SettingsError(
                    f"version {version} of the key ring is in force from {format_ms(from_ms)}, and the privacy stage has seen events of "
                    f"up to {format_ms(until_ms)}: nothing was masked with it, so take its line out of {self._key_file}, "
                    "and add a version with a later time by `veilocity keys rotate`"
                )
        return found

    def _ring(self) -> tuple[KeyRing, tuple[str, ...]]:
        ring = KeyRing.from_file(self._key_file)
        return ring, key_checks(ring)

    def _must_extend(self, found: tuple[str, ...]) -> None:
        if found[: len(self.checks)] != self.checks:
            raise SettingsError(
                "the privacy stage began with another key ring: put that file back, as versions may be added but none changed or taken out"
            )

    def _write(self, checks: tuple[str, ...]) -> None:
        write_whole(self._path, msgspec.msgpack.encode(_Record(checks)))


def seen_until_ms(newest_ms: int) -> int:
    """Return a time that no event the stage has seen has reached.

    Args:
        newest_ms: `Progress.event_ms`, which is cut to the minute; 0 where the stage has seen none.

    >>> seen_until_ms(1_795_348_800_000), seen_until_ms(0)
    (1795348860000, 0)
    """
    return newest_ms + MINUTE_MS if newest_ms else 0


def versions_in_force(directory: Path) -> tuple[str, ...]:
    """Return the check values of the versions that the stage in a folder masks with; none where it has not begun.

    Raises:
        StateError: the record is damaged.
    """
    path = directory / RECORD
    return read_whole(path, _Record).checks if path.exists() else ()
