"""`veilocity privacy measure` and `veilocity privacy anonymise`: a table on disk, without Kafka and without Spark."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, cast

import msgspec
import typer

from veilocity.errors import SettingsError, UnsafePolicyError, UnsafeReleaseError, VeilocityError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa

    from privacy.anonymise import Anonymised, Hierarchy
    from privacy.measure.anonymity import Missing
    from privacy.measure.closeness import Paths

__all__ = ["QuasiRule", "TablePolicy", "anonymise", "hierarchy_of", "measure", "read_policy"]

_MISSING = {"category": ("",), "wildcard": ("", "none")}
"""Cells that are missing; a released table prints `none`, which is a category by itself."""
_HIERARCHIES_HELP = "Folder with NAME.csv or ..._NAME.csv for each quasi-identifier, in ARX's format: the loss is measured too."
_Kind = Literal["cell", "amount", "category"]


class QuasiRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How one quasi-identifier generalises: exactly one of the three."""

    hierarchy: str | None = None
    """File in ARX's format, beside the policy."""
    interval: tuple[float, ...] | None = None
    """low, high and the widths of intervals, narrow to wide: [0, 120, 1, 5, 20]."""
    built_in: _Kind | None = None
    """H3 cells, amount bands or merchant categories, as the stream has them."""
    unknown: Literal["refuse", "root"] = "refuse"
    """What becomes of a value that the hierarchy lacks: an error, or a category of its own directly below `*`."""


class TablePolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a released table must hold to. A column that is named nowhere is dropped."""

    k: int
    quasi: dict[str, QuasiRule]
    l: int = 1  # noqa: E741  # the name of the measure
    t: float = 1.0
    person: str | None = None
    """Column that says whose row it is: k counts distinct people then; never released."""
    sensitive: str | None = None
    drop: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()
    """Columns that are released as they are. They are part of no promise: whoever knows them may find a person."""
    effort: Literal["fast", "fine"] = "fast"
    suppressed: Literal["removed", "starred"] = "removed"
    """Rows for which there is no class are not in the output, or stand there with `*` and nothing else."""


def measure(
    file: Annotated[Path, typer.Argument(help="Table: CSV (separated by comma, semicolon or tab) or Parquet.")],
    qi: Annotated[str, typer.Option(help="Quasi-identifiers: names of columns, separated by commas.")],
    sensitive: Annotated[str, typer.Option(help="Sensitive columns, separated by commas.")] = "",
    person: Annotated[str, typer.Option(help="Column that says whose row it is: people are counted then, not rows.")] = "",
    hierarchies: Annotated[Path | None, typer.Option(help=_HIERARCHIES_HELP, show_default=False)] = None,
    missing: Annotated[str, typer.Option(help="What a missing quasi-identifier means: category or wildcard.")] = "category",
    suppressed: Annotated[int, typer.Option(min=0, help="Rows that were not released.")] = 0,
    points: Annotated[int, typer.Option(min=0, help="Measure the unicity of people by so many rows of theirs; 0 for not.")] = 0,
) -> None:
    """Measure how anonymous a table is, and print the report as JSON."""
    import numpy as np  # noqa: PLC0415  # with the room, imported when needed

    from privacy import measure as room  # noqa: PLC0415  # a room, imported when needed
    from privacy.measure.files import read_table, with_numbers  # noqa: PLC0415

    if missing not in _MISSING:
        raise SettingsError("--missing is category or wildcard")
    if points and not person:
        raise SettingsError("--points draws rows of people: name the column that says whose row it is with --person")
    quasi, secrets = _listed(qi), _listed(sensitive)
    table = with_numbers(read_table(file, _MISSING[missing]), secrets)
    report = room.measure(
        table,
        quasi,
        secrets,
        person or None,
        missing=cast("Missing", missing),
        domains=_hierarchies(hierarchies, quasi, needed=True),
        distances=_hierarchies(hierarchies, secrets, needed=False),
        suppressed=suppressed,
    )
    if points:
        # Always the same draws: the same table has the same report.
        drawn = room.unicity(table, quasi, person, points, rng=np.random.default_rng(1))
        report = msgspec.structs.replace(report, unicity=drawn)
    _show(report)


def anonymise(
    file: Annotated[Path, typer.Argument(help="Table: CSV (separated by comma, semicolon or tab) or Parquet.")],
    policy: Annotated[Path, typer.Option(help="What the released table must hold to: a YAML file.")],
    output: Annotated[Path | None, typer.Option(help="Released table; by default FILE-anonymous beside FILE.", show_default=False)] = None,
    proof: Annotated[Path | None, typer.Option(help="Its proof (JSON); by default OUTPUT-proof.json.", show_default=False)] = None,
) -> None:
    """Anonymise a table, prove the result, and write both."""
    from privacy.measure.files import read_table, with_numbers  # noqa: PLC0415  # a room, imported when needed

    output = output or file.with_name(f"{file.stem}-anonymous{file.suffix}")
    proof = proof or output.with_name(f"{output.stem}-proof.json")
    if len({path.resolve() for path in (file, policy, output, proof)}) < 4:
        raise SettingsError("FILE, --policy, --output and --proof must be four files: nothing of what is read is overwritten")
    wanted = read_policy(policy)
    table = read_table(file)
    roles = _columns(wanted)
    lacking = [name for name in [*roles, *wanted.drop] if name not in table.column_names]
    if lacking:
        raise UnsafePolicyError(f"the policy names the column '{lacking[0]}', which the table lacks: mend the name")
    released = _anonymised(with_numbers(table.select(roles), _sensitive(wanted)), wanted, policy.parent)
    _write(released, wanted, file, output, proof)
    _show(
        {
            "output": output.name,
            "proof": proof.name,
            "rows": released.proof.rows,
            "suppressed": released.proof.suppressed,
            "classes": len(released.proof.classes),
            "k": min((one.people for one in released.proof.classes), default=None),
            "loss": released.proof.loss,
            "kept": wanted.keep,
            "dropped": [name for name in table.column_names if name not in roles or name == wanted.person],
        }
    )


def read_policy(path: Path) -> TablePolicy:
    """Read the policy of a table.

    Raises:
        UnsafePolicyError: not there, not YAML, an unknown field, a wrong value, or a column with two roles.
    """
    from privacy.policies.text import parse  # noqa: PLC0415  # a room, imported when needed

    try:
        wanted = msgspec.convert(parse(path.read_text(encoding="utf-8"), path.name), TablePolicy)
    except (OSError, UnicodeDecodeError) as cause:
        raise UnsafePolicyError(f"--policy: {path.name} cannot be read ({type(cause).__name__})") from cause
    except msgspec.ValidationError as cause:
        raise UnsafePolicyError(f"{path.name}: {cause}") from cause
    faults = [sentence for broken, sentence in _faults(wanted) if broken]
    if faults:
        raise UnsafePolicyError(f"{path.name}: {'; '.join(faults)}")
    return wanted


def _faults(wanted: TablePolicy) -> Iterator[tuple[bool, str]]:
    roles = [*_columns(wanted), *wanted.drop]
    for name in dict.fromkeys(roles):
        yield roles.count(name) > 1, f"column '{name}' has two roles: name it once"
    yield wanted.k < 2, "k is at least 2: else nobody hides among anybody"
    yield not wanted.quasi, "quasi names no column: list what an outsider may know"
    yield wanted.l < 1 or not 0.0 < wanted.t <= 1.0, "l is at least 1, and t is above 0 and at most 1"
    yield wanted.sensitive is None and (wanted.l > 1 or wanted.t < 1.0), "l and t are about a column: name it with sensitive"
    for name, rule in wanted.quasi.items():
        given = sum(part is not None for part in (rule.hierarchy, rule.interval, rule.built_in))
        yield given != 1, f"quasi.{name} needs exactly one of hierarchy, interval and built_in"
        yield rule.interval is not None and len(rule.interval) < 3, f"quasi.{name}.interval needs low, high and at least one width"


def _columns(wanted: TablePolicy) -> list[str]:
    """Return the columns that the policy needs; the others are dropped before anything else is done."""
    return [*wanted.quasi, *(name for name in (wanted.sensitive, wanted.person) if name), *wanted.keep]


def _sensitive(wanted: TablePolicy) -> list[str]:
    return [wanted.sensitive] if wanted.sensitive is not None else []


def _anonymised(table: pa.Table, wanted: TablePolicy, folder: Path) -> Anonymised[pa.Table]:
    from privacy import anonymise as room  # noqa: PLC0415  # a room, imported when needed

    return room.anonymise(
        table,
        {name: hierarchy_of(rule, folder) for name, rule in wanted.quasi.items()},
        wanted.k,
        person=wanted.person,
        sensitive=wanted.sensitive,
        l=wanted.l,
        t=wanted.t,
        effort=wanted.effort,
        keep=wanted.keep,
        suppressed=wanted.suppressed,
    )


def hierarchy_of(rule: QuasiRule, folder: Path) -> Hierarchy:
    """Return the hierarchy that a policy file asks for; a file's path counts from the policy's folder."""
    from privacy.anonymise import Hierarchy  # noqa: PLC0415  # a room, imported when needed

    if rule.interval is not None:
        low, high, *widths = rule.interval
        return Hierarchy.intervals(low, high, widths, unknown=rule.unknown)
    if rule.hierarchy is not None:
        try:
            return Hierarchy.from_csv(folder / rule.hierarchy, unknown=rule.unknown)
        except (OSError, UnicodeDecodeError) as cause:
            raise UnsafePolicyError(f"the hierarchy {rule.hierarchy} cannot be read beside the policy ({type(cause).__name__})") from cause
    return {"cell": Hierarchy.cells, "amount": Hierarchy.amount_bands}.get(str(rule.built_in), Hierarchy.categories)()


def _write(released: Anonymised[pa.Table], wanted: TablePolicy, file: Path, output: Path, proof: Path) -> None:
    """Write table and proof; what lies on the disk is proven, not what was meant to be written."""
    from privacy.anonymise import verify  # noqa: PLC0415  # a room, imported when needed
    from privacy.files import write_whole  # noqa: PLC0415
    from privacy.measure.files import read_table, separator_of, with_numbers, write_table  # noqa: PLC0415

    if not len(released.table):
        raise UnsafeReleaseError("no class of the table holds what the policy asks for: every row would be suppressed, nothing is written")
    text = output.suffix != ".parquet" and file.suffix != ".parquet"
    write_table(released.table, output, separator_of(file) if text else ",")
    try:
        verify(with_numbers(read_table(output), _sensitive(wanted)), released.proof)
    except VeilocityError:
        output.unlink()
        raise
    write_whole(proof, msgspec.json.format(released.proof.to_json(), indent=2) + b"\n")


def _listed(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _hierarchies(folder: Path | None, columns: list[str], *, needed: bool) -> dict[str, Paths]:
    """Return the hierarchies of these columns that a folder holds; every one must be there where they are needed."""
    from privacy.measure.files import read_hierarchy  # noqa: PLC0415  # a room, imported when needed

    if folder is None:
        return {}
    files = sorted(folder.glob("*.csv"))
    found: dict[str, Paths] = {}
    for name in columns:
        own = [file for file in files if file.stem == name or file.stem.endswith(f"_{name}")]
        if len(own) > 1:
            raise SettingsError(f"--hierarchies: {own[0].name} and {own[1].name} are both of column '{name}': leave one")
        if needed and not own:
            raise SettingsError(f"--hierarchies: the folder holds no {name}.csv: add it, or leave the option away")
        if own:
            found[name] = read_hierarchy(own[0])
    return found


def _show(value: object) -> None:
    typer.echo(msgspec.json.format(msgspec.json.encode(value), indent=2))
