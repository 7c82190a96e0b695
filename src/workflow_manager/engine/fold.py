"""
Folding: what one event makes of an execution.

Rule 1: this is the only place where the state changes; nothing else moves it.
Rule 2: folding never decides.  What was decided stands in the event, so a later version of the library replays an old
history to the very state that the older one had.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import attrs

from workflow_manager.asl.machine import StateMachineType, StateType
from workflow_manager.asl.resources import TaskKind, TaskResource, parse_resource
from workflow_manager.asl.retries import Failure, find_retrier
from workflow_manager.asl.timestamps import later, parse_timestamp
from workflow_manager.asl.values import JSON
from workflow_manager.engine.pending import ExecutionStatus, Outcome, PendingTask, PendingTimer, TimerKind
from workflow_manager.engine.state import DECIDABLE, Branch, ExecutionState, Fork, MapRun, Phase
from workflow_manager.history import HistoryEvent, UnlistedEventType
from workflow_manager.history import HistoryEventType as E

_U = UnlistedEventType
_NOTHING: Mapping[str, Any] = {}


EXPRESS_SECONDS = 300
"""How long an EXPRESS execution may take (AWS: Step Functions service quotas)."""

Handler = Callable[[ExecutionState, Branch, HistoryEvent, Mapping[str, Any]], None]


def _beside(event: HistoryEvent) -> Mapping[str, Any]:
    return event.beside or _NOTHING


def fold(x: ExecutionState, event: HistoryEvent) -> None:
    """Make of *x* what it is after *event*."""
    x.sequence += 1
    x.last_id = max(x.last_id, event.id)
    details = event.details or _NOTHING
    handler = _HANDLERS.get(event.type)
    if handler is None:
        _BEGINNINGS[event.type](x, event, details)
        return
    branch = x.branches[event.branch]
    x.ready.pop(event.branch, None)
    handler(x, branch, event, details)
    settle(x, branch)


def settle(x: ExecutionState, branch: Branch) -> None:
    """Queue *branch* if something follows from the phase that it is in."""
    if branch.phase in DECIDABLE:
        if branch.path in x.branches:
            x.ready[branch.path] = branch
    elif branch.phase is Phase.WORKING and branch.fork is not None and _fork_goes_on(branch.fork):
        x.ready[branch.path] = branch


def _fork_goes_on(fork: Fork) -> bool:
    run = fork.run
    if run is None:
        return fork.may_start or fork.done == fork.length
    if run.ended or run.is_over_threshold:
        return True
    if not run.ready:
        return bool(run.pages) and not run.asking
    return fork.may_start or (fork.done == fork.length and not run.writing)


# ---------------------------------------------------------------- the execution
def _execution_started(x: ExecutionState, event: HistoryEvent, details: Mapping[str, Any]) -> None:
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


def _execution_ended(status: ExecutionStatus) -> Callable[[ExecutionState, HistoryEvent, Mapping[str, Any]], None]:
    def ended(x: ExecutionState, event: HistoryEvent, details: Mapping[str, Any]) -> None:
        x.outcome = Outcome(
            status=status, output=details.get("output"), error=details.get("error"), cause=details.get("cause")
        )
        for branch in list(x.branches.values()):
            _withdraw(x, branch)
        x.ready.clear()

    return ended


# ---------------------------------------------------------------- states
def _entered(x: ExecutionState, branch: Branch, event: HistoryEvent, details: Mapping[str, Any]) -> None:
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


def _exited(x: ExecutionState, branch: Branch, event: HistoryEvent, details: Mapping[str, Any]) -> None:
    branch.previous = event.id
    assigned = details.get("assignedVariables")
    if assigned:
        branch.variables = {**branch.variables, **assigned}
    output = details.get("output")
    if branch.fork is not None:
        _drop_children(x, branch)
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
        _join(x, parent, branch, output)
        parent.previous = branch.previous
        settle(x, parent)


def _join(x: ExecutionState, parent: Branch, child: Branch, output: JSON) -> None:
    fork = parent.fork
    assert fork is not None
    fork.results[child.index] = output
    fork.done += 1
    fork.active -= 1
    fork.children.pop(child.index, None)
    x.branches.pop(child.path, None)
    x.ready.pop(child.path, None)


# ---------------------------------------------------------------- failures and their answers
def _state_failed(x: ExecutionState, branch: Branch, event: HistoryEvent, details: Mapping[str, Any]) -> None:
    failure = Failure(details.get("error"), details.get("cause"))
    if details.get("below"):
        branch.previous = event.previous_event_id
        _fail_from_below(x, branch, failure)
    else:
        _fail(x, branch, failure, final=bool(details.get("final")))


def _evaluation_failed(x: ExecutionState, branch: Branch, event: HistoryEvent, details: Mapping[str, Any]) -> None:
    branch.previous = event.id
    final = event.beside is not None and bool(event.beside.get("final"))
    _fail(x, branch, Failure(details.get("error"), details.get("cause")), final=final)


def _fail(x: ExecutionState, branch: Branch, failure: Failure, *, final: bool = False) -> None:
    """The branch's own state has failed."""
    _withdraw(x, branch, keep_execution_timer=True)
    branch.fork = None
    branch.phase, branch.failure, branch.result = Phase.FAILED, failure, None
    branch.reported = branch.final = final
    branch.aborted = False


