"""Machines within machines: the walk that visits every state once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import attrs

from workflow_manager.asl.machine import QueryLanguage, StateMachineType
from workflow_manager.asl.validate.expressions import MAX_SECONDS
from workflow_manager.asl.validate.flow import check_flow
from workflow_manager.asl.validate.judge import Field, Judge, a, anything, check_fields, number, one_of, require, text
from workflow_manager.asl.validate.maps import processor_config, processor_mode
from workflow_manager.asl.validate.states import check_state
from workflow_manager.asl.values import JSON, pointer_token

DUPLICATE_STATE = "DUPLICATE_STATE_NAME"
DUPLICATE_LABEL = "DUPLICATE_LABEL_NAME"
JSONPATH_IN_JSONATA = "'QueryLanguage' can not be 'JSONPath' if set to 'JSONata' for whole state machine"

_NESTED: Mapping[str, Field] = {
    "Comment": Field(text),
    "QueryLanguage": Field(one_of("JSONPath", "JSONata")),
    "StartAt": Field(text),
    "States": Field(anything),
    "Version": Field(text),
    "TimeoutSeconds": Field(number(1, MAX_SECONDS)),
}
_PROCESSOR: Mapping[str, Field] = {**_NESTED, "ProcessorConfig": Field(processor_config)}

_LANGUAGES: Mapping[str, QueryLanguage] = {language.value: language for language in QueryLanguage}


@attrs.frozen(kw_only=True)
class _Place:
    """One machine on the walk, and what it takes from the machine around it."""

    value: JSON
    where: str
    fields: Mapping[str, Field] = _NESTED
    language: QueryLanguage = QueryLanguage.JSONPATH
    whole: QueryLanguage = QueryLanguage.JSONPATH  # what the outermost machine says
    kind: StateMachineType
    variables: frozenset[str] = frozenset()


def check_definition(judge: Judge, definition: JSON) -> None:
    """Judge a whole definition and everything nested in it."""
    names: dict[str, str] = {}
    labels: dict[str, str] = {}
    pending = [_Place(value=definition, where="", kind=judge.kind)]
    while pending:
        place = pending.pop()
        pending.extend(reversed(list(_check_machine(judge, place, names, labels))))


def _check_machine(judge: Judge, place: _Place, names: dict[str, str], labels: dict[str, str]) -> Iterator[_Place]:
    """Judge one machine; gives the machines that are nested in it."""
    machine, where = place.value, place.where
    if not isinstance(machine, Mapping):
        what = "Definition must be a valid JSON object" if not where else "A machine must be an object"
        judge.error(where, f"{what}, not {a(machine)}")
        return
    judge.kind, judge.language = place.kind, place.language
    check_fields(judge, machine, where, place.fields)
    require(judge, machine, where, "States", "StartAt")
    states = machine.get("States")
    if not isinstance(states, Mapping):
        if "States" in machine:
            judge.error(f"{where}/States", f"Value must be an object, not {a(states)}")
        return
    if not states:
        judge.error(f"{where}/States", "Value cannot be empty")
        return
    language = _language(machine, place.language)
    inner = attrs.evolve(
        place,
        language=language,
        whole=language if not where else place.whole,
        variables=place.variables | _assigned(states),
    )
    judge.variables = inner.variables
    check_flow(judge, machine, states, where)
    for name, state in states.items():
        here = f"{where}/States/{pointer_token(name)}"
        if name in names:
            judge.error(here, f"The state name {name!r} is already taken by {names[name]}", DUPLICATE_STATE)
        names.setdefault(name, here)
        if not isinstance(state, Mapping):
            judge.error(here, f"A state must be an object, not {a(state)}")
            continue
        judge.language = _state_language(judge, state, here, inner)
        check_state(judge, state, here)
        label = state.get("Label")
        if isinstance(label, str) and state.get("Type") == "Map":
            if label in labels:
                judge.error(
                    f"{here}/Label", f"The label {label!r} is already taken by {labels[label]}", DUPLICATE_LABEL
                )
            labels.setdefault(label, here)
        yield from _nested(state, here, inner)


def _language(source: Mapping[str, JSON], default: QueryLanguage) -> QueryLanguage:
    said = source.get("QueryLanguage")
    return _LANGUAGES.get(said, default) if isinstance(said, str) else default


def _state_language(judge: Judge, state: Mapping[str, JSON], where: str, place: _Place) -> QueryLanguage:
    language = _language(state, place.language)
    if language is QueryLanguage.JSONPATH and place.whole is QueryLanguage.JSONATA:
        judge.error(f"{where}/QueryLanguage", JSONPATH_IN_JSONATA)
    return language


def _nested(state: Mapping[str, JSON], where: str, place: _Place) -> Iterator[_Place]:
    """The machines inside one state."""
    branches = state.get("Branches")
    if state.get("Type") == "Parallel" and isinstance(branches, list):
        for index, branch in enumerate(branches):
            yield attrs.evolve(place, value=branch, where=f"{where}/Branches/{index}", fields=_NESTED)
    if state.get("Type") != "Map":
        return
    kind, variables = place.kind, place.variables
    if processor_mode(state) == "DISTRIBUTED":
        variables = frozenset()  # a child execution does not see its parent's variables
    for name in ("ItemProcessor", "Iterator"):
        processor = state.get(name)
        if name not in state:
            continue
        config = processor.get("ProcessorConfig") if isinstance(processor, Mapping) else None
        if isinstance(config, Mapping) and config.get("ExecutionType") in ("STANDARD", "EXPRESS"):
            kind = StateMachineType(str(config["ExecutionType"]))
        yield attrs.evolve(
            place, value=processor, where=f"{where}/{name}", fields=_PROCESSOR, kind=kind, variables=variables
        )


def _assigned(states: Mapping[str, JSON]) -> frozenset[str]:
    """The variables that the *states* of one machine assign, themselves, in their rules or in their catchers."""
    names: set[str] = set()
    for state in states.values():
        if isinstance(state, Mapping):
            for source in (state, *_entries(state, "Choices"), *_entries(state, "Catch")):
                assign = source.get("Assign")
                if isinstance(assign, Mapping):
                    names.update(name.removesuffix(".$") for name in assign)
    return frozenset(names)


def _entries(state: Mapping[str, JSON], field: str) -> Iterator[Mapping[str, JSON]]:
    entries = state.get(field)
    if isinstance(entries, list):
        yield from (entry for entry in entries if isinstance(entry, Mapping))
