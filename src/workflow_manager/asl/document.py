"""
Definitions as documents: JSON objects, JSON text and YAML text to a :class:`StateMachine`, and back without loss.

For every object ``x`` that can be read, ``to_dict(from_dict(x)) == x``: unknown fields, nulls and values that a field
cannot mean are kept.  Reading refuses only what makes a document unusable; the rest
:func:`workflow_manager.asl.validate` judges.

One table per class says which field of the language is which attribute; the tables follow from the classes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from enum import Enum, StrEnum
from typing import Any, TypeAlias, cast

import attrs

from workflow_manager.asl import machine as m
from workflow_manager.asl.text import parse_json, parse_yaml
from workflow_manager.asl.values import JSON, check_json, is_nested_deeper, pointer_token, type_name
from workflow_manager.exceptions import DefinitionError, InvalidValueError, Problem

INVALID = "SCHEMA_VALIDATION_FAILED"
MAX_DEPTH = 200
"""How deeply objects and arrays may nest; AWS has the code TOO_DEEPLY_NESTED, but documents no number."""

STATE_CLASSES: Mapping[str, type[m.State]] = {
    cls.type.value: cls
    for cls in (
        m.PassState,
        m.TaskState,
        m.ChoiceState,
        m.WaitState,
        m.SucceedState,
        m.FailState,
        m.ParallelState,
        m.MapState,
    )
}
"""The class of each ``Type``."""


def from_dict(document: Mapping[str, JSON]) -> m.StateMachine:
    """
    Read the JSON object of a definition; *document* is copied, so changing it later changes nothing here.

    Raises:
        DefinitionError: *document* is not a JSON object, ``States`` or ``StartAt`` are missing, a state has no known
            ``Type``, ``Branches``, ``Choices``, ``Retry``, ``Catch`` are not arrays of objects, or it is nested more
            than :data:`MAX_DEPTH` deep; every reason is in ``problems``.
    """
    try:
        return _read_document(check_json(document, "definition"))
    except InvalidValueError as error:
        raise DefinitionError([Problem(INVALID, error.path, error.reason)]) from None


def from_json(text: str) -> m.StateMachine:
    """
    As :func:`from_dict`, from JSON *text*.

    Raises:
        DefinitionError: also when *text* is not JSON (INVALID_JSON_DESCRIPTION) or repeats a key (DUPLICATE_KEY).
    """
    value, problems = parse_json(text)
    if problems:
        raise DefinitionError(problems)
    return _read_document(value)


def from_yaml(text: str) -> m.StateMachine:
    """
    As :func:`from_dict`, from YAML *text*, in which plain dates and ``yes`` are strings (YAML 1.2, core schema).

    Raises:
        DefinitionError: also when *text* is not YAML, or a mapping repeats a key.
        ImportError: PyYAML is not installed.
    """
    value, problems = parse_yaml(text)
    if problems:
        raise DefinitionError(problems)
    return _read_document(value)


def to_dict(machine: m.StateMachine) -> dict[str, JSON]:
    """
    The JSON object of *machine*, all of it new.

    A field is written when the source document had it or when it differs from its default, in the order of the source.
    """
    return cast("dict[str, JSON]", check_json(_write(machine), "definition"))


def to_json(machine: m.StateMachine, indent: int | None = None) -> str:
    """The JSON text of :func:`to_dict`; *indent* as in :func:`json.dumps`."""
    return json.dumps(to_dict(machine), ensure_ascii=False, indent=indent)


def _read_document(value: JSON) -> m.StateMachine:
    if is_nested_deeper(value, MAX_DEPTH):
        reason = f"the definition is nested more than {MAX_DEPTH} deep"
        raise DefinitionError([Problem("TOO_DEEPLY_NESTED", "", reason)])
    reader = _Reader()
    machine = reader.machine(value, "", "definition")
    if reader.problems or machine is None:
        raise DefinitionError(reader.problems)
    return machine


class _Reader:
    """Reads one document; collects every problem."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self._language: m.QueryLanguage | None = None  # of the machine whose states are being read

    def refuse(self, path: str, message: str) -> None:
        self.problems.append(Problem(INVALID, path, message))

    def machine(self, value: JSON, path: str, what: str) -> m.StateMachine | None:
        if not isinstance(value, dict):
            self.refuse(path, f"the {what} must be an object, not {_a(value)}")
            return None
        missing = [name for name in ("States", "StartAt") if name not in value]
        if missing:
            self.refuse(path, f"these fields are required: [{', '.join(missing)}]")
        if "StartAt" in value and not isinstance(value["StartAt"], str):
            self.refuse(f"{path}/StartAt", f"StartAt must be a string, not {_a(value['StartAt'])}")
        if "States" in value and not isinstance(value["States"], dict):
            self.refuse(f"{path}/States", f"States must be an object, not {_a(value['States'])}")
        inherited, own = self._language, _enum(m.QueryLanguage)(self, value.get("QueryLanguage"), "")
        self._language = own if isinstance(own, m.QueryLanguage) else inherited
        try:
            values = self.fields(m.StateMachine, value, path)
        finally:
            self._language = inherited
        if isinstance(values.get("start_at"), str) and isinstance(values.get("states"), dict):
            return m.StateMachine(**values, inherited_language=inherited)
        return None

    def states(self, value: JSON, path: str) -> dict[str, m.State]:
        states = {}
        for name, body in value.items() if isinstance(value, dict) else ():
            state = self.state(name, body, f"{path}/{pointer_token(name)}")
            if state is not None:
                states[name] = state
        return states

    def state(self, name: str, value: JSON, path: str) -> m.State | None:
        if not isinstance(value, dict):
            self.refuse(path, f"a state must be an object, not {_a(value)}")
            return None
        kind = value.get("Type")
        cls = STATE_CLASSES.get(kind) if isinstance(kind, str) else None
        if cls is None:
            if "Type" not in value:
                self.refuse(path, "these fields are required: [Type]")
                return None
            self.refuse(f"{path}/Type", f"Type must be one of [{', '.join(STATE_CLASSES)}], not {kind!r}")
            return None
        before = len(self.problems)
        values = self.fields(cls, value, path, name=name)
        self.require(cls, values, path)
        return cls(**values) if len(self.problems) == before else None

    def require(self, cls: type[m.State], values: dict[str, Any], path: str) -> None:
        required = {m.ParallelState: ("branches", "Branches"), m.ChoiceState: ("choices", "Choices")}
        required[m.MapState] = ("item_processor", "ItemProcessor")
        if cls in required and values.get(required[cls][0]) is None:
            self.refuse(path, f"these fields are required: [{required[cls][1]}]")

    def fields(self, cls: type, source: dict[str, JSON], path: str, **values: Any) -> dict[str, Any]:
        """The arguments of *cls*; what it has no place for goes to ``other``."""
        table, other = _TABLES[cls], {}
        for name, value in source.items():
            field = table.get(name)
            if field is _TYPE:
                continue
            if field is None or field.attribute in values or (value is None and not field.nullable):
                other[name] = value
                continue
            values[field.attribute] = value if field.read is None else field.read(self, value, f"{path}/{name}")
            if field.legacy:
                values[field.legacy] = True
        return {**values, "other": other, "given": tuple(source)}

    def rule(self, value: JSON, path: str) -> m.ChoiceRule | None:
        if not isinstance(value, dict):
            self.refuse(path, f"a choice rule must be an object, not {_a(value)}")
            return None
        values = self.fields(m.ChoiceRule, value, path)
        for name in values["other"]:
            if name in m.COMPARISON_OPERATORS:
                values["operator"], values["operand"] = name, values["other"].pop(name)
                break
        return m.ChoiceRule(**values)


