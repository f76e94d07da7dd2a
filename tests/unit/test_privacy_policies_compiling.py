from __future__ import annotations

import pickle
import subprocess
import sys
from typing import Any

import msgspec
import pytest

from privacy.policies.compiling import CompiledPolicy, compile_policy, faults_of
from privacy.policies.model import DEFAULT_FILE, Policy, read_policy
from privacy.policies.operators import Drop, GeneralisePlace, Keep, Token
from privacy.policies.overrides import in_force, with_overrides
from privacy.tokens import TokenKind
from veilocity import settings
from veilocity.errors import FatalError

POLICY = read_policy(DEFAULT_FILE)
COMPILED = compile_policy(POLICY)


def with_field(record: str, field: str, operation: object) -> Policy:
    records = {**POLICY.records, record: {**POLICY.written(record), field: operation}}
    return msgspec.structs.replace(POLICY, records=records)


def test_a_compiled_policy_is_a_plain_value() -> None:
    again = compile_policy(read_policy(DEFAULT_FILE))
    assert (again, hash(again), again.digest) == (COMPILED, hash(COMPILED), COMPILED.digest)
    assert pickle.loads(pickle.dumps(COMPILED)) == COMPILED  # noqa: S301  # our own bytes
    assert msgspec.json.decode(msgspec.json.encode(COMPILED), type=CompiledPolicy) == COMPILED


def test_the_digest_is_the_same_in_another_process() -> None:
    program = (
        "from privacy.policies import DEFAULT_FILE, compile_policy, read_policy; print(compile_policy(read_policy(DEFAULT_FILE)).digest)"
    )
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": "7"})
    assert told.stdout.strip() == COMPILED.digest


@pytest.mark.parametrize(
    "other",
    [
        with_overrides(POLICY, k=6),
        with_overrides(POLICY, t=0.31),
        with_overrides(POLICY, policy="another"),
        with_field("transaction", "user", "drop"),
        with_field("transaction", "user", {"default": "token", "elasticsearch": "drop"}),
        msgspec.structs.replace(POLICY, version=POLICY.version + 1),
        msgspec.structs.replace(POLICY, pseudonyms=msgspec.structs.replace(POLICY.pseudonyms, period_days=14)),
    ],
)
def test_another_promise_is_another_digest(other: Policy) -> None:
    compiled = compile_policy(other)
    assert compiled != COMPILED
    assert compiled.digest != COMPILED.digest


def test_an_operation_may_differ_between_stores() -> None:
    compiled = compile_policy(with_field("transaction", "user", {"default": "token", "elasticsearch": "drop"}))
    assert compiled.operator("transaction", "user", "mongodb") == Token()
    assert compiled.operator("transaction", "user", "elasticsearch") == Drop()
    assert compiled.operator("transaction", "merchant", "elasticsearch") == Keep()


def test_positions_go_to_one_store_and_unknown_names_are_refused() -> None:
    assert COMPILED.rules_of("position", "elasticsearch") == ()
    for record, field in (("position", "card"), ("session", "id")):
        with pytest.raises(FatalError):
            COMPILED.operator(record, field, "mongodb")


def test_an_amendment_follows_its_payment() -> None:
    rules = COMPILED.rules_of("amendment", "mongodb")
    assert [rule.field.name for rule in rules] == ["id", "alert_id", "authorised_ms", "score", "verdict", "reasons", "severity", "revision"]
    assert set(rules) < set(COMPILED.rules_of("transaction", "mongodb"))


def test_periods_are_those_of_persons() -> None:
    assert COMPILED.period_ms(TokenKind.SUBJECT) == 7 * 86_400_000
    assert COMPILED.period_ms(TokenKind.ALERT) is None


def test_overrides_change_what_they_name_and_are_judged_like_the_file() -> None:
    changed = with_overrides(POLICY, k=20, l=2, t=0.2, tiers_minutes=(30,), delay_s=5, idle_s=6, drain_s=0, hold_loss=0.1, sample_size=9)
    found = changed.releases
    figures = (20, 2, 0.2, (30,), 5, 6, 0.0, 0.1)
    assert (found.k, found.l, found.t, found.tiers_minutes, found.delay_s, found.idle_s, found.drain_s, found.hold_loss) == figures
    assert changed.sketches.sample_size == 9
    assert changed.records == POLICY.records
    assert with_overrides(POLICY, k=None) == POLICY
    assert [fault.danger for fault in faults_of(with_overrides(POLICY, k=1))] == ["k-below-two"]


@pytest.mark.parametrize("resolution", range(10))
def test_the_cell_of_a_setting_is_that_of_releases_and_places(resolution: int) -> None:
    policy = with_overrides(with_field("position", "place", {"generalise": {"h3_resolution": 5}}), cell_resolution=resolution)
    compiled = compile_policy(policy)
    assert compiled.releases.quasi_identifiers.cell == (resolution, max(0, resolution - 2), max(0, resolution - 4))
    assert compiled.operator("transaction", "place", "mongodb") == GeneralisePlace(h3_resolution=resolution)
    # Coarser on purpose: it must not become finer by a setting.
    assert compiled.operator("position", "place", "mongodb") == GeneralisePlace(h3_resolution=min(5, resolution))


def loaded(**values: Any) -> settings.Settings:
    return settings.load({}, **values)


def test_settings_win_where_they_are_set() -> None:
    assert in_force(POLICY, loaded()) == POLICY
    changed = in_force(with_overrides(POLICY, k=9), loaded(privacy_cell_resolution=5, privacy_similarity=0.9))
    assert (changed.releases.k, changed.releases.quasi_identifiers.cell, changed.sketches.similarity) == (9, (5, 3, 1), 0.9)
    assert in_force(POLICY, loaded(privacy_k=12)).releases.k == 12


@pytest.mark.parametrize(
    ("minutes", "tiers"), [(30, (30, 360, 1440)), (120, (120, 360, 1440)), (1440, (1440,)), (7, (7,)), (60, (60, 360, 1440))]
)
def test_another_window_keeps_the_tiers_that_it_divides(minutes: int, tiers: tuple[int, ...]) -> None:
    changed = in_force(POLICY, loaded(privacy_window_minutes=minutes))
    assert changed.releases.tiers_minutes == tiers
    assert not [fault for fault in faults_of(changed) if fault.danger == "tiers-not-nested"]
