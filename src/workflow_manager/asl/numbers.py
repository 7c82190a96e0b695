"""
Fields that hold a number: a literal, a path beside it (``SecondsPath``), or a JSONata expression.

Source: ASL specification (Wait, Task, Map states); the sentences are AWS's.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeAlias

from workflow_manager.asl.errors import ErrorName, StatesError
from workflow_manager.asl.machine import QueryLanguage
from workflow_manager.asl.paths import PathNotFound, compile_path
from workflow_manager.asl.scope import Scope
from workflow_manager.asl.templates import not_found
from workflow_manager.asl.values import JSON, dumps

_WHOLE = re.compile(r"-?[0-9]{1,18}")

GetNumber: TypeAlias = Callable[[Scope], "int | float | None"]
"""The number of a field under a scope, ``None`` where the field is absent."""


def compile_number(language: QueryLanguage, field: str, literal: object, path: str | None = None) -> GetNumber | None:
    """
    Compile the number *field* of a state: ``None`` when neither *literal* nor *path* is there.

    What comes out is an integer unless the field is a percentage; anything else is a States.Runtime error (JSONPath)
    or a States.QueryEvaluationError located at the field (JSONata).
    """
    if path is not None:
        return _from_path(field, path)
    if literal is None:
        return None
    if isinstance(literal, str):
        return _from_expression(field, literal) if language is QueryLanguage.JSONATA else _unusable(field, literal)
    return (lambda scope: literal) if isinstance(literal, int | float) else _unusable(field, literal)


def _from_path(field: str, path: str) -> GetNumber:
    compiled = compile_path(path)
    name = f"{field}Path"

    def get(scope: Scope) -> int | float:
        try:
            value = compiled.get(scope)
        except PathNotFound:
            raise not_found(path, name, scope.input) from None
        number = as_number(value, fractional=field.endswith("Percentage"))
        if number is None:
            shown = value if isinstance(value, str) else dumps(value)
            raise StatesError(
                ErrorName.RUNTIME, f'The {name} field refers to value "{shown}" which is not a valid integer: {path}'
            )
        return number

    return get


def _from_expression(field: str, text: str) -> GetNumber:
    from workflow_manager.asl.jsonata import compile_expression, expect
    from workflow_manager.asl.payload_jsonata import states_of

    expression = compile_expression(text)

    def get(scope: Scope) -> int | float:
        value = expression.evaluate(states_of(scope), scope.variables, scope, field)
        number = as_number(expect(value, "number", expression.source, field), fractional=True)
        assert number is not None
        return number

    return get


def _unusable(field: str, literal: object) -> GetNumber:
    def get(scope: Scope) -> int | float:
        raise StatesError(ErrorName.RUNTIME, f"The value {literal!r} of the field {field} is not a number.")

    return get


def as_number(value: JSON, *, fractional: bool) -> int | float | None:
    """*value* if it is a number, or text that spells a whole one; whole unless *fractional*; else ``None``."""
    if isinstance(value, str):
        return int(value) if _WHOLE.fullmatch(value) else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if fractional or isinstance(value, int) else None
