"""Every dangerous policy that is known, one change away from the default: refused by name, with place and what to write instead."""

from __future__ import annotations

import copy
from typing import Any, NamedTuple

import msgspec
import pytest

from privacy.policies.catalogue import RECORDS
from privacy.policies.compiling import DANGERS, compile_policy, faults_of
from privacy.policies.draft import STRUCTURAL
from privacy.policies.model import DEFAULT_FILE, Policy
from privacy.policies.text import parse
from veilocity.errors import UnsafePolicyError

BOTH = ("mongodb", "elasticsearch")
TOO_FINE = {"epsilon": 1.0, "delta": 1e-6, "contributions": 4, "cell_resolution": 9, "horizon_days": 30}


class Case(NamedTuple):
    """One change to the default policy, and the fault it must meet."""

    danger: str
    path: str
    """Where the change is, `/` between its parts."""
    value: object
    where: str
    sinks: tuple[str, ...]
    instead: str
    """Words of the sentence that say what to write."""


def card(mongodb: object, elasticsearch: object) -> dict[str, object]:
    return {"mongodb": mongodb, "elasticsearch": elasticsearch}


MASK = {"mask": {"first": 6, "last": 4}}
LONG_MASK = {"mask": {"first": 8, "last": 4}}
CARD, PLACE, TIME, AMOUNT = (f"records/transaction/{name}" for name in ("card", "place", "authorised_ms", "amount_minor"))
CASES = [
    # PCI SSC FAQ 1308: forms of one card number that undo each other, also across stores.
    Case("card-pseudonym-and-truncation", CARD, card("token", MASK), "transaction.card", ("elasticsearch",), "write drop here"),
    Case("card-pseudonym-and-truncation", CARD, card(MASK, "token"), "transaction.card", ("mongodb",), "write drop here"),
    Case("card-pseudonym-and-truncation", CARD, card("hash", MASK), "transaction.card", ("elasticsearch",), "write drop here"),
    Case(
        "card-pseudonym-and-truncation",
        CARD,
        card(MASK, {"encrypt": {"tweak": "card", "min_length": 13}}),
        "transaction.card",
        ("mongodb",),
        "write drop here",
    ),
    Case("two-truncations", CARD, card(MASK, LONG_MASK), "transaction.card", ("elasticsearch",), "mask first=6 last=4"),
    Case("truncation-too-long", CARD, {"mask": {"first": 9, "last": 4}}, "transaction.card", BOTH, "first: 6, last: 4"),
    Case("truncation-too-long", CARD, {"mask": {"first": 6, "last": 5}}, "transaction.card", BOTH, "first: 6, last: 4"),
    # Identifiers.
    Case("identifier-kept", CARD, "keep", "transaction.card", BOTH, "write token"),
    Case(
        "identifier-kept",
        "records/transaction/subject",
        {"default": "token", "mongodb": "keep"},
        "transaction.subject",
        BOTH[:1],
        "write token",
    ),
    Case("identifier-kept", "records/position/subject", "keep", "position.subject", BOTH[:1], "write token"),
    Case("mask-of-no-card", "records/transaction/user", "mask", "transaction.user", BOTH, "write token"),
    Case("unkeyed-hash", CARD, "hash", "transaction.card", BOTH, "write token"),
    Case("unkeyed-hash", CARD, {"hash": {"salt": "pepper"}}, "transaction.card", BOTH, "write token"),
    Case("key-unnamed", "pseudonyms/key", "", "pseudonyms.key", (), "key: pseudonyms"),
    Case("cipher-domain-small", CARD, {"encrypt": {"tweak": "card", "min_length": 6}}, "transaction.card", BOTH, "min_length: 7"),
    Case(
        "cipher-domain-small",
        "records/transaction/user",
        {"encrypt": {"tweak": "user", "min_length": 3, "alphabet": "letters-and-digits"}},
        "transaction.user",
        BOTH,
        "min_length: 4",
    ),
    Case("stores-joinable", "records/transaction/subject", {"token": {"scope": "shared"}}, "transaction.subject", BOTH, "joinable: true"),
    Case("stores-joinable", "records/transaction/id", {"token": {"scope": "shared"}}, "transaction.id", BOTH, "scope: sink"),
    Case(
        "stores-joinable",
        CARD,
        {"encrypt": {"tweak": "card", "min_length": 13, "scope": "shared"}},
        "transaction.card",
        BOTH,
        "scope: sink",
    ),
    Case("period-unsafe", "pseudonyms/period_days", 0, "pseudonyms.card", (), "period_days: 7"),
    Case("period-unsafe", "pseudonyms/kinds", {"device": 1000}, "pseudonyms.device", (), "between 1 and 366"),
    Case("period-unsafe", "releases/tiers_minutes", [1440, 4320], "pseudonyms.subject", (), "a multiple of that"),
    # Exact or too fine values.
    Case("exact-value-kept", PLACE, "keep", "transaction.place", BOTH, "h3_resolution: 7"),
    Case("exact-value-kept", TIME, "keep", "transaction.authorised_ms", BOTH, "to: minute"),
    Case("exact-value-kept", AMOUNT, "keep", "transaction.amount_minor", BOTH, "significant_digits: 2"),
    Case("exact-value-kept", "records/transaction/received_ms", "keep", "transaction.received_ms", BOTH, "write drop"),
    Case("exact-value-kept", "records/alert/distance_m", "keep", "alert.distance_m", BOTH, "significant_digits: 2"),
    Case("exact-value-kept", "records/alert/elapsed_s", "keep", "alert.elapsed_s", BOTH, "minutes: 1"),
    Case("exact-value-kept", "records/alert/probability", "keep", "alert.probability", BOTH, "digits: 2"),
    Case("exact-value-kept", "records/alert/sentence", "keep", "alert.sentence", BOTH, "retell: rounded"),
    Case("exact-value-kept", "records/position/place", "keep", "position.place", BOTH[:1], "h3_resolution: 7"),
    Case("finer-than-release", PLACE, {"generalise": {"h3_resolution": 8}}, "transaction.place", BOTH, "h3_resolution: 7"),
    Case("finer-than-release", "releases/quasi_identifiers/cell", [6, 4, 2], "transaction.place", BOTH, "h3_resolution: 6"),
    Case(
        "finer-than-release",
        PLACE,
        {"noise": {"epsilon_per_m": 0.01, "h3_resolution": 9, "per": "record"}},
        "transaction.place",
        BOTH,
        "h3_resolution: 7",
    ),
    Case("finer-than-release", TIME, {"generalise": {"to": "second"}}, "transaction.authorised_ms", BOTH, "to: minute"),
    Case("finer-than-release", AMOUNT, {"generalise": {"significant_digits": 3}}, "transaction.amount_minor", BOTH, "write 2 or less"),
    Case("finer-than-release", "records/alert/score", {"generalise": {"digits": 3}}, "alert.score", BOTH, "write 2 or less"),
    Case("finer-than-release", "aggregates", TOO_FINE, "aggregates.cell_resolution", (), "write 7 or less"),
    Case("noise-redrawn", AMOUNT, {"noise": {"scale_minor": 100, "per": "query"}}, "transaction.amount_minor", BOTH, "per: record"),
    Case("noise-redrawn", AMOUNT, {"noise": {"scale_minor": 100}}, "transaction.amount_minor", BOTH, "per: record"),
    Case(
        "noise-undone",
        AMOUNT,
        {"mongodb": {"noise": {"scale_minor": 100, "per": "record"}}, "elasticsearch": {"generalise": {"significant_digits": 2}}},
        "transaction.amount_minor",
        BOTH[1:],
        "the same noise here",
    ),
    Case(
        "noise-undone",
        AMOUNT,
        {"mongodb": {"noise": {"scale_minor": 100, "per": "record"}}, "elasticsearch": {"noise": {"scale_minor": 200, "per": "record"}}},
        "transaction.amount_minor",
        BOTH[1:],
        "the same noise here",
    ),
    Case("evidence-unsealed", "records/alert/evidence", "keep", "alert.evidence", BOTH, "write seal"),
    Case("alert-not-declared", "records/alert/about_one_person", False, "alert.about_one_person", (), "about_one_person: true"),
    Case("alert-not-declared", "records/alert/about_one_person", "true?", "alert.about_one_person", (), "about_one_person: true"),
    # Releases, aggregates, sketches, stores.
    Case("k-below-two", "releases/k", 1, "releases.k", (), "k: 2 or more"),
    Case("l-impossible", "releases/l", 4, "releases.l", (), "l: 3 or less"),
    Case("l-impossible", "releases/l", 0, "releases.l", (), "l: 1"),
    Case("t-out-of-range", "releases/t", 0, "releases.t", (), "t: 0.3"),
    Case("t-out-of-range", "releases/t", 1.01, "releases.t", (), "t: 0.3"),
    Case("sensitive-unfit", "releases/sensitive", ["category"], "releases.sensitive", (), "take it out"),
    Case("sensitive-unfit", "releases/sensitive", ["merchant"], "releases.sensitive", (), "verdict"),
    Case("sensitive-unfit", "releases/sensitive", [], "releases.sensitive", (), "[verdict]"),
    Case("tiers-not-nested", "releases/tiers_minutes", [60, 90], "releases.tiers_minutes", (), "[60, 360, 1440]"),
    Case("tiers-not-nested", "releases/tiers_minutes", [60, 60], "releases.tiers_minutes", (), "[60, 360, 1440]"),
    Case("tiers-not-nested", "releases/tiers_minutes", [], "releases.tiers_minutes", (), "[60, 360, 1440]"),
    Case("tiers-not-nested", "releases/tiers_minutes", [15, 30, 60, 1440], "releases.tiers_minutes", (), "take the rest out"),
    Case("levels-unsupported", "releases/quasi_identifiers/cell", [7, 6, 5], "releases.quasi_identifiers.cell", (), "[7, 5, 3]"),
    Case(
        "levels-unsupported", "releases/quasi_identifiers/time", ["hour"], "releases.quasi_identifiers.time", (), "[hour, six_hours, day]"
    ),
    Case("waits-nonsense", "releases/delay_s", -1, "releases.delay_s", (), "0 or more"),
    Case("waits-nonsense", "releases/delay_s", 90_000, "releases.delay_s", (), "86400 or less"),
    Case("waits-nonsense", "releases/idle_s", 60, "releases.idle_s", (), "600 or more"),
    Case("waits-nonsense", "releases/drain_s", 90_000, "releases.drain_s", (), "0 for never"),
    Case("waits-nonsense", "releases/hold_loss", 1.5, "releases.hold_loss", (), "0.5"),
    Case("aggregates-unsafe", "aggregates", {**TOO_FINE, "cell_resolution": 5, "epsilon": 50.0}, "aggregates.epsilon", (), "1.0"),
    Case("aggregates-unsafe", "aggregates", {**TOO_FINE, "cell_resolution": 5, "delta": 0.01}, "aggregates.delta", (), "1e-7"),
    Case(
        "aggregates-unsafe",
        "aggregates",
        {**TOO_FINE, "cell_resolution": 5, "contributions": 0},
        "aggregates.contributions",
        (),
        "1 or more",
    ),
    Case("sketches-nonsense", "sketches/similarity", 0.0, "sketches.similarity", (), "0.7"),
    Case("sinks-unknown", "sinks/stores", ["mongodb"], "sinks.stores", (), "[mongodb, elasticsearch]"),
    # What cannot be understood.
    Case("unknown-field", "records/transaction/cart", "token", "transaction.cart", (), "take the line out"),
    Case("unknown-field", "records/transaction/lat", "keep", "transaction.lat", (), "`place`"),
    Case("unknown-field", "records/session", {}, "session", (), "transaction, alert, position"),
    Case("operation-unfit", "records/transaction/merchant", "token", "transaction.merchant", BOTH, "drop, keep, seal"),
    Case("operation-unfit", "records/transaction/card", "encode", "transaction.card", BOTH, "write one of"),
    Case("operation-unfit", PLACE, {"generalise": {"h3_resolution": "fine"}}, "transaction.place", BOTH, "h3_resolution"),
    Case("operation-unfit", AMOUNT, {"generalise": {}}, "transaction.amount_minor", BOTH, "band: true"),
    Case(
        "operation-unfit", CARD, {"default": "token", "redis": "keep"}, "transaction.card", (), "default or one of mongodb, elasticsearch"
    ),
    Case("operation-unfit", CARD, {"mongodb": "token"}, "transaction.card", (), "elasticsearch"),
    Case("operation-unfit", CARD, 7, "transaction.card", BOTH, "one word"),
    Case("operation-unfit", "records/transaction/schema", "keep", "transaction.schema", BOTH, "drop or seal"),
    Case("document-incomplete", "records/transaction/subject", "drop", "transaction.subject", BOTH, "token, encrypt"),
    Case("document-incomplete", "records/transaction/merchant", "seal", "transaction.merchant", BOTH, "write one of keep"),
    Case("document-incomplete", "records/position/place", "drop", "position.place", BOTH[:1], "generalise"),
]


