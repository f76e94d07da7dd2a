"""The notifications file: what is understood, and every fault by its field, never with a secret."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from storage.notifications.backoff import LONGEST_RETRY_AFTER_MS, Patience, next_attempt_ms, retry_after_ms
from storage.notifications.file import notifications_of, read_notifications
from storage.notifications.receivers import EmailReceiver, Sources, WebhookReceiver
from veilocity.cli import app
from veilocity.errors import SettingsError

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # noqa: S105  # published
VARIABLES = {
    "HOOK": SECRET,
    "URL": "https://hooks.example.com/T0/secret-token",
    "MAIL": "swordfish",
    "EMPTY": " ",
    "SHORT": "whsec_c2hvcnQ=",
}
GOOD = """
dashboard_url: https://fraud.example.com/
receivers:
  hook:
    webhook: {url: "https://hooks.example.com/x?y=1", secret_env: HOOK, allow_networks: [10.0.0.0/8], timeout: 20s}
  mail:
    email: {host: smtp.example.com, username: v, password_env: MAIL, from: v@example.com, to: [a@example.com, b@example.com]}
routes:
  - {name: grave, severity: high, receivers: [hook, mail], continue: true}
  - {name: rest, receivers: [mail], repeat_interval: 4h, group_by: [person], rules: [impossible-travel]}
