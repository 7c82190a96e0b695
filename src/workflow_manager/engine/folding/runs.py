"""Folding events of a distributed Map: its run, reader, children and writer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workflow_manager.asl.resources import TaskKind, TaskResource, parse_resource
from workflow_manager.asl.retries import Failure
from workflow_manager.asl.values import JSON
from workflow_manager.engine.folding.details import decided
from workflow_manager.engine.folding.pending_work import drop_run_tasks, token_of
from workflow_manager.engine.pending import PendingTask
from workflow_manager.engine.state import Branch, ExecutionState, Fork, MapRun, Phase
from workflow_manager.history import HistoryEvent
from workflow_manager.history import HistoryEventType as E


def map_run_started(x: ExecutionState, branch: Branch, event: HistoryEvent, details: Mapping[str, Any]) -> None:
    """A Map Run begins; without a reader its items are known."""
    branch.previous = event.id
    branch.phase = Phase.ENTERED
    beside = decided(event)
    fork = branch.fork
    assert fork is not None
    fork.run = MapRun(beside.get("toleratedFailureCount"), beside.get("toleratedFailurePercentage"))
    if not beside.get("reads", False):
        fork.run.total = fork.length
        _children_known(fork, int(beside.get("children", fork.length)))
        branch.phase = Phase.WORKING


def _children_known(fork: Fork, children: int) -> None:
    assert fork.run is not None
    fork.length = children
    fork.results = [None] * children
    fork.run.ready = True


def _run_task(
    x: ExecutionState, branch: Branch, event: HistoryEvent, suffix: str, resource: TaskResource, input: JSON
) -> None:
    task = PendingTask(
        token=f"{token_of(x, branch)}{suffix}",
        branch=branch.path,
        state=branch.current.name,
        resource=resource,
        input=input,
        attempt=branch.attempt,
        scheduled_event_id=event.id,
        scheduled_at=event.timestamp,
    )
    x.add_task(branch, task)


def read_scheduled(x: ExecutionState, branch: Branch, event: HistoryEvent, details: Mapping[str, Any]) -> None:
    """The reader of a Map Run is asked."""
    fork = branch.fork
    assert fork is not None and fork.run is not None
    branch.phase = Phase.WORKING
    fork.run.pages = fork.run.pages[1:]  # what is asked now has no longer to be asked
    fork.run.asking = True
    _run_task(x, branch, event, f"r{fork.run.reading}", parse_resource(details["resource"]), details.get("parameters"))
    fork.run.reading += 1


def items_read(x: ExecutionState, branch: Branch, event: HistoryEvent, details: Mapping[str, Any]) -> None:
    """The reader has answered: these are items, and this is still to be asked."""
    fork = branch.fork
    assert fork is not None and fork.run is not None
    drop_run_tasks(x, branch)
    fork.run.asking = False
    if fork.items is None:
        fork.items = []
    fork.items.extend(details["items"])
    fork.batches = None
    fork.run.schema = details.get("schema", fork.run.schema)
    fork.run.pages = list(details.get("more", ()))
    if not fork.run.pages:
        fork.run.total = len(fork.items)
        _children_known(fork, int(details.get("children", fork.run.total)))


CHILD_RESOURCE = TaskResource("workflow_manager:child", TaskKind.CHILD)
"""The resource of a pending task that is a child execution of a Map Run: the driver runs the item processor for it."""


def child_scheduled(x: ExecutionState, branch: Branch, event: HistoryEvent, details: Mapping[str, Any]) -> None:
    """A child execution should run."""
    fork = branch.fork
    assert fork is not None
    fork.started += 1
    fork.active += 1
    _run_task(x, branch, event, f"c{details['index']}", CHILD_RESOURCE, details.get("input"))


def _child_done(x: ExecutionState, branch: Branch, details: Mapping[str, Any]) -> Fork:
    fork = branch.fork
    assert fork is not None
    x.drop_task(f"{token_of(x, branch)}c{details['index']}")
    fork.active -= 1
    fork.done += 1
    return fork


def child_succeeded(x: ExecutionState, branch: Branch, event: HistoryEvent, details: Mapping[str, Any]) -> None:
    """A child execution has succeeded."""
    fork = _child_done(x, branch, details)
    assert fork.run is not None
    fork.results[int(details["index"])] = details.get("output")
    fork.run.succeeded += 1


def child_failed(x: ExecutionState, branch: Branch, event: HistoryEvent, details: Mapping[str, Any]) -> None:
    """A child execution has failed, and with it the items that it had."""
    fork = _child_done(x, branch, details)
    assert fork.run is not None
    fork.run.failed += int(details.get("items", 1))
    fork.run.failed_children.append(int(details["index"]))


def write_scheduled(x: ExecutionState, branch: Branch, event: HistoryEvent, details: Mapping[str, Any]) -> None:
    """The writer of a Map Run gets the results."""
    fork = branch.fork
    assert fork is not None and fork.run is not None
    fork.run.writing = True
    _run_task(x, branch, event, "w", parse_resource(details["resource"]), details.get("parameters"))


def results_written(x: ExecutionState, branch: Branch, event: HistoryEvent, details: Mapping[str, Any]) -> None:
    """The writer has answered."""
    fork = branch.fork
    assert fork is not None and fork.run is not None
    drop_run_tasks(x, branch)
    fork.run.writing, fork.run.written = False, True
    fork.written = details.get("output")


def map_run_ended(x: ExecutionState, branch: Branch, event: HistoryEvent, details: Mapping[str, Any]) -> None:
    """The Map Run has ended, well or not."""
    fork = branch.fork
    assert fork is not None and fork.run is not None
    branch.previous = event.id
    fork.run.ended = True
    if event.type is not E.MAP_RUN_SUCCEEDED:
        drop_run_tasks(x, branch)
        branch.phase, branch.reported = Phase.FAILED, False
        branch.failure = Failure(details.get("error"), details.get("cause"))
