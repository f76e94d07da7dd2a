"""A city that never was: labelled days of people, phones, cards and fraud.

What the room promises: the same plan and start give the same bytes in every process; nothing is sent before it happened; honest people
obey physics, so that no honest pair of events breaks the default impossible-travel rule; and the truth about every injected fraud is known,
with what a rule can prove of it. Card numbers begin with 999, which no payment network issues.
"""

from ingest.simulator.events import Event, FraudKind, Label, Payment, Push
from ingest.simulator.load import Load, Request
from ingest.simulator.people import directory
from ingest.simulator.plan import CityPlan
from ingest.simulator.stream import default_rule, simulate, truth

__all__ = [
    "CityPlan",
    "Event",
    "FraudKind",
    "Label",
    "Load",
    "Payment",
    "Push",
    "Request",
    "default_rule",
    "directory",
    "simulate",
    "truth",
]
