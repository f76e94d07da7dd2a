"""What is remembered of one subject, and how it is written down.

Bound: see `state_bound_bytes`. Written form: one version byte, then MessagePack. A newer version is refused, never guessed at.
"""

from __future__ import annotations

import msgspec

from rules.entries import Entry
from rules.parameters import EngineParameters
from veilocity.contracts import Episode
from veilocity.errors import StateError

__all__ = [
    "MAX_IDS",
    "MAX_PAYMENTS",
    "NEVER_NS",
    "STATE_VERSION",
    "OpenAlert",
    "SubjectState",
    "decode_state",
    "encode_state",
    "state_bound_bytes",
]

STATE_VERSION = 1
NEVER_NS = -(2**62)
"""Before all time."""
MAX_PAYMENTS = 256
"""Payments with a place that a history holds; more of them shorten it."""
MAX_IDS = 512
"""Transaction ids, as 64-bit hashes, that are remembered to drop repeats."""
MAX_DEVICES = 8
"""Devices in the list before places of forgotten ones are used again."""


class OpenAlert(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An alert that may still be amended or retracted: its newest revision."""

    rule: str
    revision: int
    anchor: Entry
    first: Entry
    second: Entry
    episode: Episode
    retracted: bool = False
    """Kept after a retraction, so that opening it again goes on counting revisions."""


class SubjectState(msgspec.Struct, array_like=True):
    """Everything remembered of one subject."""

    newest_ns: int = NEVER_NS
    """Latest event time seen."""
    floor_ns: int = NEVER_NS
    """The history starts here at the earliest, because it was too full before."""
    devices: list[str] = []
    history: list[Entry] = []
    """In event-time order: all within the horizon, and the two newest before it."""
    carried: dict[str, int] = {}
    """Per rule, what the forgotten past says about the first entry."""
    alerts: dict[str, OpenAlert] = {}
    ids: list[int] = []
    """Hashes of the transactions decided last, oldest first."""


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(SubjectState)
_HEAD = bytes((STATE_VERSION,))


def encode_state(state: SubjectState) -> bytes:
    """Return the written form: the same state gives the same bytes."""
    return _HEAD + _encoder.encode(state)


def decode_state(data: bytes) -> SubjectState:
    """Read a state back.

    Raises:
        StateError: written by a newer version, or damaged.

    >>> decode_state(encode_state(SubjectState(newest_ns=5))).newest_ns
    5
    """
    version = data[0] if data else 0
    if version > STATE_VERSION:
        raise StateError(f"rules-state has version {version}, this program reads up to {STATE_VERSION}: upgrade the rules service")
    try:
        if version != STATE_VERSION:
            raise StateError("rules-state holds a record without a version: check which program writes this topic")
        return _decoder.decode(memoryview(data)[1:])
    except msgspec.MsgspecError as cause:
        raise StateError("rules-state holds a damaged record: restore the topic, or delete it and replay the input topics") from cause


def state_bound_bytes(parameters: EngineParameters, longest_id_bytes: int) -> int:
    """Return the most bytes that the written state of one subject can take.

    slots x fix + payments x (payment + id) + ids x hash + open alerts x (4 entries + episode) + devices x id, where open alerts <= entries.

    Args:
        parameters: horizon and slot length.
        longest_id_bytes: length of the longest device or transaction id in UTF-8.
    """
    head, entry, identifier, digest, episode = 256, 35, longest_id_bytes + 5, 9, 64
    fixes = parameters.history_ns // parameters.slot_ns + 2 + 2
    entries = fixes + MAX_PAYMENTS + 2
    payments = (MAX_PAYMENTS + 2) * identifier
    alerts = entries * (3 * (entry + identifier) + episode + 64)
    devices = (MAX_DEVICES + entries) * identifier
    return head + entries * entry + payments + MAX_IDS * digest + alerts + devices
