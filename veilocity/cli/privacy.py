"""`veilocity privacy`: runs the privacy stage, judges policies, measures, anonymises and audits, and forgets people."""

from __future__ import annotations

import typer

from veilocity.cli.privacy_audit import audit
from veilocity.cli.privacy_curve import curve
from veilocity.cli.privacy_forget import forget
from veilocity.cli.privacy_policy import check
from veilocity.cli.privacy_tables import anonymise, measure
from veilocity.cli.start import prepare

__all__ = ["app"]

app = typer.Typer(rich_markup_mode=None)
app.command()(check)
app.command()(audit)
app.command()(measure)
app.command()(anonymise)
app.command()(curve)
app.command()(forget)


@app.callback(invoke_without_command=True)
def privacy(context: typer.Context) -> None:
    """Run the PySpark privacy stage, or judge a policy, audit the stores, measure or anonymise a table, forget a person."""
    if context.invoked_subcommand is None:
        serve()


@app.command()
def serve() -> None:
    """Run the privacy stage; so does `veilocity privacy` alone."""
    from privacy import service  # noqa: PLC0415  # a room, imported when needed

    service.run(prepare("privacy"))
