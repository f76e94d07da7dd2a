import pickle
from base64 import b64decode

import h3
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from privacy.identifiers.keyring import ALWAYS_MS, KeyRing
from privacy.identifiers.pseudonyms import Pseudonymiser
from privacy.identifiers.sealing import MemorySubjectKeyStore, Sealer
from privacy.masking import ELASTICSEARCH, MONGODB, STAGE, Masker, amendment_of
from privacy.policies import DEFAULT_FILE, CompiledPolicy, compile_policy, read_policy
from privacy.policies.applying import RecordMasker
from privacy.policies.catalogue import SINKS
from privacy.policies.services import tools_for
from privacy.tokens import TokenKind
from storage.documents import MaskedAlert, MaskedAmendment, MaskedTransaction
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
    decode,
)
from veilocity.errors import ContractError, ErasedError
from veilocity.geo import Interval

RING = KeyRing([(1, ALWAYS_MS, b"k" * 32)])
POLICY = compile_policy(read_policy(DEFAULT_FILE))
WEEK_MS = 7 * 86_400_000
replace = msgspec.structs.replace
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


def masker(policy: CompiledPolicy = POLICY, ring: KeyRing = RING, keys: MemorySubjectKeyStore | None = None) -> Masker:
    kept = keys or MemorySubjectKeyStore()
    return Masker(policy, ring, lambda: kept)


def payment(decision: Decision = DECISION, store: str = MONGODB) -> MaskedTransaction:
    return masker().decision(decision, 3).documents[store]


def amendment(decision: Decision) -> MaskedAmendment:
    return amendment_of(payment(decision))


def masked_alert(raw: Alert, store: str = MONGODB) -> MaskedAlert:
    return masker().alert(raw, 3)[store]


def at(event_ms: int) -> Decision:
    return replace(DECISION, transaction=replace(PAYMENT, authorised_ms=event_ms))


@pytest.mark.parametrize("store", SINKS)
def test_a_masked_payment_holds_nothing_exact(store: str) -> None:
    masked = payment(store=store)
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
    later = replace(DECISION, verdict=Verdict.CLEAR, score=0.123, alert_id=None, severity=None, revision=4)
    first, masked = payment(), amendment(later)
    assert (masked.id, masked.minute_ms, masked.seq) == (first.id, first.minute_ms, 3)
    assert (masked.revision, masked.verdict, masked.score, masked.alert, masked.severity) == (4, Verdict.CLEAR, 0.12, None, None)
    assert amendment(replace(DECISION, revision=2)).alert == first.alert
    assert set(type(masked).__struct_fields__) < set(type(first).__struct_fields__)
    written = msgspec.json.encode(masked).decode()
    for raw in ("pay-77", "jo-", "4539", "phone", "alert-hash", "222123", "EUR", "shop"):
        assert raw not in written


def test_a_payment_without_a_place_has_none() -> None:
    assert payment(replace(DECISION, transaction=replace(PAYMENT, lat=None, lon=None))).place is None


def test_an_alert_and_the_payment_that_names_it_still_join() -> None:
    for store in SINKS:
        masked = masked_alert(alert(Interval(7_180.0, 7_334.6, 7_400.0)), store)
        decided = payment(store=store)
        assert (masked.id, masked.subject) == (decided.alert, decided.subject)


