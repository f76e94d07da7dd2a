"""Published aggregates with noise: differential privacy with a budget that is charged once and refuses when it is spent.

    counts, publication   payments by cell and hour and the fraud rate of one closed window: drawn once, remembered, published
    publications          budget and drawn records in one state, so that a replay publishes the same bytes
    budget                what every person lost in any stretch of time, by basic and by zCDP composition
    tree                  running totals over any number of windows
    places                noise on the place or the amount of one record, by a keyed hash

Counts and totals are protected for whole persons, single records for what their noise covers; each module states its formula.
"""

from privacy.differential.budget import Budget, BudgetPolicy, Charge
from privacy.differential.counts import CountsPolicy, CountsRecord, Payment, Window, draw
from privacy.differential.places import noisy_amount, noisy_place
from privacy.differential.publication import CountsPublication, publish
from privacy.differential.publications import PublicationLog
from privacy.differential.tree import Tree, TreePolicy

__all__ = [
    "Budget",
    "BudgetPolicy",
    "Charge",
    "CountsPolicy",
    "CountsPublication",
    "CountsRecord",
    "Payment",
    "PublicationLog",
    "Tree",
    "TreePolicy",
    "Window",
    "draw",
    "noisy_amount",
    "noisy_place",
    "publish",
]
