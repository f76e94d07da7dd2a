"""The least role of every route, in one table: what is not in it answers nobody, and a test walks the application for what is missing."""

from __future__ import annotations

from storage.roles import Role

__all__ = ["ASKED_BY_ITSELF", "BY_PAGES", "OPEN", "ROUTES", "WHILE_CHANGING", "may"]

OPEN = None
"""No login: there is nothing in the answer that is about anybody."""

ROUTES: dict[str, Role | None] = {
    "/healthz": OPEN,
    "/metrics": OPEN,
    "/login": OPEN,
    # Scripts, styles and outlines of countries, the same in every copy of the program; the login page needs some of them.
    "/assets/<path:filename>": OPEN,
    "/_dash-component-suites/<string:package_name>/<path:fingerprinted_path>": OPEN,
    "/_favicon.ico": OPEN,
    "/": Role.VIEW,
    "/<path:path>": Role.VIEW,
    "/_dash-layout": Role.VIEW,
    "/_dash-dependencies": Role.VIEW,
    "/_dash-update-component": Role.VIEW,
    "/_reload-hash": Role.VIEW,
    "/events": Role.VIEW,
    "/evidence": Role.VIEW,
    "/alerts": Role.VIEW,
    "/facets": Role.VIEW,
    "/cells": Role.VIEW,
    "/replay": Role.VIEW,
    "/payments": Role.VIEW,
    "/payments/state": Role.VIEW,
    "/privacy": Role.VIEW,
    "/privacy/state": Role.VIEW,
    "/streams": Role.VIEW,
    "/streams/state": Role.VIEW,
    "/streams/group": Role.VIEW,
    "/reports": Role.VIEW,
    "/reports/state": Role.VIEW,
    "/health": Role.VIEW,
    "/health/state": Role.VIEW,
    # Exact places of somebody's own phone: the one page that is not masked.
    **{f"/phone{path}": Role.ADMIN for path in ("", "/connect", "/enter", "/state", "/pair", "/code", "/leave")},
    "/rubric": Role.VIEW,
    "/accounts": Role.ADMIN,
    "/logout": Role.VIEW,
    "/password": Role.VIEW,
    "/api/account": Role.VIEW,
    "/api/account/seen": Role.VIEW,
    "/api/cases/<alert>": Role.VIEW,
    "/api/cases/<alert>/history": Role.VIEW,
    "/api/cases/<alert>/decision": Role.TRIAGE,
    "/api/cases/<alert>/assign": Role.TRIAGE,
    "/api/cases/<alert>/note": Role.TRIAGE,
    "/api/alerts/<alert>/unmask": Role.UNMASK,
}
"""Least role by rule, as Flask writes rules."""

ASKED_BY_ITSELF = frozenset({"/api/alerts/<alert>/unmask"})
"""The door behind these routes asks for the role once more and keeps a record of who was refused: it must hear of everyone logged in."""
BY_PAGES = frozenset(
    {
        "/events",
        "/alerts",
        "/cells",
        "/payments/state",
        "/privacy/state",
        "/streams/state",
        "/reports/state",
        "/health/state",
        "/phone/state",
        "/api/account",
    }
)
"""Asked by pages on their own: no sign that somebody is there, so no use of a session."""
WHILE_CHANGING = frozenset({"/password", "/logout", "/api/account"})
"""What an account may do whose password is to be replaced first."""


def may(role: Role) -> tuple[str, ...]:
    """Return the names of the roles whose work this one may do.

    >>> may(Role.UNMASK)
    ('view', 'triage', 'unmask')
    """
    return tuple(needed.value for needed in Role if role.allows(needed))
