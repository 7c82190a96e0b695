"""A JSON value with expressions in it: the whole of Arguments, Output, Assign or Items, compiled once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import attrs

from workflow_manager.asl.jsonata.expression import Expression, compile_expression, is_expression
from workflow_manager.asl.scope import Scope
from workflow_manager.asl.values import JSON

_Fill = Callable[[JSON, Mapping[str, JSON], Scope], Any]


@attrs.frozen(kw_only=True, eq=False)
class Template:
    """
    A compiled template; safe to evaluate from several threads at once.

    *constant* says that no expression is in it, *expression* is the one that is the whole of it, if so.
    """

    value: JSON
    field: str
    constant: bool
    expression: Expression | None
    _fill: _Fill | None = attrs.field(repr=False)

    def evaluate(self, states: JSON, variables: Mapping[str, JSON], scope: Scope) -> JSON:
        """
        The template with every expression replaced by its value; parts without expressions are shared, not copied.

        *states*, *variables* and *scope* are as for ``Expression.evaluate``.

        Raises:
            StatesError: States.QueryEvaluationError, located at the first expression that failed (``Output/a/b[0]``).
        """
        if self._fill is None:
            return self.value
        result: JSON = self._fill(states, variables, scope)
        return result


def compile_template(value: JSON, field: str) -> Template:
    """
    The template for *value*; *field* is its place within the state (``Arguments``, ``Choices[0]/Output``).

    Strings that are no ``{% ... %}`` stand for themselves, as do keys, numbers, booleans and null.

    Raises:
        JSONataSyntaxError: an expression in it cannot be parsed.
    """
    fill = _compile(value, field)
    expression = compile_expression(value) if isinstance(value, str) and is_expression(value) else None
    return Template(value=value, field=field, constant=fill is None, expression=expression, fill=fill)


def _compile(value: JSON, field: str) -> _Fill | None:
    if isinstance(value, str):
        return _expression(compile_expression(value), field) if is_expression(value) else None
    if isinstance(value, Mapping):
        return _object(value, {key: _compile(item, f"{field}/{key}") for key, item in value.items()})
    if isinstance(value, list | tuple):
        return _array(value, [_compile(item, f"{field}[{index}]") for index, item in enumerate(value)])
    return None


def _expression(expression: Expression, field: str) -> _Fill:
    def fill(states: JSON, variables: Mapping[str, JSON], scope: Scope) -> Any:
        return expression.evaluate(states, variables, scope, field)

    return fill


def _object(value: Mapping[str, JSON], fills: Mapping[str, _Fill | None]) -> _Fill | None:
    active = [(key, fill) for key, fill in fills.items() if fill is not None]
    if not active:
        return None

    def fill(states: JSON, variables: Mapping[str, JSON], scope: Scope) -> Any:
        filled = dict(value)  # keeps the order of the keys
        for key, part in active:
            filled[key] = part(states, variables, scope)
        return filled

    return fill


def _array(value: list[JSON] | tuple[JSON, ...], fills: list[_Fill | None]) -> _Fill | None:
    active = [(index, fill) for index, fill in enumerate(fills) if fill is not None]
    if not active:
        return None

    def fill(states: JSON, variables: Mapping[str, JSON], scope: Scope) -> Any:
        filled = list(value)
        for index, part in active:
            filled[index] = part(states, variables, scope)
        return filled

    return fill
