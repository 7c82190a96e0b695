"""Python functions as tasks: how one is called, and what its exceptions mean to the States Language."""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Callable, Coroutine
from typing import Any, cast

import attrs

from workflow_manager.asl.values import JSON
from workflow_manager.exceptions import TaskError
from workflow_manager.managers.context import TaskContext

MAX_ERROR = 256
MAX_CAUSE = 32_768
"""AWS API: SendTaskFailure, the longest ``error`` and ``cause``, in characters."""

_TRUNCATED = "[truncated]"
_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


@attrs.frozen
class Function:
    """A callable and how it wants to be called: with *arity* arguments of (input, context), as a coroutine or not."""

    call: Callable[..., object]
    arity: int
    is_async: bool

    @property
    def wants_context(self) -> bool:
        """Whether it is called with a :class:`TaskContext`."""
        return self.arity == 2

    def __call__(self, input: JSON, context: TaskContext | None) -> object:
        """The result of a function that is not async."""
        if self.arity == 1:
            return self.call(input)
        return self.call(input, context) if self.arity == 2 else self.call()

    def coroutine(self, input: JSON, context: TaskContext | None) -> Coroutine[Any, Any, object]:
        """The coroutine of a function that is async."""
        return cast("Coroutine[Any, Any, object]", self(input, context))


def function(call: Callable[..., object]) -> Function:
    """
    How *call* wants to be called.

    It gets its input, and the context as well if it has a second positional parameter that is called ``context``, is
    annotated as :class:`TaskContext`, or has no default.  A function without parameters is called without any.
    """
    is_async = inspect.iscoroutinefunction(call) or inspect.iscoroutinefunction(type(call).__call__)
    return Function(call, _arity(call), is_async)


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
    annotated = parameter.annotation in (TaskContext, "TaskContext")
    return annotated or parameter.name == "context" or parameter.default is inspect.Parameter.empty


def error_and_cause(problem: BaseException) -> tuple[str | None, str | None]:
    """
    The error name and cause of what a task raised.

    A :class:`TaskError` says so itself.  Any other exception's error is the name of its class, as AWS Lambda's Python
    runtime reports it (``ValueError``); the cause is its message, then the end of its traceback, at most 32,768
    characters.
    """
    if isinstance(problem, TaskError):
        return _head(problem.error, MAX_ERROR), _head(problem.cause, MAX_CAUSE)
    message = _head(str(problem), MAX_CAUSE // 2) or ""
    trace = "".join(traceback.format_exception(problem, limit=-20)).rstrip()
    room = MAX_CAUSE - len(message) - len(_TRUNCATED) - 2
    if len(trace) > room:
        trace = _TRUNCATED + trace[-room:]
    return _head(type(problem).__name__, MAX_ERROR), f"{message}\n\n{trace}" if message else trace


def _head(text: str | None, length: int) -> str | None:
    if text is None or len(text) <= length:
        return text
    return text[: length - len(_TRUNCATED)] + _TRUNCATED
