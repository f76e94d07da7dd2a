"""Who may see and do what on the dashboard: login, sessions, roles, and the headers that keep a browser honest.

- Every route has a role in `dashboard.access.permissions`, or is open on purpose; one that is not listed answers nobody.
- A request that changes something must come from a page of ours (`Sec-Fetch-Site`, `Origin`) and carry the session's token.
- Each request looks at the session anew, so logging out, disabling and a new password are in force at once, on open streams within seconds.
- Login may be off on a loopback address alone; then only requests to a loopback name are answered, so no foreign page can reach it by DNS.
"""

from __future__ import annotations

from dashboard.access.accounts_page import add_accounts
from dashboard.access.gate import Access, caller, protect
from dashboard.access.headers import add_headers
from dashboard.access.routes import add_login

__all__ = ["Access", "add_accounts", "add_headers", "add_login", "caller", "protect"]
