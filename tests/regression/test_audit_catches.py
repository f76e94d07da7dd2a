"""The auditor catches what has gone wrong elsewhere: each defect is put into a clean world as it would lie in the stores.

Numbers are those of the defects that published tools have: row ids that leak (11), nulls that hide (12), intervals that miss their value
(13), classes below k (14), rows counted as people (15), windows that intersect (16), payments dropped silently (18), exemplars (20), plain
hashes (21), noise in place of cells (23), one card told in two forms (24).
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from bson import ObjectId

from privacy.audit import CHECKS, KnownIdentifiers, Limits
from tests.unit.audit_world import CELLS, HOUR_MS, HOURS, START_MS, K, World, audited, clean_world, digits, faults_after, token

Damage = Callable[[World], object]
CARD = "4111111111111111"


def payments(world: World, store: str = "mongodb") -> list[dict[str, Any]]:
    return world[store]["transactions"]


def releases(world: World, store: str = "mongodb") -> list[dict[str, Any]]:
    return world[store]["releases"]


def in_each_store(change: Callable[[dict[str, Any]], object], place: int = 0) -> Damage:
    """Return a damage of one class that both stores hold."""

    def damage(world: World) -> None:
        for store in world:
            change(releases(world, store)[place]["release"])

    return damage


def setting(**values: Any) -> Damage:
    """Return a damage of one payment of MongoDB."""
    return lambda world: payments(world)[5].update(values)


def few_members(release: dict[str, Any]) -> None:
    release["members"] = release["members"][: K - 1]
    release["people"] = K - 1


def one_person_often(release: dict[str, Any]) -> None:
    release["members"] = release["members"][:1] * len(release["members"])


def unsorted(release: dict[str, Any]) -> None:
    release["members"] = release["members"][::-1]


def far_too_close(release: dict[str, Any]) -> None:
    size = release["payments"]
    release.update(sensitive={"flagged": size}, flagged=size, l=1, t=0.0)


def same_member_next_hour(world: World) -> None:
    for store in world:
        first, later = releases(world, store)[0]["release"], releases(world, store)[5]["release"]
        later["members"] = sorted([first["members"][0], *later["members"][1:]])


def shifted_window(world: World) -> None:
    for store in world:
        release = releases(world, store)[8]
        release["release"]["window_start_ms"] -= HOUR_MS // 2
        release["minute_ms"] -= HOUR_MS // 2


def sorted_by_place(world: World) -> None:
    """Insert many classes of one window in the order of their cells, under ids that do not give it away."""
    template = releases(world)[0]
    made = [
        template | {"_id": digits(number), "release": template["release"] | {"class_id": digits(number), "category": f"kind {number:02d}"}}
        for number in range(40)
    ]
    world["mongodb"]["releases"] = made


def printed_alike(world: World) -> None:
    first, second = releases(world)[0]["release"], releases(world)[1]["release"]
    second.update({name: first[name] for name in ("cell", "hour", "amount_band", "category")})


def lonely_in_the_store(world: World) -> None:
    """Leave only the payments of two people of a cell: the class still claims ten."""
    for store in world:
        kept = {token(store, "subject", person) for person in (0, 4)}
        cell = CELLS[0]
        world[store]["transactions"] = [one for one in payments(world, store) if one["place"]["cell"] != cell or one["subject"] in kept]
    world["mongodb"]["progress"][0].update(transactions=len(payments(world)), released=HOURS * 40)


def card_in_two_forms(world: World) -> None:
    for payment in payments(world, "elasticsearch"):
        payment["card"] = "411111******1111"


def noisy_place(world: World) -> None:
    point = payments(world)[5]["place"]["point"]["coordinates"]
    point[0], point[1] = point[0] + 0.00412, point[1] - 0.00377


def dropped(world: World) -> None:
    del payments(world)[7]


def uncounted(world: World) -> None:
    world["mongodb"]["progress"][0]["transactions"] += 3


def one_key_for_both(world: World) -> None:
    for mine, theirs in zip(payments(world), payments(world, "elasticsearch"), strict=True):
        theirs["subject"] = mine["subject"]


def one_hash_for_all_kinds(world: World) -> None:
    payments(world)[5]["user"] = payments(world)[5]["card"]


def stable_for_weeks(world: World) -> None:
    payments(world)[5]["minute_ms"] += 8 * 24 * HOUR_MS


def counters_for_tokens(world: World) -> None:
    for number, payment in enumerate(payments(world)):
        payment["_id"] = f"{number:032x}"


def uuids_for_tokens(world: World) -> None:
    for number, payment in enumerate(payments(world)):
        payment["_id"] = uuid.UUID(digits(number), version=4).hex


DEFECTS: dict[str, tuple[Damage, str, str]] = {
    "11 a row number beside a class": (in_each_store(lambda release: release.update(index=17)), "classes", "field that no release has"),
    "11 the order of insertion": (sorted_by_place, "classes", "inserted in the order"),
    "11 an id with a clock and a counter": (setting(_id=ObjectId("6566f0f0a1b2c3d4e5f60718")), "exactness", "order of its making"),
    "11 a time of ingest": (setting(received_ms=START_MS + 1_234), "exactness", "received_ms: is a time finer"),
    "12 a missing cell that is no category": (in_each_store(lambda release: release.update(cell="")), "classes", "release.cell: is no H3"),
    "12 a class that prints null": (in_each_store(lambda release: release.update(category=None)), "classes", "another type"),
    "13 an interval that misses its payments": (
        in_each_store(lambda release: release.update(amount_band="EUR 50-100")),
        "linkage",
        "fits fewer than k people",
    ),
    "13 an interval upside down": (in_each_store(lambda release: release.update(amount_band="EUR 50-20")), "classes", "is no band"),
    "14 a class below k": (in_each_store(few_members), "classes", "release.people: are fewer than k"),
    "14 a class of one person": (
        in_each_store(lambda release: release.update(members=release["members"][:1], people=1)),
        "unicity",
        "is a class of one person",
    ),
    "15 rows counted as people": (in_each_store(one_person_often), "classes", "name a person twice"),
    "15 more people than there are": (
        in_each_store(lambda release: release.update(members=sorted(digits(one) for one in range(30)), people=30, payments=30)),
        "linkage",
        "release.people: are more than could be meant",
    ),
    "16 a member in two windows": (same_member_next_hour, "intersection", "same member in another window"),
    "16 windows that overlap": (shifted_window, "classes", "cuts another one in two"),
    "18 a payment that was dropped": (dropped, "conservation", "some were dropped"),
    "18 a counter that does not add up": (uncounted, "conservation", "lost or doubled"),
    "18 a class whose payments nobody counted": (
        lambda world: releases(world).pop(),
        "conservation",
        "released: is not the sum of payments over the classes in mongodb",
    ),
    "20 an exemplar in a class": (in_each_store(lambda release: release.update(spc_amount=23.17)), "classes", "does it quote a payment"),
    "21 a counter for a token": (counters_for_tokens, "tokens", "not random"),
    "21 a UUID for a token": (uuids_for_tokens, "tokens", "not random"),
    "23 noise in place of a cell": (noisy_place, "exactness", "place.point: is not the centre"),
    "23 a point without a cell": (lambda world: payments(world)[5]["place"].pop("cell"), "exactness", "there is no cell"),
    "24 token here, truncation there": (card_in_two_forms, "cards", "elasticsearch transactions"),
    "24 token and truncation together": (setting(card_last4="1111"), "cards", "beside another form"),
    "24 two truncations": (setting(card="411111******1111", pan_shown="4111********1111"), "cards", "beside another form"),
    "24 one key for both stores": (one_key_for_both, "tokens", "the stores can be joined"),
    "one hash for all kinds": (one_hash_for_all_kinds, "tokens", "token of another kind"),
    "a pseudonym for ever": (stable_for_weeks, "tokens", "outlives its period"),
    "l overstated": (in_each_store(lambda release: release.update(l=3)), "classes", "release.l"),
    "verdicts that do not add up": (in_each_store(lambda release: release["sensitive"].update(clear=1)), "classes", "does not add up"),
    "flagged overstated": (in_each_store(lambda release: release.update(flagged=9)), "classes", "release.flagged"),
    "t understated": (in_each_store(far_too_close), "classes", "release.t: is too low"),
    "no members": (in_each_store(lambda release: release.update(members=[])), "classes", "nobody can recount"),
    "members in order of arrival": (in_each_store(unsorted), "classes", "not sorted"),
    "two classes printed alike": (printed_alike, "linkage", "some are told twice"),
    "an id twice": (
        lambda world: releases(world).append(releases(world)[0] | {"release": releases(world)[0]["release"] | {"category": "cafe"}}),
        "classes",
        "names another class",
    ),
    "a release that differs between stores": (
        lambda world: releases(world, "elasticsearch")[0]["release"].update(loss=0.5),
        "classes",
        "otherwise in the other store",
    ),
    "a time of release": (lambda world: releases(world)[0].update(minute_ms=START_MS + 60_000), "classes", "not the start of the window"),
    "a k below two": (in_each_store(lambda release: release.update(k=1)), "classes", "release.k"),
    "two k of one policy": (in_each_store(lambda release: release.update(k=6)), "classes", "another k"),
    "a class of another hour": (in_each_store(lambda release: release.update(hour="2026-11-22T23")), "classes", "outside the window"),
    "a loss above one": (in_each_store(lambda release: release.update(loss=1.5)), "classes", "release.loss"),
    "a resolution that is not the cell's": (in_each_store(lambda release: release.update(cell_resolution=5)), "classes", "resolution"),
    "a window without width": (
        in_each_store(lambda release: release.update(window_end_ms=release["window_start_ms"])),
        "classes",
        "window_end_ms",
    ),
    "an id that is not the class": (lambda world: releases(world)[0].update(_id=digits("x")), "classes", "not the document's id"),
    "a class that few can be in": (lonely_in_the_store, "linkage", "whoever is in the class is found"),
    "more payments than there are": (
        in_each_store(lambda release: release.update(payments=11, sensitive={"clear": 11})),
        "linkage",
        "release.payments: are more than fit",
    ),
    "a card number as text": (setting(merchant=f"paid with {CARD}"), "identifiers", "merchant: holds a card number"),
    "a card number with dashes": (setting(merchant="4111-1111-1111-1111"), "identifiers", "card number"),
    "a card number as a number": (setting(reference=int(CARD)), "identifiers", "reference: holds a card number"),
    "a card number as a key": (setting(counts={CARD: 3}), "identifiers", "counts.?: holds a card number"),
    "a card number deep in a list": (setting(notes=[["a", {"b": CARD}]]), "identifiers", "card number"),
    "a card number as bytes": (setting(sealed=CARD.encode()), "identifiers", "sealed: holds a card number"),
    "a card number in an unknown collection": (
        lambda world: world["mongodb"].update(left_over=[{"_id": CARD, "text": CARD}]),
        "identifiers",
        "left_over #0 text",
    ),
    "an address": (setting(merchant="jo@example.org"), "identifiers", "e-mail"),
    "a telephone number": (setting(merchant="+49 30 901820"), "identifiers", "telephone"),
    "an account number": (setting(merchant="DE89 3704 0044 0532 0130 00"), "identifiers", "IBAN"),
    "a network address": (setting(device_type="192.168.7.12"), "identifiers", "network address"),
    "a network address of version 6": (setting(device_type="2001:db8::8a2e:370:7334"), "identifiers", "network address"),
    "an address of a device": (setting(device_type="00:1b:44:11:3a:b7"), "identifiers", "device's network address"),
    "a device's UUID": (setting(device="4f8a6c1e-9b7d-4e2a-8c3f-1d5e7a9b0c2d"), "identifiers", "UUID"),
    "an exact amount": (setting(amount=23.17), "exactness", "amount: has more than two significant"),
    "an exact score": (setting(score=0.123), "exactness", "score: has more than two decimals"),
    "an exact minute": (setting(minute_ms=START_MS + 7), "exactness", "minute_ms: is a time finer"),
    "a time in nanoseconds": (setting(fix=1_795_305_600_000_000_123), "exactness", "fix: is a time finer"),
    "a time in seconds": (setting(at=1_795_305_600.25), "exactness", "at: is a time finer"),
    "a time as text": (setting(at="2026-11-22T00:00:07Z"), "exactness", "at: holds a time finer"),
    "a time as a date": (setting(at=datetime(2026, 11, 22, 0, 0, 7, tzinfo=UTC)), "exactness", "at: is a time finer"),
    "a fine cell": (setting(reasons=["seen at 8928308280fffff"]), "exactness", "reasons[]: holds a cell finer"),
    "coordinates as a list": (setting(near=[-122.41942, 37.77493]), "exactness", "near: is a list that looks"),
    "coordinates as fields": (setting(near={"lat": 37.77493, "lng": -122.41942}), "exactness", "near: has two fields"),
    "coordinates as text": (setting(merchant="at 37.77493, -122.41942"), "exactness", "merchant: holds what looks like coordinates"),
}


def test_a_clean_world_passes() -> None:
    report = audited(clean_world())
    assert report.passed, [fault.sentence() for check in report.checks for fault in check.faults]
    assert [check.name for check in report.checks] == list(CHECKS)
    figures = {name: value for check in report.checks for name, value in check.figures.items()}
    # Otherwise nothing was looked at.
    assert (figures["classes"], figures["classes_attacked"], figures["members"]) == (8 * HOURS, 16 * HOURS, 40 * HOURS)
    assert figures["mongodb_pseudonyms"] == 40
    assert figures["mongodb_joined_without_tokens"] == 1.0


@pytest.mark.parametrize("defect", DEFECTS)
def test_the_auditor_catches(defect: str) -> None:
    damage, check, reason = DEFECTS[defect]
    found = faults_after(damage)
    assert any(reason in sentence for sentence in found.get(check, [])), found


@pytest.mark.parametrize("plain", ["md5", "sha1", "sha256", "sha512", "blake2b"])
def test_a_plain_hash_of_a_known_card_is_caught(plain: str) -> None:
    hashed = hashlib.new(plain, CARD.encode()).hexdigest()[:32]
    found = faults_after(setting(card=hashed), known=KnownIdentifiers([CARD]))
    assert found["identifiers"] == [f"mongodb transactions {token('mongodb', 'transaction', (0, 5))} card: {PLAIN}"]


PLAIN = "is a plain hash of a known identifier: anybody can compute it"


def test_a_known_identifier_is_caught_in_any_disguise_but_a_keyed_hash() -> None:
    known = KnownIdentifiers(["Device-7f", "88123456", "anna"])
    assert "identifiers" not in faults_after(lambda _: None, known=known)
    for value in ("xDEVICE-7Fx", "anna", "paid by Anna.", 88_123_456):
        assert "holds a known identifier" in faults_after(setting(merchant=value), known=known)["identifiers"][0], value
    assert "identifiers" not in faults_after(setting(merchant="susannah"), known=known)


def test_what_was_allowed_is_no_fault() -> None:
    damage = setting(merchant="shop 888-555-2671")
    assert "identifiers" in faults_after(damage)
    assert faults_after(damage, Limits(allowed=frozenset({("transactions.merchant", "phone")}))) == {}


def test_a_report_never_quotes_what_it_found() -> None:
    def damage(world: World) -> None:
        setting(merchant=CARD, counts={CARD: 1}, at="2026-11-22T00:00:07Z", amount=23.17)(world)
        payments(world)[6]["_id"] = CARD

    text = str(faults_after(damage))
    assert "#6" in text
    for secret in (CARD, "00:00:07", "23.17"):
        assert secret not in text


def test_trails_that_single_out_more_than_the_limit_are_a_fault() -> None:
    def scattered(world: World) -> None:
        for number, payment in enumerate(payments(world)):
            payment["minute_ms"] += number % 40 * 24 * HOUR_MS

    limits = Limits(period_ms=0, unicity=0.5)
    assert faults_after(lambda _: None, limits) == {}
    assert "single out more" in faults_after(scattered, limits)["unicity"][0]
