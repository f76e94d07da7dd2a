"""Times are exact to the nanosecond, with Python's own calendar as the judge."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veilocity.errors import InvalidInputError, RejectReason
from veilocity.eventtime import NS_PER_MS, format_ms, ms_from_ns, ns_from_iso, ns_from_ms, window_start_ms

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
moments = st.datetimes(min_value=datetime(1000, 1, 2), max_value=datetime(9999, 12, 30))  # noqa: DTZ001  # the zone is drawn apart
zones = st.integers(min_value=-23 * 60 - 59, max_value=23 * 60 + 59).map(lambda minutes: timezone(timedelta(minutes=minutes)))


def exact_ns(moment: datetime) -> int:
    since = moment - EPOCH
    return (since.days * 86_400 + since.seconds) * 10**9 + since.microseconds * 1000


@given(moments, zones, st.sampled_from(["T", " "]))
def test_any_time_in_any_zone_is_read_exactly(moment: datetime, zone: timezone, separator: str) -> None:
    aware = moment.replace(tzinfo=zone)
    assert ns_from_iso(aware.isoformat(sep=separator)) == exact_ns(aware)


@given(moments, st.integers(min_value=0, max_value=10**9 - 1))
def test_every_nanosecond_is_kept(moment: datetime, fraction_ns: int) -> None:
    whole = moment.replace(microsecond=0)
    text = f"{whole.isoformat()}.{fraction_ns:09d}Z"
    assert ns_from_iso(text) == exact_ns(whole.replace(tzinfo=UTC)) + fraction_ns
    assert ns_from_iso(text.rstrip("Z"), assume_utc=True) == ns_from_iso(text)


@given(st.text(max_size=40))
def test_any_other_text_is_refused_with_a_reason(text: str) -> None:
    try:
        ns_from_iso(text)
    except InvalidInputError as error:
        assert error.reason is RejectReason.INVALID_TIME
        assert len(text) < 6 or text not in str(error)


@pytest.mark.parametrize(
    "text",
    [
        "2025-06-14T21:17:02",  # no offset
        "2025-06-14T21:17:02.1234567891Z",  # finer than a nanosecond
        "2025-06-14T21:17:60Z",  # a leap second has no number of its own
        "2025-02-29T00:00:00Z",
        "2025-06-14T21:17:02+24:00",
        "2025-06-14T21:17:02+02:99",
        "9999-12-31T23:59:59-23:59",
        "0000-01-01T00:00:00Z",
        "1718399822",
    ],
)
def test_what_cannot_be_exact_is_refused(text: str) -> None:
    with pytest.raises(InvalidInputError):
        ns_from_iso(text)


@given(st.integers(min_value=-(2**62), max_value=2**62))
def test_milliseconds_round_down_and_come_back(time_ns: int) -> None:
    time_ms = ms_from_ns(time_ns)
    assert ns_from_ms(time_ms) <= time_ns < ns_from_ms(time_ms) + NS_PER_MS


@given(moments)
def test_printed_milliseconds_read_back(moment: datetime) -> None:
    time_ms = ms_from_ns(exact_ns(moment.replace(tzinfo=UTC)))
    assert ns_from_iso(format_ms(time_ms)) == ns_from_ms(time_ms)


@given(st.integers(min_value=-(2**50), max_value=2**50), st.integers(min_value=1, max_value=86_400_000))
def test_a_window_holds_its_time_and_is_aligned(time_ms: int, width_ms: int) -> None:
    start = window_start_ms(time_ms, width_ms)
    assert start <= time_ms < start + width_ms
    assert start % width_ms == 0
