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
import zlib
from collections.abc import Iterator, Mapping
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
        InvalidValueError: it is damaged, or of none of the shapes.
    """
    if "awslogs" in event:
        yield from _payload(_unpacked(_member(event["awslogs"], "data")))
    elif "Records" in event:
        for record in event["Records"]:
            yield from _payload(_unpacked(_member(record.get("kinesis"), "data")))
    elif "logEvents" in event:
        yield from _payload(event)
    elif "execution_arn" in event:
        yield _from_record(event)
    elif "detail-type" in event or "detail" in event:
        yield from _from_status_change(event)
    elif event.get("messageType") != "CONTROL_MESSAGE":
        raise InvalidValueError(_WHAT, "", "it is neither of EventBridge nor of CloudWatch Logs")


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


def _payload(payload: Mapping[str, Any]) -> Iterator[Notice]:
    stream = str(payload.get("logStream", ""))
    if payload.get("messageType") == "CONTROL_MESSAGE" or not stream.startswith(_LOG_STREAMS):
        return
    for index, log_event in enumerate(payload.get("logEvents", ())):
        message = _member(log_event, "message")
        try:
            record = loads(message)
        except ValueError as error:
            raise InvalidValueError(_WHAT, f"/logEvents/{index}/message", f"it is not JSON: {error}") from None
        if not isinstance(record, Mapping) or "execution_arn" not in record:
            raise InvalidValueError(_WHAT, f"/logEvents/{index}/message", "it is no history record")
        yield _from_record(record)


def _from_record(record: Mapping[str, Any]) -> Notice:
    """News from one history record; whatever is no end says that the execution runs."""
    arn, status = str(record["execution_arn"]), _ENDS.get(str(record.get("type")))
    redrive = _whole(record.get("redrive_count"))
    if status is None:
        return Notice(execution_arn=arn, standing=_RUNNING, redrive=redrive)
    details = record.get("details")
    found: Mapping[str, Any] = details if isinstance(details, Mapping) else {}
    is_whole = status != "SUCCEEDED" or ("output" in found and not _flag(found.get("outputDetails"), "truncated"))
    standing = _standing(status, found, record.get("event_timestamp"), with_output=is_whole)
    return Notice(execution_arn=arn, standing=standing, redrive=redrive, is_whole=is_whole)


def _from_status_change(event: Mapping[str, Any]) -> Iterator[Notice]:
    """AWS: Step Functions, "Execution Status Change" events; times in milliseconds since the epoch."""
    if event.get("source") != _SOURCE or event.get("detail-type") != _DETAIL_TYPE:
        return
    detail = event.get("detail")
    if not isinstance(detail, Mapping):
        raise InvalidValueError(_WHAT, "/detail", "it is missing")
    status = _member(detail, "status")
    left_out = _flag(detail.get("outputDetails"), "included") is False
    is_whole = status != "SUCCEEDED" or (detail.get("output") is not None and not left_out)
    yield Notice(
        execution_arn=_member(detail, "executionArn"),
        standing=_standing(status, detail, detail.get("stopDate"), with_output=is_whole),
        redrive=_whole(detail.get("redriveCount")),
        is_whole=is_whole,
    )


def _standing(status: str, found: Mapping[str, Any], millis: object, *, with_output: bool) -> Standing:
    output: JSON = None
    if with_output and isinstance(found.get("output"), str):
        try:
            output = loads(found["output"])
        except ValueError as problem:
            raise InvalidValueError(_WHAT, "/output", f"it is not JSON: {problem}") from None
    error, cause = found.get("error"), found.get("cause")
    return Standing(status=status, stopped_at=_time(millis), output=output, error=_text(error), cause=_text(cause))


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _flag(value: object, name: str) -> bool | None:
    flag = value.get(name) if isinstance(value, Mapping) else None
    return flag if isinstance(flag, bool) else None


def _whole(value: object) -> int | None:
    return int(value) if isinstance(value, int | str) and str(value).isdigit() else None


def _time(millis: object) -> datetime | None:
    whole = _whole(millis)
    return None if whole is None else datetime.fromtimestamp(whole / 1000, UTC)
