"""Folding events of Parallel and inline Map."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workflow_manager.asl.retries import Failure
from workflow_manager.asl.values import JSON
from workflow_manager.engine.folding.details import decided
from workflow_manager.engine.folding.failures import fail_from_below, retried_unseen
from workflow_manager.engine.folding.pending_work import drop_children
from workflow_manager.engine.folding.readiness import child_path, settle
from workflow_manager.engine.folding.states import join
from workflow_manager.engine.state import Branch, ExecutionState, Fork, Phase
from workflow_manager.history import HistoryEvent


def parallel_started(x: ExecutionState, branch: Branch, event: HistoryEvent, details: Mapping[str, Any]) -> None:
    """Every branch of a Parallel begins."""
    _restart(x, branch)
    branch.previous = event.id
    programs = branch.current.branches
    fork = branch.fork = Fork(len(programs), event.id)
    effective = decided(event).get("input", branch.input)
    branch.phase = Phase.WORKING
    for index, program in enumerate(programs):
        child = Branch(child_path(branch, index), program, branch, index)
        child.input = effective
        child.previous = event.id
        _adopt(x, fork, child)
    fork.started = fork.length


def map_started(x: ExecutionState, branch: Branch, event: HistoryEvent, details: Mapping[str, Any]) -> None:
    """A Map knows how many items it has."""
    _restart(x, branch)
    branch.previous = event.id
    beside = decided(event)
    branch.fork = Fork(int(details.get("length", 0)), event.id, int(beside.get("concurrency", 0)))
    branch.phase = Phase.ENTERED if branch.current.is_distributed else Phase.WORKING


def _restart(x: ExecutionState, branch: Branch) -> None:
    retried_unseen(branch)
    if branch.fork is not None:
        drop_children(x, branch)
        branch.fork = None


def _adopt(x: ExecutionState, fork: Fork, child: Branch) -> None:
    fork.children[child.index] = child
    fork.active += 1
    x.branches[child.path] = child
    x.ready[child.path] = child


def iteration_started(x: ExecutionState, event: HistoryEvent, details: Mapping[str, Any]) -> None:
    """An iteration of a Map begins, as a new branch."""
    parent_path, _, index = event.branch.rpartition("/")
    parent = x.branches[parent_path]
    fork = parent.fork
    assert fork is not None
    child = Branch(event.branch, parent.current.processor, parent, int(index))
    child.previous = event.id
    _adopt(x, fork, child)
    fork.started += 1
    if fork.freed:
        fork.freed.popleft()
    x.ready.pop(parent_path, None)
    settle(x, parent)


def iteration_succeeded(x: ExecutionState, branch: Branch, event: HistoryEvent, details: Mapping[str, Any]) -> None:
    """An iteration has come to its end and is joined."""
    parent = branch.parent
    assert parent is not None and parent.fork is not None
    join(x, parent, branch, branch.output)
    branch.phase = Phase.ABORTED
    parent.previous = event.id
    parent.fork.freed.append(branch.previous)
    settle(x, parent)


def iteration_failed(x: ExecutionState, branch: Branch, event: HistoryEvent, details: Mapping[str, Any]) -> None:
    """One iteration fails the whole Map: its error is the Map's."""
    parent = branch.parent
    assert parent is not None
    parent.previous = branch.previous
    branch.phase, branch.aborted = Phase.ABORTED, True
    x.ready.pop(parent.path, None)
    fail_from_below(x, parent, branch.failure or Failure())
    settle(x, parent)


def fork_failed(x: ExecutionState, branch: Branch, event: HistoryEvent, details: Mapping[str, Any]) -> None:
    """MapStateFailed, ParallelStateFailed: nobody retries, the children are gone, a catcher or the parent is next."""
    beside = decided(event)
    if branch.failure is None:
        branch.failure = Failure(beside.get("error"), beside.get("cause")) if beside else _failure_below(branch)
    branch.phase, branch.reported = Phase.FAILED, True
    branch.previous = event.id
    if branch.fork is not None:
        drop_children(x, branch)
        branch.fork = None


def _failure_below(branch: Branch) -> Failure:
    """The failure of the child that failed first; only histories read from AWS need it."""
    children = branch.fork.children.values() if branch.fork is not None else ()
    return next((child.failure for child in children if child.failure is not None), Failure())


def fork_succeeded(x: ExecutionState, branch: Branch, event: HistoryEvent, details: Mapping[str, Any]) -> None:
    """MapStateSucceeded, ParallelStateSucceeded: the state is left by an event that hangs on the same one as this."""
    fork = branch.fork
    branch.phase = Phase.DONE
    if fork is not None and fork.run is not None:
        branch.result = fork.written if fork.run.written else run_results(fork)
    else:
        branch.result = [] if fork is None else fork.results


def run_results(fork: Fork) -> JSON:
    """What the children that succeeded gave, in order."""
    assert fork.run is not None
    failed = frozenset(fork.run.failed_children)
    return [result for index, result in enumerate(fork.results) if index not in failed]
