"""Which protocol a topic carries. Pure.

The first level names it, as the address does over HTTP: ``sensor-logger``, ``owntracks/USER/DEVICE``. Below OwnTracks' own three levels
come other kinds of messages, which need no record.
"""

from __future__ import annotations

from collections.abc import Sequence

from ingest.protocols import PROTOCOLS, Protocol
from veilocity.errors import SettingsError

__all__ = ["protocol_of", "topic_filters"]


def protocol_of(topic: str) -> Protocol | None:
    """Return the protocol of a topic, or None for a topic of no phone.

    >>> protocol_of("owntracks/jane/phone").name, protocol_of("/owntracks/jane/phone"), protocol_of("homeassistant/light")
    ('owntracks', None, None)
    """
    return PROTOCOLS.get(topic.partition("/")[0])


def topic_filters(text: str) -> Sequence[str]:
    """Return the topic filters of the setting, separated by commas.

    Raises:
        SettingsError: none, or one whose first level is no protocol's name: nobody could say what its messages mean.

    >>> topic_filters("sensor-logger, owntracks/+/+")
    ['sensor-logger', 'owntracks/+/+']
    """
    found = [name.strip() for name in text.split(",") if name.strip()]
    if not found or not all(protocol_of(name) for name in found):
        raise SettingsError(f"VEILOCITY_MQTT_TOPICS: every topic must begin with one of {', '.join(PROTOCOLS)}")
    return found
