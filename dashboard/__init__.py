"""The live map: what the stores hold, on a screen within a second, and never older than it says.

Promises:

- **One picture.** The page holds exactly what a fresh snapshot would show: every change reaches it once and in order, or it gets a new
  snapshot (`dashboard.events`, held by a property test).
- **Honest about itself.** Connecting, live, stale, disconnected and store down are states of their own, always visible.
- **Bounded.** So many people, alerts, payments, frames and streams are kept, and not one more (`dashboard.picture`, `dashboard.events`).
- **Self-contained.** The page asks nothing of any other host; a content security policy forbids it.
- **Masked.** It reads through `storage` alone, which never saw an identifier or an exact place.
"""

from __future__ import annotations

from dashboard.app import create_server
from dashboard.events import Hub
from dashboard.poller import Poller

__all__ = ["Hub", "Poller", "create_server"]
