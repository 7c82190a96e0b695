"""The input of an execution, before it begins."""

from __future__ import annotations

from workflow_manager.asl.values import JSON, check_json, json_size
from workflow_manager.engine.identity import Limits
from workflow_manager.exceptions import InvalidValueError


def check_input(input: object, limits: Limits) -> JSON:
    """
    A private copy of *input*.

    Raises:
        InvalidValueError: it is not JSON, or longer than *limits* allow (AWS API: StartExecution,
        InvalidExecutionInput).
    """
    value = check_json(input, "input")
    most = limits.payload_bytes
    if most is not None:
        size = json_size(value)
        if size > most:
            raise InvalidValueError(
                "input", "", f"it has {size:,} bytes as JSON, more than the {most:,} that are allowed"
            )
    return value