def test_a_masked_alert_claims_less_never_more() -> None:
    exact = alert(Interval(7_189.0, 7_334.6, 7_401.0))
    masked = masked_alert(exact)
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
    exact = replace(
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
    masked = masked_alert(exact)
    nothing = (masked.first.place, masked.second.place, masked.distance_m, masked.speed_kmh, masked.probability, masked.fine_with_s)
    assert nothing == (None,) * 6
    assert (masked.speed_limit_kmh, masked.minimum_distance_m, masked.first.accuracy_m) == (None, None, 0.0)
    assert masked.sentence == "Payments amount: much money."


def test_an_alert_that_is_not_about_travel_tells_its_distance_at_least() -> None:
    masked = masked_alert(replace(alert(None), rule="atm-hop", cause="many_machines", parameters={}, fine_with_s=None))
    assert masked.sentence == "At least 4,900 km apart within 42 min: many machines."


def test_a_speed_just_above_the_limit_stays_above_it() -> None:
    masked = masked_alert(alert(Interval(1_057.0, 1_100.0, 1_190.0), limit_kmh=1_050.0))
    assert masked.speed_kmh is not None
    assert masked.speed_kmh.low == 1_050.0


def test_simultaneous_observations_have_no_speed() -> None:
    masked = masked_alert(alert(None, elapsed_s=0.0))
    assert masked.speed_kmh is None
    assert masked.sentence.startswith("Simultaneous, 5,000 km apart.")


def test_coordinates_out_of_range_are_refused() -> None:
    fix = Fix(subject=SubjectId("p"), device=DeviceId("d"), source="s", fix_ns=1, received_ms=1, lat=-97.7, lon=30.3)
    with pytest.raises(ContractError, match="out of range"):
        masker().position(fix, 3)


TOKENS = ("id", "subject", "card", "device", "user", "alert")
NO_TOKENS = dict.fromkeys(TOKENS, "")


def test_the_stores_differ_in_tokens_alone_and_share_none() -> None:
    record, search = (payment(store=store) for store in SINKS)
    assert replace(record, **NO_TOKENS) == replace(search, **NO_TOKENS)
    assert not {getattr(record, name) for name in TOKENS} & {getattr(search, name) for name in TOKENS}
    alerts = masker().alert(alert(None), 3)
    assert replace(alerts[MONGODB], id="", subject="") == replace(alerts[ELASTICSEARCH], id="", subject="")
    assert not {alerts[MONGODB].id, alerts[MONGODB].subject} & {alerts[ELASTICSEARCH].id, alerts[ELASTICSEARCH].subject}


def test_what_the_stage_counts_people_by_is_in_no_document_and_never_changes() -> None:
    rotated = KeyRing([(1, ALWAYS_MS, b"k" * 32), (2, 1_690_000_000_000, b"m" * 32)])
    one = masker().decision(DECISION, 3)
    assert {one.id, one.person}.isdisjoint(getattr(document, name) for document in one.documents.values() for name in TOKENS)
    for later_ms in (0, 60_000, WEEK_MS, 20 * WEEK_MS):
        other = masker(ring=rotated).decision(at(PAYMENT.authorised_ms + later_ms), 3)
        assert (other.id, other.person) == (one.id, one.person)


def test_a_person_has_another_token_in_another_period_and_a_payment_never() -> None:
    start_ms = PAYMENT.authorised_ms // WEEK_MS * WEEK_MS
    both = masker()
    first, last, next_one = (both.decision(at(ms), 3).documents for ms in (start_ms, start_ms + WEEK_MS - 1, start_ms + WEEK_MS))
    for store in SINKS:
        assert all(getattr(first[store], name) == getattr(last[store], name) for name in TOKENS)
        assert [name for name in TOKENS if getattr(first[store], name) == getattr(next_one[store], name)] == ["id", "alert"]


def test_a_key_that_is_added_changes_people_from_its_time_on() -> None:
    # In force from the beginning of the second period.
    start_ms = PAYMENT.authorised_ms // WEEK_MS * WEEK_MS
    rotated = KeyRing([(1, ALWAYS_MS, b"k" * 32), (2, start_ms + WEEK_MS, b"m" * 32)])
    for later_ms, same in ((0, True), (WEEK_MS, False)):
        before, after = (masker(ring=ring).decision(at(start_ms + later_ms), 3).documents[MONGODB] for ring in (RING, rotated))
        assert (before.subject == after.subject) is same
        assert (before.id, before.alert) == (after.id, after.alert)


def changed_policy(**operations: object) -> CompiledPolicy:
    policy = read_policy(DEFAULT_FILE)
    return compile_policy(replace(policy, records={**policy.records, "transaction": {**policy.written("transaction"), **operations}}))


POLICIES = {
    "built-in": POLICY,
    "by store": changed_policy(
        place={"default": {"generalise": {"h3_resolution": 7}}, "elasticsearch": {"generalise": {"h3_resolution": 5}}},
        authorised_ms={"default": {"generalise": {"to": "minute"}}, "mongodb": {"generalise": {"to": "hour"}}},
        user={"default": "token", "elasticsearch": "drop"},
        country={"default": "keep", "mongodb": "drop"},
    ),
    "rare operations": changed_policy(
        card={"encrypt": {"tweak": "card", "min_length": 13}},
        place={"noise": {"epsilon_per_m": 0.0005, "h3_resolution": 7, "per": "record"}},
        amount_minor={"noise": {"scale_minor": 20_000, "per": "record"}},
        device="drop",
        score={"generalise": {"digits": 1, "direction": "up"}},
    ),
    "shared tokens": compile_policy(
        replace(
            read_policy(DEFAULT_FILE),
            sinks=replace(read_policy(DEFAULT_FILE).sinks, joinable=True),
            records={
                **read_policy(DEFAULT_FILE).records,
                "transaction": {**read_policy(DEFAULT_FILE).written("transaction"), "user": {"token": {"scope": "shared"}}},
            },
        )
    ),
}
TEXTS = st.text(min_size=1, max_size=6)
DECISIONS = st.builds(
    Decision,
    transaction=st.builds(
        Transaction,
        id=TEXTS,
        subject=TEXTS,
        authorised_ms=st.integers(0, 2_000_000_000_000),
        received_ms=st.just(0),
        amount_minor=st.integers(-(10**9), 10**9),
        currency=st.sampled_from(["EUR", "JPY", "KWD"]),
        merchant=TEXTS,
        category=TEXTS,
        channel=st.sampled_from(Channel),
        card=st.sampled_from(["4539148803436467", "4111111111111111", None]),
        device=st.none() | TEXTS,
        user=st.none() | TEXTS,
        lat=st.none() | st.floats(-90, 90),
        lon=st.none() | st.floats(-180, 180),
        country=st.none() | TEXTS,
    ),
    verdict=st.sampled_from(Verdict),
    score=st.floats(0, 1),
    reasons=st.lists(TEXTS, max_size=2).map(tuple),
    rule_versions=st.just({}),
    alert_id=st.none() | TEXTS,
    severity=st.none() | st.sampled_from(Severity),
    revision=st.integers(1, 3),
)


@pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES.keys())
@settings(deadline=None)
@given(decisions=st.lists(DECISIONS, min_size=1, max_size=4))
def test_payments_of_both_stores_are_what_the_policy_says_one_by_one(policy: CompiledPolicy, decisions: list[Decision]) -> None:
    quick = masker(policy)
    plain = {store: RecordMasker(policy, "transaction", store, tools_for(policy, RING, store)) for store in SINKS}
    for decision in [*decisions, *decisions]:
        found = quick.decision(decision, 3).documents
        for store in SINKS:
            assert msgspec.structs.asdict(found[store]) == {**plain[store].masked(decision), "seq": 3, "place_seen_before": None}


