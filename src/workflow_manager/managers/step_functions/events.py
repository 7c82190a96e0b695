"""
What AWS tells by itself: status changes from EventBridge, and history records from CloudWatch Logs.

Every shape in which they arrive is taken apart here into :class:`Notice` objects: the event of an EventBridge rule
("Step Functions Execution Status Change"), a Lambda event of a CloudWatch Logs subscription (``awslogs``) or of a
Kinesis stream behind one (``Records``), the decoded payload of either, and a single history record.
"""

from __future__ import annotations

import base64
import binascii
import gzip
import re
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import attrs

from workflow_manager.asl.values import JSON, loads
from workflow_manager.exceptions import InvalidValueError
from workflow_manager.managers.step_functions.names import name_of_execution
from workflow_manager.managers.step_functions.standing import Standing

_WHAT = "event"
_SOURCE, _DETAIL_TYPE = "aws.states", "Step Functions Execution Status Change"
_LOG_STREAMS = "states/"
_RUNNING = Standing(status="RUNNING")
_ENDS = {
    "ExecutionSucceeded": "SUCCEEDED",
    "ExecutionFailed": "FAILED",
    "ExecutionTimedOut": "TIMED_OUT",
    "ExecutionAborted": "ABORTED",
}


@attrs.frozen(kw_only=True)
class Notice:
    """
    News of an execution: how it stands, and since which *redrive* (``None``: not told).

    *is_whole* is false where AWS has left data out, so that the execution must be asked for it.
    """

    execution_arn: str
    standing: Standing
    redrive: int | None = None
    is_whole: bool = True

    @property
    def name(self) -> str:
        """The execution's name, which is the id of the workflow that started it."""
        return name_of_execution(self.execution_arn)


def notices(event: Mapping[str, Any]) -> Iterator[Notice]:
    """
    The news in *event*; there is none in what is about other things.

    Raises:
        InvalidValueError: it is damaged, or of none of the shapes; of many records the others come first.
    """
    if "awslogs" in event:
        yield from _payload(_unpacked(_member(event["awslogs"], "data")))
    elif "Records" in event:
        yield from _each(event["Records"], "Records", _from_kinesis)
    elif "logEvents" in event:
        yield from _payload(event)
    elif "execution_arn" in event:
        yield from _from_record(event)
    elif "detail-type" in event or "detail" in event:
        yield from _from_status_change(event)
    elif event.get("messageType") != "CONTROL_MESSAGE":
        raise InvalidValueError(_WHAT, "", "it is neither of EventBridge nor of CloudWatch Logs")


def _each(items: object, name: str, read: Callable[[Any], Iterator[Notice]]) -> Iterator[Notice]:
    """The news in all *items*; one that is damaged keeps nothing from the others, and is raised in the end."""
    if not isinstance(items, Sequence) or isinstance(items, str):
        raise InvalidValueError(_WHAT, f"/{name}", "it is no list")
    damage: InvalidValueError | None = None
    for index, item in enumerate(items):
        try:
            yield from read(item)
        except InvalidValueError as error:
            path = f"/{name}/{index}{error.path}"
            damage = damage or InvalidValueError(_WHAT, path, error.reason)
    if damage is not None:
        raise damage


def _member(value: object, name: str) -> str:
    text = value.get(name) if isinstance(value, Mapping) else None
    if not isinstance(text, str):
        raise InvalidValueError(_WHAT, f"/{name}", "it is missing")
    return text


def _unpacked(data: str) -> Mapping[str, Any]:
    """The payload of a subscription: base64 around gzip around JSON."""
    try:
        payload = loads(gzip.decompress(base64.b64decode(data, validate=True)).decode())
    except (ValueError, OSError, EOFError, zlib.error, binascii.Error) as error:
        raise InvalidValueError(_WHAT, "/data", f"it is not gzipped JSON in base64: {error}") from None
    if not isinstance(payload, Mapping):
        raise InvalidValueError(_WHAT, "/data", "it is not a JSON object")
    return payload


