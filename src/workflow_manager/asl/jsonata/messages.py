"""The library's errors in the words of the reference implementation, which are the words that AWS reports."""

from __future__ import annotations

import re
from typing import Any

from workflow_manager.asl.jsonata.values import text_of

_PLACE = re.compile(r"\{\{\{\w+\}\}\}|\{\{\w+\}\}")
_ELEMENTS = {"a": "arrays", "b": "booleans", "f": "functions", "n": "numbers", "o": "objects", "s": "strings"}
_AS_SENTENCE = {
    "Second argument of replace function cannot be an empty string": "D3010",
    "Fourth argument of replace function must evaluate to a positive number": "D3011",
}


def message_of(error: Any) -> str:
    """
    ``CODE: sentence`` for the library's exception *error*.

    The library's catalogue says "Object" where the reference says "function" and quotes what it inserts, where the
    reference writes it as JSON.
    """
    from jsonata.jexception import JException

    code = str(error.error)
    template = JException.error_codes.get(code)
    if template is None:
        known = _AS_SENTENCE.get(code)
        return f"{known}: {code}" if known else code
    values = iter(_values(code, error))

    def fill(place: re.Match[str]) -> str:
        value = next(values, None)
        return str(value) if place[0].startswith("{{{") else text_of(value)

    return f"{code}: {_PLACE.sub(fill, template.replace(' Object ', ' function '))}"


def _values(code: str, error: Any) -> tuple[Any, ...]:
    """What *error* carries, in the order in which its sentence names it."""
    if code == "T0412":
        return error.current, error.expected, _ELEMENTS.get(str(error.extra)[:1], error.extra)
    if code == "D1002":
        return (error.expected,)
    if code == "D3100":
        return (error.location,)
    return error.current, error.expected, error.extra
