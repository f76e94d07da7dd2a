"""Accounts without a store, and a dashboard behind them: for what the gate itself decides. The integration tests have real stores."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
from flask import Flask

from dashboard.access import Access
from dashboard.app import create_server
from dashboard.case_api import CaseDesk, Unmask
from dashboard.desks import Desks
from dashboard.events import Hub
from dashboard.health_desk import HealthDesk
from dashboard.live_desk import LiveDesk
from dashboard.payments_desk import PaymentsDesk
from dashboard.phone_desk import PhoneDesk
from dashboard.privacy_desk import PrivacyDesk
from dashboard.reports_desk import ReportsDesk
from dashboard.streams_desk import StreamsDesk
from storage.accounts import Account, Login, Visitor
from storage.accounts.model import Session
from storage.cases import Case, CaseEvent, Change
from storage.roles import Role
from storage.unmaskings import Unmasking
from tests.e2e.health_world import HealthWorld
from tests.e2e.live_world import LiveWorld
from tests.e2e.pages_world import PhoneWorld, StreamsWorld
from tests.e2e.payments_world import PaymentsWorld
from tests.e2e.privacy_world import PrivacyWorld
from tests.e2e.reports_world import ReportsWorld, SegmentsWorld
from veilocity.errors import ConflictError, InvalidInputError, RejectReason, StoreUnavailableError
from veilocity.settings import load

RIGHT = "the right password"
NOW_MS = 1_795_400_000_000


def account(name: str = "ada", role: Role = Role.VIEW, *, must_change: bool = False) -> Account:
    return Account(id=name, role=role, hash="", disabled=False, must_change=must_change, epoch=1, made_ms=0, changed_ms=0)


@dataclass
class Cupboard:
    """A door that knows accounts and tokens from memory, and limits nobody but who is named `limited`."""

    people: dict[str, Account] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)
    looks: list[bool] = field(default_factory=list)
    """Whether each look counted as use."""
    down: bool = False
    logins: int = 0

    def with_accounts(self, *accounts: Account) -> Cupboard:
        self.people = {one.id: one for one in accounts}
        return self

    def accounts(self) -> list[Account]:
        return sorted(self.people.values(), key=lambda one: one.id)

    def has_any(self) -> bool:
        return bool(self.people)

    def look(self, token: str, now_ms: int, *, used: bool = True) -> Visitor | None:
        if self.down:
            raise StoreUnavailableError("MongoDB does not answer: is it running?")
        self.looks.append(used)
        name = self.tokens.get(token)
        return None if name is None else Visitor(self.people[name], Session(token, name, 1, now_ms, now_ms))

    def log_in(self, name: str, password: str, address: str, now_ms: int, *, instead: str = "") -> Login:
        if name == "limited":
            return Login("limited", wait_ms=1_500)
        if password != RIGHT or name not in self.people:
            return Login("wrong")
        self.tokens.pop(instead, None)
        self.logins += 1
        token = f"token-{name}-{self.logins}"
        self.tokens[token] = name
        return Login("opened", token)

    def log_out(self, token: str) -> None:
        self.tokens.pop(token, None)

    def add(self, name: str, role: Role, password: str, now_ms: int, *, must_change: bool) -> Account:
        self.people[name] = account(name, role, must_change=must_change)
        return self.people[name]

    def set_role(self, name: str, role: Role, now_ms: int) -> Account:
        return self._changed(name, role=role)

    def set_disabled(self, name: str, now_ms: int, *, disabled: bool) -> Account:
        return self._changed(name, disabled=disabled)

    def set_password(self, name: str, password: str, now_ms: int, *, must_change: bool) -> Account:
        return self._changed(name, must_change=must_change)

    def _changed(self, name: str, **fields: Any) -> Account:
        if name not in self.people:
            raise InvalidInputError(RejectReason.INVALID_FIELD, "there is no such account")
        self.people[name] = msgspec.structs.replace(self.people[name], **fields)
        return self.people[name]

    def change_password(self, visitor: Visitor, old: str, new: str, address: str, now_ms: int) -> Login:
        return self.log_in(visitor.account.id, old, address, now_ms)


class NoCases:
    """Cases of which there are none; whoever decides is too late."""

    def __init__(self, now: Case | None = None) -> None:
        self.now = now
        self.changes: list[Change] = []

    def cases(self, alerts: Iterable[str]) -> dict[str, Case]:
        return {} if self.now is None else dict.fromkeys(alerts, self.now)

    def history(self, alert: str) -> list[CaseEvent]:
        return []

    def unmaskings(self, alert: str) -> list[Unmasking]:
        return []

    def change(self, alert: str, expected_revision: int, change: Change) -> Case:
        self.changes.append(change)
        raise ConflictError("ben changed the case to closed (revision 2): read it again and decide anew")


def whole_server(door: Cupboard | None, unmask: Unmask | None = None, *, https: bool = False, role: Role = Role.TRIAGE) -> Flask:
    """Return the application with every route that it can have."""
    hub = Hub(max_streams=2)
    hub.load(None, (), (), ())
    world = PrivacyWorld()
    cases = NoCases()
    desks = Desks(
        course=Path("/nowhere/rubric.html"),
        privacy=PrivacyDesk(lambda: world, audit_every_s=3_600.0),
        cases=CaseDesk(cases, cases, unmask),
        accounts=door,
        streams=StreamsDesk(StreamsWorld),
        phone=PhoneDesk(load({}), PhoneWorld),
        payments=PaymentsDesk(PaymentsWorld),
        reports=ReportsDesk(ReportsWorld, SegmentsWorld),
        health=HealthDesk(HealthWorld, HealthWorld().count),
        live=LiveDesk(LiveWorld(), world),
    )
    return create_server(hub, desks=desks, access=Access(door=door, https=https, role=role))
