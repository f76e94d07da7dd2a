"""How long a newcomer waits: `make demo` in a fresh clone with an empty home, until the first alert is on the map; then a second start.

The second start runs without any download: the seconds are those of this machine alone. Run it with `make bench-e2e`.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import IO

from playwright.sync_api import Error, sync_playwright

from benchmarks.browser import CHROMIUM_ARGUMENTS, chromium, log_in
from benchmarks.figures import Figure, write

_ADDRESS = re.compile(r"Veilocity is live at (http://[\d.]+:\d+)")
_PASSWORD = re.compile(r"Log in as admin with the password (\S+)")
_FIRST_LIMIT_S = 1_200.0
_PORTS = {"VEILOCITY_DASHBOARD_PORT": "18050", "VEILOCITY_INGEST_PORT": "18088"}
"""A demo that already runs on this machine must not be in the way."""


class Demo:
    """One `make demo`, its output followed."""

    def __init__(self, checkout: Path, home: Path, password: str | None = None) -> None:
        """Start it.

        Args:
            checkout: the clone.
            home: of the newcomer.
            password: of an earlier start, which is the one that prints it.
        """
        self.password = password
        self.began = time.monotonic()
        environment = {"PATH": os.environ["PATH"], "HOME": str(home), "LANG": "C.UTF-8", **_PORTS}
        environment |= {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "SSL_", "REQUESTS_", "UV_"))}
        self._process = subprocess.Popen(
            ["make", "demo"],  # noqa: S607  # make by PATH, as a newcomer has it
            cwd=checkout,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._follow, args=(self._process.stdout,), daemon=True)
        self._reader.start()

    def _follow(self, stream: IO[str] | None) -> None:
        for line in stream or ():
            self.lines.append(line)
            told = _PASSWORD.match(line)
            if told:
                self.password = told[1]

    def first_alert_s(self) -> float:
        """Return the seconds from `make demo` to the first alert on the page."""
        url = f"http://127.0.0.1:{_PORTS['VEILOCITY_DASHBOARD_PORT']}"
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium(), args=list(CHROMIUM_ARGUMENTS))
            page = browser.new_page(viewport={"width": 1440, "height": 900})
            while time.monotonic() - self.began < _FIRST_LIMIT_S:
                if self._process.poll() is not None:
                    break
                if self.password is None:
                    pass  # nobody can log in before it is printed
                elif not page.url.startswith(url) or "/login" in page.url:
                    # Until somebody listens, and the store behind it answers.
                    with suppress(Error):
                        log_in(page, url, "admin", self.password)
                elif page.locator("[data-alert-id][data-state]").count():
                    elapsed = time.monotonic() - self.began
                    browser.close()
                    return elapsed
                page.wait_for_timeout(100)
            browser.close()
        raise SystemExit("no alert came to the page:\n" + "".join(self.lines[-30:]))

    def stop(self) -> None:
        """Press Ctrl-C."""
        os.killpg(self._process.pid, signal.SIGINT)
        self._process.wait(timeout=60)
        self._reader.join(timeout=10)


def main() -> None:
    """Measure both starts and write the figures."""
    with tempfile.TemporaryDirectory(prefix="veilocity-demo-") as folder:
        checkout, home = Path(folder) / "veilocity", Path(folder) / "home"
        home.mkdir()
        subprocess.run(["git", "clone", "-q", ".", str(checkout)], check=True)  # noqa: S607  # git by PATH
        seconds, password = [], None
        for start in ("first", "second"):
            demo = Demo(checkout, home, password)
            seconds.append(round(demo.first_alert_s(), 1))
            password = demo.password
            demo.stop()
            print(f"{start} start: {seconds[-1]} s to the first alert on the map", flush=True)
    figures = [
        Figure("demo.first_start_s", seconds[0], "s", "downloads included"),
        Figure("demo.second_start_s", seconds[1], "s", "<= 40"),
    ]
    write("demo", figures, ("pyspark", "dash"))


if __name__ == "__main__":
    main()
