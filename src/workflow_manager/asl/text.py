"""Definitions as text: JSON and YAML to values, with the place of everything that is wrong."""

from __future__ import annotations

import json
import math
from collections.abc import Hashable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from workflow_manager.asl.values import JSON, check_json, pointer_token
from workflow_manager.exceptions import DefinitionError, InvalidValueError, Problem

if TYPE_CHECKING:
    import yaml

INVALID_TEXT = "INVALID_JSON_DESCRIPTION"
DUPLICATE_KEY = "DUPLICATE_KEY"

_MAX_NODES = 1_000_000  # YAML aliases can write a value of any size in a few lines
_YAML_RESOLVERS = (
    ("tag:yaml.org,2002:null", r"^(?:~|null|Null|NULL|)$", ["~", "n", "N", ""]),
    ("tag:yaml.org,2002:bool", r"^(?:true|True|TRUE|false|False|FALSE)$", list("tTfF")),
    ("tag:yaml.org,2002:int", r"^[-+]?[0-9]+$", list("-+0123456789")),
    ("tag:yaml.org,2002:float", r"^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$", list("-+.0123456789")),
    ("tag:yaml.org,2002:merge", r"^<<$", ["<"]),
)


class _Repeating(dict[str, JSON]):
    """A JSON object whose text says *repeated* keys more than once (the last value counts)."""

    repeated: tuple[str, ...] = ()


def parse_json(text: str) -> tuple[JSON, tuple[Problem, ...]]:
    """
    The value of JSON *text*, and one DUPLICATE_KEY problem for every key that an object repeats.

    Raises:
        DefinitionError: the text is empty (MISSING_DESCRIPTION), blank (SCHEMA_VALIDATION_FAILED), or is not JSON
            (INVALID_JSON_DESCRIPTION, with line and column).
    """
    if not text.strip():
        raise DefinitionError([_nothing(text)])
    try:
        value: JSON = json.loads(text, object_pairs_hook=_object, parse_constant=_refuse, parse_float=_finite)
    except json.JSONDecodeError as error:
        message = f"not JSON: {error.msg} at line {error.lineno}, column {error.colno}"
        raise DefinitionError([Problem(INVALID_TEXT, "", message)]) from None
    except RecursionError:
        raise DefinitionError([Problem("TOO_DEEPLY_NESTED", "", "the JSON text is nested too deeply")]) from None
    except ValueError as error:
        raise DefinitionError([Problem(INVALID_TEXT, "", f"not JSON: {error}")]) from None
    return value, tuple(_repetitions(value))


def _nothing(text: str) -> Problem:
    """The problem of a text that is empty (MISSING_DESCRIPTION) or blank (AWS recorded SCHEMA_VALIDATION_FAILED)."""
    if text:
        return Problem("SCHEMA_VALIDATION_FAILED", "", "Definition must be a valid JSON object")
    return Problem("MISSING_DESCRIPTION", "", "the definition is empty")


def _refuse(name: str) -> JSON:
    raise ValueError(f"{name} is not a JSON value")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text} is too large for a number")
    return value


def _object(pairs: list[tuple[str, JSON]]) -> dict[str, JSON]:
    plain = dict(pairs)
    if len(plain) == len(pairs):
        return plain
    marked, seen, repeated = _Repeating(plain), set[str](), dict[str, None]()
    for key, _ in pairs:
        if key in seen:
            repeated[key] = None
        seen.add(key)
    marked.repeated = tuple(repeated)
    return marked


def _repetitions(value: JSON) -> Iterator[Problem]:
    """One problem for every repeated key in *value*, in the order of the document."""
    places: list[tuple[str, JSON]] = [("", value)]
    while places:
        path, here = places.pop()
        if isinstance(here, Mapping):
            if isinstance(here, _Repeating):
                for key in here.repeated:
                    place = f"{path}/{pointer_token(key)}"
                    yield Problem(DUPLICATE_KEY, place, f"the key {key!r} occurs more than once in this object")
            places.extend((f"{path}/{pointer_token(key)}", item) for key, item in reversed(list(here.items())))
        elif isinstance(here, list):
            places.extend((f"{path}/{index}", item) for index, item in reversed(list(enumerate(here))))


