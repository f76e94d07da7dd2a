"""`veilocity sinks postgres`: runs the sink of the sensor history; `veilocity sinks postgres-history` asks it and forgets a person."""

from __future__ import annotations

import base64
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from veilocity.cli.doctor import in_force
from veilocity.cli.start import prepare
from veilocity.errors import SettingsError
from veilocity.eventtime import format_ms, ms_from_ns, ns_from_iso

if TYPE_CHECKING:
    from privacy.history.names import Names
    from storage.postgres.queries import Key
    from storage.postgres.readings import Reading
    from veilocity.postgres import Connection

__all__ = ["history", "postgres"]

_STDIN = "-"
_DAY_NS = 86_400_000_000_000
_Subject = Annotated[
    str | None, typer.Option(help="One person, as the directory names one; `-` reads it from standard input. By default all.")
]
_Device = Annotated[str | None, typer.Option(help="One device, as it names itself. By default all.")]
_Rows = Annotated[int, typer.Option(min=1, max=1_000_000, help="Most readings.")]
_From = Annotated[str | None, typer.Option("--from", help="First moment (ISO 8601); by default a day before the end.")]
_Until = Annotated[str | None, typer.Option(help="End (ISO 8601), itself not inside; by default now.")]
history = typer.Typer(rich_markup_mode=None, no_args_is_help=True, help="Ask the sensor history, as JSON lines; forget a person in it.")


def postgres() -> None:
    """Run the sink that writes every fix into the sensor history of VEILOCITY_POSTGRES_DSN."""
    from privacy.history import service  # noqa: PLC0415  # a room, imported when needed

    service.run(in_force(prepare("sinks-postgres")))


@history.command("latest")
def latest_readings(
    subject: _Subject = None,
    device: _Device = None,
    rows: _Rows = 1000,
    after: Annotated[str | None, typer.Option(help="Go on after this pseudonym of a device.")] = None,
) -> None:
    """Print the newest reading of each device."""
    with _opened() as (connection, names):
        from storage.postgres.queries import latest  # noqa: PLC0415  # a room, imported when needed

        who, what = _pseudonyms(names, subject, device)
        for reading in latest(connection, who, device=what, rows=rows, after=after):
            sys.stdout.write(_line(reading))


@history.command("range")
def readings_between(
    from_time: _From = None,
    until: _Until = None,
    subject: _Subject = None,
    device: _Device = None,
    rows: Annotated[int | None, typer.Option(min=1, max=1_000_000, help="Size of a page; without it, all in one snapshot.")] = None,
    after: Annotated[str | None, typer.Option(help="What the page before said on standard error.")] = None,
) -> None:
    """Print the readings of a time range, oldest first; with --rows one page, and the next page's --after on standard error."""
    from_ns, until_ns = _span(from_time, until)
    with _opened() as (connection, names):
        from storage.postgres.queries import page, walk  # noqa: PLC0415  # a room, imported when needed

        who, what = _pseudonyms(names, subject, device)
        if rows is None:
            for reading in walk(connection, from_ns, until_ns, subject=who, device=what):
                sys.stdout.write(_line(reading))
            return
        found = page(connection, from_ns, until_ns, subject=who, device=what, rows=rows, after=_key(after))
        for reading in found.readings:
            sys.stdout.write(_line(reading))
        if found.after is not None:
            typer.echo(base64.urlsafe_b64encode(msgspec.msgpack.encode(found.after)).decode(), err=True)


@history.command("averages")
def mean_place(from_time: _From = None, until: _Until = None, subject: _Subject = None, device: _Device = None) -> None:
    """Print mean latitude, longitude and altitude of a time range."""
    from_ns, until_ns = _span(from_time, until)
    with _opened() as (connection, names):
        from storage.postgres.queries import averages  # noqa: PLC0415  # a room, imported when needed

        who, what = _pseudonyms(names, subject, device)
        found = averages(connection, from_ns, until_ns, subject=who, device=what)
        sys.stdout.write(msgspec.json.encode(found._asdict()).decode() + "\n")


@history.command("forget")
def forget_person(subject: Annotated[str, typer.Argument(help="The person; `-` reads it from standard input.")]) -> None:
    """Erase a person from the sensor history alone; `veilocity privacy forget` does so too."""
    from privacy.history.erasure import forget  # noqa: PLC0415  # a room, imported when needed

    person = _given(subject)
    if not person:
        raise SettingsError("nobody was named: give the person as an argument, or - and the person on standard input")
    erased = forget(in_force(prepare("sinks-postgres")), person)
    typer.echo(f"Readings of the sensor history: {erased:,} erased.")


@contextmanager
def _opened() -> Iterator[tuple[Connection, Names]]:
    from privacy.history.names import Names  # noqa: PLC0415  # a room, imported when needed
    from privacy.identifiers.keyring import KeyRing  # noqa: PLC0415  # a room, imported when needed
    from storage.postgres.schema import prepare as prepare_tables  # noqa: PLC0415  # a room, imported when needed
    from veilocity.postgres import connect  # noqa: PLC0415  # needs the extra

    settings = in_force(prepare("sinks-postgres"))
    names = Names(KeyRing.from_file(settings.token_key_file))
    connection = connect(settings.postgres_dsn.get_secret_value(), "veilocity history")
    try:
        prepare_tables(connection, settings.history_keep_days)
        yield connection, names
    finally:
        connection.close()


def _given(text: str | None) -> str | None:
    # An argument is in the shell's history and in the list of processes; standard input is in neither.
    return sys.stdin.readline().strip() if text == _STDIN else text


def _pseudonyms(names: Names, subject: str | None, device: str | None) -> tuple[str | None, str | None]:
    person, thing = _given(subject), _given(device)
    return names.subject(person) if person else None, names.device(thing) if thing else None


def _span(from_time: str | None, until: str | None) -> tuple[int, int]:
    until_ns = time.time_ns() if until is None else ns_from_iso(until)
    return until_ns - _DAY_NS if from_time is None else ns_from_iso(from_time), until_ns


def _key(text: str | None) -> Key | None:
    if text is None:
        return None
    try:
        return msgspec.msgpack.decode(base64.urlsafe_b64decode(text), type=tuple[int, str, float, float])
    except (msgspec.MsgspecError, ValueError) as cause:
        raise SettingsError("--after is not what the page before said: copy it from its standard error") from cause


def _line(reading: Reading) -> str:
    shown = {"event_time": format_ms(ms_from_ns(reading.event_ns)), **reading._asdict()}
    return msgspec.json.encode(shown).decode() + "\n"
