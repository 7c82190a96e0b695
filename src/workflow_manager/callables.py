"""Python functions as tasks: how one wants to be called, and what its exceptions mean to the States Language."""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Callable
from typing import overload

from workflow_manager.exceptions import TaskError

MAX_ERROR = 256
MAX_CAUSE = 32_768
"""AWS API: SendTaskFailure, the longest ``error`` and ``cause``, in characters."""

TRUNCATED = "[truncated]"
"""Stands where text was cut off."""

_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def arity(call: Callable[..., object], context: type[object]) -> int:
    """
    How many arguments of (input, context) *call* takes.

    The context is its second positional parameter, if that is called ``context``, is annotated as the class *context*,
    or has no default.  A function without parameters takes none, one that tells nothing of itself the input.
    """
    try:
        parameters = list(inspect.signature(call).parameters.values())
    except (TypeError, ValueError):  # some built-in functions tell nothing
        return 1
    positional = [parameter for parameter in parameters if parameter.kind in _POSITIONAL]
    if len(positional) >= 2 and _is_context(positional[1], context):
        return 2
    takes_any = any(parameter.kind is inspect.Parameter.VAR_POSITIONAL for parameter in parameters)
    return 1 if positional or takes_any else 0


def _is_context(parameter: inspect.Parameter, context: type[object]) -> bool:
    annotated = parameter.annotation in (context, context.__name__)
    return annotated or parameter.name == "context" or parameter.default is inspect.Parameter.empty


def error_and_cause(problem: BaseException) -> tuple[str | None, str | None]:
    """
    The error name and cause of what a task raised, each as long as AWS takes it.

    A :class:`TaskError` says so itself.  Any other exception's error is the name of its class, as AWS Lambda's Python
    runtime reports it (``ValueError``); the cause is its message, then the end of its traceback.
    """
    if isinstance(problem, TaskError):
        return cut(problem.error, MAX_ERROR), cut(problem.cause, MAX_CAUSE)
    message = cut(str(problem), MAX_CAUSE // 2)
    trace = "".join(traceback.format_exception(problem, limit=-20)).rstrip()
    room = MAX_CAUSE - len(message) - len(TRUNCATED) - 2
    if len(trace) > room:
        trace = TRUNCATED + trace[-room:]
    return cut(type(problem).__name__, MAX_ERROR), f"{message}\n\n{trace}" if message else trace


@overload
def cut(text: str, length: int) -> str: ...
@overload
def cut(text: str | None, length: int) -> str | None: ...
def cut(text: str | None, length: int) -> str | None:
    """*text*, its end replaced by ``[truncated]`` where it is longer than *length* characters."""
    if text is None or len(text) <= length:
        return text
    return text[: length - len(TRUNCATED)] + TRUNCATED
