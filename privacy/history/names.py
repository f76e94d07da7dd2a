"""Pseudonyms of the sensor history. Pure, but for reading the key ring.

They are those of a store of its own, so nobody can join the history with MongoDB or Elasticsearch without the ring. They do not change
with the time: a history of days is asked by person, and its exact places would link a person's pseudonyms anyway.
"""

from __future__ import annotations

from privacy.identifiers.keyring import KeyRing
from privacy.identifiers.pseudonyms import Pseudonymiser
from privacy.tokens import TokenKind
from storage.postgres.readings import Reading
from veilocity.contracts import Fix

__all__ = ["SINK", "Names"]

SINK = "history"


class Names:
    """Makes the pseudonyms; not for two threads at once.

    >>> names = Names(KeyRing([(1, -(2**63), bytes(range(32)))]))
    >>> names.subject("anna") == names.subject("anna") != names.device("anna")
    True
    """

    def __init__(self, ring: KeyRing) -> None:
        """Take the ring; its oldest version makes all of them, so that a rotation splits nobody's history."""
        self._pseudonyms = Pseudonymiser(ring, SINK, 0)
        self._always_ms = ring.from_ms(ring.versions[0])

    def subject(self, identifier: str) -> str:
        """Return the pseudonym of a person: 32 hexadecimal digits."""
        return self._pseudonyms.token(TokenKind.SUBJECT, identifier, self._always_ms)

    def device(self, identifier: str) -> str:
        """Return the pseudonym of a device: 32 hexadecimal digits."""
        return self._pseudonyms.token(TokenKind.DEVICE, identifier, self._always_ms)

    def readings(self, fixes: list[Fix]) -> list[Reading]:
        """Return fixes as rows of the history, one for one."""
        subjects = self._pseudonyms.tokens(TokenKind.SUBJECT, [fix.subject for fix in fixes], self._always_ms)
        devices = self._pseudonyms.tokens(TokenKind.DEVICE, [fix.device for fix in fixes], self._always_ms)
        return [
            Reading(
                subject or "",
                device or "",
                fix.fix_ns,
                fix.lat,
                fix.lon,
                fix.altitude_m,
                fix.speed_mps,
                fix.bearing_deg,
                fix.accuracy_m,
                fix.source,
            )
            for fix, subject, device in zip(fixes, subjects, devices, strict=True)
        ]
