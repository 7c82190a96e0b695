"""
Deciding: what follows, without any report, from the phase that a branch is in.

Every function here looks at the state and writes at least one event; it never changes the state itself.  The loop in
:func:`decide` is a queue, never recursion: a thousand states in a row cost no stack.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from workflow_manager.asl.errors import ErrorName, StatesError
from workflow_manager.asl.machine import StateType
from workflow_manager.asl.payload import Flow
from workflow_manager.asl.program import CompiledState
from workflow_manager.asl.timestamps import format_timestamp
from workflow_manager.asl.values import JSON, is_larger
from workflow_manager.engine import decide_fork, decide_run
from workflow_manager.engine.answer import answer_failure
from workflow_manager.engine.decide_task import schedule, too_large
from workflow_manager.engine.nesting import check_nesting
from workflow_manager.engine.state import Branch, Phase
from workflow_manager.engine.writer import HistoryFullError, Writer
from workflow_manager.history import HistoryEventType as E
from workflow_manager.history import UnlistedEventType as U

_ENTERED: Mapping[StateType, E] = {type: E(f"{type}StateEntered") for type in StateType}
_EXITED: Mapping[StateType, E] = {type: E(f"{type}StateExited") for type in StateType if type is not StateType.FAIL}


def decide(w: Writer) -> None:
    """Write everything that follows, until only reports can bring news."""
    x = w.x
    ready = x.ready
    limit = x.identity.limits.history_events
    while ready and not x.outcome.is_final:
        if limit is not None and x.last_id >= limit - 1:
            too_long(w)
            return
        branch = next(iter(ready.values()))
        sequence = x.sequence
        try:
            _step(w, branch)
        except HistoryFullError:  # one step may abort a thousand children
            too_long(w)
        if x.sequence == sequence:  # a decision that writes nothing would be taken for ever
            raise AssertionError(f"nothing follows from {branch.phase!r} of branch {branch.path!r}")


def _step(w: Writer, branch: Branch) -> None:
    try:
        _BY_PHASE[branch.phase](w, branch)
    except StatesError as error:
        fail_state(w, branch, error)


def too_long(w: Writer) -> None:
    """Write that the execution fails for the length of its history."""
    limit = w.x.identity.limits.history_events
    cause = f"The execution reached the maximum number of history events ({limit})."
    w.write(E.EXECUTION_FAILED, w.x.root, {"error": ErrorName.RUNTIME.value, "cause": cause})


def fail_state(w: Writer, branch: Branch, error: StatesError, *, previous: int | None = None) -> None:
    """
    Write that evaluating a part of the branch's current state has failed.

    A failure of a catcher's own evaluation is final: no other catcher is asked, or it would be for ever.
    """
    state = branch.current
    final = branch.phase is Phase.FAILED
    cause = error.cause
    if error.error != ErrorName.DATA_LIMIT_EXCEEDED:
        where = f"the state '{state.name}' (entered at the event id #{branch.entered_id})"
        cause = f"An error occurred while executing {where}. {cause}"
    if error.error == ErrorName.QUERY_EVALUATION_ERROR:
        details = {"cause": cause, "error": str(error.error), "state": state.name}
        if error.location is not None:
            details["location"] = error.location
        if previous is None and branch.phase is Phase.ENTERED and branch.previous == branch.entered_id:
            previous = branch.before  # what is evaluated on entry hangs on the event before it
        w.write(E.EVALUATION_FAILED, branch, details, previous=previous, beside={"final": True} if final else None)
    else:
        more = {"final": True} if final else {}
        w.note(U.STATE_FAILED, branch, error=str(error.error), cause=cause, **more)


# ---------------------------------------------------------------- entering
def _start(w: Writer, branch: Branch) -> None:
    name = branch.next
    assert name is not None
    parent = branch.parent
    branch_input = branch.input
    if branch.state is None and parent is not None and parent.current.type is StateType.MAP:
        try:
            branch_input = decide_fork.iteration_input(w, parent, branch)
        except StatesError as error:  # ItemSelector is the Map's
            fail_state(w, parent, error)
            return
    state = branch.program.states[name]
    w.write(_ENTERED[state.type], branch, {"input": branch_input, "name": name})


def _entered(w: Writer, branch: Branch) -> None:
    _BY_TYPE[branch.current.type](w, branch, branch.current)


def _pass(w: Writer, branch: Branch, state: CompiledState) -> None:
    data = state.data
    if data.is_identity:
        leave(w, branch, state, Flow(branch.input), state.next)
        return
    scope = w.scope(branch)
    leave(w, branch, state, data.finish(scope, data.effective_input(scope)), state.next)


def _choice(w: Writer, branch: Branch, state: CompiledState) -> None:
    scope = w.scope(branch)
    target, flow = state.choose(scope, state.data.effective_input(scope))
    leave(w, branch, state, flow, target)


def _wait(w: Writer, branch: Branch, state: CompiledState) -> None:
    scope = w.scope(branch)
    assert branch.entered_at is not None
    try:
        within = scope if state.is_jsonata else scope.on(state.data.effective_input(scope))
        until = state.until(within, branch.entered_at)
    except StatesError as error:
        fail_state(w, branch, error, previous=branch.previous)
        return
    w.note(U.WAIT_SCHEDULED, branch, until=_exact(until))


def _exact(time: Any) -> str:
    text = format_timestamp(time)
    return f"{text[:-4]}{time.microsecond:06d}Z"


def note_failure(w: Writer, branch: Branch, state: CompiledState) -> None:
    """Write the error and cause that a Fail state fails with."""
    scope = w.scope(branch)
    error, cause = state.failure
    w.note(U.STATE_FAILED, branch, error=error(scope), cause=cause(scope))


def _map(w: Writer, branch: Branch, state: CompiledState) -> None:
    if branch.fork is None:
        decide_fork.start_map(w, branch, state)
    else:
        decide_run.begin(w, branch, state)


# ---------------------------------------------------------------- going on
def _working(w: Writer, branch: Branch) -> None:
    """A fork may start another child, or all have been joined."""
    fork = branch.fork
    assert fork is not None
    if fork.run is not None:
        decide_run.go_on(w, branch)
    elif fork.may_start:
        decide_fork.start_iteration(w, branch)
    else:
        decide_fork.succeed(w, branch)


def _done(w: Writer, branch: Branch) -> None:
    state = branch.current
    data = state.data
    if state.type is StateType.WAIT:
        scope = w.scope(branch)
        flow = data.finish(scope, data.effective_input(scope))
    elif data.is_identity:
        flow = Flow(branch.result)
    else:
        flow = data.finish(w.scope(branch), branch.result)
    leave(w, branch, state, flow, state.next)


def leave(w: Writer, branch: Branch, state: CompiledState, flow: Flow, target: str | None) -> None:
    """Write that *state* is left for *target*, or for good."""
    output = flow.output
    check_size(w, output, branch)
    if flow.assigned:
        check_variables(w, flow.assigned, branch)
    details: dict[str, JSON] = {"name": state.name, "output": output}
    if flow.assigned:
        details["assignedVariables"] = flow.assigned
    w.write(_EXITED[state.type], branch, details, next=target)


def check_size(w: Writer, value: JSON, branch: Branch) -> None:
    """Refuse a state's output beyond the limits; what came in whole goes out whole and is not measured again."""
    if value is branch.input:
        return
    check_nesting(value)
    if value is branch.result and branch.current.type is StateType.TASK:
        return  # it was measured when it was reported
    limit = w.x.identity.limits.payload_bytes
    if limit is not None and is_larger(value, limit):
        raise StatesError(ErrorName.DATA_LIMIT_EXCEEDED, too_large(branch.current.name))


