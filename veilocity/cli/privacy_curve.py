"""`veilocity privacy curve`: what every k would cost a table and leave to an attacker, and which k to take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from veilocity.cli.privacy_tables import hierarchy_of, read_policy
from veilocity.errors import SettingsError, UnsafePolicyError

__all__ = ["curve"]

_MOST_K = 100_000


def curve(
    file: Annotated[Path, typer.Argument(help="Table: CSV (separated by comma, semicolon or tab) or Parquet.")],
    policy: Annotated[Path, typer.Option(help="Columns and hierarchies, the policy of `anonymise`; its k, l and t are not used.")],
    output: Annotated[Path | None, typer.Option(help="Folder to write to; by default FILE-curve beside FILE.", show_default=False)] = None,
    ks: Annotated[str, typer.Option(help="Values of k: from-to, or numbers separated by commas.")] = "2-200",
    max_risk: Annotated[float, typer.Option(min=0.0, max=1.0, help="Highest chance that somebody is found: by a row or a trace.")] = 0.2,
    max_inference: Annotated[
        float | None, typer.Option(min=0.0, max=1.0, help="Most that a class may add to the chance of one sensitive value.")
    ] = None,
    max_suppressed: Annotated[float, typer.Option(min=0.0, max=1.0, help="Largest share of rows that may be suppressed.")] = 0.05,
    trace: Annotated[str, typer.Option(help="Columns of a point of a person's trace, if rows shall carry a pseudonym: cell,time.")] = "",
) -> None:
    """Measure every k on a table, write curve.json, curve.csv and curve.html, and print which k to take."""
    from privacy import curves as room  # noqa: PLC0415  # a room, imported when needed
    from privacy.curves.page import render  # noqa: PLC0415
    from privacy.files import write_whole  # noqa: PLC0415
    from privacy.measure.files import read_table  # noqa: PLC0415

    wanted, numbers = read_policy(policy), _numbers(ks)
    points = tuple(name.strip() for name in trace.split(",") if name.strip())
    table = read_table(file)
    roles = dict.fromkeys([*wanted.quasi, *(name for name in (wanted.sensitive, wanted.person) if name), *points])
    lacking = [name for name in roles if name not in table.column_names]
    if lacking:
        raise UnsafePolicyError(f"the column '{lacking[0]}' is named, and the table lacks it: mend the policy or --trace")
    found = room.curve(
        table.select(list(roles)),
        {name: hierarchy_of(rule, policy.parent) for name, rule in wanted.quasi.items()},
        numbers,
        person=wanted.person,
        sensitive=wanted.sensitive,
        trace=points,
    )
    limits = room.Limits(prosecutor=max_risk, unicity=max_risk, inference=max_inference, suppressed=max_suppressed)
    advice = room.recommend(found, limits)
    folder = output or file.with_name(f"{file.stem}-curve")
    write_whole(folder / "curve.json", found.to_json())
    write_whole(folder / "curve.csv", found.to_csv().encode())
    write_whole(folder / "curve.html", render(found, advice, file.name).encode())
    typer.echo(advice.why)
    typer.echo(f"curve.json, curve.csv and curve.html are in {folder}.")


def _numbers(text: str) -> list[int]:
    """Return the values of k that `2-200` or `2,5,10` means."""
    first, dash, last = text.partition("-")
    try:
        # Bounds before a range is made of them.
        numbers = [int(first), int(last)] if dash else [int(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if not numbers or min(numbers) < 2 or max(numbers) > _MOST_K or (dash and numbers[0] > numbers[1]):
        raise SettingsError(f"--ks is from-to as 2-200, or numbers as 2,5,10, each from 2 to {_MOST_K:,}")
    return list(range(numbers[0], numbers[1] + 1)) if dash else numbers