_Read: TypeAlias = Callable[[_Reader, JSON, str], object]


@attrs.frozen(eq=False)
class _Field:
    """One field of the language: its *name*, its *attribute*, and whether null is one of its values."""

    name: str
    attribute: str
    default: object = None
    nullable: bool = False
    read: _Read | None = None
    legacy: str = ""  # the flag that says that the document has this older name


_TYPE = _Field("Type", "type")


def _a(value: JSON) -> str:
    kind = type_name(value)
    return "null" if value is None else f"{'an' if kind[0] in 'ao' else 'a'} {kind}"


def _enum(cls: type[StrEnum]) -> _Read:
    members: dict[object, StrEnum] = {member.value: member for member in cls}
    return lambda reader, value, path: members.get(value, value) if isinstance(value, str) else value


def _part(cls: type) -> _Read:
    """An object of *cls*; any other value stays as it is."""

    def read(reader: _Reader, value: JSON, path: str) -> object:
        return cls(**reader.fields(cls, value, path)) if isinstance(value, dict) else value

    return read


def _list(read: Callable[[_Reader, JSON, str], object | None]) -> _Read:
    """An array whose every entry *read* can read."""

    def read_list(reader: _Reader, value: JSON, path: str) -> tuple[object, ...]:
        if not isinstance(value, list):
            reader.refuse(path, f"{path.rpartition('/')[2]} must be an array, not {_a(value)}")
            return ()
        return tuple(read(reader, item, f"{path}/{index}") for index, item in enumerate(value))

    return read_list


def _object(cls: type) -> _Read:
    """An object of *cls*; any other value is refused."""

    def read(reader: _Reader, value: JSON, path: str) -> object:
        if isinstance(value, dict):
            return cls(**reader.fields(cls, value, path))
        reader.refuse(path, f"this must be an object, not {_a(value)}")
        return None

    return read


