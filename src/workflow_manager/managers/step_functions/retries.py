"""Where a retry starts, and with what; which workflows must have ended first; how two are linked."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import attrs

from workflow_manager.asl.machine import StateMachine, StateType
from workflow_manager.asl.values import JSON
from workflow_manager.exceptions import ConflictError, InvalidValueError, NotFoundError, WorkflowStatusError
from workflow_manager.models import Job, JobStatus, Workflow, WorkflowStatus
from workflow_manager.protocols import WorkflowStore

_LOST = (JobStatus.FAILED, JobStatus.ABORTED_BY_USER, JobStatus.ABORTED_DEPS_FAILED)
_TRIES = 100


def default_start(workflow: Workflow, machine: StateMachine, visits: Sequence[Job]) -> str:
    """
    The state where a retry of *workflow* starts unless the caller says otherwise.

    *visits* are those of its top level, *machine* is what it ran.  It is the last one that failed or was aborted, else
    the last one that is no Fail state; for a workflow that has succeeded, or never entered any, where it began.
    """
    if workflow.status is WorkflowStatus.SUCCEEDED or not visits:
        return machine.start_at
    work = [visit for visit in visits if visit.state_type is not StateType.FAIL]
    lost = [visit for visit in work if visit.status in _LOST]
    return (lost or work or visits)[-1].state


def latest_input(state: str, visits: Sequence[Job]) -> JSON:
    """
    The input of the latest visit of *state*.

    Raises:
        InvalidValueError: it was never entered.
    """
    for visit in reversed(visits):
        if visit.state == state:
            return visit.input
    raise InvalidValueError("retry", "/input", f"state {state!r} was never entered, so an input must be given")


def check_done(store: WorkflowStore, workflow: Workflow, look: Callable[[Workflow], Workflow]) -> None:
    """
    Look whether *workflow* and all that retry it, and so on, have ended; *look* brings one up to date.

    Raises:
        WorkflowStatusError: one of them is still going.
    """
    pending, seen = [workflow], {workflow.id}
    while pending:
        current = look(pending.pop())
        if not current.status.is_final:
            raise WorkflowStatusError("retry", current.id, current.status.value)
        for retry in known_retries(store, current):
            if retry.id not in seen:
                seen.add(retry.id)
                pending.append(retry)


def known_retries(store: WorkflowStore, workflow: Workflow) -> list[Workflow]:
    """The workflows that retry *workflow*, but those that have been deleted."""
    found = []
    for retry_id in workflow.retries:
        try:
            found.append(store.get_workflow(retry_id))
        except NotFoundError:
            continue
    return found


def link(store: WorkflowStore, original: Workflow, retry_id: str) -> None:
    """
    Write into *original* that *retry_id* retries it.

    Raises:
        ConflictError: it changes all the time.
    """
    for _ in range(_TRIES):
        if retry_id in original.retries:
            return
        try:
            store.save_workflow(attrs.evolve(original, retries=(*original.retries, retry_id)))
            return
        except ConflictError:
            original = store.get_workflow(original.id)
    raise ConflictError("workflow", original.id, original.revision)
