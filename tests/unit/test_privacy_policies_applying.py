from __future__ import annotations

from typing import Any

import msgspec
import pytest

from privacy.identifiers.cards import luhn_valid
from privacy.identifiers.keyring import KeyRing
from privacy.identifiers.sealing import MemorySubjectKeyStore, Sealer
from privacy.policies.applying import masked
from privacy.policies.compiling import CompiledPolicy, compile_policy
from privacy.policies.model import DEFAULT_FILE, read_policy
from privacy.policies.operators import Hash, Tools
from privacy.policies.operators.context import Context
from privacy.policies.services import tools_for
from storage.documents import Place
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
    UserId,
    Verdict,
)
from veilocity.errors import ContractError, FatalError, KeyMissingError, RejectError, UnsafePolicyError
from veilocity.geo import Interval

DAY_MS = 86_400_000
RING = KeyRing([(1, -(2**63), bytes(range(32)))])
DEFAULT = compile_policy(read_policy(DEFAULT_FILE))
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
    card=CardId("4111111111111111"),
    device=DeviceId("phone1234567"),
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
END = Observation(ObservationKind.FIX, "phone@1", 1_690_598_222_123_456_789, 6.5244, 3.3792, 33.0)
PLACELESS = Observation(ObservationKind.ECOMMERCE, "pay-78", 1_690_598_222_123_000_000, None, None, 0.0)
ALERT = Alert(
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
    first=END,
    second=END,
    distance_m=Interval(4_980_123.0, 5_012_345.0, 5_040_456.0),
    elapsed_s=2_461.0,
    speed_kmh=Interval(1_003.4, 7_334.6, 7_401.0),
    probability=0.0123,
    parameters={"speed_limit_kmh": 1_000.0, "minimum_distance_m": 50_000.0, "time_slack_s": 30.0},
    facts={"spent_minor": 123_456.0},
    fine_with_s=17_899.4,
    sentence="exact",
    checks=(Check("same-place", applied=False),),
    episode=Episode(1_690_598_222_123, 1_690_598_282_123, 1, ("pay-77", "phone@1")),
    received_ms=1_690_598_223_000,
    items=(Item(1_690_598_222_123, 123_456, 77_777_777, "GB", ObservationKind.ECOMMERCE),),
)
FIX = Fix(
    subject=SubjectId("jo-person"),
    device=DeviceId("phone-1234"),
    source="sensor-logger",
    fix_ns=1_690_598_222_123_456_789,
    received_ms=1_690_598_222_999,
    lat=51.50740001,
    lon=-0.12780001,
    speed_mps=3.3,
    session="walk-1",
)
MINUTE_MS = 1_690_598_220_000
LONDON, LAGOS = Place("87195da49ffffff", 51.50971, -0.14252), Place("87589c984ffffff", 6.52231, 3.38429)
ANSWER: dict[str, Any] = {
    "revision": 1,
    "minute_ms": MINUTE_MS,
    "verdict": Verdict.FLAGGED,
    "score": 0.99,
    "reasons": ("impossible_travel",),
    "severity": Severity.HIGH,
}
MASKED_PAYMENT: dict[str, Any] = ANSWER | {
    "device_type": None,
    "amount": 1200.0,
    "currency": "EUR",
    "amount_band": "EUR 1000-2000",
    "merchant": "shop",
    "category": "cafe",
    "channel": Channel.CARD_PRESENT,
    "country": "GB",
    "place": LONDON,
}
MASKED_END: dict[str, Any] = {"kind": ObservationKind.FIX, "minute_ms": MINUTE_MS, "place": LAGOS, "accuracy_m": 33.0}
MASKED_ALERT: dict[str, Any] = {
    "revision": 1,
    "rule": "impossible-travel",
    "rule_version": "1",
    "cause": "impossible_travel",
    "severity": Severity.HIGH,
    "state": AlertState.OPEN,
    "score": 0.99,
    "probability": 0.02,
    **{f"{end}.{name}": value for end in ("first", "second") for name, value in MASKED_END.items()},
    "distance_m": Interval(4_900_000.0, 5_000_000.0, 5_100_000.0),
    "elapsed_s": 2_520.0,
    "speed_kmh": Interval(1_000.0, 7_300.0, 7_500.0),
    "speed_limit_kmh": 1_000.0,
    "minimum_distance_m": 50_000.0,
    "fine_with_s": 17_940.0,
    "sentence": "5,000 km in 42 min: at least 1,000 km/h, limit 1,000 km/h. Fine with 4 h 59 min or more.",
    "checks": (Check("same-place", applied=False),),
    "episode.first_ms": MINUTE_MS,
    "episode.last_ms": MINUTE_MS + 60_000,
    "episode.count": 1,
}
NO_END: dict[str, Any] = {"kind": ObservationKind.ECOMMERCE, "place": None, "accuracy_m": 0.0}
NO_PLACES: dict[str, Any] = {
    **{f"{end}.{name}": value for end in ("first", "second") for name, value in NO_END.items()},
    **dict.fromkeys(("probability", "distance_m", "speed_kmh", "speed_limit_kmh", "minimum_distance_m")),
    "sentence": "Impossible travel: impossible travel.",
}
TOKENS = {"id", "subject", "card", "device", "user", "alert"}


