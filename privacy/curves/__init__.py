"""How much privacy costs: loss, risk and error of a table for every k, and the k that limits ask for.

`curve` measures a table at every k of a range; `recommend` says which to take, and why. Plain functions on data frames and Arrow tables.
"""

from privacy.curves.advice import EL_EMAM, EMA, Limits, Recommendation, recommend
from privacy.curves.making import curve
from privacy.curves.model import Curve, Point

__all__ = ["EL_EMAM", "EMA", "Curve", "Limits", "Point", "Recommendation", "curve", "recommend"]
