"""What happens to a phone's request between the network and Kafka, the same for HTTP and MQTT: decrypt, read, check keys, name filters.

The adapters are pure; the one thing remembered here is the last fix of each phone, for the names of filters.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import msgspec

from ingest.fields import Arrival, Resolver
from ingest.filters import FilterLimits, Filters
from ingest.outcome import Outcome, refuse_body
from ingest.protocols import Protocol, Request
from ingest.sealed import DeviceKeys, read_keys
from ingest.telemetry import FILTERED, REMEMBERED
from veilocity.contracts import Fix, FixFilter
from veilocity.errors import InvalidInputError
from veilocity.settings import Settings

__all__ = ["Intake"]


class Intake:
    """Reads requests of phones. Safe to use from several threads."""

    def __init__(self, settings: Settings, resolver: Resolver) -> None:
        """Read the file of keys, if there is one.

        Args:
            settings: keys and limits of the filters.
            resolver: says whose phone it is.

        Raises:
            SettingsError: the file of keys is wrong.
        """
        self._keys = read_keys(Path(settings.ingest_keys_file)) if settings.ingest_keys_file else DeviceKeys()
        self._filters = Filters(FilterLimits.of(settings), settings.ingest_filter_devices)
        self._resolver = resolver

    def take(self, protocol: Protocol, request: Request, arrival: Arrival) -> Outcome:
        """Return what became of every item of a request. Nothing is raised."""
        try:
            opened = self._keys.open(request.body)
        except InvalidInputError as cause:
            return refuse_body(cause, request.body, protocol.name, arrival)
        # What stands beside an encrypted body could be anybody's, and must not change what is in it.
        query = request.query if opened.device is None else {}
        outcome = protocol.adapter(request._replace(body=opened.body, query=query), arrival, self._resolver)
        outcome = self._keys.check(outcome, opened.device, protocol.name, arrival)
        if request.retained:
            outcome.accepted = [_retained(item) if isinstance(item, Fix) else item for item in outcome.accepted]
        outcome.accepted = self._filters.name_all(outcome.accepted)
        return outcome

    def count(self, protocol: Protocol, outcome: Outcome) -> None:
        """Add the filters' names to the metrics, once the outcome is in Kafka."""
        named = Counter(name for item in outcome.accepted if isinstance(item, Fix) for name in item.filters)
        for name, fixes in named.items():
            FILTERED.labels(protocol.name, name.value).inc(fixes)
        REMEMBERED.set(len(self._filters))


def _retained(fix: Fix) -> Fix:
    return msgspec.structs.replace(fix, filters=(*fix.filters, FixFilter.RETAINED))
