"""What AWS would refuse, looked at before anything is stored or called (AWS: Step Functions service quotas)."""

from __future__ import annotations

import json

from workflow_manager.asl.machine import StateMachine
from workflow_manager.asl.values import JSON, check_json, dumps
from workflow_manager.exceptions import DefinitionError, InvalidValueError, Problem
from workflow_manager.managers.step_functions.resources import with_execution_name

MAX_INPUT = 262_144
"""The longest input of an execution, in bytes of UTF-8."""
MAX_DEFINITION = 1_048_576
"""The longest definition, in bytes of UTF-8."""
_MAX_REQUEST = 1_000_000
"""Somewhat less than the longest request, 1 MB with its headers, in bytes."""


def execution_input(input: JSON, workflow_id: str) -> str:
    """
    The text that an execution is started with.

    Raises:
        InvalidValueError: *input* is not JSON, or too long with the workflow's id in it.
    """
    text = dumps(with_execution_name(check_json(input, "input"), workflow_id))
    size = len(text.encode("utf-8", "surrogatepass"))
    if size > MAX_INPUT:
        raise InvalidValueError("input", "", f"it is {size:,} bytes long; an execution takes {MAX_INPUT:,}")
    return text


def definition_text(machine: StateMachine) -> str:
    """
    The text of *machine*, indented unless it is too long for that.

    Raises:
        DefinitionError: it is too long in any case.
    """
    text = machine.to_json(indent=2)
    if len(json.dumps(text)) > _MAX_REQUEST:  # as it travels, with every quotation mark and every ü escaped
        text = dumps(machine.to_dict())
    size = len(text.encode("utf-8", "surrogatepass"))
    if size > MAX_DEFINITION:
        message = f"The definition is {size:,} bytes long; a state machine takes {MAX_DEFINITION:,}"
        raise DefinitionError([Problem("DEFINITION_TOO_LONG", "", message)])
    return text
