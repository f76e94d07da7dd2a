"""Messages in MongoDB: each is inserted once under a deterministic id, taken by one process at a time, and ends sent or dead.

What a kill at any moment leaves behind:

- before the insert: cases that name the message; `cases` makes it again, under the same id;
- after the insert: a pending message, which somebody takes when it is due;
- after it was taken, before the receiver had it or before it was marked: a pending message that is due again when the claim ends, and that
  is sent again with the same id and the same body, so a receiver that knows ids sees it once.

Every method raises `StoreUnavailableError` when MongoDB does not answer, and may be repeated.
"""

from __future__ import annotations

from collections.abc import Sequence

from pymongo import ASCENDING, DESCENDING, ReturnDocument
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError

from storage.kinds import Document, from_document, to_document
from storage.mongo import translated, writing
from storage.notifications.documents import MESSAGES, Message, MessageKind, MessageState, Part

__all__ = ["FORGOTTEN", "Outbox"]

FORGOTTEN = "the person was forgotten before it was sent"
_ENDED = (MessageState.SENT.value, MessageState.DEAD.value)


class Outbox:
    """The messages of one database."""

    def __init__(self, database: Database[Document]) -> None:
        """Take the database; `ensure_notifications` has made the collection."""
        self._messages = database[MESSAGES.name]

    def put(self, message: Message) -> None:
        """Insert a message; one of that id that is there already holds."""
        with writing():
            try:
                self._messages.insert_one(to_document(MESSAGES, message))
            except DuplicateKeyError:
                pass

    def made(self, identity: str) -> tuple[int, frozenset[Part]] | None:
        """Return when a message was made and of which cases that may not know yet; None if it was not made."""
        with translated():
            found = self._messages.find_one({"_id": identity}, {"made_ms": 1, "parts": 1})
        return None if found is None else (int(found["made_ms"]), frozenset(Part(one["case"], one["generation"]) for one in found["parts"]))

    def settled(self, identity: str) -> None:
        """Note that all cases of a message know that it was made."""
        with writing():
            self._messages.update_one({"_id": identity}, {"$set": {"parts": []}})

    def recent(self, channel: str, since_ms: int, most: int) -> tuple[list[int], int]:
        """Return when a channel's messages of single cases were made, newest first, at most `most`, and its last message of a storm.

        Args:
            channel: its id.
            since_ms: messages of after this time.
            most: how many of single cases matter.
        """
        asked = {"channel": channel, "made_ms": {"$gt": since_ms}}
        with translated():
            found = list(self._messages.find(asked, {"made_ms": 1, "kind": 1}).sort("made_ms", DESCENDING).limit(most + 1))
        storms = [one["made_ms"] for one in found if one["kind"] == MessageKind.STORM.value]
        return [one["made_ms"] for one in found if one["kind"] != MessageKind.STORM.value][:most], max(storms, default=0)

    def claim(self, receiver: str, now_ms: int, claim_ms: int) -> Message | None:
        """Take the message of a receiver that has been due for longest; it is nobody else's for `claim_ms`. None if none is due."""
        asked = {"receiver": receiver, "state": MessageState.PENDING.value, "due_ms": {"$lte": now_ms}}
        change: Document = {"$set": {"due_ms": now_ms + claim_ms}, "$inc": {"attempts": 1}}
        with writing():
            found = self._messages.find_one_and_update(asked, change, sort=[("due_ms", ASCENDING)], return_document=ReturnDocument.AFTER)
        return None if found is None else from_document(MESSAGES, found)

    def sent(self, message: Message, now_ms: int, keep_ms: int) -> None:
        """Note that the receiver has a message; what it told of people is dropped."""
        ended: Document = {"state": MessageState.SENT.value, "ended_ms": now_ms, "due_ms": now_ms + keep_ms, "lines": [], "reason": ""}
        with writing():
            # Whatever another process made of it meanwhile: the receiver has it.
            self._messages.update_one({"_id": message.id, "state": {"$ne": MessageState.SENT.value}}, {"$set": ended})

    def retry(self, message: Message, due_ms: int, reason: str) -> None:
        """Note a failed attempt and when the next is due, unless another process has taken the message meanwhile."""
        self._change(message, {"due_ms": due_ms, "reason": reason})

    def bury(self, message: Message, now_ms: int, keep_ms: int, reason: str) -> None:
        """Give a message up, unless another process has taken it meanwhile."""
        ended = {"state": MessageState.DEAD.value, "ended_ms": now_ms, "due_ms": now_ms + keep_ms, "reason": reason}
        self._change(message, ended)

    def count_pending(self, receivers: Sequence[str]) -> dict[str, int]:
        """Return how many messages wait for each receiver."""
        with translated():
            return {
                receiver: self._messages.count_documents({"receiver": receiver, "state": MessageState.PENDING.value})
                for receiver in receivers
            }

    def clean(self, now_ms: int) -> int:
        """Delete messages that ended long enough ago; return how many."""
        with writing():
            # One by one: some servers read the whole collection for both at once.
            return sum(self._messages.delete_many({"state": state, "due_ms": {"$lte": now_ms}}).deleted_count for state in _ENDED)

    def forget(self, alerts: Sequence[str], now_ms: int) -> int:
        """Take alerts of a forgotten person out of messages; return from how many. A message about nothing else is given up."""
        asked = {"lines.id": {"$in": list(alerts)}}
        with writing():
            changed = self._messages.update_many(asked, {"$pull": {"lines": {"id": {"$in": list(alerts)}}}}).modified_count
            nothing_left = {"state": MessageState.PENDING.value, "lines": [], "kind": {"$ne": MessageKind.STORM.value}}
            ended = {"state": MessageState.DEAD.value, "ended_ms": now_ms, "reason": FORGOTTEN}
            self._messages.update_many(nothing_left, {"$set": ended})
        return changed

    def _change(self, message: Message, fields: Document) -> None:
        mine = {"_id": message.id, "state": MessageState.PENDING.value, "attempts": message.attempts}
        with writing():
            self._messages.update_one(mine, {"$set": fields})