delivery: {first_delay: 2s, give_up_after: 1d}
"""


def read(text: str, folder: Path = Path()) -> object:
    return notifications_of(text, "n.yaml", Sources(folder, VARIABLES))


def test_a_good_file_is_understood() -> None:
    found = notifications_of(GOOD, "n.yaml", Sources(Path(), VARIABLES))
    assert found.dashboard_url == "https://fraud.example.com"
    assert list(found.channels) == ["grave>hook", "grave>mail", "rest>mail"]
    assert found.channels["rest>mail"].timing.repeat_ms == 4 * 3_600_000
    assert found.channels["grave>hook"].timing.repeat_ms is None
    hook, mail = found.receivers["hook"], found.receivers["mail"]
    assert isinstance(hook, WebhookReceiver)
    assert isinstance(mail, EmailReceiver)
    assert (hook.url.netloc, hook.timeout_s, len(hook.keys)) == ("hooks.example.com", 20.0, 1)
    assert (mail.port, mail.security, mail.password) == (587, "starttls", "swordfish")
    assert found.delivery.patience == Patience(first_ms=2_000, give_up_ms=86_400_000)
    for secret in (SECRET, "swordfish", "hooks.example.com"):
        assert secret not in repr(found)


HOOK = 'webhook: {url: "https://hooks.example.com/x?y=1", secret_env: HOOK, allow_networks: [10.0.0.0/8], timeout: 20s}'
MAIL = "email: {host: smtp.example.com, username: v, password_env: MAIL, from: v@example.com, to: [a@example.com, b@example.com]}"


@pytest.mark.parametrize(
    ("before", "after", "fault"),
    [
        ("routes:", "rotes:", "n.yaml: Object contains unknown field `rotes`"),
        ("severity: high", "severity: grave", "n.yaml: routes[0].severity: Invalid enum value 'grave'"),
        ("severity: high", "severty: high", "n.yaml: routes[0]: Object contains unknown field `severty`"),
        ("name: rest", "name: grave", "n.yaml: routes: two have one name"),
        ("name: rest", "name: Rest!", "a name has up to 40 small letters"),
        ("[hook, mail]", "[hook, phone]", "routes, grave: receivers: name some that are there (hook, mail)"),
        ("[hook, mail]", "[]", "routes, grave: receivers: name some that are there"),
        ("4h", "4 hours", "routes, rest: repeat_interval: a duration is"),
        ("4h", "1m", "routes, rest: repeat_interval: at least group_interval, or `never`"),
        ("[person]", "[rule]", "routes, rest: group_by: a case is about one person"),
        ("severity: high", "group_wait: 10m", "routes, grave: group_wait: at most group_interval"),
        ("severity: high", "group_interval: 2d", "routes, grave: group_interval: from 1s to 1d"),
        ("severity: high", "forget_after: 1m", "routes, grave: forget_after: at least group_interval"),
        ("severity: high", "storm_cases: 0", "routes, grave: storm_cases: from 1 to 1000"),
        ("https://fraud.example.com/", "fraud.example.com", "dashboard_url: write http(s)://HOST"),
        ("https://fraud.example.com/", "https://a:b@fraud.example.com/", "dashboard_url: write http(s)://HOST"),
        (HOOK, "{}", "receivers, hook: write either webhook or email"),
        (HOOK, f"{HOOK}\n    {MAIL}", "receivers, hook: write either webhook or email"),
        ("secret_env: HOOK, ", "", "receivers, hook, webhook: write secret_file or secret_env, as every message is signed"),
        ("secret_env: HOOK", "secret: whsec_x", "Object contains unknown field `secret`"),
        ("secret_env: HOOK", "secret_env: HOOK, secret_file: f", "receivers, hook, webhook: secret_file and secret_env are both set"),
        ("secret_env: HOOK", "secret_env: NOT_THERE", "receivers, hook, webhook: secret is empty or not set"),
        ("secret_env: HOOK", "secret_env: EMPTY", "receivers, hook, webhook: secret is empty or not set"),
        ("secret_env: HOOK", "secret_env: SHORT", "receivers, hook, webhook: a webhook secret has 24 to 64 bytes"),
        ("secret_env: HOOK", "secret_env: VEILOCITY_HOOK", "names with VEILOCITY_ are settings"),
        ("secret_env: HOOK", "secret_file: nowhere", "receivers, hook, webhook: secret_file cannot be read (FileNotFoundError)"),
        ("10.0.0.0/8", "10.0.0.1/8", "receivers, hook, webhook: allow_networks: write networks"),
        ("timeout: 20s", "timeout: 2m", "receivers, hook, webhook: timeout: from 1s to 60s"),
        ("timeout: 20s", "ca_file: nowhere", "receivers, hook, webhook, ca_file: there is no such file"),
        ("timeout: 20s", "url_env: URL", "receivers, hook, webhook: write one of url, url_file and url_env"),
        ("https://hooks", "http://hooks", "receivers, hook, webhook: url: plain HTTP can be read on the way"),
        ("https://hooks", "ftp://hooks", "receivers, hook, webhook: url: write https://HOST/PATH"),
        ("https://hooks", "https://u:p@hooks", "receivers, hook, webhook: url: no user name or password"),
        ("x?y=1", "x#y", "receivers, hook, webhook: url: a fragment is never sent"),
        ("x?y=1", "x y", "receivers, hook, webhook: url: write characters that are not ASCII"),
        ("hooks.example.com/x", "hooks.example.com:0/x", "receivers, hook, webhook: url: write https://HOST/PATH"),
        ("hooks.example.com/x", "hooks.example.com:99999/x", "receivers, hook, webhook: url: this is no address"),
        ("username: v, ", "", "receivers, mail, email: username and password_file"),
        ("username: v", "username: v, security: none", "a password is never sent over a line that can be read"),
        ("a@example.com", "everybody", "receivers, mail, email: write mailboxes as name@example.com"),
        ("v@example.com", '"v@example.com\\nBcc: x@example.com"', "receivers, mail, email: write mailboxes as name@example.com"),
        ("[a@example.com, b@example.com]", "[]", "receivers, mail, email: to: nobody"),
        ("first_delay: 2s", "first_delay: 0s", "delivery, first_delay: more than 0"),
        ("first_delay: 2s", "claim: 20s", "delivery, claim: longer than every timeout"),
        ("first_delay: 2s", "keep: 1m", "delivery, keep: at least every group_interval"),
        ("first_delay: 2s", "keep: long", "delivery, keep: a duration is"),
    ],
)
def test_a_fault_is_told_by_its_field_and_without_a_secret(before: str, after: str, fault: str) -> None:
    assert before in GOOD
    with pytest.raises(SettingsError) as refused:
        read(GOOD.replace(before, after, 1))
    assert fault in str(refused.value)
    assert str(refused.value).startswith("n.yaml: ")
    for secret in ("MfKQ9r8GK", "swordfish", "c2hvcnQ"):
        assert secret not in str(refused.value)


def test_secrets_and_paths_begin_at_the_files_folder(tmp_path: Path) -> None:
    (tmp_path / "hook").write_text(f"{SECRET}\n")
    (tmp_path / "old").write_text("a" * 32)
    (tmp_path / "address").write_text("https://hooks.example.com/T0/secret-token\n")
    written = 'url: "https://hooks.example.com/x?y=1", secret_env: HOOK'
    text = GOOD.replace(written, "url_file: address, secret_file: hook, previous_secret_file: old")
    (tmp_path / "n.yaml").write_text(text)
    hook = read_notifications(tmp_path / "n.yaml", VARIABLES).receivers["hook"]
    assert isinstance(hook, WebhookReceiver)
    assert (hook.url.path, len(hook.keys)) == ("/T0/secret-token", 2)


def test_the_command_judges_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)
    file = tmp_path / "n.yaml"
    file.write_text(GOOD)
    told = CliRunner().invoke(app, ["notify", "check", str(file)])
    assert told.exit_code == 0
    assert "The file is in order." in told.output
    file.write_text(GOOD.replace("impossible-travel", "imposible-travel"))
    told = CliRunner().invoke(app, ["notify", "check", str(file)])
    assert isinstance(told.exception, SettingsError)
    assert "routes, rest: rules: there is no rule 'imposible-travel'" in str(told.exception)


def test_a_test_message_that_does_not_arrive_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)
    file = tmp_path / "n.yaml"
    file.write_text(GOOD.replace("hooks.example.com/x", "127.0.0.1:1/x"))
    monkeypatch.setenv("VEILOCITY_NOTIFICATIONS_FILE", str(file))
    told = CliRunner().invoke(app, ["notify", "test", "hook"])
    assert told.exit_code == 1
    assert "The test message did not arrive: the address is refused: a private or reserved address." in told.output
    told = CliRunner().invoke(app, ["notify", "test", "phone"])
    assert "there is no such receiver; there are hook, mail" in str(told.exception)
    monkeypatch.delenv("VEILOCITY_NOTIFICATIONS_FILE")
    told = CliRunner().invoke(app, ["notify"])
    assert "name a file by VEILOCITY_NOTIFICATIONS_FILE" in str(told.exception)


def test_waits_grow_between_half_a_bound_and_all_of_it() -> None:
    patience = Patience(first_ms=1_000, longest_ms=8_000, give_up_ms=100_000)
    for attempts, bound_ms in ((1, 1_000), (2, 2_000), (4, 8_000), (5, 8_000), (10_000, 8_000)):
        assert next_attempt_ms(patience, attempts, 0, 0, 0.0) == bound_ms // 2
        assert next_attempt_ms(patience, attempts, 0, 0, 1.0) == bound_ms
    assert next_attempt_ms(patience, 1, 0, 99_500, 0.5) is None
    assert next_attempt_ms(patience, 1, 0, 0, 1.0, retry_after_ms=500) == 1_000
    assert next_attempt_ms(patience, 1, 0, 0, 1.0, retry_after_ms=100_001) is None
    assert next_attempt_ms(Patience(), 1, 0, 0, 1.0, retry_after_ms=10**12) == LONGEST_RETRY_AFTER_MS


@pytest.mark.parametrize(
    ("header", "wait_ms"),
    [
        (None, None),
        ("0", 0),
        (" 30 ", 30_000),
        ("9" * 400, LONGEST_RETRY_AFTER_MS),
        ("-5", None),
        ("1.5", None),
        ("Thu, 01 Jan 1970 00:00:05 GMT", 0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", LONGEST_RETRY_AFTER_MS),
        ("Thu, 01 Jan 1970 00:01:00", None),
        ("Thu, 99 Jan 1970 00:01:00 GMT", None),
    ],
)
def test_what_a_receiver_asks_for_is_read_or_left(header: str | None, wait_ms: int | None) -> None:
    assert retry_after_ms(header, 30_000) == wait_ms
