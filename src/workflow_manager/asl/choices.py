"""
Choice rules of JSONPath states: whether a rule holds.

Sources: ASL specification, "Choice State"; AWS, "Choice workflow state".  A comparison of values of different types is
false, never an error.  A *Variable* or an operand path that leads nowhere is an error, but for IsPresent.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from enum import Enum

import attrs

from workflow_manager.asl.errors import ErrorName, StatesError
from workflow_manager.asl.machine import Absent, ChoiceRule
from workflow_manager.asl.paths import Path, PathNotFound, PathSyntaxError, compile_path
from workflow_manager.asl.scope import Scope
from workflow_manager.asl.timestamps import parse_timestamp
from workflow_manager.asl.values import JSON

Predicate = Callable[[Scope], bool]
Test = Callable[[JSON, JSON], bool]
"""(value of Variable, operand) -> whether the comparison holds."""
Order = Callable[..., bool]
"""(left, right) -> whether they stand so, for two values of one type."""


class OperandKind(Enum):
    """What an operator's operand must be in a definition."""

    BOOLEAN = "a boolean"
    NUMBER = "a number"
    PATH = "a path"
    STRING = "a string"
    TIMESTAMP = "a timestamp"


@attrs.frozen(kw_only=True)
class Operator:
    """
    A comparison operator.

    *operand* is what the definition gives it, *test* what it asks of the variable's value and the operand's.  With
    *by_path* the operand is a path, and its value is what *test* gets.
    """

    operand: OperandKind
    test: Test
    by_path: bool = False


def _is_number(value: JSON) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _of_numbers(compare: Order) -> Test:
    return lambda left, right: _is_number(left) and _is_number(right) and compare(left, right)


def _of_booleans(left: JSON, right: JSON) -> bool:
    return isinstance(left, bool) and isinstance(right, bool) and left is right


def _of_strings(compare: Order) -> Test:
    def test(left: JSON, right: JSON) -> bool:
        if not isinstance(left, str) or not isinstance(right, str):
            return False
        if left.isascii() or right.isascii():  # then characters stand in the order of their code units
            return compare(left, right)
        return compare(_units(left), _units(right))

    return test


def _units(text: str) -> bytes:
    """*text* by UTF-16 code units, the order in which AWS compares strings."""
    return text.encode("utf-16-be", "surrogatepass")


def _of_timestamps(compare: Order) -> Test:
    def test(left: JSON, right: JSON) -> bool:
        first, second = _time(left), _time(right)
        return first is not None and second is not None and compare(first, second)

    return test


def _time(value: JSON) -> datetime | None:
    return parse_timestamp(value) if isinstance(value, str) else None


_PATTERN_PIECE = re.compile(r"\\([*\\])|\*", re.DOTALL)


def _pattern_pieces(pattern: str) -> list[str]:
    """The texts between the wildcards of *pattern*."""
    pieces, current, position = list[str](), "", 0
    for found in _PATTERN_PIECE.finditer(pattern):
        current += pattern[position : found.start()] + (found[1] or "")
        position = found.end()
        if found[1] is None:
            pieces.append(current)
            current = ""
    return [*pieces, current + pattern[position:]]


def matches_pattern(text: str, pattern: str) -> bool:
    r"""
    Whether the whole of *text* matches *pattern*, where ``*`` is any text, ``\*`` a star and ``\\`` a backslash.

    Every piece is looked for once, from left to right, so the time is bounded by the product of the lengths.
    """
    first, *rest = _pattern_pieces(pattern)
    if not rest:
        return text == first
    *middle, last = rest
    end = len(text) - len(last)
    if not text.startswith(first) or not text.endswith(last) or len(first) > end:
        return False
    position = len(first)
    for piece in middle:
        found = text.find(piece, position, end)
        if found < 0:
            return False
        position = found + len(piece)
    return True


def _string_matches(value: JSON, pattern: JSON) -> bool:
    return isinstance(value, str) and isinstance(pattern, str) and matches_pattern(value, pattern)


