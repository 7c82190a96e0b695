"""
JSONPath payload templates: the values of Parameters, ResultSelector, ItemSelector, Assign, BatchInput and Credentials.

Source: ASL specification, "Payload Template".  A field whose name ends in ``.$`` is replaced by what its path or
intrinsic function gives; everything else stays.  A template is compiled once; parts without such fields are shared
between evaluations.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from workflow_manager.asl.errors import ErrorName, StatesError
from workflow_manager.asl.intrinsics import compile_template_string
from workflow_manager.asl.paths import PathNotFound
from workflow_manager.asl.scope import Scope
from workflow_manager.asl.values import JSON, dumps

Fill = Callable[[Scope], JSON]
"""A compiled template: the value under a scope."""


def compile_template(value: JSON) -> Fill:
    """
    Compile a payload template.

    Raises:
        PathSyntaxError: a ``.$`` field holds neither a path nor an intrinsic function call.
    """
    fill = _compile(value)
    return (lambda scope: value) if fill is None else fill


def compile_field(field: str, text: str) -> Fill:
    """Compile *text*, the path or intrinsic function call of the field named *field*, which errors name."""
    expression = compile_template_string(text)
    evaluate = expression.evaluate

    def fill(scope: Scope) -> JSON:
        try:
            return evaluate(scope)
        except PathNotFound as missing:
            raise not_found(missing.path, field, scope.input) from None

    return fill


def not_found(path: str, field: str, value: JSON) -> StatesError:
    """AWS's error for a path that leads nowhere in *value*."""
    cause = f"The JSONPath '{path}' specified for the field '{field}' could not be found in the input '{dumps(value)}'"
    return StatesError(ErrorName.RUNTIME, cause)


def _compile(value: JSON) -> Fill | None:
    """The template's fill, or ``None`` when it has no field to replace."""
    if isinstance(value, Mapping):
        return _object(value)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return _array(value)
    return None


def _object(value: Mapping[str, JSON]) -> Fill | None:
    fixed: dict[str, JSON] = {}
    fills: list[tuple[str, Fill]] = []
    for key, item in value.items():
        if key.endswith(".$"):
            fills.append((key[:-2], compile_field(key, item if isinstance(item, str) else dumps(item))))
            continue
        nested = _compile(item)
        if nested is None:
            fixed[key] = item
        else:
            fills.append((key, nested))
    if not fills:
        return None

    def fill(scope: Scope) -> JSON:
        out = fixed.copy()
        for name, get in fills:
            out[name] = get(scope)
        return out

    return fill


def _array(value: Sequence[JSON]) -> Fill | None:
    fills = [_compile(item) for item in value]
    if not any(fills):
        return None

    def fill(scope: Scope) -> JSON:
        return [item if get is None else get(scope) for item, get in zip(value, fills, strict=True)]

    return fill
