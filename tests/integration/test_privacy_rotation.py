"""The key ring rotated while the privacy stage runs and is killed: tokens change at the version's time, and nothing is lost or doubled."""

import os
import subprocess
from base64 import b64decode
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest

from devstack.environment import base, changed
from devstack.services import service
from privacy.audit import audit_stores
from privacy.audit.run import limits_of
from privacy.identifiers.keyring import KeyRing
from privacy.identifiers.pseudonyms import Pseudonymiser
from privacy.policies import DEFAULT_FILE
from privacy.policies.catalogue import SINKS
from privacy.rotation import versions_in_force
from privacy.tokens import TokenKind
from privacy.unsealing import unseal
from storage.census import take_census
from storage.queries import Reader
from tests.integration.privacy_world import (
    ALERT_COUNT,
    BAD_DECISIONS,
    HOUR_MS,
    PAYMENTS,
    PEOPLE,
    START_MS,
    World,
    dumped,
    feed,
    of_kind,
    passed,
    progress,
    read_all,
    running_stage,
    stopped,
    take_back_last_commit,
    until,
)
from veilocity.cli.conservation import Figures, State, conservation
from veilocity.eventtime import format_ms
from veilocity.settings import Settings

pytestmark = [pytest.mark.services, pytest.mark.spark]
DAY_MS = 24 * HOUR_MS
BEGINS_MS = START_MS // DAY_MS * DAY_MS + DAY_MS
"""Midnight: a period of the policy below begins, so people's tokens change at this very time."""
LATER_MS = BEGINS_MS - 5 * HOUR_MS - START_MS
"""By which the input is moved: five of its ten hours lie before midnight."""
changed_record = msgspec.structs.replace