def _is(question: Callable[[JSON], bool]) -> Operator:
    return Operator(operand=OperandKind.BOOLEAN, test=lambda value, expected: question(value) is expected)


_ORDERS: Mapping[str, Order] = {
    "Equals": operator.eq,
    "GreaterThan": operator.gt,
    "GreaterThanEquals": operator.ge,
    "LessThan": operator.lt,
    "LessThanEquals": operator.le,
}
_COMPARISONS: dict[str, Operator] = {
    "BooleanEquals": Operator(operand=OperandKind.BOOLEAN, test=_of_booleans),
    **{
        f"Numeric{name}": Operator(operand=OperandKind.NUMBER, test=_of_numbers(order))
        for name, order in _ORDERS.items()
    },
    **{
        f"String{name}": Operator(operand=OperandKind.STRING, test=_of_strings(order))
        for name, order in _ORDERS.items()
    },
    **{
        f"Timestamp{name}": Operator(operand=OperandKind.TIMESTAMP, test=_of_timestamps(order))
        for name, order in _ORDERS.items()
    },
}

IS_PRESENT = "IsPresent"

OPERATORS: Mapping[str, Operator] = {
    **_COMPARISONS,
    **{
        f"{name}Path": Operator(operand=OperandKind.PATH, test=known.test, by_path=True)
        for name, known in _COMPARISONS.items()
    },
    "StringMatches": Operator(operand=OperandKind.STRING, test=_string_matches),
    "IsBoolean": _is(lambda value: isinstance(value, bool)),
    "IsNull": _is(lambda value: value is None),
    "IsNumeric": _is(_is_number),
    IS_PRESENT: _is(lambda value: True),
    "IsString": _is(lambda value: isinstance(value, str)),
    "IsTimestamp": _is(lambda value: _time(value) is not None),
}
"""The 39 comparison operators of the ASL specification, "Data-test expression", under their names."""


def compile_rule(rule: ChoiceRule) -> Predicate:
    """
    Compile a rule, or a condition inside one, to a function that says whether it holds in a scope.

    The function raises :class:`StatesError` (``States.Runtime``) when a path leads nowhere.  ``And`` and ``Or`` stop at
    the first condition that decides, so what stands behind an IsPresent may rely on it.

    Raises:
        PathSyntaxError: *Variable* or the operand of a ``…Path`` operator is not a path.
        ValueError: the rule has no condition, or its operator is unknown.
    """
    if rule.and_ is not None:
        every = [compile_rule(part) for part in rule.and_]
        return lambda scope: all(holds(scope) for holds in every)
    if rule.or_ is not None:
        some = [compile_rule(part) for part in rule.or_]
        return lambda scope: any(holds(scope) for holds in some)
    if rule.not_ is not None:
        denied = compile_rule(rule.not_)
        return lambda scope: not denied(scope)
    if rule.variable is None or rule.operator is None or isinstance(rule.operand, Absent):
        raise ValueError("a choice rule needs a Variable with a comparison, or one of And, Or, Not")
    return _comparison(compile_path(rule.variable), rule.operator, rule.operand)


def _comparison(variable: Path, name: str, operand: JSON) -> Predicate:
    if name == IS_PRESENT:
        return lambda scope: variable.exists(scope) is operand
    known = OPERATORS.get(name)
    if known is None:
        raise ValueError(f"there is no comparison operator {name!r}")
    test = known.test
    if not known.by_path:
        return lambda scope: test(_value(variable, scope), operand)
    if not isinstance(operand, str):
        raise PathSyntaxError(repr(operand), 0, f"the operand of {name} has to be a path")
    other = compile_path(operand)
    return lambda scope: test(_value(variable, scope), _value(other, scope))


def _value(path: Path, scope: Scope) -> JSON:
    try:
        return path.get(scope)
    except PathNotFound:
        cause = f"Invalid path '{path.text}': The choice state's condition path references an invalid value."
        raise StatesError(ErrorName.RUNTIME, cause) from None
