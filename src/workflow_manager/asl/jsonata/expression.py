"""One JSONata expression: recognised, compiled once, evaluated, and its failures put in Step Functions' words."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from typing import Any

import attrs

from workflow_manager.asl.errors import ErrorName, StatesError
from workflow_manager.asl.jsonata.limits import MAX_SOURCE, EvaluationLimitError
from workflow_manager.asl.jsonata.shortcut import UNKNOWN, Shortcut, plain_path
from workflow_manager.asl.scope import Scope
from workflow_manager.asl.values import JSON, dumps, type_name

_CODE = re.compile(r"[STD][0-9]{4}: ")


class JSONataSyntaxError(ValueError):
    """
    An expression cannot be parsed.

    *source* is the expression without its delimiters, *reason* the parser's sentence.
    """

    def __init__(self, source: str, reason: str) -> None:
        super().__init__(f"{reason} in the JSONata expression '{source}'")
        self.source, self.reason = source, reason


def is_expression(value: object) -> bool:
    """Whether *value* is a string that is, whole and without space around it, one ``{% ... %}``."""
    return isinstance(value, str) and len(value) >= 4 and value.startswith("{%") and value.endswith("%}")


@attrs.frozen(kw_only=True, eq=False)
class Expression:
    """
    A compiled expression; safe to evaluate from several threads at once.

    *source* is the text between the delimiters, without space around it.
    """

    source: str
    _shortcut: Shortcut | None = attrs.field(repr=False)
    _program: list[Any] = attrs.field(repr=False)

    def evaluate(self, states: JSON, variables: Mapping[str, JSON], scope: Scope, field: str | None = None) -> JSON:
        """
        The value of the expression: plain JSON.

        *states* is what ``$states`` means (an object with ``input``, ``context`` and, where they exist, ``result``
        and ``errorOutput``), *variables* what each ``$name`` means.  *scope* gives chance, and the time for
        ``$now()``.  *field* is the place of the expression within its state as AWS names it (``Output/total``), for
        errors.

        Raises:
            StatesError: States.QueryEvaluationError, when the expression throws, returns nothing or a function, or
                goes over a bound (see ``limits``).
        """
        if self._shortcut is not None:
            value: Any = self._shortcut.find(states, variables)
            if value is not UNKNOWN:
                found: JSON = value
                return found
        from workflow_manager.asl.jsonata.run import UNDEFINED, QueryError, run

        try:
            result: JSON = run(self._tree(), states, variables, scope)
        except (QueryError, EvaluationLimitError) as error:
            mark = "." if _CODE.match(str(error)) else ":"  # as AWS: a sentence of its own where there is a code
            raise _failure(self.source, field, f"threw an error during evaluation{mark} {error}") from None
        if result is UNDEFINED:
            raise _failure(self.source, field, "returned nothing (undefined).")
        return result

    def _tree(self) -> Any:
        if not self._program:
            self._program.append(_parse(self.source))
        return self._program[0]


def compile_expression(text: str) -> Expression:
    """
    The expression of *text*: a whole ``{% ... %}`` or what stands between.

    Raises:
        JSONataSyntaxError: the text is no JSONata.
    """
    return _compile(text[2:-2].strip() if is_expression(text) else text.strip())


@functools.lru_cache(maxsize=4096)
def _compile(source: str) -> Expression:
    if len(source) > MAX_SOURCE:
        raise JSONataSyntaxError(source[:80] + "...", f"more than {MAX_SOURCE} characters")
    shortcut = plain_path(source)
    return Expression(source=source, shortcut=shortcut, program=[] if shortcut is not None else [_parse(source)])


def _parse(source: str) -> Any:
    from workflow_manager.asl.jsonata.run import QueryError, parse

    try:
        return parse(source)
    except QueryError as error:
        raise JSONataSyntaxError(source, str(error)) from None


def expect(value: JSON, expected: str, source: str, field: str) -> JSON:
    """
    *value*, if its JSON type is *expected* (``array``, ``number``, ``boolean`` ...).

    Raises:
        StatesError: States.QueryEvaluationError, naming the expression *source* and the *field* it stands in.
    """
    if type_name(value) == expected:
        return value
    raise unexpected_type(value, expected, source, field)


def unexpected_type(value: JSON, expected: str, source: str, field: str) -> StatesError:
    """The error for a *value* that is not of the JSON type *expected*, in AWS's words."""
    what = f"Expected '{expected}', but was '{type_name(value)}' for value: {dumps(value)}"
    return _failure(source, field, f"returned an unexpected result type. {what}")


def _failure(source: str, field: str | None, what: str) -> StatesError:
    place = "" if field is None else f" specified for the field '{field}'"
    return StatesError(ErrorName.QUERY_EVALUATION_ERROR, f"The JSONata expression '{source}'{place} {what}", field)
