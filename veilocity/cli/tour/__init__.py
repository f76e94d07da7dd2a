"""`veilocity tour`: walks a newcomer through every capability of the reference systems on the running system.

Each row of docs/reference-coverage.md is one stop: a sentence, and one live check or action. The stops are data, one file for each group.
"""

from veilocity.cli.tour.command import tour

__all__ = ["tour"]
