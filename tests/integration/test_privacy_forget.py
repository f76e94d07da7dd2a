"""A person forgotten by the real stage on real servers: killed in the middle of it, and afterwards nothing names the person anywhere."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest

from devstack.environment import base, changed
from devstack.services import service
from privacy.audit import KnownIdentifiers, audit_stores
from privacy.audit.run import limits_of
from privacy.erasure import Erasure, forget
from privacy.identifiers.keyring import KeyRing
from privacy.identifiers.pseudonyms import Pseudonymiser
from privacy.identifiers.sealing import owner_token
from privacy.masking import ELASTICSEARCH, MONGODB, STAGE
from privacy.tokens import TokenKind
from storage.census import take_census
from storage.queries import Reader
from storage.vault import SubjectKeys
from tests.integration.privacy_world import (
    BAD_DECISIONS,
    HOUR_MS,
    START_MS,
    World,
    dumped,
    feed,
    of_kind,
    passed,
    progress,
    running_stage,
    stopped,
    take_back_last_commit,
    until,
)
from veilocity.cli.conservation import Figures, State, conservation
from veilocity.contracts import Decision
from veilocity.settings import Settings

pytestmark = [pytest.mark.services, pytest.mark.spark]
NUMBER = 3
PERSON = f"PERSON-{NUMBER:04d}"
WEEK_MS = 7 * 24 * HOUR_MS


def raw_ids(world: World) -> dict[TokenKind, set[str]]:
    """Return everything that names the person in the input."""
    payments = [one.transaction for one in world.decisions if one.transaction.subject == PERSON]
    return {
        TokenKind.SUBJECT: {PERSON},
        TokenKind.CARD: {f"45391488{NUMBER:08d}"},
        TokenKind.DEVICE: {f"DEVICE-{NUMBER:04d}"},
        TokenKind.USER: {f"USER-{NUMBER:04d}@example.org"},
        TokenKind.TRANSACTION: {one.id for one in payments},
        TokenKind.ALERT: {alert.id for alert in world.alerts if alert.subject == PERSON},
    }


def all_tokens(settings: Settings, world: World) -> set[str]:
    """Return every token of the person: of both stores and the stage, and of all periods of the input."""
    ring = KeyRing.from_file(settings.token_key_file)
    tokens: set[str] = set()
    for sink, period_ms in ((MONGODB, WEEK_MS), (ELASTICSEARCH, WEEK_MS), (STAGE, 0)):
        made = Pseudonymiser(ring, sink, period_ms)
        for kind, identifiers in raw_ids(world).items():
            for one in identifiers:
                tokens |= set(made.tokens_between(kind, one, START_MS - WEEK_MS, START_MS + WEEK_MS))
    return tokens


def scan(settings: Settings, world: World, logs: Iterable[Path]) -> list[str]:
    """Return where anything of the person stands: both stores, the stage's folder and the logs."""
    texts = all_tokens(settings, world).union(*raw_ids(world).values())
    needles = [text.encode() for text in texts]
    needles += [bytes.fromhex(text) for text in texts if len(text) == 32 and set(text) <= set("0123456789abcdef")]
    haystacks = {name: repr(document).encode() + name.encode() for name, document in dumped(settings).items()}
    files = [path for path in (*settings.privacy_dir.rglob("*"), *logs) if path.is_file()]
    haystacks |= {str(path): path.read_bytes() for path in files}
    return [name for name, data in haystacks.items() if any(needle in data for needle in needles)]


def adds_up(settings: Settings) -> None:
    equations = conservation(Figures(census=take_census(settings))).equations
    wrong = [one for one in equations if one.state not in (State.HOLDS, State.UNKNOWN)]
    assert not wrong, wrong


def clean_audit(settings: Settings, world: World) -> None:
    known = KnownIdentifiers(set().union(*raw_ids(world).values()))
    report = audit_stores(settings, limits_of(settings), known=known, keep=False)
    assert report.passed, [f"{check.name}: {fault.sentence()}" for check in report.checks for fault in check.faults]


def split(world: World, share: float) -> tuple[World, World]:
    """Return a first part of the input, and the rest of it without the person."""
    first, rest = World(), World()
    # The drawn input lets an alert name a payment of somebody else, which rules never do.
    theirs = raw_ids(world)[TokenKind.ALERT]
    world.decisions = [
        msgspec.structs.replace(one, alert_id=None) if one.alert_id in theirs and _subject(one) != PERSON else one
        for one in world.decisions
    ]
    for name in ("decisions", "amended", "fixes", "alerts"):
        records: list[Any] = getattr(world, name)
        cut = int(len(records) * share)
        setattr(first, name, records[:cut])
        setattr(rest, name, [one for one in records[cut:] if _subject(one) != PERSON])
    return first, rest


def _subject(record: Any) -> str:
    return str(record.transaction.subject if isinstance(record, Decision) else record.subject)


