"""How a function wants to be called as a task, and what its exceptions mean."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from workflow_manager.callables import MAX_CAUSE, MAX_ERROR, arity, cut, error_and_cause
from workflow_manager.exceptions import TaskError


class Context:
    """A context that tasks are given."""


class Called:
    """A callable that is no function."""

    def __call__(self, input: Any, context: Any) -> None: ...


@pytest.mark.parametrize(
    ("call", "arguments"),
    [
        (lambda: 1, 0),
        (lambda input: input, 1),
        (lambda input, more=1: input, 1),
        (lambda input, context=None: input, 2),
        (lambda input, other: input, 2),
        (lambda *all: all, 1),
        (lambda **named: named, 0),
        (lambda input, *, context=None: input, 1),
        (Called(), 2),
        (int, 1),
        (dict.fromkeys, 1),
    ],
)
def test_what_a_function_is_called_with(call: Callable[..., object], arguments: int) -> None:
    """Its input if it takes any, and the context if its second parameter is that, or must be given."""
    assert arity(call, Context) == arguments


def test_an_annotated_parameter_is_the_context() -> None:
    """Whatever it is called, and also where annotations are text."""

    def annotated(input: Any, about: Context = Context()) -> None: ...  # noqa: B008

    def other(input: Any, about: int = 1) -> None: ...

    assert (arity(annotated, Context), arity(other, Context)) == (2, 1)


def test_errors_and_causes_keep_to_their_limits():
    """An error has at most 256 characters, a cause 32,768; the traceback's end is what is kept."""

    def deep(left: int) -> None:
        if left:
            deep(left - 1)
        raise ValueError("x" * 100_000)

    with pytest.raises(ValueError, match="x") as caught:
        deep(30)
    error, cause = error_and_cause(caught.value)
    assert error == "ValueError"
    assert cause is not None
    assert MAX_CAUSE - 20 <= len(cause) <= MAX_CAUSE
    error, cause = error_and_cause(TaskError("e" * 1000, "c" * 100_000))
    assert (len(error or ""), len(cause or "")) == (256, MAX_CAUSE)


def test_error_and_cause_are_cut_to_what_aws_takes():
    """At most 256 and 32,768 characters, the end replaced by a mark."""
    assert cut("x" * MAX_ERROR, MAX_ERROR) == "x" * MAX_ERROR
    long = cut("x" * (MAX_CAUSE + 1), MAX_CAUSE)
    assert long is not None
    assert (len(long), long[-11:]) == (MAX_CAUSE, "[truncated]")
