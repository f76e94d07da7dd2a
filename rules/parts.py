"""How a subject's state is written down: in parts, so that one event rewrites little.

A state is a head, its pages of history (32 slots of event time each) and its transaction ids. One event changes the head, at most one
page, and the ids if it is a transaction. A part is a version byte and MessagePack; the same state gives the same bytes. A newer version is
refused, never guessed at.

Forgetting rewrites nothing: a page that holds forgotten entries is read back, and what lies before the horizon is forgotten again. Only a
page that has nothing left is deleted.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import TypeVar

import msgspec

from rules.entries import Entry
from rules.history import horizon_ns, older_than, shorten
from rules.parameters import EngineParameters
from rules.state import MAX_DEVICES, MAX_IDS, MAX_PAYMENTS, MAX_REPLACED, NEVER_NS, OpenAlert, SubjectState
from veilocity.errors import StateError

__all__ = ["HEAD", "IDS", "STATE_VERSION", "Parts", "all_parts", "changed_parts", "join", "page_of", "state_bound_bytes"]

STATE_VERSION = 1
HEAD = b"h" + bytes(8)
IDS = b"i" + bytes(8)
_PAGE_SLOTS = 32

Parts = dict[bytes, bytes]
"""Written parts by name; every name is nine bytes long."""

_T = TypeVar("_T")


class _Head(msgspec.Struct, array_like=True):
    newest_ns: int
    floor_ns: int
    devices: list[str]
    carried: dict[str, int]
    alerts: dict[str, OpenAlert]


_encoder = msgspec.msgpack.Encoder()
_head_decoder = msgspec.msgpack.Decoder(_Head)
_page_decoder = msgspec.msgpack.Decoder(list[Entry])
_ids_decoder = msgspec.msgpack.Decoder(list[int])
_VERSION = bytes((STATE_VERSION,))


def page_of(event_ns: int, parameters: EngineParameters) -> bytes:
    """Return the name of the page that holds this moment; names sort as their times do."""
    return b"p" + (event_ns // (parameters.slot_ns * _PAGE_SLOTS)).to_bytes(8, "big")


def changed_parts(
    state: SubjectState,
    pages: Collection[bytes],
    ids: bool,
    written: Collection[bytes],
    parameters: EngineParameters,
) -> Iterator[tuple[bytes, bytes | None]]:
    """Yield the parts to write, in a fixed order; None deletes a part.

    Args:
        state: as it is now.
        pages: in which an entry was placed or replaced.
        ids: whether a transaction was remembered.
        written: the parts that exist.
        parameters: for the length of a page.
    """
    yield HEAD, _encode(_Head(state.newest_ns, state.floor_ns, state.devices, state.carried, state.alerts))
    if ids:
        yield IDS, _encode(state.ids)
    oldest = page_of(state.history[0].event_ns, parameters) if state.history else b"q"
    page_ns = parameters.slot_ns * _PAGE_SLOTS
    for page in sorted(pages):
        if page < oldest:
            continue
        start_ns = int.from_bytes(page[1:], "big") * page_ns
        entries = state.history[older_than(state, start_ns) : older_than(state, start_ns + page_ns)]
        if entries:
            yield page, _encode(entries)
    for part in sorted(written):
        if part.startswith(b"p") and part < oldest:
            yield part, None


def all_parts(state: SubjectState, parameters: EngineParameters) -> Parts:
    """Return the whole state in parts."""
    pages = {page_of(entry.event_ns, parameters) for entry in state.history}
    return {name: data for name, data in changed_parts(state, pages, True, (), parameters) if data is not None}


def join(parts: Mapping[bytes, bytes], parameters: EngineParameters) -> SubjectState:
    """Put a state together again.

    Raises:
        StateError: a part was written by a newer version, is damaged or missing.
    """
    if HEAD not in parts:
        if parts:
            raise StateError("rules-state lacks the head of a state: restore the topic, or delete it and replay the input topics")
        return SubjectState()
    head = _decode(parts[HEAD], _head_decoder)
    state = SubjectState(
        newest_ns=head.newest_ns,
        floor_ns=head.floor_ns,
        devices=head.devices,
        carried=head.carried,
        alerts=head.alerts,
        ids=_decode(parts[IDS], _ids_decoder) if IDS in parts else [],
    )
    for part in sorted(parts):
        if part.startswith(b"p"):
            page: list[Entry] = _decode(parts[part], _page_decoder)
            state.history += page
    if state.newest_ns != NEVER_NS:
        shorten(state, horizon_ns(state, state.newest_ns, parameters))
    return state


def _encode(value: object) -> bytes:
    return _VERSION + _encoder.encode(value)


def _decode(data: bytes, decoder: msgspec.msgpack.Decoder[_T]) -> _T:
    version = data[0] if data else 0
    if version > STATE_VERSION:
        raise StateError(f"rules-state has version {version}, this program reads up to {STATE_VERSION}: upgrade the rules service")
    try:
        if version == STATE_VERSION:
            return decoder.decode(memoryview(data)[1:])
    except msgspec.MsgspecError as cause:
        raise StateError("rules-state holds a damaged record: restore the topic, or delete it and replay the input topics") from cause
    raise StateError("rules-state holds a record without a version: check which program writes this topic")


def state_bound_bytes(parameters: EngineParameters, longest_id_bytes: int) -> int:
    """Return the most bytes that the written state of one subject can take.

    entries x (entry + id) + open alerts x (3 entries with ids + episode) + devices x id + ids x hash, where the entries are the slots of
    the history and of the pages it begins in, `MAX_PAYMENTS` payments and the two neighbours before the horizon. An open alert has an
    entry of its own or is one of `MAX_REPLACED`.

    Args:
        parameters: horizon and slot length.
        longest_id_bytes: length of the longest device or transaction id in UTF-8.
    """
    head, entry, digest, episode = 256, 40 + longest_id_bytes, 9, 128
    slots = parameters.history_ns // parameters.slot_ns + 2 + 2 * _PAGE_SLOTS
    entries = slots + 2 * MAX_PAYMENTS + 2
    devices = (MAX_DEVICES + entries) * (longest_id_bytes + 5)
    return head + entries * entry + (entries + MAX_REPLACED) * (3 * entry + episode) + devices + MAX_IDS * digest
