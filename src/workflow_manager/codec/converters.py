"""
The cattrs converters behind :mod:`workflow_manager.codec.wire` and :mod:`workflow_manager.codec.records`.

cattrs is imported when the first converter is made, so that importing the library stays cheap.
"""

from __future__ import annotations

import functools
import operator
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from enum import Enum, StrEnum
from typing import TYPE_CHECKING, Any, get_args, get_origin

import attrs

from workflow_manager.asl.machine import StateMachine, StateType
from workflow_manager.asl.values import JSON, loads, pointer_token
from workflow_manager.codec.events import text_of
from workflow_manager.exceptions import DefinitionError, InvalidValueError, Problem
from workflow_manager.models import (
    Job,
    JobAttempt,
    JobStatus,
    ResourceType,
    StateResource,
    Workflow,
    WorkflowDefinition,
    WorkflowStatus,
)

if TYPE_CHECKING:
    from cattrs import Converter

MODELS = (Workflow, WorkflowDefinition, Job, JobAttempt, StateResource)

_ACRONYMS = {"container_instance_arn": "containerInstanceARN", "task_arn": "taskARN"}
_ENUMS: tuple[type[StrEnum], ...] = (WorkflowStatus, JobStatus, ResourceType, StateType)
_JSON_FIELDS = frozenset({"input", "output"})
_NEVER_WRITTEN = frozenset({"revision"})
_OUR_OWN = frozenset(
    {
        *("error", "cause", "log_stream", "branch", "branch_path", "entered_event_id"),
        *("start_at", "idempotency_key", "state_type", "default_tags"),
    }
)
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)")


class Shape(Enum):
    """Who reads it: *WIRE* has data as JSON text and milliseconds, *RECORD* has values and microseconds."""

    WIRE = "wire"
    RECORD = "record"


def json_name(field: str) -> str:
    """The name of an attribute in JSON: ``created_at`` is ``createdAt``, ``task_arn`` is ``taskARN``."""
    head, *rest = field.split("_")
    return _ACRONYMS.get(field) or head + "".join(part.title() for part in rest)


@functools.cache
def converter(shape: Shape, *, lenient: bool = False) -> Converter:
    """The converter for *shape*; a *lenient* one passes over fields that it does not know."""
    import cattrs

    made = cattrs.Converter()
    for kind in (str, bool, int):
        made.register_structure_hook(kind, _strict(kind))
    for enum in _ENUMS:
        made.register_structure_hook(enum, _enum_reader(enum))
        made.register_unstructure_hook(enum, operator.attrgetter("value"))
    made.register_structure_hook_factory(_is_tuple, functools.partial(_tuple_reader, made))
    made.register_structure_hook_func(_is_mapping, _read_tags)
    made.register_structure_hook(datetime, _read_time)
    made.register_structure_hook(datetime | None, _read_time_or_none)
    made.register_unstructure_hook(datetime, _millis if shape is Shape.WIRE else datetime.isoformat)
    made.register_structure_hook(StateMachine, _read_machine)
    made.register_unstructure_hook(StateMachine, StateMachine.to_dict)
    for model in reversed(MODELS):
        _register(made, model, shape, lenient=lenient)
    return made


def _register(made: Converter, model: type[Any], shape: Shape, *, lenient: bool) -> None:
    from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn, override

    attrs.resolve_types(model)
    overrides: dict[str, Any] = {}
    for field in attrs.fields(model):
        hooks: dict[str, Any] = {}
        if field.name in _JSON_FIELDS:
            hooks = _json_hooks(model, shape)
        overrides[field.name] = override(
            rename=json_name(field.name),
            omit=True if field.name in _NEVER_WRITTEN else None,
            omit_if_default=_is_left_out(model, field),
            **hooks,
        )
    write = make_dict_unstructure_fn(model, made, **overrides)
    read = make_dict_structure_fn(model, made, _cattrs_forbid_extra_keys=not lenient, **overrides)
    made.register_unstructure_hook(model, write)
    made.register_structure_hook(model, read)


def _is_left_out(model: type[Any], field: attrs.Attribute[Any]) -> bool:
    """Whether a field that holds its default is not written: what has no value, and what upstream does not know."""
    if field.name == "input":
        return model is not Workflow
    return field.default is None or field.name in _OUR_OWN


def _json_hooks(model: type[Any], shape: Shape) -> dict[str, Any]:
    if shape is Shape.RECORD:
        return {"unstruct_hook": _same, "struct_hook": _same_value}
    empty: JSON = {} if model is Workflow else None
    return {"unstruct_hook": text_of, "struct_hook": functools.partial(_read_text, empty)}


def _same(value: JSON) -> JSON:
    return value


def _same_value(value: JSON, _: object) -> JSON:
    return value


