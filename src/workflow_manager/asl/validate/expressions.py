"""Paths, intrinsic functions, JSONata expressions and the templates that hold them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from workflow_manager.asl.intrinsics import compile_template_string
from workflow_manager.asl.jsonata import JSONataSyntaxError, compile_expression, is_expression
from workflow_manager.asl.paths import compile_path, compile_reference_path
from workflow_manager.asl.timestamps import parse_timestamp
from workflow_manager.asl.validate.judge import Check, Judge, a, number
from workflow_manager.asl.values import JSON, pointer_token

_LOOKS_DYNAMIC = re.compile(r"\$\$?[.\[]|\$\$?$|States\.[A-Z][A-Za-z0-9]*\(")
_QUOTED = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"")
_VARIABLE = re.compile(r"\$([A-Za-z_]\w*)")

# AWS: Fail workflow state.  Error and cause have to be strings, so only these may make them.
_FAIL_FUNCTIONS = ("Format", "JsonToString", "ArrayGetItem", "Base64Encode", "Base64Decode", "Hash", "UUID")


def looks_dynamic(value: JSON) -> bool:
    """Whether *value* is a string that reads like a path or an intrinsic function call."""
    return isinstance(value, str) and _LOOKS_DYNAMIC.match(value) is not None


def path(judge: Judge, value: JSON, where: str) -> None:
    """A JSONPath (ASL specification, "Paths")."""
    if not isinstance(value, str):
        judge.error(where, f"Value must be a JSONPath, not {a(value)}")
        return
    try:
        compile_path(value)
    except ValueError as error:
        judge.error(where, f"Value is not a valid JSONPath: {error}")
    else:
        _check_variables(judge, value, where)


def path_or_null(judge: Judge, value: JSON, where: str) -> None:
    """A JSONPath, or null."""
    if value is not None:
        path(judge, value, where)


def result_path(judge: Judge, value: JSON, where: str) -> None:
    """A Reference Path into the input, or null; no variable, no context object (ASL specification, "ResultPath")."""
    if value is None:
        return
    if not isinstance(value, str):
        judge.error(where, f"Value must be a Reference Path, not {a(value)}")
        return
    try:
        compile_reference_path(value)
    except ValueError as error:
        judge.error(where, f"Value is not a valid Reference Path: {error}")
        return
    if value != "$" and not value.startswith(("$.", "$[")):
        judge.error(where, "Value must be a Reference Path into the input: neither a variable nor the context object")


def dynamic(judge: Judge, value: JSON, where: str) -> None:
    """The value of a field that ends in ``.$``: a path or an intrinsic function call."""
    name = where.rpartition("/")[2].replace("~1", "/").replace("~0", "~")
    wanted = f"The value for the field '{name}' must be a valid JSONPath or a valid intrinsic function call"
    if not isinstance(value, str):
        judge.error(where, f"{wanted}, not {a(value)}")
        return
    try:
        compile_template_string(value)
    except ValueError as error:
        judge.error(where, f"{wanted}: {error}")
    else:
        _check_variables(judge, value, where)


def fail_path(judge: Judge, value: JSON, where: str) -> None:
    """``ErrorPath`` or ``CausePath``: a Reference Path, or a call of an intrinsic function that gives a string."""
    if not isinstance(value, str) or not value.startswith("States."):
        path(judge, value, where)
        return
    name = value[len("States.") :].partition("(")[0]
    if name not in _FAIL_FUNCTIONS:
        allowed = ", ".join(f"States.{function}" for function in _FAIL_FUNCTIONS)
        judge.error(where, f"Only these intrinsic functions are allowed here: [{allowed}], not States.{name}")
    else:
        dynamic(judge, value, where)


def _check_variables(judge: Judge, value: str, where: str) -> None:
    if "$" in value:
        for name in dict.fromkeys(_VARIABLE.findall(_QUOTED.sub("", value))):
            if name not in judge.variables:
                judge.warn(where, f"No state assigns the variable ${name}", "UNDEFINED_VARIABLE")


def jsonata(judge: Judge, value: str, where: str) -> None:
    """A string in a JSONata field: literal text, or a whole ``{% … %}`` whose inside is JSONata."""
    if is_expression(value):
        try:
            compile_expression(value)
        except JSONataSyntaxError as error:
            judge.error(where, f"Value is not a valid JSONata expression: {error}")
    elif value.startswith("{%"):
        judge.error(where, "A JSONata expression that begins with '{%' must end with '%}'")


def template(judge: Judge, value: JSON, where: str) -> None:
    """A payload template of the state's query language."""
    for place, item in _leaves(judge, value, where):
        if judge.is_substitution(item):
            continue
        if judge.is_jsonata:
            if isinstance(item, str):
                jsonata(judge, item, place)
                if place.endswith(".$") and looks_dynamic(item):
                    message = "In a state that uses JSONata a name that ends in '.$' is a name like any other"
                    judge.warn(place, message, "JSONPATH_IN_JSONATA")
        elif place.endswith(".$"):
            dynamic(judge, item, place)
        elif looks_dynamic(item):
            judge.warn(place, f"{item!r} is taken literally; to use it as a path, add '.$' to the name", "NO_DOLLAR")


