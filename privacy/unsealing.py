"""Sealed evidence opened again: the exact alert that a masked one in MongoDB was made from.

`unmask` is the one door: it demands a name, a role and a reason, and nothing is shown before the log of unmaskings (`storage.unmaskings`)
has it. Whoever opens it must hold the key ring and reach both databases of MongoDB, that of documents and that of people's keys. Evidence
is neither logged nor kept. Who has the ring and the databases can of course do without the door; the log binds those who come through it.
"""

from __future__ import annotations

from base64 import b64decode

from pymongo.database import Database

from privacy.identifiers.keyring import KeyRing
from privacy.identifiers.sealing import Sealer
from storage.cases.texts import LONGEST_REASON, checked_text
from storage.kinds import ALERTS, Document
from storage.mongo import connect, translated
from storage.roles import Actor, Role, require
from storage.unmaskings import Outcome, UnmaskingLog
from storage.vault import SubjectKeys
from veilocity.contracts import Alert, decode
from veilocity.errors import ErasedError, ForbiddenError, InvalidInputError, RejectReason, StoreUnavailableError, VeilocityError
from veilocity.settings import Settings

__all__ = ["EVIDENCE", "unmask"]

EVIDENCE = "alert.evidence"
"""Where in a document evidence is sealed, as the policy names it; a sealed text opens nowhere else."""
_ANSWER_MS = 10_000


def unmask(settings: Settings, alert_id: str, actor: Actor, reason: str, written_ms: int) -> Alert:
    """Return the exact alert behind a masked one, after recording who asked, why, and what came of it.

    Args:
        settings: where MongoDB and the key ring are.
        alert_id: id of the masked alert in MongoDB.
        actor: who asks; needs the role `unmask`.
        reason: why, 1 to 200 characters; it is recorded, so it must not name anybody.
        written_ms: wall clock.

    Raises:
        ForbiddenError: the role does not allow it; recorded.
        InvalidInputError: there is no such alert, recorded without its id; or a reason is missing or not allowed, not recorded.
        ErasedError: the person is forgotten, or no evidence was sealed; recorded.
        KeyMissingError: the key ring, or the person's key, is not where it must be; recorded.
        StateError: the sealed text was changed, or belongs to another document; recorded.
        StoreUnavailableError: MongoDB does not answer; nothing is shown.
    """
    told = checked_text(reason, "the reason", LONGEST_REASON)
    if not told:
        raise InvalidInputError(RejectReason.INVALID_FIELD, "opening sealed evidence needs a reason: say why")
    client = connect(settings, socket_timeout_ms=_ANSWER_MS)
    try:
        database: Database[Document] = client[settings.mongodb_database]
        log = UnmaskingLog(database)
        found = _masked(database, alert_id)
        about = None if found is None else (alert_id, str(found["subject"]), told)
        try:
            require(actor, Role.UNMASK, "opening sealed evidence")
            evidence = _opened(settings, alert_id, found)
        except StoreUnavailableError:
            raise
        except VeilocityError as cause:
            log.record(actor, Outcome.MISSING if found is None else _outcome(cause), written_ms, about)
            raise
        log.record(actor, Outcome.OPENED, written_ms, about)
        if about is not None and _masked(database, alert_id) is None:
            # Forgetting deletes alerts first, then empties the log: this record may have come too late for that.
            log.forget([about[1]])
            raise ErasedError("the person of this alert was forgotten at this moment: nothing is shown")
        return evidence
    finally:
        client.close()


def unseal(settings: Settings, alert_id: str) -> Alert:
    """Return the exact alert without asking or telling anybody: for `unmask` and for tests, never for people.

    Raises:
        InvalidInputError: there is no such alert.
        ErasedError: the person is forgotten, or no evidence was sealed.
        KeyMissingError: the key ring, or the person's key, is not where it must be.
        StateError: the sealed text was changed, or belongs to another document.
        StoreUnavailableError: MongoDB does not answer.
    """
    client = connect(settings, socket_timeout_ms=_ANSWER_MS)
    try:
        found = _masked(client[settings.mongodb_database], alert_id)
    finally:
        client.close()
    return _opened(settings, alert_id, found)


def _masked(database: Database[Document], alert_id: str) -> Document | None:
    with translated():
        return database[ALERTS.name].find_one({"_id": alert_id}, {"sealed": 1, "subject": 1})


def _opened(settings: Settings, alert_id: str, document: Document | None) -> Alert:
    ring = KeyRing.from_file(settings.token_key_file)
    if document is None:
        raise InvalidInputError(RejectReason.INVALID_FIELD, "there is no such alert: copy its id from the page or from MongoDB")
    if not document.get("sealed"):
        raise ErasedError("the alert has no sealed evidence: its person was forgotten before, or the policy seals none")
    keys = SubjectKeys(settings)
    try:
        return decode(Sealer(ring, keys).open_sealed(b64decode(str(document["sealed"])), alert_id, EVIDENCE), Alert)
    finally:
        keys.close()


def _outcome(cause: VeilocityError) -> Outcome:
    if isinstance(cause, ForbiddenError):
        return Outcome.REFUSED
    return Outcome.ERASED if isinstance(cause, ErasedError) else Outcome.FAILED
