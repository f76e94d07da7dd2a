"""`veilocity keys`: makes the key ring, adds a version to it, and says which versions there are; no key is ever printed."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from veilocity.cli.doctor import in_force
from veilocity.cli.start import prepare
from veilocity.errors import InvalidInputError, SettingsError, StateError, StoreUnavailableError
from veilocity.eventtime import format_ms, ns_from_iso
from veilocity.settings import Settings

if TYPE_CHECKING:
    from privacy.identifiers.keyring import KeyRing

__all__ = ["LEAD_MS", "Status", "Version", "app"]

LEAD_MS = 600_000
"""How far ahead of the newest event a version must begin: the stage may be masking records that nothing tells of yet."""
_NS_PER_MS = 1_000_000

_File = Annotated[Path | None, typer.Option("--file", help="The key ring; by default that of the settings.")]
app = typer.Typer(rich_markup_mode=None, no_args_is_help=True, help="Make the key ring, add a version to it, say which there are.")


class Version(msgspec.Struct, frozen=True):
    """One version of the ring."""

    version: int
    in_force_from: str
    """Event time (ISO 8601), or `always`."""
    check: str
    """Eight hexadecimal digits that differ for another key or time, and tell nothing of the key."""
    taken_up: bool
    """Whether the privacy stage of these settings masks with it."""


class Status(msgspec.Struct, frozen=True):
    """What there is to know of a ring without its keys."""

    file: str
    versions: tuple[Version, ...]
    """Oldest first."""


@app.command()
def status(
    file: _File = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON for a program.")] = False,
) -> None:
    """Say which versions the key ring has and from when they are in force; exit code 2 where there is no ring."""
    settings = in_force(prepare("keys"))
    path = file or settings.token_key_file
    found = _status(settings, path)
    if json:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(found)).decode() + "\n")
        return
    table = Table("version", "in force from", "check value", "taken up", title=f"Key ring {path}", title_justify="left")
    for one in found.versions:
        table.add_row(str(one.version), one.in_force_from, one.check, "yes" if one.taken_up else "no")
    Console(width=max(100, len(str(path)) + 10)).print(table)


@app.command()
def new(file: _File = None) -> None:
    """Make a first key ring; a file that is there stays as it is."""
    from privacy.identifiers.keyring import KeyRing  # noqa: PLC0415  # a room, imported when needed

    settings = in_force(prepare("keys"))
    path = file or settings.token_key_file
    if any((settings.privacy_dir / "ledger").glob("*.entry")):
        raise SettingsError(
            f"a privacy stage works in {settings.privacy_dir} and has its ring: put that back from its backup; to change it, rotate it"
        )
    try:
        KeyRing.generate(path)
    except FileExistsError:
        raise SettingsError(f"there is a key ring at {path}: it stays as it is; `veilocity keys rotate` adds a version to it") from None
    except OSError as cause:
        raise _unwritable(path, cause) from cause
    typer.echo(f"Made a key ring at {path}. Keep a copy apart from the stores: without it no token can be made again.")


@app.command()
def rotate(
    from_time: Annotated[str, typer.Option("--from", help="Event time from which the new version is in force (ISO 8601 with its zone).")],
    file: _File = None,
) -> None:
    """Add a version to the key ring; refused for a time that an event may have reached."""
    from privacy.identifiers.keyring import KeyRing  # noqa: PLC0415  # a room, imported when needed

    settings = in_force(prepare("keys"))
    path = file or settings.token_key_file
    now_ms = time.time_ns() // _NS_PER_MS
    from_ms = _event_ms(from_time)
    reached_ms = _reached_ms(settings, now_ms)
    if from_ms < reached_ms + LEAD_MS:
        raise SettingsError(
            f"{format_ms(from_ms)} is too early: events may have reached {format_ms(reached_ms)}, and what was masked by an older version "
            f"keeps its tokens; choose {format_ms(reached_ms + LEAD_MS)} or later"
        )
    try:
        ring = KeyRing.rotated(path, from_ms)
    except FileExistsError:
        raise StateError(
            f"{path}.new is there: another rotation runs, or one was cut off. If none runs, delete that file and repeat this"
        ) from None
    except OSError as cause:
        raise _unwritable(path, cause) from cause
    _tell(settings, ring, path, from_ms, now_ms)


def _tell(settings: Settings, ring: KeyRing, path: Path, from_ms: int, now_ms: int) -> None:
    typer.echo(f"Version {ring.versions[-1]} of {path} is in force from {format_ms(from_ms)}; the older versions stay.")
    period_ms = _period_ms(settings)
    if period_ms:
        starts_ms = -(-from_ms // period_ms) * period_ms
        typer.echo(f"People have tokens of it from the period that begins at {format_ms(starts_ms)}; sealed evidence names it at once.")
    if from_ms <= now_ms:
        typer.echo(
            "By the clock on the wall that time has passed: if newer events are on their way, the privacy stage refuses the version."
        )
    typer.echo(
        "A privacy stage that runs takes it up with its next micro-batch, if it and its executors see this very file. Where they read a "
        "copy or a container's mount, replace it and restart the executors, then the stage, before that time. Back the ring up."
    )


def _status(settings: Settings, path: Path) -> Status:
    from privacy.identifiers.keyring import ALWAYS_MS, KeyRing  # noqa: PLC0415  # a room, imported when needed
    from privacy.policy import key_checks  # noqa: PLC0415  # as above
    from privacy.rotation import versions_in_force  # noqa: PLC0415  # as above

    ring = KeyRing.from_file(path)
    used = versions_in_force(settings.privacy_dir)
    versions = []
    for place, (number, check) in enumerate(zip(ring.versions, key_checks(ring), strict=True)):
        from_ms = ring.from_ms(number)
        begins = "always" if from_ms == ALWAYS_MS else format_ms(from_ms)
        versions.append(Version(number, begins, check, taken_up=used[place : place + 1] == (check,)))
    return Status(str(path), tuple(versions))


def _unwritable(path: Path, cause: OSError) -> SettingsError:
    return SettingsError(f"nothing can be written beside {path} ({type(cause).__name__}): run this as its owner, where it is not read-only")


def _event_ms(text: str) -> int:
    try:
        time_ms, rest = divmod(ns_from_iso(text), _NS_PER_MS)
    except InvalidInputError:
        rest = 1
    if rest:
        raise SettingsError("--from needs a time in whole milliseconds with its zone, such as 2026-11-29T00:00:00Z")
    return time_ms


def _reached_ms(settings: Settings, now_ms: int) -> int:
    """Return the newest time that the stage's events may have: as MongoDB tells it, else that of the wall clock."""
    from privacy.rotation import seen_until_ms  # noqa: PLC0415  # a room, imported when needed
    from storage.queries import Reader  # noqa: PLC0415  # as above

    reader = Reader(settings)
    try:
        progress = reader.progress()
    except StoreUnavailableError:
        typer.echo("MongoDB does not answer, so the newest event is not known: the clock on the wall counts.")
        return now_ms
    finally:
        reader.close()
    return seen_until_ms(progress.event_ms) if progress is not None and progress.event_ms else now_ms


def _period_ms(settings: Settings) -> int:
    from privacy.policy import compiled_policy  # noqa: PLC0415  # a room, imported when needed
    from privacy.tokens import TokenKind  # noqa: PLC0415  # as above

    return compiled_policy(settings).period_ms(TokenKind.SUBJECT) or 0
