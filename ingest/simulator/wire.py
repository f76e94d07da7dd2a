"""The two JSON forms of an event: the body of a Sensor Logger push, and a payment of `POST /v1/transactions`."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from ingest.simulator.merchants import Merchant

__all__ = ["battery_reading", "location_reading", "payment_body", "push_body"]

_CLOSE = b"]}"


def location_reading(
    time_us: int, lat_e7: int, lon_e7: int, accuracy_m: float, speed_mps: float, bearing_deg: float, altitude_m: float
) -> bytes:
    """Return one `location` reading as the app writes it: nanoseconds since 1970 UTC, metres, degrees, -1 for what is unknown.

    >>> location_reading(1_000_001, 488566001, -23522001, 5.2, -1.0, -1.0, 61.0)[:36]
    b'{"name":"location","time":1000001000'
    """
    unknown = speed_mps < 0.0
    return (
        f'{{"name":"location","time":{time_us}000,"values":{{'
        f'"bearingAccuracy":{-1 if unknown else 12.5},"speedAccuracy":{-1 if unknown else 0.8},'
        f'"verticalAccuracy":{accuracy_m * 0.75:.2f},"horizontalAccuracy":{accuracy_m:.3f},'
        f'"speed":{speed_mps:.2f},"bearing":{bearing_deg:.1f},"altitude":{altitude_m:.1f},'
        f'"longitude":{lon_e7 / 1e7:.7f},"latitude":{lat_e7 / 1e7:.7f}}}}}'
    ).encode()


def battery_reading(time_us: int) -> bytes:
    """Return a reading of another sensor, as the app mixes them into the same push."""
    return b'{"name":"battery","time":%d000,"values":{"batteryLevel":0.83,"batteryState":"unplugged"}}' % time_us


def push_body(message: int, session: str, device: str, readings: Iterable[bytes]) -> bytes:
    """Return the body of one push."""
    head = f'{{"messageId":{message},"sessionId":"{session}","deviceId":"{device}","payload":['
    return head.encode() + b",".join(readings) + _CLOSE


def payment_body(  # who, when and what
    *, id: str, card: str, user: str, device: str | None, device_type: str, authorised_ms: int, amount: tuple[str, str], merchant: Merchant
) -> bytes:
    """Return one payment as JSON. The place is the terminal's as the acquirer states it, online shops included."""
    lat, lon = merchant.stated
    return msgspec.json.encode(
        {
            "id": id,
            "card": card,
            "device": device,
            "user": user,
            "authorised_ms": authorised_ms,
            "amount": amount[0],
            "currency": amount[1],
            "merchant": merchant.id,
            "category": merchant.category,
            "channel": merchant.channel.value,
            "lat": round(lat, 6),
            "lon": round(lon, 6),
            "place_accuracy_m": merchant.accuracy_m,
            "country": merchant.city.country,
            "device_type": device_type,
        }
    )
