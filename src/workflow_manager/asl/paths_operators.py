"""
The operators of filters, ``[?(@.price > 10)]``, as AWS's JSONPath library (Jayway) has them.

A path without a match inside a filter is :data:`MISSING`; it equals nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import Enum

from workflow_manager.asl.paths_regex import BoundedPattern

Comparison = Callable[[object, object], bool]


class Missing(Enum):
    """What a path inside a filter gives when it leads nowhere."""

    MISSING = "missing"


MISSING = Missing.MISSING


def _is_array(value: object) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _equal(left: object, right: object) -> bool:
    """Numbers and the text of numbers are equal by value; true is not 1."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, str) and isinstance(right, int | float):
        left, right = right, left
    if isinstance(left, int | float) and isinstance(right, str):
        try:
            return left == float(right)
        except (ValueError, OverflowError):
            return False
    return left is not MISSING and left == right


def _less(left: object, right: object) -> bool:
    if isinstance(left, bool) or isinstance(right, bool):
        return False
    if isinstance(left, int | float) and isinstance(right, int | float):
        return left < right
    return isinstance(left, str) and isinstance(right, str) and left < right


def _is_in(left: object, right: object) -> bool:
    return _is_array(right) and any(_equal(left, item) for item in right)  # type: ignore[attr-defined]


def _contains(left: object, right: object) -> bool:
    if isinstance(left, str):
        return isinstance(right, str) and right in left
    return _is_in(right, left)


def _each_in(left: object, right: object) -> list[bool]:
    return [_is_in(item, right) for item in left]  # type: ignore[attr-defined]


def _of_arrays(compare: Comparison) -> Comparison:
    return lambda left, right: _is_array(left) and _is_array(right) and compare(left, right)


def _of_lengths(compare: Comparison) -> Comparison:
    return lambda left, right: isinstance(left, str | Sequence) and compare(len(left), right)


def _matches(left: object, right: object) -> bool:
    return isinstance(left, str) and isinstance(right, BoundedPattern) and right.fullmatch(left)


OPERATORS: Mapping[str, Comparison] = {
    "==": _equal,
    "!=": lambda left, right: not _equal(left, right),
    "<>": lambda left, right: not _equal(left, right),
    "<": _less,
    ">": lambda left, right: _less(right, left),
    "<=": lambda left, right: _less(left, right) or _equal(left, right),
    ">=": lambda left, right: _less(right, left) or _equal(left, right),
    "=~": _matches,
    "in": _is_in,
    "contains": _contains,
}
"""What the ``jsonpath`` library has too, though it compares otherwise."""

EXTRA_OPERATORS: Mapping[str, Comparison] = {
    "nin": lambda left, right: _is_array(right) and not _is_in(left, right),
    "subsetof": _of_arrays(lambda left, right: all(_each_in(left, right))),
    "anyof": _of_arrays(lambda left, right: any(_each_in(left, right))),
    "noneof": _of_arrays(lambda left, right: not any(_each_in(left, right))),
    "size": _of_lengths(_equal),
    "empty": _of_lengths(lambda length, expected: (length == 0) is expected),
}
"""What only Jayway has."""


def cost(left: object, right: object) -> int:
    """About how many visits of a value a comparison of *left* with *right* is worth at worst."""
    if isinstance(right, BoundedPattern):
        return right.steps(left) // 100 if isinstance(left, str) else 0
    first = len(left) if isinstance(left, Sequence) else 1
    second = len(right) if isinstance(right, Sequence) else 1
    return (first * second if _is_array(left) and _is_array(right) else first + second) // 8