def tools(policy: CompiledPolicy = DEFAULT, sink: str = "mongodb", keys: MemorySubjectKeyStore | None = None) -> Tools:
    return tools_for(policy, RING, sink, keys or MemorySubjectKeyStore())


def changed(**operations: object) -> CompiledPolicy:
    """Return the default policy with other operations for fields of payments."""
    policy = read_policy(DEFAULT_FILE)
    records = {**policy.records, "transaction": {**policy.written("transaction"), **operations}}
    return compile_policy(msgspec.structs.replace(policy, records=records))


@pytest.mark.parametrize(
    ("record", "raw", "wanted"),
    [
        ("transaction", DECISION, MASKED_PAYMENT),
        ("amendment", DECISION, ANSWER),
        ("alert", ALERT, MASKED_ALERT),
        ("position", FIX, {"minute_ms": MINUTE_MS, "place": LONDON}),
    ],
    ids=["transaction", "amendment", "alert", "position"],
)
def test_the_default_policy_masks_as_docs_privacy_says(record: str, raw: Decision | Alert | Fix, wanted: dict[str, Any]) -> None:
    found = masked(DEFAULT, record, "mongodb", raw, tools())
    assert {name: found[name] for name in found if name not in TOKENS | {"sealed"}} == wanted
    assert all(len(found[name]) == 32 for name in TOKENS & set(found))


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        (
            {"first": PLACELESS, "second": PLACELESS, "distance_m": None, "speed_kmh": None, "probability": None, "parameters": {}},
            NO_PLACES,
        ),
        (
            {"fine_with_s": None, "parameters": {}},
            {
                **dict.fromkeys(("speed_limit_kmh", "minimum_distance_m", "fine_with_s")),
                "sentence": "At least 4,900 km apart within 42 min: impossible travel.",
            },
        ),
        (
            {"speed_kmh": None, "elapsed_s": 0.0},
            {"speed_kmh": None, "elapsed_s": 0.0, "sentence": "Simultaneous, 5,000 km apart. Fine with 4 h 59 min or more."},
        ),
        (
            {"speed_kmh": Interval(999.4, 1_000.6, 1_001.0)},
            {
                "speed_kmh": Interval(990.0, 1_000.0, 1_100.0),
                "sentence": "5,000 km in 42 min: at least 990 km/h, limit 1,000 km/h. Fine with 4 h 59 min or more.",
            },
        ),
        (
            {"speed_kmh": Interval(1_035.0, 1_036.0, 1_037.0), "parameters": {"speed_limit_kmh": 1_030.0}},
            {
                "speed_kmh": Interval(1_030.0, 1_030.0, 1_100.0),
                "speed_limit_kmh": 1_030.0,
                "minimum_distance_m": None,
                "sentence": "5,000 km in 42 min: at least 1,030 km/h, limit 1,030 km/h. Fine with 4 h 59 min or more.",
            },
        ),
    ],
    ids=["placeless", "without-limit", "simultaneous", "below-the-limit", "just-above-the-limit"],
)
def test_alerts_of_every_form_claim_less_than_is_known(changes: dict[str, Any], wanted: dict[str, Any]) -> None:
    found = masked(DEFAULT, "alert", "mongodb", msgspec.structs.replace(ALERT, **changes), tools())
    assert {name: found[name] for name in found if name not in TOKENS | {"sealed"}} == MASKED_ALERT | wanted


