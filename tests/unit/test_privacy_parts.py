import pickle
from pathlib import Path

import msgspec
import pyarrow as pa
import pytest

from privacy.executor import PartMasker, decode_part
from privacy.identifiers.keyring import ALWAYS_MS, KeyRing
from privacy.identifiers.sealing import MemorySubjectKeyStore
from privacy.masking import ELASTICSEARCH, MONGODB, Masker
from privacy.parts import PartBuilder, Source
from privacy.policies import DEFAULT_FILE, compile_policy, read_policy
from privacy.policy import key_checks
from tests.unit.test_privacy_masking import alert
from veilocity.contracts import CardId, Channel, Decision, DeviceId, Fix, SubjectId, Transaction, Verdict, decode, encode
from veilocity.errors import FatalError, KeyMissingError, SettingsError


def fix(subject: str, fix_ns: int, lat: float = 51.5) -> bytes:
    return encode(Fix(subject=SubjectId(subject), device=DeviceId("d"), source="s", fix_ns=fix_ns, received_ms=0, lat=lat, lon=-0.1))


def decision(number: int, revision: int = 1, verdict: Verdict = Verdict.CLEAR) -> bytes:
    payment = Transaction(
        id=f"t{number}",
        subject=SubjectId("a"),
        authorised_ms=123_456,
        received_ms=0,
        amount_minor=100,
        currency="EUR",
        merchant="m",
        category="cafe",
        channel=Channel.ECOMMERCE,
        card=CardId("c"),
    )
    return encode(Decision(payment, verdict, 0.5, (), {}, revision=revision))


POLICY = compile_policy(read_policy(DEFAULT_FILE))


def builder(keys: MemorySubjectKeyStore | None = None) -> PartBuilder:
    kept = keys or MemorySubjectKeyStore()
    return PartBuilder(Masker(POLICY, KeyRing([(1, ALWAYS_MS, b"k" * 32)]), lambda: kept), seq=1)


def test_only_the_newest_place_of_a_person_is_masked() -> None:
    made = builder()
    made.add("fixes", 0, range(3), [fix("a", 60_000_000_000), fix("a", 180_000_000_000), fix("a", 120_000_000_000)])
    part = made.finish()
    assert part.fixes == 3
    assert [position.minute_ms for position in part.positions] == [180_000]


def test_heights_stand_beside_the_places_in_tens_of_metres() -> None:
    made = builder()
    heights = zip("abc", (857.9, None, 1e6), strict=True)
    made.add("fixes", 0, range(3), [encode(msgspec.structs.replace(decode(fix(one, 1), Fix), altitude_m=m)) for one, m in heights])
    part = made.finish()
    assert part.altitudes_m == [860.0, None, None]
    assert len(part.positions) == 3


def test_what_does_not_decode_is_counted_with_its_reason_and_costs_only_itself() -> None:
    made = builder()
    made.add("fixes", 0, range(4), [b"{", None, fix("a", 1, lat=200.0), fix("a", 1)])
    made.add("decisions", 0, range(1), [b'{"schema": 99}'])
    made.add("alerts", 0, range(1), [b"[]"])
    part = made.finish()
    assert part.rejected == {"invalid_coordinates": 1, "undecodable": 3, "unknown_schema": 1}
    assert (part.fixes, part.decisions, part.payments, part.alert_revisions) == (1, 1, [], 0)


def test_later_answers_are_amendments_and_no_payments_and_the_newest_of_each_is_kept() -> None:
    made = builder()
    later = [decision(1), decision(2), decision(1, 2, Verdict.FLAGGED), decision(1, 3), decision(1, 2, Verdict.FLAGGED), decision(7, 2)]
    made.add("decisions", 0, range(6), later)
    part = made.finish()
    assert (part.decisions, part.amended, len(part.payments)) == (6, 4, 2)
    for store in (MONGODB, ELASTICSEARCH):
        amendments = [amendment[store] for amendment in part.amendments]
        assert [(amendment.revision, amendment.verdict) for amendment in amendments] == [(3, Verdict.CLEAR), (2, Verdict.CLEAR)]
        assert amendments[0].id == part.payments[0].documents[store].id
        assert {payment.documents[store].revision for payment in part.payments} == {1}