def _from_kinesis(record: object) -> Iterator[Notice]:
    kinesis = record.get("kinesis") if isinstance(record, Mapping) else None
    return _payload(_unpacked(_member(kinesis, "data")))


def _payload(payload: Mapping[str, Any]) -> Iterator[Notice]:
    stream = str(payload.get("logStream", ""))
    if payload.get("messageType") == "CONTROL_MESSAGE" or not stream.startswith(_LOG_STREAMS):
        return iter(())
    return _each(payload.get("logEvents", ()), "logEvents", _from_log_event)


def _from_log_event(log_event: object) -> Iterator[Notice]:
    message = _member(log_event, "message")
    try:
        record = loads(message)
    except ValueError as error:
        raise InvalidValueError(_WHAT, "/message", f"it is not JSON: {error}") from None
    if not isinstance(record, Mapping) or "execution_arn" not in record:
        raise InvalidValueError(_WHAT, "/message", "it is no history record")
    return _from_record(record)


def _from_record(record: Mapping[str, Any]) -> Iterator[Notice]:
    """News from one history record; whatever is no end says that the execution runs."""
    arn, status = _member(record, "execution_arn"), _ENDS.get(str(record.get("type")))
    redrive = _whole(record.get("redrive_count"))
    if status is None:
        yield Notice(execution_arn=arn, standing=_RUNNING, redrive=redrive)
        return
    details = record.get("details")
    found: Mapping[str, Any] = details if isinstance(details, Mapping) else {}
    left_out = _flag(found.get("outputDetails"), "truncated") is True
    yield _notice(arn, status, found, record.get("event_timestamp"), redrive, left_out=left_out)


def _from_status_change(event: Mapping[str, Any]) -> Iterator[Notice]:
    """AWS: Step Functions, "Execution Status Change" events; times in milliseconds since the epoch."""
    if event.get("source") != _SOURCE or event.get("detail-type") != _DETAIL_TYPE:
        return
    detail = event.get("detail")
    if not isinstance(detail, Mapping):
        raise InvalidValueError(_WHAT, "/detail", "it is missing")
    arn, status = _member(detail, "executionArn"), _member(detail, "status")
    left_out = _flag(detail.get("outputDetails"), "included") is False
    yield _notice(arn, status, detail, detail.get("stopDate"), _whole(detail.get("redriveCount")), left_out=left_out)


def _notice(
    arn: str, status: str, found: Mapping[str, Any], millis: object, redrive: int | None, *, left_out: bool
) -> Notice:
    """*found* has the output, or error and cause; which of them an end of that kind should have is known."""
    told = {name: found.get(name) for name in ("output", "error", "cause")}
    is_whole = True
    if status == "SUCCEEDED":
        is_whole = isinstance(told["output"], str) and not left_out
    elif status == "FAILED":
        is_whole = told["error"] is not None or told["cause"] is not None
    standing = Standing(
        status=status,
        stopped_at=_time(millis),
        output=_output(told["output"]) if is_whole else None,
        error=_text(told["error"]),
        cause=_text(told["cause"]),
    )
    return Notice(execution_arn=arn, standing=standing, redrive=redrive, is_whole=is_whole)


def _output(text: object) -> JSON:
    if not isinstance(text, str):
        return None
    try:
        return loads(text)
    except ValueError as problem:
        raise InvalidValueError(_WHAT, "/output", f"it is not JSON: {problem}") from None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _flag(value: object, name: str) -> bool | None:
    flag = value.get(name) if isinstance(value, Mapping) else None
    return flag if isinstance(flag, bool) else None


def _whole(value: object) -> int | None:
    return int(value) if isinstance(value, int | str) and re.fullmatch("[0-9]{1,18}", str(value)) else None


def _time(millis: object) -> datetime | None:
    whole = _whole(millis)
    try:
        return None if whole is None else datetime.fromtimestamp(whole / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        raise InvalidValueError(_WHAT, "", f"{millis} is no time in milliseconds") from None
