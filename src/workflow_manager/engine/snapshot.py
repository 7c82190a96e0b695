"""
Snapshots: an execution as a JSON value, and back.

A snapshot is a cache and may be thrown away: the history says the same.  It spares a driver the reading of a long one.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from workflow_manager.asl.machine import StateType
from workflow_manager.asl.program import Program
from workflow_manager.asl.resources import parse_resource
from workflow_manager.asl.retries import Failure
from workflow_manager.asl.values import JSON
from workflow_manager.engine.folding.runs import CHILD_RESOURCE
from workflow_manager.engine.identity import Identity
from workflow_manager.engine.pending import ExecutionStatus, Outcome, PendingTask, PendingTimer, TimerKind
from workflow_manager.engine.state import Branch, ExecutionState, Fork, MapRun, Phase

VERSION = 1
"""The form of the snapshots that this version writes; others are refused."""

_BRANCH = (
    "aborted",
    "before",
    "entered_id",
    "final",
    "input",
    "next",
    "output",
    "previous",
    "reported",
    "result",
    "token",
)
_FORK = ("active", "concurrency", "done", "length", "results", "started", "started_id", "written")
_RUN = MapRun.__slots__


def dump(x: ExecutionState) -> dict[str, JSON]:
    """All of *x* but its identity and its machine; values are shared, not copied."""
    outcome = x.outcome
    return {
        "version": VERSION,
        "startedAt": _time(x.started_at),
        "input": x.input,
        "lastId": x.last_id,
        "sequence": x.sequence,
        "outcome": [outcome.status.value, outcome.output, outcome.error, outcome.cause],
        "ready": list(x.ready),
        "branches": [_dump_branch(branch) for branch in x.branches.values()],
        "tasks": [_dump_task(task) for task in x.tasks.values()],
        "timers": [[timer.id, timer.kind.value, timer.branch, _time(timer.due)] for timer in x.timers.values()],
    }


def load(program: Program, identity: Identity, snapshot: Mapping[str, Any]) -> ExecutionState:
    """
    The state that :func:`dump` wrote.

    Raises:
        ValueError: the snapshot is of another version.
    """
    if snapshot.get("version") != VERSION:
        raise ValueError(f"a snapshot of version {snapshot.get('version')!r} cannot be read")
    x = ExecutionState(program, identity)
    x.started_at = _read_time(snapshot["startedAt"])
    x.input, x.last_id, x.sequence = snapshot["input"], snapshot["lastId"], snapshot["sequence"]
    status, output, error, cause = snapshot["outcome"]
    x.outcome = Outcome(status=ExecutionStatus(status), output=output, error=error, cause=cause)
    for document in sorted(snapshot["branches"], key=lambda branch: branch["path"].count("/") + bool(branch["path"])):
        _load_branch(x, document)
    x.branches = {document["path"]: x.branches[document["path"]] for document in snapshot["branches"]}
    for path in snapshot["ready"]:
        x.ready[path] = x.branches[path]
    for document in snapshot["tasks"]:
        task = _load_task(document)
        x.tasks[task.token], x.token_branches[task.token] = task, task.branch
    for timer_id, kind, branch, due in snapshot["timers"]:
        time = _read_time(due)
        assert time is not None
        x.timers[timer_id] = PendingTimer(id=timer_id, kind=TimerKind(kind), branch=branch, due=time)
    x.changes.tasks, x.changes.timers = dict(x.tasks), dict(x.timers)
    return x


def _dump_branch(branch: Branch) -> dict[str, JSON]:
    failure = branch.failure
    return {
        "path": branch.path,
        "index": branch.index,
        "phase": int(branch.phase),
        "state": None if branch.state is None else branch.state.name,
        "enteredAt": _time(branch.entered_at),
        "variables": branch.variables,
        "retries": {str(index): count for index, count in branch.retries.items()},
        "failure": None if failure is None else [failure.error, failure.cause, failure.heartbeat],
        "timers": list(branch.timers),
        "fork": None if branch.fork is None else _dump_fork(branch.fork),
        **{name: getattr(branch, name) for name in _BRANCH},
    }


def _dump_fork(fork: Fork) -> dict[str, JSON]:
    run = fork.run
    document: dict[str, JSON] = {name: getattr(fork, name) for name in _FORK}
    document["results"] = list(fork.results)
    document["children"] = list(fork.children)
    document["freed"] = list(fork.freed)
    if run is not None:
        document["items"] = list(fork.items) if run.reading and fork.items is not None else None
        about = {name: getattr(run, name) for name in _RUN}
        about["failed_children"] = list(run.failed_children)  # it grows in place
        document["run"] = about
    return document


def _load_branch(x: ExecutionState, document: Mapping[str, Any]) -> None:
    path = document["path"]
    parent = x.branches[path.rpartition("/")[0]] if path else None
    branch = Branch(path, _program(x, parent, document["index"]), parent, document["index"])
    branch.phase = Phase(document["phase"])
    branch.state = None if document["state"] is None else branch.program.states[document["state"]]
    branch.entered_at = _read_time(document["enteredAt"])
    branch.variables = document["variables"]
    branch.retries = {int(index): count for index, count in document["retries"].items()}
    branch.failure = None if document["failure"] is None else Failure(*document["failure"])
    branch.timers = tuple(document["timers"])
    for name in _BRANCH:
        setattr(branch, name, document[name])
    if document["fork"] is not None:
        branch.fork = _load_fork(document["fork"])
    x.branches[path] = branch
    if parent is not None and parent.fork is not None:
        parent.fork.children[branch.index] = branch


def _program(x: ExecutionState, parent: Branch | None, index: int) -> Program:
    if parent is None:
        return x.program
    state = parent.current
    return state.branches[index] if state.type is StateType.PARALLEL else state.processor


def _load_fork(document: Mapping[str, Any]) -> Fork:
    fork = Fork(document["length"], document["started_id"], document["concurrency"])
    for name in _FORK:
        setattr(fork, name, document[name])
    fork.results = list(document["results"])
    fork.freed.extend(document["freed"])
    if "run" in document:
        fork.items = None if document["items"] is None else list(document["items"])
        fork.run = MapRun(None, None)
        for name in _RUN:
            setattr(fork.run, name, document["run"][name])
        fork.run.failed_children = list(fork.run.failed_children)
    return fork


def _dump_task(task: PendingTask) -> dict[str, JSON]:
    return {
        "token": task.token,
        "branch": task.branch,
        "state": task.state,
        "resource": task.resource.text,
        "input": task.input,
        "attempt": task.attempt,
        "scheduledEventId": task.scheduled_event_id,
        "scheduledAt": _time(task.scheduled_at),
        "timeoutSeconds": task.timeout_seconds,
        "heartbeatSeconds": task.heartbeat_seconds,
        "credentials": task.credentials,
        "started": task.started,
        "submitted": task.submitted,
        "receipt": task.receipt,
    }


def _load_task(document: Mapping[str, Any]) -> PendingTask:
    text = document["resource"]
    scheduled_at = _read_time(document["scheduledAt"])
    assert scheduled_at is not None
    return PendingTask(
        token=document["token"],
        branch=document["branch"],
        state=document["state"],
        resource=CHILD_RESOURCE if text == CHILD_RESOURCE.text else parse_resource(text),
        input=document["input"],
        attempt=document["attempt"],
        scheduled_event_id=document["scheduledEventId"],
        scheduled_at=scheduled_at,
        timeout_seconds=document["timeoutSeconds"],
        heartbeat_seconds=document["heartbeatSeconds"],
        credentials=document["credentials"],
        started=document["started"],
        submitted=document["submitted"],
        receipt=document["receipt"],
    )


def _time(time: datetime | None) -> str | None:
    return None if time is None else time.isoformat()


def _read_time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