def written() -> dict[str, Any]:
    """Return the default policy as data that may be changed."""
    data = parse(DEFAULT_FILE.read_text(encoding="utf-8"), DEFAULT_FILE.name)
    assert isinstance(data, dict)
    return data


def changed(path: str, value: object) -> Policy:
    """Return the default policy with one value replaced or added."""
    data = holder = written()
    *parents, last = path.split("/")
    for name in parents:
        holder = holder[name]
    holder[last] = copy.deepcopy(value)
    return msgspec.convert(data, Policy)


def test_the_default_policy_is_safe() -> None:
    assert faults_of(msgspec.convert(written(), Policy)) == ()


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.danger}-{case.path.rpartition('/')[2]}")
def test_a_dangerous_policy_is_refused_with_what_to_write_instead(case: Case) -> None:
    policy = changed(case.path, case.value)
    found = [fault for fault in faults_of(policy) if fault.danger == case.danger and fault.where == case.where]
    assert sorted(fault.sink for fault in found) == sorted(case.sinks or ("",))
    assert all(case.instead in fault.sentence for fault in found), found
    with pytest.raises(UnsafePolicyError) as refusal:
        compile_policy(policy)
    assert all(str(fault) in str(refusal.value) for fault in found)


def test_every_danger_has_a_policy_that_meets_it() -> None:
    assert {case.danger for case in CASES} | {"unlisted-field", "tweak-shared"} == set(DANGERS) | set(STRUCTURAL)