def check_variables(w: Writer, assigned: Mapping[str, JSON], branch: Branch) -> None:
    """Refuse variables beyond AWS's limits (AWS: "Passing data between states with variables", Limits)."""
    check_nesting(assigned)
    limits = w.x.identity.limits
    if limits.payload_bytes is not None and is_larger(assigned, limits.payload_bytes):
        raise StatesError(ErrorName.DATA_LIMIT_EXCEEDED, _too_many_bytes(branch, "assigns", limits.payload_bytes))
    most = limits.variables_bytes
    if most is None or len(branch.variables) + len(assigned) <= _FEW_VARIABLES:
        return
    if is_larger({**branch.variables, **assigned}, most):
        raise StatesError(ErrorName.DATA_LIMIT_EXCEEDED, _too_many_bytes(branch, "would leave behind", most))


def _too_many_bytes(branch: Branch, verb: str, most: int) -> str:
    return f"The variables that the state '{branch.current.name}' {verb} are larger than {most} bytes."


_FEW_VARIABLES = 39  # so many, each as large as may be, stay below the limit of all together


def _left(w: Writer, branch: Branch) -> None:
    """A branch has come to its end: the root's is the execution's, an iteration's is told to its Map."""
    parent = branch.parent
    if parent is None:
        w.write(E.EXECUTION_SUCCEEDED, branch, {"output": branch.output})
    else:
        w.write(E.MAP_ITERATION_SUCCEEDED, branch, {"index": branch.index, "name": parent.current.name})


def _failed(w: Writer, branch: Branch) -> None:
    answer_failure(w, branch, leave)


_BY_PHASE: Mapping[Phase, Callable[[Writer, Branch], None]] = {
    Phase.START: _start,
    Phase.ENTERED: _entered,
    Phase.RETRY: _entered,
    Phase.WORKING: _working,
    Phase.DONE: _done,
    Phase.FAILED: _failed,
    Phase.LEFT: _left,
}

_BY_TYPE: Mapping[StateType, Callable[[Writer, Branch, CompiledState], None]] = {
    StateType.PASS: _pass,
    StateType.SUCCEED: _pass,
    StateType.CHOICE: _choice,
    StateType.WAIT: _wait,
    StateType.FAIL: note_failure,
    StateType.TASK: schedule,
    StateType.PARALLEL: decide_fork.start_parallel,
    StateType.MAP: _map,
}
