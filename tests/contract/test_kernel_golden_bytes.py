"""The bytes on the wire. A change here breaks every reader: raise SCHEMA_VERSION when an older one would misread it."""

from __future__ import annotations

import msgspec
import pytest

from veilocity.contracts import (
    Alert,
    AlertState,
    CardId,
    Channel,
    Check,
    Decision,
    DeviceId,
    DirectoryEntry,
    Episode,
    Fix,
    FixFilter,
    FixFlag,
    IdentifierKind,
    Item,
    LearnedScore,
    Observation,
    ObservationKind,
    Reject,
    Release,
    RulesProgress,
    SessionEvent,
    SessionEventType,
    Severity,
    SubjectId,
    Transaction,
    TravelLimits,
    Verdict,
    decode,
    encode,
)
from veilocity.errors import RejectReason
from veilocity.geo import Interval

FIX = Fix(
    subject=SubjectId("p1"),
    device=DeviceId("d1"),
    source="sensor-logger/gps",
    fix_ns=1_690_598_222_123_456_789,
    received_ms=1_690_598_223_000,
    lat=48.8566,
    lon=2.3522,
    accuracy_m=4.5,
    flags=(FixFlag.CACHED,),
    sequence=7,
)
TRANSACTION = Transaction(
    id="t1",
    subject=SubjectId("p1"),
    authorised_ms=1_690_598_222_000,
    received_ms=1_690_598_223_000,
    amount_minor=1299,
    currency="EUR",
    merchant="m1",
    category="grocery",
    channel=Channel.CARD_PRESENT,
    card=CardId("c1"),
    lat=-33.8688,
    lon=151.2093,
    country="AU",
)
ALERT = Alert(
    id="a1",
    rule="impossible-travel",
    rule_version="1",
    severity=Severity.HIGH,
    state=AlertState.OPEN,
    revision=1,
    subject=SubjectId("p1"),
    anchor="t1",
    cause="impossible_travel",
    score=0.97,
    first=Observation(kind=ObservationKind.FIX, id="d1@5", event_ns=5, lat=48.8566, lon=2.3522, accuracy_m=4.5),
    second=Observation(kind=ObservationKind.CARD_PRESENT, id="t1", event_ns=9, lat=-33.8688, lon=151.2093, accuracy_m=1000.0),
    distance_m=Interval(1.0, 2.0, 3.0),
    elapsed_s=0.0,
    speed_kmh=None,
    probability=None,
    parameters=msgspec.to_builtins(TravelLimits()),
    facts={"confirmed": 1.0},
    fine_with_s=60.0,
    sentence="Simultaneous, 2 km apart.",
    checks=(Check("mock", False),),
    episode=Episode(1, 2, 1, ("t1",)),
    received_ms=10,
    items=(Item(1, 1299, 7, "AU", ObservationKind.CARD_PRESENT),),
)
PLACELESS = Observation(kind=ObservationKind.ECOMMERCE, id="t2", event_ns=9, lat=None, lon=None, accuracy_m=0.0)
DECISION = Decision(
    transaction=TRANSACTION,
    verdict=Verdict.FLAGGED,
    score=0.97,
    reasons=("impossible-travel",),
    rule_versions={"impossible-travel": "1"},
    alert_id="a1",
    severity=Severity.HIGH,
    revision=2,
)
REJECT = Reject(reason=RejectReason.INVALID_TIME, detail="no offset", source="transactions", received_ms=3, payload="{}")
ENTRY = DirectoryEntry(kind=IdentifierKind.CARD, id="c1", subject=SubjectId("p1"))
PROGRESS = RulesProgress(partition=1, fixes_read=3, fixes_kept=2, fixes_duplicate=1)
SESSION_EVENT = SessionEvent(
    session="s1",
    subject=SubjectId("p1"),
    type=SessionEventType.ADD_TO_CART,
    event_ms=5,
    received_ms=6,
    traffic_source="email",
)
RELEASE = Release(
    class_id="k1",
    policy="default-1",
    window_start_ms=0,
    window_end_ms=3_600_000,
    k=5,
    people=6,
    payments=9,
    loss=0.25,
    cell="*",
    cell_resolution=-1,
    hour="*",
    amount_band="10-20",
    category="grocery",
    flagged=0,
    l=2,
    t=0.0417,
    sensitive={Verdict.FLAGGED: 0, Verdict.CLEAR: 8, Verdict.NOT_SCORABLE: 1},
    members=("m1", "m2"),
)