def _fail_from_below(x: ExecutionState, branch: Branch, failure: Failure) -> None:
    """A child has failed: nothing of the fork goes on, and its children are yet to be reported as aborted."""
    branch.phase, branch.failure, branch.result, branch.reported = Phase.FAILED, failure, None, False
    queue = [] if branch.fork is None else list(branch.fork.children.values())
    while queue:
        child = queue.pop()
        x.ready.pop(child.path, None)
        if child.fork is not None:
            queue.extend(child.fork.children.values())


def _retry_scheduled(x: ExecutionState, branch: Branch, event: HistoryEvent, details: Mapping[str, Any]) -> None:
    """A retrier answers: its delay begins, and a fork begins anew once it is over."""
    if branch.fork is not None:
        _drop_children(x, branch)
        branch.fork = None
    retrier = int(details["retrier"])
    _count_retry(branch, retrier)
    branch.phase, branch.failure = Phase.BACKOFF, None
    timer = f"{TimerKind.RETRY}:{branch.path}:{branch.entered_id}:{branch.attempt}"
    due = later(event.timestamp, float(details["delaySeconds"]))
    x.add_timer(branch, PendingTimer(id=timer, kind=TimerKind.RETRY, branch=branch.path, due=due))


def _count_retry(branch: Branch, retrier: int) -> None:
    branch.retries = {**branch.retries, retrier: branch.retries.get(retrier, 0) + 1}


def _retry_started(x: ExecutionState, branch: Branch, event: HistoryEvent, details: Mapping[str, Any]) -> None:
    _drop_own_timers(x, branch)
    branch.phase = Phase.RETRY


def _retried_unseen(branch: Branch) -> None:
    """A history read from AWS has no RetryScheduled: work that begins again after a failure tells of a retry."""
    if branch.phase is Phase.FAILED and branch.failure is not None:
        retrier = find_retrier(branch.current.retry, branch.failure, branch.retries)
        if retrier is not None:
            _count_retry(branch, retrier)
        branch.failure = None


# ---------------------------------------------------------------- Wait
def _wait_scheduled(x: ExecutionState, branch: Branch, event: HistoryEvent, details: Mapping[str, Any]) -> None:
    branch.phase = Phase.WORKING
    due = parse_timestamp(str(details["until"]))
    assert due is not None
    timer = f"{TimerKind.WAIT}:{branch.path}:{branch.entered_id}"
    x.add_timer(branch, PendingTimer(id=timer, kind=TimerKind.WAIT, branch=branch.path, due=due))


def _wait_ended(x: ExecutionState, branch: Branch, event: HistoryEvent, details: Mapping[str, Any]) -> None:
    _drop_own_timers(x, branch)
    branch.phase = Phase.DONE


# ---------------------------------------------------------------- tasks
def token_of(x: ExecutionState, branch: Branch) -> str:
    """The token of the task that *branch* schedules now: execution name, event of the state's entry, attempt."""
    return f"{x.identity.name}.{branch.entered_id}.{branch.attempt}"


