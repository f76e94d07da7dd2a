"""Rows 49 to 55: the shop's producers, joins and reports."""

from __future__ import annotations

from veilocity.cli.tour.extras import reported, setting
from veilocity.cli.tour.learning import paced
from veilocity.cli.tour.stops import Found, State, Stop, ok
from veilocity.cli.tour.visit import Visit

__all__ = ["STOPS"]


def _sessions(visit: Visit) -> Found:
    return reported(visit, "sessions", "{windows} windows of sessions joined with payments; {count} in the newest.")


def _frauds(visit: Visit) -> Found:
    return reported(visit, "frauds", "{windows} windows of two minutes, one every ten seconds; potential frauds in the newest: {count}.")


def _merchants(visit: Visit) -> Found:
    return reported(
        visit, "merchants", "{windows} windows of 30 s with the top 20 of payments that are not flagged; {count} in the newest."
    )


def _outputs(visit: Visit) -> Found:
    found = _frauds(visit)
    if found.state is not State.OK:
        return found
    folder = setting(visit.settings, "reports_dir")
    return ok(f"the same windows are Parquet files below {folder or 'the data folder'} and records on the topic `reports`.")


def _page(visit: Visit) -> Found:
    found = _frauds(visit)
    return (
        ok(f"look at {visit.page('/reports')}: bars, lines and a bubble map that move as data arrives.")
        if found.state is State.OK
        else found
    )


STOPS = (
    Stop(49, "Paced batches with spread times", "Batches of seeded sizes every five seconds, seconds spread evenly.", paced),
    Stop(50, "Browsing and transaction join", "Sessions and payments are joined within a watermark; late rows are counted.", _sessions),
    Stop(51, "Fraud report every 10 seconds", "Potential frauds of the last two minutes, exact on replay.", _frauds),
    Stop(52, "Top 20 every 30 seconds", "Non-fraud only, ties in a stable order.", _merchants),
    Stop(53, "Parquet and re-publishing", "The same windows as files and as records.", _outputs),
    Stop(54, "Live bar, line and bubble map", "A page that follows the reports.", _page),
    Stop(55, "Static enrichment", "Customers and merchants from files; who is missing is counted as unknown.", _sessions),
)
