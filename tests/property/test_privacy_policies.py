"""Whatever is written into a policy: it is refused with sentences, or what it lets out is coarse, keyed and complete."""

from __future__ import annotations

import pickle
import random
from typing import Any

import h3
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from privacy.amounts import band_bounds, minor_digits
from privacy.identifiers.keyring import KeyRing
from privacy.identifiers.sealing import MemorySubjectKeyStore
from privacy.policies.applying import masked
from privacy.policies.catalogue import RECORDS, SINKS, Field, Kind, fields_of, needed
from privacy.policies.compiling import CompiledPolicy, compile_policy, faults_of
from privacy.policies.model import DEFAULT_FILE, Policy
from privacy.policies.operators import Context, GeneraliseDuration, GeneraliseFigure, GeneraliseFraction, GeneraliseTime, Tools
from privacy.policies.operators.amount import amount_of
from privacy.policies.operators.moment import WIDTHS_MS
from privacy.policies.overrides import with_overrides
from privacy.policies.services import tools_for
from privacy.policies.text import parse
from veilocity.contracts import CardId, Channel, Decision, DeviceId, SubjectId, Transaction, UserId, Verdict
from veilocity.errors import UnsafePolicyError
from veilocity.geo import Interval

RING = KeyRing([(1, -(2**63), bytes(range(32)))])
NOWHERE = Context("mongodb", "alert.distance_m", "", "", "", 0, Tools())
TEXT = DEFAULT_FILE.read_text(encoding="utf-8")
FIELDS = [(record.name, field) for record in RECORDS.values() for field in fields_of(record).values()]


def written() -> dict[str, Any]:
    data = parse(TEXT, DEFAULT_FILE.name)
    assert isinstance(data, dict)
    return data


_words = st.sampled_from(["drop", "token", "mask", "keep", "seal", "hash", "encrypt", "generalise", "noise", "scramble"])
_scopes = st.sampled_from(["sink", "shared"])
_operations = st.one_of(
    _words,
    st.builds(lambda scope: {"token": {"scope": scope}}, _scopes),
    st.builds(lambda first, last: {"mask": {"first": first, "last": last}}, st.integers(0, 9), st.integers(0, 5)),
    st.builds(
        lambda tweak, length, scope: {"encrypt": {"tweak": tweak, "min_length": length, "scope": scope}},
        st.sampled_from(["a", "b"]),
        st.integers(1, 13),
        _scopes,
    ),
    st.builds(lambda resolution: {"generalise": {"h3_resolution": resolution}}, st.integers(0, 15)),
    st.builds(lambda step: {"generalise": {"to": step}}, st.sampled_from(sorted(WIDTHS_MS))),
    st.builds(lambda digits: {"generalise": {"significant_digits": digits}}, st.integers(0, 6)),
    st.just({"generalise": {"band": True}}),
    st.builds(lambda minutes: {"generalise": {"minutes": minutes}}, st.integers(0, 90)),
    st.builds(lambda digits: {"generalise": {"digits": digits}}, st.integers(0, 9)),
    st.builds(
        lambda resolution, per: {"noise": {"epsilon_per_m": 0.01, "h3_resolution": resolution, "per": per}},
        st.integers(0, 9),
        st.sampled_from(["record", "query"]),
    ),
    st.builds(lambda scale: {"noise": {"scale_minor": scale, "per": "record"}}, st.integers(0, 1000)),
    st.none(),
    st.integers(),
)
_per_sink = st.one_of(
    _operations,
    st.builds(lambda one, other: {"mongodb": one, "elasticsearch": other}, _operations, _operations),
    st.builds(lambda one, other: {"default": one, "elasticsearch": other}, _operations, _operations),
)
_changes = st.dictionaries(st.integers(0, len(FIELDS) - 1), _per_sink, max_size=3)


def policy_with(changes: dict[int, object]) -> Policy:
    data = written()
    for index, operation in changes.items():
        record, field = FIELDS[index]
        data["records"][record][field.name] = operation
    return msgspec.convert(data, Policy)


@st.composite
def _transactions(draw: st.DrawFn) -> Decision:
    """Draw a payment whose exact values can be told from anything coarse."""
    return Decision(
        transaction=Transaction(
            id="raw-payment",
            subject=SubjectId("4929000000006"),
            # Inside a minute, so that no exact time is a coarse one.
            authorised_ms=draw(st.integers(25_000_000, 33_000_000)) * 60_000 + draw(st.integers(1, 59_999)),
            received_ms=1_690_598_222_999,
            amount_minor=draw(st.integers(-10_000_000, 10_000_000).filter(lambda amount: len(str(abs(amount)).rstrip("0")) > 2)),
            currency=draw(st.sampled_from(["EUR", "JPY", "KWD"])),
            merchant="shop",
            category="cafe",
            channel=Channel.ATM,
            card=CardId("4111111111111111"),
            device=DeviceId("9876543210987"),
            user=UserId("1234567890123"),
            lat=draw(st.floats(-89.0, 89.0)),
            lon=draw(st.floats(-179.0, 179.0)),
        ),
        verdict=Verdict.CLEAR,
        score=draw(st.floats(0.0, 1.0)),
        reasons=(),
        rule_versions={},
    )


