"""Debian's Prometheus and its tool, and a server of it that scrapes what a test runs."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from devstack.install import cache_folder
from devstack.ports import free_port
from tests.integration.ingest_world import eventually
from veilocity import settings as kernel_settings

ROOT = Path(__file__).resolve().parents[2]
RULES = ROOT / "deploy" / "prometheus"


def program(name: str) -> str:
    """Return the path of `prometheus` or `promtool`, fetched if it is not there; where that cannot be, the test is skipped and says why."""
    # The cache that the run uses, as the servers of the tests do.
    settings = kernel_settings.load(cache_dir=kernel_settings.load().cache_dir)
    fetched = cache_folder(settings) / "prometheus" / "usr" / "bin" / name
    done = subprocess.run([str(ROOT / "devstack" / "bootstrap.sh"), "prometheus"], capture_output=True, text=True, check=False)
    found = shutil.which(name) or (str(fetched) if fetched.exists() else None)
    if found is None:
        pytest.skip(done.stderr.strip() or f"no {name} was found")
    return found


def promtool(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run `promtool` in the folder of the rules."""
    return subprocess.run([program("promtool"), *map(str, arguments)], cwd=RULES, capture_output=True, text=True, check=False)


class Prometheus:
    """A server and its questions."""

    def __init__(self, address: str) -> None:
        self._address = address

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Return the series that an instant query finds; an expression that it refuses fails the test."""
        answer = httpx.get(f"{self._address}/api/v1/query", params={"query": expression})
        body = answer.json()
        assert body["status"] == "success", f"{expression}: {body.get('error')}"
        found: list[dict[str, Any]] = body["data"]["result"]
        return found

    def value(self, expression: str) -> float:
        """Return the only number that an expression finds; 0 where it finds none."""
        found = self.query(expression)
        return float(found[0]["value"][1]) if found else 0.0

    def rules(self) -> list[dict[str, Any]]:
        """Return all rules with their health and state."""
        groups = httpx.get(f"{self._address}/api/v1/rules").json()["data"]["groups"]
        return [rule for group in groups for rule in group["rules"]]


@contextmanager
def prometheus(folder: Path, targets: dict[str, int]) -> Iterator[Prometheus]:
    """Run Prometheus on the committed configuration and rules, once a second, with other targets.

    Args:
        folder: for its configuration, data and log.
        targets: service to port.
    """
    config = yaml.safe_load((RULES / "prometheus.yml").read_text(encoding="utf-8"))
    config["global"] = {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
    config["rule_files"] = [str(RULES / name) for name in config["rule_files"]]
    # The notifier is found by name where it runs, which is not here.
    job = config["scrape_configs"][0]
    config["scrape_configs"] = [job]
    job["static_configs"] = [{"targets": [f"127.0.0.1:{port}"], "labels": {"service": name}} for name, port in targets.items()]
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config), encoding="utf-8")
    port = free_port(list(targets.values()))
    options = (
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
    )
    address, log = f"http://127.0.0.1:{port}", folder / "prometheus.log"
    with log.open("ab") as stream, subprocess.Popen([program("prometheus"), *options], stdout=stream, stderr=stream) as process:
        try:
            eventually("Prometheus is ready", lambda: process.poll() is not None or _is_ready(address))
            assert process.poll() is None, log.read_text(encoding="utf-8")
            yield Prometheus(address)
        finally:
            process.kill()


def _is_ready(address: str) -> bool:
    try:
        return httpx.get(f"{address}/-/ready").status_code == 200
    except httpx.TransportError:
        return False
