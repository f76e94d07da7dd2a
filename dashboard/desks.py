"""What stands behind the pages: one desk for each, all of them optional, so that a page whose desk is missing is not there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from flask import Flask

from dashboard.access import Access, add_accounts
from dashboard.access.accounts_page import AccountAdmin
from dashboard.case_api import CaseDesk, add_cases
from dashboard.course import add_course
from dashboard.health_desk import HealthDesk
from dashboard.health_page import add_health
from dashboard.live_desk import LiveDesk, add_live
from dashboard.payments_desk import PaymentsDesk
from dashboard.payments_page import add_payments
from dashboard.phone_desk import PhoneDesk
from dashboard.phone_page import add_phone
from dashboard.privacy_desk import PrivacyDesk
from dashboard.privacy_page import add_privacy
from dashboard.reports_desk import ReportsDesk
from dashboard.reports_page import add_reports
from dashboard.streams_desk import StreamsDesk
from dashboard.streams_page import add_streams

__all__ = ["Desks"]


@dataclass(frozen=True, kw_only=True)
class Desks:
    """The desks of one application."""

    cases: CaseDesk | None = None
    """Answers what is about cases."""
    accounts: AccountAdmin | None = None
    """Where administrators change accounts."""
    course: Path | None = None
    """File of the report that `/rubric` shows."""
    privacy: PrivacyDesk | None = None
    streams: StreamsDesk | None = None
    phone: PhoneDesk | None = None
    health: HealthDesk | None = None
    live: LiveDesk | None = None
    """Answers what the live map asks beyond its stream."""
    payments: PaymentsDesk | None = None
    reports: ReportsDesk | None = None

    def add_to(self, server: Flask, access: Access) -> None:
        """Let a server answer for each desk that is there."""
        if self.accounts is not None:
            add_accounts(server, self.accounts, access.clock_ms)
        if self.cases is not None:
            add_cases(server, self.cases)
        if self.course is not None:
            add_course(server, self.course)
        if self.privacy is not None:
            add_privacy(server, self.privacy)
        if self.streams is not None:
            add_streams(server, self.streams)
        if self.phone is not None:
            add_phone(server, self.phone)
        if self.health is not None:
            add_health(server, self.health)
        if self.live is not None:
            add_live(server, self.live)
        if self.payments is not None:
            add_payments(server, self.payments)
        if self.reports is not None:
            add_reports(server, self.reports)
