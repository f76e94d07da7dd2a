"""Customer segments: groups of people who pay alike, of closed windows of event time, released only as averages of at least k people.

A batch job of Spark reads `decisions`, makes features of each person under the stage's own pseudonyms, forms groups by k-means, and writes
one document for each window. Which person is in which group leaves the process nowhere; docs/segments.md says what is guaranteed.
"""

from privacy.segments.behaviour import FEATURES, Behaviour
from privacy.segments.groups import Group, averages, grouped
from privacy.segments.naming import named
from privacy.segments.schedule import Extent, due

__all__ = ["FEATURES", "Behaviour", "Extent", "Group", "averages", "due", "grouped", "named"]
