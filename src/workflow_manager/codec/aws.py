"""
History events in the shape of AWS Step Functions.

Source: AWS API, GetExecutionHistory and HistoryEvent; the dicts are those that boto3 gives.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from workflow_manager.asl.values import JSON, dumps, loads, pointer_token
from workflow_manager.exceptions import InvalidValueError
from workflow_manager.history import DETAILS_MEMBERS, JSON_TEXT_MEMBERS, HistoryEvent, HistoryEventType

_WHAT = "history event"
_EPOCH = datetime.fromtimestamp(0, UTC)
_TYPES: Mapping[str, HistoryEventType] = {type.value: type for type in HistoryEventType}
_DATA_DETAILS = {"input": "inputDetails", "output": "outputDetails"}


def event_to_aws(event: HistoryEvent) -> dict[str, Any]:
    """
    *event* as boto3's ``get_execution_history`` gives it: ``timestamp`` a datetime, data as JSON text.

    An event whose details are ``None`` gets no details member, one whose details are empty gets ``{}``.

    Raises:
        InvalidValueError: the event is of a type that AWS does not list.
    """
    if not isinstance(event.type, HistoryEventType):
        raise InvalidValueError(_WHAT, "/type", f"{event.type.value} is not an event type of AWS")
    out: dict[str, Any] = {
        "timestamp": event.timestamp,
        "type": event.type.value,
        "id": event.id,
        "previousEventId": event.previous_event_id,
    }
    member = DETAILS_MEMBERS[event.type]
    if member is not None and event.details is not None:
        out[member] = _details_to_aws(event.details)
    return out


def history_to_aws(events: Iterable[HistoryEvent]) -> list[dict[str, Any]]:
    """The listed ones of *events*, in their order, each as :func:`event_to_aws` gives it."""
    return [event_to_aws(event) for event in events if event.is_listed]


def event_from_aws(mapping: Mapping[str, Any], branch: str = "") -> HistoryEvent | None:
    """
    The event that *mapping*, one of ``get_execution_history``'s events, describes; it is put into *branch*.

    ``timestamp`` may be a datetime, an RFC 3339 string or a number of seconds since the epoch; without one the event
    is dated 1970.  Data that AWS has truncated is left out, and ``inputDetails`` or ``outputDetails`` then stays
    among the details.

    Returns ``None`` for an event type that this version does not know.

    Raises:
        InvalidValueError: a member is missing or of the wrong type, or its JSON text is none.
    """
    type = _TYPES.get(_text(mapping, "type"))
    if type is None:
        return None
    member = DETAILS_MEMBERS[type]
    details = mapping.get(member) if member is not None else None
    if details is not None and not isinstance(details, Mapping):
        raise InvalidValueError(_WHAT, f"/{member}", "it is not an object")
    return HistoryEvent(
        id=_whole(mapping.get("id"), "id"),
        previous_event_id=_whole(mapping.get("previousEventId", 0), "previousEventId"),
        type=type,
        timestamp=_time(mapping.get("timestamp")),
        details=None if details is None else _details_from_aws(details, f"/{member}"),
        branch=branch,
    )


def _details_to_aws(details: Mapping[str, JSON]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for name, value in details.items():
        if name in JSON_TEXT_MEMBERS:
            out[name] = dumps(value)
            if name in _DATA_DETAILS:
                out.setdefault(_DATA_DETAILS[name], {"truncated": False})
        elif name == "assignedVariables" and isinstance(value, Mapping):
            out[name] = {variable: dumps(assigned) for variable, assigned in value.items()}
            out.setdefault("assignedVariablesDetails", {"truncated": False})
        else:
            out[name] = value
    return out


def _details_from_aws(details: Mapping[str, Any], path: str) -> dict[str, JSON]:
    out: dict[str, JSON] = {}
    for name, value in details.items():
        if name in JSON_TEXT_MEMBERS:
            if not _is_truncated(details, name):
                out[name] = _value(value, f"{path}/{name}")
        elif name == "assignedVariables":
            if not isinstance(value, Mapping):
                raise InvalidValueError(_WHAT, f"{path}/{name}", "it is not an object")
            if not _is_truncated(details, name):
                out[name] = {key: _value(text, f"{path}/{name}/{pointer_token(key)}") for key, text in value.items()}
        elif name not in _EXECUTION_DATA_DETAILS or _truncated(value):
            out[name] = value
    return out


_EXECUTION_DATA_DETAILS = frozenset({"inputDetails", "outputDetails", "assignedVariablesDetails"})


def _is_truncated(details: Mapping[str, Any], name: str) -> bool:
    return _truncated(details.get(f"{name}Details"))


def _truncated(data_details: object) -> bool:
    return isinstance(data_details, Mapping) and data_details.get("truncated") is True


def _value(text: object, path: str) -> JSON:
    if not isinstance(text, str):
        raise InvalidValueError(_WHAT, path, "it is not JSON text")
    try:
        return loads(text)
    except ValueError as error:
        raise InvalidValueError(_WHAT, path, f"it is not JSON text: {error}") from None


def _text(mapping: Mapping[str, Any], name: str) -> str:
    value = mapping.get(name)
    if not isinstance(value, str):
        raise InvalidValueError(_WHAT, f"/{name}", f"{value!r} is not a string")
    return value


def _whole(value: object, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidValueError(_WHAT, f"/{name}", f"{value!r} is not a whole number")
    return value


def _time(value: object) -> datetime:
    if value is None:
        return _EPOCH
    try:
        if isinstance(value, str):
            value = datetime.fromisoformat(value)
        elif isinstance(value, int | float):
            value = datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError):
        raise InvalidValueError(_WHAT, "/timestamp", f"{value!r} is not a time") from None
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise InvalidValueError(_WHAT, "/timestamp", f"{value!r} is not a time with a time zone")
    return value.astimezone(UTC)
