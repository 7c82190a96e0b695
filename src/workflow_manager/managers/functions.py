"""Python functions as tasks of the local manager."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine
from typing import Any, cast

import attrs

from workflow_manager.asl.values import JSON
from workflow_manager.callables import arity
from workflow_manager.managers.context import TaskContext


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
    return Function(call, arity(call, TaskContext), is_async)
