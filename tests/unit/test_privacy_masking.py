import h3
import msgspec
import pytest

from privacy.masking import Masker
from privacy.tokens import Tokeniser
from veilocity.contracts import (
    Alert,
    AlertState,
    CardId,
    Channel,
    Check,
    Decision,
    DeviceId,
    Episode,
    Fix,
    Observation,
    ObservationKind,
    RuleParameters,
    Severity,
    SubjectId,
    Transaction,
    UserId,
    Verdict,
)
from veilocity.errors import ContractError
from veilocity.geo import Interval

MASKER = Masker(Tokeniser(b"k" * 32), cell_resolution=7, seq=3)
PAYMENT = Transaction(
    id="pay-77",
    subject=SubjectId("jo-person"),
    authorised_ms=1_690_598_222_123,
    received_ms=1_690_598_222_999,
    amount_minor=123_456,
    currency="EUR",
    merchant="shop",
    category="cafe",
    channel=Channel.CARD_PRESENT,
    card=CardId("4539148803436467"),
    device=DeviceId("phone-1234"),
    user=UserId("jo-user"),
    lat=51.50740001,
    lon=-0.12780001,
)
DECISION = Decision(
    transaction=PAYMENT,
    verdict=Verdict.FLAGGED,
    score=0.98765,
    reasons=("impossible-travel",),
    rule_versions={"impossible-travel": "1"},
    alert_id="alert-hash",
)


def alert(speed: Interval | None, elapsed_s: float = 2_461.0, limit_kmh: float = 1_000.0) -> Alert:
    end = Observation(
        kind=ObservationKind.FIX,
        id="phone-1234@1690598222123456789",
        event_ns=1_690_598_222_123_456_789,
        lat=6.5244,
        lon=3.3792,
        accuracy_m=33.0,
    )
    return Alert(
        id="alert-hash",
        rule="impossible-travel",
        rule_version="1",
        severity=Severity.HIGH,
        state=AlertState.OPEN,
        revision=1,
        subject=SubjectId("jo-person"),
        anchor="pay-77",
        first=end,
        second=end,
        distance_m=Interval(4_980_123.0, 5_012_345.0, 5_040_456.0),
        elapsed_s=elapsed_s,
        speed_kmh=speed,
        parameters=RuleParameters(limit_kmh, 50_000.0, 30.0, 100.0, 1_000.0),
        fine_with_s=17_899.4,
        sentence="exact",
        checks=(Check("same-place", applied=False),),
        episode=Episode(1_690_598_222_123, 1_690_598_282_123, 1),
        received_ms=1_690_598_223_000,
    )


def test_a_masked_payment_holds_nothing_exact() -> None:
    masked = MASKER.transaction(DECISION)
    written = msgspec.json.encode(masked).decode()
    for raw in ("pay-77", "jo-person", "4539148803436467", "6467", "phone-1234", "jo-user", "alert-hash", "1234.5", "51.5074", "222123"):
        assert raw not in written
    assert masked.minute_ms == 1_690_598_220_000
    assert masked.amount == 1200.0
    assert masked.amount_band == "EUR 1000-2000"
    assert masked.place is not None
    assert masked.place.cell == h3.latlng_to_cell(51.5074, -0.1278, 7)
    assert masked.seq == 3


def test_a_payment_without_a_place_has_none() -> None:
    assert (
        MASKER.transaction(msgspec.structs.replace(DECISION, transaction=msgspec.structs.replace(PAYMENT, lat=None, lon=None))).place
        is None
    )


def test_an_alert_and_the_payment_that_names_it_still_join() -> None:
    masked = MASKER.alert(alert(Interval(7_180.0, 7_334.6, 7_400.0)))
    decided = MASKER.transaction(DECISION)
    assert (masked.id, masked.subject) == (decided.alert, decided.subject)


def test_a_masked_alert_claims_less_never_more() -> None:
    exact = alert(Interval(7_189.0, 7_334.6, 7_401.0))
    masked = MASKER.alert(exact)
    assert masked.speed_kmh is not None
    assert masked.distance_m.low <= exact.distance_m.low <= exact.distance_m.high <= masked.distance_m.high
    assert masked.speed_kmh.low == 7_100.0
    assert masked.elapsed_s >= exact.elapsed_s
    assert masked.fine_with_s >= exact.fine_with_s
    assert masked.first.accuracy_m >= exact.first.accuracy_m
    assert masked.sentence == "5,000 km in 42 min: at least 7,100 km/h, limit 1,000 km/h. Fine with 4 h 59 min or more."
    written = msgspec.json.encode(masked).decode()
    for raw in ("phone-1234", "6.5244", "3.3792", "jo-person", "456789", "17899", "2461", "exact"):
        assert raw not in written


def test_a_speed_just_above_the_limit_stays_above_it() -> None:
    masked = MASKER.alert(alert(Interval(1_057.0, 1_100.0, 1_190.0), limit_kmh=1_050.0))
    assert masked.speed_kmh is not None
    assert masked.speed_kmh.low == 1_050.0


def test_simultaneous_observations_have_no_speed() -> None:
    masked = MASKER.alert(alert(None, elapsed_s=0.0))
    assert masked.speed_kmh is None
    assert masked.sentence.startswith("Simultaneous, 5,000 km apart.")


def test_coordinates_out_of_range_are_refused() -> None:
    fix = Fix(subject=SubjectId("p"), device=DeviceId("d"), source="s", fix_ns=1, received_ms=1, lat=-97.7, lon=30.3)
    with pytest.raises(ContractError, match="out of range"):
        MASKER.position(fix)
