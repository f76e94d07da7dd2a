"""Rule files: what is refused and with which sentence, what the events of a test become, and which book a folder is."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from rules import default_rule_book, load_rule_book
from rules.catalogue import RULE_TYPES
from rules.files.events import Step, moment_ns
from rules.files.inline import Expected, InlineTest, Report, run
from rules.hosting import engine_of
from rules.library import DEFAULT_FOLDER, read_library, rule_book_of
from veilocity.contracts import Channel, Fix, FixFlag, Severity, Transaction
from veilocity.errors import FatalError, RuleFileError, SettingsError
from veilocity.geo import great_circle_m
from veilocity.settings import load

COUNT = 'rule: payments-count\nversion: "1"\n'
GREEN = """
tests:
  - name: three at once
    events: [pays: {id: p, from: "12:00:10", every_s: 60, count: 3, place: london}]
    expect: [{anchor: p3, severity: low, cause: many_payments, count: 1}]
"""


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
    return folder


def events_of(**step: object) -> list[Fix | Transaction]:
    return list(msgspec.convert(step, Step).events())


def test_a_file_sets_parameters_cap_and_lists(tmp_path: Path) -> None:
    text = COUNT + "severity_cap: low\nparameters: {limit: 3}\nallow: {merchants: [Fair]}\n" + GREEN
    (entry,) = load_rule_book(write(tmp_path, count=text)).entries
    assert msgspec.to_builtins(entry.rule.parameters) == {"window_s": 3600.0, "limit": 3.0}
    assert (entry.severity_cap, entry.allowed.merchants) == (Severity.LOW, ("Fair",))


def test_a_rule_that_is_not_enabled_is_tested_and_not_in_force(tmp_path: Path) -> None:
    write(tmp_path, count=COUNT + "parameters: {limit: 3}\nenabled: false\n" + GREEN, device='rule: new-device\nversion: "1"\n')
    assert list(load_rule_book(tmp_path).rules) == ["new-device"]
    write(tmp_path, count=COUNT + "parameters: {limit: 4}\nenabled: false\n" + GREEN)
    with pytest.raises(RuleFileError):
        load_rule_book(tmp_path)


def test_a_red_test_is_told_with_what_was_expected_and_found(tmp_path: Path) -> None:
    write(tmp_path, count=COUNT + "parameters: {limit: 2}\n" + GREEN)
    with pytest.raises(RuleFileError) as refused:
        load_rule_book(tmp_path)
    assert str(refused.value) == (
        "count.yaml, test 'three at once': expected low many_payments at p3, 1 times; found low many_payments at p2, 2 times"
    )
    assert isinstance(refused.value, FatalError)


def test_a_cap_lowers_what_the_tests_of_the_file_see(tmp_path: Path) -> None:
    text = (DEFAULT_FOLDER / "card-testing.yaml").read_text(encoding="utf-8").replace("severity_cap: null", "severity_cap: low")
    with pytest.raises(RuleFileError, match=r"expected medium card_testing at p4, 1 times; found low card_testing at p4, 1 times"):
        load_rule_book(write(tmp_path, card=text))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("rule: payments-count\nversion: 1\n", "bad.yaml: version: Expected `str`, got `int`"),
        (
            'rule: payments-count\nversion: "0"\n',
            "bad.yaml: version: the file is for version 0 of payments-count, this program has version 1",
        ),
        ('rule: nonsense\nversion: "1"\n', "bad.yaml: rule: there is no rule 'nonsense'; there are impossible-travel, "),
        (COUNT + "cap: low\n", "bad.yaml: Object contains unknown field `cap`"),
        (COUNT + "severity_cap: grave\n", "bad.yaml: severity_cap: Invalid enum value 'grave'"),
        (COUNT + "parameters: {limits: 3}\n", "bad.yaml: parameters: Object contains unknown field `limits`"),
        (COUNT + "parameters: {limit: three}\n", "bad.yaml: parameters.limit: Expected `float`, got `str`"),
        (COUNT + "parameters: {limit: 33}\n", "bad.yaml: parameters.limit: Expected `float` <= 32"),
        (COUNT + "parameters: {window_s: 86401}\n", "bad.yaml: parameters.window_s: Expected `float` <= 86400"),
        (COUNT + "allow: {shops: [a]}\n", "bad.yaml: allow: Object contains unknown field `shops`"),
        (COUNT + "enabled: true\nenabled: false\n", "bad.yaml, line 4: the key 'enabled' stands twice"),
        (
            COUNT + GREEN.replace("12:00:10", "noon"),
            "bad.yaml: tests[0].events[0]: 'noon' is no moment: write 12:00, 12:00:20 or day 3 12:00",
        ),
        (COUNT + GREEN.replace("london", "atlantis"), "bad.yaml: tests[0].events[0]: 'atlantis' is no known place: write one of london, "),
        (
            COUNT + GREEN.replace("london", "london 3 miles north"),
            "bad.yaml: tests[0].events[0]: '3 miles north' is no way: write 12 km north",
        ),
        (COUNT + GREEN.replace("pays:", "pay:"), "bad.yaml: tests[0].events[0].pay: Object contains unknown field `from`"),
        (
            COUNT + GREEN.replace("many_payments", "many"),
            "bad.yaml: tests[0].expect: payments-count has no reason 'many'; it has many_payments",
        ),
        (COUNT + GREEN.replace("expect", "expects"), "bad.yaml: tests[0]: Object contains unknown field `expects`"),
        (COUNT + GREEN + GREEN.replace("\ntests:\n", ""), "bad.yaml: tests: two are called 'three at once'"),
        (COUNT + GREEN + "    parameters: {limit: -1}\n", "bad.yaml: tests[0].parameters.limit: Expected `float` > 0"),
        ('rule: atm-hop\nversion: "1"\nparameters: {machine_m: -1}\n', "bad.yaml: parameters.machine_m: a threshold is not negative"),
        ("rule: ]", "bad.yaml, line 1: "),
        ("", "bad.yaml: Expected `object`, got `null`"),
    ],
)
def test_what_a_file_says_wrongly_is_refused_with_file_and_field(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(SettingsError) as refused:
        load_rule_book(write(tmp_path, bad=text))
    assert str(refused.value).startswith(sentence)
    assert not isinstance(refused.value, RuleFileError)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("memory: {slot_s: 0}\n", "engine.yaml: slot_s: must be more than 0"),
        ("memory: {slots: 3}\n", "engine.yaml: memory: Object contains unknown field `slots`"),
        ("motion: {jump: 3}\n", "engine.yaml: motion: unknown field 'jump'; there are speed_limit_kmh, "),
        ("motion: {jump_m: far}\n", "engine.yaml: motion.jump_m: Expected `float`, got `str`"),
        ("places: {terminals: {Chain: -5}}\n", "engine.yaml: Chain: must be more than 0"),
        ("fallback: {too_early: low}\n", "engine.yaml: fallback: there is no reason 'too_early'; there are channel_without_place, "),
    ],
)
def test_what_the_engine_file_says_wrongly_is_refused(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(SettingsError) as refused:
        load_rule_book(write(tmp_path, engine=text, count=COUNT))
    assert str(refused.value).startswith(sentence)


def test_two_files_for_one_rule_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"b\.yaml: rule: a\.yaml sets payments-count already"):
        load_rule_book(write(tmp_path, a=COUNT, b=COUNT))


def test_a_folder_without_rules_and_a_file_that_is_no_text_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="holds none"):
        load_rule_book(write(tmp_path, engine="memory: {}\n"))
    with pytest.raises(SettingsError, match="cannot be read"):
        load_rule_book(tmp_path / "nowhere")
    (tmp_path / "latin.yaml").write_bytes(b"rule: caf\xe9")
    with pytest.raises(SettingsError, match=r"latin\.yaml: the file cannot be read"):
        load_rule_book(tmp_path)


def test_the_engine_file_holds_for_all_rules(tmp_path: Path) -> None:
    text = """
