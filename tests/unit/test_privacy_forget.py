"""Forgetting a person: which tokens are looked for, what is done to documents that name their payments, and what the command says."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner

from privacy import erasure
from privacy.audit.conservation import ConservationCheck
from privacy.audit.documents import StoredDocument
from privacy.erasure import STAYS, Erasure, StoreErasure, plan
from privacy.identifiers.keyring import ALWAYS_MS, KeyRing
from privacy.identifiers.sealing import MemorySubjectKeyStore, owner_token
from privacy.masking import ELASTICSEARCH, MONGODB, Masker
from privacy.policies import DEFAULT_FILE
from privacy.policies.compiling import CompiledPolicy, compile_policy
from privacy.policies.draft import Rule
from privacy.policies.model import read_policy
from privacy.policies.operators import Encrypt, Token
from sketches import BottomKSample
from storage.erasure import erase_documents, without_members
from storage.kinds import Document
from tests.unit.rules_world import payment as raw_payment
from veilocity import settings as kernel_settings
from veilocity.cli import app
from veilocity.cli import privacy_forget as command
from veilocity.contracts import Decision, Verdict
from veilocity.errors import SettingsError

replace = msgspec.structs.replace
DAY_MS = 86_400_000
CHANGED_MS = 10 * DAY_MS
RING = KeyRing([(1, ALWAYS_MS, bytes(range(32))), (2, CHANGED_MS, bytes(range(1, 33)))])
POLICY = compile_policy(read_policy(DEFAULT_FILE))


def with_subject(operator: Any, store: str = MONGODB, record: str = "alert") -> CompiledPolicy:
    def changed(rule: Rule) -> Rule:
        here = (rule.record, rule.sink, rule.field.name) == (record, store, "subject")
        return replace(rule, operator=operator) if here else rule

    return replace(POLICY, rules=tuple(map(changed, POLICY.rules)))


@pytest.mark.parametrize("days", [0, 6, 7, 9, 10, 13, 14, 30])
def test_the_plan_has_the_token_of_every_payment_of_the_person_and_of_nobody_else(days: int) -> None:
    masker = Masker(POLICY, RING, MemorySubjectKeyStore)
    found = plan(POLICY, RING, "anna", 0, (days + 1) * DAY_MS)
    for subject, is_theirs in (("anna", True), ("ben", False)):
        transaction = replace(raw_payment(0.0), subject=subject, authorised_ms=days * DAY_MS + 5)
        masked = masker.decision(Decision(transaction, Verdict.CLEAR, 0.0, (), {}), 1)
        for store, document in masked.documents.items():
            assert (document.subject in found.subjects[store]) is is_theirs
        assert (masked.person == found.person) is is_theirs
    assert not set(found.subjects[MONGODB]) & set(found.subjects[ELASTICSEARCH])
    assert found.owner == owner_token(RING, "anna")


def test_before_and_after_the_time_asked_for_nothing_is_looked_for() -> None:
    assert len(plan(POLICY, RING, "anna", 7 * DAY_MS, 14 * DAY_MS).subjects[MONGODB]) == 1
    assert plan(POLICY, RING, "anna", 5, 5).subjects == {MONGODB: (), ELASTICSEARCH: ()}


def test_a_policy_with_shared_tokens_is_followed_and_one_without_tokens_refused() -> None:
    both = plan(with_subject(Token(scope="shared")), RING, "anna", 0, DAY_MS).subjects[MONGODB]
    assert len(both) == 2
    assert set(plan(POLICY, RING, "anna", 0, DAY_MS).subjects[MONGODB]) < set(both)
    with pytest.raises(SettingsError, match="is no token in mongodb"):
        plan(with_subject(Encrypt(tweak="people", min_length=6)), RING, "anna", 0, DAY_MS)


def group(members: Sequence[str], people: int) -> Document:
    return {"_id": f"3e8-{members[0]}", "window_start_ms": 1000, "payments": len(members), "people": people, "members": list(members)}


def test_a_group_loses_a_person_once_however_many_payments_it_names() -> None:
    left = without_members(group(["a", "b", "c", "d"], 3), {"a", "c", "x"})
    assert left == {**group(["b", "d"], 2), "_id": "3e8-b"}
    assert without_members(group(["a", "b", "c"], 2), {"b"}) is None


class Shelf:
    """One store in memory, as `Eraser` is; it may break off after a deletion."""

    name = "shelf"

    def __init__(self, documents: dict[str, dict[str, tuple[str, int]]]) -> None:
        self.documents = documents
        self.breaks = False

    def kinds(self) -> tuple[str, ...]:
        return tuple(self.documents)

    def found(self, kind: str, subjects: Sequence[str], limit: int, up_to_seq: int | None = None) -> list[tuple[str, str, int]]:
        held = self.documents[kind].items()
        return [(one, "", 0) for one, (subject, seq) in held if subject in subjects and seq <= (up_to_seq or 0)][:limit]

    def delete(self, kind: str, ids: Sequence[tuple[str, str]]) -> None:
        for one, _ in ids:
            self.documents[kind].pop(one, None)
        if self.breaks:
            raise OSError("killed")


class Steps:
    """Keeps the counts of steps by their id, as a journal does."""

    def __init__(self) -> None:
        self.begun: list[Any] = []
        self.counts: dict[str, int] = {}

    def run(self, eraser: Any, step: Any) -> None:
        self.begun.append(step)
        eraser.delete(step.kind, step.ids)
        self.counts[step.id] = len(step.ids)


def test_all_of_a_person_goes_in_bounded_steps_but_what_may_be_written_again() -> None:
    theirs = {f"p{number}": ("anna", 1 + number % 3) for number in range(1_700)}
    shelf = Shelf({"alerts": {"x": ("anna", 1), "y": ("ben", 1)}, "transactions": {**theirs, "b": ("ben", 1)}})
    steps = Steps()
    counts = erase_documents(shelf, ["anna", "anne"], 2, steps)  # type: ignore[arg-type]  # both are enough of one
    kept = sum(seq == 3 for _, seq in theirs.values())
    assert counts == {"alerts": 1, "transactions": len(theirs) - kept}
    assert sum(steps.counts.values()) == sum(counts.values())
    assert max(steps.counts.values()) <= 500
    assert {subject for subject, seq in shelf.documents["transactions"].values() if seq < 3} == {"ben"}
    assert erase_documents(shelf, ["anna", "anne"], 2, steps) == {}  # type: ignore[arg-type]  # as above
    assert not {step.id for step in steps.begun} & set("0123456789")
    assert all(step.id.isalpha() and step.id.islower() for step in steps.begun)


def test_a_sample_without_some_is_the_sample_of_the_others() -> None:
    stream = [f"payment-{number}" for number in range(2_000)]
    sample = BottomKSample(50, b"seed")
    sample.update_batch(stream)
    gone = {f"payment-{number}" for number in range(0, 2_000, 7)}
    rest = sample.without(gone)
    others = BottomKSample(rest.capacity, b"seed")
    others.update_batch(one for one in stream if one not in gone)
    assert rest.to_bytes() == others.to_bytes()
    assert 0 < rest.capacity == len(rest) < 50
    for one in (rest, others):
        one.update_batch(f"later-{number}" for number in range(1_000))
    assert rest.to_bytes() == others.to_bytes()
    small = BottomKSample(50, b"seed")
    small.update_batch(stream[:9])
    assert (small.without(stream[:3]).capacity, len(small.without(stream[:3]))) == (50, 6)
    assert (sample.without(stream).capacity, len(sample.without(stream))) == (1, 0)


@pytest.mark.parametrize(("erased", "held", "faults"), [(3, 7, 0), (2, 7, 1), (0, 10, 0), (0, 9, 1)])
def test_the_audit_counts_what_was_erased_as_accounted_for(erased: int, held: int, faults: int) -> None:
    check = ConservationCheck()
    progress = {"_id": "privacy", "seq": 5, "transactions": 10, "released": 0, "suppressed": 4, "late": 3, "pending": 1, "erased": 2}
    check.see(StoredDocument("mongodb", "progress", progress))
    step = {"_id": "abc", "store": "mongodb", "kind": "transactions", "count": erased, "done": True}
    check.see(StoredDocument("mongodb", "erasures", step))
    for number in range(held):
        check.see(StoredDocument("mongodb", "transactions", {"_id": f"{number:032x}", "seq": 1}))
    check.close()
    assert check.faults.count == faults


def done(**changed: Any) -> Erasure:
    stores = {store: StoreErasure({"transactions": 3}, {}, 0) for store in (MONGODB, ELASTICSEARCH)}
    found: dict[str, Any] = {
        "key": "deleted",
        "stores": stores,
        "pending": 2,
        "requested": True,
        "waiting": False,
        "complete": True,
        "found": True,
    }
    return Erasure(**{**found, **changed})


@pytest.mark.parametrize(
    ("result", "code", "last"),
    [
        (done(), 0, "The person is forgotten."),
        (done(found=False), 0, "Nothing of the person was found."),
        (done(complete=False, waiting=True), 1, "has not yet carried out its part"),
        (done(complete=False), 1, "Run this again."),
    ],
)
def test_the_command_says_what_was_done_and_what_is_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, result: Erasure, code: int, last: str
) -> None:
    asked: list[tuple[str, Any]] = []

    def forget(_: object, subject: str, **options: Any) -> Erasure:
        asked.append((subject, options))
        return result

    monkeypatch.setattr(erasure, "forget", forget)
    monkeypatch.setattr(command, "prepare", lambda _: kernel_settings.load({}, state_dir=tmp_path))
    told = CliRunner().invoke(app, ["privacy", "forget", "-", "--from", "1970-01-01T00:00:01Z", "--wait", "0"], input="anna\n")
    assert told.exit_code == code
    assert last in told.output.splitlines()[-1]
    assert all(sentence in told.output for sentence in STAYS)
    assert "anna" not in told.output
    assert asked == [("anna", {"from_ms": 1_000, "until_ms": None, "wait_s": 0.0})]
    told = CliRunner().invoke(app, ["privacy", "forget", "anna", "--json"])
    assert (told.exit_code, msgspec.json.decode(told.output, type=Erasure)) == (code, result)


def test_nobody_and_a_machine_without_the_stage_s_folder_are_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    settings = kernel_settings.load({}, state_dir=tmp_path)
    monkeypatch.setattr(command, "prepare", lambda _: settings)
    assert isinstance(CliRunner().invoke(app, ["privacy", "forget", "-"], input="\n").exception, SettingsError)
    KeyRing.generate(settings.token_key_file)
    with pytest.raises(SettingsError, match="run this where the stage runs"):
        erasure.forget(settings, "anna")