def parse_yaml(text: str) -> tuple[JSON, tuple[Problem, ...]]:
    """
    The value of YAML *text*, read by the core schema of YAML 1.2: timestamps, ``yes`` and ``0o17`` are strings.

    CloudFormation's short tags become their long form (``!Ref Name`` is ``{"Ref": "Name"}``).

    Raises:
        DefinitionError: the text is blank, is not YAML, repeats a key, or has values that JSON has not.
    """
    import yaml

    if not text.strip():
        raise DefinitionError([_nothing(text)])
    try:
        value = yaml.load(text, Loader=_yaml_loader(yaml))  # noqa: S506 - it is a SafeLoader
        _count_nodes(value)
        return check_json(value, "definition"), ()
    except yaml.YAMLError as error:
        raise DefinitionError([_yaml_problem(error)]) from None
    except InvalidValueError as error:
        raise DefinitionError([Problem(INVALID_TEXT, error.path, error.reason)]) from None
    except RecursionError:
        raise DefinitionError([Problem("TOO_DEEPLY_NESTED", "", "the YAML text is nested too deeply")]) from None
    except (ValueError, TypeError, ArithmeticError) as error:  # PyYAML lets what a constructor raises through
        raise DefinitionError([Problem(INVALID_TEXT, "", f"not YAML: {error}")]) from None


def _yaml_problem(error: Exception) -> Problem:
    mark = getattr(error, "problem_mark", None)
    what = getattr(error, "problem", None) or " ".join(str(error).split())
    place = "" if mark is None else f" at line {mark.line + 1}, column {mark.column + 1}"
    code = DUPLICATE_KEY if isinstance(error, DuplicateYamlKeyMark) else INVALID_TEXT
    return Problem(code, "", f"{what if code == DUPLICATE_KEY else f'not YAML: {what}'}{place}")


class DuplicateYamlKeyMark:
    """Marks the YAML error that says a key is repeated; PyYAML, imported late, gives the rest of the class."""


def _count_nodes(value: Any) -> None:
    """Refuse what becomes huge once aliases are written out."""
    sizes: dict[int, int] = {}

    def size(node: Any) -> int:
        if not isinstance(node, dict | list):
            return 1
        if id(node) not in sizes:
            sizes[id(node)] = _MAX_NODES + 1  # stays so while we are inside: a value that contains itself is endless
            sizes[id(node)] = 1 + sum(size(item) for item in (node.values() if isinstance(node, dict) else node))
        return sizes[id(node)]

    if size(value) > _MAX_NODES:
        raise ValueError("aliases make the value endless or larger than a million nodes")


def _yaml_loader(yaml: Any) -> type[yaml.SafeLoader]:
    """PyYAML's safe loader with YAML 1.2's core schema, unique keys and CloudFormation's tags."""
    import re

    class DuplicateKeyError(DuplicateYamlKeyMark, yaml.constructor.ConstructorError):  # type: ignore[misc]
        pass

    class Loader(yaml.SafeLoader):  # type: ignore[misc]
        yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # not YAML 1.1's

        def construct_mapping(self, node: Any, deep: bool = False) -> dict[Hashable, Any]:
            seen = set()
            for key, _ in node.value:
                if key.tag != "tag:yaml.org,2002:merge" and isinstance(key.value, str):
                    if key.value in seen:
                        raise DuplicateKeyError(None, None, f"the key {key.value!r} is repeated", key.start_mark)
                    seen.add(key.value)
            mapping: dict[Hashable, Any] = super().construct_mapping(node, deep)
            return mapping

        def construct_tagged(self, suffix: str, node: Any) -> dict[str, Any]:
            if isinstance(node, yaml.ScalarNode):
                value: Any = self.construct_scalar(node)
            elif isinstance(node, yaml.SequenceNode):
                value = self.construct_sequence(node, deep=True)
            else:
                value = self.construct_mapping(node, deep=True)
            if suffix == "GetAtt" and isinstance(value, str):
                value = value.split(".", 1)
            return {suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}": value}

    for tag, pattern, first in _YAML_RESOLVERS:
        Loader.add_implicit_resolver(tag, re.compile(pattern), first)
    Loader.add_constructor("tag:yaml.org,2002:int", lambda loader, node: int(loader.construct_scalar(node)))
    Loader.add_constructor("tag:yaml.org,2002:float", lambda loader, node: float(loader.construct_scalar(node)))
    Loader.add_multi_constructor("!", Loader.construct_tagged)
    return Loader
