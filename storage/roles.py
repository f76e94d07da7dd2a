"""Who may do what with alerts: four roles, each of which may do all that the ones before it may.

    view     see masked alerts, their cases and their trails
    triage   judge alerts and report frauds that no rule saw
    unmask   open sealed evidence, with a reason that is recorded
    admin    say who may log in; repair what a crash left between a trail and its case

A role is told by whoever runs the program (`veilocity cases --role`) or by a login in front of it; nothing here proves who somebody is. The
names of staff are letters, digits and `._-`, so that nobody's address gets into a store.
"""

from __future__ import annotations

import re
from enum import StrEnum

import msgspec

from veilocity.errors import ForbiddenError, InvalidInputError, RejectReason

__all__ = ["Actor", "Role", "require"]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class Role(StrEnum):
    """What somebody may do, ascending.

    >>> Role.UNMASK.allows(Role.TRIAGE), Role.TRIAGE.allows(Role.UNMASK)
    (True, False)
    """

    VIEW = "view"
    TRIAGE = "triage"
    UNMASK = "unmask"
    ADMIN = "admin"

    def allows(self, needed: Role) -> bool:
        """Say whether this role may do what `needed` may."""
        order = list(Role)
        return order.index(self) >= order.index(needed)


class Actor(msgspec.Struct, frozen=True):
    """A member of the staff, by the name and in the role that an audit trail tells.

    Raises:
        InvalidInputError: the name is no name of staff.

    >>> Actor("ada", Role.TRIAGE)
    Actor(name='ada', role=<Role.TRIAGE: 'triage'>)
    """

    name: str
    role: Role

    def __post_init__(self) -> None:
        """Refuse an address, and what would not be one word in a trail."""
        if not _NAME.fullmatch(self.name):
            message = "the author is 1 to 64 letters, digits and ._- and begins with a letter or digit: name one with --author"
            raise InvalidInputError(RejectReason.INVALID_FIELD, message)


def require(actor: Actor, needed: Role, what: str) -> None:
    """Go on only if the actor's role allows it.

    Args:
        actor: who asks.
        needed: the least role.
        what: for the sentence, as "opening sealed evidence".

    Raises:
        ForbiddenError: it does not.

    >>> require(Actor("ada", Role.VIEW), Role.UNMASK, "opening sealed evidence")
    Traceback (most recent call last):
    veilocity.errors.ForbiddenError: opening sealed evidence needs the role unmask, and this is view: ask somebody who has it
    """
    if not actor.role.allows(needed):
        raise ForbiddenError(f"{what} needs the role {needed}, and this is {actor.role}: ask somebody who has it")
