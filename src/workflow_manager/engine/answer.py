"""
Failures: who answers one.

A retrier of the state, else a catcher of it, else the failure becomes that of the Parallel or Map around it, and in
the end of the execution.  AWS writes MapIterationFailed at once; MapStateFailed and ParallelStateFailed only when no
retrier answers.
"""

from __future__ import annotations

from collections.abc import Callable

from workflow_manager.asl.errors import ErrorName
from workflow_manager.asl.machine import StateType
from workflow_manager.asl.payload import Flow, error_output
from workflow_manager.asl.program import CompiledState
from workflow_manager.asl.retries import Failure, delay_seconds, find_catcher, find_retrier
from workflow_manager.engine.decide_task import failure_details
from workflow_manager.engine.state import Branch, Phase
from workflow_manager.engine.writer import Writer
from workflow_manager.history import HistoryEventType as E
from workflow_manager.history import UnlistedEventType as U

Leave = Callable[[Writer, Branch, CompiledState, Flow, "str | None"], None]

_FORKS = {StateType.MAP: E.MAP_STATE_FAILED, StateType.PARALLEL: E.PARALLEL_STATE_FAILED}
_ABORTED = {
    StateType.TASK: E.TASK_STATE_ABORTED,
    StateType.WAIT: E.WAIT_STATE_ABORTED,
    StateType.PARALLEL: E.PARALLEL_STATE_ABORTED,
    StateType.MAP: E.MAP_STATE_ABORTED,
}


def answer_failure(w: Writer, branch: Branch, leave: Leave) -> None:
    """Write what answers the failure of the branch's current state."""
    state, failure = branch.current, branch.failure
    assert failure is not None
    if not branch.reported:
        if branch.fork is not None:
            _abort_children(w, branch)
        retrier = find_retrier(state.retry, failure, branch.retries)
        if retrier is not None:
            _retry(w, branch, retrier)
            return
        if branch.fork is not None or (state.type in _FORKS and failure.error != ErrorName.RUNTIME):
            w.write(_FORKS[state.type], branch, beside=_beside(failure))
            return
    catcher = None if branch.final else find_catcher(state.catch, failure)
    if catcher is not None:
        flow = state.data.catch(catcher, w.scope(branch), error_output(failure.error, failure.cause))
        leave(w, branch, state, flow, state.catch[catcher].next)
    else:
        _give_up(w, branch, failure)


def _beside(failure: Failure) -> dict[str, str | None]:
    return {"error": failure.error, "cause": failure.cause}


def _retry(w: Writer, branch: Branch, retrier: int) -> None:
    count = branch.retries.get(retrier, 0)
    rule = branch.current.retry[retrier]
    delay = delay_seconds(rule, count, f"{w.x.identity.name}/{w.x.sequence}")
    w.note(U.RETRY_SCHEDULED, branch, retrier=retrier, delaySeconds=delay)


def _give_up(w: Writer, branch: Branch, failure: Failure) -> None:
    """Nobody answers here: the failure goes up."""
    parent = branch.parent
    if parent is None:
        w.write(E.EXECUTION_FAILED, branch, failure_details(failure.error, failure.cause or None))
    elif parent.current.type is StateType.MAP:
        w.write(E.MAP_ITERATION_FAILED, branch, {"index": branch.index, "name": parent.current.name})
    else:
        _fail_parallel(w, branch, parent, failure)


def _fail_parallel(w: Writer, branch: Branch, parent: Branch, failure: Failure) -> None:
    """A Parallel fails with its first failed branch; what the others were doing is aborted."""
    if branch.current.type in _ABORTED and not branch.aborted:
        w.write(_ABORTED[branch.current.type], branch)
        return
    w.note(U.STATE_FAILED, parent, branch.previous, error=failure.error, cause=failure.cause, below=True)


def _abort_children(w: Writer, branch: Branch) -> None:
    """Write, for every child still under way, that its state is aborted; the innermost first."""
    fork = branch.fork
    assert fork is not None
    for child in list(fork.children.values()):
        if child.phase in (Phase.FAILED, Phase.LEFT) or child.aborted:
            continue
        if child.phase is not Phase.ABORTED:  # else a history was cut short between the two events
            _abort_state(w, child)
        if branch.current.type is StateType.MAP:
            w.write(E.MAP_ITERATION_ABORTED, child, {"index": child.index, "name": branch.current.name})


def _abort_state(w: Writer, child: Branch) -> None:
    if child.fork is not None:
        _abort_children(w, child)
    type = None if child.state is None else _ABORTED.get(child.state.type)
    if type is not None and child.phase is not Phase.START:
        w.write(type, child)
