"""Where a retry starts, and with what; which workflows must have ended first; how the two are linked."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import attrs

from workflow_manager.asl.machine import FailState
from workflow_manager.asl.values import JSON
from workflow_manager.exceptions import ConflictError, InvalidValueError, NotFoundError, WorkflowStatusError
from workflow_manager.history import HistoryEvent
from workflow_manager.jobs import jobs_from_history
from workflow_manager.managers.standing import machine_of
from workflow_manager.models import JobStatus, Workflow, WorkflowStatus
from workflow_manager.protocols import WorkflowStore

_TRIES = 100
_LOST = (JobStatus.FAILED, JobStatus.ABORTED_BY_USER, JobStatus.ABORTED_DEPS_FAILED)


def default_start(workflow: Workflow, history: Sequence[HistoryEvent]) -> str:
    """
    The top-level state where a retry of *workflow* starts unless the caller says otherwise.

    It is the one around the last job that failed or was aborted; where there is none, the last one that was entered and
    is no Fail state; for a workflow that has succeeded, or never entered any, the state it started at.
    """
    machine = machine_of(workflow)
    visits = _visits(history)
    if workflow.status is WorkflowStatus.SUCCEEDED or not visits:
        return machine.start_at
    lost = [job for job in jobs_from_history(history, machine=machine) if job.status in _LOST]
    if lost:
        before = [event for event in visits if event.id <= lost[-1].entered_event_id]
        if before:
            return _name(before[-1])
    names = [_name(event) for event in visits]
    work = [name for name in names if not isinstance(machine.states.get(name), FailState)]
    return (work or names)[-1]


def latest_input(state: str, history: Sequence[HistoryEvent]) -> JSON:
    """
    The raw input of the latest visit of the top-level *state*.

    Raises:
        InvalidValueError: it was never entered.
    """
    for event in reversed(_visits(history)):
        if _name(event) == state:
            return None if event.details is None else event.details.get("input")
    raise InvalidValueError("retry", "/input", f"state {state!r} was never entered, so an input must be given")


def check_done(
    store: WorkflowStore, workflow: Workflow, look: Callable[[Workflow], Workflow] = lambda workflow: workflow
) -> None:
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


def link(store: WorkflowStore, workflow_id: str, retry_id: str) -> None:
    """
    Write into a workflow that *retry_id* retries it.

    Raises:
        NotFoundError: it has been deleted.
        ConflictError: it changes all the time.
    """
    for _ in range(_TRIES):
        original = store.get_workflow(workflow_id)
        if retry_id in original.retries:
            return
        try:
            store.save_workflow(attrs.evolve(original, retries=(*original.retries, retry_id)))
            return
        except ConflictError:
            continue
    raise ConflictError("workflow", workflow_id)


def _visits(history: Sequence[HistoryEvent]) -> list[HistoryEvent]:
    return [event for event in history if event.branch == "" and event.type.endswith("StateEntered")]


def _name(event: HistoryEvent) -> str:
    name = None if event.details is None else event.details.get("name")
    return name if isinstance(name, str) else ""
