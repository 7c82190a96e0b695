"""Snapshots: an execution as a JSON value, and back."""

from __future__ import annotations

import json
from typing import Any

import attrs
import jsonata  # noqa: F401  # it raises the recursion limit
import pytest

from flows import ALL, QUEUE, begin, flow, for_each, later, parallel, task, wait
from workflow_manager.asl.machine import StateMachine
from workflow_manager.engine import (
    Execution,
    TaskFailed,
    TaskHeartbeat,
    TaskStarted,
    TaskSubmitted,
    TaskSucceeded,
    TimerFired,
)
from workflow_manager.engine.snapshot import VERSION
from workflow_manager.engine.state import Branch, ExecutionState, Fork, MapRun

RUN = {"ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}}
BUSY = flow(
    Fan=parallel(
        flow(A=task(QUEUE, TimeoutSeconds=60, HeartbeatSeconds=9, Credentials={"RoleArn": "arn:aws:iam::1:role/x"})),
        flow(B=wait(60)),
        flow(C=task(Retry=[{"ErrorEquals": ALL}])),
        flow(D=for_each(flow(E=task()), ItemsPath="$.items", MaxConcurrency=2)),
        flow(F=for_each({**RUN, **flow(G=task())}, ItemsPath="$.items", ToleratedFailureCount=1)),
        flow(H=for_each({**RUN, **flow(I=task())}, ItemReader={"Resource": "arn:aws:states:::s3:listObjectsV2"})),
    ),
    After={"Type": "Pass", "Parameters": {"all.$": "$", "x.$": "$x"}},
    timeout=600,
)
BUSY["States"]["Fan"]["Assign"] = {"x": [1, {"y": None}]}


def busy() -> Execution:
    """An execution with something of everything under way."""
    execution = begin(BUSY, {"items": [1, 2, 3], "text": "ä"})
    tokens: dict[str, list[str]] = {}
    for token, pending in execution.pending_tasks.items():
        tokens.setdefault(pending.state, []).append(token)
    execution.receive(TaskStarted(tokens["A"][0], later(1)))
    execution.receive(TaskSubmitted(tokens["A"][0], later(2), {"id": 7}))
    execution.receive(TaskHeartbeat(tokens["A"][0], later(3)))
    execution.receive(TaskFailed(tokens["C"][0], later(3), "Boom", "it went"))
    execution.receive(TaskSucceeded(tokens["E"][0], later(4), "first"))
    execution.receive(TaskFailed(tokens["F"][1], later(4), "Boom"))
    page = {"Contents": [{"Key": "a"}], "IsTruncated": True, "NextContinuationToken": "2"}
    execution.receive(TaskSucceeded(tokens["H"][0], later(5), page))
    return execution


def restore(snapshot: Any) -> Execution:
    """The execution that wrote *snapshot*."""
    return Execution.restore(StateMachine.from_dict(BUSY), snapshot, name="run")


def finish(execution: Execution) -> list[Any]:
    """Go on to the end, the same way every time."""
    written: list[Any] = []
    while not execution.outcome.is_final:
        if execution.pending_tasks:
            token, pending = next(iter(execution.pending_tasks.items()))
            answer = {"Contents": [{"Key": "b"}]} if "s3" in pending.resource.text else pending.input
            written += execution.receive(TaskSucceeded(token, later(10), answer))
        else:
            timer = min(execution.pending_timers.values(), key=lambda timer: timer.due)
            written += execution.receive(TimerFired(timer.id, timer.due))
    return written


def test_a_snapshot_is_json_and_the_way_back_is_complete() -> None:
    """All that is pending and all that is known comes back; both go on alike to the same end."""
    execution = busy()
    snapshot = execution.snapshot()
    restored = restore(json.loads(json.dumps(snapshot)))
    assert restored.snapshot() == snapshot
    assert restored.pending_tasks == execution.pending_tasks
    assert restored.pending_timers == execution.pending_timers
    assert (restored.last_event_id, restored.event_count) == (execution.last_event_id, execution.event_count)
    for token in execution.pending_tasks:
        assert restored.context_of(token) == execution.context_of(token)
    assert finish(restored) == finish(execution)
    assert restored.outcome == execution.outcome
    assert execution.outcome.output is not None
    assert execution.outcome.output["x"] == [1, {"y": None}]


def test_what_is_pending_is_news_to_a_restored_driver() -> None:
    """The changes of a restored execution are all that is pending; no events are to be stored."""
    restored = restore(busy().snapshot())
    changes = restored.take_changes()
    assert changes.tasks == restored.pending_tasks
    assert changes.timers == restored.pending_timers
    assert (changes.withdrawn, changes.withdrawn_timers, restored.take_events()) == ([], [], [])


def test_a_snapshot_stands_still() -> None:
    """What happens later, to the execution or to another that was restored from it, does not reach it."""
    execution = busy()
    snapshot = execution.snapshot()
    text = json.dumps(snapshot)
    finish(execution)
    assert json.dumps(snapshot) == text
    finish(restore(snapshot))
    assert json.dumps(snapshot) == text


def test_an_execution_that_has_ended_comes_back_as_ended() -> None:
    """With its outcome, and with nothing pending."""
    execution = busy()
    finish(execution)
    restored = restore(json.loads(json.dumps(execution.snapshot())))
    assert restored.outcome == execution.outcome
    assert not restored.pending_tasks
    assert restored.receive(TaskSucceeded("run.3.0", later(99), 1)) == []


@pytest.mark.parametrize("version", [None, 0, VERSION + 1, str(VERSION)])
def test_a_snapshot_of_another_version_is_refused(version: Any) -> None:
    """The history says the same: replay it."""
    snapshot = {**busy().snapshot(), "version": version}
    with pytest.raises(ValueError, match="cannot be read"):
        restore(snapshot)


def test_no_attribute_is_forgotten() -> None:
    """Whatever a branch, a fork or a Map Run holds is in the snapshot, or follows from what is."""
    snapshot: Any = busy().snapshot()
    branches = snapshot["branches"]
    derived = {"current", "attempt", "parent", "program", "entered_at"}
    assert set(Branch.__slots__) - derived <= branches[0].keys()
    run = next(branch["fork"] for branch in branches if branch["fork"] and "run" in branch["fork"])
    assert set(Fork.__slots__) - {"batches", "effective"} <= run.keys()
    assert set(MapRun.__slots__) == run["run"].keys()
    assert (
        len(ExecutionState.__slots__) == len(snapshot) + len({"program", "identity", "changes", "token_branches"}) - 1
    )
    task_fields = {field.name for field in attrs.fields(type(next(iter(busy().pending_tasks.values()))))}
    assert len(snapshot["tasks"][0]) == len(task_fields)
