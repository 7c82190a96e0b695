"""The context object of a state under test."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from workflow_manager.asl.machine import StateType
from workflow_manager.asl.program import CompiledState
from workflow_manager.asl.resources import TaskKind
from workflow_manager.asl.timestamps import format_timestamp
from workflow_manager.asl.values import JSON, type_name
from workflow_manager.testing.state_errors import StateTestError, refuse

_EXECUTION, _MACHINE = "test-state", "TestState"
_ACCOUNT = "123456789012"
_RETRYING = (StateType.TASK, StateType.PARALLEL, StateType.MAP)

_MEMBERS: Mapping[str, Mapping[str, str | None]] = {
    "Execution": {
        "Id": "string",
        "Input": None,
        "Name": "string",
        "RedriveCount": "number",
        "RedriveTime": "string",
        "RoleArn": "string",
        "StartTime": "string",
    },
    "State": {"EnteredTime": "string", "Name": "string", "RetryCount": "number"},
    "StateMachine": {"Id": "string", "Name": "string"},
    "Task": {"Token": "string"},
}
"""What a context object may hold, and the JSON type of each member (AWS: "Accessing the Context object")."""


def check_context(context: JSON) -> Mapping[str, JSON]:
    """
    The *context* of a request, if it is a context object or a part of one.

    Raises:
        StateTestError: it is no object, has a member that a context object does not have, one of another type, or
            ``Map``, which AWS does not take here.
    """
    if not isinstance(context, Mapping):
        raise _invalid("Context must be an object")
    for name, section in context.items():
        members = _MEMBERS.get(name)
        if name == "Map":
            raise _invalid("'Map' field is not supported when mocking a Context object")
        if members is None:
            raise _invalid(f"Field '{name}' is not allowed")
        if not isinstance(section, Mapping):
            raise _invalid(f"{name} must be an object")
        for member, value in section.items():
            if member not in members:
                raise _invalid(f"Field '{member}' is not allowed")
            expected = members[member]
            if expected is not None and type_name(value) != expected:
                raise _invalid(f"{name}.{member} must be a {expected}")
    return context


def _invalid(reason: str) -> StateTestError:
    return refuse(f"Invalid Context object provided: {reason}")


def make_context(
    state: CompiledState, input: JSON, given: Mapping[str, JSON], *, role_arn: str, retries: int, at: datetime
) -> JSON:
    """The context object of *state*, entered at the time *at*; sections that the request has *given* replace ours."""
    time = format_timestamp(at)
    about: dict[str, JSON] = {"Name": state.name, "EnteredTime": time}
    if state.type in _RETRYING:
        about["RetryCount"] = retries
    prefix = f"arn:aws:states:us-east-1:{_account_of(role_arn)}"
    context: dict[str, JSON] = {
        "Execution": {
            "Id": f"{prefix}:express:{_MACHINE}:{_EXECUTION}",
            "Input": input,
            "Name": _EXECUTION,
            "RoleArn": role_arn,
            "StartTime": time,
        },
        "StateMachine": {"Id": f"{prefix}:stateMachine:{_MACHINE}", "Name": _MACHINE},
        "State": about,
    }
    if state.type is StateType.TASK and state.resource.kind is TaskKind.SERVICE and state.resource.is_asynchronous:
        context["Task"] = {"Token": token_of(state)}
    return {**context, **given}


def _account_of(role_arn: str) -> str:
    """The account that a role belongs to: a state machine's role is one of its own account."""
    parts = role_arn.split(":")
    return parts[4] if len(parts) > 5 else _ACCOUNT


def token_of(state: CompiledState) -> str:
    """The task token of a Task under test."""
    return f"{_EXECUTION}/{state.name}"
