"""Until when a Wait state waits.  Source: ASL specification, "Wait State"; the sentences are AWS's."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from workflow_manager.asl.errors import ErrorName, StatesError
from workflow_manager.asl.machine import QueryLanguage, WaitState
from workflow_manager.asl.numbers import as_number
from workflow_manager.asl.paths import PathNotFound, compile_path
from workflow_manager.asl.scope import Scope
from workflow_manager.asl.timestamps import later, parse_timestamp
from workflow_manager.asl.values import JSON, dumps

Until = Callable[[Scope, datetime], datetime]
"""The UTC time at which a Wait ends that began at the given time; the scope's input is the effective input."""

_NO_TIMESTAMP = "cannot be parsed as an ISO-8601 extended offset date-time format string"
_LONGEST = 99_999_999


def compile_wait(state: WaitState, language: QueryLanguage) -> Until:
    """Compile the one of Seconds, SecondsPath, Timestamp and TimestampPath that *state* has."""
    if state.seconds_path is not None:
        return _seconds_path(state.seconds_path)
    if state.timestamp_path is not None:
        return _timestamp_path(state.timestamp_path)
    if state.timestamp is not None:
        return _timestamp(state.timestamp, language)
    return _seconds(state.seconds, language)


def _seconds(literal: object, language: QueryLanguage) -> Until:
    if isinstance(literal, str) and language is QueryLanguage.JSONATA:
        return _seconds_expression(literal)

    def until(scope: Scope, begun: datetime) -> datetime:
        if isinstance(literal, bool) or not isinstance(literal, int | float):
            raise StatesError(ErrorName.RUNTIME, f"The Seconds parameter cannot be parsed as a long value: {literal!r}")
        return _after(begun, literal)

    return until


def _seconds_expression(text: str) -> Until:
    from workflow_manager.asl.jsonata import compile_expression, expect
    from workflow_manager.asl.payload_jsonata import states_of

    expression = compile_expression(text)

    def until(scope: Scope, begun: datetime) -> datetime:
        value = expression.evaluate(states_of(scope), scope.variables, scope, "Seconds")
        seconds = as_number(expect(value, "number", expression.source, "Seconds"), fractional=False)
        if seconds is None or not 0 <= seconds <= _LONGEST:
            cause = f"The Seconds field must be an integer from 0 to {_LONGEST}, but was: {dumps(value)}"
            raise StatesError(ErrorName.QUERY_EVALUATION_ERROR, cause, "Seconds")
        return _after(begun, seconds)

    return until


def _seconds_path(path: str) -> Until:
    compiled = compile_path(path)

    def until(scope: Scope, begun: datetime) -> datetime:
        try:
            value = compiled.get(scope)
        except PathNotFound:
            raise StatesError(
                ErrorName.RUNTIME, f"The SecondsPath parameter does not reference an input value: {path}"
            ) from None
        seconds = as_number(value, fractional=False)
        if seconds is None:
            raise _bad("SecondsPath parameter cannot be parsed as a long value", path, value)
        if seconds < 0:
            raise _bad("SecondsPath parameter references a negative value", path, value)
        return _after(begun, seconds)

    return until


def _timestamp_path(path: str) -> Until:
    compiled = compile_path(path)

    def until(scope: Scope, begun: datetime) -> datetime:
        try:
            value = compiled.get(scope)
        except PathNotFound:
            cause = f"The TimestampPath parameter does not reference an input value: {path}"
            raise StatesError(ErrorName.RUNTIME, cause) from None
        time = parse_timestamp(value) if isinstance(value, str) else None
        if time is None:
            raise _bad(f"TimestampPath parameter {_NO_TIMESTAMP}", path, value)
        return time

    return until


def _timestamp(text: str, language: QueryLanguage) -> Until:
    if language is QueryLanguage.JSONATA and text.startswith("{%"):
        return _timestamp_expression(text)
    time = parse_timestamp(text)

    def until(scope: Scope, begun: datetime) -> datetime:
        if time is None:
            raise StatesError(ErrorName.RUNTIME, f"The Timestamp parameter {_NO_TIMESTAMP}: {text}")
        return time

    return until


def _timestamp_expression(text: str) -> Until:
    from workflow_manager.asl.jsonata import compile_expression, expect
    from workflow_manager.asl.payload_jsonata import states_of

    expression = compile_expression(text)

    def until(scope: Scope, begun: datetime) -> datetime:
        value = expression.evaluate(states_of(scope), scope.variables, scope, "Timestamp")
        written = expect(value, "string", expression.source, "Timestamp")
        time = parse_timestamp(written) if isinstance(written, str) else None
        if time is None:
            raise StatesError(
                ErrorName.QUERY_EVALUATION_ERROR, f"The Timestamp field {_NO_TIMESTAMP}: {written}", "Timestamp"
            )
        return time

    return until


def _after(begun: datetime, seconds: float) -> datetime:
    return later(begun, min(seconds, _LONGEST))


def _bad(what: str, path: str, value: JSON) -> StatesError:
    shown = value if isinstance(value, str) else dumps(value)
    return StatesError(ErrorName.RUNTIME, f"The {what}: {path} == {shown}")