memory: {history_s: 7200}
places: {terminals: {Chain: 400000}}
motion: {jump_m: 60000}
fallback: {too_late: medium, no_neighbour: low}
tests:
  - name: a fallback
    events:
      - pay: {id: t1, at: "12:00:10", place: london}
      - pay: {id: t2, at: "09:00:10", place: london}
    expect: []
    severities: {t1: low, t2: medium}
"""
    book = load_rule_book(write(tmp_path, engine=text, count=COUNT))
    assert (book.memory.history_s, book.memory.slot_s) == (7200, 15)
    assert (book.places.terminals, book.motion.jump_m) == ({"Chain": 400_000.0}, 60_000.0)
    assert book.fallback == {"too_late": Severity.MEDIUM, "no_neighbour": Severity.LOW}
    write(tmp_path, engine=text.replace("t1: low", "t1: high"))
    with pytest.raises(RuleFileError, match=r"engine\.yaml, test 'a fallback': expected the severity of t1 to be high; found low"):
        load_rule_book(tmp_path)


def test_the_files_that_come_along_are_the_default() -> None:
    book = default_rule_book()
    assert [*book.rules, "implied-over-reported"] == list(RULE_TYPES)
    assert book.version == load_rule_book(DEFAULT_FOLDER).version
    assert read_library(DEFAULT_FOLDER).book().version == book.version
    assert rule_book_of(load({})) is book


def test_the_setting_names_another_folder(tmp_path: Path) -> None:
    write(tmp_path, count=COUNT)
    settings = load({"VEILOCITY_RULES_FOLDER": str(tmp_path)})
    assert list(rule_book_of(settings).rules) == ["payments-count"]
    assert list(engine_of(settings).book.rules) == ["payments-count"]


def test_a_row_of_fixes_travels_at_a_steady_speed_and_trembles_the_same_in_every_run() -> None:
    row = {"from": "12:00", "every_s": 60, "count": 5, "place": "london", "to": "london 4 km north", "speed_kmh": 60, "flags": ["cached"]}
    fixes = events_of(fixes=row)
    assert [event.fix_ns for event in fixes if isinstance(event, Fix)] == [moment_ns(43_200 + 60 * number) for number in range(5)]
    assert [round(great_circle_m(51.5074, -0.1278, fix.lat, fix.lon), -1) for fix in fixes if isinstance(fix, Fix)] == [
        0,
        1000,
        2000,
        3000,
        4000,
    ]
    assert isinstance(fixes[0], Fix)
    assert fixes[0].speed_mps == pytest.approx(60 / 3.6)
    assert fixes[0].flags == (FixFlag.CACHED,)
    trembling = events_of(fixes={**row, "jitter_m": 10.0})
    assert trembling == events_of(fixes={**row, "jitter_m": 10.0})
    apart = [great_circle_m(a.lat, a.lon, b.lat, b.lon) for a, b in zip(fixes, trembling, strict=True)]  # type: ignore[arg-type]  # fixes
    assert 0.0 < max(apart) <= 10.1


def test_a_row_of_payments_is_numbered() -> None:
    payments = events_of(pays={"id": "p", "from": 10, "every_s": 1, "count": 2, "merchant": "Shop {n}", "channel": "atm", "arrives": 60})
    assert [(one.id, one.merchant, one.channel) for one in payments if isinstance(one, Transaction)] == [
        ("p1", "Shop 1", Channel.ATM),
        ("p2", "Shop 2", Channel.ATM),
    ]
    assert [one.received_ms for one in payments] == [moment_ns(60) // 1_000_000] * 2


@pytest.mark.parametrize("step", [{}, {"fix": {"at": 0, "place": "london"}, "pay": {"id": "t", "at": 0}}])
def test_a_line_is_one_event(step: dict[str, object]) -> None:
    with pytest.raises(msgspec.ValidationError, match="exactly one of fix, fixes, pay, pays"):
        events_of(**step)


def test_every_answer_of_a_test_is_compared() -> None:
    test = msgspec.convert(
        {
            "name": "all",
            "events": [{"pay": {"id": "t1", "at": "12:00:10", "place": "london"}}],
            "expect": [],
            "retracted": 1,
            "decisions": {"t1": "clear", "t2": "clear"},
            "reasons": {"t1": []},
            "severities": {"t1": "low"},
        },
        InlineTest,
    )
    assert run(test, default_rule_book()).faults == (
        "expected 1 alerts to be retracted; found 0",
        "expected the verdict of t1 to be clear; found not-scorable",
        "expected the verdict of t2 to be clear; found no decision",
        "expected the reasons of t1 to be none; found no_neighbour",
        "expected the severity of t1 to be low; found none",
    )


def test_an_event_that_the_engine_refuses_is_told() -> None:
    test = msgspec.convert({"name": "pole", "events": [{"fix": {"at": 0, "place": [91, 0]}}], "expect": []}, InlineTest)
    assert run(test, default_rule_book()) == Report(
        "pole", ("an event was refused: latitude must lie in -90..90 and longitude in -180..180",)
    )


def test_the_most_exact_expectation_takes_its_alert_first() -> None:
    step = {"pays": {"id": "t", "from": "12:00:10", "every_s": 30_000, "count": 2, "amount_minor": 600_000}}
    test = InlineTest(
        name="two",
        events=(msgspec.convert(step, Step),),
        expect=(Expected(severity=Severity.LOW, cause="much_money"), Expected(severity=Severity.LOW, cause="much_money", anchor="t1")),
    )
    assert run(test, default_rule_book()).faults == ()


def test_an_anchor_that_is_a_fix_is_told_as_it_is_written() -> None:
    place = {"every_s": 60, "count": 21}
    events = [{"fixes": {"from": "day 2 11:00", "place": "london", **place}}, {"fixes": {"from": "day 2 11:22", "place": "paris", **place}}]
    test = msgspec.convert({"name": "jump", "events": events, "expect": []}, InlineTest)
    assert run(test, default_rule_book()).faults == ("expected no alert; found high impossible_travel at phone@day 2 11:22:00, 1 times",)
