"""
Paths that may match several values, through the ``jsonpath`` library.

AWS speaks the JSONPath of the Java library Jayway.  The steps are handed to the Python library in its own spelling;
what it lacks is here: several names at the end of a path give one object, and functions take the whole result.

This module is imported on the first such path, because the library takes a while to load.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from jsonpath import JSONPathError

from workflow_manager.asl.paths import PathNotFound
from workflow_manager.asl.paths_functions import FUNCTIONS, NoNumbersError
from workflow_manager.asl.paths_library import TooManyStepsError, compile_library_path
from workflow_manager.asl.paths_regex import PatternTooCostlyError
from workflow_manager.asl.paths_syntax import PathSyntaxError, Step, StepKind
from workflow_manager.asl.values import JSON


class Query(NamedTuple):
    """``find(value)`` gives the value of a definite path, else the list of matches."""

    find: Callable[[JSON], JSON]
    is_definite: bool


def compile_query(text: str, steps: tuple[Step, ...]) -> Query:
    """
    Compile the *steps* of the path *text*.

    Raises:
        PathSyntaxError: a filter or function is not right.
    """
    steps, function = _split_function(text, steps)
    steps, names = _split_names(text, steps)
    is_definite = all(step.kind in (StepKind.NAMES, StepKind.INDEXES) and len(step.keys) == 1 for step in steps)
    matches = _matcher(text, steps)

    def find(value: JSON) -> JSON:
        found = matches(value)
        if names:
            found = [_pick(item, names) for item in found if isinstance(item, Mapping)]
        if is_definite and not found:
            raise PathNotFound(text, f"No results for path: {text}")
        result: JSON = found[0] if is_definite else found
        if function is None:
            return result
        try:
            return function(result)
        except NoNumbersError as error:
            raise PathNotFound(text, str(error)) from None

    return Query(find, is_definite or function is not None)


def _pick(item: Mapping[str, JSON], names: Iterable[str]) -> JSON:
    return {name: item[name] for name in names if name in item}


def _split_function(text: str, steps: tuple[Step, ...]) -> tuple[tuple[Step, ...], Callable[[JSON], JSON] | None]:
    if not steps or steps[-1].kind is not StepKind.FUNCTION:
        return steps, None
    name = steps[-1].text
    if name not in FUNCTIONS:
        raise PathSyntaxError(text, text.rindex(name), f"there is no function {name}()")
    return steps[:-1], FUNCTIONS[name]


def _split_names(text: str, steps: tuple[Step, ...]) -> tuple[tuple[Step, ...], tuple[str, ...]]:
    for position, step in enumerate(steps):
        if step.kind is StepKind.NAMES and len(step.keys) > 1:
            if position != len(steps) - 1 or (position and steps[position - 1].kind is StepKind.DESCENT):
                raise PathSyntaxError(text, 0, "several names may only stand at the end of a path")
            return steps[:-1], tuple(str(key) for key in step.keys)
    return steps, ()


def _matcher(text: str, steps: tuple[Step, ...]) -> Callable[[JSON], Sequence[JSON]]:
    try:
        compiled = compile_library_path("$" + "".join(_spell(step) for step in steps))
    except JSONPathError as error:
        raise PathSyntaxError(text, 0, f"it cannot be read: {error.args[0] if error.args else error}") from None
    except (ValueError, re.error, RecursionError, OverflowError) as error:  # what the library lets through
        raise PathSyntaxError(text, 0, f"it cannot be read: {error}") from None

    def matches(value: JSON) -> Sequence[JSON]:
        if isinstance(value, str):  # the library would take it for JSON text
            return [] if steps else [value]
        try:
            return [match.obj for match in compiled.finditer(value)]  # type: ignore[misc]
        except (TooManyStepsError, PatternTooCostlyError) as error:
            raise PathNotFound(text, str(error)) from None
        except RecursionError:  # the library's own error for a document that is too deep is one, too
            raise PathNotFound(text, "The document is nested too deeply") from None

    return matches


def _spell(step: Step) -> str:
    """One step in the library's spelling."""
    if step.kind is StepKind.NAMES:
        return f"[{json.dumps(step.keys[0])}]"
    if step.kind is StepKind.INDEXES:
        return f"[{','.join(_spell_index(int(key)) for key in step.keys)}]"
    return {
        StepKind.WILDCARD: "[*]",
        StepKind.DESCENT: "..",
        StepKind.SLICE: f"[{step.text}]",
        StepKind.FILTER: f"[?{step.text}]",
    }[step.kind]


def _spell_index(index: int) -> str:
    """A slice of one item: an index could also mean an object's key to the library."""
    return f"{index}:" if index == -1 else f"{index}:{index + 1}"
