"""k-anonymity for a whole table, by local recoding over hierarchies: at least k people behind every printed combination.

`anonymise` returns a table with its `Proof`; `verify` makes the proof again from the table alone; `loss_curve` says what each k costs.
Plain functions on data frames and Arrow tables: no Spark, no clock, no file. Importing this package compiles nothing.
"""

from privacy.anonymise.curve import LossCurve, loss_curve
from privacy.anonymise.hierarchies import Hierarchy
from privacy.anonymise.proof import Proof, verify
from privacy.anonymise.recode import Anonymised, anonymise

__all__ = ["Anonymised", "Hierarchy", "LossCurve", "Proof", "anonymise", "loss_curve", "verify"]
