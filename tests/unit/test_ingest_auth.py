"""Who may push."""

from __future__ import annotations

import pytest

from ingest.auth import authorised, check_exposure, is_loopback
from veilocity import settings
from veilocity.errors import SettingsError


@pytest.mark.parametrize("header", ["Bearer s3cret", "bearer s3cret", "BEARER   s3cret", "s3cret"])
def test_the_header_may_carry_the_token_with_or_without_bearer(header: str) -> None:
    assert authorised("s3cret", header, None)


def test_the_query_may_carry_the_token() -> None:
    assert authorised("s3cret", None, "s3cret")
    assert authorised("s3cret", "Bearer wrong", "s3cret")


@pytest.mark.parametrize("offer", [None, "", "wrong", "s3cre", "s3crett", "S3CRET", "Bearer", "Bearer ", "Basic s3cret"])
def test_everything_else_is_refused(offer: str | None) -> None:
    assert not authorised("s3cret", offer, offer)


def test_tokens_beyond_ascii_compare() -> None:
    assert authorised("schlüssel", "Bearer schlüssel", None)
    assert not authorised("schlüssel", "Bearer schlussel", None)


def test_a_token_with_a_space_is_taken_as_it_is() -> None:
    assert authorised("two words", "two words", None)
    assert authorised("two words", "Bearer two words", None)


def test_without_a_token_everyone_is_let_in() -> None:
    assert authorised("", None, None)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.org", "127.0.0.1.example.org"])  # noqa: S104  # what is refused
def test_without_a_token_other_machines_are_kept_out(host: str) -> None:
    assert not is_loopback(host)
    with pytest.raises(SettingsError, match="VEILOCITY_INGEST_TOKEN"):
        check_exposure(settings.load({}, ingest_host=host))
    check_exposure(settings.load({}, ingest_host=host, ingest_token="s3cret"))  # noqa: S106  # a made-up token


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
def test_loopback_needs_no_token(host: str) -> None:
    check_exposure(settings.load({}, ingest_host=host))
