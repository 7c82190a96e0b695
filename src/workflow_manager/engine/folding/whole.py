"""Folding events of the execution as a whole."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from workflow_manager.asl.machine import StateMachineType
from workflow_manager.asl.timestamps import later
from workflow_manager.engine.folding.pending_work import withdraw
from workflow_manager.engine.pending import ExecutionStatus, Outcome, PendingTimer, TimerKind
from workflow_manager.engine.state import Branch, ExecutionState
from workflow_manager.history import HistoryEvent

EXPRESS_SECONDS = 300
"""How long an EXPRESS execution may take (AWS: Step Functions service quotas)."""


def execution_started(x: ExecutionState, event: HistoryEvent, details: Mapping[str, Any]) -> None:
    """The execution begins."""
    x.started_at = event.timestamp
    x.input = details.get("input")
    root = Branch("", x.program, None)
    root.input = x.input
    x.branches[""] = root
    x.ready[""] = root
    timeout = x.program.machine.timeout_seconds
    if x.identity.type is StateMachineType.EXPRESS:
        timeout = min(timeout, EXPRESS_SECONDS) if isinstance(timeout, int) else EXPRESS_SECONDS
    if isinstance(timeout, int):
        due = later(event.timestamp, timeout)
        x.add_timer(
            root, PendingTimer(id=TimerKind.EXECUTION_TIMEOUT, kind=TimerKind.EXECUTION_TIMEOUT, branch="", due=due)
        )


def execution_ended(status: ExecutionStatus) -> Callable[[ExecutionState, HistoryEvent, Mapping[str, Any]], None]:
    """What an event makes of the execution that ends it with *status*."""

    def ended(x: ExecutionState, event: HistoryEvent, details: Mapping[str, Any]) -> None:
        x.outcome = Outcome(
            status=status, output=details.get("output"), error=details.get("error"), cause=details.get("cause")
        )
        for branch in list(x.branches.values()):
            withdraw(x, branch)
        x.ready.clear()

    return ended


def redriven(x: ExecutionState, branch: Branch, event: HistoryEvent, details: Mapping[str, Any]) -> None:
    """The execution goes on after its end."""
    branch.previous = event.id
