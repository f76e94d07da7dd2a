"""The stage with a policy that stores no payment, on real servers: killed on the way, released on executors, and everything adds up."""

from functools import partial
from pathlib import Path

import pytest

from devstack.environment import changed
from privacy.audit import audit_stores
from privacy.identifiers.keyring import KeyRing
from storage.census import take_census
from storage.queries import Reader
from tests.integration.privacy_world import (
    AMENDMENTS,
    BAD_DECISIONS,
    FIX_COUNT,
    PAYMENTS,
    World,
    dumped,
    feed,
    of_kind,
    passed,
    progress,
    running_stage,
    stopped,
    until,
)
from tests.integration.test_privacy_stage import lies_inside
from veilocity.cli.conservation import Figures, conservation
from veilocity.settings import Settings

pytestmark = [pytest.mark.services, pytest.mark.spark]
POLICY = Path(__file__).parents[2] / "benchmarks" / "release_only.yaml"


@pytest.mark.timeout(900)
def test_a_policy_that_drops_every_record_releases_and_stores_nothing_else(service_settings: Settings, tmp_path: Path) -> None:
    settings = changed(
        service_settings,
        privacy_policy_file=POLICY,
        privacy_release_form="executors",
        privacy_region_rows=100,
        privacy_batch_records=2_000,
        privacy_heartbeat_s=0.5,
        privacy_drain_s=2.0,
    )
    KeyRing.generate(settings.token_key_file)
    world, log, reader = World(), tmp_path / "privacy.log", Reader(settings)
    feed(settings, world, 0.0, 1.0)

    def finished() -> bool:
        done = progress(reader)
        return (done.decisions, done.fixes, done.pending) == (PAYMENTS + AMENDMENTS + BAD_DECISIONS, FIX_COUNT, 0)

    try:
        with running_stage(settings, log) as process:
            until(partial(passed, reader, 1), process)
            process.kill()
        with running_stage(settings, log) as process:
            until(finished, process, news=partial(progress, reader))
            stopped(process)
        done, documents = progress(reader), dumped(settings)
        assert done.transactions == done.unstored == PAYMENTS == done.released + done.suppressed + done.late
        assert (done.amendments, done.alerts, done.rejected) == (AMENDMENTS, 0, BAD_DECISIONS)
        for kind in ("transactions", "alerts", "positions", "groups"):
            assert not [key for key in documents if f"/{kind}" in key or f"-{kind}" in key], kind
        releases = [document["release"] for document in of_kind(documents, "mongodb/releases/")]
        assert sum(release["payments"] for release in releases) == done.released > PAYMENTS // 2
        payments = [decision.transaction for decision in world.decisions]
        for release in releases:
            inside = [one for one in payments if release["window_start_ms"] <= one.authorised_ms < release["window_end_ms"]]
            fitting = [one for one in inside if lies_inside(one, release)]
            assert len({one.subject for one in fitting}) >= release["people"] >= 10
            assert len(fitting) >= release["payments"]
        assert not conservation(Figures(census=take_census(settings))).violated
        assert audit_stores(settings, keep=False).passed
        for path in settings.privacy_dir.rglob("*.rows"):
            assert not any(text.encode() in path.read_bytes() for text in world.raw_texts()), path.name
    finally:
        reader.close()
