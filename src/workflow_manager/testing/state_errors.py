"""What TestState refuses: the errors of the request itself, with AWS's codes and sentences."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from workflow_manager.exceptions import Problem, WorkflowManagerError


class StateTestErrorCode(StrEnum):
    """Why a request is refused (AWS API: TestState, "Errors"); the last one boto3 raises before it calls AWS."""

    INVALID_DEFINITION = "InvalidDefinition"
    INVALID_EXECUTION_INPUT = "InvalidExecutionInput"
    VALIDATION = "ValidationException"
    PARAMETERS = "ParamValidationError"


class StateTestError(WorkflowManagerError, ValueError):
    """
    A state cannot be tested as asked; the state itself never ran.

    *code* and *message* are AWS's; as text the error reads as the one that boto3 raises.
    """

    def __init__(self, code: StateTestErrorCode, message: str) -> None:
        is_local = code is StateTestErrorCode.PARAMETERS
        occurred = "" if is_local else f"An error occurred ({code}) when calling the TestState operation: "
        super().__init__(f"{occurred}{message}")
        self.code, self.message = code, message


def refuse(message: str) -> StateTestError:
    """A ValidationException."""
    return StateTestError(StateTestErrorCode.VALIDATION, message)


def bad_parameters(*reports: str) -> StateTestError:
    """What boto3 says about parameters that it does not send."""
    return StateTestError(StateTestErrorCode.PARAMETERS, "\n".join(("Parameter validation failed:", *reports)))


def bad_definition(problems: Iterable[Problem]) -> StateTestError:
    """An InvalidDefinition that lists *problems*."""
    listed = ", ".join(f"{problem.code}: {problem.message} at {problem.path or '/'}" for problem in problems)
    return StateTestError(StateTestErrorCode.INVALID_DEFINITION, f"Invalid State Machine Definition: '{listed}'")
