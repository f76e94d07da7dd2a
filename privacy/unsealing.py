"""Sealed evidence opened again: the exact alert that a masked one in MongoDB was made from.

Whoever calls this must hold the key ring and reach both databases of MongoDB, that of documents and that of people's keys. Nothing here is
logged, and nothing is kept.
"""

from __future__ import annotations

from base64 import b64decode

from privacy.identifiers.keyring import KeyRing
from privacy.identifiers.sealing import Sealer
from storage.kinds import ALERTS
from storage.mongo import connect, translated
from storage.vault import SubjectKeys
from veilocity.contracts import Alert, decode
from veilocity.errors import ErasedError, InvalidInputError, RejectReason
from veilocity.settings import Settings

__all__ = ["EVIDENCE", "unseal"]

EVIDENCE = "alert.evidence"
"""Where in a document evidence is sealed, as the policy names it; a sealed text opens nowhere else."""
_ANSWER_MS = 10_000


def unseal(settings: Settings, alert_id: str) -> Alert:
    """Return the exact alert behind a masked one.

    Args:
        settings: where MongoDB and the key ring are.
        alert_id: id of the masked alert in MongoDB.

    Raises:
        InvalidInputError: there is no such alert.
        ErasedError: the person is forgotten, or no evidence was sealed.
        KeyMissingError: the key ring, or the person's key, is not where it must be.
        StateError: the sealed text was changed, or belongs to another document.
        StoreUnavailableError: MongoDB does not answer.
    """
    ring = KeyRing.from_file(settings.token_key_file)
    sealed = _sealed(settings, alert_id)
    keys = SubjectKeys(settings)
    try:
        return decode(Sealer(ring, keys).open_sealed(b64decode(sealed), alert_id, EVIDENCE), Alert)
    finally:
        keys.close()


def _sealed(settings: Settings, alert_id: str) -> str:
    client = connect(settings, socket_timeout_ms=_ANSWER_MS)
    try:
        with translated():
            document = client[settings.mongodb_database][ALERTS.name].find_one({"_id": alert_id}, {"sealed": 1})
    finally:
        client.close()
    if document is None:
        raise InvalidInputError(RejectReason.INVALID_FIELD, "there is no such alert: copy its id from the page or from MongoDB")
    if not document.get("sealed"):
        raise ErasedError("the alert has no sealed evidence: its person was forgotten before, or the policy seals none")
    return str(document["sealed"])
