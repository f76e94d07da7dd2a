"""`veilocity privacy check`: says what becomes of every field in every store, or every reason why a policy is refused."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer
from rich.console import Console
from rich.table import Column, Table

from veilocity import settings
from veilocity.errors import UnsafePolicyError

if TYPE_CHECKING:
    from privacy.policies.compiling import CompiledPolicy
    from privacy.policies.draft import Fault
    from privacy.policies.model import Policy

__all__ = ["check"]

PolicyFile = Annotated[Path | None, typer.Argument(help="Policy file; by default the one in force.", show_default=False)]


def check(
    file: PolicyFile = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON for a program.")] = False,
) -> None:
    """Say what a policy does to every field in every store; exit code 1 and every fault where it is refused."""
    from privacy.policies.compiling import compile_policy, faults_of  # noqa: PLC0415  # a room, imported when needed
    from privacy.policies.draft import Fault  # noqa: PLC0415  # a room, imported when needed
    from privacy.policies.model import DEFAULT_FILE  # noqa: PLC0415  # a room, imported when needed

    compiled: CompiledPolicy | None = None
    faults: tuple[Fault, ...]
    try:
        policy = _policy(file)
        faults = faults_of(policy)
        compiled = None if faults else compile_policy(policy)
        name = policy.policy
    except UnsafePolicyError as error:
        name, faults = file.name if file else DEFAULT_FILE.name, (Fault("unreadable", "file", "", str(error)),)
    if json:
        typer.echo(_json(name, compiled, faults))
    elif compiled is not None:
        _print(compiled)
    else:
        for fault in faults:
            typer.echo(str(fault))
        typer.echo(f"{name}: refused, {len(faults)} fault{'s' if len(faults) > 1 else ''}.")
    raise typer.Exit(1 if compiled is None else 0)


def _policy(file: Path | None) -> Policy:
    from privacy.policies.model import DEFAULT_FILE, read_policy  # noqa: PLC0415  # a room, imported when needed
    from privacy.policies.overrides import in_force  # noqa: PLC0415  # a room, imported when needed

    return read_policy(file) if file is not None else in_force(read_policy(DEFAULT_FILE), settings.load())


def _print(policy: CompiledPolicy) -> None:
    table = Table(Column("field", no_wrap=True), Column("store", no_wrap=True), "operation", Column("", no_wrap=True))
    for where, operations in _by_field(policy).items():
        alike = len(operations) > 1 and len(set(operations.values())) == 1
        shown = {"all": next(iter(operations.values()))} if alike else operations
        for sink, operation in shown.items():
            table.add_row(where, sink, operation, "safe")
    for record in policy.dropped:
        table.add_row(record, "all", "drop", "safe")
    Console().print(table)
    releases = policy.releases
    tiers = ", ".join(str(tier) for tier in releases.tiers_minutes)
    typer.echo(f"{policy.name}, version {policy.version}: safe. k={releases.k} l={releases.l} t={releases.t}, tiers of {tiers} minutes.")


def _by_field(policy: CompiledPolicy) -> dict[str, dict[str, str]]:
    fields: dict[str, dict[str, str]] = {}
    for rule in policy.rules:
        fields.setdefault(rule.where, {})[rule.sink] = rule.operator.words()
    return fields


def _json(name: str, policy: CompiledPolicy | None, faults: tuple[Fault, ...]) -> str:
    document: dict[str, Any] = {"policy": name, "safe": policy is not None, "faults": faults}
    if policy is not None:
        document |= {
            "version": policy.version,
            "digest": policy.digest,
            "dropped": policy.dropped,
            "fields": _by_field(policy),
            "releases": policy.releases,
        }
    return msgspec.json.format(msgspec.json.encode(document)).decode()
