"""The page of privacy without a browser: what each panel is told, when the store is asked, and that the page is served with its policy."""

from __future__ import annotations

import re
from threading import Event, Thread

import msgspec
import pytest
from flask.testing import FlaskClient

from dashboard.app import create_server
from dashboard.desks import Desks
from dashboard.events import Hub
from dashboard.privacy_audit import picture_audit
from dashboard.privacy_budget import picture_budget
from dashboard.privacy_desk import PrivacyDesk, account_of
from dashboard.privacy_words import TITLES, outcome, passed_sentence
from privacy.audit import CHECKS
from privacy.audit.run import kept
from storage.documents import Progress
from storage.privacy_queries import AuditCheck, AuditFault, AuditResult, Audits
from tests.e2e.privacy_world import HOUR_MS, START_MS, PrivacyWorld, audits, check, good_day, progress, published, releases
from tests.unit.audit_world import audited, clean_world
from tests.unit.hand_clock import Clock

NOW_MS = START_MS + 15 * HOUR_MS


@pytest.fixture(name="clock")
def _clock() -> Clock:
    return Clock(NOW_MS)


def desk_of(world: PrivacyWorld, clock: Clock) -> PrivacyDesk:
    return PrivacyDesk(lambda: world, audit_every_s=3_600.0, clock_ms=clock)


def test_every_check_of_the_audit_has_a_title_and_a_sentence_of_its_figures() -> None:
    assert tuple(TITLES) == CHECKS
    sentences = [passed_sentence(check(name)) for name in CHECKS]
    assert len(set(sentences)) == len(CHECKS)
    for sentence in sentences:
        assert re.fullmatch(r".*\d.*\.", sentence), sentence


@pytest.mark.parametrize("name", CHECKS)
def test_a_check_that_saw_nothing_is_told_without_made_up_figures(name: str) -> None:
    sentence = passed_sentence(AuditCheck(name, True))
    assert sentence.endswith(".")
    assert not re.search(r"[1-9]|nan|None of 0", sentence)


def test_the_auditor_leaves_the_figures_that_the_sentences_are_made_of() -> None:
    report = audited(clean_world())
    result = msgspec.convert(kept(report), AuditResult)
    picture = picture_audit(Audits(result), NOW_MS, 0.0)
    assert [one.outcome for one in picture.checks].count("failed") == 0
    told = {one.name: one.sentence for one in picture.checks}
    assert told["classes"] == "32 classes in 4 windows; the smallest has 10 people."
    # Nobody of that world was at four places.
    assert [name for name, sentence in told.items() if not re.search("[1-9]", sentence)] == ["unicity"]


def test_an_attack_without_a_limit_is_measured_and_not_called_passed() -> None:
    assert outcome(check("unicity")) == "measured"
    assert outcome(check("linkage")) == "passed"


def test_a_failed_audit_names_the_first_records_and_counts_all() -> None:
    fault = AuditFault("mongodb", "transactions", "#3", "merchant", "holds an e-mail address")
    picture = picture_audit(audits(NOW_MS, failed={"identifiers": [fault] * 12}), NOW_MS, 3_600.0)
    assert (picture.verdict, picture.fault_count) == ("failed", 12)
    failed = next(one for one in picture.checks if one.outcome == "failed")
    assert (failed.name, failed.sentence) == ("identifiers", "12 faults.")
    assert failed.faults == ("mongodb transactions #3 merchant: holds an e-mail address",) * 3
    assert picture.runs[-1].failed == (TITLES["identifiers"],)


@pytest.mark.parametrize(("age_h", "every_s", "stale"), [(1.9, 3_600.0, False), (2.1, 3_600.0, True), (500.0, 0.0, False)])
def test_an_audit_is_old_after_twice_its_period(age_h: float, every_s: float, stale: bool) -> None:
    assert picture_audit(audits(NOW_MS - int(age_h * HOUR_MS)), NOW_MS, every_s).stale is stale


def test_runs_are_drawn_oldest_first_and_documents_are_added_up_by_store() -> None:
    picture = picture_audit(audits(NOW_MS, runs=12), NOW_MS, 3_600.0)
    times = [run.written_ms for run in picture.runs]
    assert times == sorted(times)
    assert [run.passed for run in picture.runs].index(False) == 2
    assert [(one.store, one.documents) for one in picture.read] == [("elasticsearch", 6_885), ("mongodb", 7_285)]
    assert picture.documents == 6_885 + 7_285


def test_the_account_says_how_many_payments_are_nowhere() -> None:
    assert account_of(progress(NOW_MS)).difference == 0
    assert account_of(progress(NOW_MS, lost=3)).difference == 3


def test_the_budget_adds_up_what_was_published_and_counts_what_was_refused() -> None:
    picture = picture_budget(published(30, refused=3))
    assert picture is not None
    assert (picture.spent, picture.epsilon, picture.refused, picture.epsilon_left) == (27.0, 1.0, 3, 0.25)
    assert picture.total == published(30, refused=3)[3].total
    assert (picture.person_epsilon, picture.horizon_days) == (28.0, 7)
    assert picture_budget([]) is None


