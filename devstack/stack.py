"""The whole system as processes of this machine, under one object: what `make demo`, the tests and the benchmarks start.

One stack per state folder at a time. Whatever way the launcher ends, nothing is orphaned: `stop` ends all it started, and after a crash the
next start ends what the record names.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from devstack import extras, java, ports, postgres_node, servers, services, sessions
from devstack.apicurio import apicurio
from devstack.cancellation import Cancellation
from devstack.cassandra import cassandra
from devstack.environment import base, changed, write_for_doctor
from devstack.install import Installer
from devstack.locks import FileLock
from devstack.process import Folders, ProcessSpec, State
from devstack.report import Reporter, SilentReporter
from devstack.servers import OPTIONAL, SERVERS
from devstack.services import SERVICES
from devstack.supervisor import Supervisor
from veilocity.errors import SettingsError, StateError
from veilocity.kafka import ensure_topics
from veilocity.settings import Settings

__all__ = ["Simulation", "Stack"]

_ADDRESS_SETTINGS = {"kafka": "kafka_bootstrap", "elasticsearch": "elasticsearch_url", "mongodb": "mongodb_uri", "mosquitto": "mqtt_host"}
_JAVA_NEEDS = {"kafka": java.KAFKA, "elasticsearch": java.ELASTICSEARCH, **dict.fromkeys(services.ON_SPARK, java.SPARK)}
_ADDRESS_SETTINGS |= {"cassandra": "cassandra_hosts", "apicurio": "registry_url", "postgres": "postgres_dsn"}
_JAVA_NEEDS |= {"cassandra": java.CASSANDRA, "apicurio": java.APICURIO}
_MAKERS = {"kafka": servers.kafka, "elasticsearch": servers.elasticsearch, "mongodb": servers.mongodb, "mosquitto": servers.mosquitto}
_MAKERS |= {"cassandra": cassandra, "apicurio": apicurio, "postgres": postgres_node.postgres}
_PUBLIC = ("ingest", "dashboard")
SIMULATOR = "simulate"


@dataclass(frozen=True, slots=True)
class Simulation:
    """The simulated city that feeds the gateway: its size, simulated seconds per second, and seed."""

    people: int
    speed: float
    seed: int


class Stack:
    """Servers and services of one state folder.

    A server whose address somebody set (`kafka_bootstrap`, `elasticsearch_url`, `mongodb_uri`) is used where it is and not started.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        servers: Sequence[str] = SERVERS,
        services: Sequence[str] = SERVICES,
        simulation: Simulation | None = None,
        fresh: bool = False,
        reporter: Reporter | None = None,
        listener: Callable[[str, State, str], None] | None = None,
        cancellation: Cancellation | None = None,
    ) -> None:
        """Nothing is touched before `start`.

        Args:
            settings: as loaded; `state_dir` is where everything of this run lies.
            servers: those of `SERVERS` and `OPTIONAL` to start.
            services: those of `services.PORTS` to start; topics are made when there is any. The server of an extra whose service is
                among them comes back when it dies.
            simulation: feeds the gateway as soon as that answers.
            fresh: start with empty data.
            reporter: told what happens, for people.
            listener: told every change of a process (name, state, sentence), from other threads.
            cancellation: makes `start` give up at its next step.
        """
        self.settings = changed(settings, state_dir=settings.state_dir.absolute())
        """The settings in force; ports and addresses are filled in by `start`."""
        self._servers = [name for name in servers if _ADDRESS_SETTINGS[name] not in settings.model_fields_set]
        self._services = list(services)
        self._simulation = simulation
        self._fresh = fresh
        self._reporter = reporter or SilentReporter()
        self._cancellation = cancellation or Cancellation()
        self.folders = Folders(self.settings.state_dir)
        self._ports_file = self.folders.run / "ports.json"
        self._lock = FileLock(self.folders.run / "lock")
        self._base = base(os.environ)
        self._specs: dict[str, ProcessSpec] = {}
        self._supervisor = Supervisor(self.folders, listener or (lambda _name, _state, _sentence: None))

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    @property
    def names(self) -> tuple[str, ...]:
        """The processes of this stack, servers first."""
        return tuple(self._specs)

    @property
    def environment_file(self) -> Path:
        """File with all settings in force as JSON; there while the stack runs."""
        return self.folders.run / "environment.json"

    def start(self) -> None:
        """Start everything in parallel and return when everything is ready; on an error nothing is left running.

        Raises:
            StateError: another launcher runs in this state folder.
            DependencyError: something must be installed first.
            PortTakenError: a port was taken between our look and the server's.
            RetryableError: a download failed, or a process did not come up.
            Cancelled: somebody asked to stop.
        """
        if not self._lock.acquire():
            raise StateError(
                f"Veilocity already runs in {self.folders.state} (process {self._lock.holder()}): stop it, "
                "or set VEILOCITY_STATE_DIR to another folder"
            )
        try:
            self._clean()
            self._check_java()
            self._make_key()
            self._start_all()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End all processes: services first, so that they can say goodbye to the servers. May be called twice."""
        running = self._supervisor.states()
        if running and self._lock.held:
            self._reporter.say("Stopping.")
        every = (*SERVERS, *OPTIONAL)
        self._supervisor.stop([name for name in running if name not in every])
        self._supervisor.stop([name for name in running if name in every])
        if self._lock.held:
            self.environment_file.unlink(missing_ok=True)
            shutil.rmtree(self.folders.temporary, ignore_errors=True)
            self._lock.release()

    def hurry(self) -> None:
        """Let a stop that goes on kill at once what still lives."""
        self._supervisor.hurry()

    def kill(self, name: str) -> None:
        """End a process and all it started by SIGKILL. A service comes back by itself, a server by `restart`."""
        self._supervisor.kill(name)

    def end(self, name: str) -> None:
        """Ask one process to end and return when it has; the others go on."""
        self._supervisor.stop([name])

    def restart(self, name: str) -> None:
        """Stop a process if it runs, start it, and return when it is ready.

        Raises:
            VeilocityError: it did not come up.
        """
        self._supervisor.stop([name])
        self._supervisor.start(self._specs[name])
        self.wait_ready(name)

    def wait_ready(self, *names: str) -> None:
        """Return when the named processes (all without names) are ready.

        Raises:
            VeilocityError: one of them did not come up.
            Cancelled: somebody asked to stop.
        """
        self._supervisor.wait_ready(names or self.names, self._cancellation)

    def states(self) -> dict[str, State]:
        """Return the state of every process."""
        return self._supervisor.states()

    def pid(self, name: str) -> int | None:
        """Return the process number of the leader, or None while it does not run."""
        return self._supervisor.pid(name)

    def restarts(self, name: str) -> int:
        """Return how often a process came back after it had died."""
        return self._supervisor.restarts(name)

    def address(self, name: str) -> str:
        """Return the HTTP address of one of our services."""
        return services.address(name, self.settings)

    def log(self, name: str) -> Path:
        """Return the log file of a process."""
        return self.folders.log(name)

    def simulate(self, city: Simulation) -> None:
        """Feed the gateway with the simulated city, as a process of this stack."""
        self._launch(SIMULATOR, services.simulator(self.settings, self._base, city.people, city.speed, city.seed))

    def _clean(self) -> None:
        """End and remove what an earlier run left behind."""
        self.folders.logs.mkdir(parents=True, exist_ok=True)
        ended = sessions.end_leftovers(self.folders.run, self.folders.state)
        if ended:
            self._reporter.say(f"Ended what an earlier run had left running: {', '.join(ended)}.")
        self.environment_file.unlink(missing_ok=True)
        shutil.rmtree(self.folders.temporary, ignore_errors=True)
        self.folders.temporary.mkdir(parents=True)
        if self._fresh:
            self._remove_data()
        self.settings.data_dir.mkdir(parents=True, exist_ok=True)

    def _remove_data(self) -> None:
        data = self.settings.data_dir
        if not self.settings.privacy_dir.absolute().is_relative_to(data):
            raise SettingsError(
                f"a fresh start empties {data} only, but VEILOCITY_PRIVACY_STATE_DIR lies elsewhere: "
                "unset it, or empty that folder yourself"
            )
        if not self.settings.reports_dir.absolute().is_relative_to(data):
            raise SettingsError(f"a fresh start empties {data} only: unset VEILOCITY_REPORTS_STATE_DIR, or empty that folder yourself")
        shutil.rmtree(data, ignore_errors=True)

    def _check_java(self) -> None:
        """Fail before anything is downloaded or started."""
        found = java.installed(self._base)
        for name in (*self._servers, *self._services):
            if name in _JAVA_NEEDS:
                java.choose(_JAVA_NEEDS[name], found)

    def _choose_server_ports(self) -> dict[str, int]:
        """Point the settings at the servers that this stack will start."""
        before = ports.recall(self._ports_file)
        chosen: dict[str, int] = {}
        for name in (port_name for server in self._servers for port_name in servers.PORTS[server]):
            old = before.get(name)
            usable = old is not None and old not in chosen.values() and ports.is_free(old)
            chosen[name] = old if old is not None and usable else ports.free_port(tuple(chosen.values()))
        ports.remember(self._ports_file, before | chosen)
        self.settings = servers.point_at(self.settings, {name: chosen[name] for name in self._servers})
        if "mosquitto" in self._servers:
            self.settings = servers.point_at_mosquitto(self.settings, chosen["mosquitto"])
        if "postgres" in self._servers:
            self.settings = postgres_node.point_at(self.settings, chosen["postgres"])
        return chosen

    def _choose_service_ports(self) -> None:
        """Fill in the ports of our services, as late as can be: another program has less time to take one."""
        before = ports.recall(self._ports_file)
        chosen: dict[str, int] = {}
        for name in self._services:
            chosen[name] = self._service_port(name, before.get(name), chosen.values())
        ports.remember(self._ports_file, before | chosen)
        self.settings = changed(self.settings, **{services.PORTS[name]: port for name, port in chosen.items()})

    def _service_port(self, name: str, before: int | None, taken: Collection[int]) -> int:
        wanted = int(getattr(self.settings, services.PORTS[name]))
        host = services.host(name, self.settings)
        if wanted and wanted not in taken and ports.is_free(wanted, host):
            return wanted
        if name not in _PUBLIC:
            usable = before is not None and before not in taken and ports.is_free(before, host)
            return before if before is not None and usable else ports.free_port(taken)
        port = ports.next_free(wanted, host, taken)
        self._reporter.say(f"Port {wanted} of the {name} service is taken by another program; using {port} instead.")
        return port

    def _make_key(self) -> None:
        file = self.settings.token_key_file.absolute()
        values: dict[str, object] = {"privacy_key_file": file}
        if self.settings.privacy_state_dir is not None:
            values["privacy_state_dir"] = self.settings.privacy_state_dir.absolute()
        if self.settings.reports_state_dir is not None:
            values["reports_state_dir"] = self.settings.reports_state_dir.absolute()
        if self.settings.privacy_policy_file is not None:
            values["privacy_policy_file"] = self.settings.privacy_policy_file.absolute()
        if self.settings.notifications_file is not None:
            values["notifications_file"] = self.settings.notifications_file.absolute()
        self.settings = changed(self.settings, **values)
        from privacy.identifiers.keyring import KeyRing  # noqa: PLC0415  # brings NumPy and H3 along: half a second

        with suppress(FileExistsError):
            KeyRing.generate(file)

    def _start_all(self) -> None:
        """Start each as soon as it is installed, so that the first servers come up while the others are still downloaded."""
        installer = Installer(self.settings, self._reporter, self._cancellation)
        numbers = self._choose_server_ports()
        with ThreadPoolExecutor(1, thread_name_prefix="install") as pool:
            if "mongodb" in self._servers:
                # Ahead, because it takes a minute and loads nothing that the others wait for. Should it fail, it does so again below.
                pool.submit(installer.mongodb)
            for name in self._servers:
                self._cancellation.check()
                spec = _MAKERS[name](self.settings, self.folders, numbers, self._base, installer)
                self._launch(name, extras.lasting(spec, self._services))
        if set(services.ON_SPARK) & set(self._services) and not self.settings.spark_jars:
            self.settings = changed(self.settings, spark_jars=",".join(str(jar) for jar in installer.spark()))
        self._choose_service_ports()
        write_for_doctor(self.environment_file, self.settings)
        for name in self._services:
            self._cancellation.check()
            self._launch(name, services.service(name, self.settings, self._base))
        if self._services:
            if "kafka" in self._servers:
                self.wait_ready("kafka")
            ensure_topics(self.settings)
        if {"postgres", "feeds-postgres"} <= {*self._servers, *self._services}:
            self._launch(extras.BANK, extras.bank(self.settings, self._base, with_city=self._simulation is not None))
        if self._simulation is not None:
            self.wait_ready("ingest")
            self.simulate(self._simulation)
        self.wait_ready()

    def _launch(self, name: str, spec: ProcessSpec) -> None:
        log = self.folders.log(name)
        if log.exists():
            os.replace(log, log.with_suffix(".log.1"))
        self._specs[name] = spec
        self._supervisor.start(spec)
