"""
Models as stores keep them: compact JSON text with everything in it.

Only a workflow's revision is not: that is the store's own column.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from enum import Enum
from typing import Any

import attrs

from workflow_manager.asl.machine import ABSENT, Absent
from workflow_manager.asl.values import JSON, loads
from workflow_manager.codec.converters import Shape, converter, structure
from workflow_manager.codec.events import text_of
from workflow_manager.exceptions import InvalidValueError
from workflow_manager.models import StateResource, Workflow, WorkflowDefinition


def workflow_to_record(workflow: Workflow, *, with_input: bool = True, with_definition: bool = True) -> str:
    """
    *workflow* as JSON text.

    Its input and its definition never change: a store may write them once and leave them out of every later record.
    """
    fields: dict[str, Any] = converter(Shape.RECORD).unstructure(_lighter(workflow, with_definition=with_definition))
    if not with_input:
        fields.pop("input", None)
    if not with_definition:
        del fields["workflowDefinition"]
    return text_of(fields)


def _lighter(workflow: Workflow, *, with_definition: bool) -> Workflow:
    """Without its machine, if that is not to be written: writing it out is the dearest part."""
    if with_definition:
        return workflow
    definition = workflow.workflow_definition
    machine = attrs.evolve(definition.state_machine, states={})
    return attrs.evolve(workflow, workflow_definition=attrs.evolve(definition, state_machine=machine))


def workflow_from_record(
    text: str, *, input: JSON | Absent = ABSENT, definition: WorkflowDefinition | None = None, revision: int = 0
) -> Workflow:
    """
    The workflow that :func:`workflow_to_record` wrote, at *revision*.

    *input* and *definition* take the place of what was left out.

    Raises:
        InvalidValueError: *text* is no such record.
    """
    fields = _object(text, "workflow record")
    given: dict[str, Any] = {"revision": revision}
    if not isinstance(input, Absent):
        given["input"] = input
    if definition is not None:
        fields["workflowDefinition"] = _PLACEHOLDER
        given["workflow_definition"] = definition
    workflow: Workflow = structure(Shape.RECORD, Workflow, fields)
    return attrs.evolve(workflow, **given)


_PLACEHOLDER: Mapping[str, JSON] = {
    "name": "placeholder",
    "stateMachine": {"StartAt": "End", "States": {"End": {"Type": "Succeed"}}},
}


def definition_to_record(definition: WorkflowDefinition) -> str:
    """*definition* as JSON text."""
    return text_of(converter(Shape.RECORD).unstructure(definition))


def definition_from_record(text: str) -> WorkflowDefinition:
    """The definition that :func:`definition_to_record` wrote."""
    definition: WorkflowDefinition = structure(Shape.RECORD, WorkflowDefinition, _object(text, "definition record"))
    return definition


def state_resource_to_record(resource: StateResource) -> str:
    """*resource* as JSON text."""
    return text_of(converter(Shape.RECORD).unstructure(resource))


def state_resource_from_record(text: str) -> StateResource:
    """The state resource that :func:`state_resource_to_record` wrote."""
    resource: StateResource = structure(Shape.RECORD, StateResource, _object(text, "state resource record"))
    return resource


def _object(text: str, what: str) -> dict[str, Any]:
    try:
        fields = loads(text)
    except ValueError as error:
        raise InvalidValueError(what, "", f"it is not JSON: {error}") from None
    if not isinstance(fields, dict):
        raise InvalidValueError(what, "", "it is not a JSON object")
    return fields


def definition_digest(definition: WorkflowDefinition) -> str:
    """
    What *definition* says, in 64 hexadecimal digits: its state machine, its manager and its default tags.

    Two definitions have the same digest when these are equal; the order of fields does not count, a number is not a
    truth value.
    """
    says = [definition.manager, dict(definition.default_tags), _plain(definition.state_machine)]
    text = text_of(_plain(says))
    return hashlib.sha256(text.encode()).hexdigest()


def _plain(value: Any) -> Any:
    if isinstance(value, Enum):
        return {"": [type(value).__name__, value.value]}
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return int(value) if value.is_integer() else value
    if isinstance(value, Mapping):
        return {key: _plain(value[key]) for key in sorted(value)}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    fields = [field.name for field in attrs.fields(type(value)) if field.eq]
    return {"": [type(value).__name__, {name: _plain(getattr(value, name)) for name in fields}]}