def _scheduled(x: ExecutionState, branch: Branch, event: HistoryEvent, details: Mapping[str, Any]) -> None:
    _retried_unseen(branch)
    branch.previous = event.id
    branch.phase = Phase.WORKING
    resource = branch.current.resource
    credentials = details.get("taskCredentials")
    task = PendingTask(
        token=token_of(x, branch),
        branch=branch.path,
        state=branch.current.name,
        resource=resource,
        input=details.get("parameters") if resource.kind is TaskKind.SERVICE else details.get("input"),
        attempt=branch.attempt,
        scheduled_event_id=event.id,
        scheduled_at=event.timestamp,
        timeout_seconds=details.get("timeoutInSeconds"),
        heartbeat_seconds=details.get("heartbeatInSeconds"),
        credentials=None if credentials is None else dict(credentials),
    )
    branch.token = task.token
    x.add_task(branch, task)
    _start_clock(x, branch, TimerKind.TASK_TIMEOUT, task, task.timeout_seconds, event.timestamp)
    _start_clock(x, branch, TimerKind.HEARTBEAT, task, task.heartbeat_seconds, event.timestamp)


def _start_clock(
    x: ExecutionState, branch: Branch, kind: TimerKind, task: PendingTask, seconds: int | None, begun: datetime
) -> None:
    if seconds is not None:
        due = later(begun, seconds)
        x.add_timer(branch, PendingTimer(id=f"{kind}:{task.token}", kind=kind, branch=branch.path, due=due))


def _started(x: ExecutionState, branch: Branch, event: HistoryEvent, details: Mapping[str, Any]) -> None:
    branch.previous = event.id
    _touch(x, branch, event, started=True)


def _submitted(x: ExecutionState, branch: Branch, event: HistoryEvent, details: Mapping[str, Any]) -> None:
    branch.previous = event.id
    _touch(x, branch, event, submitted=True, receipt=details.get("output"))


def _heartbeat(x: ExecutionState, branch: Branch, event: HistoryEvent, details: Mapping[str, Any]) -> None:
    _touch(x, branch, event)


def _touch(x: ExecutionState, branch: Branch, event: HistoryEvent, **changes: Any) -> None:
    """The task has been heard of: note it, and start its heartbeat clock again."""
    task = x.tasks.get(branch.token or "")
    if task is None:
        return
    if changes:
        task = attrs.evolve(task, **changes)
        x.tasks[task.token] = task
        if task.token in x.changes.tasks:
            x.changes.tasks[task.token] = task
    _start_clock(x, branch, TimerKind.HEARTBEAT, task, task.heartbeat_seconds, event.timestamp)


def _succeeded(x: ExecutionState, branch: Branch, event: HistoryEvent, details: Mapping[str, Any]) -> None:
    branch.previous = event.id
    _drop_task(x, branch)
    branch.phase, branch.result = Phase.DONE, details.get("output")


def _task_failed(x: ExecutionState, branch: Branch, event: HistoryEvent, details: Mapping[str, Any]) -> None:
    branch.previous = event.id
    _fail(x, branch, Failure(details.get("error"), details.get("cause")))


def _task_timed_out(x: ExecutionState, branch: Branch, event: HistoryEvent, details: Mapping[str, Any]) -> None:
    """A time-out has no cause in the event, and an empty one in the error output."""
    branch.previous = event.id
    beat = x.timers.get(f"{TimerKind.HEARTBEAT}:{branch.token}")
    missed = beat is not None and beat.due <= event.timestamp
    _fail(x, branch, Failure(details.get("error"), details.get("cause", ""), heartbeat=missed))


def _drop_task(x: ExecutionState, branch: Branch) -> None:
    if branch.token is not None:
        x.drop_task(branch.token)
        branch.token = None
    _drop_own_timers(x, branch)


def _drop_own_timers(x: ExecutionState, branch: Branch) -> None:
    """Every timer of the branch but that of the whole execution."""
    if not branch.timers:
        return
    timeout = x.timers.get(TimerKind.EXECUTION_TIMEOUT) if branch.parent is None else None
    if timeout is not None:
        branch.timers = tuple(timer for timer in branch.timers if timer != timeout.id)
    x.drop_timers(branch)
    if timeout is not None:
        branch.timers = (timeout.id,)