def check_coarse(policy: CompiledPolicy, sink: str, decision: Decision) -> None:
    """Check what one store gets, by what the values are and not by which operations made them."""
    document = masked(policy, "transaction", sink, decision, tools_for(policy, RING, sink, MemorySubjectKeyStore()))
    document.pop("sealed", None)
    payment = decision.transaction
    shown = msgspec.json.encode(document).decode()
    for identifier in (payment.id, payment.subject, payment.card, payment.device, payment.user):
        assert identifier is not None
        assert identifier not in shown
    assert document["minute_ms"] % 60_000 == 0
    assert 0 <= document["minute_ms"] <= payment.authorised_ms
    assert abs(document["amount"]) != abs(payment.amount_minor) / 10 ** minor_digits(payment.currency) or "noise" in str(policy.rules)
    if document["place"] is not None:
        assert h3.get_resolution(document["place"].cell) <= max(policy.releases.quasi_identifiers.cell)
        assert (document["place"].lat, document["place"].lon) != (payment.lat, payment.lon)
    for field in RECORDS["transaction"].fields:
        assert not needed(RECORDS["transaction"], field) or all(document[path] is not None for path in field.stored)


@given(_changes, _transactions())
def test_a_policy_is_refused_or_lets_out_nothing_exact(changes: dict[int, object], decision: Decision) -> None:
    policy = policy_with(changes)
    faults = faults_of(policy)
    if faults:
        try:
            compile_policy(policy)
        except UnsafePolicyError as refusal:
            assert not [fault for fault in faults if str(fault) not in str(refusal)]
            return
        raise AssertionError("a policy with faults was compiled")
    compiled = compile_policy(policy)
    for sink in SINKS:
        check_coarse(compiled, sink, decision)


PAYMENT = Decision(
    transaction=Transaction(
        id="5550111222333",
        subject=SubjectId("4929000000006"),
        authorised_ms=1_690_598_222_123,
        received_ms=1_690_598_222_999,
        amount_minor=123_456,
        currency="EUR",
        merchant="shop",
        category="cafe",
        channel=Channel.ATM,
        card=CardId("4111111111111111"),
        device=DeviceId("9876543210987"),
        user=UserId("1234567890123"),
        lat=51.50740001,
        lon=-0.12780001,
    ),
    verdict=Verdict.CLEAR,
    score=0.98765,
    reasons=(),
    rule_versions={},
)
SINGLE: list[object] = [
    *("drop", "token", "mask", "keep", "seal", "hash"),
    *({"token": {"scope": scope}} for scope in ("sink", "shared")),
    *({"mask": {"first": first, "last": last}} for first in (0, 6, 8, 16) for last in (0, 4, 16)),
    *({"encrypt": {"tweak": "own", "min_length": length}} for length in (1, 6, 12)),
    *({"generalise": {"h3_resolution": resolution}} for resolution in range(16)),
    *({"generalise": {"to": step}} for step in WIDTHS_MS),
    *({"generalise": {"significant_digits": digits}} for digits in range(1, 8)),
    *({"generalise": {"digits": digits}} for digits in range(8)),
    *({"generalise": {"band": True}}, {"generalise": {"minutes": 1}}),
    *({"noise": {"epsilon_per_m": 0.1, "h3_resolution": resolution, "per": "record"}} for resolution in (5, 7, 9, 15)),
]


@pytest.mark.parametrize("field", [field for field in RECORDS["transaction"].fields if field.kind is not Kind.LABEL], ids=lambda f: f.name)
def test_every_single_change_is_refused_or_lets_out_nothing_exact(field: Field) -> None:
    accepted = 0
    for operation in SINGLE:
        for both in (operation, {"default": operation, "elasticsearch": "token" if field.token_kind else "drop"}):
            policy = policy_with({FIELDS.index(("transaction", field)): both})
            if not faults_of(policy):
                accepted += 1
                for sink in SINKS:
                    check_coarse(compile_policy(policy), sink, PAYMENT)
    assert accepted, "an operation that is safe was refused"


_safe_of_kind: dict[Kind, list[object]] = {
    Kind.IDENTIFIER: ["token"],
    Kind.PLACE: [{"generalise": {"h3_resolution": n}} for n in (3, 5, 7)],
    Kind.TIME: [{"generalise": {"to": step}} for step in ("minute", "quarter", "hour", "day")],
    Kind.AMOUNT: [{"generalise": {"significant_digits": 1}}, {"generalise": {"band": True}}],
    Kind.FIGURE: [{"generalise": {"significant_digits": n}} for n in (1, 2)],
    Kind.DURATION: [{"generalise": {"minutes": n}} for n in (1, 15)],
    Kind.FRACTION: [{"generalise": {"digits": n}} for n in (0, 1, 2)],
    Kind.SENTENCE: [{"generalise": {"retell": "rounded"}}],
    Kind.EVIDENCE: ["seal", "drop"],
    Kind.LABEL: ["keep"],
}


