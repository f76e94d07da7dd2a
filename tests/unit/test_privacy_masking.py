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
    Item,
    Observation,
    ObservationKind,
    Severity,
    SubjectId,
    Transaction,
    TravelLimits,
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
    country="GB",
)
DECISION = Decision(
    transaction=PAYMENT,
    verdict=Verdict.FLAGGED,
    score=0.98765,
    reasons=("impossible_travel",),
    rule_versions={"impossible-travel": "1"},
    alert_id="alert-hash",
    severity=Severity.HIGH,
)
PLACELESS = Observation(ObservationKind.ECOMMERCE, "pay-78", 1_690_598_222_123_000_000, None, None, 0.0)


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
        cause="impossible_travel",
        score=0.98765,
        first=end,
        second=end,
        distance_m=Interval(4_980_123.0, 5_012_345.0, 5_040_456.0),
        elapsed_s=elapsed_s,
        speed_kmh=speed,
        probability=0.0123,
        parameters=msgspec.to_builtins(TravelLimits(speed_limit_kmh=limit_kmh)),
        facts={"spent_minor": 123_456.0},
        fine_with_s=17_899.4,
        sentence="exact",
        checks=(Check("same-place", applied=False),),
        episode=Episode(1_690_598_222_123, 1_690_598_282_123, 1, ("pay-77", "phone-1234@1690598222123456789")),
        received_ms=1_690_598_223_000,
        items=(Item(1_690_598_222_123, 123_456, 77_777_777, "GB", ObservationKind.ECOMMERCE),),
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
    assert (masked.seq, masked.revision, masked.severity, masked.country) == (3, 1, Severity.HIGH, "GB")


def test_an_amendment_names_the_payment_and_holds_the_new_answer_alone() -> None:
    later = msgspec.structs.replace(DECISION, verdict=Verdict.CLEAR, score=0.123, alert_id=None, severity=None, revision=4)
    first, masked = MASKER.transaction(DECISION), MASKER.amendment(later)
    assert (masked.id, masked.minute_ms, masked.seq) == (first.id, first.minute_ms, 3)
    assert (masked.revision, masked.verdict, masked.score, masked.alert, masked.severity) == (4, Verdict.CLEAR, 0.12, None, None)
    assert MASKER.amendment(msgspec.structs.replace(DECISION, revision=2)).alert == first.alert
    assert set(type(masked).__struct_fields__) < set(type(first).__struct_fields__)
    written = msgspec.json.encode(masked).decode()
    for raw in ("pay-77", "jo-", "4539", "phone", "alert-hash", "222123", "EUR", "shop"):
        assert raw not in written


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
    assert masked.distance_m is not None
    assert exact.distance_m is not None
    assert masked.fine_with_s is not None
    assert exact.fine_with_s is not None
    assert masked.distance_m.low <= exact.distance_m.low <= exact.distance_m.high <= masked.distance_m.high
    assert masked.speed_kmh.low == 7_100.0
    assert masked.elapsed_s >= exact.elapsed_s
    assert masked.fine_with_s >= exact.fine_with_s
    assert masked.first.accuracy_m >= exact.first.accuracy_m
    assert masked.sentence == "5,000 km in 42 min: at least 7,100 km/h, limit 1,000 km/h. Fine with 4 h 59 min or more."
    written = msgspec.json.encode(masked).decode()
    for raw in ("phone-1234", "6.5244", "3.3792", "jo-person", "456789", "17899", "2461", "exact", "123456", "77777777", "pay-77"):
        assert raw not in written
    assert (masked.cause, masked.score, masked.probability) == ("impossible_travel", 0.99, 0.02)


def test_an_alert_without_places_is_told_without_figures() -> None:
    exact = msgspec.structs.replace(
        alert(None),
        rule="payments-amount",
        cause="much_money",
        first=PLACELESS,
        second=PLACELESS,
        distance_m=None,
        probability=None,
        parameters={"limit_minor": 500_000, "hours": 24},
        fine_with_s=None,
    )
    masked = MASKER.alert(exact)
    nothing = (masked.first.place, masked.second.place, masked.distance_m, masked.speed_kmh, masked.probability, masked.fine_with_s)
    assert nothing == (None,) * 6
    assert (masked.speed_limit_kmh, masked.minimum_distance_m, masked.first.accuracy_m) == (None, None, 0.0)
    assert masked.sentence == "Payments amount: much money."


def test_an_alert_that_is_not_about_travel_tells_its_distance_at_least() -> None:
    masked = MASKER.alert(msgspec.structs.replace(alert(None), rule="atm-hop", cause="many_machines", parameters={}, fine_with_s=None))
    assert masked.sentence == "At least 4,900 km apart within 42 min: many machines."


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
