"""
JSONPath: where in a document a value is.

A *reference path* (ASL specification, "Reference Paths") names exactly one place; it is compiled to a tuple of keys and
looked up by a plain loop.  Every other path goes through the ``jsonpath`` library, adapted in
:mod:`workflow_manager.asl.paths_query`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence

import attrs

from workflow_manager.asl.paths_syntax import (
    ParsedPath,
    PathRoot,
    PathSyntaxError,
    Step,
    StepKind,
    normal_text,
    parse_path,
)
from workflow_manager.asl.scope import Scope
from workflow_manager.asl.values import JSON, dumps

__all__ = [
    "Path",
    "PathNotFound",
    "PathRoot",
    "PathSyntaxError",
    "ReferencePath",
    "ResultPathMismatch",
    "compile_path",
    "compile_reference_path",
]

Keys = tuple[str | int, ...]


class PathNotFound(LookupError):
    """
    A path leads nowhere.

    *path* is the path as written, *reason* why, in the words that AWS puts after ``Invalid path '$.a' : ``.
    """

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"Invalid path '{path}' : {reason}")
        self.path, self.reason = path, reason


class ResultPathMismatch(ValueError):
    """A value cannot be put where the reference path *path* says; the message is AWS's sentence."""

    def __init__(self, path: str, document: JSON) -> None:
        super().__init__(f"Unable to apply ReferencePath {path} to input {dumps(document)}")
        self.path, self.document = path, document


@attrs.frozen(kw_only=True)
class Path:
    """
    A compiled path.

    *text* is the path as written, *root* where it starts, *variable* the name after ``$`` if it starts at a variable.
    *is_reference* says that it names one place through names and indexes only, *is_definite* that it gives a value
    rather than a list of matches.

    ``get(scope)`` gives the value, or raises :class:`PathNotFound`.  ``find(value)`` does the same for a value that
    already is the root.  A definite path gives the value itself; any other gives a list, empty where nothing matches.
    """

    text: str
    root: PathRoot = attrs.field(eq=False)
    variable: str | None = attrs.field(eq=False)
    is_reference: bool = attrs.field(eq=False, repr=False)
    is_definite: bool = attrs.field(eq=False, repr=False)
    get: Callable[[Scope], JSON] = attrs.field(eq=False, repr=False)
    find: Callable[[JSON], JSON] = attrs.field(eq=False, repr=False)

    def exists(self, scope: Scope) -> bool:
        """Whether the path leads to a value (null counts); a path that may match many needs at least one match."""
        try:
            found = self.get(scope)
        except PathNotFound:
            return False
        return self.is_definite or bool(found)


@functools.lru_cache(maxsize=4096)
def compile_path(text: str) -> Path:
    """
    Compile the path *text*.

    Raises:
        PathSyntaxError: it is not a path.
    """
    parsed = parse_path(text)
    keys = _keys(parsed.steps)
    if keys is None:
        from workflow_manager.asl.paths_query import compile_query

        query = compile_query(text, parsed.steps)
        find, is_definite = query.find, query.is_definite
    else:
        find, is_definite = _finder(text, keys), True
    return Path(
        text=text,
        root=parsed.root,
        variable=parsed.variable,
        is_reference=keys is not None and all(isinstance(key, str) or key >= 0 for key in keys),
        is_definite=is_definite,
        get=_getter(text, parsed, find, keys),
        find=find,
    )


def _keys(steps: Sequence[Step]) -> Keys | None:
    """The keys, if every step is one name or one index."""
    if all(step.kind in (StepKind.NAMES, StepKind.INDEXES) and len(step.keys) == 1 for step in steps):
        return tuple(step.keys[0] for step in steps)
    return None


def _finder(text: str, keys: Keys) -> Callable[[JSON], JSON]:
    """The look-up of *keys*: two loops, so that paths without an index, nearly all, need no check for strings."""
    if not keys:
        return lambda value: value

    def find(value: JSON) -> JSON:
        found = value
        try:
            for key in keys:
                found = found[key]  # type: ignore[index]
        except (KeyError, IndexError, TypeError):
            raise PathNotFound(text, _why_missing(value, keys)) from None
        return found

    def find_careful(value: JSON) -> JSON:
        found = value
        try:
            for key in keys:
                if found.__class__ is str:  # "abc"[0] is Python's, not JSON's
                    raise TypeError
                found = found[key]  # type: ignore[index]
        except (KeyError, IndexError, TypeError):
            raise PathNotFound(text, _why_missing(value, keys)) from None
        return found

    return find if all(isinstance(key, str) for key in keys) else find_careful


