"""`veilocity feeds`: where payments come from beside the gateway, each an extra; one module for each."""

from __future__ import annotations

import typer

from veilocity.cli import feeds_postgres

__all__ = ["app"]

app = typer.Typer(rich_markup_mode=None, help="Read payments from elsewhere.")
app.command("postgres")(feeds_postgres.postgres)


@app.callback(no_args_is_help=True)
def feeds() -> None:
    """Read payments from elsewhere."""
