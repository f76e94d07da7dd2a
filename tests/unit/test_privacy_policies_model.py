from __future__ import annotations

from pathlib import Path

import pytest

from privacy.policies.model import DEFAULT_FILE, Aggregates, policy_of, read_policy
from privacy.tokens import TokenKind
from veilocity.errors import UnsafePolicyError

MINIMAL = "policy: mine\nversion: 1\nrecords: {}\nreleases: {}\n"


def test_the_default_policy_is_what_the_documents_say() -> None:
    policy = read_policy(DEFAULT_FILE)
    releases = policy.releases
    assert (releases.k, releases.l, releases.t, releases.sensitive) == (5, 1, 0.3, ("verdict",))
    assert releases.tiers_minutes == (60, 360, 1440)
    assert releases.quasi_identifiers.cell == (7, 5, 3)
    assert policy.aggregates == Aggregates(epsilon=1.0, delta=1e-9, contributions=3, cell_resolution=5, horizon_days=7)
    assert not policy.sinks.joinable
    assert [policy.period_days(kind) for kind in TokenKind] == [7, 7, 7, 7, None, None]


def test_a_kind_may_have_a_period_of_its_own() -> None:
    policy = policy_of(MINIMAL + "pseudonyms: {period_days: 14, kinds: {device: 1}}", "mine.yaml")
    assert (policy.period_days(TokenKind.DEVICE), policy.period_days(TokenKind.CARD)) == (1, 14)
    assert policy.period_days(TokenKind.TRANSACTION) is None


def test_aggregates_are_off_or_all_of_their_figures() -> None:
    figures = "{epsilon: 1.0, delta: 1.0e-6, contributions: 4, cell_resolution: 5, horizon_days: 30}"
    assert policy_of(f"{MINIMAL}aggregates: {figures}", "a.yaml").aggregates == Aggregates(
        epsilon=1.0, delta=1e-6, contributions=4, cell_resolution=5, horizon_days=30
    )
    assert policy_of(f"{MINIMAL}aggregates: off", "a.yaml").aggregates == "off"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (MINIMAL + "aggregate: off", "aggregate"),
        (MINIMAL + "sinks: {joinable: yes}", "sinks.joinable"),
        (MINIMAL + "pseudonyms: {kinds: {alert: 3}}", "pseudonyms.kinds"),
        (MINIMAL + "aggregates: {epsilon: 1.0}", "aggregates"),
        (MINIMAL + "policy: yours", "line 5: the key 'policy' stands twice"),
        (MINIMAL.replace("releases: {}", "releases: {k: five}"), "`int`"),
        (MINIMAL.replace("releases: {}\n", ""), "releases"),
        ("- a list", "object"),
        ("policy: [", "line 2"),
        ("policy: !!python/object/apply:os.getcwd []", "line 1"),
        ("1: one", "a key must be text"),
    ],
)
def test_what_cannot_be_understood_is_refused_with_its_place(text: str, told: str) -> None:
    with pytest.raises(UnsafePolicyError, match=r"^mine\.yaml") as refusal:
        policy_of(text, "mine.yaml")
    assert told in str(refusal.value)


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnsafePolicyError, match="FileNotFoundError"):
        read_policy(tmp_path / "none.yaml")
    (tmp_path / "latin.yaml").write_bytes(b"policy: caf\xe9")
    with pytest.raises(UnsafePolicyError, match="UnicodeDecodeError"):
        read_policy(tmp_path / "latin.yaml")
