"""The audit on a schedule: a process of its own reads both stores as an outsider would, and its result becomes metrics and a log line.

It is another process so that it takes from micro-batches only what the machine has to spare, and can be ended at any moment. An audit that
fails to run is told in the log and tried again when the next is due; the metrics keep the last result.
"""

from __future__ import annotations

import subprocess
import sys
import threading
import time

import msgspec
import psutil

from privacy.audit import AuditReport, AuditSchedule
from privacy.audit.schedule import expect, observe
from veilocity.logs import get_logger
from veilocity.settings import Settings

__all__ = ["Watch"]

_LOG = get_logger(__name__)
_COMMAND = (sys.executable, "-m", "veilocity.cli", "privacy", "audit", "--json")
_LOOK_S = 0.5
_FIRST_AFTER_S = 300.0
_COURTESY = 10
"""Added to the nice value of the process."""
_STOP_WITHIN_S = 2.0
_FAULTS_CODE = 1
"""With which the command ends where it found faults; it has printed its report then, too."""


class Watch:
    """Audits every `privacy_audit_s`, first after five minutes or that time, whichever is shorter; 0 for never."""

    def __init__(self, settings: Settings) -> None:
        every_s = settings.privacy_audit_s
        self._schedule = AuditSchedule(every_s, min(_FIRST_AFTER_S, every_s))
        self._stop = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._run, name="audit", daemon=True)

    def start(self) -> None:
        """Start looking at the clock."""
        expect(self._schedule.every_s, time.time())
        if self._schedule.every_s:
            self._thread.start()

    def stop(self) -> None:
        """End the audit that runs, if any."""
        self._stop.set()
        process = self._process
        if process is not None and process.poll() is None:
            process.kill()
        if self._thread.ident is not None:
            self._thread.join(_STOP_WITHIN_S)

    def _run(self) -> None:
        began_s, last_s = time.monotonic(), None
        while not self._stop.wait(_LOOK_S):
            now_s = time.monotonic() - began_s
            if self._schedule.is_due(now_s, last_s):
                last_s = now_s
                self._audit()

    def _audit(self) -> None:
        # Settings come to it as they came to us: by the environment.
        with subprocess.Popen(_COMMAND, stdout=subprocess.PIPE) as process:  # noqa: S603  # our own program, no argument from outside
            self._process = process
            _step_back(process.pid)
            printed, _ = process.communicate()
        if self._stop.is_set():
            return
        try:
            report = msgspec.json.decode(printed, type=AuditReport)
        except msgspec.MsgspecError:
            _LOG.warning("The audit of the stores did not come to an end: its own lines in this log say why.", code=process.returncode)
            return
        observe(report)
        if process.returncode == _FAULTS_CODE:
            _LOG.error(
                "The audit found what must not be in a store: run `veilocity privacy audit` to see where.", faults=report.fault_count
            )
        else:
            _LOG.info("The audit found nothing.", seconds=round(report.seconds, 1))


def _step_back(pid: int) -> None:
    """Let everything else go first."""
    try:
        psutil.Process(pid).nice(_COURTESY)
    except psutil.Error:
        # It is gone already, or the system does not let us: it runs as it is.
        return
