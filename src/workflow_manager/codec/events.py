"""
History events as stores keep them: one line of compact JSON text each.

A record is a JSON array: id, previous id, type, timestamp (RFC 3339, UTC, microseconds), branch, details, next, beside.
Nulls at its end are left out.  Written by hand, not by a converter, because every event of every execution passes here.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, cast

from workflow_manager.asl.values import JSON, LEAVES, check_json, dumps, loads
from workflow_manager.exceptions import InvalidValueError
from workflow_manager.history import HistoryEvent, HistoryEventType, UnlistedEventType

WHAT = "event record"
EVENT_TYPES: Mapping[str, HistoryEventType | UnlistedEventType] = {
    type.value: type for type in (*HistoryEventType, *UnlistedEventType)
}


def text_of(value: JSON) -> str:
    """
    *value* as compact JSON text that can be written as UTF-8 (a lone surrogate is escaped).

    Raises:
        InvalidValueError: *value* holds something that is not JSON.
    """
    try:
        text = dumps(value)
    except (TypeError, ValueError, RecursionError):
        text = dumps(check_json(value))  # tells the place, or turns foreign mappings into dicts
    return writable(text, value)


def writable(text: str, value: JSON) -> str:
    """The *text* of *value*, or another that can be written as UTF-8."""
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            return json.dumps(value, separators=(",", ":"))
    return text


def event_to_record(event: HistoryEvent, text: Callable[[JSON], str] = text_of) -> str:
    """
    *event*, listed or not, as compact JSON text; :func:`event_from_record` reads it.

    *text* writes the values of its details.
    """
    timestamp = text_of_timestamp(event.timestamp)
    head = f'[{event.id},{event.previous_event_id},"{event.type}","{timestamp}",{_name(event.branch)}'
    if event.beside is not None:
        next = "null" if event.next is None else _name(event.next)
        return f"{head},{_members(event.details, text)},{next},{_members(event.beside, text)}]"
    if event.next is not None:
        return f"{head},{_members(event.details, text)},{_name(event.next)}]"
    return f"{head}]" if event.details is None else f"{head},{_members(event.details, text)}]"


def text_of_timestamp(timestamp: datetime) -> str:
    """*timestamp* as records have it; ``InvalidValueError`` if it has no zone."""
    if timestamp.tzinfo is not UTC:
        if timestamp.tzinfo is None:
            raise InvalidValueError("history event", "/timestamp", f"{timestamp!r} has no time zone")
        timestamp = timestamp.astimezone(UTC)
    return timestamp.isoformat()


def _members(details: Mapping[str, JSON] | None, text: Callable[[JSON], str]) -> str:
    """An object whose members *text* writes, one by one."""
    if type(details) is not dict:
        return text(details)
    return f"{{{','.join([f'{_name(key)}:{text(value)}' for key, value in details.items()])}}}"


@functools.lru_cache(maxsize=4096)
def _name(name: object) -> str:
    """The text of what is written again and again: members, states, branches."""
    if type(name) is not str:
        raise InvalidValueError("history event", "", f"a key is a {type(name).__name__}, not a string")
    return text_of(name)


def events_to_records(events: Sequence[HistoryEvent]) -> list[str]:
    """:func:`event_to_record` of each event of one turn; a value that several of them share is written once."""
    written: dict[int, str] = {}

    def text(value: JSON) -> str:
        if type(value) in LEAVES:
            return text_of(value)
        known = written.get(id(value))
        if known is None:
            known = written[id(value)] = text_of(value)
        return known

    return [event_to_record(event, text) for event in events]


def event_from_record(text: str) -> HistoryEvent:
    """
    The event that :func:`event_to_record` wrote; its details belong to the caller.

    Raises:
        InvalidValueError: *text* is no such record, or of an event type that this version does not know.
    """
    try:
        fields = cast("list[Any]", loads(text))
        id, previous, type, timestamp, branch, details, next, beside, *_ = [*fields, None, None, None]
        return HistoryEvent(
            id, previous, EVENT_TYPES[type], datetime.fromisoformat(timestamp), details, branch, next, beside
        )
    except (ValueError, TypeError, KeyError) as error:
        raise InvalidValueError(WHAT, "", f"{text[:200]!r} cannot be read ({error})") from None
