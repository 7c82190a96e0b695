"""Folding events of states: entered, left, waiting."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workflow_manager.asl.machine import StateType
from workflow_manager.asl.timestamps import parse_timestamp
from workflow_manager.asl.values import JSON
from workflow_manager.engine.folding.pending_work import drop_children, drop_own_timers
from workflow_manager.engine.folding.readiness import settle
from workflow_manager.engine.pending import PendingTimer, TimerKind
from workflow_manager.engine.state import Branch, ExecutionState, Phase
from workflow_manager.history import HistoryEvent


def entered(x: ExecutionState, branch: Branch, event: HistoryEvent, details: Mapping[str, Any]) -> None:
    """A state is entered."""
    branch.state = branch.program.states[details["name"]]
    branch.input = details.get("input")
    branch.phase = Phase.ENTERED
    branch.before = branch.previous
    branch.previous = branch.entered_id = event.id
    branch.entered_at = event.timestamp
    branch.failure = None
    branch.reported = branch.final = branch.aborted = False
    branch.next = None
    if branch.retries:
        branch.retries = {}


def exited(x: ExecutionState, branch: Branch, event: HistoryEvent, details: Mapping[str, Any]) -> None:
    """A state is left, for another or for good."""
    branch.previous = event.id
    assigned = details.get("assignedVariables")
    if assigned:
        branch.variables = {**branch.variables, **assigned}
    output = details.get("output")
    if branch.fork is not None:
        drop_children(x, branch)
        branch.fork = None
    branch.result = None
    state = branch.current
    target = event.next
    if target is None and branch.failure is None and not state.is_terminal:
        target = state.next
    branch.failure = None
    if target is not None:
        branch.phase, branch.next, branch.input = Phase.START, target, output
    else:
        _leave(x, branch, output)


def _leave(x: ExecutionState, branch: Branch, output: JSON) -> None:
    """*branch* has come to its end; a Parallel joins it at once, a Map by an event of its own."""
    branch.phase, branch.output = Phase.LEFT, output
    parent = branch.parent
    if parent is not None and parent.current.type is StateType.PARALLEL:
        join(x, parent, branch, output)
        parent.previous = branch.previous
        settle(x, parent)


def join(x: ExecutionState, parent: Branch, child: Branch, output: JSON) -> None:
    """A child's output is its parent's from now on."""
    fork = parent.fork
    assert fork is not None
    fork.results[child.index] = output
    fork.done += 1
    fork.active -= 1
    fork.children.pop(child.index, None)
    x.branches.pop(child.path, None)
    x.ready.pop(child.path, None)


def wait_scheduled(x: ExecutionState, branch: Branch, event: HistoryEvent, details: Mapping[str, Any]) -> None:
    """A Wait knows until when it waits."""
    branch.phase = Phase.WORKING
    due = parse_timestamp(str(details["until"]))
    assert due is not None
    timer = f"{TimerKind.WAIT}:{branch.path}:{branch.entered_id}"
    x.add_timer(branch, PendingTimer(id=timer, kind=TimerKind.WAIT, branch=branch.path, due=due))


def wait_ended(x: ExecutionState, branch: Branch, event: HistoryEvent, details: Mapping[str, Any]) -> None:
    """A Wait is over."""
    drop_own_timers(x, branch)
    branch.phase = Phase.DONE
