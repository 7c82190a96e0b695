"""
The fold along ``previousEventId``.

It reads AWS's own pages as well as the library's histories, event by event, and needs nothing that AWS does not send.
Every event belongs to the visit of a state that its previous event belongs to; an Entered event opens a visit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from workflow_manager.asl import graph
from workflow_manager.asl.machine import ParallelState, State, StateMachine, StateType, TaskState
from workflow_manager.history import HistoryEvent
from workflow_manager.history import HistoryEventType as E
from workflow_manager.jobs.resources import state_resource
from workflow_manager.jobs.visits import Visit
from workflow_manager.models import Job, JobStatus, StateResource

SHOWN = frozenset({StateType.TASK, StateType.CHOICE, StateType.SUCCEED})
"""States whose visits are jobs unless all are asked for."""

_FORKS = frozenset({StateType.MAP, StateType.PARALLEL})


def jobs_from_history(
    events: Iterable[HistoryEvent],
    *,
    machine: StateMachine | None = None,
    namespace: str = "",
    all_states: bool = False,
) -> tuple[Job, ...]:
    """
    The jobs of a history, in the order in which their states were entered.

    A job is one visit of a Task, Choice or Succeed state; with *all_states* of any state.  *machine* tells the
    resources of Tasks and the numbers of a Parallel's branches.
    """
    fold = JobFold(machine=machine, namespace=namespace)
    for event in events:
        fold.add(event)
    return fold.jobs(all_states=all_states)


class JobFold:
    """The fold, one event at a time: a second page goes on where the first ended."""

    def __init__(self, *, machine: StateMachine | None = None, namespace: str = "") -> None:
        self._machine = machine
        self._states: dict[str, State] | None = None
        self._namespace = namespace
        self._visits: list[Visit] = []
        self._by_event: dict[int, Visit] = {}
        self._entries: dict[tuple[int, str], Visit] = {}  # by the event that the Entered event hangs on, and the state
        self._forks: dict[
            int, tuple[Visit, int | None]
        ] = {}  # ParallelStateStarted, MapIterationStarted: visit and index
        self._resources: dict[str, StateResource | None] = {}
        self._branches: dict[tuple[str, str], int] = {}
        self._culprit: Visit | None = None  # with which the execution has ended, if that is known

    def add(self, event: HistoryEvent) -> None:
        """Fold one event; unlisted ones tell a job nothing."""
        handler = _HANDLERS.get(event.type)
        if handler is not None:
            handler(self, event, event.details or {})
        elif event.is_listed:
            self._follow(event)

    def jobs(self, *, all_states: bool = False) -> tuple[Job, ...]:
        """The jobs so far."""
        return tuple(self._job(visit) for visit in self._visits if all_states or visit.type in SHOWN)

    @property
    def last_job(self) -> Job | None:
        """The job that was opened last."""
        for visit in reversed(self._visits):
            if visit.type in SHOWN:
                return self._job(visit)
        return None

    # ------------------------------------------------------------ whose event is it?
    def _follow(self, event: HistoryEvent) -> Visit | None:
        visit = self._by_event.get(event.previous_event_id)
        if visit is not None:
            self._by_event[event.id] = visit
        return visit

    def _fork_of(self, event: HistoryEvent, *, gone: bool = False) -> Visit | None:
        """
        The Map or Parallel that *event* is about: the visit before it, or the nearest around that, which has not ended.

        One whose failure is told goes on no more: what is not about its own end (*gone*) is about one further out.
        """
        visit, type = self._by_event.get(event.previous_event_id), _fork_type(event)
        while visit is not None:
            if visit.type is type and visit.stopped_at is None and (gone or not visit.given_up):
                self._by_event[event.id] = visit
                return visit
            visit = visit.parent
        return None

    def _named(self, event: HistoryEvent, type: StateType, name: str | None) -> Visit | None:
        """The visit of the state *name*: the one before *event*, or the nearest around that."""
        visit = self._by_event.get(event.previous_event_id)
        while visit is not None and (visit.type is not type or visit.state != name):
            visit = visit.parent
        if visit is not None:
            self._by_event[event.id] = visit
        return visit

    def _entered(self, event: HistoryEvent, details: Mapping[str, Any]) -> None:
        name = details.get("name", "")
        visit = Visit(event, StateType(event.type[: -len("StateEntered")]), name, details.get("input"))
        fork = self._forks.get(event.previous_event_id)
        before = self._by_event.get(event.previous_event_id)
        if fork is not None:
            visit.parent, index = fork
            index = self._branch_index(visit.parent, name) if index is None else index
            visit.path = (*visit.parent.path, f"{visit.parent.state}[{index}]")
            visit.branch = f"{visit.parent.branch}/{index}" if visit.parent.branch else str(index)
        elif before is not None:
            visit.parent, visit.path, visit.branch = before.parent, before.path, before.branch
        if visit.type is not StateType.TASK:
            visit.status, visit.started_at = JobStatus.RUNNING, event.timestamp
        visit.open_in_parent()
        self._visits.append(visit)
        self._by_event[event.id] = self._entries[event.previous_event_id, name] = visit

    def _branch_index(self, parallel: Visit, first_state: str) -> int:
        """Which branch of a Parallel begins with *first_state*: the machine knows, else they are counted."""
        key = (parallel.state, first_state)
        if key not in self._branches:
            self._branches[key] = self._find_branch(parallel.state, first_state)
        return self._branches[key]

    def _find_branch(self, parallel: str, first_state: str) -> int:
        state = self._state(parallel)
        if isinstance(state, ParallelState):
            for index, branch in enumerate(state.branches):
                if branch.start_at == first_state:
                    return index
        return sum(1 for name, _ in self._branches if name == parallel)

    # ------------------------------------------------------------ tasks
    def _scheduled(self, event: HistoryEvent, details: Mapping[str, Any]) -> None:
        visit = self._follow(event)
        if visit is None:
            return
        if visit.status is JobStatus.FAILED or visit.stopped_at is not None:  # a retrier has answered, or a redrive
            visit.begin_again()
        visit.status, visit.scheduled_at = JobStatus.QUEUED, event.timestamp

    def _started(self, event: HistoryEvent, details: Mapping[str, Any]) -> None:
        visit = self._follow(event)
        if visit is not None:
            visit.status, visit.started_at = JobStatus.RUNNING, event.timestamp
            visit.container = details.get("workerName", "")

    def _succeeded(self, event: HistoryEvent, details: Mapping[str, Any]) -> None:
        visit = self._follow(event)
        if visit is not None:
            visit.status, visit.output = JobStatus.SUCCEEDED, details.get("output")

    def _failed(self, event: HistoryEvent, details: Mapping[str, Any]) -> None:
        visit = self._follow(event)
        if visit is not None:
            visit.fail(event.timestamp, details)

    def _timed_out(self, event: HistoryEvent, details: Mapping[str, Any]) -> None:
        visit = self._follow(event)
        if visit is not None:
            visit.fail(event.timestamp, details, "Job timed out")

    def _evaluation_failed(self, event: HistoryEvent, details: Mapping[str, Any]) -> None:
        """It may hang on the event that its state's entry hangs on, or inside a Map whose own it is."""
        name = details.get("state", "")
        visit = self._by_event.get(event.previous_event_id)
        while visit is not None and (visit.state != name or visit.stopped_at is not None):
            visit = visit.parent
        visit = visit or self._entries.get((event.previous_event_id, name))
        if visit is None:
            self._follow(event)
            return
        self._by_event[event.id] = visit
        visit.fail(event.timestamp, details)

    def _aborted(self, event: HistoryEvent, details: Mapping[str, Any]) -> None:
        """What a branch was doing ends because another failed; a job that had ended keeps its end."""
        visit = self._follow(event)
        if visit is None:
            return
        if visit.status is JobStatus.SUCCEEDED and visit.stopped_at is None:  # its task had; its state has not
            visit.fail(event.timestamp, {})
        visit.abort(event.timestamp, JobStatus.ABORTED_DEPS_FAILED, "")

    def _exited(self, event: HistoryEvent, details: Mapping[str, Any]) -> None:
        type = StateType(event.type[: -len("StateExited")])
        visit = self._named(event, type, details.get("name")) if type in _FORKS else self._follow(event)
        if visit is None:
            return
        if visit.stopped_at is not None:  # a redrive has run it again, and AWS has told nothing of that before
            visit.begin_again()
            visit.status = JobStatus.RUNNING
        visit.end_inside(event.timestamp)
        visit.output = details.get("output")
        visit.stop(event.timestamp)
        if visit.status is not JobStatus.FAILED:
            visit.status = JobStatus.SUCCEEDED

    # ------------------------------------------------------------ Parallel and Map
    def _fork_started(self, event: HistoryEvent, details: Mapping[str, Any]) -> None:
        visit = self._fork_of(event)
        if visit is None:
            return
        if visit.begun or visit.status is JobStatus.FAILED:  # a retrier has answered
            self._fork_fails(visit, event)
            visit.begin_again()
            visit.status, visit.started_at = JobStatus.RUNNING, event.timestamp
        visit.begun = True
        if visit.type is StateType.PARALLEL:
            self._forks[event.id] = (visit, None)

    def _fork_failed(self, event: HistoryEvent, details: Mapping[str, Any]) -> None:
        visit = self._fork_of(event)
        if visit is not None:
            self._fork_fails(visit, event)
            visit.given_up = True

    def _fork_fails(self, visit: Visit, event: HistoryEvent) -> None:
        """*event* hangs on what failed inside, if AWS has told nothing of the fork's failure itself."""
        culprit = self._by_event.get(event.previous_event_id)
        if culprit is not None and culprit is not visit:
            visit.fail_by(culprit, event.timestamp)
        elif visit.status is not JobStatus.FAILED:
            visit.fail(event.timestamp, {})
        visit.end_inside(event.timestamp)

    def _fork_ended(self, event: HistoryEvent, details: Mapping[str, Any]) -> None:
        self._fork_of(event)

    def _fork_aborted(self, event: HistoryEvent, details: Mapping[str, Any]) -> None:
        visit = self._fork_of(event, gone=True)
        if visit is not None:
            visit.abort(event.timestamp, JobStatus.ABORTED_DEPS_FAILED, "")

    def _iteration_started(self, event: HistoryEvent, details: Mapping[str, Any]) -> None:
        visit = self._named(event, StateType.MAP, details.get("name"))
        if visit is not None:
            self._forks[event.id] = (visit, details.get("index", 0))

    def _iteration_failed(self, event: HistoryEvent, details: Mapping[str, Any]) -> None:
        """The Map's failure is that of the state on which this event hangs."""
        culprit = self._by_event.get(event.previous_event_id)
        visit = self._named(event, StateType.MAP, details.get("name"))
        if visit is None or culprit is None or culprit is visit:
            return
        visit.fail_by(culprit, event.timestamp)
        culprit.stop(culprit.failed_at or event.timestamp)

    def _iteration_ended(self, event: HistoryEvent, details: Mapping[str, Any]) -> None:
        self._named(event, StateType.MAP, details.get("name"))

    # ------------------------------------------------------------ the execution
    def _execution_failed(self, event: HistoryEvent, details: Mapping[str, Any]) -> None:
        """The visit that it hangs on has failed; what is open elsewhere is aborted."""
        self._culprit = culprit = self._by_event.get(event.previous_event_id)
        if culprit is not None and culprit.stopped_at is None and culprit.failed_at is None:
            culprit.fail(event.timestamp, details)
        for visit in self._open():
            visit.abort(event.timestamp, JobStatus.ABORTED_DEPS_FAILED, "")

    def _execution_timed_out(self, event: HistoryEvent, details: Mapping[str, Any]) -> None:
        self._culprit = self._only_open()
        for visit in self._open():
            visit.fail(event.timestamp, details, "Workflow timed out")
            visit.stop(event.timestamp)

    def _execution_aborted(self, event: HistoryEvent, details: Mapping[str, Any]) -> None:
        self._culprit = self._only_open()
        for visit in self._open():
            visit.abort(event.timestamp, JobStatus.ABORTED_BY_USER, details.get("cause") or details.get("error") or "")

    def _execution_redriven(self, event: HistoryEvent, details: Mapping[str, Any]) -> None:
        """
        The execution goes on with what had failed: for the jobs a redrive hangs on that, not on the end before it.

        What is around it runs again; it itself begins again once it is scheduled.
        """
        visit = self._culprit
        while visit is not None and visit.failed_by is not None:
            visit = visit.failed_by
        if visit is None:
            return
        self._by_event[event.id] = visit
        while visit.parent is not None:
            visit = visit.parent
            visit.begin_again()
            visit.status, visit.started_at, visit.begun = JobStatus.RUNNING, event.timestamp, False

    def _map_run_redriven(self, event: HistoryEvent, details: Mapping[str, Any]) -> None:
        visit = self._follow(event)
        if visit is not None and visit.stopped_at is not None:
            visit.begin_again()
            visit.status, visit.started_at = JobStatus.RUNNING, event.timestamp

    def _only_open(self) -> Visit | None:
        """The visit that is open and has none inside, if there is just one."""
        leaves = [visit for visit in self._open() if not visit.inside]
        return leaves[0] if len(leaves) == 1 else None

    def _open(self) -> list[Visit]:
        return [visit for visit in self._visits if visit.stopped_at is None]

    # ------------------------------------------------------------ what is shown
    def _job(self, visit: Visit) -> Job:
        return Job(
            id=str(visit.id),
            state=visit.state,
            state_type=visit.type,
            status=visit.status,
            created_at=visit.created_at,
            started_at=visit.started_at,
            stopped_at=visit.stopped_at if visit.stopped_at is not None else visit.failed_at,
            input=visit.input,
            output=visit.output,
            name=visit.state,
            container=visit.container,
            state_resource=self._resource(visit.state),
            status_reason=visit.reason,
            attempts=visit.attempts,
            error=visit.error,
            cause=visit.cause,
            branch=visit.branch,
            branch_path=visit.path,
            entered_event_id=visit.id,
        )

    def _resource(self, state: str) -> StateResource | None:
        if state not in self._resources:
            found = self._state(state)
            self._resources[state] = state_resource(found, self._namespace) if isinstance(found, TaskState) else None
        return self._resources[state]

    def _state(self, name: str) -> State | None:
        if self._states is None:  # walked once: a look-up for every job would make long machines quadratic
            walked = () if self._machine is None else graph.walk(self._machine)
            self._states = {}
            for _, _, state in walked:
                self._states.setdefault(state.name, state)
        return self._states.get(name)


