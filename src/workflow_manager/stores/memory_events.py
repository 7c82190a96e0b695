"""
Events as a MemoryStore keeps them: in a form that nobody can change, small, and of no concern to the garbage collector.

A history is mostly kept and seldom read.  As objects, its values would be walked again and again by the collector for
as long as the store lives, the more the larger it is; as bytes they are not.
"""

from __future__ import annotations

import marshal
from collections.abc import Iterable
from datetime import datetime
from typing import Any, TypeAlias

from workflow_manager.codec.events import EVENT_TYPES
from workflow_manager.history import HistoryEvent
from workflow_manager.stores.isolation import isolated_events

KeptEvent: TypeAlias = tuple[int, int, str, datetime, bytes, str, str | None, bytes]
"""The fields of a HistoryEvent, in order; type as text, details and beside as ``marshal`` writes them."""


def kept_events(events: Iterable[HistoryEvent]) -> list[KeptEvent]:
    """
    *events* to keep.

    Raises:
        InvalidValueError: the details of one are not JSON.
    """
    return [
        (
            event.id,
            event.previous_event_id,
            str(event.type),
            event.timestamp,
            _bytes(event.details),
            event.branch,
            event.next,
            _bytes(event.beside),
        )
        for event in isolated_events(events)
    ]


def event_of(kept: KeptEvent) -> HistoryEvent:
    """The event that was *kept*; its values are the caller's own."""
    id, previous, type, timestamp, details, branch, next, beside = kept
    return HistoryEvent(id, previous, EVENT_TYPES[type], timestamp, _value(details), branch, next, _value(beside))


def _bytes(value: Any) -> bytes:
    return marshal.dumps(value)


def _value(kept: bytes) -> Any:
    return marshal.loads(kept)  # noqa: S302  these are the bytes that this process has written
