"""A request to test a state, read and checked as AWS and boto3 check it (AWS API: TestState)."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any, TypeAlias

import attrs

from workflow_manager.asl.machine import StateMachine, StateType
from workflow_manager.asl.program import CompiledState, Program, compile_machine
from workflow_manager.asl.resources import TaskKind
from workflow_manager.asl.text import parse_json
from workflow_manager.asl.validate import validate
from workflow_manager.asl.values import JSON
from workflow_manager.exceptions import DefinitionError, Problem, Severity
from workflow_manager.models import WorkflowDefinition
from workflow_manager.testing.state_context import check_context
from workflow_manager.testing.state_errors import (
    StateTestError,
    StateTestErrorCode,
    bad_definition,
    bad_parameters,
    refuse,
)
from workflow_manager.testing.state_mock import Mock, bad_type, check_mock, check_names, read_json

Definition: TypeAlias = "WorkflowDefinition | StateMachine | Mapping[str, Any] | str"

_ALONE = "StateName"  # what AWS calls a state that is tested without its machine
_OUTWARD = re.compile(rf"/States/{_ALONE}/((Choices|Catch)/\d+/)?(Next|Default)")
_UNSUPPORTED = (
    "TestState API does not support Map or Parallel states. "
    "Supported state types include: [Task, Wait, Pass, Succeed, Fail, Choice]"
)


class InspectionLevel(StrEnum):
    """How much of the data's way is shown (AWS API: TestState): INFO nothing, the others every station."""

    INFO = "INFO"
    DEBUG = "DEBUG"
    TRACE = "TRACE"


@attrs.frozen(kw_only=True)
class StateConfiguration:
    """What has happened to the state before, or beneath it (AWS API: TestStateConfiguration)."""

    retrier_retry_count: int = 0
    error_caused_by_state: str | None = None
    map_iteration_failure_count: int | None = None
    map_item_reader_data: str | None = None


_CONFIGURATION: Mapping[str, tuple[str, type]] = {
    "retrierRetryCount": ("retrier_retry_count", int),
    "errorCausedByState": ("error_caused_by_state", str),
    "mapIterationFailureCount": ("map_iteration_failure_count", int),
    "mapItemReaderData": ("map_item_reader_data", str),
}


def read_configuration(value: Mapping[str, Any] | None) -> StateConfiguration:
    """
    The stateConfiguration of a request.

    Raises:
        StateTestError: it has unknown members, members of the wrong type, or negative numbers.
    """
    given = value or {}
    check_names("stateConfiguration", given, *_CONFIGURATION)
    arguments: dict[str, Any] = {}
    for name, member in given.items():
        parameter, (attribute, expected) = f"stateConfiguration.{name}", _CONFIGURATION[name]
        if not isinstance(member, expected) or isinstance(member, bool):
            raise bad_parameters(bad_type(parameter, member, expected))
        if isinstance(member, int) and member < 0:
            raise bad_parameters(f"Invalid range for parameter {parameter}, value: {member}, valid min value: 0")
        arguments[attribute] = member
    check_length("stateConfiguration.errorCausedByState", arguments.get("error_caused_by_state"))
    return StateConfiguration(**arguments)


def check_length(parameter: str, value: str | None) -> None:
    """Refuse an empty string."""
    if value == "":
        raise bad_parameters(f"Invalid length for parameter {parameter}, value: 0, valid min length: 1")


def read_object(value: object, what: str) -> Mapping[str, JSON]:
    """A JSON object, or its text; nothing is an empty one."""
    found = read_json({} if value is None else value, lambda reason: refuse(f"{what} must be valid JSON"))
    if not isinstance(found, Mapping):
        raise refuse(f"{what} must be a JSON object")
    return found


def read_input(value: object) -> JSON:
    """The state's input: a JSON value, or JSON text."""
    code = StateTestErrorCode.INVALID_EXECUTION_INPUT
    return read_json(value, lambda reason: StateTestError(code, f"Invalid State Machine Execution Input: '{reason}'"))


