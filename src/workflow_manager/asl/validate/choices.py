"""Choice rules."""

from __future__ import annotations

from collections.abc import Mapping

from workflow_manager.asl.jsonata import is_expression
from workflow_manager.asl.machine import COMPARISON_OPERATORS, QueryLanguage
from workflow_manager.asl.validate.expressions import assign, jsonata, path, template, timestamp
from workflow_manager.asl.validate.judge import (
    Check,
    Field,
    Judge,
    a,
    boolean,
    check_fields,
    exactly_one,
    number,
    require,
    text,
)
from workflow_manager.asl.values import JSON

_JSONPATH = QueryLanguage.JSONPATH
_CONNECTIVES = ("And", "Or", "Not")


def _any_number(judge: Judge, value: JSON, where: str) -> None:
    number(float("-inf"), whole=False)(judge, value, where)


def _operand(operator: str) -> Check:
    if operator.endswith("Path"):
        return path
    if operator.startswith(("Is", "Boolean")):
        return boolean
    return {"N": _any_number, "T": timestamp, "S": text}[operator[0]]


def _condition(judge: Judge, value: JSON, where: str) -> None:
    """A boolean, or a JSONata expression."""
    if is_expression(value):
        jsonata(judge, str(value), where)
    else:
        boolean(judge, value, where)


def _rules(judge: Judge, value: JSON, where: str) -> None:
    if not isinstance(value, list):
        judge.error(where, f"Value must be an array, not {a(value)}")
    elif not value:
        judge.error(where, "Value cannot be empty")
    else:
        for index, rule in enumerate(value):
            _rule(judge, rule, f"{where}/{index}", nested=True)


def _nested(judge: Judge, value: JSON, where: str) -> None:
    _rule(judge, value, where, nested=True)


_NESTED_FIELDS: Mapping[str, Field] = {
    "Comment": Field(text),
    "Variable": Field(path, _JSONPATH),
    "And": Field(_rules, _JSONPATH),
    "Or": Field(_rules, _JSONPATH),
    "Not": Field(_nested, _JSONPATH),
    **{operator: Field(_operand(operator), _JSONPATH) for operator in sorted(COMPARISON_OPERATORS)},
}
_FIELDS: Mapping[str, Field] = {
    **_NESTED_FIELDS,
    "Next": Field(text),
    "Assign": Field(assign),
    "Output": Field(template, QueryLanguage.JSONATA),
    "Condition": Field(_condition, QueryLanguage.JSONATA),
}


def choices(judge: Judge, value: JSON, where: str) -> None:
    """``Choices``: a non-empty array of rules, each with Next (ASL specification, "Choice State")."""
    if not isinstance(value, list):
        judge.error(where, f"Value must be an array, not {a(value)}")
    elif not value:
        judge.error(where, "Value cannot be empty")
    else:
        for index, rule in enumerate(value):
            _rule(judge, rule, f"{where}/{index}", nested=False)


def _rule(judge: Judge, rule: JSON, where: str, *, nested: bool) -> None:
    if not isinstance(rule, Mapping):
        judge.error(where, f"A choice rule must be an object, not {a(rule)}")
        return
    check_fields(judge, rule, where, _NESTED_FIELDS if nested else _FIELDS)
    if not nested:
        require(judge, rule, where, "Next")
    if judge.is_jsonata:
        require(judge, rule, where, "Condition")
        return
    operators = [name for name in rule if name in COMPARISON_OPERATORS]
    if operators or "Variable" in rule:
        require(judge, rule, where, "Variable")
        for name in (name for name in _CONNECTIVES if name in rule):
            judge.error(where, f"{name!r} cannot stand beside a comparison")
        if len(operators) != 1:
            found = f"not [{', '.join(operators)}]" if operators else "none is there"
            judge.error(where, f"A choice rule has exactly one comparison operator: {found}")
    else:
        exactly_one(judge, rule, where, "Variable", *_CONNECTIVES)
