"""`veilocity privacy audit`: reads nothing but the stores, as whoever stole them would, and says whether what was promised holds."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from veilocity.cli.doctor import in_force
from veilocity.cli.start import prepare
from veilocity.errors import SettingsError

if TYPE_CHECKING:
    from privacy.audit import AuditReport

__all__ = ["audit"]

_DAY_MS = 86_400_000


def audit(
    identifiers: Annotated[Path | None, typer.Option(help="File of raw ids, one a line, that must not be anywhere.")] = None,
    period_days: Annotated[
        float | None,
        typer.Option(min=0.0, help="How long a person keeps a pseudonym; by default the policy's.", show_default=False),
    ] = None,
    points: Annotated[int, typer.Option(min=1, help="Places with their hours that the unicity attack knows.")] = 4,
    unicity: Annotated[
        float | None, typer.Option(min=0.0, max=1.0, help="Largest share they may single out; without it, told only.")
    ] = None,
    allow: Annotated[list[str] | None, typer.Option(help="What may stand where, as `transactions.merchant:phone`; repeatable.")] = None,
    keep: Annotated[bool, typer.Option(help="Put the report into MongoDB.")] = True,
    json: Annotated[bool, typer.Option("--json", help="Print JSON for a program.")] = False,
) -> None:
    """Audit both stores from outside; exit code 1 where something is in them that must not be."""
    from privacy.audit import KnownIdentifiers, audit_stores  # noqa: PLC0415  # a room, imported when needed
    from privacy.audit.run import limits_of  # noqa: PLC0415  # a room, imported when needed

    settings = in_force(prepare("privacy-audit"))
    promised = limits_of(settings)
    limits = msgspec.structs.replace(
        promised,
        period_ms=promised.period_ms if period_days is None else round(period_days * _DAY_MS),
        points=points,
        unicity=unicity,
        allowed=frozenset(map(_allowed, allow or ())),
    )
    known = None if identifiers is None else KnownIdentifiers.from_file(identifiers)
    report = audit_stores(settings, limits, known=known, keep=keep)
    if json:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(report)).decode() + "\n")
    else:
        _show(report, Console())
    raise typer.Exit(0 if report.passed else 1)


def _allowed(text: str) -> tuple[str, str]:
    field, colon, kind = text.rpartition(":")
    if not colon or "." not in field:
        raise SettingsError("--allow names a field and what may stand there, such as transactions.merchant:phone")
    return field, kind


def _show(report: AuditReport, console: Console) -> None:
    documents = Table("documents read", "", title="Stores", title_justify="left")
    documents.columns[1].justify = "right"
    for name, count in report.read.items():
        documents.add_row(name, f"{count:,}")
    console.print(documents)
    checks = Table("check", "", "faults", "figures", title="Checks", title_justify="left")
    for check in report.checks:
        mark = Text("passed", "green") if check.passed else Text("failed", "bold red")
        figures = ", ".join(f"{name.replace('_', ' ')} {value:,}" for name, value in check.figures.items())
        checks.add_row(check.name, mark, f"{check.fault_count:,}", "\n".join(filter(None, (figures, check.note))))
    console.print(checks)
    for check in report.checks:
        for fault in check.faults:
            typer.echo(f"{check.name}: {fault.sentence()}")
        if check.fault_count > len(check.faults) > 0:
            typer.echo(f"{check.name}: and {check.fault_count - len(check.faults):,} more")
    typer.echo(f"Nothing is in the stores that must not be ({report.seconds:.1f} s)." if report.passed else _failed(report))


def _failed(report: AuditReport) -> str:
    return f"{report.fault_count:,} faults: stop the privacy stage, and see docs/privacy-audit.md."