def _fork_type(event: HistoryEvent) -> StateType:
    return StateType.MAP if event.type.startswith("Map") else StateType.PARALLEL


_HANDLERS: Mapping[Any, Callable[[JobFold, HistoryEvent, Mapping[str, Any]], None]] = {
    **{type: JobFold._entered for type in E if type.endswith("StateEntered")},
    **{type: JobFold._exited for type in E if type.endswith("StateExited")},
    **dict.fromkeys((E.TASK_SCHEDULED, E.LAMBDA_FUNCTION_SCHEDULED, E.ACTIVITY_SCHEDULED), JobFold._scheduled),
    **dict.fromkeys((E.TASK_STARTED, E.LAMBDA_FUNCTION_STARTED, E.ACTIVITY_STARTED), JobFold._started),
    **dict.fromkeys((E.TASK_SUCCEEDED, E.LAMBDA_FUNCTION_SUCCEEDED, E.ACTIVITY_SUCCEEDED), JobFold._succeeded),
    **dict.fromkeys((E.TASK_TIMED_OUT, E.LAMBDA_FUNCTION_TIMED_OUT, E.ACTIVITY_TIMED_OUT), JobFold._timed_out),
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
            E.MAP_RUN_FAILED,
        ),
        JobFold._failed,
    ),
    **dict.fromkeys((E.MAP_STATE_STARTED, E.PARALLEL_STATE_STARTED), JobFold._fork_started),
    **dict.fromkeys((E.MAP_STATE_FAILED, E.PARALLEL_STATE_FAILED), JobFold._fork_failed),
    **dict.fromkeys((E.MAP_STATE_SUCCEEDED, E.PARALLEL_STATE_SUCCEEDED), JobFold._fork_ended),
    **dict.fromkeys((E.MAP_STATE_ABORTED, E.PARALLEL_STATE_ABORTED), JobFold._fork_aborted),
    **dict.fromkeys((E.TASK_STATE_ABORTED, E.WAIT_STATE_ABORTED), JobFold._aborted),
    **dict.fromkeys((E.MAP_ITERATION_SUCCEEDED, E.MAP_ITERATION_ABORTED), JobFold._iteration_ended),
    E.MAP_ITERATION_STARTED: JobFold._iteration_started,
    E.MAP_ITERATION_FAILED: JobFold._iteration_failed,
    E.EVALUATION_FAILED: JobFold._evaluation_failed,
    E.EXECUTION_FAILED: JobFold._execution_failed,
    E.EXECUTION_TIMED_OUT: JobFold._execution_timed_out,
    E.EXECUTION_ABORTED: JobFold._execution_aborted,
    E.EXECUTION_REDRIVEN: JobFold._execution_redriven,
    E.MAP_RUN_REDRIVEN: JobFold._map_run_redriven,
}