def read_context(value: object, mock: Mock | None) -> Mapping[str, JSON]:
    """The sections of the context object that the request gives; they need a mock."""
    if value is None:
        return {}
    if mock is None:
        raise _needs_mock("Context")
    return check_context(read_json(value, lambda reason: refuse("Context must be valid JSON")))


# ---------------------------------------------------------------- the state
def find_state(definition: Definition, name: str | None) -> CompiledState:
    """
    The state under test: *definition* itself, or the state *name* of it, which may be nested in a Map or Parallel.

    Raises:
        StateTestError: InvalidDefinition when something in *definition* cannot run, ValidationException when it has no
            such state.
    """
    if isinstance(definition, WorkflowDefinition):
        definition = definition.state_machine
    if name is not None or isinstance(definition, StateMachine):
        machine = _whole(definition)
        found = next((state for state in _walk(compile_machine(machine)) if state.name == name), None)
        if found is None:
            raise refuse("State not found in definition")
        return found
    document = {"StartAt": _ALONE, "States": {_ALONE: _document(definition)}}
    return compile_machine(_machine(document, alone=True)).states[_ALONE]


def _whole(definition: StateMachine | Mapping[str, Any] | str) -> StateMachine:
    return _machine(definition if isinstance(definition, StateMachine) else _document(definition))


def _document(definition: Mapping[str, Any] | str) -> Any:
    if not isinstance(definition, str):
        return definition
    try:
        value, problems = parse_json(definition)
    except DefinitionError as error:
        raise bad_definition(error.problems) from None
    if problems:
        raise bad_definition(problems)
    return value


def _machine(document: Any, *, alone: bool = False) -> StateMachine:
    problems = [problem for problem in validate(document) if problem.severity is Severity.ERROR]
    if alone:
        problems = [problem for problem in problems if not _is_outside(problem)]
    if problems:
        raise bad_definition(problems)
    return document if isinstance(document, StateMachine) else StateMachine.from_dict(document)


def _is_outside(problem: Problem) -> bool:
    """Whether the problem is only that a state alone has no neighbours."""
    if problem.code == "MISSING_END_STATE":
        return problem.path == "/States"
    return problem.code == "MISSING_TRANSITION_TARGET" and _OUTWARD.fullmatch(problem.path) is not None


def _walk(program: Program) -> Iterator[CompiledState]:
    """Every state, those of the outermost machine first."""
    pending = deque([program])
    while pending:
        for state in pending.popleft().states.values():
            yield state
            pending.extend(_within(state))


def _within(state: CompiledState) -> tuple[Program, ...]:
    if state.type is StateType.PARALLEL:
        return state.branches
    return (state.processor,) if state.type is StateType.MAP else ()


# ---------------------------------------------------------------- what goes with what
def check_request(
    state: CompiledState, mock: Mock | None, configuration: StateConfiguration, given: Mapping[str, Any] | None
) -> None:
    """
    Refuse what does not go together: a mock and the state's type, a configuration without a mock, an unknown cause.

    *given* is the configuration as the request has it.
    """
    if mock is not None:
        check_mock(state, mock)
    else:
        for name in given or ():
            raise _needs_mock(f"{name[0].upper()}{name[1:]}")
        if state.type in (StateType.MAP, StateType.PARALLEL):
            raise StateTestError(StateTestErrorCode.INVALID_DEFINITION, _UNSUPPORTED)
    cause = configuration.error_caused_by_state
    if cause is not None and not any(inner.name == cause for program in _within(state) for inner in _walk(program)):
        raise refuse("State not found in definition")


def check_unmocked(state: CompiledState, role_arn: str | None) -> None:
    """Refuse a Task that AWS could not call: without a role, or one whose result does not come from a call."""
    if state.type is not StateType.TASK:
        return
    if role_arn is None:
        raise refuse("RoleArn must be specified when testing a Task state")
    if state.resource.kind is TaskKind.ACTIVITY or state.resource.is_asynchronous:
        raise _needs_mock(f"the resource {state.resource.text}")


def _needs_mock(what: str) -> StateTestError:
    return refuse(f"TestState does not support {what} when a mock is not specified.")