def _read_text(empty: JSON, text: object, _: object) -> JSON:
    if text is None:
        return None
    if not isinstance(text, str):
        raise ValueError(f"{text!r} is not a string of JSON text")
    return loads(text) if text else empty


def _strict(kind: type[Any]) -> Callable[[Any, Any], Any]:
    def read(value: Any, _: Any) -> Any:
        if type(value) is not kind:
            raise ValueError(f"{value!r} is not of type {kind.__name__}")
        return value

    return read


def _is_tuple(kind: Any) -> bool:
    return get_origin(kind) is tuple


def _tuple_reader(made: Converter, kind: Any) -> Callable[[Any, Any], tuple[Any, ...]]:
    from cattrs import IterableValidationNote

    element = get_args(kind)[0]

    def read(values: Any, _: Any) -> tuple[Any, ...]:
        if not isinstance(values, list | tuple):
            raise ValueError(f"a {type(values).__name__} is not a JSON array")
        out = []
        for index, value in enumerate(values):
            try:
                out.append(made.structure(value, element))
            except Exception as error:
                error.add_note(IterableValidationNote("in an array", index, element))
                raise
        return tuple(out)

    return read


def _is_mapping(kind: Any) -> bool:
    return get_origin(kind) is Mapping


def _read_tags(value: Any, _: Any) -> dict[str, str]:
    if not isinstance(value, Mapping):
        raise ValueError(f"a {type(value).__name__} is not a JSON object")
    for name, tag in value.items():
        if not isinstance(name, str) or not isinstance(tag, str):
            raise ValueError(f"the tag {name!r} is {tag!r}, not a string")
    return dict(value)


def _enum_reader(kind: type[StrEnum]) -> Callable[[Any, Any], StrEnum]:
    members = {member.value: member for member in kind}

    def read(value: Any, _: Any) -> StrEnum:
        if not isinstance(value, str) or value not in members:
            raise ValueError(f"{value!r} is not one of {', '.join(members)}")
        return members[value]

    return read


def _millis(value: datetime) -> str:
    return f"{value.replace(tzinfo=None).isoformat(timespec='milliseconds')}Z"


def _read_time(value: object, _: object) -> datetime:
    if not isinstance(value, str) or not _RFC3339.fullmatch(value):
        raise ValueError(f"{value!r} is not an RFC 3339 timestamp")
    return datetime.fromisoformat(value.upper()).astimezone(UTC)


def _read_time_or_none(value: object, kind: object) -> datetime | None:
    if value is None or (isinstance(value, str) and value.startswith("0001-01-01T00:00:00")):  # Go's zero time
        return None
    return _read_time(value, kind)


def _read_machine(value: Any, _: object) -> StateMachine:
    if not isinstance(value, Mapping):
        raise ValueError("it is not a JSON object")
    return StateMachine.from_dict(value)


def structure(shape: Shape, cls: type[Any], value: object, *, lenient: bool = False) -> Any:
    """
    The *cls* that *value* describes.

    Raises:
        InvalidValueError: naming the first thing that is wrong by its JSON Pointer.
        DefinitionError: the state machine within cannot be read; the problems' paths lead from the top of *value*.
    """
    made = converter(shape, lenient=lenient)
    if not isinstance(value, Mapping):
        raise InvalidValueError(cls.__name__, "", f"a {type(value).__name__} is not a JSON object")
    try:
        return made.structure(value, cls)
    except (ExceptionGroup, ValueError, RecursionError) as error:
        raise _translated(error, cls.__name__, "") from None


def _translated(error: BaseException, what: str, path: str) -> Exception:
    if isinstance(error, BaseExceptionGroup):
        first = error.exceptions[0]
        return _translated(first, what, path + _step(first))
    if isinstance(error, DefinitionError):
        return DefinitionError(
            Problem(problem.code, path + problem.path, problem.message, problem.severity) for problem in error.problems
        )
    unknown = getattr(error, "extra_fields", None)
    if unknown:
        name = min(unknown)
        return InvalidValueError(what, f"{path}/{pointer_token(str(name))}", "there is no such field")
    if isinstance(error, InvalidValueError):
        return InvalidValueError(what, path + _json_path(error.path), error.reason)
    if isinstance(error, KeyError):
        return InvalidValueError(what, path, "it is missing")
    return InvalidValueError(what, path, str(error))


def _step(error: BaseException) -> str:
    """The reference token that leads to *error*, from the notes on it."""
    from cattrs import AttributeValidationNote, IterableValidationNote

    path = ""
    for note in getattr(error, "__notes__", ()):  # the innermost first
        if isinstance(note, IterableValidationNote):
            path = f"/{pointer_token(str(note.index))}{path}"
        elif isinstance(note, AttributeValidationNote):
            path = f"/{json_name(note.name)}{path}"
    return path


def _json_path(path: str) -> str:
    return "/".join(json_name(part) for part in path.split("/"))
