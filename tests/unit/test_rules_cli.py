"""`veilocity rules`: what its commands print, and how they end."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from rules import service
from rules.explain import explain_alert
from tests.unit import rules_world as world
from tests.unit.test_rules_files import COUNT, GREEN, write
from veilocity.cli import app
from veilocity.contracts import Alert, Severity, encode
from veilocity.errors import ContractError, SettingsError


@pytest.fixture
def alert() -> Alert:
    events: list[world.Event] = [world.fix(second * 60.0) for second in range(11)]
    events.append(world.payment(620.0, world.LAGOS, id="t1"))
    (found,) = world.play(events, world.book("impossible-travel")).standing.values()
    return msgspec.structs.replace(found, revision=1)


def called(*arguments: str, text: bytes | None = None) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["rules", *arguments], input=text)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.output


@pytest.mark.parametrize("arguments", [(), ("serve",)])
def test_the_service_runs_with_and_without_its_name(monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]) -> None:
    started: list[str] = []
    monkeypatch.setattr(service, "run", lambda settings: started.append(settings.rules_instance))
    assert called(*arguments)[0] == 0
    assert started == ["rules-0"]


@pytest.mark.parametrize("command", ["serve", "test", "list", "explain"])
def test_every_command_explains_itself(command: str) -> None:
    code, output = called(command, "--help")
    assert code == 0
    assert "--help" in output


def test_the_tests_of_a_folder_are_run_and_counted(tmp_path: Path) -> None:
    write(tmp_path, count=COUNT + "parameters: {limit: 3}\n" + GREEN, device='rule: new-device\nversion: "1"\n')
    code, output = called("test", str(tmp_path))
    assert (code, output.splitlines()[-1]) == (0, "1 tests, 0 red.")
    write(tmp_path, count=COUNT + "parameters: {limit: 2}\n" + GREEN)
    code, output = called("test", str(tmp_path))
    assert (code, output.splitlines()[-1]) == (1, "1 tests, 1 red.")
    assert "count.yaml, test 'three at once': expected low many_payments at p3, 1 times; found low many_payments at p2" in output


def test_without_a_folder_the_one_in_force_is_meant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "impossible-travel" in called("list")[1]
    monkeypatch.setenv("VEILOCITY_RULES_FOLDER", str(write(tmp_path, count=COUNT + "severity_cap: low\nenabled: false\n")))
    output = called("list")[1]
    assert "impossible-travel" not in output
    (row,) = [line for line in output.splitlines() if "payments-count" in line]
    assert [cell.strip() for cell in row.strip("│").split("│")] == ["payments-count", "1", "no", "low", "many_payments"]


def test_a_rule_is_explained_with_its_values(tmp_path: Path) -> None:
    write(tmp_path, count=COUNT + "parameters: {limit: 3}\nallow: {merchants: [Fair]}\nseverity_cap: low\n" + GREEN)
    output = called("explain", "payments-count", "--folder", str(tmp_path))[1]
    for line in (
        "in force, severity at most low; 1 tests in count.yaml",
        "  limit = 3",
        "  window_s = 3,600",
        "  merchants: Fair",
        "  many_payments",
    ):
        assert line in output.splitlines()
    assert "value = number of payments in [t - window_s, t]" in output


def test_a_rule_that_is_not_there_and_a_question_without_an_object_are_refused(tmp_path: Path) -> None:
    write(tmp_path, count=COUNT)
    with pytest.raises(SettingsError, match="there are payments-count"):
        called("explain", "atm-hop", "--folder", str(tmp_path))
    for arguments in ((), ("payments-count", "--alert", "-")):
        with pytest.raises(SettingsError, match="name a rule"):
            called("explain", *arguments)


def test_an_alert_is_explained_from_a_file_and_from_standard_input(alert: Alert, tmp_path: Path) -> None:
    file = tmp_path / "alert.json"
    file.write_bytes(encode(alert))
    code, output = called("explain", "--alert", str(file))
    assert code == 0
    lines = output.splitlines()
    assert "apart   at least 5,012.317 km * (1 - 0.0056) - 1.020 km = 4,983.228 km" in lines
    assert "speed   at least 4,983.228 km / (20.000 s + 30.0 s) = 358,792.4 km/h" in lines
    assert "with    speed_limit_kmh = 1,100" in lines
    assert lines[-2:] == [alert.sentence, "It recomputes: every figure follows from what the alert holds."]
    assert called("explain", "--alert", "-", text=encode(alert)) == (0, output)


def test_an_alert_that_was_changed_does_not_recompute(alert: Alert) -> None:
    changed = msgspec.structs.replace(alert, score=0.1, sentence="All is well.")
    code, output = called("explain", "--alert", "-", text=encode(changed))
    assert (code, output.splitlines()[-1]) == (1, "It does not recompute: score, sentence.")


def test_a_file_that_is_no_alert_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="not a Alert"):
        called("explain", "--alert", "-", text=b"{}")
    with pytest.raises(SettingsError, match="--alert: the file cannot be read"):
        called("explain", "--alert", str(tmp_path / "nowhere"))


def test_why_an_alert_does_not_recompute_is_said(alert: Alert) -> None:
    def verdict(**changes: object) -> tuple[str, bool]:
        explanation = explain_alert(msgspec.structs.replace(alert, **changes))
        return explanation.lines[-1], explanation.recomputes

    assert verdict(rule="gone") == ("It does not recompute: this program has no rule gone.", False)
    assert verdict(rule_version="0")[0].startswith("It does not recompute: it was judged by version 0 of the rule")
    assert verdict(parameters={"nonsense": 1})[0].startswith("It does not recompute: a fact or a parameter is missing or of another type")
    capped, recomputes = verdict(severity=Severity.LOW)
    assert recomputes
    assert capped == "It recomputes, except that its severity differs, as it does where a rule book caps it."
