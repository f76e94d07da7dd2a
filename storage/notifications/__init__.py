"""Telling people: signed webhooks and e-mail about alerts, put together by case, so that a storm is one message.

What this package promises:

- What is told is as masked as what the stores hold; it reads nothing else.
- No alert that a route takes is left untold, and none is told twice to a receiver that honours the id of a message, whichever process is
  killed when, and however many of them run.
- Messages to one receiver are bounded, however many alerts there are.
- Nothing is sent to a private address unless the operator allows it, and no secret is in a file of settings, a log or the store.

`rules`, `grouping`, `message`, `signature`, `backoff` and `addresses` are pure; `planner` and `courier` are the loops around them.
"""

from __future__ import annotations

from storage.notifications.signature import key_of, verify

__all__ = ["key_of", "verify"]
