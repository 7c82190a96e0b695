"""Retry and Catch."""

from __future__ import annotations

from collections.abc import Mapping

from workflow_manager.asl.errors import ErrorName
from workflow_manager.asl.machine import QueryLanguage
from workflow_manager.asl.validate.expressions import MAX_SECONDS, assign, result_path, template
from workflow_manager.asl.validate.judge import Check, Field, Judge, a, check_fields, number, one_of, require, text
from workflow_manager.asl.values import JSON

_RESERVED = frozenset(ErrorName) | {"States.Http.Socket"}


def _error_equals(judge: Judge, value: JSON, where: str) -> None:
    if not isinstance(value, list):
        judge.error(where, f"Value must be an array, not {a(value)}")
        return
    if not value:
        judge.error(where, "Value cannot be empty")
    for index, name in enumerate(value):
        place = f"{where}/{index}"
        text(judge, name, place)
        if isinstance(name, str) and name.startswith("States.") and name not in _RESERVED:
            message = f"Error names that begin with 'States.' are reserved, and {name!r} is none of them"
            judge.warn(place, message, "RESERVED_NAME")
    if ErrorName.ALL in value and len(value) > 1:
        judge.error(where, "'States.ALL' must be alone in its ErrorEquals")


_RETRIER: Mapping[str, Field] = {
    "Comment": Field(text),
    "ErrorEquals": Field(_error_equals),
    "IntervalSeconds": Field(number(1, MAX_SECONDS)),
    "MaxAttempts": Field(number(0, MAX_SECONDS)),
    "BackoffRate": Field(number(1, whole=False)),
    "MaxDelaySeconds": Field(number(1, MAX_SECONDS)),
    "JitterStrategy": Field(one_of("FULL", "NONE")),
}
_CATCHER: Mapping[str, Field] = {
    "Comment": Field(text),
    "ErrorEquals": Field(_error_equals),
    "Next": Field(text),
    "ResultPath": Field(result_path, QueryLanguage.JSONPATH),
    "Assign": Field(assign),
    "Output": Field(template, QueryLanguage.JSONATA),
}


def _entries(kind: str, fields: Mapping[str, Field], *required: str) -> Check:
    def check(judge: Judge, value: JSON, where: str) -> None:
        if not isinstance(value, list):
            judge.error(where, f"Value must be an array, not {a(value)}")
            return
        for index, entry in enumerate(value):
            place = f"{where}/{index}"
            if not isinstance(entry, Mapping):
                judge.error(place, f"A {kind} must be an object, not {a(entry)}")
                continue
            check_fields(judge, entry, place, fields)
            require(judge, entry, place, *required)
            _check_delays(judge, entry, place)
            names = entry.get("ErrorEquals")
            if isinstance(names, list) and ErrorName.ALL in names and index < len(value) - 1:
                judge.error(f"{place}/ErrorEquals", f"The {kind} for 'States.ALL' must be the last one")

    return check


def _check_delays(judge: Judge, retrier: Mapping[str, JSON], where: str) -> None:
    interval, limit = retrier.get("IntervalSeconds", 1), retrier.get("MaxDelaySeconds")
    if isinstance(limit, int) and isinstance(interval, int) and 0 < limit < interval:
        judge.error(f"{where}/MaxDelaySeconds", f"MaxDelaySeconds {limit} must not be below IntervalSeconds {interval}")


retry = _entries("retrier", _RETRIER, "ErrorEquals")
"""``Retry`` (ASL specification, "Retrying after error"; AWS: Handling errors in Step Functions workflows)."""

catch = _entries("catcher", _CATCHER, "ErrorEquals", "Next")
"""``Catch`` (ASL specification, "Fallback states")."""
