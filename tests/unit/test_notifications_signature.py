"""Signatures of webhooks: those of the reference implementation, and everything that must be refused."""

from __future__ import annotations

import base64
import hashlib
import hmac

import pytest

from storage.notifications.signature import TOLERANCE_S, headers_of, key_of, sign, verify
from veilocity.errors import InvalidInputError, SettingsError

# From the reference libraries of Standard Webhooks: the same in libraries/python, go, javascript and the others.
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # noqa: S105  # published
MESSAGE_ID = "msg_p5jXN8AQM9LWM0D4loKWxJek"
TIMESTAMP_S = 1614265330
BODY = b'{"test": 2432232314}'
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
OTHER = "v1,Ceo5qEr07ixe2NLpvHk3FH9bwy/WavXrAFQ/9tdO6mc="
KEY = key_of(SECRET)


def given(**changes: str) -> dict[str, str]:
    headers = {"webhook-id": MESSAGE_ID, "webhook-timestamp": str(TIMESTAMP_S), "webhook-signature": SIGNATURE}
    return headers | {name.replace("_", "-"): value for name, value in changes.items()}


def test_it_signs_as_the_reference_does() -> None:
    assert sign(KEY, MESSAGE_ID, TIMESTAMP_S, BODY) == SIGNATURE
    assert headers_of([KEY], MESSAGE_ID, TIMESTAMP_S, BODY) == given()


def test_a_secret_may_lack_its_prefix_and_its_padding() -> None:
    assert key_of(SECRET.removeprefix("whsec_")) == key_of(f" {SECRET}\n") == KEY
    key = bytes(range(32))
    padded = base64.b64encode(key).decode()
    assert padded.endswith("=")
    assert key_of(padded) == key_of(padded.rstrip("=")) == key


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_c2hvcnQ=", "not base64!" * 4, base64.b64encode(bytes(65)).decode(), "ä" * 40])
def test_a_secret_that_is_none_is_refused_and_not_shown(secret: str) -> None:
    with pytest.raises(SettingsError, match="openssl rand") as refused:
        key_of(secret)
    assert not secret or secret not in str(refused.value)


@pytest.mark.parametrize("second", [TIMESTAMP_S - TOLERANCE_S, TIMESTAMP_S, TIMESTAMP_S + TOLERANCE_S])
def test_what_is_genuine_and_fresh_is_accepted(second: int) -> None:
    assert verify([KEY], given(), BODY, second) == MESSAGE_ID
    assert verify([KEY], {name.title(): value for name, value in given().items()}, BODY, second) == MESSAGE_ID


def test_any_of_several_signatures_and_keys_will_do() -> None:
    many = f"{OTHER} v2,{SIGNATURE[3:]} {SIGNATURE} {OTHER}"
    assert verify([bytes(24), KEY], given(webhook_signature=many), BODY, TIMESTAMP_S) == MESSAGE_ID
    both = headers_of([bytes(range(32)), KEY], MESSAGE_ID, TIMESTAMP_S, BODY)
    assert verify([KEY], both, BODY, TIMESTAMP_S) == verify([bytes(range(32))], both, BODY, TIMESTAMP_S) == MESSAGE_ID


@pytest.mark.parametrize(
    ("headers", "body", "second"),
    [
        ({"webhook-id": MESSAGE_ID, "webhook-timestamp": str(TIMESTAMP_S)}, BODY, TIMESTAMP_S),
        ({"webhook-id": MESSAGE_ID, "webhook-signature": SIGNATURE}, BODY, TIMESTAMP_S),
        ({"webhook-timestamp": str(TIMESTAMP_S), "webhook-signature": SIGNATURE}, BODY, TIMESTAMP_S),
        (given(webhook_signature="v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OA="), BODY, TIMESTAMP_S),
        (given(webhook_signature=SIGNATURE.replace("v1,", "v2,")), BODY, TIMESTAMP_S),
        (given(webhook_signature=SIGNATURE.replace("v1,", "")), BODY, TIMESTAMP_S),
        (given(webhook_id="msg_other"), BODY, TIMESTAMP_S),
        (given(webhook_timestamp=str(TIMESTAMP_S + 1)), BODY, TIMESTAMP_S),
        (given(webhook_timestamp="hello"), BODY, TIMESTAMP_S),
        (given(webhook_timestamp="-1"), BODY, 0),
        (given(webhook_timestamp="١٦١٤٢٦٥٣٣٠"), BODY, TIMESTAMP_S),
        (given(), BODY + b" ", TIMESTAMP_S),
        (given(), BODY, TIMESTAMP_S + TOLERANCE_S + 1),
        (given(), BODY, TIMESTAMP_S - TOLERANCE_S - 1),
    ],
)
def test_what_is_not_is_refused(headers: dict[str, str], body: bytes, second: int) -> None:
    with pytest.raises(InvalidInputError):
        verify([KEY], headers, body, second)


def test_a_boundary_cannot_be_moved_between_id_time_and_body() -> None:
    # `a.1` and `b` sign the same content as `a` and `1.b` would.
    content = f"{MESSAGE_ID}.7.{TIMESTAMP_S}.".encode() + BODY
    forged = "v1," + base64.b64encode(hmac.digest(KEY, content, hashlib.sha256)).decode()
    with pytest.raises(InvalidInputError):
        verify([KEY], given(webhook_id=f"{MESSAGE_ID}.7", webhook_signature=forged), BODY, TIMESTAMP_S)
    with pytest.raises(ValueError, match="full stop"):
        sign(KEY, f"{MESSAGE_ID}.7", TIMESTAMP_S, BODY)