def test_sealed_evidence_stands_in_mongodb_and_opens_there_until_the_person_is_forgotten() -> None:
    keys = MemorySubjectKeyStore()
    both, raw = masker(keys=keys), alert(Interval(7_180.0, 7_334.6, 7_400.0))
    (sealed,) = both.sealed([(raw, both.alert(raw, 3))])
    assert replace(sealed[MONGODB], sealed=None) == both.alert(raw, 3)[MONGODB]
    assert sealed[ELASTICSEARCH] == both.alert(raw, 3)[ELASTICSEARCH]
    assert both.sealed([(raw, both.alert(raw, 3))]) == [sealed], "a repeated micro-batch writes the same"
    vault = Sealer(RING, keys)
    text = b64decode(sealed[MONGODB].sealed or "")
    assert decode(vault.open_sealed(text, sealed[MONGODB].id, "alert.evidence"), Alert) == raw
    vault.forget("jo-person")
    assert [one[MONGODB].sealed for one in both.sealed([(raw, both.alert(raw, 3))])] == [None]
    with pytest.raises(ErasedError):
        vault.open_sealed(text, sealed[MONGODB].id, "alert.evidence")


def test_a_policy_that_seals_nothing_asks_for_no_keys() -> None:
    policy = read_policy(DEFAULT_FILE)
    unsealed = compile_policy(replace(policy, records={**policy.records, "alert": {**policy.written("alert"), "evidence": "drop"}}))

    def closed() -> MemorySubjectKeyStore:
        raise AssertionError("opened")

    raw = alert(None)
    for policy_in_force, alerts in ((unsealed, [raw]), (POLICY, [])):
        both = Masker(policy_in_force, RING, closed)
        assert [one[MONGODB].sealed for one in both.sealed([(one, both.alert(one, 3)) for one in alerts])] == [None] * len(alerts)


def test_a_masker_never_travels() -> None:
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(masker())


def test_the_pseudonyms_of_the_stage_are_a_domain_of_their_own() -> None:
    inside = Pseudonymiser(RING, STAGE, 0)
    assert masker().decision(DECISION, 3).person == inside.token(TokenKind.SUBJECT, "jo-person", ALWAYS_MS)
