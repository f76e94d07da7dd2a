"""What the stage itself releases, over two tiers of windows, is clean in the eyes of the auditor, who shares no code with it."""

from __future__ import annotations

import h3
import msgspec
import numpy as np

from privacy.amounts import band, rounded_amount
from privacy.audit import Limits, StoredDocument, audit
from privacy.batch import close_window, staged_row
from privacy.parts import MaskedPayment
from privacy.policy import Policy
from privacy.state import StagedRow
from privacy.windows import Window, WindowPolicy
from storage.documents import MaskedTransaction, Progress, ReleaseDocument, SimilarGroup
from storage.kinds import GROUPS, PROGRESS, RELEASES, TRANSACTIONS, to_document
from tests.unit.audit_world import HOUR_MS, START_MS, payment, place, token
from veilocity.contracts import Verdict

HOURS = 6
POLICY = Policy(
    name="p",
    k=5,
    windows=WindowPolicy(HOUR_MS, 0, 24 * HOUR_MS, later_ms=(6 * HOUR_MS,)),
    cell_resolution=7,
    sample_size=5,
    bloom_capacity=1000,
    bloom_error_rate=0.001,
    similarity=0.7,
    key_checks=("abcd",),
    digest="0123",
    period_ms=168 * HOUR_MS,
    t=0.4,
    hold_loss=0.5,
)
SALTS = np.random.default_rng(12)


def payments(rng: np.random.Generator, count: int) -> list[MaskedTransaction]:
    """Return payments of a small city, as they are in MongoDB."""
    found = []
    for number in range(count):
        person, amount = int(rng.integers(0, 150)), int(rng.integers(100, 20_000))
        cell = h3.latlng_to_cell(51.5 + 0.03 * float(rng.integers(0, 6)), -0.1, 7)
        found.append(
            msgspec.structs.replace(
                payment("mongodb", 0, person),
                id=token("mongodb", "transaction", number),
                minute_ms=START_MS + int(rng.integers(0, HOURS * 60)) * 60_000,
                amount=rounded_amount(amount, "EUR"),
                amount_band=band(amount, "EUR"),
                category=str(rng.choice(["groceries", "cafe", "atm", "5812"])),
                place=place(cell) if number % 9 else None,
                verdict=Verdict.FLAGGED if number % 7 == 0 else Verdict.CLEAR,
                alert=None,
            )
        )
    return found


def waiting(one: MaskedTransaction) -> MaskedPayment:
    """Return the payment as it waits for its window."""
    documents = {"mongodb": one, "elasticsearch": msgspec.structs.replace(one, id=token("elasticsearch", "transaction", one.id))}
    return MaskedPayment(0, 0, token("stage", "transaction", one.id), token("stage", "subject", one.subject), one.minute_ms, documents)


def test_what_the_stage_releases_passes_the_audit() -> None:
    rng = np.random.default_rng(11)
    transactions = payments(rng, 1_500)
    held: list[StagedRow] = []
    releases: list[ReleaseDocument] = []
    groups: list[SimilarGroup] = []
    for hour in range(HOURS):
        window = Window(0, START_MS + hour * HOUR_MS, START_MS + (hour + 1) * HOUR_MS)
        rows = [staged_row(waiting(one)) for one in transactions if window.start_ms <= one.minute_ms < window.end_ms]
        closed = close_window(rows, POLICY, window, hour, SALTS.bytes(32))
        releases += closed.releases
        groups += closed.groups["mongodb"]
        held += closed.held
    last = close_window(held, POLICY, Window(1, START_MS, START_MS + HOURS * HOUR_MS), HOURS, SALTS.bytes(32))
    releases += last.releases
    released = sum(one.release.payments for one in releases)
    progress = Progress("privacy", HOURS, transactions=1_500, released=released, suppressed=last.suppressed)
    documents = [StoredDocument("mongodb", "progress", to_document(PROGRESS, progress))]
    found = [("transactions", [to_document(TRANSACTIONS, one) for one in transactions])]
    found += [("releases", [to_document(RELEASES, one) for one in releases]), ("groups", [to_document(GROUPS, one) for one in groups])]
    documents += [StoredDocument("mongodb", name, fields, number, number) for name, kept in found for number, fields in enumerate(kept)]
    report = audit(lambda: documents, Limits(t=0.4), rng=rng, now_ms=0)
    assert report.passed, [fault.sentence() for check in report.checks for fault in check.faults]
    classes = next(check for check in report.checks if check.name == "classes")
    assert classes.figures["windows"] == HOURS + 1
    assert classes.figures["classes"] == len(releases) > 50
