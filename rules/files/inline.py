"""Inline tests: a short story, and what the rule must say of it; each runs on the real engine with the rule alone in force."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from rules.book import Allowed, RuleBook
from rules.engine import Engine
from rules.files.events import Step, moment_ns
from rules.subject import SubjectState
from veilocity.contracts import Alert, AlertState, Decision, Fix, Severity, Transaction, Verdict
from veilocity.errors import InvalidInputError

__all__ = ["Expected", "InlineTest", "Played", "Report", "play", "run"]


class Expected(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One alert that must stand at the end."""

    severity: Severity
    cause: str
    anchor: str | None = None
    """A payment's id, or a phone and a moment: `phone@12:05`."""
    count: int | None = None

    def __post_init__(self) -> None:
        """Refuse an anchor that cannot be read."""
        _ = self.anchor_id

    @property
    def anchor_id(self) -> str | None:
        """The anchor as alerts write it."""
        if self.anchor is None or "@" not in self.anchor:
            return self.anchor
        device, _, moment = self.anchor.rpartition("@")
        return f"{device}@{moment_ns(moment)}"

    def fits(self, alert: Alert) -> bool:
        """Say whether the alert is what is expected."""
        told = (alert.severity, alert.cause) == (self.severity, self.cause)
        return told and self.anchor_id in (None, alert.anchor) and self.count in (None, alert.episode.count)


class InlineTest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One story."""

    name: str
    events: tuple[Step, ...]
    """In the order in which they arrive."""
    expect: tuple[Expected, ...]
    """Exactly the alerts that stand at the end."""
    retracted: int | None = None
    """Alerts that were told and taken back."""
    decisions: dict[str, Verdict] = {}
    """Final verdict by payment; payments that are not named are not asked for."""
    reasons: dict[str, tuple[str, ...]] = {}
    severities: dict[str, Severity | None] = {}
    parameters: dict[str, object] = {}
    """Other values than the file's, for this test."""
    allow: Allowed | None = None


class Played(msgspec.Struct, frozen=True):
    """Where a story ends."""

    alerts: dict[str, Alert]
    """Newest revision by id, retracted ones too."""
    decisions: dict[str, Decision]
    """Newest revision by payment."""

    @property
    def standing(self) -> list[Alert]:
        """Alerts that hold, in order of their time."""
        found = [alert for alert in self.alerts.values() if alert.state is not AlertState.RETRACTED]
        return sorted(found, key=lambda alert: (alert.episode.first_ms, alert.id))


class Report(msgspec.Struct, frozen=True):
    """What a test found."""

    name: str
    faults: tuple[str, ...]
    """Expected and found, one sentence each; none where the test is green."""


def play(events: Iterable[Fix | Transaction], book: RuleBook, *, shortcuts: bool = True) -> Played:
    """Process events of one person and return where they lead.

    Raises:
        InvalidInputError: the engine refuses an event.
    """
    engine, state = Engine(book, shortcuts=shortcuts), SubjectState()
    alerts: dict[str, Alert] = {}
    decisions: dict[str, Decision] = {}
    for event in events:
        outcome = engine.process(state, event)
        alerts.update((alert.id, alert) for alert in outcome.alerts)
        decisions.update((decision.transaction.id, decision) for decision in outcome.decisions)
    return Played(alerts, decisions)


def run(test: InlineTest, book: RuleBook) -> Report:
    """Run one test.

    Args:
        test: the story.
        book: with the rule alone, under the test's parameters.
    """
    try:
        played = play((event for step in test.events for event in step.events()), book)
    except InvalidInputError as error:
        return Report(test.name, (f"an event was refused: {error.detail}",))
    return Report(test.name, (*_alert_faults(test, played), *_decision_faults(test, played)))


def _alert_faults(test: InlineTest, played: Played) -> Iterator[str]:
    unexpected, missing = played.standing, []
    # The most exact first, so that none takes the alert that only a more exact one would fit.
    for expected in sorted(test.expect, key=lambda one: (one.anchor is None, one.count is None)):
        alert = next((one for one in unexpected if expected.fits(one)), None)
        if alert is None:
            missing.append(expected)
        else:
            unexpected.remove(alert)
    if missing or unexpected:
        expected_text = ", ".join(_told(one.severity, one.cause, one.anchor, one.count) for one in test.expect) or "no alert"
        found = (_told(one.severity, one.cause, _anchor(one), one.episode.count) for one in played.standing)
        yield f"expected {expected_text}; found {', '.join(found) or 'no alert'}"
    retracted = len(played.alerts) - len(played.standing)
    if test.retracted not in (None, retracted):
        yield f"expected {test.retracted} alerts to be retracted; found {retracted}"


def _decision_faults(test: InlineTest, played: Played) -> Iterator[str]:
    for field, answers in (("verdict", test.decisions), ("reasons", test.reasons), ("severity", test.severities)):
        for name, expected in answers.items():
            decision = played.decisions.get(name)
            found = "no decision" if decision is None else getattr(decision, field)
            if found != expected:
                yield f"expected the {field} of {name} to be {_words(expected)}; found {_words(found)}"


def _words(value: object) -> str:
    return ", ".join(map(str, value)) or "none" if isinstance(value, tuple) else str(value or "none")


def _told(severity: Severity, cause: str, anchor: str | None, count: int | None) -> str:
    return f"{severity} {cause}" + (f" at {anchor}" if anchor else "") + (f", {count} times" if count else "")


def _anchor(alert: Alert) -> str:
    device, at, event_ns = alert.anchor.rpartition("@")
    if not at:
        return alert.anchor
    seconds = (int(event_ns) - moment_ns(0)) / 1e9
    minutes, second = divmod(seconds, 60.0)
    day, minute = divmod(int(minutes), 24 * 60)
    clock = f"{minute // 60:02}:{minute % 60:02}:{second:06.3f}".removesuffix(".000")
    return f"{device}@day {day + 1} {clock}" if day else f"{device}@{clock}"
