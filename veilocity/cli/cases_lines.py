"""What `veilocity cases` prints for people: one line a thing, columns apart by two blanks, so that it can be cut by other programs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from veilocity.eventtime import format_ms

if TYPE_CHECKING:
    from storage.cases import Case, CaseEvent, LabelReport
    from storage.cases.labels import Share
    from storage.documents import MaskedAlert, MaskedObservation, MaskedTransaction
    from storage.unmaskings import Unmasking
    from veilocity.contracts import Alert, Observation

__all__ = ["alert_line", "case_lines", "event_line", "evidence_lines", "label_lines", "payment_line", "unmasking_line"]

_NONE = "-"


def alert_line(one: Case | MaskedAlert) -> str:
    """Return an alert that has a case, or one that has none."""
    status, assignee = getattr(one, "status", "new"), getattr(one, "assignee", None)
    first, second = getattr(one, "first", None), getattr(one, "second", None)
    minute_ms = max(first.minute_ms, second.minute_ms) if first and second else getattr(one, "minute_ms", 0)
    return _columns(one.id, _minute(minute_ms), one.severity, one.rule, status, assignee)


def case_lines(masked: MaskedAlert, case: Case | None) -> list[str]:
    """Return a masked alert and its case."""
    rows = {
        "alert": masked.id,
        "rule": f"{masked.rule}, version {masked.rule_version}: {masked.cause}",
        "severity": f"{masked.severity}, score {masked.score:g}",
        "state": f"{masked.state}, revision {masked.revision}",
        "person": masked.subject,
        "first": _observation(masked.first),
        "second": _observation(masked.second),
        "sentence": masked.sentence,
        "status": "new" if case is None else f"{case.status} by {case.author}, revision {case.revision}",
        "reason": "" if case is None else case.reason,
        "assignee": None if case is None else case.assignee,
    }
    return [f"{name:<10}{value or _NONE}" for name, value in rows.items()]


def payment_line(one: MaskedTransaction) -> str:
    """Return a masked payment."""
    cell = one.place.cell if one.place else None
    return _columns(one.id, _minute(one.minute_ms), f"{one.amount:g} {one.currency}", one.merchant, one.channel, one.verdict, cell)


def event_line(one: CaseEvent, before: CaseEvent | None) -> str:
    """Return an event of a case.

    Args:
        one: the event.
        before: the event before it, which says who the assignee was.
    """
    what = f"{one.before} -> {one.after}" if one.before != one.after else "unchanged"
    assignee = one.assignee or "nobody" if one.assignee != (before.assignee if before else None) else ""
    texts = {"assignee": assignee, "reason": one.reason, "note": one.note}
    shown = [f"{name}: {text}" for name, text in texts.items() if text]
    return _columns(_second(one.written_ms), f"{one.author} ({one.role})", what, *shown)


def unmasking_line(one: Unmasking) -> str:
    """Return a request for evidence."""
    reason = one.about.reason if one.about else ""
    return _columns(_second(one.written_ms), f"{one.author} ({one.role})", f"evidence {one.outcome}", f"reason: {reason}")


def evidence_lines(one: Alert) -> list[str]:
    """Return the exact evidence that an analyst decides by; `--json` has all of it."""
    rows = {
        "alert": one.id,
        "rule": f"{one.rule}, version {one.rule_version}: {one.cause}",
        "person": one.subject,
        "first": _exact(one.first),
        "second": _exact(one.second),
        "sentence": one.sentence,
        "counted": f"{len(one.items):,} payments" if one.items else _NONE,
        "events": ", ".join(one.episode.events) or _NONE,
    }
    return [f"{name:<10}{value}" for name, value in rows.items()]


def label_lines(report: LabelReport) -> list[str]:
    """Return precision and recall of each rule."""
    rows = [("rule", "confirmed", "false", "unlabelled", "precision", "recall")]
    for one in report.rules:
        counts = (str(one.confirmed), str(one.false_positives), str(one.unlabelled))
        rows.append((one.rule, *counts, _share(one.precision), _share(one.recall)))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [_columns(*(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True))).rstrip() for row in rows]
    lines.append(f"Known frauds: {report.known_frauds:,}, of which reported by people: {report.reported:,}.")
    if not report.complete:
        lines.append("There are more alerts than were read: ask for fewer days.")
    return lines


def _share(one: Share) -> str:
    return _NONE if one.value is None else f"{one.value:.2f} ({one.low:.2f} to {one.high:.2f})"


def _observation(one: MaskedObservation) -> str:
    return _columns(_minute(one.minute_ms), one.kind, one.place.cell if one.place else None)


def _exact(one: Observation) -> str:
    place = None if one.lat is None or one.lon is None else f"{one.lat:.5f}, {one.lon:.5f} (within {one.accuracy_m:g} m)"
    return _columns(format_ms(one.event_ns // 1_000_000), one.kind, place, one.id)


def _columns(*values: str | None) -> str:
    return "  ".join(value or _NONE for value in values)


def _minute(time_ms: int) -> str:
    return format_ms(time_ms)[:16] + "Z"


def _second(time_ms: int) -> str:
    return format_ms(time_ms)[:19] + "Z"