def test_the_budget_of_another_policy_is_not_added_to_that_of_the_newest() -> None:
    newest, *older = published(5)
    picture = picture_budget([msgspec.structs.replace(newest, policy="default-2"), *older])
    assert picture is not None
    assert (len(picture.windows), picture.spent) == (1, 1.0)


def test_a_budget_that_refused_everything_has_no_total() -> None:
    picture = picture_budget(published(2, refused=2))
    assert picture is not None
    assert (picture.epsilon, picture.spent, picture.total) == (0.0, 0.0, None)


def test_the_store_is_asked_no_more_often_than_every_two_seconds_however_many_look(clock: Clock) -> None:
    world = good_day(NOW_MS)
    desk = desk_of(world, clock)
    for _ in range(50):
        assert desk.state().store == "up"
    assert world.questions == {"progress": 1, "audits": 1, "releases": 1, "published_windows": 1}


def test_classes_are_read_again_only_after_new_ones_were_released(clock: Clock) -> None:
    world = good_day(NOW_MS)
    desk = desk_of(world, clock)
    desk.state()
    assert world.progress_document is not None
    world.progress_document = msgspec.structs.replace(world.progress_document, seq=41)
    clock.ms += 3_000
    desk.state()
    assert (world.questions["published_windows"], world.questions["releases"]) == (2, 1)
    world.progress_document = msgspec.structs.replace(world.progress_document, seq=42, classes=413)
    clock.ms += 3_000
    desk.state()
    assert world.questions["releases"] == 2


def test_a_store_that_began_anew_is_read_anew(clock: Clock) -> None:
    world = good_day(NOW_MS)
    desk = desk_of(world, clock)
    assert desk.state().releases is not None
    world.progress_document, world.release_documents, world.audit_documents = Progress("privacy", 0, classes=412), [], Audits()
    clock.ms += 3_000
    state = desk.state()
    assert state.releases is not None
    assert (state.releases.k, state.audit.verdict if state.audit else "") == (0, "never")


def test_a_dead_store_is_told_and_the_last_picture_stays(clock: Clock) -> None:
    world = good_day(NOW_MS)
    desk = desk_of(world, clock)
    before = desk.state()
    world.down = True
    clock.ms += 3_000
    after = desk.state()
    assert (after.store, after.loaded, after.account) == ("down", True, before.account)
    world.down = False
    clock.ms += 3_000
    assert desk.state().store == "up"


def test_a_store_that_is_down_from_the_beginning_is_told_too(clock: Clock) -> None:
    state = desk_of(PrivacyWorld(down=True), clock).state()
    assert (state.store, state.loaded, state.account) == ("down", False, None)


def test_nobody_waits_for_a_question_that_somebody_else_asks(clock: Clock) -> None:
    asked, answer = Event(), Event()

    class Slow(PrivacyWorld):
        def progress(self) -> Progress | None:
            asked.set()
            answer.wait(10.0)
            return super().progress()

    desk = desk_of(Slow(), clock)
    first = Thread(target=desk.state)
    first.start()
    assert asked.wait(10.0)
    assert desk.state().store == "unknown"
    answer.set()
    first.join()
    assert desk.state().store == "up"


@pytest.fixture(name="client")
def _client(clock: Clock) -> FlaskClient:
    return create_server(Hub(), desks=Desks(privacy=desk_of(good_day(NOW_MS), clock))).test_client()


def test_the_page_runs_only_files_of_ours(client: FlaskClient) -> None:
    answer = client.get("/privacy")
    rules = dict(rule.split(" ", 1) for rule in answer.headers["Content-Security-Policy"].split("; "))
    assert rules["default-src"] == "'none'"
    assert {rules[name] for name in ("script-src", "style-src", "img-src", "connect-src")} == {"'self'"}
    assert "unsafe" not in answer.headers["Content-Security-Policy"]
    assert not re.search(r"style=|<script>|<style|https?:", answer.text)
    for path in re.findall(r'(?:src|href)="(assets/[^"]+)"', answer.text):
        assert client.get(f"/{path}", buffered=True).status_code == 200, path


def test_what_it_shows_is_kept_by_nobody_and_names_no_class_or_member(client: FlaskClient) -> None:
    answer = client.get("/privacy/state")
    assert answer.headers["Cache-Control"] == "no-store"
    told = answer.get_json()
    assert (told["account"]["payments"], told["releases"]["k"], told["audit"]["verdict"]) == (6_412, 5, "passed")
    assert "class00" not in answer.text
    assert len(answer.data) < 40_000


def test_both_pages_lead_to_each_other(client: FlaskClient) -> None:
    assert 'href="./"' in client.get("/privacy").text
    assert re.search(r'"href": ?"privacy"', client.get("/_dash-layout").text)


def test_a_window_that_is_wider_than_the_narrowest_is_called_held(clock: Clock) -> None:
    state = desk_of(good_day(NOW_MS), clock).state()
    assert state.releases is not None
    held = [one for one in state.releases.windows if one.held]
    assert {(one.end_ms - one.start_ms) // HOUR_MS for one in held} == {6}
    assert state.releases.held_payments == sum(one.payments for one in held)
    assert sum(one.payments for one in state.releases.windows) == sum(one.release.payments for one in releases())
