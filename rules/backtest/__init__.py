"""The engine on recorded events: everything at full speed, in one process, without servers.

What the package promises: the same decisions and alerts as the live service gives for the same events, whatever their order within the
lateness bound; a line that is no event costs only itself and is counted with its reason.
"""

from __future__ import annotations

from rules.backtest.difference import Difference, compare
from rules.backtest.judging import Judgement, judge
from rules.backtest.reading import Order, Recording, survey
from rules.backtest.summary import Summary, summarise

__all__ = ["Difference", "Judgement", "Order", "Recording", "Summary", "compare", "judge", "summarise", "survey"]
