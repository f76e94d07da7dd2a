"""Signing and verifying a webhook as Standard Webhooks 1.0.0 says, symmetric scheme `v1`.

    webhook-signature: v1,base64(HMAC-SHA256(key, webhook-id || "." || webhook-timestamp || "." || body))

Guarantee: `verify` accepts only what somebody who knows the key signed for that id and second, and only within the tolerance, so a request
that is overheard cannot be played again later; comparison takes constant time. While a key is changed both keys sign, space delimited, and
a receiver accepts either.

Source: https://github.com/standard-webhooks/standard-webhooks, spec/standard-webhooks.md.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping, Sequence

from veilocity.errors import InvalidInputError, RejectReason, SettingsError

__all__ = ["TOLERANCE_S", "headers_of", "key_of", "sign", "verify"]

TOLERANCE_S = 300
"""How far the clocks of sender and receiver may differ, as in the reference libraries and at Stripe."""
_PREFIX = "whsec_"
_FEWEST_BYTES = 24
_MOST_BYTES = 64
_ID, _TIMESTAMP, _SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"


def key_of(secret: str) -> bytes:
    """Return the key that a secret writes: base64 of 24 to 64 random bytes, with or without `whsec_` before it.

    Raises:
        SettingsError: another text; the message does not show it.

    >>> len(key_of("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"))
    24
    """
    text = secret.strip().removeprefix(_PREFIX)
    try:
        key = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise SettingsError("a webhook secret is `whsec_` and base64: make one with `openssl rand -base64 32`") from None
    if not _FEWEST_BYTES <= len(key) <= _MOST_BYTES:
        raise SettingsError(f"a webhook secret has {_FEWEST_BYTES} to {_MOST_BYTES} bytes: make one with `openssl rand -base64 32`")
    return key


def sign(key: bytes, message_id: str, timestamp_s: int, body: bytes) -> str:
    """Return one signature, with its scheme.

    Args:
        key: as `key_of` gives it.
        message_id: `webhook-id`; without a full stop, which would let two messages sign alike.
        timestamp_s: `webhook-timestamp`, seconds since 1970.
        body: exactly the bytes that are sent.

    >>> sign(key_of("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"), "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE='
    """
    if "." in message_id:
        raise ValueError("the id of a message has no full stop")
    content = f"{message_id}.{timestamp_s}.".encode() + body
    return f"v1,{base64.b64encode(hmac.digest(key, content, hashlib.sha256)).decode()}"


def headers_of(keys: Sequence[bytes], message_id: str, timestamp_s: int, body: bytes) -> dict[str, str]:
    """Return the three headers of a webhook, signed by each key."""
    signatures = " ".join(sign(key, message_id, timestamp_s, body) for key in keys)
    return {_ID: message_id, _TIMESTAMP: str(timestamp_s), _SIGNATURE: signatures}


def verify(keys: Sequence[bytes], headers: Mapping[str, str], body: bytes, now_s: float, tolerance_s: float = TOLERANCE_S) -> str:
    """Return the id of a webhook that is genuine and fresh; whoever has done that id already answers 200 and does nothing.

    Args:
        keys: any of them may have signed.
        headers: of the request, in any case.
        body: as it came, not parsed and written again.
        now_s: clock of the receiver, seconds since 1970.
        tolerance_s: how far the timestamp may be from it.

    Raises:
        InvalidInputError: a header is missing or malformed, the timestamp is too old or too new, or no signature is right.
    """
    given = {name.lower(): value for name, value in headers.items()}
    message_id, timestamp, signatures = (given.get(name, "") for name in (_ID, _TIMESTAMP, _SIGNATURE))
    if not (message_id and timestamp and signatures):
        raise InvalidInputError(RejectReason.MISSING_FIELD, f"a webhook has {_ID}, {_TIMESTAMP} and {_SIGNATURE}")
    if "." in message_id or not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12):
        raise InvalidInputError(RejectReason.INVALID_FIELD, f"{_ID} has no full stop and {_TIMESTAMP} is in whole seconds")
    if abs(now_s - int(timestamp)) > tolerance_s:
        raise InvalidInputError(RejectReason.INVALID_TIME, f"{_TIMESTAMP} is too old or too new: do both clocks run right?")
    expected = [sign(key, message_id, int(timestamp), body).encode() for key in keys]
    offered = [signature.encode() for signature in signatures.split(" ")]
    # Every pair is compared, so that the time taken tells nothing.
    matches = [hmac.compare_digest(ours, theirs) for ours in expected for theirs in offered]
    if not any(matches):
        raise InvalidInputError(RejectReason.INVALID_FIELD, f"{_SIGNATURE} is not of this body, id and time under this key")
    return message_id
