"""Timestamps of the language: RFC 3339 in, AWS's spelling out."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

_RFC_3339 = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?(Z|[+-]\d\d:\d\d)", re.ASCII)


def parse_timestamp(text: str) -> datetime | None:
    """
    The UTC time that *text* names, or ``None`` when it is no RFC 3339 timestamp with a capital T and a zone.

    Fractions finer than a microsecond are cut.  Source: ASL specification, "Timestamps".
    """
    match = _RFC_3339.fullmatch(text)
    if match is None:
        return None
    year, month, day, hour, minute, second, fraction, zone = match.groups()
    try:
        micros = int((fraction or "0").ljust(9, "0")[:6])
        time = datetime(int(year), int(month), int(day), int(hour), int(minute), int(second or 0), micros, tzinfo=UTC)
        if zone != "Z":
            offset = timedelta(hours=int(zone[1:3]), minutes=int(zone[4:6]))
            time = time - offset if zone[0] == "+" else time + offset
    except (ValueError, OverflowError):
        return None
    return time


def later(time: datetime, seconds: float) -> datetime:
    """The UTC time *seconds* after *time*, or the last one there is, at the end of the year 9999."""
    try:
        return time + timedelta(seconds=seconds)
    except OverflowError:
        return datetime.max.replace(tzinfo=UTC)


def format_timestamp(time: datetime) -> str:
    """*time* as AWS writes it in the context object: UTC, milliseconds, ``Z``."""
    return f"{time.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='milliseconds')}Z"