def _getter(text: str, parsed: ParsedPath, find: Callable[[JSON], JSON], keys: Keys | None) -> Callable[[Scope], JSON]:
    if parsed.root is PathRoot.INPUT:
        if keys and all(isinstance(key, str) for key in keys):
            return _input_getter(text, keys)
        return lambda scope: find(scope.input)
    if parsed.root is PathRoot.CONTEXT:
        return lambda scope: find(scope.context)
    name = parsed.variable or ""

    def get(scope: Scope) -> JSON:
        try:
            value = scope.variables[name]
        except KeyError:
            raise PathNotFound(text, f"The variable '{name}' is not defined") from None
        return find(value)

    return get


def _input_getter(text: str, keys: Keys) -> Callable[[Scope], JSON]:
    """The look-up of names from ``$``, nearly all look-ups there are, without a call in between."""
    first, rest = keys[0], keys[1:]

    def get(scope: Scope) -> JSON:
        try:
            found = scope.input[first]  # type: ignore[index]
            for key in rest:
                found = found[key]  # type: ignore[index]
        except (KeyError, IndexError, TypeError):
            raise PathNotFound(text, _why_missing(scope.input, keys)) from None
        return found

    return get


def _why_missing(value: JSON, keys: Keys) -> str:
    """The sentence of AWS's JSONPath library for the first step of *keys* that *value* does not have."""
    for depth, key in enumerate(keys):
        here = normal_text(keys[:depth])
        if isinstance(key, str):
            if not isinstance(value, Mapping):
                return f"Property ['{key}'] not found in path {here}"
            if key not in value:
                start = "No results for path:" if depth == len(keys) - 1 else "Missing property in path"
                return f"{start} {normal_text(keys[: depth + 1])}"
            value = value[key]
            continue
        if value is None:
            return f"The path {here} is null"
        if isinstance(value, str) or not isinstance(value, Sequence):
            return f"Filter: [{key}] can only be applied to arrays. Current context is: {dumps(value)}"
        if not -len(value) <= key < len(value):
            break
        value = value[key]
    return f"No results for path: {normal_text(keys)}"


@attrs.frozen(kw_only=True)
class ReferencePath:
    """A path that a result can be put at: *text* as written, *keys* its names and indexes."""

    text: str
    keys: Keys = attrs.field(eq=False, repr=False)

    def put(self, document: JSON, value: JSON) -> JSON:
        """
        A new document that equals *document* but for *value* at this path; what is not on the path is shared.

        Missing objects are made on the way (ASL specification, "InputPath, Parameters, ResultSelector, ResultPath,
        OutputPath").

        Raises:
            ResultPathMismatch: the path leads through a value that is no object, or to an index that the array lacks.
        """
        try:
            return _put(document, self.keys, 0, value)
        except (TypeError, IndexError):
            raise ResultPathMismatch(self.text, document) from None


def _put(document: JSON, keys: Keys, depth: int, value: JSON) -> JSON:
    if depth == len(keys):
        return value
    key = keys[depth]
    if isinstance(key, str):
        if not isinstance(document, Mapping):
            raise TypeError
        below = document.get(key, {})
        return {**document, key: _put(below, keys, depth + 1, value)}
    if isinstance(document, str) or not isinstance(document, Sequence):
        raise TypeError
    changed = list(document)
    changed[key] = _put(changed[key], keys, depth + 1, value)
    return changed


@functools.lru_cache(maxsize=1024)
def compile_reference_path(text: str) -> ReferencePath:
    """
    Compile *text*, a reference path into the state's input, as ResultPath holds it.

    Raises:
        PathSyntaxError: it is not a path, it may match several places, or it starts at the context or a variable.
    """
    parsed = parse_path(text)
    if parsed.root is not PathRoot.INPUT:
        raise PathSyntaxError(text, 0, "a result can only be put into the state's input")
    keys = _keys(parsed.steps)
    if keys is None or any(isinstance(key, int) and key < 0 for key in keys):
        raise PathSyntaxError(text, 0, "it is not a reference path, which names one place")
    return ReferencePath(text=text, keys=keys)
