"""Python functions as activities: how one is called, and what its answer means to AWS."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, cast

import attrs

from workflow_manager.asl.values import JSON, check_json, dumps, loads
from workflow_manager.callables import arity
from workflow_manager.exceptions import InvalidValueError, TaskError
from workflow_manager.workers.activity_client import MAX_OUTPUT
from workflow_manager.workers.activity_errors import ActivityError

EXECUTION_NAME = "_EXECUTION_NAME"
"""The field of a task's input that holds the id of its workflow."""


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
        arguments = (input, self._context)[: arity(self._call, ActivityContext)]
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
