"""The dashboards: what they show, in words that no form of Kibana's is part of."""

from __future__ import annotations

from storage.kibana.dashboards.investigation import INVESTIGATION
from storage.kibana.dashboards.model import COLUMNS, Dashboard, Filter, Grid, Note, Panel, Placed
from storage.kibana.dashboards.payments import PAYMENTS

__all__ = ["COLUMNS", "DASHBOARDS", "INVESTIGATION", "PAYMENTS", "Dashboard", "Filter", "Grid", "Note", "Panel", "Placed"]

DASHBOARDS: tuple[Dashboard, ...] = (PAYMENTS, INVESTIGATION)
