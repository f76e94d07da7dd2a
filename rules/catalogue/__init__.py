"""The rules in force. A new rule is one file here and one entry in `RULES`."""

from __future__ import annotations

from rules.catalogue.impossible_travel import ImpossibleTravel
from rules.catalogue.rule import Contradiction, Rule

__all__ = ["RULES", "Contradiction", "Rule"]

RULES: tuple[Rule, ...] = (ImpossibleTravel(),)