def moved_world() -> World:
    """Return the input around midnight; half of the alerts are of an hour after it."""
    world = World()
    for name in ("decisions", "amended"):
        moved = [
            changed_record(one, transaction=changed_record(one.transaction, authorised_ms=one.transaction.authorised_ms + LATER_MS))
            for one in getattr(world, name)
        ]
        setattr(world, name, moved)
    world.fixes = [changed_record(one, fix_ns=one.fix_ns + LATER_MS * 1_000_000) for one in world.fixes]
    for place, alert in enumerate(world.alerts):
        at_ms = BEGINS_MS + (HOUR_MS if place >= len(world.alerts) // 2 else -HOUR_MS)
        end = changed_record(alert.first, event_ns=at_ms * 1_000_000)
        episode = changed_record(alert.episode, first_ms=at_ms, last_ms=at_ms)
        world.alerts[place] = changed_record(alert, first=end, second=end, episode=episode)
    return world


def by_command(settings: Settings, *arguments: str) -> tuple[int, str]:
    specification = service("privacy", settings, base(os.environ))
    argv = [*specification.argv[:-1], "keys", *arguments]
    done = subprocess.run(argv, env=dict(specification.environment), capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def read_share(reader: Reader, world: World, share: float) -> bool:
    parts = (int(len(records) * share) for records in (world.decisions, world.amended))
    return progress(reader).decisions == sum(parts) + BAD_DECISIONS


def judge_tokens(settings: Settings, world: World, documents: dict[str, Any], old: KeyRing) -> None:
    """Every payment has the tokens of the version that is in force at its time; of before, those of the ring of before."""
    ring = KeyRing.from_file(settings.token_key_file)
    index = settings.elasticsearch_index_prefix
    for store, prefix in zip(SINKS, ("mongodb/transactions/", f"elasticsearch/{index}-transactions"), strict=True):
        stored = {name.rpartition("/")[2]: document for name, document in documents.items() if name.startswith(prefix)}
        assert len(stored) == PAYMENTS
        made, before = (Pseudonymiser(one, store, DAY_MS) for one in (ring, old))
        sides = [0, 0]
        for decision in world.decisions:
            payment = decision.transaction
            event_ms = payment.authorised_ms
            document = stored[made.token(TokenKind.TRANSACTION, payment.id, event_ms)]
            for kind, identifier in (
                (TokenKind.SUBJECT, payment.subject),
                (TokenKind.CARD, payment.card),
                (TokenKind.DEVICE, payment.device),
                (TokenKind.USER, payment.user),
            ):
                assert identifier is not None
                assert document[kind.value] == made.token(kind, identifier, event_ms)
                assert (document[kind.value] == before.token(kind, identifier, event_ms)) == (event_ms < BEGINS_MS)
            sides[event_ms >= BEGINS_MS] += 1
        assert min(sides) > PAYMENTS // 4
    positions = {document["_id"] for document in of_kind(documents, "mongodb/positions/")}
    made = Pseudonymiser(ring, SINKS[0], DAY_MS)
    assert positions == {made.token(TokenKind.SUBJECT, f"PERSON-{number:04d}", BEGINS_MS) for number in range(PEOPLE)}


def judge_evidence(settings: Settings, world: World, documents: dict[str, Any]) -> None:
    """Evidence of before and after opens, and names the version of its own time."""
    made = Pseudonymiser(KeyRing.from_file(settings.token_key_file), "mongodb", 0)
    newest = {made.token(TokenKind.ALERT, alert.id, 0): alert for alert in world.alerts}
    assert {identity: unseal(settings, identity) for identity in newest} == newest
    sealed = {
        document["_id"]: int.from_bytes(b64decode(document["sealed"])[1:5], "big") for document in of_kind(documents, "mongodb/alerts/")
    }
    assert sealed == {identity: 2 if alert.episode.first_ms >= BEGINS_MS else 1 for identity, alert in newest.items()}
    assert sorted(sealed.values()) == [1] * (ALERT_COUNT // 2) + [2] * (ALERT_COUNT // 2)


def judge_sums(settings: Settings) -> None:
    wrong = [one for one in conservation(Figures(census=take_census(settings))).equations if one.state not in (State.HOLDS, State.UNKNOWN)]
    assert not wrong, wrong
    report = audit_stores(settings, limits_of(settings), keep=False)
    assert report.passed, [f"{check.name}: {fault.sentence()}" for check in report.checks for fault in check.faults]


def without_progress(documents: dict[str, Any]) -> dict[str, Any]:
    return {name: document for name, document in documents.items() if not name.startswith("mongodb/progress/")}


@pytest.mark.timeout(900)
def test_tokens_change_exactly_at_the_time_of_a_version_though_the_stage_is_killed(service_settings: Settings, tmp_path: Path) -> None:
    policy = tmp_path / "daily.yaml"
    policy.write_text(DEFAULT_FILE.read_text(encoding="utf-8").replace("period_days: 7", "period_days: 1"), encoding="utf-8")
    settings = changed(
        service_settings, privacy_batch_records=400, privacy_sample_size=50, privacy_drain_s=600.0, privacy_policy_file=policy
    )
    old = KeyRing.generate(settings.token_key_file)
    world, log, reader = moved_world(), tmp_path / "privacy.log", Reader(settings)
    try:
        feed(settings, world, 0.0, 0.4)
        with running_stage(settings, log) as process:
            until(partial(read_share, reader, world, 0.4), process, news=partial(progress, reader))
            code, told = by_command(settings, "rotate", "--from", format_ms(progress(reader).event_ms + 60_000))
            assert (code, "events may have reached" in told) == (2, True), told
            assert KeyRing.from_file(settings.token_key_file).versions == (1,)
            code, told = by_command(settings, "rotate", "--from", format_ms(BEGINS_MS))
            assert (code, f"begins at {format_ms(BEGINS_MS)}" in told) == (0, True), told
            feed(settings, world, 0.4, 0.7)
            until(partial(passed, reader, progress(reader).seq + 2), process)
            process.kill()
        assert len(versions_in_force(settings.privacy_dir)) == 2
        feed(settings, world, 0.7, 1.0)
        with running_stage(settings, log) as process:
            until(partial(read_all, reader), process, news=partial(progress, reader))
            stopped(process)
        documents = dumped(settings)
        judge_tokens(settings, world, documents, old)
        judge_evidence(settings, world, documents)
        judge_sums(settings)

        repeated = take_back_last_commit(settings)
        with running_stage(changed(settings, privacy_heartbeat_s=0.5), log) as process:
            until((settings.privacy_dir / "checkpoint" / "commits" / str(repeated)).exists, process)
            assert without_progress(dumped(settings)) == without_progress(documents)
            # Written by hand, where the command would have refused it; the next heartbeat makes a micro-batch.
            with settings.token_key_file.open("a", encoding="ascii") as ring:
                ring.write(f"3 {format_ms(BEGINS_MS + HOUR_MS)} {'ab' * 32}\n")
            assert process.wait(timeout=240) == 2
        assert b"nothing was masked with it, so take its line out" in log.read_bytes()
        assert len(versions_in_force(settings.privacy_dir)) == 2
    finally:
        reader.close()
