"""Folding failures, retries and aborts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workflow_manager.asl.retries import Failure, find_retrier
from workflow_manager.asl.timestamps import later
from workflow_manager.engine.folding.pending_work import drop_children, drop_own_timers, withdraw
from workflow_manager.engine.pending import PendingTimer, TimerKind
from workflow_manager.engine.state import Branch, ExecutionState, Phase
from workflow_manager.history import HistoryEvent


def state_failed(x: ExecutionState, branch: Branch, event: HistoryEvent, details: Mapping[str, Any]) -> None:
    """A state has failed in a way that AWS shows only by what follows."""
    failure = Failure(details.get("error"), details.get("cause"))
    if details.get("below"):
        branch.previous = event.previous_event_id
        fail_from_below(x, branch, failure)
    else:
        fail(x, branch, failure, final=bool(details.get("final")))


def evaluation_failed(x: ExecutionState, branch: Branch, event: HistoryEvent, details: Mapping[str, Any]) -> None:
    """An expression of the state has failed."""
    branch.previous = event.id
    final = event.beside is not None and bool(event.beside.get("final"))
    fail(x, branch, Failure(details.get("error"), details.get("cause")), final=final)


def fail(x: ExecutionState, branch: Branch, failure: Failure, *, final: bool = False) -> None:
    """The branch's own state has failed."""
    withdraw(x, branch, keep_execution_timer=True)
    branch.fork = None
    branch.phase, branch.failure, branch.result = Phase.FAILED, failure, None
    branch.reported = branch.final = final
    branch.aborted = False


def fail_from_below(x: ExecutionState, branch: Branch, failure: Failure) -> None:
    """A child has failed: nothing of the fork goes on, and its children are yet to be reported as aborted."""
    branch.phase, branch.failure, branch.result, branch.reported = Phase.FAILED, failure, None, False
    queue = [] if branch.fork is None else list(branch.fork.children.values())
    while queue:
        child = queue.pop()
        x.ready.pop(child.path, None)
        if child.fork is not None:
            queue.extend(child.fork.children.values())


def retry_scheduled(x: ExecutionState, branch: Branch, event: HistoryEvent, details: Mapping[str, Any]) -> None:
    """A retrier answers: its delay begins, and a fork begins anew once it is over."""
    if branch.fork is not None:
        drop_children(x, branch)
        branch.fork = None
    retrier = int(details["retrier"])
    _count_retry(branch, retrier)
    branch.phase, branch.failure = Phase.BACKOFF, None
    timer = f"{TimerKind.RETRY}:{branch.path}:{branch.entered_id}:{branch.attempt}"
    due = later(event.timestamp, float(details["delaySeconds"]))
    x.add_timer(branch, PendingTimer(id=timer, kind=TimerKind.RETRY, branch=branch.path, due=due))


def _count_retry(branch: Branch, retrier: int) -> None:
    branch.retries = {**branch.retries, retrier: branch.retries.get(retrier, 0) + 1}


def retry_started(x: ExecutionState, branch: Branch, event: HistoryEvent, details: Mapping[str, Any]) -> None:
    """The retrier's delay is over."""
    drop_own_timers(x, branch)
    branch.phase = Phase.RETRY


def retried_unseen(branch: Branch) -> None:
    """A history read from AWS has no RetryScheduled: work that begins again after a failure tells of a retry."""
    if branch.phase is Phase.FAILED and branch.failure is not None:
        retrier = find_retrier(branch.current.retry, branch.failure, branch.retries)
        if retrier is not None:
            _count_retry(branch, retrier)
        branch.failure = None


def aborted(x: ExecutionState, branch: Branch, event: HistoryEvent, details: Mapping[str, Any]) -> None:
    """A branch's state is ended because one beside it failed; a branch that has failed itself keeps its failure."""
    failed = branch.phase is Phase.FAILED
    withdraw(x, branch, keep_execution_timer=True)
    branch.phase = Phase.FAILED if failed else Phase.ABORTED
    branch.aborted, branch.result = failed, None


def iteration_aborted(x: ExecutionState, branch: Branch, event: HistoryEvent, details: Mapping[str, Any]) -> None:
    """An iteration ends because another has failed."""
    withdraw(x, branch, keep_execution_timer=True)
    branch.phase, branch.aborted, branch.result = Phase.ABORTED, True, None