# ---------------------------------------------------------------- Parallel and Map
def _parallel_started(x: ExecutionState, branch: Branch, event: HistoryEvent, details: Mapping[str, Any]) -> None:
    _restart(x, branch)
    branch.previous = event.id
    programs = branch.current.branches
    fork = branch.fork = Fork(len(programs), event.id)
    effective = _beside(event).get("input", branch.input)
    branch.phase = Phase.WORKING
    for index, program in enumerate(programs):
        child = Branch(child_path(branch, index), program, branch, index)
        child.input = effective
        child.previous = event.id
        _adopt(x, fork, child)
    fork.started = fork.length


def _map_started(x: ExecutionState, branch: Branch, event: HistoryEvent, details: Mapping[str, Any]) -> None:
    _restart(x, branch)
    branch.previous = event.id
    beside = _beside(event)
    branch.fork = Fork(int(details.get("length", 0)), event.id, int(beside.get("concurrency", 0)))
    branch.phase = Phase.ENTERED if branch.current.is_distributed else Phase.WORKING


def _restart(x: ExecutionState, branch: Branch) -> None:
    _retried_unseen(branch)
    if branch.fork is not None:
        _drop_children(x, branch)
        branch.fork = None


def child_path(branch: Branch, index: int) -> str:
    """The path of the child number *index* of *branch*."""
    return f"{branch.path}/{index}" if branch.path else str(index)


def _adopt(x: ExecutionState, fork: Fork, child: Branch) -> None:
    fork.children[child.index] = child
    fork.active += 1
    x.branches[child.path] = child
    x.ready[child.path] = child


def _iteration_started(x: ExecutionState, event: HistoryEvent, details: Mapping[str, Any]) -> None:
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


def _iteration_succeeded(x: ExecutionState, branch: Branch, event: HistoryEvent, details: Mapping[str, Any]) -> None:
    parent = branch.parent
    assert parent is not None and parent.fork is not None
    _join(x, parent, branch, branch.output)
    branch.phase = Phase.ABORTED
    parent.previous = event.id
    parent.fork.freed.append(branch.previous)
    settle(x, parent)


def _iteration_failed(x: ExecutionState, branch: Branch, event: HistoryEvent, details: Mapping[str, Any]) -> None:
    """One iteration fails the whole Map: its error is the Map's."""
    parent = branch.parent
    assert parent is not None
    parent.previous = branch.previous
    branch.phase, branch.aborted = Phase.ABORTED, True
    x.ready.pop(parent.path, None)
    _fail_from_below(x, parent, branch.failure or Failure())
    settle(x, parent)


def _fork_failed(x: ExecutionState, branch: Branch, event: HistoryEvent, details: Mapping[str, Any]) -> None:
    """MapStateFailed, ParallelStateFailed: nobody retries, the children are gone, a catcher or the parent is next."""
    beside = _beside(event)
    if branch.failure is None:
        branch.failure = Failure(beside.get("error"), beside.get("cause")) if beside else _failure_below(branch)
    branch.phase, branch.reported = Phase.FAILED, True
    branch.previous = event.id
    if branch.fork is not None:
        _drop_children(x, branch)
        branch.fork = None


def _failure_below(branch: Branch) -> Failure:
    """The failure of the child that failed first; only histories read from AWS need it."""
    children = branch.fork.children.values() if branch.fork is not None else ()
    return next((child.failure for child in children if child.failure is not None), Failure())


def _fork_succeeded(x: ExecutionState, branch: Branch, event: HistoryEvent, details: Mapping[str, Any]) -> None:
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


def _aborted(x: ExecutionState, branch: Branch, event: HistoryEvent, details: Mapping[str, Any]) -> None:
    """A branch's state is ended because one beside it failed; a branch that has failed itself keeps its failure."""
    failed = branch.phase is Phase.FAILED
    _withdraw(x, branch, keep_execution_timer=True)
    branch.phase = Phase.FAILED if failed else Phase.ABORTED
    branch.aborted, branch.result = failed, None


def _iteration_aborted(x: ExecutionState, branch: Branch, event: HistoryEvent, details: Mapping[str, Any]) -> None:
    _withdraw(x, branch, keep_execution_timer=True)
    branch.phase, branch.aborted, branch.result = Phase.ABORTED, True, None


def _withdraw(x: ExecutionState, branch: Branch, *, keep_execution_timer: bool = False) -> None:
    """Nothing of *branch* is pending any more, nor of anything below it."""
    if branch.token is not None:
        x.drop_task(branch.token)
        branch.token = None
    if keep_execution_timer:
        _drop_own_timers(x, branch)
    else:
        x.drop_timers(branch)
    _drop_run_tasks(x, branch)
    if branch.fork is not None:
        _drop_children(x, branch)


