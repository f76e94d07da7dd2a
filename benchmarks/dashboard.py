"""How smooth the live map is, how soon it shows what happened, and what it costs the server: `make bench-dashboard`.

The dashboard runs as a user starts it, on a real MongoDB; a real Chromium looks at the live map, the other viewers read the stream. Two
loads are written into the store as the privacy stage writes them (`benchmarks.dashboard_feed`), everything on the same cores:

- 5,000 people who move, a thousand a second: longest task of the page's main thread in each second, what its heap grew by after collecting
  garbage, and the processor time of the server's processes;
- a hundred events a second, two of them alerts: from the moment at which an alert happened until the frame that shows its row was painted.
  The way from the gateway to the store is not in it; `make bench-e2e` measures that.

A timer of five milliseconds sees how long the page's main thread was away; what it sees is never shorter than the longest task, and longer
where another process had the core.
"""

from __future__ import annotations

import argparse
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec
import psutil
from playwright.sync_api import CDPSession, Page, sync_playwright

from benchmarks.browser import CHROMIUM_ARGUMENTS, chromium
from benchmarks.dashboard_feed import MOVING, PEOPLE, Fed
from benchmarks.figures import Figure, percentile, write
from devstack import Stack
from veilocity import settings as kernel_settings

SECONDS = 300.0
EVENTS_SECONDS = 60.0
VIEWERS = 10
_WARM_S = 20.0
_FIRST_SEQ_OF_EVENTS = 1_000_000
_MEGABYTE = 1_000_000.0
_WATCH = """() => {
  const TIMER_MS = 5;
  const bench = window.bench = { worst: [], seen: {} };
  let [last, worst, second] = [performance.now(), 0, 0];
  window.setInterval(() => {
    const now = performance.now();
    worst = Math.max(worst, now - last - TIMER_MS);
    last = now;
    if (Math.floor(now / 1000) === second) return;
    if (second) bench.worst.push(worst);
    [second, worst] = [Math.floor(now / 1000), 0];
  }, TIMER_MS);
  // A message sent in a frame arrives after that frame was painted.
  const painted = (work) => requestAnimationFrame(() => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = work;
    port2.postMessage(null);
  });
  new MutationObserver((changes) => {
    const rows = changes.flatMap(({ addedNodes }) => [...addedNodes]).map((node) => node.dataset?.alertId).filter(Boolean);
    if (rows.length) painted(() => rows.forEach((id) => { bench.seen[id] ??= Date.now(); }));
  }).observe(document.getElementById("alerts"), { childList: true });
}"""


@contextmanager
def _dashboard(stack: Stack) -> Iterator[tuple[str, psutil.Process]]:
    """Start the dashboard on a free port and give its address and its process."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    variables = {"VEILOCITY_DASHBOARD_PORT": str(port), "VEILOCITY_DASHBOARD_LOGIN": "off"}
    process = subprocess.Popen([sys.executable, "-m", "veilocity.cli", "dashboard"], env=_environment(stack) | variables)
    url = f"http://127.0.0.1:{port}"
    try:
        _until_answering(url, process)
        yield url, psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait()


def _until_answering(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60.0
    while time.monotonic() < deadline and process.poll() is None:
        try:
            httpx.get(f"{url}/healthz")
        except httpx.TransportError:
            time.sleep(0.1)
        else:
            return
    raise SystemExit("the dashboard did not answer")


def _environment(stack: Stack) -> dict[str, str]:
    settings = stack.settings
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("VEILOCITY_")},
        "VEILOCITY_MONGODB_URI": settings.mongodb_uri.get_secret_value(),
        "VEILOCITY_MONGODB_DATABASE": settings.mongodb_database,
        "VEILOCITY_STATE_DIR": str(settings.state_dir),
    }


def _feed(stack: Stack, load: str, seconds: float, first_seq: int) -> subprocess.Popen[bytes]:
    argv = [sys.executable, "-m", "benchmarks.dashboard_feed", load, str(seconds), str(first_seq)]
    return subprocess.Popen(argv, env=_environment(stack), stdout=subprocess.PIPE)


def _finish(feeder: subprocess.Popen[bytes], page: Page) -> Fed:
    while feeder.poll() is None:
        # Playwright serves the page's events only while it is called.
        page.wait_for_timeout(500)
    output, _ = feeder.communicate()
    if feeder.returncode:
        raise SystemExit("the feeder failed")
    return msgspec.json.decode(output, type=Fed)


def _processor_s(process: psutil.Process) -> float:
    """Return the processor time of a process and its children so far."""
    times = [one.cpu_times() for one in (process, *process.children(recursive=True))]
    return sum(one.user + one.system for one in times)


def _heap_mb(session: CDPSession) -> float:
    """Return what the page's heap holds once nothing is left to collect."""
    for _ in range(3):
        session.send("HeapProfiler.collectGarbage")
    metrics: list[dict[str, Any]] = session.send("Performance.getMetrics")["metrics"]
    return next(float(one["value"]) for one in metrics if one["name"] == "JSHeapUsedSize") / _MEGABYTE


