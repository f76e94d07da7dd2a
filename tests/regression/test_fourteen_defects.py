"""The fourteen defects that published privacy tools have, each put into our own code and caught there, with the record at fault.

Each is injected where it would arise: into the search, the proof, the writer, the keys or the silence of a stage that is otherwise the real
one (`tests.unit.pipeline_world`). What stands between it and a reader is shown layer by layer: the proof before writing; with the proof
switched off, as in tools that emit first, the auditor, who names the class or payment. `DEFECTS` is the table of docs/privacy-audit.md.
"""

from __future__ import annotations

import hashlib
import itertools
import re
import secrets
from collections.abc import Callable, Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np
import pytest

from privacy import batch as batch_module
from privacy import heartbeat, ledger, regions, releases
from privacy.columns import Columns
from privacy.hierarchies import MISSING
from privacy.identifiers import ff1, pseudonyms
from privacy.identifiers.card_tokens import CardCipher
from privacy.policies import compile_policy, read_policy
from privacy.policies.operators.cell import GeneralisePlace
from privacy.policies.services import _Ciphers
from privacy.staged import Staged
from privacy.table import RowTable
from storage.documents import Place
from tests.unit import pipeline_world
from tests.unit.defects_world import (
    DEFECTS,
    Proposed,
    as_classes,
    blamed,
    card_numbers,
    cards_in_both,
    it_stops,
    policy_file,
    proposed,
    waiting,
    without_loss,
)
from tests.unit.pipeline_world import DECISIONS, HOUR_MS, IDENTIFIERS, PEOPLE, Fields, card_number, classes, faults_in, masked, play
from veilocity.errors import InvalidInputError, StateError, UnsafePolicyError

K = pipeline_world.POLICY.k
DOCUMENTS = Path(__file__).resolve().parents[2] / "docs" / "privacy-audit.md"
Search = Callable[[list[Proposed]], list[Proposed]]


@pytest.fixture
def searched(monkeypatch: pytest.MonkeyPatch) -> Callable[[Search], None]:
    """Puts a wrong step behind the search for classes."""

    def put(change: Search) -> None:
        real = regions.anonymise_window

        def wrong(*arguments: Any) -> Any:
            classes, regions = real(*arguments)
            return as_classes(arguments[0], change(proposed(arguments[0], classes))), regions

        monkeypatch.setattr(releases, "anonymise_window", wrong)

    return put


