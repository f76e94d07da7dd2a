"""Kibana as code: data views, saved searches and two dashboards, generated from Python and the same bytes every time.

What this part promises:

- Every field is one of our mappings, with a type that fits; every reference resolves; no two panels overlap (`lint`).
- Each panel's question is answered by a real Elasticsearch as plain Python answers it (`probe`).
- Importing twice is importing once: the ids are fixed.

Everything but `probe` and `client` is pure.
"""

from __future__ import annotations

from storage.kibana.dashboards import DASHBOARDS, Dashboard
from storage.kibana.dashboards_api import bodies
from storage.kibana.lint import Finding, check_bodies, check_lines
from storage.kibana.ndjson import objects, parse, render

__all__ = ["DASHBOARDS", "Dashboard", "Finding", "bodies", "check_bodies", "check_lines", "objects", "parse", "render"]