def _strings(reader: _Reader, value: JSON, path: str) -> object:
    return tuple(value) if isinstance(value, list) else value


_READERS: Mapping[str, _Read] = {
    "states": _Reader.states,
    "query_language": _enum(m.QueryLanguage),
    "processor_config": _part(m.ProcessorConfig),
    "mode": _enum(m.ProcessorMode),
    "execution_type": _enum(m.StateMachineType),
    "jitter_strategy": _enum(m.JitterStrategy),
    "error_equals": _strings,
    "csv_headers": _strings,
    "retry": _list(_object(m.Retrier)),
    "catch": _list(_object(m.Catcher)),
    "choices": _list(_Reader.rule),
    "and_": _list(_Reader.rule),
    "or_": _list(_Reader.rule),
    "not_": _Reader.rule,
    "branches": _list(lambda reader, value, path: reader.machine(value, path, "branch")),
    "item_processor": lambda reader, value, path: reader.machine(value, path, "item processor"),
    "item_reader": _part(m.ItemReader),
    "reader_config": _part(m.ReaderConfig),
    "item_batcher": _part(m.ItemBatcher),
    "result_writer": _part(m.ResultWriter),
    "writer_config": _part(m.WriterConfig),
}
_OLDER_NAMES = {"item_processor": ("Iterator", "legacy_iterator"), "item_selector": ("Parameters", "legacy_parameters")}
_NOT_FIELDS = frozenset(("name", "other", "_given", "_cache", "inherited_language", "operator", "operand"))
_NOT_FIELDS |= {flag for _, flag in _OLDER_NAMES.values()}
_NULL_HAS_A_MEANING = frozenset(("input_path", "output_path", "result_path", "items_path"))


def _fields(cls: type) -> Iterator[_Field]:
    if issubclass(cls, m.State):
        yield _TYPE
    for attribute in attrs.fields(cls):
        name = attribute.name
        if name in _NOT_FIELDS:
            continue
        spelled = "".join("CSV" if word == "csv" else word.capitalize() for word in name.split("_"))
        nullable = attribute.default is m.ABSENT or name in _NULL_HAS_A_MEANING
        default = None if attribute.default is attrs.NOTHING else attribute.default
        yield _Field(spelled, name, default, nullable, _READERS.get(name))
        if cls is m.MapState and name in _OLDER_NAMES:
            older, flag = _OLDER_NAMES[name]
            yield _Field(older, name, default, nullable, _READERS.get(name), flag)


_TABLES: Mapping[type, Mapping[str, _Field]] = {
    cls: {field.name: field for field in _fields(cls)}
    for cls in (
        *STATE_CLASSES.values(),
        *(m.StateMachine, m.Retrier, m.Catcher, m.ChoiceRule, m.ProcessorConfig),
        *(m.ItemReader, m.ReaderConfig, m.ItemBatcher, m.ResultWriter, m.WriterConfig),
    )
}


def _json(value: object) -> Any:
    if type(value) in _TABLES:
        return _write(value)
    if isinstance(value, tuple):
        return [_json(item) for item in value]
    return value.value if isinstance(value, Enum) else value


def _write(part: Any) -> dict[str, Any]:
    """The JSON object of *part*, an instance of any class that has a table."""
    table, given, other = _TABLES[type(part)], part._given, part.other
    out: dict[str, Any] = {}
    written: set[str] = set()

    def write(field: _Field, name: str) -> None:
        value = getattr(part, field.attribute)
        written.add(field.attribute)
        if value is m.ABSENT or (value is None and not field.nullable):
            return
        if field.attribute == "states" and isinstance(value, Mapping):
            out[name] = {key: _json(state) for key, state in value.items()}
        else:
            out[name] = _json(value)

    for name in (*given, *table):
        field = table.get(name)
        if name in other and name not in out:
            out[name] = other[name]
        elif field is None:
            if name in m.COMPARISON_OPERATORS:
                _write_operator(part, out)
        elif field.attribute not in written:
            said = name in given and name not in other
            if said or getattr(part, field.attribute) != field.default:
                write(field, _spelling(part, field))
    _write_operator(part, out)
    out.update((name, value) for name, value in other.items() if name not in out)
    return out


def _spelling(part: object, field: _Field) -> str:
    """The name under which *part* writes *field*: the older one where its document had that."""
    if isinstance(part, m.MapState) and field.attribute in _OLDER_NAMES:
        older, flag = _OLDER_NAMES[field.attribute]
        current = "ItemProcessor" if field.attribute == "item_processor" else "ItemSelector"
        return older if getattr(part, flag) else current
    return field.name


def _write_operator(part: object, out: dict[str, Any]) -> None:
    if isinstance(part, m.ChoiceRule) and part.operator is not None and part.operand is not m.ABSENT:
        out.setdefault(part.operator, part.operand)
