"""What one executor task makes of its Kafka records: masked, reduced, and safe to send to the driver.

Nine of ten records are fixes and only the newest of a person matters, so they are reduced before a token is made; of an alert
and of the later answers to a payment the newest revision is kept, and only its evidence is sealed. A record that does not decode is
counted with its reason and costs nothing but itself. Documents are made for each store; what joins the two is here and in the stage's
own files alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Literal

import msgspec

from privacy.heartbeat import Heartbeat
from privacy.masking import Masker, amendment_of
from privacy.rounding import coarse_altitude_m
from privacy.unstored import MaskedColumns, UnstoredPayments
from storage.documents import MaskedAlert, MaskedAmendment, MaskedTransaction, Position
from veilocity.contracts import Alert, Decision, Fix, decode
from veilocity.errors import ContractError, RejectError, RejectReason
from veilocity.geo import valid_coordinates

__all__ = ["MaskedPart", "MaskedPayment", "PartBuilder", "Source"]

Source = Literal["decisions", "alerts", "fixes", "heartbeats"]


class MaskedPayment(msgspec.Struct, array_like=True, gc=False):
    """A masked payment and where it stands in its Kafka partition, which decides whether it is late."""

    partition: int
    offset: int
    id: str
    """Of the payment, inside the stage."""
    person: str
    """By which people are counted, inside the stage."""
    minute_ms: int
    documents: dict[str, MaskedTransaction]
    """By store."""


class MaskedPart(msgspec.Struct, array_like=True):
    """Everything one task hands to the driver."""

    payments: list[MaskedPayment] = msgspec.field(default_factory=list)
    """First answers."""
    amendments: list[dict[str, MaskedAmendment]] = msgspec.field(default_factory=list)
    """By store, as the alerts."""
    alerts: list[dict[str, MaskedAlert]] = msgspec.field(default_factory=list)
    positions: list[Position] = msgspec.field(default_factory=list)
    decisions: int = 0
    """Records read from `decisions`, amendments and undecodable ones included."""
    amended: int = 0
    """Records that were later answers, older ones of the same payment included."""
    alert_revisions: int = 0
    alerts_opened: int = 0
    fixes: int = 0
    rejected: dict[str, int] = msgspec.field(default_factory=dict)
    """Reason code to records."""
    heartbeats: list[Heartbeat] = msgspec.field(default_factory=list)
    """In offset order: their topic has one partition."""
    columns: MaskedColumns | None = None
    """In place of `payments` and `amendments`, where no store keeps these."""
    altitudes_m: list[float | None] = msgspec.field(default_factory=list)
    """Of `positions`, in tens of metres; for means of k people, never for a document."""


class PartBuilder:
    """Collects the records of one task; `finish` returns the part."""

    def __init__(self, masker: Masker, seq: int) -> None:
        """Begin a part.

        Args:
            masker: of this process.
            seq: number of the micro-batch.
        """
        self._masker = masker
        self._seq = seq
        self._part = MaskedPart()
        self._unstored = None if masker.unstored is None else UnstoredPayments(masker.unstored)
        self._rejected: Counter[str] = Counter()
        self._newest_fix: dict[str, Fix] = {}
        self._newest_alert: dict[str, tuple[Alert, dict[str, MaskedAlert]]] = {}
        self._newest_amendment: dict[str, tuple[int, dict[str, MaskedAmendment]]] = {}

    def add(self, source: Source, partition: int, offsets: Iterable[int], values: Iterable[bytes | None]) -> None:
        """Take records of one partition in offset order; refused ones are counted."""
        if source == "decisions" and self._unstored is not None:
            records = list(values)
            self._part.decisions += len(records)
            self._unstored.add(partition, records, self._rejected)
            return
        take = {
            "decisions": self._add_decision,
            "alerts": self._add_alert,
            "fixes": self._add_fix,
            "heartbeats": self._add_heartbeat,
        }[source]
        for offset, value in zip(offsets, values, strict=True):
            try:
                take(partition, offset, value or b"")
            except RejectError as error:
                self._rejected[error.reason.value] += 1

    def finish(self) -> MaskedPart:
        """Return the part; only now are the newest places masked and the evidence of the newest alerts sealed.

        Raises:
            StoreUnavailableError: the store of people's keys does not answer.
        """
        part = self._part
        part.positions = [self._masker.position(fix, self._seq) for fix in self._newest_fix.values()]
        part.altitudes_m = [coarse_altitude_m(fix.altitude_m) for fix in self._newest_fix.values()]
        part.alerts = self._masker.sealed(list(self._newest_alert.values()))
        part.amendments = [documents for _, documents in self._newest_amendment.values()]
        if self._unstored is not None:
            part.columns, part.amended = self._unstored.finish(), self._unstored.amended
        part.rejected = dict(sorted((reason, count) for reason, count in self._rejected.items() if count))
        return part

    def _add_decision(self, partition: int, offset: int, value: bytes) -> None:
        self._part.decisions += 1
        decision = decode(value, Decision)
        masked = self._masker.decision(decision, self._seq)
        if decision.revision > 1:
            self._amend(masked.id, decision.revision, masked.documents)
        else:
            self._part.payments.append(MaskedPayment(partition, offset, *masked))

    def _amend(self, identity: str, revision: int, documents: dict[str, MaskedTransaction]) -> None:
        # The first answer has put the payment into windows, sample, filter and groups: a later one must not do so again.
        self._part.amended += 1
        known = self._newest_amendment.get(identity)
        if known is None or revision > known[0]:
            self._newest_amendment[identity] = revision, {store: amendment_of(one) for store, one in documents.items()}

    def _add_alert(self, _partition: int, _offset: int, value: bytes) -> None:
        alert = decode(value, Alert)
        if not self._masker.keeps_alerts:
            self._part.alert_revisions += 1
            return
        masked = self._masker.alert(alert, self._seq)
        self._part.alert_revisions += 1
        self._part.alerts_opened += alert.revision == 1
        known = self._newest_alert.get(alert.id)
        if known is None or alert.revision > known[0].revision:
            self._newest_alert[alert.id] = alert, masked

    def _add_heartbeat(self, _partition: int, _offset: int, value: bytes) -> None:
        self._part.heartbeats.append(decode(value, Heartbeat))

    def _add_fix(self, _partition: int, _offset: int, value: bytes) -> None:
        fix = decode(value, Fix)
        if not valid_coordinates(fix.lat, fix.lon):
            raise ContractError(RejectReason.INVALID_COORDINATES, "coordinates are out of range: check which program writes this topic")
        self._part.fixes += 1
        if not self._masker.keeps_positions:
            return
        known = self._newest_fix.get(fix.subject)
        if known is None or fix.fix_ns >= known.fix_ns:
            self._newest_fix[fix.subject] = fix