@st.composite
def _safe_policies(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a policy of operations that are each safe for their kind, other ones for each store."""
    data = written()
    for record in RECORDS.values():
        for field in record.fields:
            choices = list(_safe_of_kind[field.kind]) if field.stored else ["drop", "seal"]
            choices += ["drop", "seal"] if not needed(record, field) else []
            sinks = {sink: draw(st.sampled_from(choices)) for sink in record.sinks}
            data["records"][record.name][field.name] = sinks
    return data


@given(_safe_policies(), _transactions(), st.randoms(use_true_random=False))
def test_operations_that_fit_are_never_refused(data: dict[str, Any], decision: Decision, order: random.Random) -> None:
    policy = compile_policy(msgspec.convert(data, Policy))
    for sink in SINKS:
        check_coarse(policy, sink, decision)
    assert pickle.loads(pickle.dumps(policy)) == policy  # noqa: S301  # our own bytes
    # In whatever order the file lists them, the policy is the same.
    for fields in data["records"].values():
        shuffled = list(fields.items())
        order.shuffle(shuffled)
        fields.clear()
        fields.update(shuffled)
    again = compile_policy(msgspec.convert(data, Policy))
    assert (again, again.digest) == (policy, policy.digest)


@given(st.text(max_size=200) | st.builds(lambda cut: TEXT[:cut], st.integers(0, len(TEXT))))
def test_any_text_is_a_policy_or_refused(text: str) -> None:
    try:
        faults_of(msgspec.convert(parse(text, "any"), Policy))
    except (UnsafePolicyError, msgspec.ValidationError):
        return


@given(_safe_policies(), st.integers(0, 9))
def test_no_override_of_the_cell_makes_a_place_finer_than_releases(data: dict[str, Any], resolution: int) -> None:
    changed = with_overrides(msgspec.convert(data, Policy), cell_resolution=resolution)
    assert not [fault for fault in faults_of(changed) if fault.danger in ("finer-than-release", "levels-unsupported")]


@given(st.integers(0, 4_102_444_800_000), st.sampled_from(["minute", "quarter", "hour", "day"]))
def test_a_time_lies_in_its_step(time_ms: int, step: Any) -> None:
    start_ms = GeneraliseTime(to=step).apply(time_ms, NOWHERE)
    assert start_ms <= time_ms < start_ms + WIDTHS_MS[step]
    assert start_ms % WIDTHS_MS[step] == 0


_figures = st.floats(0.0, 1e9)


@given(st.lists(_figures, min_size=3, max_size=3).map(sorted), st.integers(1, 2), st.none() | _figures)
def test_a_rounded_interval_holds_the_exact_one(bounds: list[float], digits: int, floor: float | None) -> None:
    exact = Interval(*bounds)
    told = GeneraliseFigure(significant_digits=digits).apply(exact, with_floor(floor))
    assert isinstance(told, Interval)
    assert told.low <= exact.low
    assert exact.high <= told.high
    assert told.low <= told.likely
    assert floor is None or exact.low < floor or told.low >= floor


def with_floor(floor: float | None) -> Context:
    return Context("mongodb", "alert.speed_kmh", "", "", "", 0, Tools(), floor=floor)


@given(st.floats(0.0, 1e7), st.integers(1, 1440))
def test_a_duration_is_never_told_shorter(seconds: float, minutes: int) -> None:
    told = GeneraliseDuration(minutes=minutes).apply(seconds, NOWHERE)
    assert seconds <= told < seconds + 60.0 * minutes + 1e-6
    assert told % (60.0 * minutes) == 0.0


@given(st.floats(0.0, 1.0), st.integers(0, 2), st.sampled_from(["nearest", "up"]))
def test_a_fraction_moves_by_less_than_a_digit(value: float, digits: int, direction: Any) -> None:
    told = GeneraliseFraction(digits=digits, direction=direction).apply(value, NOWHERE)
    assert abs(told - value) <= 10.0**-digits
    assert direction == "nearest" or told >= value


@given(st.integers(-(10**12), 10**12), st.sampled_from(["EUR", "JPY", "KWD"]), st.sampled_from([None, 1, 2]))
def test_an_amount_is_near_and_in_its_band(amount_minor: int, currency: str, digits: int | None) -> None:
    told = amount_of(amount_minor, currency, digits)
    major = abs(amount_minor) / 10 ** minor_digits(currency)
    low, high = band_bounds(told.amount_band)
    assert low <= major < high
    if digits is None:
        assert abs(told.amount) == low
    else:
        assert abs(abs(told.amount) - major) <= 0.5 * 10.0 ** (1 - digits) * major + 1e-9


def test_the_fields_of_these_tests_are_all_there_are() -> None:
    assert all(isinstance(field, Field) for _, field in FIELDS)
    assert len(FIELDS) == sum(len(record.fields) for record in RECORDS.values())
