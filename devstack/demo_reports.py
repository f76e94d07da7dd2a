"""What the reports of `veilocity up` run with, so that a simulated city tells something; whatever somebody chose stays."""

from __future__ import annotations

from devstack.environment import changed
from ingest.simulator import CityPlan
from ingest.simulator.registers import write_registers
from veilocity.settings import Settings

__all__ = ["chosen"]

_STRETCH_PER_SPEED = 2.0
"""Windows of frauds then begin every 20 seconds on the wall, and hold k people as a rule."""
_DELAY_S = 10
_JOIN_S = 10
"""Of the clock on the wall, twice: a city sends nothing late but by its network, which delays phones and no payments."""
_CITY_SIZED = 3
"""H3 resolution: the frauds of a demo are few, and a cell is told of k people only."""
_LARGEST_STRETCH = 3600


def chosen(settings: Settings, city: CityPlan | None, speed: float) -> Settings:
    """Return the settings with the reports on, and with what suits the city.

    Args:
        settings: as loaded; what is set there wins.
        city: feeds the gateway; its registers are written into the state folder. None for none.
        speed: simulated seconds per second.
    """
    wanted: dict[str, object] = {"reports": "on"}
    if city is not None:
        customers, merchants = write_registers(city, settings.state_dir / "city")
        wanted |= {
            "reports_customers_file": str(customers.absolute()),
            "reports_merchants_file": str(merchants.absolute()),
            "reports_cell_resolution": _CITY_SIZED,
        }
    if city is not None and speed > 1.0:
        stretch = min(_LARGEST_STRETCH, round(speed * _STRETCH_PER_SPEED))
        wanted |= {"reports_stretch": stretch, "reports_delay_s": _DELAY_S, "reports_join_s": _JOIN_S}
    return changed(settings, **{name: value for name, value in wanted.items() if name not in settings.model_fields_set})
