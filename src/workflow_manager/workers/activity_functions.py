"""Python functions as activities: how one is called, and what its answer and its exceptions mean to AWS."""

from __future__ import annotations

import asyncio
import inspect
import threading
import traceback
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, cast

import attrs

from workflow_manager.asl.values import JSON, check_json, dumps, loads
from workflow_manager.exceptions import InvalidValueError, TaskError
from workflow_manager.workers.activity_client import MAX_CAUSE, MAX_OUTPUT, TRUNCATED
from workflow_manager.workers.activity_errors import ActivityError

EXECUTION_NAME = "_EXECUTION_NAME"
"""The field of a task's input that holds the id of its workflow."""

_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


class ActivityContext:
    """
    The second argument of an activity's function, if it takes one.

    *token* is the task token, *execution_name* the id of the workflow (``""`` if the input does not tell). *cancelled*
    is set once nobody wants the answer any more; *stopping* once the worker is to shut down, after which there is its
    grace time left.
    """

    __slots__ = ("cancelled", "execution_name", "stopping", "token")

    def __init__(self, token: str, execution_name: str, stopping: threading.Event) -> None:
        self.token, self.execution_name, self.stopping = token, execution_name, stopping
        self.cancelled = threading.Event()

    def cancel_requested(self) -> bool:
        """Whether the answer is no longer wanted; a thread cannot be stopped from outside, so long tasks should ask."""
        return self.cancelled.is_set()


@attrs.frozen
class FunctionActivity:
    """A callable that is given (), (input) or (input, context)."""

    call: Callable[..., object]

    def begin(self, token: str, input: str, stopping: threading.Event) -> FunctionRun:
        """One task, not yet begun."""
        return FunctionRun(self.call, token, input, stopping)


class FunctionRun:
    """One call of a function."""

    def __init__(self, call: Callable[..., object], token: str, input: str, stopping: threading.Event) -> None:
        self._call, self._token, self._input, self._stopping = call, token, input, stopping
        self._context = ActivityContext(token, "", stopping)

    def run(self) -> str:
        """
        The function's answer as JSON text.

        No answer at all is ``{}``; an object gets ``_EXECUTION_NAME`` back if the input had it, for the next state.

        Raises:
            Exception: what the function raises; :class:`TaskError` if its answer is not JSON, or too long.
        """
        try:
            input = loads(self._input)
        except ValueError as error:
            raise ActivityError.INPUT_NOT_JSON.because(str(error)) from None
        name = input.get(EXECUTION_NAME) if isinstance(input, Mapping) else None
        self._context.execution_name = name if isinstance(name, str) else ""
        answer = self._answer(input)
        try:
            output = check_json({} if answer is None else answer, "output")
        except InvalidValueError as error:
            raise ActivityError.OUTPUT_NOT_JSON.because(str(error)) from None
        return checked_output(dumps(with_execution_name(output, name)))

    def _answer(self, input: JSON) -> object:
        arguments = (input, self._context)[: _arity(self._call)]
        answer = self._call(*arguments)
        return asyncio.run(cast("Coroutine[Any, Any, object]", answer)) if inspect.iscoroutine(answer) else answer

    def terminate(self, number: int) -> None:
        """A function is not interrupted: it may look at ``context.stopping``."""

    def kill(self) -> None:
        """Nobody wants the answer any more."""
        self._context.cancelled.set()


def with_execution_name(output: JSON, name: JSON) -> JSON:
    """*output* with the execution's *name* in it, if it is an object and lacks it."""
    if isinstance(name, str) and isinstance(output, Mapping) and EXECUTION_NAME not in output:
        return {**output, EXECUTION_NAME: name}
    return output


def checked_output(text: str) -> str:
    """
    *text*, if AWS takes it as an output.

    Raises:
        TaskError: States.DataLimitExceeded: it is too long.
    """
    size = len(text.encode("utf-8", "surrogatepass"))
    if size > MAX_OUTPUT:
        raise TaskError("States.DataLimitExceeded", f"the output is {size:,} bytes long; AWS takes {MAX_OUTPUT:,}")
    return text


def _arity(call: Callable[..., object]) -> int:
    try:
        parameters = list(inspect.signature(call).parameters.values())
    except (TypeError, ValueError):  # some built-in functions tell nothing
        return 1
    positional = [parameter for parameter in parameters if parameter.kind in _POSITIONAL]
    if len(positional) >= 2 and _is_context(positional[1]):
        return 2
    takes_any = any(parameter.kind is inspect.Parameter.VAR_POSITIONAL for parameter in parameters)
    return 1 if positional or takes_any else 0


def _is_context(parameter: inspect.Parameter) -> bool:
    annotated = parameter.annotation in (ActivityContext, "ActivityContext")
    return annotated or parameter.name == "context" or parameter.default is inspect.Parameter.empty


def error_and_cause(problem: BaseException) -> tuple[str | None, str | None]:
    """
    The error name and cause of what a task raised.

    A :class:`TaskError` says so itself.  Any other exception's error is the name of its class, the cause its message,
    then the end of its traceback.
    """
    if isinstance(problem, TaskError):
        return problem.error, problem.cause
    message = str(problem)[: MAX_CAUSE // 2]
    trace = "".join(traceback.format_exception(problem, limit=-20)).rstrip()
    room = MAX_CAUSE - len(message) - len(TRUNCATED) - 2
    if len(trace) > room:
        trace = TRUNCATED + trace[-room:]
    return type(problem).__name__, f"{message}\n\n{trace}" if message else trace
