"""The notifications file: receivers, routes and how long to try, in YAML; refused with file and field where it is not understood."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from storage.notifications.backoff import Patience
from storage.notifications.receivers import Receiver, ReceiverText, Sources, receiver_of
from storage.notifications.rules import Channel, Route, duration_ms
from veilocity.errors import SettingsError
from veilocity.yamltext import parse

__all__ = ["Delivery", "Notifications", "notifications_of", "read_notifications"]

_NAME = re.compile(r"[a-z][a-z0-9-]{0,39}")
"""Names are in logs, metrics and the store, so they must not be able to hold an address."""


class _DeliveryText(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    first_delay: str = "5s"
    longest_delay: str = "1h"
    give_up_after: str = "3d"
    claim: str = "90s"
    keep: str = "30d"


class _FileText(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    dashboard_url: str
    receivers: dict[str, ReceiverText]
    routes: tuple[Route, ...]
    delivery: _DeliveryText = _DeliveryText()


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """How messages are tried."""

    patience: Patience
    claim_ms: int
    """For so long a message belongs to the process that took it; if that is killed, another takes it afterwards."""
    keep_ms: int
    """For so long a message that ended is remembered."""


class Notifications(msgspec.Struct, frozen=True, kw_only=True):
    """A file in force. It holds secrets: never print it."""

    dashboard_url: str
    receivers: dict[str, Receiver]
    routes: tuple[Route, ...]
    channels: dict[str, Channel]
    """By id."""
    delivery: Delivery


def read_notifications(path: Path, environment: Mapping[str, str]) -> Notifications:
    """Read a file and the secrets that it names.

    Args:
        path: of the file; relative paths in it begin at its folder.
        environment: where variables are that it names.

    Raises:
        SettingsError: it cannot be read or is not understood; names file and field, never a secret.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as cause:
        message = f"{path.name}: the file cannot be read ({type(cause).__name__}): name one by VEILOCITY_NOTIFICATIONS_FILE"
        raise SettingsError(message) from cause
    return notifications_of(text, path.name, Sources(path.parent, environment))


def notifications_of(text: str, name: str, sources: Sources) -> Notifications:
    """Return the file that a text is.

    Raises:
        SettingsError: as `read_notifications`.
    """
    data = parse(text, name)
    try:
        file = msgspec.convert(data, _FileText)
    except msgspec.ValidationError as cause:
        # The message ends with where it is, as a path from `$`.
        fault, _, place = str(cause).partition(" - at `$")
        where = place.rstrip("`").lstrip(".")
        raise SettingsError(f"{name}: {where}: {fault}" if where else f"{name}: {fault}") from cause
    try:
        return _in_force(file, sources)
    except SettingsError as cause:
        raise SettingsError(f"{name}: {cause}") from cause


def _in_force(file: _FileText, sources: Sources) -> Notifications:
    _refuse_names(file)
    url = urlsplit(file.dashboard_url)
    if url.scheme not in ("http", "https") or not url.hostname or url.query or url.fragment or "@" in url.netloc:
        raise SettingsError("dashboard_url: write http(s)://HOST, as people reach the dashboard")
    channels = [
        Channel(route.name, receiver, tuple(route.group_by), route.timing()) for route in file.routes for receiver in route.receivers
    ]
    receivers = {name: receiver_of(name, text, sources) for name, text in file.receivers.items()}
    delivery = _delivery(file.delivery)
    slowest_ms = max((int(receiver.timeout_s * 1_000) for receiver in receivers.values()), default=0)
    if delivery.claim_ms <= slowest_ms:
        raise SettingsError("delivery, claim: longer than every timeout, or a message is sent while it is still being sent")
    longest_ms = max((channel.timing.interval_ms for channel in channels), default=0)
    if delivery.keep_ms < longest_ms:
        raise SettingsError("delivery, keep: at least every group_interval")
    return Notifications(
        dashboard_url=file.dashboard_url.rstrip("/"),
        receivers=receivers,
        routes=file.routes,
        channels={channel.id: channel for channel in channels},
        delivery=delivery,
    )


def _refuse_names(file: _FileText) -> None:
    if not file.routes:
        raise SettingsError("routes: without one nobody is told anything")
    names = [route.name for route in file.routes]
    for name in (*file.receivers, *names):
        if not _NAME.fullmatch(name):
            raise SettingsError("a name has up to 40 small letters, digits and dashes, a letter first")
    if len(set(names)) < len(names):
        raise SettingsError("routes: two have one name")
    for route in file.routes:
        unknown = [receiver for receiver in route.receivers if receiver not in file.receivers]
        if unknown or not route.receivers:
            there = ", ".join(file.receivers) or "none"
            raise SettingsError(f"routes, {route.name}: receivers: name some that are there ({there})")


def _delivery(text: _DeliveryText) -> Delivery:
    values = {}
    for field in text.__struct_fields__:
        try:
            values[field] = duration_ms(getattr(text, field))
        except SettingsError as cause:
            raise SettingsError(f"delivery, {field}: {cause}") from None
    patience = Patience(first_ms=values["first_delay"], longest_ms=values["longest_delay"], give_up_ms=values["give_up_after"])
    if not 0 < patience.first_ms <= patience.longest_ms:
        raise SettingsError("delivery, first_delay: more than 0, at most longest_delay")
    return Delivery(patience=patience, claim_ms=values["claim"], keep_ms=values["keep"])
