"""The card of a model: what it learned from, how it was judged, what it is for and what it must not be used for.

After M. Mitchell et al., "Model cards for model reporting", FAT* 2019. The JSON is for programs, the Markdown for people.
"""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from rules.models.judging import Quality, tables

__all__ = ["Card", "Slice", "markdown"]

_ORIGINS = {
    "boosting": "on the calibration slice that is {:g} alerts a day, the budget",
    "autoencoder": "the best F1 on the precision-recall curve of the calibration slice",
}
"""Where the threshold comes from."""


class Slice(msgspec.Struct, frozen=True):
    """One stretch of time and the payments in it."""

    from_ms: int
    until_ms: int
    """Of the last payment."""
    payments: int
    frauds: int
    """Fraudulent payments among them."""


class Card(msgspec.Struct, frozen=True, kw_only=True):
    """All that is told of one version of a model."""

    name: str
    kind: str
    sha256: str
    """Of the model's file."""
    created_ms: int
    data: str
    """Where the data came from, in words."""
    data_sha256: str
    seed: int
    features_version: int
    features: tuple[str, ...]
    slices: dict[str, Slice]
    """`train`, `calibration` and `test`."""
    parameters: dict[str, float | str]
    """Those chosen on folds of the training slice."""
    threshold: float
    alerts_per_day: float
    quality: Quality
    """On the test slice, which nothing was fitted on."""
    baselines: dict[str, float]
    """PR-AUC on the same test slice of what the model must beat."""
    libraries: dict[str, str]
    limits: tuple[str, ...]
    intended_use: str


def markdown(card: Card) -> str:
    """Return a card as Markdown."""
    lines = [
        f"# Model card: {card.name}",
        f"Kind: {card.kind}. Made {_time(card.created_ms)}. File SHA-256 `{card.sha256}`.",
        f"## Intended use\n\n{card.intended_use}",
        "## Limits\n\n" + "\n".join(f"- {limit}" for limit in card.limits),
        f"## Data\n\n{card.data} SHA-256 of rows and labels `{card.data_sha256}`, seed {card.seed}.",
        _slices(card),
        f"## Threshold\n\nFlags at {card.threshold:.6g} and above: {_ORIGINS[card.kind].format(card.alerts_per_day)}.",
        f"## Quality on the test slice\n\n{tables(card.quality)}",
        "## Beside it\n\n" + "\n".join(f"- {name}: PR-AUC {value:.3f}" for name, value in card.baselines.items()),
        "## Parameters\n\n" + "\n".join(f"- {name}: {value}" for name, value in card.parameters.items()),
        f"## Features (version {card.features_version})\n\n{', '.join(f'`{name}`' for name in card.features)}",
        "## Libraries\n\n" + "\n".join(f"- {name} {version}" for name, version in card.libraries.items()),
    ]
    return "\n\n".join(lines) + "\n"


def _slices(card: Card) -> str:
    head = "| slice | from | until | payments | fraudulent |\n| --- | --- | --- | ---: | ---: |\n"
    slices = card.slices.items()
    return head + "\n".join(
        f"| {name} | {_time(one.from_ms)} | {_time(one.until_ms)} | {one.payments} | {one.frauds} |" for name, one in slices
    )


def _time(time_ms: int) -> str:
    return f"{datetime.fromtimestamp(time_ms / 1000.0, tz=UTC):%Y-%m-%d %H:%M} UTC"
