"""The doctor's arithmetic: what holds, what is on its way, and what is lost or doubled."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from storage.census import Census, StoreCount
from storage.documents import Progress
from veilocity.cli import conservation as equations
from veilocity.cli.conservation import Figures, RulesFigures, State, TopicFigures, conservation, total
from veilocity.cli.figures import spark_positions
from veilocity.contracts import RulesProgress

replace = msgspec.structs.replace

DONE = RulesProgress(
    -1,
    fixes_read=100,
    fixes_kept=60,
    fixes_duplicate=10,
    fixes_thinned=20,
    fixes_late=7,
    fixes_rejected=3,
    transactions_read=50,
    transactions_duplicate=4,
    transactions_rejected=1,
    decided=45,
    flagged=5,
    clear=30,
    not_scorable=10,
    alerts_opened=5,
    alerts_amended=2,
    alerts_retracted=1,
    decisions_amended=3,
)
PROGRESS = Progress(
    id="privacy",
    seq=9,
    decisions=48,
    transactions=45,
    amendments=3,
    released=20,
    suppressed=10,
    late=5,
    pending=10,
    classes=3,
    alert_revisions=8,
    alerts=5,
    fixes=100,
)
HELD = StoreCount(transactions=45, transactions_with_unfinished=45, alerts=5, alerts_with_unfinished=5, releases=3)
AT_REST = (TopicFigures(100, 100), TopicFigures(50, 50))
# Transactions leave a mark behind, so offsets are more than records on the topics that rules write.
WHOLE = Figures(
    acknowledged=150,
    spark_read={"fixes": 100, "decisions": 60, "alerts": 12},
    census=Census(PROGRESS, HELD, HELD, released_payments=20),
    rules=RulesFigures(DONE, *AT_REST),
    ends={"fixes": 100, "decisions": 60, "alerts": 12},
)


def _states(figures: Figures) -> dict[str, State]:
    return {equation.name: equation.state for equation in conservation(figures).equations if equation.state is not State.HOLDS}


def _census(figures: Figures = WHOLE) -> Census:
    assert figures.census is not None
    return figures.census


def _with_progress(**changed: int) -> Figures:
    return replace(WHOLE, census=replace(_census(), progress=replace(PROGRESS, **changed)))


def _with_rules(fixes: TopicFigures, transactions: TopicFigures, **changed: int) -> Figures:
    return replace(WHOLE, rules=RulesFigures(replace(DONE, **changed), fixes, transactions))


def _with_stores(mongodb: StoreCount, elasticsearch: StoreCount) -> Figures:
    return replace(WHOLE, census=replace(_census(), mongodb=mongodb, elasticsearch=elasticsearch))


def test_a_whole_system_at_rest_is_complete() -> None:
    result = conservation(WHOLE)
    assert _states(WHOLE) == {}
    assert result.complete
    assert not result.violated
    assert len(result.equations) == 17


def test_names_of_equations_are_different() -> None:
    names = [equation.name for equation in conservation(WHOLE).equations]
    assert len(set(names)) == len(names)


def test_nothing_is_claimed_of_a_system_that_does_not_answer() -> None:
    result = conservation(Figures())
    assert {equation.state for equation in result.equations} == {State.UNKNOWN}
    assert not result.complete
    assert not result.violated


def test_a_system_that_has_not_begun_adds_up() -> None:
    rules = RulesFigures(RulesProgress(-1), TopicFigures(0, 0), TopicFigures(0, 0))
    empty = Figures(0, None, Census(None, StoreCount(), StoreCount()), rules, {"fixes": 0, "decisions": 0, "alerts": 0})
    assert conservation(empty).complete


def test_records_that_rules_have_not_read_are_on_their_way() -> None:
    result = conservation(_with_rules(TopicFigures(100, 107), TopicFigures(50, 52)))
    behind = {equation.name: equation.behind for equation in result.equations if equation.state is State.IN_FLIGHT}
    assert behind == {"records on fixes = read by rules": 7, "records on transactions = read by rules": 2}
    assert not result.complete
    assert not result.violated


def test_rules_that_move_on_while_being_read_are_no_violation() -> None:
    # The committed offset was read before the counters, the end after them.
    assert _states(_with_rules(TopicFigures(90, 100), TopicFigures(40, 50))) == {}


@pytest.mark.parametrize(
    ("figures", "name"),
    [
        (replace(WHOLE, acknowledged=151), "acknowledged by the gateway since it started <= in Kafka"),
        (_with_rules(TopicFigures(101, 101), TopicFigures(50, 50)), "records on fixes = read by rules"),
        (_with_rules(TopicFigures(100, 100), TopicFigures(49, 49)), "records on transactions = read by rules"),
        (_with_rules(*AT_REST, fixes_kept=59), "fixes read = kept + duplicate + thinned + late + rejected"),
        (_with_rules(*AT_REST, transactions_duplicate=5), "transactions read = decided + duplicate + rejected"),
        (_with_rules(*AT_REST, clear=31), "decided = flagged + clear + not scorable"),
        (_with_progress(alert_revisions=7), "alerts by rules = alerts read by privacy"),
        (_with_progress(alert_revisions=9), "alerts by rules = alerts read by privacy"),
        (_with_progress(pending=9), "stored = released + suppressed + late + pending + erased"),
        (_with_progress(alerts=6), "alerts = documents in MongoDB"),
        (_with_progress(classes=4), "released classes = documents in Elasticsearch"),
        (_with_stores(replace(HELD, transactions=44, transactions_with_unfinished=44), HELD), "stored payments = documents in MongoDB"),
        (_with_stores(replace(HELD, releases=2), HELD), "released classes = documents in MongoDB"),
        (_with_stores(HELD, replace(HELD, transactions=46)), "stored payments = documents in Elasticsearch"),
        (_with_stores(HELD, replace(HELD, alerts_with_unfinished=4)), "alerts = documents in Elasticsearch"),
        (replace(WHOLE, census=replace(_census(), released_payments=19)), "released payments = payments of the classes in MongoDB"),
    ],
)
def test_whatever_is_lost_or_doubled_is_a_violation(figures: Figures, name: str) -> None:
    result = conservation(figures)
    assert result.violated
    assert _states(figures)[name] is State.VIOLATED
    (told,) = (equation.sentence for equation in result.equations if equation.name == name)
    assert told


def test_decisions_are_on_their_way_until_spark_has_read_everything() -> None:
    behind = _with_progress(decisions=43, transactions=40, pending=5)
    waiting = replace(behind, spark_read={"decisions": 55, "alerts": 12, "fixes": 100})
    name = "decisions by rules = decisions read by privacy"
    assert _states(waiting)[name] is State.IN_FLIGHT
    assert _states(replace(behind, spark_read=None))[name] is State.IN_FLIGHT, "nobody can tell from here"
    assert _states(behind)[name] is State.VIOLATED, "Spark went past five decisions that are nowhere"


def test_undecodable_decisions_are_accounted_for_by_the_rejected_records() -> None:
    name = "decisions read = stored + amendments + rejected"
    stored = _with_progress(transactions=43, pending=8, rejected=2)
    assert name not in _states(stored)
    assert _states(_with_progress(transactions=43, pending=8, rejected=1))[name] is State.VIOLATED
    assert _states(_with_progress(transactions=46, pending=11))[name] is State.VIOLATED


def test_amendments_are_decisions_that_are_stored_in_the_payment_they_amend() -> None:
    name = "decisions read = stored + amendments + rejected"
    assert _states(_with_progress(amendments=2))[name] is State.VIOLATED
    assert _states(_with_progress(amendments=4))[name] is State.VIOLATED
    assert _states(_with_rules(*AT_REST, decisions_amended=4)) == {"decisions by rules = decisions read by privacy": State.VIOLATED}
    assert _states(_with_progress(amendments=2, rejected=1)) == {}


def test_payments_that_a_batch_is_just_amending_are_on_their_way() -> None:
    amending = replace(WHOLE, census=replace(_census(), elasticsearch=replace(HELD, transactions=44)))
    assert _states(amending) == {"stored payments = documents in Elasticsearch": State.IN_FLIGHT}


def test_alerts_that_a_batch_is_just_replacing_are_on_their_way() -> None:
    replacing = replace(WHOLE, census=replace(_census(), mongodb=replace(HELD, alerts=3, alerts_with_unfinished=6)))
    assert _states(replacing) == {"alerts = documents in MongoDB": State.IN_FLIGHT}


def test_documents_that_a_store_refused_are_accounted_for() -> None:
    refused = replace(
        HELD, transactions=43, transactions_with_unfinished=43, refused_transactions=2, alerts=4, alerts_with_unfinished=4, refused_alerts=1
    )
    assert _states(replace(WHOLE, census=replace(_census(), elasticsearch=refused))) == {}


def test_partitions_add_up() -> None:
    parts = [RulesProgress(partition, **dict.fromkeys(("decided", "clear"), partition)) for partition in range(4)]
    assert total(parts) == RulesProgress(-1, decided=6, clear=6)
    assert total([]) == RulesProgress(-1)


def test_every_equation_of_the_contracts_is_examined() -> None:
    # Raising any single counter must break something: no counter is left out of the sums.
    for name in RulesProgress.__struct_fields__:
        if name not in ("partition", "schema"):
            changed = replace(DONE, **{name: getattr(DONE, name) + 1})
            assert WHOLE.rules is not None
            assert not conservation(replace(WHOLE, rules=replace(WHOLE.rules, done=changed))).complete, name
    for name in (
        "decisions",
        "transactions",
        "amendments",
        "released",
        "suppressed",
        "late",
        "pending",
        "erased",
        "classes",
        "alert_revisions",
        "alerts",
    ):
        assert not conservation(_with_progress(**{name: getattr(PROGRESS, name) + 1})).complete, name


def test_documents_that_were_erased_with_their_people_are_not_missing() -> None:
    gone = replace(
        HELD,
        transactions=40,
        transactions_with_unfinished=40,
        alerts=4,
        alerts_with_unfinished=4,
        erased_transactions=5,
        erased_transactions_with_unfinished=5,
        erased_alerts=1,
        erased_alerts_with_unfinished=1,
    )
    assert conservation(_with_stores(gone, gone)).complete
    names = {"stored payments = documents in MongoDB", "alerts = documents in MongoDB"}
    lost = replace(gone, transactions=39, transactions_with_unfinished=39, alerts=3, alerts_with_unfinished=3)
    assert set(_states(_with_stores(lost, gone))) == names
    assert set(_states(_with_stores(gone, gone)).values()) == set()
    doubled = replace(gone, transactions=41, transactions_with_unfinished=41)
    assert _states(_with_stores(doubled, gone)) == {"stored payments = documents in MongoDB": State.VIOLATED}


def test_an_erasure_under_way_is_no_violation_and_an_alert_may_come_again_after_one() -> None:
    midway = replace(HELD, transactions=43, transactions_with_unfinished=43, erased_transactions=0, erased_transactions_with_unfinished=5)
    assert _states(_with_stores(midway, HELD)) == {"stored payments = documents in MongoDB": State.IN_FLIGHT}
    again = replace(HELD, erased_alerts=1, erased_alerts_with_unfinished=1)
    assert conservation(_with_stores(again, again)).complete
    too_many = replace(again, alerts=6, alerts_with_unfinished=6)
    assert _states(_with_stores(too_many, HELD)) == {"alerts = documents in MongoDB": State.VIOLATED}


def _checkpoint(folder: Path, finished: dict[int, Any], begun: dict[int, Any]) -> Path:
    for kind, batches in (("commits", finished), ("offsets", begun)):
        (folder / kind).mkdir(parents=True)
        for number, places in batches.items():
            (folder / kind / str(number)).write_text(f'v1\n{{"batchWatermarkMs":0}}\n{json.dumps(places)}')
    (folder / "commits" / ".0.crc").write_bytes(b"\0")
    return folder


def test_spark_s_place_is_that_of_its_last_finished_batch(tmp_path: Path) -> None:
    places = {number: {"t.decisions": {"0": number, "1": 10 * number}, "t.fixes": {"0": 3}} for number in range(12)}
    checkpoint = _checkpoint(tmp_path / "checkpoint", {number: {} for number in range(11)}, places)
    assert spark_positions(checkpoint, "t.") == {"decisions": 110, "fixes": 3}


def test_a_checkpoint_that_cannot_be_seen_tells_nothing(tmp_path: Path) -> None:
    assert spark_positions(tmp_path / "nowhere", "") is None
    assert spark_positions(_checkpoint(tmp_path / "none-finished", {}, {0: {}}), "") is None
    assert spark_positions(_checkpoint(tmp_path / "no-offsets", {3: {}}, {}), "") is None


def test_the_public_names_of_the_equations_are_there() -> None:
    assert all(hasattr(equations, name) for name in equations.__all__)


def test_payments_that_the_policy_drops_are_no_loss_in_any_store() -> None:
    """Nothing of them is in a store; a store that has some all the same has too many."""
    assert WHOLE.census is not None
    mongodb, elasticsearch = (
        msgspec.structs.replace(held, transactions=0, transactions_with_unfinished=0)
        for held in (WHOLE.census.mongodb, WHOLE.census.elasticsearch)
    )
    unstored = msgspec.structs.replace(PROGRESS, unstored=PROGRESS.transactions)
    census = msgspec.structs.replace(WHOLE.census, progress=unstored, mongodb=mongodb, elasticsearch=elasticsearch)
    assert conservation(replace(WHOLE, census=census)).complete
    assert conservation(replace(WHOLE, census=msgspec.structs.replace(census, mongodb=WHOLE.census.mongodb))).violated
    assert conservation(replace(WHOLE, census=msgspec.structs.replace(census, progress=PROGRESS))).violated
