"""`veilocity up`: starts everything, prints one address, watches, and stops all it started on Ctrl-C, at whatever stage."""

from __future__ import annotations

from collections.abc import Callable

from rich.console import Console

from devstack import extras as extra_parts
from devstack import mosquitto
from devstack.cancellation import Cancellation, Cancelled, signals_cancel
from devstack.environment import changed
from devstack.process import State
from devstack.servers import OPTIONAL, SERVERS
from devstack.services import configured
from devstack.stack import Simulation, Stack
from devstack.status import Status, for_console
from veilocity.errors import ServiceUnavailableError
from veilocity.settings import Settings

__all__ = ["run"]

_SIGNAL_EXIT = 128


def run(  # every one is an option of the command
    settings: Settings,
    *,
    feed: bool,
    fresh: bool,
    people: int,
    speed: float,
    seed: int,
    extras: bool = False,
    greet: Callable[[Settings], str] | None = None,
) -> int:
    """Run the whole system until somebody stops it.

    Args:
        settings: as loaded.
        feed: play the simulated city into the gateway.
        fresh: begin with empty data.
        people: size of the simulated city.
        speed: simulated seconds per second.
        seed: of the simulated city.
        extras: start the stores and feeds beside the main way, as far as what they need is installed.
        greet: called once everything runs, with the settings in force; returns how to log in.

    Returns:
        0 after a stop of the running system; 128 + the signal's number when it was stopped while it started.

    Raises:
        VeilocityError: the system could not start, or lost a server; nothing is left running.
    """
    status = for_console(Console())
    cancellation = Cancellation()
    if "dashboard_phone" not in settings.model_fields_set:
        # On one's own machine a phone is one's own; elsewhere the setting says so.
        settings = changed(settings, dashboard_phone="on")
    settings = _with_reports(settings, speed if feed else 1.0)
    # A broker of one's own wins over one that is started here, as with every server.
    has_broker = "mqtt_host" not in settings.model_fields_set and mosquitto.find(settings) is not None
    services = configured(settings)
    more = extra_parts.chosen(settings, status.reporter.say) if extras else extra_parts.NOTHING
    stack = Stack(
        settings,
        servers=(*SERVERS, *(("mosquitto",) if has_broker else ()), *more.servers),
        services=(*services, *(("mqtt",) if has_broker else ()), *more.services),
        simulation=Simulation(people, speed, seed) if feed else None,
        fresh=fresh,
        reporter=status.reporter,
        listener=status.changed,
        cancellation=cancellation,
    )
    with signals_cancel(cancellation, again=stack.hurry):
        try:
            with status.shown():
                stack.start()
            _announce(status, stack, None if greet is None else greet(stack.settings))
            _watch(stack, cancellation)
        except Cancelled:
            return _SIGNAL_EXIT + cancellation.requests[0]
        finally:
            stack.stop()
    return 0


def _with_reports(settings: Settings, speed: float) -> Settings:
    """Return the settings with the reports on, unless somebody chose; a city that lives faster has windows as wide as it goes past."""
    chosen: dict[str, object] = {}
    if "reports" not in settings.model_fields_set:
        chosen["reports"] = "on"
    if "reports_stretch" not in settings.model_fields_set:
        chosen["reports_stretch"] = min(3600, max(1, round(speed)))
    return changed(settings, **chosen)


def _announce(status: Status, stack: Stack, greeting: str | None) -> None:
    status.reporter.say(
        f"Logs are in {stack.folders.logs}; phones push to {stack.address('ingest')}/v1/sensor-logger; Ctrl-C stops everything."
    )
    if greeting is not None:
        status.reporter.say(greeting)
    if "mosquitto" in stack.names:
        password = stack.settings.state_dir / "keys" / f"mqtt-{mosquitto.PHONES}.password"
        status.reporter.say(
            f"Over MQTT they publish to port {stack.settings.mqtt_port} as user {mosquitto.PHONES}; the password is in {password}"
        )
    if "postgres" in stack.names:
        status.reporter.say(extra_parts.way_into_postgres(stack.settings))
    status.reporter.say(f"Veilocity is live at {stack.address('dashboard')}")


def _watch(stack: Stack, cancellation: Cancellation) -> None:
    """Return when somebody asks to stop; a server that dies takes the system down, since nothing of ours could go on."""
    while not cancellation.wait(0.5):
        for name, state in stack.states().items():
            if (name in (*SERVERS, *OPTIONAL) and state is State.STOPPED) or state is State.FAILED:
                raise ServiceUnavailableError(f"{name} ended by itself: see {stack.log(name)}, then start again")