def test_of_an_alert_the_newest_revision_is_kept_and_it_alone_is_sealed() -> None:
    keys = MemorySubjectKeyStore()
    asked: list[str] = []
    keep = keys.get_or_create

    def listen(owner: str, fresh: bytes) -> bytes | None:
        asked.append(owner)
        return keep(owner, fresh)

    keys.get_or_create = listen  # type: ignore[method-assign]  # on its way to the store
    made = builder(keys)
    revisions = [msgspec.structs.replace(alert(None), revision=revision) for revision in (1, 3, 2)]
    made.add("alerts", 0, range(4), [*map(encode, revisions), encode(msgspec.structs.replace(revisions[0], id="other"))])
    part = made.finish()
    assert (part.alert_revisions, part.alerts_opened) == (4, 2)
    assert [[one[store].revision for store in (MONGODB, ELASTICSEARCH)] for one in part.alerts] == [[3, 3], [1, 1]]
    assert [(one[MONGODB].sealed is None, one[ELASTICSEARCH].sealed) for one in part.alerts] == [(False, None)] * 2
    assert len(asked) == 2
    assert decode_part(msgspec.msgpack.encode(part)) == part


def batch(topic: str, values: list[bytes]) -> pa.RecordBatch:
    count = len(values)
    return pa.RecordBatch.from_pydict(
        {"topic": [topic] * count, "partition": [0] * count, "offset": list(range(count)), "value": values},
    )


def worker(key: Path, sources: dict[str, Source]) -> PartMasker:
    return PartMasker(str(key), key_checks(KeyRing.from_file(key)), POLICY, 1, sources)


def test_a_worker_gives_one_row_whatever_it_reads(tmp_path: Path) -> None:
    key = tmp_path / "token.key"
    KeyRing.generate(key)
    masker = pickle.loads(pickle.dumps(worker(key, {"t-fixes": "fixes"})))  # noqa: S301  # our own bytes
    (row,) = masker([batch("t-fixes", [fix("a", 1), fix("b", 1)]), batch("t-fixes", [fix("b", 2)])])
    part = decode_part(row.column("part")[0].as_py())
    assert (part.fixes, len(part.positions)) == (3, 2)
    secret = key.read_text().split()[-1]
    assert secret.encode() not in pickle.dumps(masker)
    assert bytes.fromhex(secret) not in pickle.dumps(masker)


def test_an_unforeseen_error_tells_its_place_and_never_the_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = tmp_path / "token.key"
    KeyRing.generate(key)

    def fail(*_arguments: object) -> None:
        raise ValueError("4539148803436467 at 51.50741")

    monkeypatch.setattr(PartBuilder, "add", fail)
    with pytest.raises(FatalError) as told:
        list(worker(key, {"t-fixes": "fixes"})([batch("t-fixes", [fix("a", 1)])]))
    assert "4539" not in str(told.value)
    assert "ValueError at test_privacy_parts.py" in str(told.value)
    assert told.value.__suppress_context__


def test_a_worker_without_its_key_says_so(tmp_path: Path) -> None:
    with pytest.raises(KeyMissingError, match="there is no key ring"):
        list(PartMasker(str(tmp_path / "none"), (), POLICY, 1, {})([]))


def test_a_worker_with_another_key_ring_than_the_driver_masks_nothing(tmp_path: Path) -> None:
    key = tmp_path / "token.key"
    KeyRing.generate(key)
    begun = worker(key, {})
    other = tmp_path / "other.key"
    KeyRing.generate(other)
    with pytest.raises(SettingsError, match="not the one that the privacy stage began with"):
        list(PartMasker(str(other), begun.checks, POLICY, 1, {})([]))
    assert len(list(begun([]))) == 1


def test_parts_survive_the_way_to_the_driver() -> None:
    made = builder()
    made.add("fixes", 0, range(1), [fix("a", 1)])
    part = made.finish()
    assert decode_part(msgspec.msgpack.encode(part)) == part
