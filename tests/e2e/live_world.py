"""What the live map asks, answered from memory as the store would: filters, cursors, cases and a person's axis."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from storage.cases import Case, CaseEvent, Change, Status
from storage.cases.model import Facts, advance, next_event
from storage.cursors import Key
from storage.documents import MaskedAlert, MaskedTransaction, Position
from storage.filters import ALERT_FIELDS, Filter, alert_minute_ms, holds_alert, only
from storage.paging import Page, Part, make_page
from storage.read_alerts import AlertFacets, AlertRow
from storage.read_timeline import Evidence, Happening
from storage.unmaskings import Unmasking
from tests.e2e.dashboard_world import World
from veilocity.contracts import Severity
from veilocity.errors import ConflictError, InvalidInputError, RejectReason, StoreUnavailableError

__all__ = ["CasesWorld", "LiveWorld"]

_ALL = 100_000


@dataclass
class LiveWorld:
    """Alerts, payments and cases in memory."""

    alerts: list[MaskedAlert] = field(default_factory=list)
    payments: list[MaskedTransaction] = field(default_factory=list)
    positions: dict[str, Position] = field(default_factory=dict)
    cases: dict[str, Case] = field(default_factory=dict)
    down: bool = False
    follows: World | None = None
    """Whose alerts and payments these are."""

    def evidence(self, alert: str) -> Evidence:
        self._look()
        found = next((one for one in self.alerts if one.id == alert), None)
        if found is None:
            raise InvalidInputError(RejectReason.INVALID_FIELD, "there is no such alert: copy its id from the page or from MongoDB")
        return Evidence(
            alert=found,
            case=self.cases.get(alert),
            payments=tuple(one for one in self.payments if one.subject == found.subject),
            related=tuple(one for one in self.alerts if one.subject == found.subject and one.id != alert),
            position=self.positions.get(found.subject),
        )

    def alert_page(self, which: Filter, limit: int, cursor: str | None = None) -> Page[AlertRow]:
        self._look()
        only(which, ALERT_FIELDS, "alerts")
        wanted = [AlertRow(one, self.cases.get(one.id)) for one in self.alerts if holds_alert(which, one)]
        keyed = [((alert_minute_ms(row.alert), row.alert.id), row) for row in wanted if which.status in (None, row.status)]
        keyed.sort(key=lambda pair: pair[0], reverse=True)

        def source(key: Key | None, count: int) -> Part[AlertRow]:
            rest = [pair for pair in keyed if key is None or pair[0] < key][:count]
            return Part(rest, rest[-1][0] if len(rest) == count else None)

        return make_page(source, f"alerts?{which.to_query()}", limit, cursor, parts=1)

    def alert_facets(self, which: Filter) -> AlertFacets:
        self._look()
        found = [one for one in self.alerts if holds_alert(which, one)]
        return AlertFacets(
            since_ms=which.since_ms or 0,
            total=len(found),
            rules=dict(Counter(one.rule for one in found)),
            severities=dict(Counter(one.severity for one in found)),
            statuses=dict(Counter(AlertRow(one, self.cases.get(one.id)).status for one in found)) or {Status.NEW: 0},
            complete=True,
        )

    def replay_page(self, since_ms: int, until_ms: int, limit: int, cursor: str | None = None) -> Page[Happening]:
        self._look()
        keyed = [((one.minute_ms, f"0{one.id}"), Happening(one.minute_ms, payment=one)) for one in self.payments]
        keyed += [((alert_minute_ms(one), f"1{one.id}"), Happening(alert_minute_ms(one), alert=one)) for one in self.alerts]
        keyed = sorted((pair for pair in keyed if since_ms <= pair[0][0] < until_ms), key=lambda pair: pair[0])

        def source(key: Key | None, count: int) -> Part[Happening]:
            rest = [pair for pair in keyed if key is None or pair[0] > key][:count]
            return Part(rest, rest[-1][0] if len(rest) == count else None)

        return make_page(source, f"replay?since={since_ms}&until={until_ms}", limit, cursor, parts=1)

    def _look(self) -> None:
        if self.down:
            raise StoreUnavailableError("MongoDB does not answer: is it running?")
        if self.follows is not None:
            self.alerts = self.follows.alerts(_ALL)
            self.payments = self.follows.recent_transactions(_ALL)
            self.positions = {one.id: one for one in self.follows.positions(_ALL)}


@dataclass
class CasesWorld:
    """Cases in memory: the state machine is the real one, and of two on the same revision one is told what the other did."""

    found: dict[str, Case]
    events: dict[str, list[CaseEvent]] = field(default_factory=dict)
    down: bool = False

    def cases(self, alerts: list[str]) -> dict[str, Case]:
        self._look()
        return {alert: self.found[alert] for alert in alerts if alert in self.found}

    def history(self, alert: str) -> list[CaseEvent]:
        self._look()
        return self.events.get(alert, [])

    def unmaskings(self, alert: str) -> list[Unmasking]:
        self._look()
        return []

    def change(self, alert: str, expected_revision: int, change: Change) -> Case:
        self._look()
        known = self.found.get(alert)
        if (known.revision if known else 0) != expected_revision:
            assert known is not None
            raise ConflictError(
                f"{known.author} changed the case to {known.status} (revision {known.revision}): read it again and decide anew"
            )
        event = next_event(known, alert, Facts(0, Severity.HIGH, "impossible-travel", "person", None), change)
        self.found[alert] = advance(known, event)
        self.events.setdefault(alert, []).append(event)
        return self.found[alert]

    def _look(self) -> None:
        if self.down:
            raise StoreUnavailableError("MongoDB does not answer: is it running?")
