"""What the live map asks, answered from memory as the store would: filters, cursors, cases and a person's axis."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from storage.cases import Case, Status
from storage.cursors import Key
from storage.documents import MaskedAlert, MaskedTransaction, Position
from storage.filters import ALERT_FIELDS, Filter, alert_minute_ms, holds_alert, only
from storage.paging import Page, Part, make_page
from storage.read_alerts import AlertFacets, AlertRow
from storage.read_timeline import Evidence, Happening
from veilocity.errors import InvalidInputError, RejectReason, StoreUnavailableError

__all__ = ["LiveWorld"]


@dataclass
class LiveWorld:
    """Alerts, payments and cases in memory."""

    alerts: list[MaskedAlert] = field(default_factory=list)
    payments: list[MaskedTransaction] = field(default_factory=list)
    positions: dict[str, Position] = field(default_factory=dict)
    cases: dict[str, Case] = field(default_factory=dict)
    down: bool = False

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
