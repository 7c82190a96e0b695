"""A definition for tests: the original's kitchen sink."""

from __future__ import annotations

from workflow_manager.asl.machine import Retrier, StateMachine, TaskState
from workflow_manager.models import WorkflowDefinition


def kitchen_sink(name: str = "kitchensink", manager: str = "step-functions") -> WorkflowDefinition:
    """
    Three Tasks in a row, of which the first retries every error twice.

    ``start-state`` → ``second-state`` → ``end-state``, with the resources ``fake-resource-1`` to ``fake-resource-3``.
    """
    retry = (Retrier(error_equals=("States.ALL",), max_attempts=2),)
    states = (
        TaskState(name="start-state", resource="fake-resource-1", retry=retry, next="second-state"),
        TaskState(name="second-state", resource="fake-resource-2", next="end-state"),
        TaskState(name="end-state", resource="fake-resource-3", end=True),
    )
    machine = StateMachine(start_at="start-state", states={state.name: state for state in states})
    return WorkflowDefinition(name=name, state_machine=machine, manager=manager)