@pytest.mark.parametrize(("record", "field"), [(record, field) for record in RECORDS for field in written()["records"][record]])
def test_a_field_that_is_not_listed_is_refused(record: str, field: str) -> None:
    data = written()
    del data["records"][record][field]
    faults = faults_of(msgspec.convert(data, Policy))
    danger = "alert-not-declared" if field == "about_one_person" else "unlisted-field"
    assert [(fault.danger, fault.where) for fault in faults] == [(danger, f"{record}.{field}")]


def test_a_record_that_is_not_listed_is_refused_field_by_field() -> None:
    data = written()
    del data["records"]["alert"]
    assert {fault.danger for fault in faults_of(msgspec.convert(data, Policy))} == {"unlisted-field"}


def test_two_kinds_of_identifiers_never_share_a_tweak() -> None:
    data = written()
    cipher = {"encrypt": {"tweak": "same", "min_length": 13}}
    data["records"]["transaction"] |= {"card": cipher, "user": cipher}
    (one, two) = faults_of(msgspec.convert(data, Policy))
    assert {one.danger, two.danger} == {"tweak-shared"}
    assert {one.where, two.where} == {"transaction.user"}
    # The same kind may: alerts and payments of a person shall join within one store.
    data["records"]["transaction"] |= {"card": "token", "user": "token", "subject": cipher}
    data["records"]["alert"]["subject"] = cipher
    assert faults_of(msgspec.convert(data, Policy)) == ()


def test_stores_may_be_joined_where_the_policy_says_so() -> None:
    data = written()
    data["records"]["transaction"]["subject"] = {"token": {"scope": "shared"}}
    data["sinks"]["joinable"] = True
    assert compile_policy(msgspec.convert(data, Policy)).joinable


def test_all_faults_are_told_at_once() -> None:
    data = written()
    data["releases"] |= {"k": 1, "t": 2.0, "tiers_minutes": [60, 90]}
    data["records"]["transaction"] |= {"card": "keep", "place": "keep", "cart": "token"}
    data["records"]["alert"] |= {"about_one_person": False, "evidence": "keep"}
    del data["records"]["position"]["session"]
    with pytest.raises(UnsafePolicyError) as refusal:
        compile_policy(msgspec.convert(data, Policy))
    told = str(refusal.value)
    dangers = (
        "k-below-two t-out-of-range tiers-not-nested identifier-kept exact-value-kept unknown-field alert-not-declared evidence-unsealed"
    )
    assert not [danger for danger in [*dangers.split(), "unlisted-field"] if f"[{danger}]" not in told]
    assert told.count("\n- ") == int(told.split(" faults:", maxsplit=1)[0].rsplit(" ", 1)[1])
