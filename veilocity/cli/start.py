"""What every command begins with."""

from __future__ import annotations

from veilocity import logs, settings

__all__ = ["prepare"]


def prepare(service: str) -> settings.Settings:
    """Return the settings in force, with logs set up for `service`.

    Raises:
        SettingsError: see `veilocity.settings.load`.
    """
    loaded = settings.load()
    logs.configure(service, loaded.log_level)
    return loaded
