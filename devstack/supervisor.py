"""Keeps a set of processes alive: each has a thread that starts it, asks until it is ready, waits for its end and starts it again.

The threads do everything with processes; whoever calls only asks and waits. So no signal and no exception of a caller can come between
a start and its record.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

from devstack import failures, sessions
from devstack.cancellation import Cancellation
from devstack.process import Folders, ProcessSpec, RunningProcess, State
from veilocity.errors import StateError, VeilocityError

__all__ = ["Supervisor"]

_FIRST_PAUSE_S = 0.2
_LONGEST_PAUSE_S = 10.0
_CALM_S = 30.0
"""A process that lived this long had a good start: its next pause is short again."""
_EARLY_DEATHS = 4
"""A process that dies this often before it was ever ready will not come up by itself."""
_GRACE_S = 2.0
"""How long descendants may outlive the leader of their session."""


class _Minder:
    """The life of one process, in a thread of its own."""

    def __init__(self, spec: ProcessSpec, folders: Folders, changed: Callable[[str, State, str], None]) -> None:
        self.spec = spec
        self.state = State.STARTING
        self.error: VeilocityError | None = None
        self.restarts = 0
        self._folders = folders
        self._changed = changed
        self._ending = threading.Event()
        self._process: RunningProcess | None = None
        self._started_once = threading.Event()
        self._set(State.STARTING, "starting")
        self._thread = threading.Thread(target=self._live, name=f"minder-{spec.name}", daemon=True)
        self._thread.start()

    @property
    def pid(self) -> int | None:
        process = self._process
        return process.popen.pid if process is not None and process.popen.returncode is None else None

    def terminate(self) -> None:
        self._ending.set()
        self._started_once.wait()
        if self._process is not None:
            self._process.terminate()

    def kill(self) -> None:
        """End the session at once; the thread sees the end and does what the spec says."""
        self._started_once.wait()
        if self.state is State.READY:
            # Said here already, so that nobody who asks right after finds the dead one ready.
            self.state = State.RESTARTING if self.spec.restarts else State.STOPPED
        if self._process is not None:
            self._process.kill()

    def join(self, timeout_s: float) -> bool:
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _live(self) -> None:
        pause_s, early_deaths, ever_ready = _FIRST_PAUSE_S, 0, False
        while not self._ending.is_set():
            started_s = time.monotonic()
            try:
                self._process = RunningProcess.start(self.spec, self._folders)
            except OSError as cause:
                self._fail(failures.unstartable(self.spec.name, cause))
                return
            finally:
                self._started_once.set()
            if self._ending.is_set():
                # Somebody asked to end between the loop's question and the start.
                self._process.terminate()
            was_ready = self._await_ready(self._process)
            code = self._process.popen.wait()
            self._end_descendants(self._process)
            if self._ending.is_set():
                break
            ever_ready = ever_ready or was_ready
            early_deaths += 1
            if not self._goes_on(code, ever_ready, early_deaths):
                return
            pause_s = _FIRST_PAUSE_S if time.monotonic() - started_s > _CALM_S else pause_s
            self.restarts += 1
            self._set(State.RESTARTING, f"ended with code {code}, starts again")
            self._ending.wait(pause_s)
            pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)
        self._set(State.STOPPED, "stopped")

    def _goes_on(self, code: int, ever_ready: bool, early_deaths: int) -> bool:
        """Settle what the end of a process means; return whether it starts again.

        What was ready once starts again however often it dies: what stops it now (a port, a server) may pass.
        """
        if self.spec.finishes and code == 0:
            self._set(State.FINISHED, "finished")
            return False
        hopeless = not self.spec.restarts or (not ever_ready and (early_deaths >= _EARLY_DEATHS or code == failures.FATAL_EXIT))
        if hopeless and not ever_ready:
            self._fail(failures.explain(self.spec.name, code, self._folders.log(self.spec.name)))
        elif hopeless:
            self._set(State.STOPPED, f"ended with code {code}")
        return not hopeless

    def _await_ready(self, process: RunningProcess) -> bool:
        deadline = time.monotonic() + self.spec.ready_timeout_s
        while process.popen.poll() is None and not self._ending.is_set():
            if self.spec.ready() and process.popen.poll() is None:
                self._set(State.READY, "ready")
                return True
            if time.monotonic() > deadline:
                self.error = failures.explain(self.spec.name, None, self._folders.log(self.spec.name))
                process.kill()
                return False
            self._ending.wait(0.1)
        return False

    def _end_descendants(self, process: RunningProcess) -> None:
        deadline = time.monotonic() + _GRACE_S
        while sessions.members(process.popen.pid) and time.monotonic() < deadline:
            time.sleep(0.05)
        process.kill()
        sessions.forget(self._folders.run, self.spec.name)

    def _fail(self, error: VeilocityError) -> None:
        self.error = self.error or error
        self._set(State.FAILED, str(self.error))

    def _set(self, state: State, sentence: str) -> None:
        self.state = state
        self._changed(self.spec.name, state, sentence)


class Supervisor:
    """Starts, watches and ends processes. Safe to call from any thread.

    Args:
        folders: where records and logs go.
        listener: told every change (name, state, sentence), from the threads of the processes.
    """

    def __init__(self, folders: Folders, listener: Callable[[str, State, str], None]) -> None:
        self._folders = folders
        self._listener = listener
        self._minders: dict[str, _Minder] = {}
        self._news = threading.Condition()
        self._hurry = threading.Event()

    def start(self, spec: ProcessSpec) -> None:
        """Start a process.

        Raises:
            StateError: one of that name runs already.
        """
        running = self._minders.get(spec.name)
        if running is not None and not running.join(0):
            raise StateError(f"{spec.name} runs already: stop it first")
        self._minders[spec.name] = _Minder(spec, self._folders, self._changed)

    def states(self) -> dict[str, State]:
        """Return the state of every process."""
        return {name: minder.state for name, minder in self._minders.items()}

    def pid(self, name: str) -> int | None:
        """Return the process number, or None while it is not running."""
        return self._minders[name].pid

    def restarts(self, name: str) -> int:
        """Return how often the process was started again because it had died."""
        return self._minders[name].restarts

    def wait_ready(self, names: Iterable[str], cancellation: Cancellation) -> None:
        """Return when all are ready.

        Raises:
            VeilocityError: one of them ended, or did not get ready in its time; says why.
            Cancelled: somebody asked to stop.
        """
        for name in names:
            while self._minders[name].state not in (State.READY, State.FINISHED):
                cancellation.check()
                self._check()
                with self._news:
                    self._news.wait(0.1)

    def _check(self) -> None:
        for minder in list(self._minders.values()):
            if minder.state is State.FAILED and minder.error is not None:
                raise minder.error

    def kill(self, name: str) -> None:
        """End the process and all it started by SIGKILL, as a crash would; one that restarts comes back by itself."""
        self._minders[name].kill()

    def stop(self, names: Iterable[str], timeout_s: float = 10.0) -> None:
        """Ask processes to end, all at once; what still lives after `timeout_s`, or when `hurry` is called, is killed."""
        minders = [self._minders[name] for name in names if name in self._minders]
        for minder in minders:
            minder.terminate()
        deadline = time.monotonic() + timeout_s
        while not all(minder.join(0.02) for minder in minders):
            if self._hurry.is_set() or time.monotonic() > deadline:
                with ThreadPoolExecutor(max(1, len(minders))) as pool:
                    list(pool.map(lambda minder: minder.kill(), minders))
                for minder in minders:
                    minder.join(timeout_s)
                return

    def hurry(self) -> None:
        """Let the stop that goes on kill at once."""
        self._hurry.set()

    def _changed(self, name: str, state: State, sentence: str) -> None:
        with self._news:
            self._news.notify_all()
        self._listener(name, state, sentence)