@pytest.fixture
def unproven(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Switches the proof off: what the search gives is written as it is."""

    def switch() -> None:
        for name in ("verify", "verify_cheaply", "verify_written"):
            monkeypatch.setattr(releases, name, lambda *_arguments: None)
        # It ends where a class does not cover a payment: one proof more.
        monkeypatch.setattr(releases, "losses_of", lambda _table, classes: [0.0] * len(classes.printed))

    return switch


def test_the_stage_as_it_is_has_none_of_them(tmp_path: Path) -> None:
    store = play(tmp_path)
    assert faults_in(store, known=IDENTIFIERS) == {}
    assert len(classes(store)) > 40
    assert any(one.release.cell == MISSING for one in classes(store))


def test_11_the_order_of_the_search(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = releases.release

    def in_order(*arguments: Any) -> Any:
        outcome = real(*arguments)
        return msgspec.structs.replace(outcome, releases=tuple(sorted(outcome.releases, key=lambda one: (one.cell, one.category))))

    monkeypatch.setattr(batch_module, "release", in_order)
    store = play(tmp_path)
    assert blamed(faults_in(store), "classes", "inserted in the order") <= {one.id for one in classes(store)} | {"#0"}


def test_11_row_numbers(tmp_path: Path) -> None:
    store = play(tmp_path)

    def numbered(_store: str, collection: str, documents: list[Fields]) -> Iterable[Fields]:
        for number, fields in enumerate(documents):
            yield fields | {"release": fields["release"] | {"index": number}} if collection == "releases" else fields

    assert blamed(faults_in(store, numbered), "classes", "has a field that no release has") >= {classes(store)[0].id}


def test_12_rows_without_a_place_are_dropped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = regions.anonymise_window

    def placed(table: RowTable, *rest: Any) -> Any:
        places, *_ = table.quasi
        return real(table.take(places.values[places.codes] != MISSING), *rest)

    monkeypatch.setattr(releases, "anonymise_window", placed)
    it_stops(tmp_path, "the classes are not of these payments")


def test_12_rows_without_a_place_fit_every_place(tmp_path: Path, searched: Callable[[Search], None], unproven: Callable[[], None]) -> None:
    grown: set[str] = set()

    def wildcard(found: list[Proposed]) -> list[Proposed]:
        at = next((one for one in found if one.printed.cell not in (MISSING, "*")), None)
        lost = [one for one in found if one.printed.cell == MISSING]
        if at is None or not lost:
            return found
        grown.add("")
        rows = tuple(row for one in lost for row in one.rows)
        return [one for one in found if one not in (at, *lost)] + [Proposed(at.printed, at.rows + rows)]

    searched(wildcard)
    it_stops(tmp_path / "proven", "a value lies outside what its class prints")
    unproven()
    store = play(tmp_path / "unproven")
    assert grown
    names = blamed(faults_in(store), "linkage", "are more than")
    assert names <= {one.id for one in classes(store)}


def test_13_a_boundary_is_put_into_the_interval_below(
    tmp_path: Path, searched: Callable[[Search], None], unproven: Callable[[], None]
) -> None:
    def below(found: list[Proposed]) -> list[Proposed]:
        by_printed = {one.printed: one for one in found}
        for one in found:
            lower = one.printed._replace(amount_band="GBP 10-20")
            if one.printed.amount_band == "GBP 20-50" and lower in by_printed:
                by_printed[lower] = Proposed(lower, by_printed[lower].rows + one.rows)
                del by_printed[one.printed]
        return list(by_printed.values())

    searched(below)
    it_stops(tmp_path / "proven", "a value lies outside what its class prints")
    unproven()
    store = play(tmp_path / "unproven")
    wrong = blamed(faults_in(store), "linkage", "are more than")
    assert {one.release.amount_band for one in classes(store) if one.id in wrong} == {"GBP 10-20"}


def test_14_a_class_is_split_without_counting_again(
    tmp_path: Path, searched: Callable[[Search], None], unproven: Callable[[], None]
) -> None:
    def split(found: list[Proposed]) -> list[Proposed]:
        first, *others = found
        return [*others, *without_loss(first, keep=K - 1)]

    searched(split)
    it_stops(tmp_path / "proven", "fewer distinct people than k")
    unproven()
    store = play(tmp_path / "unproven")
    small = {one.id for one in classes(store) if one.release.people < K}
    assert blamed(faults_in(store), "classes", "release.people: are fewer than k") == small


def test_15_payments_are_counted_as_people(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unproven: Callable[[], None]) -> None:
    monkeypatch.setattr(Columns, "people_by", lambda _self, keys, span, _rows: np.bincount(keys, minlength=span))
    it_stops(tmp_path / "proven", "fewer distinct people than k")
    # The first proof counts payments too: the second, of what is to be written, does not.
    for name in ("verify", "verify_cheaply"):
        monkeypatch.setattr(releases, name, lambda *_arguments: None)
    it_stops(tmp_path / "half proven", "the members of a class are not its people")
    unproven()
    store = play(tmp_path / "unproven")
    small = {one.id for one in classes(store) if one.release.people < K}
    assert blamed(faults_in(store), "classes", "release.people: are fewer than k") == small

    def claims(_store: str, collection: str, documents: list[Fields]) -> Iterable[Fields]:
        for fields in documents:
            yield (
                fields | {"release": fields["release"] | {"people": fields["release"]["payments"]}} if collection == "releases" else fields
            )

    assert blamed(faults_in(store, claims), "classes", "release.people") >= small


def test_16_members_have_one_name_in_all_windows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unproven: Callable[[], None]) -> None:
    def stable(_salt: bytes, _class_id: str, people: Iterable[str]) -> tuple[str, ...]:
        return tuple(sorted(hashlib.sha256(b"one salt" + person.encode()).hexdigest()[:32] for person in set(people)))

    monkeypatch.setattr(releases, "members_of", stable)
    it_stops(tmp_path / "proven", "the members of a class are not its people")
    unproven()
    store = play(tmp_path / "unproven")
    first = min(one.release.window_start_ms for one in classes(store))
    later = {one.id for one in classes(store) if one.release.window_start_ms > first}
    assert blamed(faults_in(store), "intersection", "the same member in another window") <= later


def test_17_a_silent_stream_is_never_drained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert waiting(play(tmp_path / "drained")) == 0
    monkeypatch.setattr(heartbeat.Silence, "after", lambda self, *_arguments: (self, False))
    assert waiting(play(tmp_path / "kept")) > 50


def test_18_payments_are_lost_on_the_way_to_their_window(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = ledger.Ledger.stage

    def forgetful(self: ledger.Ledger, batch: int, tier: int, staged: dict[int, Staged]) -> None:
        real(self, batch, tier, {start: rows.take(np.arange(1, rows.count)) for start, rows in staged.items()})

    monkeypatch.setattr(ledger.Ledger, "stage", forgetful)
    it_stops(tmp_path, "staged payments of the privacy stage were lost or added", StateError)


def test_18_payments_are_lost_on_the_way_to_the_stores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = batch_module._written_to

    def forgetful(*arguments: Any) -> Any:
        written = real(*arguments)
        return msgspec.structs.replace(written, transactions=written.transactions[1:])

    monkeypatch.setattr(batch_module, "_written_to", forgetful)
    assert faults_in(play(tmp_path))["conservation"] == [
        "mongodb progress privacy transactions: are more than the payments in mongodb: some were dropped"
    ]


def test_19_a_single_payment_is_told_as_a_class_of_before(
    tmp_path: Path, searched: Callable[[Search], None], unproven: Callable[[], None]
) -> None:
    """CASTLE lets a late tuple out with the range of a cluster that was released before: it is alone in it."""
    earlier: list[Proposed] = []

    def reused(found: list[Proposed]) -> list[Proposed]:
        largest = max(found, key=lambda one: len({row.subject for row in one.rows}))
        alone = largest.rows[0].subject
        mine = tuple(row for row in largest.rows if row.subject == alone)
        rest = Proposed(largest.printed, tuple(row for row in largest.rows if row.subject != alone))
        known = next((one.printed for one in earlier if one.printed not in {other.printed for other in found}), None)
        earlier.extend(found)
        return [*(one for one in found if one is not largest), rest, Proposed(known, mine)] if known else found

    searched(reused)
    it_stops(tmp_path / "proven", "fewer distinct people than k")
    unproven()
    earlier.clear()
    store = play(tmp_path / "unproven")
    alone = {one.id for one in classes(store) if one.release.people == 1}
    assert alone
    assert blamed(faults_in(store), "unicity", "is a class of one person") == alone


def test_19_a_payment_is_there_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A row has one label, so a payment can only be in two classes as two rows."""
    real = releases.release
    monkeypatch.setattr(batch_module, "release", lambda rows, *rest: real(RowTable.joined([rows, rows]), *rest))
    it_stops(tmp_path, "a payment is there twice")


def test_19_released_payments_are_released_again_in_a_wider_window(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = releases.release

    def kept(rows: RowTable, *rest: Any) -> Any:
        return msgspec.structs.replace(real(rows, *rest), left=rows)

    monkeypatch.setattr(batch_module, "release", kept)
    it_stops(tmp_path, "payments and what became of them do not add up", StateError)


def test_19_a_class_is_published_again_in_the_next_window(tmp_path: Path) -> None:
    again = hashlib.blake2b(b"again", digest_size=16).hexdigest()

    def doubled(_store: str, collection: str, documents: list[Fields]) -> Iterable[Fields]:
        yield from documents
        if collection == "releases":
            first = min(documents, key=lambda one: (one["release"]["window_start_ms"], one["_id"]))
            release = first["release"]
            times = {name: release[name] + HOUR_MS for name in ("window_start_ms", "window_end_ms")}
            yield first | {
                "_id": again,
                "minute_ms": first["minute_ms"] + HOUR_MS,
                "release": release | times | {"class_id": again, "hour": "*"},
            }

    found = faults_in(play(tmp_path), doubled)
    assert blamed(found, "intersection", "the same member in another window") == {again}
    assert "conservation" in found


def test_20_an_example_stands_beside_a_class(tmp_path: Path) -> None:
    store = play(tmp_path)

    def quoted(_store: str, collection: str, documents: list[Fields]) -> Iterable[Fields]:
        for fields in documents:
            example = {"spc_amount": DECISIONS[0].transaction.amount_minor / 100}
            yield fields | {"release": fields["release"] | example} if collection == "releases" else fields

    assert blamed(faults_in(store, quoted), "classes", "does it quote a payment") >= {classes(store)[0].id}


def test_21_a_hash_without_a_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UnsafePolicyError, match="unkeyed-hash"):
        compile_policy(read_policy(policy_file(tmp_path, "card: token", "card: hash")))
    plain = SimpleNamespace(tokens=lambda texts: [hashlib.sha256(text.encode()).hexdigest()[:32] for text in texts])
    monkeypatch.setattr(pseudonyms, "keyed_hash", lambda *_arguments: plain)
    store = play(tmp_path)
    found = faults_in(store, known=IDENTIFIERS)
    payments = {name for kind, name in (*store.documents, *store.searched) if kind == "transactions"}
    assert blamed(found, "identifiers", "is a plain hash of a known identifier") <= payments
    assert blamed(found, "tokens", "the stores can be joined") <= payments


def test_21_a_hash_with_a_salt_of_its_own_each_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert masked(DECISIONS[:5]) == masked(DECISIONS[:5])
    assert faults_in(play(tmp_path / "keyed", repeated=1)) == {}
    salted = SimpleNamespace(tokens=lambda texts: [secrets.token_hex(16) for _ in texts])
    monkeypatch.setattr(pseudonyms, "keyed_hash", lambda *_arguments: salted)
    assert masked(DECISIONS[:5]) != masked(DECISIONS[:5])
    found = faults_in(play(tmp_path / "salted", repeated=1))
    assert any("are fewer than the payments" in sentence for sentence in found["conservation"]), "a repeated micro-batch is stored twice"


def test_22_a_token_passes_for_a_card_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encrypted = compile_policy(read_policy(policy_file(tmp_path, "card: token", "card: {encrypt: {tweak: card, min_length: 13}}")))
    assert not card_numbers(faults_in(play(tmp_path / "ours", encrypted), known=IDENTIFIERS))
    people = {card_number(person): card_number((person + 17) % PEOPLE) for person in range(PEOPLE)}
    monkeypatch.setattr(CardCipher, "encrypt", lambda _self, number, _event_ms: people[number])
    store = play(tmp_path / "valid", encrypted)
    payments = {name for kind, name in (*store.documents, *store.searched) if kind == "transactions"}
    assert blamed(faults_in(store), "identifiers", "card: holds a card number") <= payments


def test_22_one_tweak_for_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encrypted = compile_policy(read_policy(policy_file(tmp_path, "card: token", "card: {encrypt: {tweak: card, min_length: 13}}")))
    assert not cards_in_both(encrypted)
    real = _Ciphers.encrypt_card
    monkeypatch.setattr(_Ciphers, "encrypt_card", lambda self, number, _tweak, event_ms: real(self, number, "one", event_ms))
    assert len(cards_in_both(encrypted)) == PEOPLE


def test_22_few_enough_values_to_list(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidInputError, match="million"):
        ff1.FF1(bytes(32)).encrypt("1234")
    monkeypatch.setattr(ff1, "MINIMUM_DOMAIN", 100)
    tiny = ff1.FF1(bytes(32))
    book = {tiny.encrypt(text): text for text in map("".join, itertools.product("0123456789", repeat=2))}
    assert book[tiny.encrypt("42")] == "42", "whoever may ask has every value"


def test_23_noise_in_place_of_a_cell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert faults_in(play(tmp_path / "cells", repeated=1)) == {}
    real = GeneralisePlace.apply
    dice = np.random.default_rng(3)

    def noisy(self: GeneralisePlace, value: tuple[float, float], context: Any) -> Place:
        cell = real(self, value, context)
        return Place(cell.cell, round(cell.lat + float(dice.normal(0, 0.01)), 5), round(cell.lon + float(dice.normal(0, 0.01)), 5))

    monkeypatch.setattr(GeneralisePlace, "apply", noisy)
    store = play(tmp_path / "noise")
    payments = {name for kind, name in (*store.documents, *store.searched) if kind == "transactions"}
    assert blamed(faults_in(store), "exactness", "is not the centre") <= payments
    # Asked again it is another place, and the mean of the answers is the true one: what is masked twice must be the same.
    with pytest.raises(AssertionError, match="a repeated micro-batch wrote something else"):
        play(tmp_path / "anew", repeated=1)


def test_24_a_token_here_and_a_truncation_there(tmp_path: Path) -> None:
    with pytest.raises(UnsafePolicyError, match="card-pseudonym-and-truncation"):
        compile_policy(
            read_policy(policy_file(tmp_path, "card: token", "card: {mongodb: token, elasticsearch: {mask: {first: 6, last: 4}}}"))
        )
    store = play(tmp_path)

    def truncated(name: str, collection: str, documents: list[Fields]) -> Iterable[Fields]:
        for fields in documents:
            yield fields | {"card": "453914******3467"} if (name, collection) == ("elasticsearch", "transactions") else fields

    payments = {name for kind, name in store.searched if kind == "transactions"}
    assert blamed(faults_in(store, truncated), "cards", "elasticsearch transactions") <= payments


def test_every_defect_has_its_test() -> None:
    tested = {int(name.split("_")[1]) for name in globals() if re.match(r"test_\d+_", name)}
    assert tested == set(DEFECTS) == set(range(11, 25))


def test_the_table_of_the_documentation_is_this_one() -> None:
    rows = [f"| {number} | {one.what} | {one.peer} | {one.shown} |" for number, one in DEFECTS.items()]
    text = DOCUMENTS.read_text(encoding="utf-8")
    assert "\n".join(rows) in text, "\n".join(rows)
