"""The tree of merchant categories: category, group, everything.

Words and ISO 18245 merchant category codes are both understood; a category that nobody knows belongs to the group `other`.
"""

from __future__ import annotations

import re

__all__ = ["category_path", "group_of"]

_WORDS = {
    "everyday": "grocery groceries supermarket food misc household home personal care pharmacy drugstore convenience kids pets",
    "going-out": "dining restaurant restaurants cafe coffee bar fast entertainment cinema leisure nightlife sport sports fitness",
    "shopping": "shopping clothing clothes fashion electronics books retail department furniture jewellery jewelry luxury gifts online",
    "travel": "travel transport gas fuel petrol taxi transit airline airlines flight hotel lodging car rental parking train",
    "services": "health medical doctor utilities telecom insurance education subscription subscriptions digital bills rent services",
    "cash": "cash atm transfer money gambling crypto wire",
}
_GROUP_OF_WORD = {word: group for group, words in _WORDS.items() for word in words.split()}
_CODE_RANGES = (
    (3000, 3999, "travel"),
    (4000, 4799, "travel"),
    (4800, 4999, "services"),
    (5200, 5399, "shopping"),
    (5400, 5499, "everyday"),
    (5500, 5599, "travel"),
    (5600, 5799, "shopping"),
    (5800, 5899, "going-out"),
    (5900, 5999, "shopping"),
    (6000, 6299, "cash"),
    (6300, 6999, "services"),
    (7000, 7199, "travel"),
    (7200, 7799, "services"),
    (7800, 7999, "going-out"),
    (8000, 9999, "services"),
)


def group_of(category: str) -> str:
    """Return the group of a category: the first known word decides, or the range of a four-digit code.

    >>> group_of("grocery_pos"), group_of("5812"), group_of("gas_transport"), group_of("zeppelins")
    ('everyday', 'going-out', 'travel', 'other')
    """
    if category.isdecimal() and len(category) == 4:
        code = int(category)
        return next((group for low, high, group in _CODE_RANGES if low <= code <= high), "other")
    for word in re.findall("[a-z]+", category.lower()):
        if word in _GROUP_OF_WORD:
            return _GROUP_OF_WORD[word]
    return "other"


def category_path(category: str) -> tuple[str, str, str]:
    """Return the category and what stands above it.

    A group is printed in brackets, so that it is never taken for a category of the same name.

    >>> category_path("travel")
    ('travel', '[travel]', '*')
    """
    return category, f"[{group_of(category)}]", "*"
