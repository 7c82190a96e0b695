"""
The text of a path, cut into steps.

What a path may look like is said by the ASL specification ("Paths", "Reference Paths") and by the JSONPath dialect that
AWS uses (Jayway's): dotted names with backslash escapes, quoted names, indexes, wildcards, slices, filters, ``..`` and
functions.
"""

from __future__ import annotations

import re
from enum import Enum, StrEnum
from typing import NamedTuple

_HIGH_SURROGATE, _LOW_SURROGATE = range(0xD800, 0xDC00), range(0xDC00, 0xE000)


class PathSyntaxError(ValueError):
    """*text* is not a path (or not a template string); *reason* says why, *position* where, counted from 0."""

    def __init__(self, text: str, position: int, reason: str) -> None:
        super().__init__(f"{text!r}: {reason} at position {position}")
        self.text, self.position, self.reason = text, position, reason


class PathRoot(StrEnum):
    """Where a path starts."""

    INPUT = "$"
    CONTEXT = "$$"
    VARIABLE = "$name"


class StepKind(Enum):
    """What one step of a path does."""

    NAMES = "names"
    INDEXES = "indexes"
    SLICE = "slice"
    WILDCARD = "wildcard"
    DESCENT = "descent"
    FILTER = "filter"
    FUNCTION = "function"


class Step(NamedTuple):
    """One step: *keys* of NAMES and INDEXES; *text* of a SLICE ``1:3``, FILTER ``(@.a > 1)`` or FUNCTION ``length``."""

    kind: StepKind
    keys: tuple[str | int, ...] = ()
    text: str = ""


class ParsedPath(NamedTuple):
    """The root, the variable's name if the root is one, and the steps."""

    root: PathRoot
    variable: str | None
    steps: tuple[Step, ...]


_ROOT = re.compile(r"\$(\$|[^\W\d]\w*)?")
_NAME = re.compile(r"""(?:\\u[0-9a-fA-F]{4}|\\.|[^\s.\[\](),'"*?\\])+""", re.DOTALL)
_CALL = re.compile(r"\s*\(\s*\)")
_QUOTED = r"""(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")"""
_QUOTED_NAMES = re.compile(rf"\[\s*({_QUOTED}(?:\s*,\s*{_QUOTED})*)\s*\]", re.DOTALL)
_ONE_QUOTED = re.compile(_QUOTED, re.DOTALL)
_INDEXES = re.compile(r"\[\s*(-?\d{1,9}(?:\s*,\s*-?\d{1,9})*)\s*\]")
_SLICE = re.compile(r"\[\s*((?:-?\d{1,9})?\s*:\s*(?:-?\d{1,9})?(?:\s*:\s*(?:-?[1-9]\d{0,8})?)?)\s*\]")
_WILDCARD = re.compile(r"\[\s*\*\s*\]")
_FILTER = re.compile(r"\[\s*\?\s*(?=\()")
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))", re.DOTALL)
_FILTER_TOKEN = re.compile(rf"{_QUOTED}|=~\s*/(?:[^/\\]|\\.)*/|[\[\]]", re.DOTALL)


def parse_path(text: str) -> ParsedPath:
    """
    Cut *text* into steps.

    Raises:
        PathSyntaxError: it is not a path.
    """
    start = _ROOT.match(text)
    if start is None:
        raise PathSyntaxError(text, 0, "a path starts with '$'")
    name = start[1]
    root = PathRoot.INPUT if name is None else PathRoot.CONTEXT if name == "$" else PathRoot.VARIABLE
    steps: list[Step] = []
    position = start.end()
    while position < len(text):
        if steps and steps[-1].kind is StepKind.FUNCTION:
            raise PathSyntaxError(text, position, "nothing may follow a function")
        position = _read_step(text, position, steps)
    return ParsedPath(root, name if root is PathRoot.VARIABLE else None, tuple(steps))


def _read_step(text: str, position: int, steps: list[Step]) -> int:
    if text.startswith("..", position):
        steps.append(Step(StepKind.DESCENT))
        return _read_after_dot(text, position + 2, steps)
    if text[position] == ".":
        return _read_after_dot(text, position + 1, steps)
    if text[position] == "[":
        return _read_bracket(text, position, steps)
    raise PathSyntaxError(text, position, f"unexpected {text[position]!r}")


def _read_after_dot(text: str, position: int, steps: list[Step]) -> int:
    if text.startswith("[", position):
        return _read_bracket(text, position, steps)
    if text.startswith("*", position):
        steps.append(Step(StepKind.WILDCARD))
        return position + 1
    name = _NAME.match(text, position)
    if name is None:
        found = repr(text[position]) if position < len(text) else "the end"
        raise PathSyntaxError(text, position, f"a name was expected, not {found}")
    call = _CALL.match(text, name.end())
    if call is not None:
        steps.append(Step(StepKind.FUNCTION, text=name[0]))
        return call.end()
    steps.append(Step(StepKind.NAMES, (_unescape(name[0]),)))
    return name.end()


def _read_bracket(text: str, position: int, steps: list[Step]) -> int:
    if found := _QUOTED_NAMES.match(text, position):
        names = tuple(_unquote(quoted) for quoted in _ONE_QUOTED.findall(found[1]))
        steps.append(Step(StepKind.NAMES, names))
    elif found := _INDEXES.match(text, position):
        steps.append(Step(StepKind.INDEXES, tuple(int(index) for index in found[1].split(","))))
    elif found := _SLICE.match(text, position):
        steps.append(Step(StepKind.SLICE, text="".join(found[1].split())))
    elif found := _WILDCARD.match(text, position):
        steps.append(Step(StepKind.WILDCARD))
    elif found := _FILTER.match(text, position):
        end = _end_of_filter(text, position)
        steps.append(Step(StepKind.FILTER, text=text[found.end() : end].strip()))
        return end + 1
    else:
        raise PathSyntaxError(text, position, "the brackets hold no name, index, slice, '*' or filter")
    return found.end()


def _end_of_filter(text: str, position: int) -> int:
    """The place of the bracket that closes the one at *position*; brackets in strings and patterns do not count."""
    depth = 0
    for token in _FILTER_TOKEN.finditer(text, position):
        if token[0] == "[":
            depth += 1
        elif token[0] == "]":
            depth -= 1
            if depth == 0:
                return token.start()
    raise PathSyntaxError(text, position, "the filter is not closed")


def _unquote(quoted: str) -> str:
    """The name between quotes; AWS takes a backslash there literally, but for the one that hides such a quote."""
    return quoted[1:-1].replace("\\" + quoted[0], quoted[0])


def _unescape(name: str) -> str:
    r"""*name* without its backslashes: ``\.`` is a dot, ``\uXXXX`` a code unit, a pair of surrogates one character."""
    if "\\" not in name:
        return name
    plain = _ESCAPE.sub(lambda found: chr(int(found[1], 16)) if found[1] else found[2], name)
    if any(ord(char) in _HIGH_SURROGATE or ord(char) in _LOW_SURROGATE for char in plain):
        plain = plain.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return plain


def normal_text(keys: tuple[str | int, ...]) -> str:
    """The path of *keys* as AWS prints it: ``$['a'][0]``."""
    return "$" + "".join(f"['{key}']" if isinstance(key, str) else f"[{key}]" for key in keys)
