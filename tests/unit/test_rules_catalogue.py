"""What every rule of the catalogue must keep, generated from the registry and from the stories in its file."""

from __future__ import annotations

import inspect
import random
import sys
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest
import yaml

from rules import Engine, RuleBook, SubjectState, load_rule_book
from rules.catalogue import RULE_TYPES
from rules.codec import dump, load
from rules.episodes import alert_id, recompute
from rules.explain import explain_alert, explain_rule
from rules.files.events import SUBJECT
from rules.files.inline import Expected, InlineTest, Played, play, run
from rules.files.schema import RuleFile
from rules.files.text import parse
from rules.hits import Evidence
from rules.library import DEFAULT_FOLDER, Library, read_library, run_tests
from rules.sight import Sight
from tests.unit import rules_world as world
from veilocity.contracts import Alert, AlertState, Channel, Fix, Severity, Transaction, decode, encode
from veilocity.errors import RuleFileError

ELSEWHERE = {
    "simultaneous-use": {"terminal_place", "shared_card"},
    "atm-hop": {"terminal_place", "shared_card"},
    "impossible-travel": {"pending"},
}
"""Reasons that a rule alone never gives: habits are learned by the rules about travel, and `pending` is silent. Tested below."""

every_rule = pytest.mark.parametrize("name", RULE_TYPES)


class Story(NamedTuple):
    """One inline test with what it runs on."""

    test: InlineTest
    book: RuleBook
    events: list[Fix | Transaction]


@cache
def library() -> Library:
    return read_library(DEFAULT_FOLDER)


@cache
def file_of(name: str) -> RuleFile:
    return next(file for file in library().rules if file.entry.rule.id == name)


@cache
def stories(name: str) -> list[Story]:
    file, engine = file_of(name), library().engine
    return [
        Story(test, engine.book((entry,)), [event for step in test.events for event in step.events()])
        for test, entry in zip(file.tests, file.tested, strict=True)
    ]


def alerts(name: str) -> Iterator[Alert]:
    for story in stories(name):
        yield from play(story.events, story.book).alerts.values()


def event_ns(event: Fix | Transaction) -> int:
    return event.fix_ns if isinstance(event, Fix) else event.authorised_ms * 1_000_000


def ends(played: Played) -> tuple[object, ...]:
    """Return what must not depend on the order of arrival."""
    standing = {
        alert.id: msgspec.structs.replace(alert, revision=0, received_ms=0, state=AlertState.OPEN, checks=()) for alert in played.standing
    }
    return standing, {name: msgspec.structs.replace(decision, revision=0) for name, decision in played.decisions.items()}


def orders(events: Sequence[Fix | Transaction]) -> Iterator[list[Fix | Transaction]]:
    """Yield orders of arrival in which no event is later than half an hour."""
    for seed in range(2):
        dice = random.Random(seed)  # noqa: S311  # orders, no secrets
        delays = [event_ns(event) + dice.random() * 1_700e9 for event in events]
        yield [events[index] for index in sorted(range(len(events)), key=lambda one: (delays[one], one))]
    in_order = sorted(events, key=event_ns)
    yield in_order
    span_ns = event_ns(in_order[-1]) - event_ns(in_order[0])
    if span_ns < 3_500_000_000_000:
        yield in_order[::-1]
        yield sorted(in_order, key=lambda event: isinstance(event, Fix))


def test_every_rule_has_a_file_of_its_name_and_every_file_a_rule() -> None:
    assert {path.stem for path in DEFAULT_FOLDER.iterdir()} == {*RULE_TYPES, "engine"}
    assert all(file.name == f"{file.entry.rule.id}.yaml" for file in library().rules)


def test_all_inline_tests_are_green() -> None:
    assert [(file, report) for file, report in run_tests(library()) if report.faults] == []


@every_rule
def test_a_rule_has_at_least_eight_inline_tests_and_some_are_honest_negatives(name: str) -> None:
    tests = file_of(name).tests
    assert len(tests) >= 8
    assert any(test.expect for test in tests)
    assert sum(not test.expect for test in tests) >= 3


@every_rule
def test_every_inline_test_can_be_red(name: str) -> None:
    for story in stories(name):
        wrong = Expected(severity=Severity.HIGH, cause="nothing-says-this")
        assert run(msgspec.structs.replace(story.test, expect=(*story.test.expect, wrong)), story.book).faults
        for number, expected in enumerate(story.test.expect):
            others = story.test.expect[:number] + story.test.expect[number + 1 :]
            other = Severity.HIGH if expected.severity is not Severity.HIGH else Severity.LOW
            changed = msgspec.structs.replace(expected, severity=other)
            assert run(msgspec.structs.replace(story.test, expect=(*others, changed)), story.book).faults
            assert run(msgspec.structs.replace(story.test, expect=others), story.book).faults


@every_rule
def test_one_wrong_expectation_keeps_the_rule_from_being_loaded(name: str, tmp_path: Path) -> None:
    data = parse((DEFAULT_FOLDER / f"{name}.yaml").read_text(encoding="utf-8"), name)
    assert isinstance(data, dict)
    broken = next(test for test in data["tests"] if test["expect"])
    broken["expect"][0]["severity"] = "low" if broken["expect"][0]["severity"] == "high" else "high"
    (tmp_path / "rule.yaml").write_text(yaml.safe_dump(data), encoding="utf-8")
    with pytest.raises(RuleFileError) as refused:
        load_rule_book(tmp_path)
    message = str(refused.value)
    assert message.startswith(f"rule.yaml, test '{broken['name']}': expected ")
    assert "; found " in message


