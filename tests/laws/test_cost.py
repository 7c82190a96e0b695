"""Law 4: a report costs what it changes, and a thousand states in a row cost no stack."""

from __future__ import annotations

import inspect
import sys
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from types import FrameType
from typing import Any

import pytest
from player import BEGIN, NAME

from workflow_manager.asl.machine import StateMachine
from workflow_manager.engine import NO_LIMITS, Execution, TaskFailed, TaskHeartbeat, TaskSucceeded, TimerFired
from workflow_manager.jobs import jobs_from_history

TASK = {"Type": "Task", "Resource": "bake", "End": True}
PASS = {"Type": "Pass", "End": True}


def fan(item: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """A machine that is one Map over its input, each item being one state."""
    processor = {"StartAt": "Item", "States": {"Item": item}, **fields.pop("processor", {})}
    return {"StartAt": "Fan", "States": {"Fan": {"Type": "Map", "ItemProcessor": processor, "End": True, **fields}}}


def start(document: dict[str, Any], items: int) -> Execution:
    """An execution over *items* items."""
    machine = StateMachine.from_dict(document)
    return Execution.start(machine, list(range(items)), name=NAME, at=BEGIN, limits=NO_LIMITS)


def lines_run(work: Callable[[], object]) -> int:
    """How many lines of Python *work* runs, loops in one line included: a measure that no other program disturbs."""
    count = 0

    def trace(frame: FrameType, event: str, arg: object) -> Any:
        nonlocal count
        count += 1
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return count


def succeed_all(execution: Execution) -> None:
    """Answer every pending task, also those that come to be pending by that."""
    while execution.pending_tasks:
        for token in list(execution.pending_tasks):
            execution.receive(TaskSucceeded(token, BEGIN, 1))
    assert execution.status == "SUCCEEDED"


def fail_one(execution: Execution) -> None:
    """Let the last task fail: all the others are aborted."""
    execution.receive(TaskFailed(list(execution.pending_tasks)[-1], BEGIN, "Boom"))
    assert execution.status == "FAILED"


def fire_all(execution: Execution) -> None:
    """Fire every timer, one by one."""
    for timer in list(execution.pending_timers.values()):
        execution.receive(TimerFired(timer.id, timer.due))
    assert execution.status == "SUCCEEDED"


RETRY = [{"ErrorEquals": ["States.ALL"]}]
RUN = {"ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}}
RUNS: dict[str, tuple[dict[str, Any], Callable[[Execution], None]]] = {
    "passes": (fan(PASS), succeed_all),
    "tasks": (fan(TASK), succeed_all),
    "tasks-two-at-once": (fan(TASK, MaxConcurrency=2), succeed_all),
    "tasks-with-clocks": (fan({**TASK, "TimeoutSeconds": 60, "HeartbeatSeconds": 9, "Retry": RETRY}), succeed_all),
    "selected": (fan(TASK, ItemSelector={"i.$": "$$.Map.Item.Index", "v.$": "$$.Map.Item.Value"}), succeed_all),
    "waits": (fan({"Type": "Wait", "Seconds": 5, "End": True}), fire_all),
    "one-fails": (fan(TASK), fail_one),
    "a-run": (fan(TASK, processor=RUN), succeed_all),
    "a-run-three-at-once": (fan(TASK, processor=RUN, MaxConcurrency=3), succeed_all),
    "a-run-in-batches": (fan(TASK, processor=RUN, ItemBatcher={"MaxItemsPerBatch": 5}), succeed_all),
}


@pytest.mark.parametrize("case", RUNS)
def test_a_map_is_linear_in_its_items(case: str) -> None:
    """Three times the items: three times the events and three times the work, also when it is replayed and shown."""
    document, finish = RUNS[case]

    def run(items: int) -> Counter[str]:
        events: list[Any] = []

        def live() -> None:
            execution = start(document, items)
            finish(execution)
            events.extend(execution.events)

        cost = Counter(live=lines_run(live), events=len(events))
        machine = StateMachine.from_dict(document)
        cost["replay"] = lines_run(lambda: Execution.replay(machine, events, name=NAME, limits=NO_LIMITS))
        cost["jobs"] = lines_run(lambda: jobs_from_history(events, machine=machine))
        return cost

    run(2)  # what is made once
    few, some, many = run(50), run(100), run(200)
    for what, cost in many.items():
        assert cost - some[what] <= 2.05 * (some[what] - few[what]), what


def test_a_report_costs_the_same_among_many_as_among_few() -> None:
    """A heartbeat, a failure that is retried and the back-off's end touch one branch, however many are open."""
    document = fan({**TASK, "HeartbeatSeconds": 9, "Retry": RETRY})

    def one_of(items: int) -> int:
        execution = start(document, items)
        token = list(execution.pending_tasks)[items // 2]

        def reports() -> None:
            execution.receive(TaskHeartbeat(token, BEGIN))
            execution.receive(TaskFailed(token, BEGIN, "Boom"))
            (timer,) = [timer for timer in execution.take_changes().timers if timer.startswith("retry")]
            execution.receive(TimerFired(timer, BEGIN + timedelta(seconds=1)))

        execution.take_changes()
        execution.take_events()
        return lines_run(reports)

    one_of(2)
    assert one_of(400) == one_of(40)


@pytest.mark.parametrize("ways", ["next", "default", "catch"])
def test_five_thousand_states_in_a_row_need_no_stack(ways: str) -> None:
    """Work is a queue: neither Passes, nor Choices, nor failures that are caught, one after another, recur."""
    number = 5_000
    states: dict[str, Any] = {str(number): {"Type": "Succeed"}}
    for index in range(number):
        target = str(index + 1)
        if ways == "next":
            states[str(index)] = {"Type": "Pass", "Next": target}
        elif ways == "default":
            rule = {"Variable": "$.x", "IsPresent": True, "Next": "0"}
            states[str(index)] = {"Type": "Choice", "Choices": [rule], "Default": target}
        else:
            catcher = {"ErrorEquals": ["States.ALL"], "Next": target, "ResultPath": None}
            branch = {"StartAt": f"F{index}", "States": {f"F{index}": {"Type": "Fail", "Error": "Boom"}}}
            states[str(index)] = {"Type": "Parallel", "Branches": [branch], "Catch": [catcher], "End": True}
    machine = StateMachine.from_dict({"StartAt": "0", "States": states})
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(len(inspect.stack(0)) + 60)
    try:
        execution = Execution.start(machine, {}, name=NAME, at=BEGIN, limits=NO_LIMITS)
    finally:
        sys.setrecursionlimit(limit)
    assert execution.status == "SUCCEEDED"
    assert execution.last_event_id > 2 * number
    assert Execution.replay(machine, execution.events, name=NAME, limits=NO_LIMITS).outcome == execution.outcome


def test_what_has_ended_is_let_go() -> None:
    """Joined iterations leave no branch behind: what is kept open is what runs."""
    execution = start(fan(TASK, MaxConcurrency=3), 300)
    while len(execution.pending_tasks) == 3:
        assert len(execution._state.branches) == 4
        execution.receive(TaskSucceeded(next(iter(execution.pending_tasks)), BEGIN, 1))
    succeed_all(execution)
    assert list(execution._state.branches) == [""]