def read(reader: Reader, decisions: int, fixes: int, alerts: int) -> bool:
    done = progress(reader)
    return (done.decisions, done.fixes, done.alert_revisions) == (decisions, fixes, alerts)


def sizes(*worlds: World) -> tuple[int, int, int]:
    """Return how many records of each topic these parts give; each has its undecodable ones."""
    decisions = sum(len(one.decisions) + len(one.amended) + BAD_DECISIONS for one in worlds)
    return decisions, sum(len(one.fixes) for one in worlds), sum(len(one.alerts) for one in worlds)


def by_command(settings: Settings, *options: str) -> tuple[int, Erasure, str]:
    """Run the command as an operator would; return its code, its answer and what it logged."""
    specification = service("privacy", settings, base(os.environ))
    argv = [*specification.argv, "forget", "-", "--json", *options]
    done = subprocess.run(argv, env=dict(specification.environment), input=f"{PERSON}\n", capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stderr
    return done.returncode, msgspec.json.decode(done.stdout, type=Erasure), done.stdout + done.stderr


@pytest.mark.timeout(900)
def test_a_person_is_forgotten_though_the_stage_is_killed_in_the_middle_of_it(service_settings: Settings, tmp_path: Path) -> None:
    settings = changed(service_settings, privacy_batch_records=400, privacy_sample_size=200, privacy_heartbeat_s=0.5, privacy_drain_s=600.0)
    KeyRing.generate(settings.token_key_file)
    world = World()
    first, rest = split(world, 0.6)
    theirs = [one.transaction.id for one in first.decisions if one.transaction.subject == PERSON]
    log = tmp_path / "privacy.log"
    reader = Reader(settings)
    try:
        feed(settings, first, 0.0, 1.0)
        with running_stage(settings, log) as process:
            until(partial(passed, reader, 2), process)
            process.kill()
        # The stage is dead, and a micro-batch may be broken off: its part waits, and so do documents that may be written again.
        asked = forget(settings, PERSON, wait_s=0.0)
        assert asked.key in ("deleted", "there was none")
        assert not asked.complete
        with running_stage(settings, log) as process:
            until(partial(read, reader, *sizes(first)), process, news=partial(progress, reader))
            # What was still in Kafka has been stored as new: asked again, and killed before the request is carried out.
            again = forget(settings, PERSON, wait_s=0.0)
            process.kill()
        assert again.requested
        assert again.found
        with running_stage(settings, log) as process:
            code, done, told = by_command(settings, "--wait", "120")
            assert (code, done.complete, done.waiting) == (0, True, False), done
            assert PERSON not in told
            code, second, _ = by_command(settings, "--wait", "120")
            assert (code, second.complete, second.found, second.key) == (0, True, False, "deleted before")
            assert all(not one.erased and not one.left for one in second.stores.values())
            stopped(process)
        assert scan(settings, world, [log]) == []
        adds_up(settings)
        clean_audit(settings, world)
        feed(settings, rest, 0.0, 1.0)
        with running_stage(settings, log) as process:
            until(partial(read, reader, *sizes(first, rest)), process, news=partial(progress, reader))
            stopped(process)
        judge(settings, world, reader, log, forgotten=len(theirs))
        documents = dumped(settings)
        repeated = take_back_last_commit(settings)
        with running_stage(settings, log) as process:
            until((settings.privacy_dir / "checkpoint" / "commits" / str(repeated)).exists, process)
            stopped(process)
        documents.pop("mongodb/progress/privacy")
        after = dumped(settings)
        after.pop("mongodb/progress/privacy")
        assert after == documents
    finally:
        reader.close()


def judge(settings: Settings, world: World, reader: Reader, log: Path, forgotten: int) -> None:
    """The stage went on with everybody else, and nothing of the person came back."""
    last, documents = progress(reader), dumped(settings)
    assert scan(settings, world, [log]) == []
    adds_up(settings)
    clean_audit(settings, world)
    assert last.erased > 0
    assert last.transactions == last.released + last.suppressed + last.late + last.pending + last.erased
    index = settings.elasticsearch_index_prefix
    for payments in (of_kind(documents, "mongodb/transactions/"), of_kind(documents, f"elasticsearch/{index}-transactions")):
        assert len(payments) == last.transactions - forgotten
    steps = of_kind(documents, "mongodb/erasures/")
    assert sum(one["count"] for one in steps if (one["store"], one["kind"]) == (MONGODB, "transactions")) == forgotten
    (sample,) = of_kind(documents, "mongodb/samples/")
    assert 100 < len(sample["members"]) <= settings.privacy_sample_size
    keys = SubjectKeys(settings)
    try:
        assert keys.get(owner_token(KeyRing.from_file(settings.token_key_file), PERSON)) is None
    finally:
        keys.close()
    assert list((settings.privacy_dir / "erasures").iterdir()) == []