@every_rule
def test_a_rule_is_documented(name: str) -> None:
    rule_type = RULE_TYPES[name]
    text = inspect.getdoc(rule_type) or ""
    described = sys.modules[rule_type.__module__].__doc__ or "" if text == "See the module." else text
    assert f"`{name}`" in described
    assert len(described) > 100
    assert len(rule_type.title) > 10
    assert len(rule_type.false_positives) > 20
    assert (inspect.getdoc(rule_type.parameter_type) or "").endswith(".")
    assert (DEFAULT_FOLDER / f"{name}.yaml").read_text(encoding="utf-8").startswith("# ")
    explained = explain_rule(file_of(name))
    assert all(part in explained for part in (rule_type.title, rule_type.false_positives, described.splitlines()[0], *rule_type.reasons))


@every_rule
def test_every_reason_is_declared_and_reached(name: str) -> None:
    found = {alert.cause for alert in alerts(name)}
    assert found | ELSEWHERE.get(name, set()) == set(RULE_TYPES[name].reasons)
    assert not found & ELSEWHERE.get(name, set())


@every_rule
def test_parameters_survive_being_written_and_a_file_shows_them_all(name: str) -> None:
    rule = file_of(name).entry.rule
    kind = RULE_TYPES[name].parameter_type
    assert msgspec.json.decode(msgspec.json.encode(rule.parameters), type=kind) == rule.parameters
    assert msgspec.convert(msgspec.to_builtins(rule.parameters), kind) == rule.parameters
    data = parse((DEFAULT_FOLDER / f"{name}.yaml").read_text(encoding="utf-8"), name)
    assert isinstance(data, dict)
    assert list(data["parameters"]) == list(kind.__struct_fields__)
    assert rule.parameters == kind(), "the file and the schema's defaults say the same"


@every_rule
def test_ids_are_deterministic_and_follow_from_the_anchor(name: str) -> None:
    first, second = list(alerts(name)), list(alerts(name))
    assert first == second
    assert all(alert.id == alert_id(name, SUBJECT, alert.anchor) for alert in first)


@every_rule
def test_an_alert_recomputes_from_its_json_and_not_from_another(name: str) -> None:
    found = list(alerts(name))
    assert found
    for alert in found:
        read = decode(encode(alert), Alert)
        assert recompute(read, RULE_TYPES) == read
        assert recompute(alert, RULE_TYPES) == alert
        explanation = explain_alert(read)
        assert explanation.recomputes
        assert alert.sentence in explanation.lines
        assert not explain_alert(msgspec.structs.replace(read, sentence="Another.")).recomputes


@every_rule
def test_a_rule_keeps_nothing_but_its_parameters(name: str) -> None:
    for story in stories(name):
        play(story.events, story.book)
        assert vars(story.book.entries[0].rule).keys() == {"parameters"}


@every_rule
def test_the_state_can_be_written_and_read_between_any_two_events(name: str) -> None:
    for story in stories(name):
        engine = Engine(story.book)
        kept, written = SubjectState(), SubjectState()
        for event in story.events:
            written = load(dump(written))
            assert engine.process(kept, event) == engine.process(written, event), story.test.name


@every_rule
def test_the_order_of_arrival_does_not_change_the_end(name: str) -> None:
    for story in stories(name):
        end = ends(play(story.events, story.book, shortcuts=False))
        for events in orders(story.events):
            assert ends(play(events, story.book, shortcuts=False)) == end, story.test.name


@pytest.mark.parametrize("name", RULE_TYPES)
def test_shortcuts_do_not_change_the_end(name: str) -> None:
    for story in stories(name):
        end = ends(play(story.events, story.book, shortcuts=False))
        for events in (story.events, *orders(story.events)):
            assert ends(play(events, story.book)) == end, story.test.name


@every_rule
def test_repeats_change_nothing(name: str) -> None:
    for story in stories(name):
        twice = list(chain.from_iterable((event, event) for event in story.events))
        assert ends(play(twice, story.book)) == ends(play(story.events, story.book)), story.test.name


def test_a_jump_that_few_fixes_confirm_is_pending() -> None:
    rule = world.book("impossible-travel").rules["impossible-travel"]
    places = (Sight(0, 515_000_000, 0, 200), Sight(60_000_000_000, 65_000_000, 0, 200))
    facts = {"left_fixes": 40.0, "left_s": 4000.0, "right_fixes": 2.0, "right_s": 60.0}
    assert (rule.prove(Evidence(*places, facts)).cause, rule.prove(Evidence(*places, facts)).severity) == ("pending", None)


@pytest.mark.parametrize("cause", ["terminal_place", "shared_card"])
@pytest.mark.parametrize("name", ["simultaneous-use", "atm-hop"])
def test_what_the_rules_about_travel_learn_lowers_the_others(name: str, cause: str) -> None:
    day, channel = 86_400.0, Channel.ATM if name == "atm-hop" else Channel.CARD_PRESENT
    events: list[world.Event] = []
    for number in range(3):
        events += [world.fix(number * day + second * 60.0) for second in range(11)]
        named = {"merchant": "Chain"} if cause == "terminal_place" else {"merchant": f"Shop {number}", "card": "second"}
        events.append(world.payment(number * day + 610.0, id=f"own{number}", channel=channel, merchant="Own"))
        events.append(world.payment(number * day + 630.0, world.PARIS, id=f"far{number}", channel=channel, **named))  # type: ignore[arg-type]  # names only
    found = [alert for alert in world.play(events, world.book("impossible-travel", name)).standing.values() if alert.rule == name]
    assert sorted((alert.anchor, alert.cause) for alert in found)[-1] == ("far2", cause)
    assert all(alert.severity is Severity.LOW for alert in found if alert.anchor == "far2")