def _leaves(judge: Judge, value: JSON, where: str) -> Iterator[tuple[str, JSON]]:
    """Everything in a template that is no object and no array, with its place; for JSONPath, ``.$`` fields whole."""
    pending: list[tuple[str, JSON]] = [(where, value)]
    while pending:
        place, item = pending.pop()
        if isinstance(item, Mapping) and not judge.is_substitution(item):
            if not judge.is_jsonata:
                _check_unique(judge, item, place)
            for name, child in reversed(list(item.items())):
                inner = f"{place}/{pointer_token(name)}"
                if name.endswith(".$") and not judge.is_jsonata and not isinstance(child, str):
                    yield inner, child
                else:
                    pending.append((inner, child))
        elif isinstance(item, list):
            pending.extend((f"{place}/{index}", child) for index, child in reversed(list(enumerate(item))))
        else:
            yield place, item


def _check_unique(judge: Judge, value: Mapping[str, JSON], where: str) -> None:
    for name in value:
        if name.endswith(".$") and name[:-2] in value:
            message = f"The fields {name[:-2]!r} and {name!r} would have the same name in the result"
            judge.error(f"{where}/{pointer_token(name)}", message)


def object_template(judge: Judge, value: JSON, where: str) -> None:
    """A payload template that is an object, or for JSONata one expression."""
    if isinstance(value, Mapping) or (judge.is_jsonata and is_expression(value)):
        template(judge, value, where)
    else:
        judge.error(where, f"Value must be an object, not {a(value)}")


def assign(judge: Judge, value: JSON, where: str) -> None:
    """``Assign``: variable names to values (AWS: Passing data between states with variables)."""
    if not isinstance(value, Mapping):
        judge.error(where, f"Value must be an object, not {a(value)}")
        return
    for name in value:
        variable = name[:-2] if name.endswith(".$") and not judge.is_jsonata else name
        place = f"{where}/{pointer_token(name)}"
        if variable == "states":
            judge.error(place, "The variable name 'states' is reserved")
        elif not variable.isidentifier():
            judge.error(place, f"{variable!r} is not a variable name: letters, digits and '_', and no digit first")
        elif len(variable) > 80:
            judge.error(place, f"A variable name has at most 80 characters, not {len(variable)}")
    template(judge, value, where)


def or_jsonata(check: Check) -> Check:
    """What *check* accepts, or in a JSONata state an expression for it."""

    def either(judge: Judge, value: JSON, where: str) -> None:
        if judge.is_jsonata and isinstance(value, str) and value.startswith("{%"):
            jsonata(judge, value, where)
            return
        if not judge.is_jsonata and looks_dynamic(value):
            name = where.rpartition("/")[2]
            judge.warn(where, f"{value!r} is taken literally; a path belongs into {name + 'Path'!r}", "NO_PATH")
        check(judge, value, where)

    return either


def timestamp(judge: Judge, value: JSON, where: str) -> None:
    """An RFC 3339 timestamp with an uppercase T and a time zone (ASL specification, "Timestamps")."""
    if not isinstance(value, str) or parse_timestamp(value) is None:
        judge.error(where, "String does not match RFC3339 timestamp")


MAX_SECONDS = 99_999_999
"""The longest time that AWS lets a field name, in seconds."""

whole_seconds = or_jsonata(number(0, MAX_SECONDS))
positive_seconds = or_jsonata(number(1, MAX_SECONDS))
