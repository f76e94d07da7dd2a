"""`veilocity kibana`: writes, checks and imports the dashboards for Kibana."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from veilocity.cli.start import prepare

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Write, check and import the dashboards for Kibana.")

Url = Annotated[str, typer.Option(help="Address of Kibana.")]
_LOCAL = "http://127.0.0.1:5601"


@app.command()
def export(
    out: Annotated[Path, typer.Option(help="Folder of the files.")] = Path("deploy/kibana"),
) -> None:
    """Write the NDJSON file that Kibana imports, and the bodies for its Dashboards API."""
    from storage.kibana import bodies, objects, render  # noqa: PLC0415  # a room, imported when needed

    prefix = prepare("kibana").elasticsearch_index_prefix
    made = objects(prefix)
    out.mkdir(parents=True, exist_ok=True)
    (out / "veilocity.ndjson").write_text(render(made), encoding="utf-8")
    found = bodies(prefix)
    for name, body in found.items():
        (out / name).write_text(f"{msgspec.json.format(msgspec.json.encode(body)).decode()}\n", encoding="utf-8")
    typer.echo(f"Wrote {len(made)} objects and {len(found)} bodies for the API into {out}.")


@app.command()
def lint(
    file: Annotated[Path | None, typer.Argument(exists=True, dir_okay=False, help="Export to check; by default what is generated.")] = None,
    elasticsearch: Annotated[bool, typer.Option("--elasticsearch", help="Run the panels on Elasticsearch, too.")] = False,
) -> None:
    """Check ids, references, nested JSON, fields and places; exit code 1 and every fault where there is one."""
    from storage.kibana import bodies, check_bodies, check_lines, objects, parse, render  # noqa: PLC0415  # a room, imported when needed

    loaded = prepare("kibana")
    prefix = loaded.elasticsearch_index_prefix
    lines = parse(file.read_text(encoding="utf-8") if file else render(objects(prefix)))
    found = check_lines(lines)
    if file is None:
        found += check_bodies(bodies(prefix), lines[:-1])
    if elasticsearch:
        from storage.elastic import connect  # noqa: PLC0415  # a room, imported when needed
        from storage.kibana.probe import check_answers, check_fields  # noqa: PLC0415  # a room, imported when needed

        with connect(loaded, request_timeout_s=30.0) as client:
            found += [*check_fields(client, prefix), *check_answers(client, prefix)]
    for finding in found:
        typer.echo(str(finding))
    typer.echo(f"{len(found)} faults." if found else "No faults.")
    raise typer.Exit(1 if found else 0)


@app.command("import")
def bring(
    url: Url = _LOCAL,
    check: Annotated[bool, typer.Option("--check", help="Only say whether they are there.")] = False,
) -> None:
    """Import everything into a Kibana, as the user of VEILOCITY_ELASTICSEARCH_USERNAME; again and again is once."""
    from storage.kibana import objects, render  # noqa: PLC0415  # a room, imported when needed
    from storage.kibana.client import Kibana  # noqa: PLC0415  # a room, imported when needed

    loaded = prepare("kibana")
    made = objects(loaded.elasticsearch_index_prefix)
    kibana = Kibana(url, loaded)
    if not check:
        kibana.version()
        kibana.bring(render(made))
    missing = kibana.missing(made)
    typer.echo(f"Missing: {', '.join(missing)}." if missing else f"All {len(made)} objects are there.")
    raise typer.Exit(1 if missing else 0)


@app.command()
def smoke(url: Url = _LOCAL) -> None:
    """Import everything, read it back, try the Dashboards API and ask what the panels ask."""
    from storage.kibana.client import Kibana  # noqa: PLC0415  # a room, imported when needed
    from storage.kibana.smoke import smoke as steps  # noqa: PLC0415  # a room, imported when needed

    loaded = prepare("kibana")
    for sentence in steps(Kibana(url, loaded), loaded.elasticsearch_index_prefix):
        typer.echo(sentence)
