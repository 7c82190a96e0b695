"""
The events of one turn as stores may keep them together: as one JSON text, in which nothing is said twice.

A task's result is in the event of its success, in that of its state's exit, in that of the next state's entry and in
the input of the next task: one value.  It is written where it comes first; later events tell which it was.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, cast

from workflow_manager.asl.values import JSON, LEAVES, dumps, loads
from workflow_manager.codec.events import (
    EVENT_TYPES,
    WHAT,
    event_from_record,
    event_to_record,
    text_of_timestamp,
    writable,
)
from workflow_manager.exceptions import InvalidValueError
from workflow_manager.history import HistoryEvent

_MICROSECOND = timedelta(microseconds=1)
_HOLDERS = (dict, list, tuple)  # what becomes an object or array
_BEGIN = "[["  # of several records in one text; records by themselves, a line each, begin otherwise


def events_to_text(events: Sequence[HistoryEvent], look: Callable[[JSON], None]) -> str:
    """
    *events* as one JSON text, an array of records as :func:`event_to_record` writes them, with these differences.

    A timestamp is null where it is that of the event before, else, but for the first, a number of microseconds since
    that.  A record that begins with its type is of the time and branch of the one before, hangs on that, and has the
    next id.  Behind the details, before *next* and *beside*, may stand an object: these members of the details stand
    there as null and have a value that was in the details of an event before.  Such values are counted from 0: objects
    and arrays only, each where it came first.

    *look* is called with all that holds an object or array before it is written, and may raise.

    Raises:
        InvalidValueError: a value is not JSON, or a timestamp has no zone.
    """
    numbers: dict[int, int] = {}  # of the values so far, by their id()
    records: list[list[Any]] = []
    before: datetime | None = None
    id, branch = 0, ""
    for event in events:
        at = event.timestamp
        if at is before and event.previous_event_id == id and event.id == id + 1 and event.branch == branch:
            record: list[Any] = [event.type]
        else:
            timestamp = None if at is before else _timestamp(at, before)
            record = [event.id, event.previous_event_id, event.type, timestamp, event.branch]
            before, branch = at, event.branch
        id = event.id
        details, same = (event.details, None) if not event.details else _first_said(event.details, numbers, look)
        if event.beside is not None:
            look(event.beside)
            record += (details, same, event.next, event.beside)
        elif event.next is not None:
            record += (details, same, event.next)
        elif same is not None:
            record += (details, same)
        elif details is not None:
            record.append(details)
        records.append(record)
    try:
        return writable(dumps(cast("JSON", records)), cast("JSON", records))
    except (TypeError, ValueError):
        return "\n".join(map(event_to_record, events))  # tells the place, or turns foreign mappings into dicts


def _timestamp(at: datetime, before: datetime | None) -> str | int:
    if before is None or at.tzinfo is None:
        return text_of_timestamp(at)
    return (at - before) // _MICROSECOND


def _first_said(
    details: Mapping[str, JSON], numbers: dict[int, int], look: Callable[[JSON], None]
) -> tuple[Mapping[str, JSON], dict[str, int] | None]:
    """*details* without the values that have *numbers*, and the numbers of those; others get one."""
    same: dict[str, int] | None = None
    if type(details) is not dict:
        details = dict(details)  # what has a number must live until the end
    for name, value in details.items():
        if type(value) in LEAVES and type(name) is str:
            continue
        number = numbers.get(id(value))
        if number is None or type(name) is not str:
            look(value if type(name) is str else {name: value})
            if isinstance(value, _HOLDERS):
                numbers[id(value)] = len(numbers)
        elif same is None:
            same = {name: number}
        else:
            same[name] = number
    if same is None:
        return details, None
    return {**details, **dict.fromkeys(same)}, same


def events_from_text(text: str) -> list[HistoryEvent]:
    """
    The events that :func:`events_to_text` wrote; or records by themselves, a line each, which are read as well.

    What is one value in several events is one object.

    Raises:
        InvalidValueError: *text* is neither, or has an event type that this version does not know.
    """
    if not text.startswith(_BEGIN):
        return [event_from_record(line) for line in text.split("\n")]
    try:
        return _events(cast("list[list[Any]]", loads(text)))
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError) as error:
        raise InvalidValueError(WHAT, "", f"{text[:200]!r} cannot be read ({error})") from None


def _events(records: list[list[Any]]) -> list[HistoryEvent]:
    events: list[HistoryEvent] = []
    values: list[JSON] = []
    at: datetime | None = None
    id, branch = 0, ""
    for record in records:
        if isinstance(record[0], str) and at is not None:
            previous, id, type_, rest = id, id + 1, record[0], record[1:]
        else:
            id, previous, type_, timestamp, branch, *rest = record
            at = _read_timestamp(timestamp, at)
        details, same, next, beside, *_ = [*rest, None, None, None, None]
        for name, value in details.items() if details else ():
            if same and name in same:
                details[name] = values[same[name]]
            elif type(value) not in LEAVES:
                values.append(value)
        events.append(HistoryEvent(id, previous, EVENT_TYPES[type_], at, details, branch, next, beside))
    return events


def _read_timestamp(timestamp: str | int | None, before: datetime | None) -> datetime:
    if isinstance(timestamp, str):
        return datetime.fromisoformat(timestamp)
    if before is None:
        raise ValueError("the first event has no timestamp")
    return before if timestamp is None else before + timestamp * _MICROSECOND
