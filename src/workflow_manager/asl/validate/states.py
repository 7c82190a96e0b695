"""Which fields each type of state may have, and what they say together."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from workflow_manager.asl.machine import QueryLanguage, StateType
from workflow_manager.asl.validate import maps
from workflow_manager.asl.validate.choices import choices
from workflow_manager.asl.validate.expressions import (
    assign,
    fail_path,
    looks_dynamic,
    or_jsonata,
    path,
    path_or_null,
    positive_seconds,
    result_path,
    template,
    timestamp,
    whole_seconds,
)
from workflow_manager.asl.validate.judge import (
    Field,
    Judge,
    a,
    at_most_one,
    boolean,
    check_fields,
    exactly_one,
    one_of,
    require,
    text,
)
from workflow_manager.asl.validate.resource import resource
from workflow_manager.asl.validate.retry import catch, retry
from workflow_manager.asl.values import JSON, pointer_token

_JSONPATH, _JSONATA = QueryLanguage.JSONPATH, QueryLanguage.JSONATA


def _pass_result(judge: Judge, value: JSON, where: str) -> None:
    """``Result`` of a Pass is taken as it stands."""
    pending = [(where, value)]
    while pending:
        place, item = pending.pop()
        if isinstance(item, Mapping):
            pending.extend((f"{place}/{pointer_token(name)}", child) for name, child in item.items())
        elif isinstance(item, list):
            pending.extend((f"{place}/{index}", child) for index, child in enumerate(item))
        elif looks_dynamic(item):
            message = f"Result is taken literally; {item!r} is not looked up (use Parameters for that)"
            judge.warn(place, message, "PASS_RESULT_IS_STATIC")


def _credentials(judge: Judge, value: JSON, where: str) -> None:
    """``Credentials``: an object that names the role under which the task runs (AWS: Task workflow state)."""
    if not isinstance(value, Mapping):
        judge.error(where, f"Value must be an object, not {a(value)}")
        return
    template(judge, value, where)
    if "RoleArn" not in value and (judge.is_jsonata or "RoleArn.$" not in value):
        judge.error(where, "The field 'RoleArn' is required but was missing")


def _branches(judge: Judge, value: JSON, where: str) -> None:
    if not isinstance(value, list):
        judge.error(where, f"Value must be an array, not {a(value)}")
    elif not value:
        judge.error(where, "Value cannot be empty")


_EVERY: Mapping[str, Field] = {
    "Type": Field(text),
    "Comment": Field(text),
    "QueryLanguage": Field(one_of("JSONPath", "JSONata")),
}
_DATA: Mapping[str, Field] = {
    **_EVERY,
    "InputPath": Field(path_or_null, _JSONPATH),
    "OutputPath": Field(path_or_null, _JSONPATH),
    "Output": Field(template, _JSONATA),
}
_NEXT: Mapping[str, Field] = {**_DATA, "Assign": Field(assign), "Next": Field(text), "End": Field(boolean)}
_RESULT: Mapping[str, Field] = {
    **_NEXT,
    "ResultPath": Field(result_path, _JSONPATH),
    "Parameters": Field(template, _JSONPATH),
}
_WORK: Mapping[str, Field] = {
    **_RESULT,
    "ResultSelector": Field(template, _JSONPATH),
    "Retry": Field(retry),
    "Catch": Field(catch),
}
_ARGUMENTS: Mapping[str, Field] = {"Arguments": Field(template, _JSONATA)}

FIELDS: Mapping[StateType, Mapping[str, Field]] = {
    StateType.PASS: {**_RESULT, "Result": Field(_pass_result, _JSONPATH)},
    StateType.TASK: {
        **_WORK,
        **_ARGUMENTS,
        "Resource": Field(resource),
        "Credentials": Field(_credentials),
        "TimeoutSeconds": Field(positive_seconds),
        "TimeoutSecondsPath": Field(path, _JSONPATH),
        "HeartbeatSeconds": Field(positive_seconds),
        "HeartbeatSecondsPath": Field(path, _JSONPATH),
    },
    StateType.CHOICE: {**_DATA, "Assign": Field(assign), "Choices": Field(choices), "Default": Field(text)},
    StateType.WAIT: {
        **_NEXT,
        "Seconds": Field(whole_seconds),
        "SecondsPath": Field(path, _JSONPATH),
        "Timestamp": Field(or_jsonata(timestamp)),
        "TimestampPath": Field(path, _JSONPATH),
    },
    StateType.SUCCEED: _DATA,
    StateType.FAIL: {
        **_EVERY,
        "Error": Field(or_jsonata(text)),
        "ErrorPath": Field(fail_path, _JSONPATH),
        "Cause": Field(or_jsonata(text)),
        "CausePath": Field(fail_path, _JSONPATH),
    },
    StateType.PARALLEL: {**_WORK, **_ARGUMENTS, "Branches": Field(_branches)},
    StateType.MAP: {**_WORK, **maps.FIELDS},
}
"""The fields of each type of state (ASL specification, the table of "State types"; AWS for JSONata, Assign and Map)."""


def _task(judge: Judge, state: Mapping[str, JSON], where: str) -> None:
    if "Resource" not in state:
        judge.error(where, "These fields are required: [Resource]")
    at_most_one(judge, state, where, "TimeoutSeconds", "TimeoutSecondsPath")
    at_most_one(judge, state, where, "HeartbeatSeconds", "HeartbeatSecondsPath")
    timeout, heartbeat = state.get("TimeoutSeconds"), state.get("HeartbeatSeconds")
    if isinstance(timeout, int) and isinstance(heartbeat, int) and heartbeat >= timeout:
        message = f"HeartbeatSeconds {heartbeat} must be smaller than TimeoutSeconds {timeout}"
        judge.error(f"{where}/HeartbeatSeconds", message)


def _choice(judge: Judge, state: Mapping[str, JSON], where: str) -> None:
    require(judge, state, where, "Choices")


def _wait(judge: Judge, state: Mapping[str, JSON], where: str) -> None:
    exactly_one(judge, state, where, "Seconds", "SecondsPath", "Timestamp", "TimestampPath")


def _fail(judge: Judge, state: Mapping[str, JSON], where: str) -> None:
    at_most_one(judge, state, where, "Error", "ErrorPath")
    at_most_one(judge, state, where, "Cause", "CausePath")


def _parallel(judge: Judge, state: Mapping[str, JSON], where: str) -> None:
    require(judge, state, where, "Branches")


_TYPES: Mapping[str, StateType] = {kind.value: kind for kind in StateType}
_TOGETHER: Mapping[StateType, Callable[[Judge, Mapping[str, JSON], str], None]] = {
    StateType.TASK: _task,
    StateType.CHOICE: _choice,
    StateType.WAIT: _wait,
    StateType.FAIL: _fail,
    StateType.PARALLEL: _parallel,
    StateType.MAP: maps.map_state,
}


_ALLOWED = "Task, Wait, Pass, Succeed, Fail, Choice, Parallel, Map"  # in AWS's order


def check_state(judge: Judge, state: Mapping[str, JSON], where: str) -> None:
    """Judge one state at *where* by itself; where it leads and what is nested in it is judged elsewhere."""
    said = state.get("Type")
    kind = _TYPES.get(said) if isinstance(said, str) else None
    if kind is None:
        if "Type" not in state:
            judge.error(where, "These fields are required: [Type]")
        else:
            judge.error(f"{where}/Type", f"The field 'Type' should have one of these values: [{_ALLOWED}]")
        return
    fields = FIELDS[kind]
    check_fields(judge, state, where, fields)
    if "End" in fields:
        exactly_one(judge, state, where, "Next", "End")
    if together := _TOGETHER.get(kind):
        together(judge, state, where)
