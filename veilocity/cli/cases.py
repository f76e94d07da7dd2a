"""`veilocity cases`: alerts judged from the command line, with an audit trail; evidence unmasked with a reason.

Who writes is named by `--author`, else by the user of the operating system, and believed; so is the role (`--role`, else
VEILOCITY_CASES_ROLE). Both are recorded. Whoever can run this can reach the database anyway: put a login in front where that is too little.
"""

from __future__ import annotations

import getpass
import sys
import time
from itertools import pairwise
from typing import Annotated, Any

import msgspec
import typer

from veilocity.cli.cases_lines import alert_line, case_lines, event_line, evidence_lines, label_lines, payment_line, unmasking_line
from veilocity.cli.doctor import in_force
from veilocity.cli.start import prepare
from veilocity.errors import SettingsError
from veilocity.eventtime import ms_from_ns, ns_from_iso
from veilocity.settings import Settings

__all__ = ["app"]

app = typer.Typer(rich_markup_mode=None, no_args_is_help=True)

_HOUR_MS = 3_600_000
_DAY_MS = 24 * _HOUR_MS
_BROKEN = 2
Alert = Annotated[str, typer.Argument(metavar="ALERT", help="Id of the alert, as the page and `veilocity cases list` show it.")]
Author = Annotated[str | None, typer.Option(help="Who writes: letters, digits and ._-; by default the user of this machine.")]
Role = Annotated[str | None, typer.Option(help="view, triage, unmask or admin; by default VEILOCITY_CASES_ROLE.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for a program.")]
Reason = Annotated[str, typer.Option(help="Why, up to 200 characters; name nobody, it is kept for good.")]
Limit = Annotated[int, typer.Option(min=1, max=1_000, help="At most this many.")]


@app.callback()
def cases() -> None:
    """Judge alerts, read their audit trail, unmask evidence with a reason, and see how often each rule is right."""


@app.command("list")
def show_list(
    status: Annotated[str | None, typer.Option(help="new, acknowledged, confirmed_fraud, false_positive or closed.")] = None,
    assignee: Annotated[str | None, typer.Option(help="Only cases of this one.")] = None,
    rule: Annotated[str | None, typer.Option(help="Only alerts of this rule.")] = None,
    limit: Limit = 20,
    after: Annotated[str | None, typer.Option(help="Id of the last alert of the page before; with --status or --assignee.")] = None,
    json: Json = False,
) -> None:
    """List the newest alerts and where their judgement stands."""
    from storage.cases import CaseFilter, CaseReader, Status  # noqa: PLC0415  # a room, imported when needed
    from storage.queries import Reader  # noqa: PLC0415  # a room, imported when needed

    settings = in_force(prepare("cases"))
    wanted = None if status is None else _choice(Status, status, "--status")
    with CaseReader(settings) as reader:
        if wanted not in (None, Status.NEW) or assignee is not None:
            found: list[Any] = list(reader.page(CaseFilter(status=wanted, assignee=assignee, rule=rule), limit, after))
        else:
            alerts = Reader(settings)
            try:
                newest = [one for one in alerts.alerts(limit if wanted is None and rule is None else 1_000) if rule in (None, one.rule)]
            finally:
                alerts.close()
            judged = reader.cases([one.id for one in newest])
            shown: list[Any] = [judged.get(one.id, one) for one in newest]
            found = [one for one in shown if wanted is None or getattr(one, "status", Status.NEW) == wanted][:limit]
    _print(found, [alert_line(one) for one in found], json=json)


@app.command()
def show(alert: Alert, json: Json = False) -> None:
    """Show a masked alert and its case."""
    from storage.cases import CaseReader  # noqa: PLC0415  # a room, imported when needed

    with CaseReader(in_force(prepare("cases"))) as reader:
        masked, case = reader.alert(alert), reader.cases([alert]).get(alert)
    _print({"alert": masked, "case": case}, case_lines(masked, case), json=json)


@app.command()
def payments(
    alert: Alert,
    hours: Annotated[float, typer.Option(min=0.0, help="Before and after the alert.")] = 24.0,
    limit: Limit = 50,
    json: Json = False,
) -> None:
    """List the payments of an alert's person around it, by the person's pseudonym, newest first."""
    from storage.cases import CaseReader  # noqa: PLC0415  # a room, imported when needed

    with CaseReader(in_force(prepare("cases"))) as reader:
        masked = reader.alert(alert)
        first_ms, last_ms = sorted((masked.first.minute_ms, masked.second.minute_ms))
        found = reader.payments(masked.subject, first_ms - round(hours * _HOUR_MS), last_ms + round(hours * _HOUR_MS) + 1, limit)
    _print(found, [payment_line(one) for one in found], json=json)


@app.command("set")
def change(  # each is an option of the command
    alert: Alert,
    status: Annotated[
        str | None, typer.Argument(help="acknowledged, confirmed_fraud, false_positive or closed; none leaves it as it is.")
    ] = None,
    reason: Reason = "",
    note: Annotated[str, typer.Option(help="Anything else, up to 2,000 characters; name nobody, it is kept for good.")] = "",
    assignee: Annotated[str | None, typer.Option(help="Who goes on with it; empty for nobody.")] = None,
    revision: Annotated[int | None, typer.Option(min=0, help="Of the case as you saw it; by default the present one.")] = None,
    author: Author = None,
    role: Role = None,
) -> None:
    """Change the status or assignee of an alert's case, or add a note; exit code 1 where somebody else was faster."""
    from storage.cases import CaseReader, CaseWriter, Change, Status  # noqa: PLC0415  # a room, imported when needed

    settings = in_force(prepare("cases"))
    wanted = None if status is None else _choice(Status, status, "the status")
    actor = _actor(settings, author, role)
    _warn(reason, note)
    if revision is None:
        with CaseReader(settings) as reader:
            known = reader.cases([alert]).get(alert)
            revision = 0 if known is None else known.revision
    asked = Change(actor=actor, written_ms=_now_ms(), to=wanted, reason=reason, note=note, assignee=assignee)
    with CaseWriter(settings) as writer:
        case = writer.change(alert, revision, asked)
    typer.echo(f"{case.status} by {case.author} (revision {case.revision})")


