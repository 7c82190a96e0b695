"""
What others read: the JSON of the original's HTTP API.

Names are camelCase, timestamps RFC 3339 in UTC with milliseconds, ``input`` and ``output`` are JSON *text*, a
workflow holds its whole definition and a definition its state machine in the Amazon States Language.  Fields of our
own are written only when they say something; what has no value is left out.  A workflow's revision belongs to the
store and is not written.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, TypeVar, cast

from workflow_manager.asl.values import JSON
from workflow_manager.codec.converters import Shape, converter, structure
from workflow_manager.exceptions import InvalidValueError
from workflow_manager.models import Job, JobAttempt, StateResource, Workflow, WorkflowDefinition

Model = TypeVar("Model", Workflow, WorkflowDefinition, Job, JobAttempt, StateResource)


def to_wire(obj: Workflow | WorkflowDefinition | Job | JobAttempt | StateResource) -> dict[str, JSON]:
    """*obj* as a JSON object."""
    return cast("dict[str, JSON]", converter(Shape.WIRE).unstructure(obj))


def from_wire(cls: type[Model], mapping: Mapping[str, Any], *, lenient: bool = False) -> Model:
    """
    The *cls* that *mapping*, a JSON object, describes.

    An ``input`` of ``""`` means ``{}`` in a workflow, and none in a job; Go's zero time means no time.

    Raises:
        InvalidValueError: a field is missing, of the wrong type, or unknown (unless *lenient*); it names the place.
        DefinitionError: the state machine cannot be read.
    """
    return cast("Model", structure(Shape.WIRE, cls, mapping, lenient=lenient))


def to_json(obj: Workflow | WorkflowDefinition | Job | JobAttempt | StateResource, indent: int | None = None) -> str:
    """:func:`to_wire` as JSON text."""
    return json.dumps(to_wire(obj), indent=indent, allow_nan=False)


def from_json(cls: type[Model], text: str, *, lenient: bool = False) -> Model:
    """
    As :func:`from_wire`, from JSON text.

    Raises:
        InvalidValueError: also when *text* is not JSON.
    """
    try:
        value = json.loads(text)
    except ValueError as error:
        raise InvalidValueError(cls.__name__, "", f"it is not JSON: {error}") from None
    return from_wire(cls, value, lenient=lenient)