def test_nothing_raw_leaves() -> None:
    for record, raw in (("transaction", DECISION), ("alert", ALERT), ("position", FIX)):
        document = masked(DEFAULT, record, "mongodb", raw, tools())
        # Sealed bytes are random, so that a short text may be in them by chance: a long one is not.
        assert b"jo-person" not in b"".join(document.pop("sealed", {}).values())
        written = msgspec.json.encode(document).decode()
        for secret in ("pay-7", "jo-", "4111", "phone", "alert-hash", "222123", "1234.56", "51.5074", "6.5244", "walk-1", "exact"):
            assert secret not in written, (record, secret)


def test_stores_and_periods_have_pseudonyms_of_their_own() -> None:
    mongodb = masked(DEFAULT, "transaction", "mongodb", DECISION, tools())
    elasticsearch = masked(DEFAULT, "transaction", "elasticsearch", DECISION, tools(sink="elasticsearch"))
    assert not [name for name in TOKENS if mongodb[name] == elasticsearch[name]]
    later = msgspec.structs.replace(
        DECISION, transaction=msgspec.structs.replace(PAYMENT, authorised_ms=PAYMENT.authorised_ms + 8 * DAY_MS)
    )
    moved = masked(DEFAULT, "transaction", "mongodb", later, tools())
    assert {name for name in TOKENS if mongodb[name] == moved[name]} == {"id", "alert"}
    assert mongodb["alert"] == masked(DEFAULT, "alert", "mongodb", ALERT, tools())["id"]


def test_evidence_is_readable_with_the_key_of_its_person_only() -> None:
    keys = MemorySubjectKeyStore()
    document = masked(DEFAULT, "alert", "mongodb", ALERT, tools(keys=keys))
    sealed = document["sealed"]["evidence"]
    opened = Sealer(RING, keys).open_sealed(sealed, document["id"], "alert.evidence")
    assert msgspec.json.decode(opened, type=Alert) == ALERT
    assert masked(DEFAULT, "alert", "mongodb", ALERT, tools(keys=keys)) == document, "a repeated batch writes the same bytes"
    Sealer(RING, keys).forget("jo-person")
    assert "sealed" not in masked(DEFAULT, "alert", "mongodb", ALERT, tools(keys=keys))


def test_a_field_that_may_be_missing_can_be_sealed() -> None:
    policy, keys = changed(user="seal", place_accuracy_m="seal"), MemorySubjectKeyStore()
    document = masked(policy, "transaction", "mongodb", DECISION, tools(policy, keys=keys))
    assert document["user"] is None
    assert set(document["sealed"]) == {"user"}, "what the payment does not state is not sealed"
    assert Sealer(RING, keys).open_sealed(document["sealed"]["user"], document["id"], "transaction.user") == b'"jo-user"'


def test_what_a_record_does_not_state_stays_missing() -> None:
    bare = msgspec.structs.replace(
        DECISION, transaction=msgspec.structs.replace(PAYMENT, card=None, user=None, lat=None, lon=None), alert_id=None, severity=None
    )
    found = masked(DEFAULT, "transaction", "mongodb", bare, tools())
    assert not any(found[name] for name in ("card", "user", "place", "alert", "severity"))


def test_a_card_number_is_encrypted_to_digits_that_are_no_card_number() -> None:
    policy = changed(
        card={"encrypt": {"tweak": "card", "min_length": 13}},
        device={"encrypt": {"tweak": "device", "min_length": 12, "alphabet": "letters-and-digits"}},
    )
    found = {sink: masked(policy, "transaction", sink, DECISION, tools(policy, sink)) for sink in ("mongodb", "elasticsearch")}
    cards = [document["card"] for document in found.values()]
    assert all(len(card) == 16 and card.isdigit() for card in cards)
    assert luhn_valid(cards).tolist() == [False, False]
    assert cards[0] != cards[1]
    devices = {document["device"] for document in found.values()}
    assert len(devices) == 2
    assert all(len(device) == 12 and device != "phone1234567" for device in devices)


@pytest.mark.parametrize("device", ["phone", "PHONE-1234567", ""])
def test_an_identifier_that_cannot_be_encrypted_is_refused(device: str) -> None:
    policy = changed(device={"encrypt": {"tweak": "device", "min_length": 12, "alphabet": "letters-and-digits"}})
    bad = msgspec.structs.replace(DECISION, transaction=msgspec.structs.replace(PAYMENT, device=DeviceId(device)))
    with pytest.raises(RejectError) as refusal:
        masked(policy, "transaction", "mongodb", bad, tools(policy))
    assert "phone" not in str(refusal.value).lower()


