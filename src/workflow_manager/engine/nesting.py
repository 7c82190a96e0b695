"""Data that nests too deeply: refused before it stands in an event, where every reader of the history would stumble."""

from __future__ import annotations

from workflow_manager.asl.errors import ErrorName, StatesError
from workflow_manager.asl.values import JSON, MAX_NESTING, is_nested_deeper


def check_nesting(value: JSON) -> None:
    """
    Refuse *value*, which a state has just made, if it nests deeper than what may come in from outside.

    Raises:
        StatesError: States.Runtime; a loop that wraps its data once more with every turn would go on for ever.
    """
    if is_nested_deeper(value, MAX_NESTING):
        raise StatesError(ErrorName.RUNTIME, f"Objects and arrays are nested more than {MAX_NESTING} deep.")
