"""From messages to receivers: a courier for each receiver, so that a slow one delays nobody else; any number of processes may run them."""

from __future__ import annotations

import random
from collections.abc import Callable

from storage.notifications.backoff import next_attempt_ms
from storage.notifications.documents import Message
from storage.notifications.email import compose, send
from storage.notifications.file import Notifications
from storage.notifications.message import to_json
from storage.notifications.outbox import Outbox
from storage.notifications.outcome import Outcome
from storage.notifications.receivers import Receiver, WebhookReceiver
from storage.notifications.webhook import post
from veilocity import metrics
from veilocity.logs import get_logger

__all__ = ["Courier", "deliver"]

_log = get_logger(__name__)
_ATTEMPTS = metrics.counter("notify_attempts", "Attempts to send a message, by their end: sent, failed, dead", "receiver", "outcome")
_DELAY = metrics.histogram("notify_delay_seconds", "From the making of a message to its receiver having it", "receiver")
_PENDING = metrics.gauge("notify_pending", "Messages that wait for their receiver", "receiver")


def deliver(receiver: Receiver, message: Message, dashboard_url: str, now_ms: int) -> Outcome:
    """Try once to send a message and say what became of it; raises nothing that a receiver or a network can cause.

    Args:
        receiver: a webhook or a mailbox.
        message: what to tell.
        dashboard_url: where its links lead.
        now_ms: wall clock.
    """
    if isinstance(receiver, WebhookReceiver):
        return post(receiver, f"msg_{message.id}", to_json(message, dashboard_url), now_ms)
    return send(receiver, compose(receiver, message, dashboard_url, now_ms))


class Courier:
    """Carries the messages of one receiver, the longest due first."""

    def __init__(self, outbox: Outbox, receiver: Receiver, notifications: Notifications, clock_ms: Callable[[], int]) -> None:
        """Take what is shared.

        Args:
            outbox: of the database.
            receiver: whose messages.
            notifications: the file in force.
            clock_ms: the wall clock, milliseconds since 1970.
        """
        self._outbox = outbox
        self._receiver = receiver
        self._url = notifications.dashboard_url
        self._delivery = notifications.delivery
        self._clock_ms = clock_ms
        self._not_before_ms = 0
        self._gone = ""
        """Why the receiver wants nothing more; it is not asked again before this process is started anew."""

    def step(self) -> bool:
        """Carry one message, if one is due; say whether one was.

        Raises:
            StoreUnavailableError: MongoDB does not answer; a message that was sent meanwhile is sent again, under the same id.
        """
        now_ms = self._clock_ms()
        if now_ms < self._not_before_ms:
            return False
        message = self._outbox.claim(self._receiver.name, now_ms, self._delivery.claim_ms)
        if message is None:
            return False
        outcome = Outcome("gone", self._gone) if self._gone else deliver(self._receiver, message, self._url, now_ms)
        self._mark(message, outcome, self._clock_ms())
        return True

    def count(self) -> None:
        """Bring the metric of waiting messages up to date.

        Raises:
            StoreUnavailableError: MongoDB does not answer.
        """
        for receiver, count in self._outbox.count_pending([self._receiver.name]).items():
            _PENDING.labels(receiver=receiver).set(count)

    def _mark(self, message: Message, outcome: Outcome, now_ms: int) -> None:
        keep_ms = self._delivery.keep_ms
        if outcome.result == "sent":
            self._outbox.sent(message, now_ms, keep_ms)
            _DELAY.labels(receiver=self._receiver.name).observe(max(0, now_ms - message.made_ms) / 1_000)
            self._tell("sent", message, "")
            return
        share = random.random()  # noqa: S311  # spreads load, guards nothing
        due_ms = next_attempt_ms(self._delivery.patience, message.attempts, message.made_ms, now_ms, share, outcome.retry_after_ms)
        if outcome.retry_after_ms is not None and due_ms is not None:
            # It asked for quiet, not for this message to wait alone.
            self._not_before_ms = min(due_ms, now_ms + outcome.retry_after_ms)
        if outcome.result == "gone":
            self._gone = outcome.reason
        if outcome.result == "failed" and due_ms is not None:
            self._outbox.retry(message, due_ms, outcome.reason)
            self._tell("failed", message, outcome.reason)
            return
        given_up = outcome.result == "failed"
        reason = f"{outcome.reason}, given up after {message.attempts} attempts" if given_up else outcome.reason
        self._outbox.bury(message, now_ms, keep_ms, reason)
        self._tell("dead", message, reason)

    def _tell(self, outcome: str, message: Message, reason: str) -> None:
        name = self._receiver.name
        _ATTEMPTS.labels(receiver=name, outcome=outcome).inc()
        if outcome == "sent":
            _log.info("a message was sent", receiver=name, attempt=message.attempts, alerts=message.alerts)
        elif outcome == "failed":
            _log.warning("a message could not be sent; it is tried again", receiver=name, attempt=message.attempts, reason=reason)
        else:
            _log.error("a message is given up; docs/notifications.md says how to find it", receiver=name, reason=reason)
