"""Names of segments: letters that stay from window to window, and a few words. Pure, from released numbers alone.

A segment takes the letter of the one before whose centre is nearest, if it is near: closest pairs first, each letter once. The others take
the first free letters, most payments first.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from string import ascii_uppercase

from privacy.segments.groups import Group

__all__ = ["distance", "named", "words"]

_NEAR = 1.5
"""About half as much again in two of the numbers, or a third of all payments at other hours."""
_FEW, _MANY = 0.75, 1.33
_HALF = 0.5
_OFTEN_AT_NIGHT = 0.4
_PLACES_KM = ((5.0, "near home"), (50.0, "around the region"), (500.0, "across the country"))
_CENT = 0.01


def distance(one: Group, other: Group) -> float:
    """Return how unlike two segments are: 0 for equal ones.

    >>> a = Group(9, 2.0, 20.0, 0.1, 3.0, 0.2)
    >>> distance(a, a), round(distance(a, a._replace(payments_per_day=4.0)), 2)
    (0.0, 0.69)
    """
    return (
        abs(math.log(max(one.payments_per_day, _CENT) / max(other.payments_per_day, _CENT)))
        + abs(math.log(max(one.mean_amount, _CENT) / max(other.mean_amount, _CENT)))
        + abs(math.log1p(one.distance_km) - math.log1p(other.distance_km))
        + 2.0 * abs(one.night_share - other.night_share)
        + 2.0 * abs(one.online_share - other.online_share)
    )


def named(groups: Sequence[Group], before: Mapping[str, Group]) -> dict[str, Group]:
    """Return the groups by their letters, in the order of the letters.

    Args:
        groups: most payments first.
        before: the segments of the window before.

    >>> low, high = Group(9, 0.5, 20.0, 0.1, 3.0, 0.2), Group(9, 5.0, 20.0, 0.1, 3.0, 0.2)
    >>> list(named([high, low], {})), [group.people for group in named([low], {"A": high, "B": low}).values()]
    (['A', 'B'], [9])
    >>> list(named([low], {"A": high, "B": low})), list(named([high, low], {"B": low._replace(mean_amount=25.0)}))
    (['B'], ['A', 'B'])
    """
    pairs = sorted((distance(group, old), letter, place) for place, group in enumerate(groups) for letter, old in before.items())
    found: dict[int, str] = {}
    for apart, letter, place in pairs:
        if apart <= _NEAR and place not in found and letter not in found.values():
            found[place] = letter
    # A letter that was somebody else's a window ago would mislead: those come last.
    free = [letter for letter in ascii_uppercase if letter not in before] + [letter for letter in ascii_uppercase if letter in before]
    free = [letter for letter in free if letter not in found.values()]
    for place in range(len(groups)):
        if place not in found:
            found[place] = free.pop(0)
    return dict(sorted((letter, groups[place]) for place, letter in found.items()))


def words(group: Group, all_groups: Sequence[Group]) -> str:
    """Return a few words about a segment beside all of its window.

    >>> few, many = Group(9, 0.5, 10.0, 0.1, 3.0, 0.2), Group(9, 5.0, 90.0, 0.6, 800.0, 0.8)
    >>> words(few, [few, many]), words(many, [few, many])
    ('few small payments near home', 'many large online payments, mostly far apart, often at night')
    """
    often = _compared(group.payments_per_day, [one.payments_per_day for one in all_groups], ("few", "some", "many"))
    size = _compared(group.mean_amount, [one.mean_amount for one in all_groups], ("small", "usual", "large"))
    where = next((name for most_km, name in _PLACES_KM if group.distance_km < most_km), "far apart")
    online = group.online_share >= _HALF
    sentence = f"{often} {size} online payments, mostly {where}" if online else f"{often} {size} payments {where}"
    return f"{sentence}, often at night" if group.night_share >= _OFTEN_AT_NIGHT else sentence


def _compared(value: float, values: Sequence[float], names: tuple[str, str, str]) -> str:
    """Return how a number stands to the geometric mean of all."""
    usual = math.exp(math.fsum(math.log(max(one, _CENT)) for one in values) / len(values))
    return names[0] if value < _FEW * usual else names[2] if value > _MANY * usual else names[1]
