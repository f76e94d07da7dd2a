"""Labelled payments for `veilocity models`: simulated weeks, or files of recorded events with a file of labels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from veilocity import settings
from veilocity.errors import SettingsError

if TYPE_CHECKING:
    from rules.models.labelled import Labelled

__all__ = ["EPISODES_PER_FRAUD", "recorded", "simulated"]

EPISODES_PER_FRAUD = 40.0
"""Honest episodes that look like fraud for one fraud: two to three payments in a hundred are then fraudulent."""


class _Label(msgspec.Struct):
    transaction: str | None
    kind: str


def simulated(weeks: int, people: int, seed: int) -> tuple[Labelled, str]:
    """Return the payments of labelled weeks, and what they are in words.

    Raises:
        SettingsError: a number is out of range.
    """
    from ingest.simulator.weeks import WeekPlan, labelled_week  # noqa: PLC0415  # a room, imported when needed
    from rules.library import rule_book_of  # noqa: PLC0415
    from rules.models.labelled import labelled  # noqa: PLC0415

    week = labelled_week(WeekPlan(seed=seed, people=people, days=7 * weeks, episodes_per_fraud=EPISODES_PER_FRAUD))
    kinds = {name: fraud.kind.value for fraud in week.labels.frauds for name in fraud.transactions}
    words = f"Simulated: {people} people for {weeks} weeks, seed {seed}, {EPISODES_PER_FRAUD:g} honest episodes for one fraud."
    return labelled(week.events, kinds, rule_book_of(settings.load())), words


def recorded(files: Sequence[str], labels: Path) -> tuple[Labelled, str]:
    """Return the payments of recorded events, and what they are in words.

    Args:
        files: names or patterns, as `veilocity rules backtest` takes them.
        labels: JSON lines with `transaction` and `kind` of each fraudulent payment; all others count as honest.

    Raises:
        SettingsError: a file cannot be read, or a label is for no payment of the files.
    """
    from rules.backtest import Order  # noqa: PLC0415  # a room, imported when needed
    from rules.backtest.reading import Recording, survey  # noqa: PLC0415
    from rules.backtest.report import expand  # noqa: PLC0415
    from rules.library import rule_book_of  # noqa: PLC0415
    from rules.models.labelled import labelled  # noqa: PLC0415

    kinds = _kinds(labels)
    recording = Recording([survey(path, Order.ARRIVAL) for path in expand(files)], Order.ARRIVAL)
    data = labelled(recording, kinds, rule_book_of(settings.load()))
    if kinds and not data.frauds.any():
        raise SettingsError("no label belongs to a payment of the files: `transaction` must be the payment's id")
    return data, f"Recorded: {recording.rows} rows, {sum(recording.rejects.values())} of them no events; {len(kinds)} labels."


def _kinds(path: Path) -> dict[str, str]:
    try:
        lines = [line for line in path.read_bytes().splitlines() if not line.isspace()]
        found = [msgspec.json.decode(line, type=_Label) for line in lines]
    except OSError as cause:
        raise SettingsError(f"--labels: the file cannot be read ({type(cause).__name__})") from cause
    except msgspec.MsgspecError as cause:
        raise SettingsError("--labels: each line needs `transaction` and `kind`, as JSON") from cause
    # A fraud without a payment, as the takeover of a phone, labels none.
    return {label.transaction: label.kind or "fraud" for label in found if label.transaction}
