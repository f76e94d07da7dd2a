"""How much the whole system carries on this machine, and how long an alert takes: HTTP to Kafka to rules to Spark to store to page.

Everything runs as `make demo` starts it, with a real Chromium looking at the page and the load's sender on the same cores. A rate counts
as sustained when the last document is in the stores within five seconds after 60 s of load. Run it with `make bench-e2e`.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import httpx
import msgspec
from confluent_kafka import Consumer, Message
from playwright.sync_api import Page, sync_playwright

from benchmarks.browser import CHROMIUM_ARGUMENTS, chromium, log_in
from benchmarks.e2e_load import PLAN, Sent
from benchmarks.figures import Figure, percentile, write
from devstack import Stack
from ingest.simulator import directory
from privacy.identifiers.keyring import KeyRing
from privacy.identifiers.pseudonyms import Pseudonymiser
from privacy.tokens import TokenKind
from rules.episodes import alert_id
from storage.accounts import AccountStore, random_password
from storage.queries import Reader
from storage.roles import Role
from veilocity import settings as kernel_settings
from veilocity.contracts import Alert, SubjectId, Transaction, decode
from veilocity.kafka import consumer_config, topic_name
from veilocity.settings import Settings
from veilocity.topics import ALERTS, TRANSACTIONS

SECONDS = 60.0
RATES = (1_500.0, 2_500.0)
WARM_UP_S = 20.0
SUSTAINED_DRAIN_S = 5.0
_RULE = "impossible-travel"
_NAME = "bench"
_WATCH = """() => {
  window.seenAlerts = {};
  const note = () => document.querySelectorAll('[data-alert-id][data-state]').forEach(row => {
    window.seenAlerts[row.dataset.alertId] ??= Date.now();
  });
  new MutationObserver(note).observe(document.body, {childList: true, subtree: true, attributes: true, attributeFilter: ['data-alert-id']});
}"""


class KafkaWatch(threading.Thread):
    """Notes when each payment came to Kafka, whose it was, and when its alert could be read."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(daemon=True)
        self._names = {topic_name(settings, ALERTS): self._alert, topic_name(settings, TRANSACTIONS): self._payment}
        self._consumer = Consumer(consumer_config(settings, "benchmark-watch", **{"auto.offset.reset": "latest"}))
        self._consumer.subscribe(list(self._names))
        self._stopping = threading.Event()
        self.written_ms: dict[str, int] = {}
        self.subjects: dict[str, SubjectId] = {}
        self.alerted_ms: dict[str, int] = {}

    def run(self) -> None:
        """Read until stopped."""
        while not self._stopping.is_set():
            for message in self._consumer.consume(500, 0.005):
                if message.error() is None:
                    self._names[message.topic() or ""](message)
        self._consumer.close()

    def _alert(self, message: Message) -> None:
        alert = decode(message.value() or b"", Alert)
        self.alerted_ms.setdefault(alert.anchor, time.time_ns() // 1_000_000)

    def _payment(self, message: Message) -> None:
        payment = decode(message.value() or b"", Transaction)
        self.written_ms[payment.id] = message.timestamp()[1]
        self.subjects[payment.id] = payment.subject

    def stop(self) -> None:
        """Stop reading."""
        self._stopping.set()
        self.join()


class Run(msgspec.Struct):
    """One rate's outcome."""

    rate: float
    events_per_s: float
    drain_s: float
    accepted: int
    kafka_to_alert_ms: list[float]
    http_to_page_ms: list[float]
    missing: int
    """Impossible trips that had not reached the page 20 s after the load."""

    @property
    def sustained(self) -> bool:
        """Whether the system kept up."""
        return self.drain_s <= SUSTAINED_DRAIN_S and not self.missing


def _send(url: str, rate: float, seconds: float, run: str) -> subprocess.Popen[bytes]:
    argv = [sys.executable, "-m", "benchmarks.e2e_load", url, str(rate), str(seconds), run]
    return subprocess.Popen(argv, stdout=subprocess.PIPE)


def _finish(sender: subprocess.Popen[bytes], page: Page | None = None) -> Sent:
    while sender.poll() is None:
        # Playwright serves the page's events only while it is called.
        page.wait_for_timeout(200) if page else time.sleep(0.2)
    output, _ = sender.communicate()
    if sender.returncode:
        raise SystemExit("the sender failed")
    return msgspec.json.decode(output, type=Sent)


def _drained(reader: Reader, payments: int, timeout_s: float = 120.0) -> float:
    """Wait until the stores hold so many payments; return when the last was written (seconds since 1970)."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        progress = reader.progress()
        if progress is not None and progress.transactions >= payments:
            return progress.written_ms / 1000
        time.sleep(0.1)
    raise SystemExit("the stores did not get every payment")


def _measure(stack: Stack, page: Page, reader: Reader, rate: float) -> Run:
    before = reader.progress()
    already = before.transactions if before else 0
    watch = KafkaWatch(stack.settings)
    watch.start()
    page.evaluate(_WATCH)
    run = f"run-{rate:.0f}"
    sent = _finish(_send(stack.address("ingest"), rate, SECONDS, run), page)
    if sent.failed or sent.rejected:
        print(f"{sent.failed} events were not answered with 200 and {sent.rejected} rejected", flush=True)
    last_s = _drained(reader, already + sent.payments)
    made = Pseudonymiser(KeyRing.from_file(stack.settings.token_key_file), "mongodb", 0)
    # An alert's token is the same at all times.
    tokens = {name: made.token(TokenKind.ALERT, alert_id(_RULE, watch.subjects[name], name), 0) for name in sent.frauds}
    deadline = time.monotonic() + 20.0
    seen: dict[str, int] = {}
    while time.monotonic() < deadline and not set(tokens.values()) <= set(seen):
        page.wait_for_timeout(500)
        seen = page.evaluate("() => window.seenAlerts")
    watch.stop()
    return Run(
        rate=rate,
        events_per_s=sent.accepted / max(last_s - sent.began_ms / 1000, SECONDS),
        drain_s=last_s - sent.ended_ms / 1000,
        accepted=sent.accepted,
        kafka_to_alert_ms=[float(watch.alerted_ms[name] - watch.written_ms[name]) for name in sent.frauds if name in watch.alerted_ms],
        http_to_page_ms=[float(seen[token] - sent.frauds[name]) for name, token in tokens.items() if token in seen],
        missing=sum(token not in seen for token in tokens.values()),
    )


def _report(run: Run) -> None:
    kafka, page = run.kafka_to_alert_ms, run.http_to_page_ms
    print(
        f"{run.rate:,.0f} events/s offered: {run.events_per_s:,.0f}/s carried, drained {run.drain_s:.1f} s after the load, "
        f"{len(page)} impossible trips ({run.missing} missing), Kafka to alert p50 {percentile(kafka, 0.5):.0f} ms "
        f"p99 {percentile(kafka, 0.99):.0f} ms, HTTP to page p50 {percentile(page, 0.5):,.0f} ms p99 {percentile(page, 0.99):,.0f} ms",
        flush=True,
    )


def main() -> None:
    """Measure every rate and write the figures of the highest that is sustained (of the lowest, if none is)."""
    with tempfile.TemporaryDirectory(prefix="veilocity-bench-") as folder:
        settings = kernel_settings.load({}, state_dir=Path(folder))
        with Stack(settings) as stack, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium(), args=list(CHROMIUM_ARGUMENTS))
            page = browser.new_page(viewport={"width": 1440, "height": 900})
            log_in(page, stack.address("dashboard"), _NAME, _account(stack))
            reader = Reader(stack.settings)
            _put_directory(stack)
            warmed_up = _finish(_send(stack.address("ingest"), 500.0, WARM_UP_S, "warm-up"), page)
            _drained(reader, warmed_up.payments)
            runs = []
            for rate in RATES:
                runs.append(_measure(stack, page, reader, rate))
                _report(runs[-1])
            reader.close()
            browser.close()
    best = max((run for run in runs if run.sustained), key=lambda run: run.rate, default=runs[0])
    kafka, to_page = best.kafka_to_alert_ms, best.http_to_page_ms
    figures = [
        Figure("e2e.events_per_s", round(best.events_per_s, 1), "events/s", ">= 1500 (aim 2500)"),
        Figure("e2e.kafka_to_alert_p50_ms", percentile(kafka, 0.5), "ms", ""),
        Figure("e2e.kafka_to_alert_p99_ms", percentile(kafka, 0.99), "ms", "<= 300 (aim 200)"),
        Figure("e2e.http_to_page_p50_ms", percentile(to_page, 0.5), "ms", ""),
        Figure("e2e.http_to_page_p99_ms", percentile(to_page, 0.99), "ms", "<= 3500 (aim 2500)"),
    ]
    write("e2e", figures, ("confluent-kafka", "pyspark", "pymongo", "elasticsearch", "dash"))


def _account(stack: Stack) -> str:
    """Make an account that may look, and return its password."""
    password = random_password()
    with AccountStore(stack.settings) as accounts:
        accounts.add(_NAME, Role.VIEW, password, time.time_ns() // 1_000_000, must_change=False)
    return password


def _put_directory(stack: Stack) -> None:
    entries = list(directory(PLAN))

    for start in range(0, len(entries), 2_000):
        body = msgspec.json.encode(entries[start : start + 2_000])
        httpx.put(f"{stack.address('ingest')}/v1/directory", content=body, timeout=30.0).raise_for_status()


if __name__ == "__main__":
    main()