def _drop_children(x: ExecutionState, branch: Branch) -> None:
    fork = branch.fork
    assert fork is not None
    _drop_run_tasks(x, branch)
    queue = list(fork.children.values())
    fork.children = {}
    while queue:
        child = queue.pop()
        if child.token is not None:
            x.drop_task(child.token)
        x.drop_timers(child)
        _drop_run_tasks(x, child)
        child.phase = Phase.ABORTED
        x.branches.pop(child.path, None)
        x.ready.pop(child.path, None)
        if child.fork is not None:
            queue.extend(child.fork.children.values())


# ---------------------------------------------------------------- distributed Map
def _map_run_started(x: ExecutionState, branch: Branch, event: HistoryEvent, details: Mapping[str, Any]) -> None:
    branch.previous = event.id
    branch.phase = Phase.ENTERED
    beside = _beside(event)
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


def _drop_run_tasks(x: ExecutionState, branch: Branch) -> None:
    """Withdraw what the Map Run of *branch* has under way."""
    if branch.fork is None or branch.fork.run is None:
        return
    prefix = f"{token_of(x, branch)}"
    for token in [
        token for token, path in x.token_branches.items() if path == branch.path and token.startswith(prefix)
    ]:
        x.drop_task(token)


def _read_scheduled(x: ExecutionState, branch: Branch, event: HistoryEvent, details: Mapping[str, Any]) -> None:
    fork = branch.fork
    assert fork is not None and fork.run is not None
    branch.phase = Phase.WORKING
    fork.run.pages = fork.run.pages[1:]  # what is asked now has no longer to be asked
    fork.run.asking = True
    _run_task(x, branch, event, f"r{fork.run.reading}", parse_resource(details["resource"]), details.get("parameters"))
    fork.run.reading += 1


def _items_read(x: ExecutionState, branch: Branch, event: HistoryEvent, details: Mapping[str, Any]) -> None:
    fork = branch.fork
    assert fork is not None and fork.run is not None
    _drop_run_tasks(x, branch)
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


def _child_scheduled(x: ExecutionState, branch: Branch, event: HistoryEvent, details: Mapping[str, Any]) -> None:
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


def _child_succeeded(x: ExecutionState, branch: Branch, event: HistoryEvent, details: Mapping[str, Any]) -> None:
    fork = _child_done(x, branch, details)
    assert fork.run is not None
    fork.results[int(details["index"])] = details.get("output")
    fork.run.succeeded += 1


def _child_failed(x: ExecutionState, branch: Branch, event: HistoryEvent, details: Mapping[str, Any]) -> None:
    fork = _child_done(x, branch, details)
    assert fork.run is not None
    fork.run.failed += int(details.get("items", 1))
    fork.run.failed_children.append(int(details["index"]))


def _write_scheduled(x: ExecutionState, branch: Branch, event: HistoryEvent, details: Mapping[str, Any]) -> None:
    fork = branch.fork
    assert fork is not None and fork.run is not None
    fork.run.writing = True
    _run_task(x, branch, event, "w", parse_resource(details["resource"]), details.get("parameters"))


def _results_written(x: ExecutionState, branch: Branch, event: HistoryEvent, details: Mapping[str, Any]) -> None:
    fork = branch.fork
    assert fork is not None and fork.run is not None
    _drop_run_tasks(x, branch)
    fork.run.writing, fork.run.written = False, True
    fork.written = details.get("output")


def _map_run_ended(x: ExecutionState, branch: Branch, event: HistoryEvent, details: Mapping[str, Any]) -> None:
    fork = branch.fork
    assert fork is not None and fork.run is not None
    branch.previous = event.id
    fork.run.ended = True
    if event.type is not E.MAP_RUN_SUCCEEDED:
        _drop_run_tasks(x, branch)
        branch.phase, branch.reported = Phase.FAILED, False
        branch.failure = Failure(details.get("error"), details.get("cause"))


def _redriven(x: ExecutionState, branch: Branch, event: HistoryEvent, details: Mapping[str, Any]) -> None:
    branch.previous = event.id


