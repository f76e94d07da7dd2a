"""How anonymous a table is, and what that cost: k, l, t, risk and loss as plain functions of a pandas or Arrow table.

| question | functions |
|---|---|
| Among how many people does everybody hide? | `k_anonymity`, `matching_people`, `class_sizes` |
| What does finding the class tell? | `l_diversity`, `entropy_diversity`, `recursive_diversity`, `alpha_k`, `t_closeness` |
| How much more than was known before? | `beta_likeness`, `enhanced_beta_likeness`, `delta_disclosure` |
| How likely is somebody found again? | `prosecutor_risk`, `journalist_risk`, `marketer_risk`, `uniqueness`, `unicity` |
| What did it cost? | `information_loss`, `discernibility`, `average_class_size` |

`measure` answers all of them in one `Report`. Every function takes `person`, the column that says whose row it is: people are counted then,
not rows. A missing value is a category of its own and never dropped.

>>> import pandas as pd
>>> from privacy.measure import k_anonymity
>>> visits = pd.DataFrame({"zip": ["130**", "130**", None], "who": ["ann", "ann", "bob"]})
>>> k_anonymity(visits.head(2), "zip"), k_anonymity(visits, "zip"), k_anonymity(visits.head(2), "zip", person="who")
(2, 1, 1)
"""

from privacy.measure.anonymity import k_anonymity, matching_people
from privacy.measure.classes import class_sizes
from privacy.measure.closeness import t_closeness
from privacy.measure.diversity import alpha_k, entropy_diversity, l_diversity, recursive_diversity
from privacy.measure.likeness import beta_likeness, delta_disclosure, enhanced_beta_likeness
from privacy.measure.quality import average_class_size, discernibility, information_loss
from privacy.measure.report import Report, measure
from privacy.measure.risk import journalist_risk, marketer_risk, prosecutor_risk, uniqueness
from privacy.measure.traces import unicity

__all__ = [
    "Report",
    "alpha_k",
    "average_class_size",
    "beta_likeness",
    "class_sizes",
    "delta_disclosure",
    "discernibility",
    "enhanced_beta_likeness",
    "entropy_diversity",
    "information_loss",
    "journalist_risk",
    "k_anonymity",
    "l_diversity",
    "marketer_risk",
    "matching_people",
    "measure",
    "prosecutor_risk",
    "recursive_diversity",
    "t_closeness",
    "unicity",
    "uniqueness",
]
