"""The nine checks of the audit in words: a title, what was found in one sentence, and what is at fault.

Sentences are made of the figures that a check left in its result; a figure that is not there is not told, and a check of a later version,
which nobody here knows, is told by its name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from storage.privacy_queries import AuditCheck, AuditFault

__all__ = ["TITLES", "fault_sentence", "outcome", "passed_sentence", "title_of"]

_Figures = Mapping[str, int | float]

TITLES = {
    "classes": "Every class keeps k",
    "conservation": "Nothing lost or doubled",
    "identifiers": "No identifier",
    "exactness": "Nothing exact",
    "tokens": "Tokens tell nothing",
    "cards": "No card in two forms",
    "linkage": "Attack by linkage",
    "unicity": "Attack by places and hours",
    "intersection": "Attack by intersection",
}
"""By name of the check, in the order of the report."""


def title_of(name: str) -> str:
    """Return the title of a check.

    >>> title_of("classes"), title_of("shadow_copies")
    ('Every class keeps k', 'Shadow copies')
    """
    return TITLES.get(name) or name.replace("_", " ").capitalize()


def outcome(check: AuditCheck) -> str:
    """Return `passed`, `failed`, or `measured` of an attack that is no fault as long as nobody set a limit to it.

    >>> outcome(AuditCheck("unicity", True, {"mongodb_share": 0.9})), outcome(AuditCheck("cards", False))
    ('measured', 'failed')
    """
    if not check.passed:
        return "failed"
    return "measured" if check.name == "unicity" and _shares(check.figures) else "passed"


def passed_sentence(check: AuditCheck) -> str:
    """Return what a check that found no fault has seen.

    >>> passed_sentence(AuditCheck("intersection", True, {"windows": 3, "members": 1_240}))
    '1,240 members in 3 windows; nobody is in two.'
    >>> passed_sentence(AuditCheck("shadow_copies", True))
    'Found nothing.'
    """
    tell = _PASSED.get(check.name)
    return tell(check.figures) if tell else "Found nothing."


def fault_sentence(fault: AuditFault) -> str:
    """Return where a fault is and why it is one, as `veilocity privacy audit` prints it.

    >>> fault_sentence(AuditFault("mongodb", "transactions", "#3", "merchant", "holds an e-mail address"))
    'mongodb transactions #3 merchant: holds an e-mail address'
    """
    return " ".join(part for part in (fault.store, fault.collection, fault.id, fault.path) if part) + f": {fault.reason}"


def _classes(figures: _Figures) -> str:
    if not figures.get("classes"):
        return "No class was released yet."
    smallest = f"; the smallest has {_count(figures, 'fewest_people')} people" if figures.get("fewest_people") else ""
    return f"{_counted(figures, 'classes', 'class', 'classes')} in {_counted(figures, 'windows', 'window')}{smallest}."


def _conservation(figures: _Figures) -> str:
    if "transactions" not in figures:
        return "No batch is complete yet."
    return f"{_counted(figures, 'transactions', 'payment')} counted; as many are accounted for."


def _identifiers(figures: _Figures) -> str:
    known = f", nor is one of {_count(figures, 'known_identifiers')} known ids" if figures.get("known_identifiers") else ""
    return f"{_counted(figures, 'values', 'value')} searched; none names anybody{known}."


def _exactness(figures: _Figures) -> str:
    return f"{_counted(figures, 'places', 'place')} are cells, {_counted(figures, 'times', 'time')} are whole minutes."


def _tokens(figures: _Figures) -> str:
    if not figures.get("tokens"):
        return "No token is stored yet."
    shares = [share for name, share in figures.items() if name.endswith("_joined_without_tokens")]
    joined = f"; {_percent(max(shares))} of payments join anyway" if shares else ""
    return f"None of {_count(figures, 'tokens')} is shared{joined}."


def _cards(figures: _Figures) -> str:
    return f"{_counted(figures, 'documents_with_cards', 'document')} with a card, each in one form."


def _linkage(figures: _Figures) -> str:
    if not figures.get("classes_attacked"):
        return "No class to attack yet."
    found = f"each fits {_count(figures, 'fewest_candidates')} people or more"
    return f"{_counted(figures, 'classes_attacked', 'class', 'classes')} attacked; {found}."


def _unicity(figures: _Figures) -> str:
    shares = _shares(figures)
    if not shares:
        return "Nobody has been at enough places yet."
    return f"A few places and hours single out {_percent(max(shares))} of pseudonyms."


def _intersection(figures: _Figures) -> str:
    return f"{_counted(figures, 'members', 'member')} in {_counted(figures, 'windows', 'window')}; nobody is in two."


_PASSED: dict[str, Callable[[_Figures], str]] = {
    "classes": _classes,
    "conservation": _conservation,
    "identifiers": _identifiers,
    "exactness": _exactness,
    "tokens": _tokens,
    "cards": _cards,
    "linkage": _linkage,
    "unicity": _unicity,
    "intersection": _intersection,
}


def _count(figures: _Figures, name: str) -> str:
    return f"{int(figures.get(name, 0)):,}"


def _shares(figures: _Figures) -> list[int | float]:
    return [share for name, share in figures.items() if name.endswith("_share")]


def _percent(share: float) -> str:
    return f"{share * 100:.0f} %"


def _counted(figures: _Figures, name: str, one: str, many: str = "") -> str:
    count = int(figures.get(name, 0))
    return f"{count:,} {one if count == 1 else many or one + 's'}"
