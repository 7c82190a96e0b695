"""Ended workflows: who is still going before one is resumed, where a nested state is, and marking one as dealt with."""

from __future__ import annotations

import attrs

from workflow_manager.asl import graph
from workflow_manager.asl.machine import StateMachine
from workflow_manager.exceptions import ConflictError, InvalidValueError, NotFoundError, WorkflowStatusError
from workflow_manager.managers.later import is_held
from workflow_manager.models import Workflow
from workflow_manager.protocols import Store, WorkflowManager

_TRIES = 100


def refreshed(store: Store, manager: WorkflowManager, workflow_id: str) -> Workflow:
    """
    The workflow, after a look at it and at all that retry it, and so on, as far as they seem to be active.

    So nobody is refused for what has long ended without anybody having looked.

    Raises:
        NotFoundError: there is no such workflow.
        WorkflowStatusError: its turn to start has not come.
    """
    workflow = _look(store.get_workflow(workflow_id), manager)
    if is_held(workflow):
        raise WorkflowStatusError("retry", workflow_id, workflow.status.value)
    waiting, seen = [workflow], {workflow.id}
    while waiting:
        for retry_id in waiting.pop().retries:
            if retry_id in seen:
                continue
            seen.add(retry_id)
            try:
                waiting.append(_look(store.get_workflow(retry_id), manager))
            except NotFoundError:
                continue  # it has been deleted
    return workflow


def _look(workflow: Workflow, manager: WorkflowManager) -> Workflow:
    return workflow if workflow.status.is_final or is_held(workflow) else manager.update_workflow_summary(workflow)


def top_level(machine: StateMachine, state: str) -> str:
    """
    The top-level state that *state* is, or that is around it.

    Raises:
        InvalidValueError: there is no such state.
    """
    if state in machine.states:
        return state
    for name, found in machine.states.items():
        if graph.find(attrs.evolve(machine, start_at=name, states={name: found}), state) is not None:
            return name
    raise InvalidValueError("resume", "/start_at", f"there is no state {state!r}")


def resolved(store: Store, manager: WorkflowManager, workflow_id: str) -> Workflow:
    """
    The workflow, which has ended, as stored once it is marked as dealt with.

    Raises:
        NotFoundError: there is none.
        WorkflowStatusError: it is still active.
        ConflictError: it is marked already.
    """
    for _ in range(_TRIES):
        workflow = _look(store.get_workflow(workflow_id), manager)
        if not workflow.status.is_final:
            raise WorkflowStatusError("resolve", workflow_id, workflow.status.value)
        if workflow.resolved_by_user:
            raise ConflictError("workflow", workflow_id)
        try:
            return store.save_workflow(attrs.evolve(workflow, resolved_by_user=True))
        except ConflictError:
            continue  # somebody has changed it: look again
    raise ConflictError("workflow", workflow_id)