@app.command()
def report(
    payment: Annotated[str, typer.Argument(metavar="PAYMENT", help="Id of the payment in MongoDB.")],
    reason: Reason,
    author: Author = None,
    role: Role = None,
) -> None:
    """Report a payment as fraud that no rule has flagged: it counts in what the rules recall."""
    from storage.cases import CaseWriter  # noqa: PLC0415  # a room, imported when needed

    settings = in_force(prepare("cases"))
    _warn(reason)
    with CaseWriter(settings) as writer:
        writer.report_missed(payment, _actor(settings, author, role), reason, _now_ms())
    typer.echo("reported")


@app.command()
def history(alert: Alert, json: Json = False) -> None:
    """Print the audit trail of an alert: who changed what and why, and who asked for the evidence."""
    from storage.cases import CaseReader  # noqa: PLC0415  # a room, imported when needed

    with CaseReader(in_force(prepare("cases"))) as reader:
        events, unmaskings = reader.history(alert), reader.unmaskings(alert)
    lines = [(one.written_ms, event_line(one, before)) for before, one in pairwise([None, *events]) if one is not None]
    lines += [(one.written_ms, unmasking_line(one)) for one in unmaskings]
    _print({"events": events, "unmaskings": unmaskings}, [line for _, line in sorted(lines, key=lambda pair: pair[0])], json=json)


@app.command()
def verify(
    repair: Annotated[bool, typer.Option(help="Bring cases up to date that a crash left behind; needs the role admin.")] = False,
    author: Author = None,
    role: Role = None,
    json: Json = False,
) -> None:
    """Follow every audit trail and the log of unmaskings; exit code 2 where one is broken."""
    from storage.cases import verify_trails  # noqa: PLC0415  # a room, imported when needed

    settings = in_force(prepare("cases"))
    found = verify_trails(settings, _actor(settings, author, role) if repair else None)
    lines = [
        f"{found.events:,} events of {found.cases:,} cases and {found.unmaskings:,} unmaskings were read.",
        *[f"{fault.at} {fault.reason}." for fault in found.faults],
        *([f"{found.behind:,} cases {'were' if repair else 'are'} behind their events, as after a crash."] if found.behind else []),
        "Every trail is whole."
        if found.whole
        else f"{found.fault_count:,} faults: keep the database as it is and find out who wrote to it.",
        f"Keep this elsewhere and compare it: {found.digest}",
    ]
    _print(found, lines, json=json)
    raise typer.Exit(0 if found.whole else _BROKEN)


@app.command()
def labels(
    days: Annotated[float, typer.Option(min=0.0, help="Alerts of this long before --until.")] = 90.0,
    until: Annotated[str | None, typer.Option(help="Alerts before this event time (ISO 8601); by default now.")] = None,
    json: Json = False,
) -> None:
    """Tell precision and recall of each rule by what people decided, with intervals of 95 %."""
    from storage.cases import read_labels  # noqa: PLC0415  # a room, imported when needed

    until_ms = _now_ms() if until is None else ms_from_ns(ns_from_iso(until))
    found = read_labels(in_force(prepare("cases")), until_ms - round(days * _DAY_MS), until_ms)
    _print(found, label_lines(found), json=json)


@app.command()
def unmask(alert: Alert, reason: Reason, author: Author = None, role: Role = None, json: Json = False) -> None:
    """Show the exact evidence of an alert; who asked, and why, is recorded before anything is shown."""
    from privacy.unsealing import unmask as opened  # noqa: PLC0415  # a room, imported when needed

    settings = in_force(prepare("cases"))
    _warn(reason)
    evidence = opened(settings, alert, _actor(settings, author, role), reason, _now_ms())
    _print(evidence, evidence_lines(evidence), json=json)


def _actor(settings: Settings, author: str | None, role: str | None) -> Any:
    from storage.roles import Actor  # noqa: PLC0415  # a room, imported when needed
    from storage.roles import Role as Roles  # noqa: PLC0415  # a room, imported when needed

    return Actor(_user() if author is None else author, _choice(Roles, role or settings.cases_role, "--role"))


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError) as cause:  # a container's user may have no name
        raise SettingsError("this machine does not tell who you are: name yourself with --author") from cause


def _choice(kind: Any, value: str, what: str) -> Any:
    try:
        return kind(value)
    except ValueError:
        raise typer.BadParameter(f"{what} is one of {', '.join(kind)}") from None


def _warn(*texts: str) -> None:
    """Say so where a text that is kept for good may hold an identifier."""
    from privacy.audit.patterns import in_text  # noqa: PLC0415  # a room, imported when needed

    kinds = sorted({kind for text in texts for kind in in_text(text)})
    if kinds:
        typer.echo(f"Careful: the text looks as if it held: {', '.join(kinds)}. The audit of the stores will say so too.", err=True)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _print(value: Any, lines: list[str], *, json: bool) -> None:
    if json:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(value)).decode() + "\n")
    else:
        typer.echo("\n".join(lines) if lines else "none")
