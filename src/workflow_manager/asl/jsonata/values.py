"""
Values on their way into the library and out of it.

The library tells JSON's null from nothing (Python's None) by a marker of its own, keeps sequences in a subclass of
list, and may hold functions.  Data go in as they are, uncopied: lists are made fit when an expression reaches them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any, Final

from jsonata.parser import Parser
from jsonata.utils import Utils

from workflow_manager.asl.jsonata.limits import MAX_VALUE_BYTES, READ_PER_STEP, TOO_LARGE, EvaluationLimitError
from workflow_manager.asl.jsonata.numbers import number_text

NULL: Final = Utils.NULL_VALUE
UNDEFINED: Final = object()
"""The value of an expression that returns nothing."""

Read = Callable[[int], None]
"""Told how many items are about to be read."""

_ATOMS = (str, bool, int)


class FunctionValueError(Exception):
    """A function stands where JSON is needed."""


def own(value: Any) -> Any:
    """*value*, reached within data, as the library wants it: null marked, in lists too (not yet in objects)."""
    if value is None:
        return NULL
    if type(value) is list:
        for item in value:
            if item is None or type(item) is list:
                return [own(item) for item in value]
    return value


def own_deep(value: Any, read: Read) -> Any:
    """*value* with every null marked, in objects too; *read* counts what is walked."""
    if value is None:
        return NULL
    if isinstance(value, list):
        read(READ_PER_STEP + len(value))  # a step at least
        return [own_deep(item, read) for item in value]
    if isinstance(value, dict):
        read(READ_PER_STEP + len(value))
        return {key: own_deep(item, read) for key, item in value.items()}
    return value


def is_function(value: Any) -> bool:
    """Whether *value* is a function of the language: built in, lambda or regular expression."""
    return isinstance(value, Parser.Symbol) or Utils.is_function(value) or hasattr(value, "finditer") or callable(value)


class Plain:
    """Turns results into plain JSON; one instance counts the size of one result."""

    def __init__(self) -> None:
        self._left = MAX_VALUE_BYTES

    def json(self, value: Any) -> Any:
        """
        *value* as JSON of plain lists and dicts; parts that are so already are shared.

        Numbers that JSON cannot write become the strings "Infinity", "-Infinity" and "NaN", as on AWS.

        Raises:
            FunctionValueError: a function is in it.
            EvaluationLimitError: it is too large.
        """
        if value is None or value is NULL:
            return None
        if isinstance(value, _ATOMS):
            return value
        if isinstance(value, float):
            return value if math.isfinite(value) else _name(value)
        if isinstance(value, list):
            return self._list(value)
        if isinstance(value, dict):
            return self._dict(value)
        raise FunctionValueError

    def _list(self, value: list[Any]) -> list[Any]:
        items = [self.json(item) for item in value]
        if type(value) is list and all(map(_same, items, value)):
            return value
        self._count(8 * len(items))
        return items

    def _dict(self, value: dict[str, Any]) -> dict[str, Any]:
        items = {key: self.json(item) for key, item in value.items()}
        if all(map(_same, items.values(), value.values())):
            return value
        self._count(8 * len(items))
        return items

    def _count(self, size: int) -> None:
        self._left -= size
        if self._left < 0:
            raise EvaluationLimitError(TOO_LARGE)


def _same(one: Any, other: Any) -> bool:
    return one is other


def _name(number: float) -> str:
    return "NaN" if math.isnan(number) else "Infinity" if number > 0 else "-Infinity"


def text_of(value: Any, prettify: bool = False) -> str:
    """*value* as JSON text the way ``$string`` writes it: ECMAScript's numbers, functions as the empty string."""
    parts: list[str] = []
    _write(value, "\n" if prettify else "", parts)
    return "".join(parts)


def _write(value: Any, indent: str, out: list[str]) -> None:
    if value is None or value is NULL:
        out.append("null")
    elif value is True or value is False:
        out.append("true" if value else "false")
    elif isinstance(value, int | float):
        out.append(number_text(value) if math.isfinite(value) else "null")
    elif isinstance(value, str):
        out.append(json.dumps(value, ensure_ascii=False))
    elif isinstance(value, list):
        _write_items("[]", [("", item) for item in value], indent, out)
    elif isinstance(value, dict):
        mark = ": " if indent else ":"
        keyed = [(json.dumps(key, ensure_ascii=False) + mark, item) for key, item in value.items()]
        _write_items("{}", keyed, indent, out)
    else:
        out.append('""')


def _write_items(brackets: str, items: list[tuple[str, Any]], indent: str, out: list[str]) -> None:
    inner = indent + "  " if indent else ""
    out.append(brackets[0])
    for index, (key, item) in enumerate(items):
        out.append(("," if index else "") + inner + key)
        _write(item, inner, out)
    out.append((indent if items else "") + brackets[1])