_BEGINNINGS: Mapping[Any, Callable[[ExecutionState, HistoryEvent, Mapping[str, Any]], None]] = {
    E.EXECUTION_STARTED: _execution_started,
    E.EXECUTION_SUCCEEDED: _execution_ended(ExecutionStatus.SUCCEEDED),
    E.EXECUTION_FAILED: _execution_ended(ExecutionStatus.FAILED),
    E.EXECUTION_TIMED_OUT: _execution_ended(ExecutionStatus.TIMED_OUT),
    E.EXECUTION_ABORTED: _execution_ended(ExecutionStatus.ABORTED),
    E.MAP_ITERATION_STARTED: _iteration_started,
}

_HANDLERS: Mapping[Any, Handler] = {
    **{type: _entered for type in E if type.endswith("StateEntered")},
    **{type: _exited for type in E if type.endswith("StateExited")},
    **dict.fromkeys((E.TASK_SCHEDULED, E.LAMBDA_FUNCTION_SCHEDULED, E.ACTIVITY_SCHEDULED), _scheduled),
    **dict.fromkeys((E.TASK_STARTED, E.LAMBDA_FUNCTION_STARTED, E.ACTIVITY_STARTED), _started),
    **dict.fromkeys((E.TASK_SUCCEEDED, E.LAMBDA_FUNCTION_SUCCEEDED, E.ACTIVITY_SUCCEEDED), _succeeded),
    **dict.fromkeys((E.TASK_TIMED_OUT, E.LAMBDA_FUNCTION_TIMED_OUT, E.ACTIVITY_TIMED_OUT), _task_timed_out),
    **dict.fromkeys(
        (
            E.TASK_FAILED,
            E.TASK_START_FAILED,
            E.TASK_SUBMIT_FAILED,
            E.LAMBDA_FUNCTION_FAILED,
            E.LAMBDA_FUNCTION_SCHEDULE_FAILED,
            E.LAMBDA_FUNCTION_START_FAILED,
            E.ACTIVITY_FAILED,
            E.ACTIVITY_SCHEDULE_FAILED,
        ),
        _task_failed,
    ),
    **dict.fromkeys(
        (
            E.TASK_STATE_ABORTED,
            E.WAIT_STATE_ABORTED,
            E.PARALLEL_STATE_ABORTED,
            E.MAP_STATE_ABORTED,
        ),
        _aborted,
    ),
    **dict.fromkeys((E.MAP_RUN_SUCCEEDED, E.MAP_RUN_FAILED, E.MAP_RUN_ABORTED), _map_run_ended),
    **dict.fromkeys((E.PARALLEL_STATE_FAILED, E.MAP_STATE_FAILED), _fork_failed),
    **dict.fromkeys((E.PARALLEL_STATE_SUCCEEDED, E.MAP_STATE_SUCCEEDED), _fork_succeeded),
    **dict.fromkeys((E.EXECUTION_REDRIVEN, E.MAP_RUN_REDRIVEN), _redriven),
    E.TASK_SUBMITTED: _submitted,
    E.EVALUATION_FAILED: _evaluation_failed,
    E.PARALLEL_STATE_STARTED: _parallel_started,
    E.MAP_STATE_STARTED: _map_started,
    E.MAP_ITERATION_SUCCEEDED: _iteration_succeeded,
    E.MAP_ITERATION_FAILED: _iteration_failed,
    E.MAP_ITERATION_ABORTED: _iteration_aborted,
    E.MAP_RUN_STARTED: _map_run_started,
    _U.STATE_FAILED: _state_failed,
    _U.RETRY_SCHEDULED: _retry_scheduled,
    _U.RETRY_STARTED: _retry_started,
    _U.WAIT_SCHEDULED: _wait_scheduled,
    _U.WAIT_ENDED: _wait_ended,
    _U.TASK_HEARTBEAT: _heartbeat,
    _U.READ_SCHEDULED: _read_scheduled,
    _U.ITEMS_READ: _items_read,
    _U.CHILD_SCHEDULED: _child_scheduled,
    _U.CHILD_SUCCEEDED: _child_succeeded,
    _U.CHILD_FAILED: _child_failed,
    _U.WRITE_SCHEDULED: _write_scheduled,
    _U.RESULTS_WRITTEN: _results_written,
}
