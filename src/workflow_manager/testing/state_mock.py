"""The mock of a state under test: what its work came to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, TypeVar

import attrs

from workflow_manager.asl.machine import ABSENT, Absent, MapState, ParallelState, StateType
from workflow_manager.asl.program import CompiledState
from workflow_manager.asl.retries import Failure
from workflow_manager.asl.values import JSON, check_json, loads
from workflow_manager.exceptions import InvalidValueError
from workflow_manager.testing.state_errors import StateTestError, bad_parameters, refuse
from workflow_manager.testing.state_schema import FieldValidationMode, check_result

_E = TypeVar("_E", bound=StrEnum)

MOCKABLE = (StateType.TASK, StateType.MAP, StateType.PARALLEL)


@attrs.frozen(kw_only=True)
class Mock:
    """A mocked *result*, or the *failure* in its place."""

    result: JSON | Absent = ABSENT
    failure: Failure | None = None
    mode: FieldValidationMode = FieldValidationMode.STRICT


def read_mock(mock: Mapping[str, Any] | None, mode: FieldValidationMode | str | None) -> Mock | None:
    """
    The mock of a request (AWS API: MockInput); *mode* counts where the mock itself has no ``fieldValidationMode``.

    Raises:
        StateTestError: it has unknown members, both result and error or none, or a result that is not JSON.
    """
    if mock is None:
        return None
    check_names("mock", mock, "result", "errorOutput", "fieldValidationMode")
    if ("result" in mock) == ("errorOutput" in mock):
        raise refuse("A test mock should have only one of the following fields: [result, errorOutput].")
    said = read_enum(FieldValidationMode, mock.get("fieldValidationMode", mode or "STRICT"), "mock.fieldValidationMode")
    if "result" in mock:
        result = read_json(mock["result"], lambda reason: refuse("Mocked result must be valid JSON"))
        return Mock(result=result, mode=said)
    error = mock["errorOutput"]
    if not isinstance(error, Mapping):
        raise bad_parameters(bad_type("mock.errorOutput", error, dict))
    check_names("mock.errorOutput", error, "error", "cause")
    for name, value in error.items():
        if not isinstance(value, str):
            raise bad_parameters(bad_type(f"mock.errorOutput.{name}", value, str))
    return Mock(failure=Failure(error.get("error"), error.get("cause")), mode=said)


def check_mock(state: CompiledState, mock: Mock) -> None:
    """
    Refuse a mock that *state* cannot have had.

    Raises:
        StateTestError: the state has no work, or its work could not have had this result.
    """
    if state.type not in MOCKABLE:
        raise refuse(f"State type '{state.type}' is not supported when a mock is specified")
    result = mock.result
    if isinstance(result, Absent):
        return
    if isinstance(state.state, ParallelState):
        if not isinstance(result, list):
            raise refuse("Mocked result must be an array.")
        if len(result) != len(state.state.branches):
            raise refuse("Mocked result must contain the same number of items as number of Parallel branches.")
    elif isinstance(state.state, MapState):
        writer = state.state.result_writer
        if writer is not None and writer.resource is not None:
            if not isinstance(result, Mapping):
                raise refuse("Mocked result must be a JSON object.")
        elif not isinstance(result, list):
            raise refuse("Mocked result must be an array.")
    else:
        check_result(state.resource, result, mock.mode)


# ---------------------------------------------------------------- how parameters are read
def read_json(value: object, refusal: Callable[[str], StateTestError]) -> JSON:
    """*value* if it is JSON; a string is JSON text, as boto3 takes it."""
    try:
        return loads(value) if isinstance(value, str) else check_json(value)
    except InvalidValueError as error:
        raise refusal(error.reason) from None
    except (ValueError, RecursionError) as error:
        raise refusal(str(error)) from None


def read_enum(cls: type[_E], value: object, parameter: str) -> _E:
    """The member of the StrEnum *cls* that *value* names."""
    try:
        return cls(str(value))
    except ValueError:
        members = ", ".join(str(member) for member in cls)
        constraint = f"Member must satisfy enum value set: [{members}]"
        raise refuse(
            f"1 validation error detected: Value '{value}' at '{parameter}' failed to satisfy constraint: {constraint}"
        ) from None


def check_names(parameter: str, value: Mapping[str, Any], *allowed: str) -> None:
    """Refuse members that the API does not know."""
    unknown = [name for name in value if name not in allowed]
    if unknown:
        known = ", ".join(allowed)
        raise bad_parameters(
            *(f'Unknown parameter in {parameter}: "{name}", must be one of: {known}' for name in unknown)
        )


def bad_type(parameter: str, value: object, valid: type) -> str:
    """boto3's report of a value of the wrong type."""
    return f"Invalid type for parameter {parameter}, value: {value}, type: {type(value)}, valid types: {valid}"