@pytest.mark.parametrize(
    ("number", "cut"),
    [("4111111111111111", "411111******1111"), ("378282246310005", "378282*****0005"), ("4222222222222", "*********2222")],
)
def test_a_card_number_is_cut_as_its_length_allows(number: str, cut: str) -> None:
    policy = changed(card="mask")
    one = msgspec.structs.replace(DECISION, transaction=msgspec.structs.replace(PAYMENT, card=CardId(number)))
    assert masked(policy, "transaction", "mongodb", one, tools(policy))["card"] == cut


def test_noise_is_the_same_for_the_same_record_and_in_both_stores() -> None:
    policy = changed(
        place={"noise": {"epsilon_per_m": 0.0005, "h3_resolution": 7, "per": "record"}},
        amount_minor={"noise": {"scale_minor": 20_000, "per": "record"}},
    )
    first = masked(policy, "transaction", "mongodb", DECISION, tools(policy))
    again = masked(policy, "transaction", "elasticsearch", DECISION, tools(policy, "elasticsearch"))
    assert (first["place"], first["amount"], first["amount_band"]) == (again["place"], again["amount"], again["amount_band"])
    others = [
        masked(
            policy,
            "transaction",
            "mongodb",
            msgspec.structs.replace(DECISION, transaction=msgspec.structs.replace(PAYMENT, id=f"p{n}")),
            tools(policy),
        )
        for n in range(20)
    ]
    # 20 draws of a mean move of 4 km and a deviation of 283 EUR that all look alike would be one draw.
    assert len({document["place"].cell for document in others}) > 5
    assert len({document["amount"] for document in others}) > 5


@pytest.mark.parametrize(
    ("operations", "amount", "shown_band"),
    [
        ({"amount_minor": {"generalise": {"significant_digits": 1}}}, 1000.0, "EUR 1000-2000"),
        ({"amount_minor": {"generalise": {"band": True}}}, 1000.0, "EUR 1000-2000"),
        ({}, 1200.0, "EUR 1000-2000"),
    ],
)
def test_amounts_are_as_coarse_as_the_policy_says(operations: dict[str, object], amount: float, shown_band: str) -> None:
    policy = changed(**operations)
    found = masked(policy, "transaction", "mongodb", DECISION, tools(policy))
    assert (found["amount"], found["amount_band"]) == (amount, shown_band)


def test_coordinates_out_of_range_are_refused() -> None:
    wrong = msgspec.structs.replace(DECISION, transaction=msgspec.structs.replace(PAYMENT, lat=91.0))
    noisy = changed(place={"noise": {"epsilon_per_m": 0.0005, "h3_resolution": 7, "per": "record"}})
    for policy in (DEFAULT, noisy):
        with pytest.raises(ContractError):
            masked(policy, "transaction", "mongodb", wrong, tools(policy))


def test_a_service_that_is_missing_stops_the_stage_and_names_no_value() -> None:
    with pytest.raises(KeyMissingError, match="vault") as refusal:
        masked(DEFAULT, "alert", "mongodb", ALERT, tools_for(DEFAULT, RING, "mongodb"))
    assert "jo-" not in str(refusal.value)
    for operations, service in (
        ({"card": "mask"}, "truncation"),
        ({"card": {"encrypt": {"tweak": "card", "min_length": 13}}}, "cipher"),
        ({"amount_minor": {"noise": {"scale_minor": 5, "per": "record"}}}, "noise"),
        ({"place": {"noise": {"epsilon_per_m": 0.01, "h3_resolution": 7, "per": "record"}}}, "noise"),
        ({}, "pseudonymiser"),
    ):
        with pytest.raises(KeyMissingError, match=service):
            given = Tools() if service == "pseudonymiser" else Tools(pseudonymiser=tools().pseudonymiser)
            masked(changed(**operations), "transaction", "mongodb", DECISION, given)


def test_a_record_is_masked_as_what_it_is() -> None:
    with pytest.raises(FatalError):
        masked(DEFAULT, "alert", "mongodb", DECISION, tools())


def test_no_code_makes_an_unkeyed_hash() -> None:
    with pytest.raises(UnsafePolicyError, match="write `token`"):
        Hash().apply("4111111111111111", Context("mongodb", "transaction.card", "", "", "", 0, Tools()))
