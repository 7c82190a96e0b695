"""
A short way for the commonest expressions: ``$name``, ``$states.input``, ``$states.input.order.id``.

Such a path over objects alone means the same in every JSONata: look up one key after the other.  As soon as a list
(which JSONata maps over) or a missing key is met, the whole expression goes to the library.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import attrs

from workflow_manager.asl.values import JSON

UNKNOWN: Final = object()
"""The answer of a short cut that does not apply to these values."""

_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
_PATH = re.compile(rf"\$({_NAME})((?:\.{_NAME})*)")
_OPERATORS = frozenset({"and", "or", "in"})  # these names mean something else after a dot, in some positions
_LITERALS = frozenset({"true", "false", "null"})  # `a.true` is a syntax error or a constant, never a key


@attrs.frozen
class Shortcut:
    """A variable's *name* and the *keys* below it."""

    name: str
    keys: tuple[str, ...]

    def find(self, states: JSON, variables: Mapping[str, JSON]) -> object:
        """The value, or ``UNKNOWN`` where the library must answer."""
        if self.name == "states":
            value = states
        elif self.name in variables:
            value = variables[self.name]
        else:
            return UNKNOWN
        for key in self.keys:
            if type(value) is not dict or key not in value:
                return UNKNOWN
            value = value[key]
        return value


def plain_path(source: str) -> Shortcut | None:
    """The short cut for *source*, or None where there is none."""
    match = _PATH.fullmatch(source)
    if match is None:
        return None
    keys = tuple(match[2].split(".")[1:])
    if not _OPERATORS.isdisjoint(keys) or not _LITERALS.isdisjoint(keys):
        return None
    return Shortcut(match[1], keys)
