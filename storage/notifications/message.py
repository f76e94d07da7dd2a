"""What a message says: from cases to one record, and from that record to JSON for programs and text for people. Pure.

Everything in it is as masked as the alerts that are stored: tokens, rounded figures, times cut to the minute. A person's token is not in
it. The same record always gives the same bytes, so a repeated attempt sends what the first one sent.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from urllib.parse import quote

import msgspec

from storage.notifications.documents import Case, Line, Message, MessageKind, MessageState, News, Part, Standing
from storage.notifications.rules import Channel, is_at_least, rank
from veilocity.contracts import Severity

__all__ = ["MOST_LINES", "Summary", "message_of", "subject_of", "summarise", "to_json", "to_text", "trial_message"]

MOST_LINES = 20
"""Alerts that a message names; it counts all. Keeps a body below the 20 kB that Standard Webhooks advises."""
_LONGEST_SENTENCE = 500
_TYPES = {
    MessageKind.OPENED: "case.opened",
    MessageKind.UPDATED: "case.updated",
    MessageKind.REPEATED: "case.repeated",
    MessageKind.STORM: "cases.storm",
    MessageKind.TEST: "notifier.test",
}


class Summary(msgspec.Struct, frozen=True):
    """What some cases have to say."""

    parts: tuple[Part, ...]
    alerts: int
    standing: int
    severity: Severity
    by_news: dict[str, int]
    by_rule: dict[str, int]
    by_severity: dict[str, int]
    named: tuple[Standing, ...]
    """Those to be named, gravest first."""


def summarise(cases: Iterable[Case]) -> Summary:
    """Add cases up: what is new in them, or what stands where nothing is new. Reads them once, so that a storm needs no memory.

    A case without news beside cases with news counts with what stands in it.
    """
    parts: list[Part] = []
    by_news: Counter[str] = Counter()
    by_rule: Counter[str] = Counter()
    by_severity: Counter[str] = Counter()
    standing = 0
    severity = Severity.LOW
    named: list[tuple[tuple[int, int, str], Standing]] = []
    for case in cases:
        parts.append(Part(case.id, case.generation))
        standing += sum(not one.retracted for one in case.alerts)
        for one in case.alerts:
            if (one.news is None) if case.news else (one.told is None or one.retracted):
                continue
            by_news[one.news.value if one.news else "standing"] += 1
            by_rule[one.rule] += 1
            by_severity[one.severity.value] += 1
            severity = one.severity if is_at_least(one.severity, severity) else severity
            entry = ((rank(one.severity), one.news is not News.RETRACTED, one.id), one)
            (heapq.heappush if len(named) < MOST_LINES else heapq.heappushpop)(named, entry)
    ordered = tuple(one for _, one in sorted(named, key=lambda entry: entry[0], reverse=True))
    return Summary(tuple(parts), sum(by_news.values()), standing, severity, dict(by_news), dict(by_rule), dict(by_severity), ordered)


def message_of(identity: str, channel: Channel, summary: Summary, lines: Mapping[str, Line], made_ms: int, case: Case | None) -> Message:
    """Return the message about some cases.

    Args:
        identity: token of the message.
        channel: which.
        summary: of the cases.
        lines: by alert, what is told of those that are named; one that is missing was deleted meanwhile, and is counted only.
        made_ms: wall clock.
        case: the one case, at the generation of before; None for a storm.
    """
    if case is None:
        kind = MessageKind.STORM
    elif not case.news:
        kind = MessageKind.REPEATED
    else:
        kind = MessageKind.UPDATED if case.generation else MessageKind.OPENED
    told = [(one, lines[one.id]) for one in summary.named if one.id in lines]
    return Message(
        id=identity,
        channel=channel.id,
        route=channel.route,
        receiver=channel.receiver,
        kind=kind,
        case=case.id if case else "",
        generation=case.generation + 1 if case else 0,
        parts=summary.parts,
        made_ms=made_ms,
        severity=summary.severity,
        cases=len(summary.parts),
        alerts=summary.alerts,
        standing=summary.standing,
        by_news=summary.by_news,
        by_rule=summary.by_rule,
        by_severity=summary.by_severity,
        lines=tuple(msgspec.structs.replace(line, news=one.news, sentence=_cut(line.sentence)) for one, line in told),
        state=MessageState.PENDING,
        attempts=0,
        due_ms=made_ms,
        ended_ms=0,
        reason="",
    )


def trial_message(identity: str, receiver: str, made_ms: int) -> Message:
    """Return a message that says only that messages arrive."""
    return Message(
        id=identity,
        channel="",
        route="",
        receiver=receiver,
        kind=MessageKind.TEST,
        case="",
        generation=0,
        parts=(),
        made_ms=made_ms,
        severity=Severity.LOW,
        cases=0,
        alerts=0,
        standing=0,
        by_news={},
        by_rule={},
        by_severity={},
        lines=(),
        state=MessageState.PENDING,
        attempts=0,
        due_ms=made_ms,
        ended_ms=0,
        reason="",
    )


def to_json(message: Message, dashboard_url: str) -> bytes:
    """Return the body of a webhook: `type`, `timestamp` (when the message was made) and `data`, as Standard Webhooks advises."""
    data = {
        "route": message.route,
        "case": message.case or None,
        "generation": message.generation,
        "severity": message.severity.value,
        "title": subject_of(message),
        "cases": message.cases,
        "alerts": message.alerts,
        "standing": message.standing,
        "by_news": dict(sorted(message.by_news.items())),
        "by_rule": dict(sorted(message.by_rule.items())),
        "by_severity": dict(sorted(message.by_severity.items())),
        "named": [_line_as_data(line, dashboard_url) for line in message.lines],
        "not_named": message.alerts - len(message.lines),
        "link": dashboard_url,
    }
    return msgspec.json.encode({"type": _TYPES[message.kind], "timestamp": _moment(message.made_ms), "data": data})


def subject_of(message: Message) -> str:
    """Return one line that says what a message is about, without control characters."""
    if message.kind is MessageKind.TEST:
        return "Veilocity: a test message"
    what = f"{_count(message.alerts, 'alert')}"
    rules = ", ".join(name for name, _ in _largest(message.by_rule)[:3]) + (" and others" if len(message.by_rule) > 3 else "")
    if message.kind is MessageKind.STORM:
        text = f"many cases at once: {what} of {_count(message.cases, 'case')} ({rules})"
    elif message.kind is MessageKind.REPEATED:
        text = f"still standing: {what} about one person ({rules})"
    elif message.by_news.get(News.RETRACTED.value, 0) == message.alerts:
        text = f"retracted: {what} about one person ({rules})"
    else:
        text = f"{what} about one person ({rules})"
    return "".join(letter for letter in f"Veilocity, {message.severity.value}: {text}" if letter.isprintable())


def to_text(message: Message, dashboard_url: str) -> str:
    """Return the message for people: what happened, each named alert with its link, and what else there is."""
    if message.kind is MessageKind.TEST:
        return f"This is a test: messages of Veilocity reach you.\n\n{dashboard_url}\n"
    parts = [f"{subject_of(message).partition(': ')[2].capitalize()}.", ""]
    for line in message.lines:
        news = line.news.value if line.news else "standing"
        times = f", seen {line.count} times" if line.count > 1 else ""
        parts.append(f"- {line.severity.value.upper()}, {news}, {_moment(line.minute_ms)[:16].replace('T', ' ')} UTC, {line.rule}{times}")
        parts += [f"  {line.sentence}", f"  {_link(dashboard_url, line.id)}", ""]
    if message.alerts > len(message.lines):
        parts.append(f"{message.alerts - len(message.lines)} more are not named here: {dashboard_url}")
    for title, counts in (("By rule", message.by_rule), ("By severity", message.by_severity), ("By news", message.by_news)):
        if len(counts) > 1:
            parts.append(f"{title}: " + ", ".join(f"{name} {count}" for name, count in _largest(counts)))
    if message.case:
        parts.append(f"Message {message.generation} of this case, of which {_count(message.standing, 'alert')} stand.")
    parts.append("Places, times and figures are rounded; a sentence claims less than was computed, never more.")
    return "\n".join(parts) + "\n"


def _line_as_data(line: Line, dashboard_url: str) -> dict[str, object]:
    return {
        "alert": line.id,
        "revision": line.revision,
        "news": line.news.value if line.news else "standing",
        "severity": line.severity.value,
        "rule": line.rule,
        "cause": line.cause,
        "minute": _moment(line.minute_ms),
        "count": line.count,
        "sentence": line.sentence,
        "link": _link(dashboard_url, line.id),
    }


def _link(dashboard_url: str, alert: str) -> str:
    # A fragment: no server on the way writes it into its log.
    return f"{dashboard_url}/#alert={quote(alert, safe='')}"


def _moment(time_ms: int) -> str:
    return f"{datetime.fromtimestamp(time_ms // 1000, tz=UTC):%Y-%m-%dT%H:%M:%SZ}"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _largest(counts: Mapping[str, int]) -> Sequence[tuple[str, int]]:
    return sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))


def _cut(sentence: str) -> str:
    return sentence if len(sentence) <= _LONGEST_SENTENCE else f"{sentence[: _LONGEST_SENTENCE - 1]}…"
