"""What every rule works with: the list of problems, the surroundings, and the checks of plain JSON types."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import TypeAlias

import attrs

from workflow_manager.asl.machine import QueryLanguage, StateMachineType
from workflow_manager.asl.values import JSON, pointer_token, type_name
from workflow_manager.exceptions import Problem, Severity

INVALID = "SCHEMA_VALIDATION_FAILED"

# What a machine is made of cannot be filled in later: without it there is nothing to judge.
_STRUCTURE = frozenset(
    (
        "Type",
        "StartAt",
        "States",
        "Branches",
        "ItemProcessor",
        "Iterator",
        "Choices",
        "And",
        "Or",
        "Not",
        "Retry",
        "Catch",
    )
)
_SUBSTITUTION = re.compile(r"\$\{[^{}]+\}")


@attrs.define(kw_only=True)
class Judge:
    """
    One validation under way: collects *problems* while the rules walk through a definition.

    *kind*, *language* and *variables* are those of the place that is being looked at: the type of state machine, the
    query language of the state, and the variables that some state of this or an enclosing machine assigns.
    """

    kind: StateMachineType = StateMachineType.STANDARD
    substitutions: bool = False
    language: QueryLanguage = QueryLanguage.JSONPATH
    variables: frozenset[str] = frozenset()
    problems: list[Problem] = attrs.field(factory=list)

    def error(self, path: str, message: str, code: str = INVALID) -> None:
        """The definition cannot run: *message*, at the JSON Pointer *path*."""
        self.problems.append(Problem(code, path, message))

    def warn(self, path: str, message: str, code: str) -> None:
        """The definition can run, but hardly means this."""
        self.problems.append(Problem(code, path, message, Severity.WARNING))

    def is_substitution(self, value: JSON) -> bool:
        """Whether *value* is for CloudFormation to fill in (``${Name}``, ``{"Ref": …}``), where that is allowed."""
        if not self.substitutions:
            return False
        if isinstance(value, str):
            return _SUBSTITUTION.search(value) is not None
        if isinstance(value, Mapping) and len(value) == 1:
            name = next(iter(value))
            return name == "Ref" or name.startswith("Fn::")
        return False

    @property
    def is_jsonata(self) -> bool:
        """Whether the state that is being looked at uses JSONata."""
        return self.language is QueryLanguage.JSONATA


Check: TypeAlias = Callable[[Judge, JSON, str], None]
"""Judges one value at a JSON Pointer."""


@attrs.frozen
class Field:
    """A field that an object may have: how its value is judged, and the query language it belongs to, if only one."""

    check: Check
    language: QueryLanguage | None = None


def a(value: JSON) -> str:
    """The type of *value* with its article, for sentences."""
    name = type_name(value)
    return name if value is None else f"an {name}" if name[0] in "ao" else f"a {name}"


def check_fields(judge: Judge, value: Mapping[str, JSON], path: str, fields: Mapping[str, Field]) -> None:
    """Every field of *value* is known, belongs to the query language, and holds what it may hold."""
    for name, item in value.items():
        field, place = fields.get(name), f"{path}/{pointer_token(name)}"
        if field is None:
            judge.error(place, f"The field {name!r} is not supported here{did_you_mean(name, fields)}")
        elif field.language is not None and field.language is not judge.language:
            judge.error(place, f"The field {name!r} is only for {field.language}, but the state uses {judge.language}")
        elif name in _STRUCTURE or not judge.is_substitution(item):
            field.check(judge, item, place)


def require(judge: Judge, value: Mapping[str, JSON], path: str, *names: str) -> None:
    """*value* has all the fields *names*."""
    missing = [name for name in names if name not in value]
    if missing:
        judge.error(path, f"These fields are required: [{', '.join(missing)}]")


def at_most_one(judge: Judge, value: Mapping[str, JSON], path: str, *names: str) -> int:
    """*value* has not more than one of the fields *names*; returns how many it has."""
    found = [name for name in names if name in value]
    if len(found) > 1:
        judge.error(path, f"Only one of these fields is allowed: [{', '.join(found)}]")
    return len(found)


def exactly_one(judge: Judge, value: Mapping[str, JSON], path: str, *names: str) -> None:
    """*value* has one of the fields *names*."""
    if at_most_one(judge, value, path, *names) == 0:
        judge.error(path, f"One of these fields is required: [{', '.join(names)}]")


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`` (did you mean 'x'?)`` when one of the *known* names is close, else nothing."""
    from difflib import get_close_matches

    candidates = list(known)
    if len(candidates) > 100 or len(name) > 100:  # comparing is slow, and a definition may be wrong a thousand times
        return ""
    close = get_close_matches(name, candidates, n=1, cutoff=0.65)
    return f" (did you mean {close[0]!r}?)" if close else ""


def anything(judge: Judge, value: JSON, path: str) -> None:
    """Any JSON value."""


def text(judge: Judge, value: JSON, path: str) -> None:
    """A string."""
    if not isinstance(value, str):
        judge.error(path, f"Value must be a string, not {a(value)}")


def boolean(judge: Judge, value: JSON, path: str) -> None:
    """``true`` or ``false``."""
    if not isinstance(value, bool):
        judge.error(path, f"Value must be a boolean, not {a(value)}")


def one_of(*allowed: str) -> Check:
    """One of the strings *allowed*."""

    def check(judge: Judge, value: JSON, path: str) -> None:
        if value not in allowed:
            name = path.rpartition("/")[2]
            judge.error(path, f"The field {name!r} should have one of these values: [{', '.join(allowed)}]")

    return check


def number(low: float, high: float | None = None, *, whole: bool = True) -> Check:
    """A number from *low* to *high*, both included; a *whole* one may be written ``3.0``."""
    kind = "an integer" if whole else "a number"
    span = f"of at least {low:g}" if high is None else f"from {low:g} to {high:.0f}"

    def check(judge: Judge, value: JSON, path: str) -> None:
        if not isinstance(value, int | float) or isinstance(value, bool) or (whole and value != int(value)):
            judge.error(path, f"Value must be {kind}, not {value if isinstance(value, float) else a(value)}")
        elif value < low or (high is not None and value > high):
            judge.error(path, f"Value must be {kind} {span}, not {value}")

    return check