def _state(page: Page) -> dict[str, Any]:
    found: dict[str, Any] = page.evaluate("window.veilocity.state()")
    return found


def _until_drawn(page: Page, people: int) -> None:
    deadline = time.monotonic() + 90.0
    while time.monotonic() < deadline:
        found: dict[str, Any] = page.evaluate("window.veilocity ? window.veilocity.state() : {}")
        if found.get("people") == people and found.get("drawn", 0) > 0 and found["pixelsPerKm"] > 1:
            return
        page.wait_for_timeout(200)
    raise SystemExit("the map was not drawn")


def moving(stack: Stack, page: Page, url: str, server: psutil.Process, seconds: float) -> list[Figure]:
    """Look at people who move and return what it took."""
    feeder = _feed(stack, "moving", seconds + _WARM_S, 0)
    page.goto(url, wait_until="domcontentloaded")
    _until_drawn(page, PEOPLE)
    viewers = subprocess.Popen([sys.executable, "-m", "benchmarks.dashboard_viewers", url, str(VIEWERS - 1), str(seconds + _WARM_S)])
    page.wait_for_timeout(1_000.0 * _WARM_S / 2)
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable")
    page.evaluate(_WATCH)
    heap_mb, used_s, began, frames = _heap_mb(session), _processor_s(server), time.monotonic(), _state(page)["frames"]
    fed = _finish(feeder, page)
    wall_s, cores = time.monotonic() - began, (_processor_s(server) - used_s) / (time.monotonic() - began)
    grown_mb, worst = _heap_mb(session) - heap_mb, page.evaluate("window.bench.worst")
    shown, drawn = _state(page), (_state(page)["frames"] - frames) / wall_s
    viewers.wait()
    carried = f"{shown['people']:,} people, {fed.positions / fed.seconds:,.0f} updates/s, {drawn:.1f} frames/s, {wall_s:.0f} s"
    print(f"{carried}; heap {heap_mb:.1f} MB at first; longest tasks p50 {percentile(worst, 0.5):.0f} max {max(worst):.0f} ms", flush=True)
    return [
        Figure("page.longest_task_p95_ms", round(percentile(worst, 0.95), 1), "ms", "< 50", peer=carried),
        Figure("page.memory_growth_mb", round(grown_mb, 2), "MB", "<= 5", peer=carried),
        Figure("server.cpu_cores_10_viewers", round(cores, 3), "cores", "< 0.5", peer=carried),
        Figure("feed.updates_per_s", round(fed.positions / fed.seconds, 1), "updates/s", f">= {MOVING.positions * 0.95:.0f}"),
    ]


def events(stack: Stack, page: Page, seconds: float) -> list[Figure]:
    """Look at alerts as they come and return how long each took to the screen."""
    fed = _finish(_feed(stack, "events", seconds, _FIRST_SEQ_OF_EVENTS), page)
    page.wait_for_timeout(3_000)
    seen: dict[str, float] = page.evaluate("window.bench.seen")
    missing = len(fed.alerts.keys() - seen.keys())
    took = [seen[name] - happened for name, happened in fed.alerts.items() if name in seen]
    told = f"{len(took)} alerts, {missing} missing, p50 {percentile(took, 0.5):.0f} ms, max {max(took):.0f} ms"
    print(told, flush=True)
    return [
        Figure("page.event_to_pixel_p95_ms", round(percentile(took, 0.95), 1), "ms", "< 1000", peer=told),
        Figure("page.alerts_missing", float(missing), "alerts", "0"),
    ]


def main() -> None:
    """Measure both loads and write the figures."""
    parser = argparse.ArgumentParser(description="Measure the live map.")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="how long people move")
    parser.add_argument("--events-seconds", type=float, default=EVENTS_SECONDS, help="how long alerts are timed")
    parser.add_argument("--try", dest="trial", action="store_true", help="print the figures and keep none")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="veilocity-dashboard-") as folder, sync_playwright() as playwright:
        loaded = kernel_settings.load({}, state_dir=Path(folder))
        with Stack(loaded, servers=("mongodb",), services=()) as stack, _dashboard(stack) as (url, server):
            browser = playwright.chromium.launch(executable_path=chromium(), args=list(CHROMIUM_ARGUMENTS))
            page = browser.new_page(viewport={"width": 1280, "height": 720})
            figures = moving(stack, page, url, server, arguments.seconds)
            figures += events(stack, page, arguments.events_seconds)
            version = browser.version
            browser.close()
    if arguments.trial:
        for figure in figures:
            print(f"{figure.figure:32} {figure.value:12,.1f} {figure.unit:10} target {figure.target}")
        return
    write("dashboard", figures, ("dash", "plotly", "gunicorn", "pymongo"), {"chromium": version})


if __name__ == "__main__":
    main()
