"""The fraud that a visit tells: a persona's phone at home, a crowd, and a payment far away with the persona's card."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from ingest.produce.persona import FRAUD, PersonaAmongCrowd
from veilocity.contracts import Decision

if TYPE_CHECKING:
    from veilocity.cli.tour.visit import Visit

__all__ = ["Story"]

_PATIENCE_S = 60.0


class Story(NamedTuple):
    """What was sent, and the answers."""

    device: str
    user: str
    fraud: str
    """Transaction id."""
    crowd: tuple[str, ...]
    """Transaction ids."""
    secrets: tuple[str, ...]
    """Raw identifiers that must be nowhere behind the privacy stage."""
    accepted: int
    answered_s: float
    """From the fraud's sending to its decision."""
    answers: dict[str, Decision]
    """By transaction id, those that came in time."""

    @staticmethod
    def told(visit: Visit) -> Story:
        """Tell it to the running system, and wait for the decisions.

        Raises:
            ServiceUnavailableError: the gateway does not take it.
        """
        tail = visit.tail
        now_ms = time.time_ns() // 1_000_000
        source = PersonaAmongCrowd(now_ms % 2**31, fraud_share=1.0)
        made = [source.make(number, now_ms - 100 + 10 * number) for number in range(10)]
        items = [item for one in made for item in one.items]
        began = time.monotonic()
        accepted = 0
        for door in dict.fromkeys(item.door for item in items):
            accepted += visit.send(door, [msgspec.Raw(item.body) for item in items if item.door == door])["accepted"]
        fraud = next(one.label.id for one in made if one.label.label == FRAUD)
        names = [one.label.id for one in made]
        tail.until(lambda: fraud in tail.decisions, _PATIENCE_S)
        answered_s = time.monotonic() - began
        tail.until(lambda: all(name in tail.decisions for name in names), _PATIENCE_S)
        messages = [msgspec.json.decode(item.body) for one in made for item in one.items]
        cards = [message["Card Number"] for message in messages if "Card Number" in message]
        return Story(
            device=source.device,
            user=source.user,
            fraud=fraud,
            crowd=tuple(name for name in names if name != fraud),
            secrets=(*names, source.device, *cards),
            accepted=accepted,
            answered_s=answered_s,
            answers={name: tail.decisions[name] for name in names if name in tail.decisions},
        )