GOLDEN: dict[str, tuple[msgspec.Struct, str]] = {
    "Fix": (
        FIX,
        '{"subject":"p1","device":"d1","source":"sensor-logger/gps","fix_ns":1690598222123456789,'
        '"received_ms":1690598223000,"lat":48.8566,"lon":2.3522,"accuracy_m":4.5,"flags":["cached"],"sequence":7}',
    ),
    "Transaction": (
        TRANSACTION,
        '{"id":"t1","subject":"p1","authorised_ms":1690598222000,"received_ms":1690598223000,"amount_minor":1299,'
        '"currency":"EUR","merchant":"m1","category":"grocery","channel":"card-present","card":"c1","lat":-33.8688,'
        '"lon":151.2093,"country":"AU"}',
    ),
    "Alert": (
        ALERT,
        '{"id":"a1","rule":"impossible-travel","rule_version":"1","severity":"high","state":"open","revision":1,'
        '"subject":"p1","anchor":"t1","cause":"impossible_travel","score":0.97,"first":{"kind":"fix","id":"d1@5","event_ns":5,"lat":48.8566,"lon":2.3522,'
        '"accuracy_m":4.5},"second":{"kind":"card-present","id":"t1","event_ns":9,"lat":-33.8688,"lon":151.2093,'
        '"accuracy_m":1000.0},"distance_m":[1.0,2.0,3.0],"elapsed_s":0.0,"speed_kmh":null,'
        '"probability":null,"parameters":{"speed_limit_kmh":1100.0,"minimum_distance_m":50000.0,"time_slack_s":30.0,"default_accuracy_m":100.0,'
        '"default_place_accuracy_m":1000.0},"facts":{"confirmed":1.0},"fine_with_s":60.0,"sentence":"Simultaneous, 2 km apart.",'
        '"checks":[{"name":"mock","applied":false}],"episode":{"first_ms":1,"last_ms":2,"count":1,"events":["t1"]},"received_ms":10,'
        '"items":[[1,1299,7,"AU","card-present"]]}',
    ),
    "Decision": (
        DECISION,
        '{"transaction":{"id":"t1","subject":"p1","authorised_ms":1690598222000,"received_ms":1690598223000,'
        '"amount_minor":1299,"currency":"EUR","merchant":"m1","category":"grocery","channel":"card-present","card":"c1",'
        '"lat":-33.8688,"lon":151.2093,"country":"AU"},"verdict":"flagged","score":0.97,"reasons":["impossible-travel"],'
        '"rule_versions":{"impossible-travel":"1"},"alert_id":"a1","severity":"high","revision":2}',
    ),
    "Reject": (
        REJECT,
        '{"reason":"invalid_time","detail":"no offset","source":"transactions","received_ms":3,"payload":"{}"}',
    ),
    "DirectoryEntry": (
        ENTRY,
        '{"kind":"card","id":"c1","subject":"p1","schema":1}',
    ),
    "RulesProgress": (
        PROGRESS,
        '{"partition":1,"fixes_read":3,"fixes_kept":2,"fixes_duplicate":1,"fixes_thinned":0,"fixes_late":0,'
        '"fixes_rejected":0,"transactions_read":0,"transactions_duplicate":0,"transactions_rejected":0,"decided":0,'
        '"flagged":0,"clear":0,"not_scorable":0,"alerts_opened":0,"alerts_amended":0,"alerts_retracted":0,"decisions_amended":0,'
        '"schema":1}',
    ),
    "SessionEvent": (
        SESSION_EVENT,
        '{"session":"s1","subject":"p1","type":"ATC","event_ms":5,"received_ms":6,"traffic_source":"email"}',
    ),
    "Release": (
        RELEASE,
        '{"class_id":"k1","policy":"default-1","window_start_ms":0,"window_end_ms":3600000,"k":5,"people":6,"payments":9,'
        '"loss":0.25,"cell":"*","cell_resolution":-1,"hour":"*","amount_band":"10-20","category":"grocery","flagged":0,'
        '"l":2,"t":0.0417,"sensitive":{"flagged":0,"clear":8,"not-scorable":1},"members":["m1","m2"],"schema":1}',
    ),
}


def test_every_record_is_pinned() -> None:
    records = {"Fix", "Transaction", "Alert", "Decision", "Reject", "DirectoryEntry", "RulesProgress", "SessionEvent", "Release"}
    assert {kind for kind in GOLDEN} == records


@pytest.mark.parametrize("name", GOLDEN)
def test_the_bytes_are_what_they_were(name: str) -> None:
    record, text = GOLDEN[name]
    assert encode(record).decode() == text
    assert decode(text.encode(), type(record)) == record


def test_what_is_not_known_of_an_alert_is_null() -> None:
    nowhere = msgspec.structs.replace(ALERT, second=PLACELESS, distance_m=None, fine_with_s=None)
    text = encode(nowhere).decode()
    assert '"second":{"kind":"e-commerce","id":"t2","event_ns":9,"lat":null,"lon":null,"accuracy_m":0.0}' in text
    assert '"distance_m":null,"elapsed_s":0.0,"speed_kmh":null,"probability":null,' in text
    assert '"fine_with_s":null' in text
    assert decode(text.encode(), Alert) == nowhere


def test_a_fix_of_a_newer_gateway_is_the_same_fix_to_a_reader_of_before() -> None:
    class FixOfBefore(msgspec.Struct, frozen=True, omit_defaults=True):
        subject: str
        device: str
        source: str
        fix_ns: int
        received_ms: int
        lat: float
        lon: float
        accuracy_m: float | None = None
        flags: tuple[str, ...] = ()
        sequence: int | None = None
        schema: int = 1

    named = msgspec.structs.replace(FIX, filters=(FixFilter.STATIC, FixFilter.MAX_SPEED))
    assert encode(named).decode() == GOLDEN["Fix"][1].replace('"sequence":7', '"sequence":7,"filters":["static","max_speed"]')
    assert decode(encode(named), Fix) == named
    assert decode(encode(named), FixOfBefore) == decode(encode(FIX), FixOfBefore)


def test_a_decision_of_learned_rules_is_the_same_decision_to_a_reader_of_before() -> None:
    score = LearnedScore("learned-boosting", "0001-3f2a9c1d", 0.75, 0.5, {"phone_km": 9.0})
    scored = msgspec.structs.replace(DECISION, learned=(score,))
    added = '{"rule":"learned-boosting","version":"0001-3f2a9c1d","score":0.75,"threshold":0.5,"figures":{"phone_km":9.0}}'
    assert encode(scored).decode() == GOLDEN["Decision"][1].replace('"revision":2', f'"revision":2,"learned":[{added}]')
    assert decode(encode(scored), Decision) == scored
