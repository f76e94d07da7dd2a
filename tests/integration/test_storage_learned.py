"""What people decided of the payments of learned rules, from a real MongoDB: the figures, from indexes, as metrics."""

from __future__ import annotations

import msgspec
import pytest
from prometheus_client import REGISTRY
from pymongo import MongoClient

from storage.cases import CaseWriter, Status
from storage.cases.learned import publish_learned, read_learned
from storage.documents import MaskedTransaction
from storage.kinds import Document
from tests.integration.case_world import ADA, NOW_MS, REASON, mongodb, to, write_alerts
from tests.integration.storage_world import alert, minute, token, transaction
from tests.integration.test_storage_queries import _Questions, _scans
from veilocity.contracts import Severity, Verdict
from veilocity.settings import Settings

pytestmark = pytest.mark.services
BOTH = ("impossible_travel", "learned-boosting", "learned-autoencoder")


def paid(number: int, of_alert: int | None, *reasons: str) -> MaskedTransaction:
    """Return a payment that names an alert, or none as where a model only watches."""
    flagged = of_alert is not None
    return msgspec.structs.replace(
        transaction(number, 0),
        verdict=Verdict.FLAGGED if flagged else Verdict.CLEAR,
        severity=Severity.HIGH if flagged else None,
        alert=token("alert", of_alert) if of_alert is not None else None,
        reasons=reasons,
    )


def labelled(name: str, outcome: str) -> float | None:
    return REGISTRY.get_sample_value("veilocity_rule_labelled_payments", {"rule": name, "outcome": outcome})


def test_labels_of_alerts_and_reports_say_how_often_a_learned_rule_is_right(
    service_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    payments = (
        paid(0, 0, *BOTH),
        paid(1, 1, "impossible_travel", "learned-boosting"),
        paid(2, 2, "impossible_travel"),
        paid(3, None, "learned-autoencoder"),
        paid(4, 3, *BOTH),
        paid(5, 0, *BOTH),
    )
    write_alerts(service_settings, tuple(alert(number, 0, minute_ms=minute(number)) for number in range(4)), payments)
    with CaseWriter(service_settings) as writer:
        for number, status in ((0, Status.CONFIRMED_FRAUD), (1, Status.FALSE_POSITIVE), (2, Status.CONFIRMED_FRAUD)):
            writer.change(token("alert", number), 0, to(Status.ACKNOWLEDGED))
            writer.change(token("alert", number), 1, to(status, reason=REASON))
        # Nobody decided alert 3; payment 3 only a model saw, and a person reported it.
        writer.report_missed(payments[3].id, ADA, REASON, NOW_MS)
    questions = _Questions()

    def connect_noting(settings: Settings, *, socket_timeout_ms: int) -> MongoClient[Document]:
        return MongoClient(settings.mongodb_uri.get_secret_value(), socketTimeoutMS=socket_timeout_ms, event_listeners=[questions])

    monkeypatch.setattr("storage.cases.learned.connect", connect_noting)
    found = read_learned(service_settings, 0, NOW_MS)
    assert {rule: (one.hits, one.of) for rule, one in found.items()} == {"learned-boosting": (2, 3), "learned-autoencoder": (3, 3)}
    assert read_learned(service_settings, 0, minute(-600)) == {}
    publish_learned(found)
    assert (labelled("learned-boosting", "confirmed"), labelled("learned-boosting", "false-positive")) == (2.0, 1.0)
    publish_learned({})
    assert labelled("learned-boosting", "confirmed") is None
    with mongodb(service_settings) as database:
        plans = [_scans(database.command("explain", question)["queryPlanner"]["winningPlan"]) for question in questions.finds]
    assert len(plans) >= 4
    assert all(scans <= {"IXSCAN", "IDHACK", "EXPRESS_IXSCAN"} for scans in plans), list(zip(questions.finds, plans, strict=True))
