"""What a store could tell the page of privacy, made up: a good day, a bad audit, an old one, a spent budget, and nothing at all."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from storage.documents import AggregateDocument, NoiseTerms, NoisyCount, NoisyShare, Progress, ReleaseDocument, RunningTotal
from storage.privacy_queries import AuditCheck, AuditFault, AuditResult, AuditRun, Audits
from veilocity.contracts import Release, Verdict
from veilocity.errors import StoreUnavailableError

HOUR_MS = 3_600_000
START_MS = 1_795_305_600_000
"""2026-11-22T00:00Z."""
_FIGURES: dict[str, dict[str, int | float]] = {
    "classes": {"classes": 412, "windows": 31, "fewest_people": 5},
    "conservation": {"transactions": 6_412, "released": 5_204, "mongodb_payments": 6_412},
    "identifiers": {"values": 184_220, "known_identifiers": 0},
    "exactness": {"places": 9_180, "times": 21_406},
    "tokens": {"tokens": 31_877, "mongodb_joined_without_tokens": 0.4127},
    "cards": {"documents_with_cards": 12_824, "forms": 1},
    "linkage": {"classes_attacked": 412, "fewest_candidates": 6},
    "unicity": {"mongodb_pseudonyms": 380, "mongodb_unique": 352, "mongodb_share": 0.9263},
    "intersection": {"windows": 31, "members": 4_118},
}
_READ = {
    "elasticsearch/alerts": 61,
    "elasticsearch/releases": 412,
    "elasticsearch/transactions": 6_412,
    "mongodb/alerts": 61,
    "mongodb/positions": 400,
    "mongodb/releases": 412,
    "mongodb/transactions": 6_412,
}


def check(name: str, faults: Sequence[AuditFault] = ()) -> AuditCheck:
    return AuditCheck(name, not faults, _FIGURES[name], tuple(faults), len(faults))


def audits(written_ms: int, *, runs: int = 36, failed: dict[str, Sequence[AuditFault]] | None = None, every_ms: int = HOUR_MS) -> Audits:
    """Return audits whose newest began at `written_ms`; the ninth before it failed."""
    faults = failed or {}
    checks = tuple(check(name, faults.get(name, ())) for name in _FIGURES)
    newest = AuditResult(written_ms, 4.21, not faults, _READ, checks)
    ended = [AuditRun(written_ms, 4.21, not faults, sum(map(len, faults.values())), tuple(faults))]
    for number in range(1, runs):
        bad = number == 9
        ended.append(AuditRun(written_ms - number * every_ms, 3.9, not bad, 2 * bad, ("exactness",) * bad))
    return Audits(newest, tuple(ended))


def release(number: int, seq: int, *, start_ms: int, hours: int, people: int, loss: float, k: int = 5) -> ReleaseDocument:
    payments = people + people // 2
    flagged = number % 3 == 0
    return ReleaseDocument(
        f"class{number:05d}",
        seq,
        Release(
            class_id=f"class{number:05d}",
            policy="default-1",
            window_start_ms=start_ms,
            window_end_ms=start_ms + hours * HOUR_MS,
            k=k,
            people=people,
            payments=payments,
            loss=loss,
            cell="*",
            cell_resolution=-1,
            hour="*",
            amount_band="10-20",
            category="groceries",
            flagged=int(flagged),
            l=1 + flagged,
            t=0.0417 if flagged else 0.0123,
            sensitive={Verdict.FLAGGED: int(flagged), Verdict.CLEAR: payments - flagged, Verdict.NOT_SCORABLE: 0},
        ),
    )


def releases(windows: int = 14, k: int = 5, seed: int = 5) -> list[ReleaseDocument]:
    """Return the classes of hours, and every sixth hour those of six hours, newest batch first."""
    draw = random.Random(seed)  # noqa: S311  # a made-up day
    found: list[ReleaseDocument] = []
    for window in range(windows):
        start_ms = START_MS + window * HOUR_MS
        for hours, count, loss in ((1, 14, 0.22), (6, 6 * (window % 6 == 5), 0.46)):
            for _ in range(count):
                people = k + int(draw.expovariate(0.16))
                begin_ms = start_ms - (hours - 1) * HOUR_MS
                noisy = round(min(0.9, max(0.05, draw.gauss(loss, 0.08))), 4)
                found.append(release(len(found), window, start_ms=begin_ms, hours=hours, people=people, loss=noisy, k=k))
    return found[::-1]


def published(windows: int = 30, refused: int = 0, seed: int = 3) -> list[AggregateDocument]:
    """Return the whole-window documents of some hours, newest first; the newest `refused` of them without a figure."""
    draw = random.Random(seed)  # noqa: S311  # a made-up day
    found, total = [], 0
    for window in range(windows):
        value = max(0, int(120 + 70 * draw.random() + draw.gauss(0, 20)))
        total += value
        out = window >= windows - refused
        found.append(
            AggregateDocument(
                id=f"window{window:04d}",
                seq=window,
                policy="default-1",
                window_start_ms=START_MS + window * HOUR_MS,
                window_end_ms=START_MS + (window + 1) * HOUR_MS,
                cell="*",
                hour="*",
                payments=None if out else NoisyCount(value, 37.5, max(0, value - 74), value + 74),
                flagged=None if out else NoisyCount(6, 26.5, 0, 58),
                fraud_rate=None if out else NoisyShare(0.04, 0.0, 0.4712),
                total=None if out else RunningTotal(total, 210.0, total - 412, total + 412, START_MS, 0),
                terms=NoiseTerms(0.0 if out else 1.0, 0.0 if out else 1e-9, 3, 0.95, None if out else 102, 28.0, 3.4e-7, 7),
                refused=out,
                epsilon_left=0.25 if out else None,
            )
        )
    return found[::-1]


@dataclass
class PrivacyWorld:
    """A store that tells what a test gives it. `down` makes every question fail."""

    progress_document: Progress | None = None
    audit_documents: Audits = field(default_factory=Audits)
    release_documents: list[ReleaseDocument] = field(default_factory=list)
    window_documents: list[AggregateDocument] = field(default_factory=list)
    down: bool = False
    questions: dict[str, int] = field(default_factory=dict)
    """How often each was asked."""

    def _answer(self, name: str) -> None:
        self.questions[name] = self.questions.get(name, 0) + 1
        if self.down:
            raise StoreUnavailableError("MongoDB does not answer: is it running?")

    def progress(self) -> Progress | None:
        self._answer("progress")
        return self.progress_document

    def audits(self, limit: int) -> Audits:
        self._answer("audits")
        return Audits(self.audit_documents.newest, self.audit_documents.runs[:limit])

    def releases(self, limit: int) -> list[ReleaseDocument]:
        self._answer("releases")
        return self.release_documents[:limit]

    def published_windows(self, limit: int) -> list[AggregateDocument]:
        self._answer("published_windows")
        return self.window_documents[:limit]


def progress(written_ms: int, *, seq: int = 40, lost: int = 0) -> Progress:
    return Progress(
        id="privacy",
        seq=seq,
        decisions=6_412,
        transactions=6_412 + lost,
        released=5_204,
        suppressed=212,
        late=31,
        pending=958,
        erased=7,
        classes=412,
        alerts=61,
        event_ms=START_MS + 14 * HOUR_MS,
        written_ms=written_ms,
    )


def good_day(now_ms: int) -> PrivacyWorld:
    """Return a system that has run for a day and passes its audit."""
    return PrivacyWorld(progress(now_ms), audits(now_ms - 14 * 60_000), releases(), published())
