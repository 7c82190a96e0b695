"""Timestamps: RFC 3339 in, AWS's spelling out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflow_manager.asl.timestamps import format_timestamp, parse_timestamp

EPOCH = datetime(1970, 1, 1, 0, 0, 0, 123, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2026-03-01T12:30:15Z", datetime(2026, 3, 1, 12, 30, 15, tzinfo=UTC)),
        ("2026-03-01T12:30Z", datetime(2026, 3, 1, 12, 30, tzinfo=UTC)),
        ("2026-03-01T12:30:15.5Z", datetime(2026, 3, 1, 12, 30, 15, 500_000, tzinfo=UTC)),
        ("2026-03-01T12:30:15.123456789Z", datetime(2026, 3, 1, 12, 30, 15, 123_456, tzinfo=UTC)),
        ("2026-03-01T12:30:15+02:00", datetime(2026, 3, 1, 10, 30, 15, tzinfo=UTC)),
        ("2026-03-01T00:30:15+05:45", datetime(2026, 2, 28, 18, 45, 15, tzinfo=UTC)),
        ("2026-03-01T23:30:15-02:00", datetime(2026, 3, 2, 1, 30, 15, tzinfo=UTC)),
        ("2026-03-01T12:30:15-00:00", datetime(2026, 3, 1, 12, 30, 15, tzinfo=UTC)),
        ("2024-02-29T00:00:00Z", datetime(2024, 2, 29, tzinfo=UTC)),
    ],
)
def test_what_is_a_timestamp(text: str, time: datetime) -> None:
    """A date, a capital T, a time of day, and Z or an offset; seconds and fractions may be absent."""
    parsed = parse_timestamp(text)
    assert parsed == time
    assert parsed is not None
    assert parsed.tzinfo is UTC


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-03-01",
        "2026-03-01T12:30:15",
        "2026-03-01 12:30:15Z",
        "2026-03-01t12:30:15Z",
        "2026-03-01T12:30:15z",
        "2026-03-01T12:30:15+0200",
        "2026-03-01T12:30:15.Z",
        "2026-03-01T12:30:15.1234567890Z",
        "2026-02-29T00:00:00Z",
        "2026-13-01T00:00:00Z",
        "2026-03-01T24:00:00Z",
        "2026-03-01T12:60:00Z",
        "2026-3-1T12:30:15Z",
        " 2026-03-01T12:30:15Z",
        "2026-03-01T12:30:15Z\n",
        "２０２６-03-01T12:30:15Z",
        "0001-01-01T00:00:00+01:00",
        "20260301T123015Z",
    ],
)
def test_what_is_none(text: str) -> None:
    """No zone, a space for the T, small letters, a day that does not exist, foreign digits, times beyond all years."""
    assert parse_timestamp(text) is None


def test_how_aws_writes_a_time() -> None:
    """UTC with milliseconds, cut rather than rounded, and Z."""
    assert format_timestamp(datetime(2026, 3, 1, 12, 30, 15, 999_999, tzinfo=UTC)) == "2026-03-01T12:30:15.999Z"
    assert format_timestamp(datetime(2026, 3, 1, tzinfo=UTC)) == "2026-03-01T00:00:00.000Z"
    east = timezone(timedelta(hours=2))
    assert format_timestamp(datetime(2026, 3, 1, 1, tzinfo=east)) == "2026-02-28T23:00:00.000Z"


@given(st.integers(-2_000_000_000_000, 7_000_000_000_000).map(lambda millis: EPOCH + timedelta(milliseconds=millis)))
def test_what_is_written_can_be_read(time: datetime) -> None:
    """To the millisecond."""
    assert parse_timestamp(format_timestamp(time)) == time.replace(microsecond=time.microsecond // 1000 * 1000)
