"""
The program that is killed: runs workflows out of one SQLite file until all have ended.

    python durable_worker.py FILE LOG COUNT [synchronous [GATE]]

It takes over whatever processes before it have left undone, prints ``ready``, makes sure that the workflows 0 to
COUNT - 1 are there (their idempotency keys are their numbers), and prints ``done`` when all have ended.  Every task
writes a line of JSON to LOG before it does anything: its token, the time, and the process.  With a GATE it leaves a
file there with its process's number as suffix, and begins when GATE itself is there.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from workflow_manager import SQLiteStore, StateMachine, TaskError, WorkflowDefinition
from workflow_manager.managers.context import TaskContext
from workflow_manager.managers.local import LocalWorkflowManager
from workflow_manager.managers.wait import wait
from workflow_manager.models import WorkflowQuery, WorkflowStatus
from workflow_manager.stores.sqlite import Synchronous

LOST = {"ErrorEquals": ["Local.WorkerLost"], "IntervalSeconds": 1, "MaxAttempts": 1000, "BackoffRate": 1}
FLAKY = {"ErrorEquals": ["Flaky"], "IntervalSeconds": 1, "MaxAttempts": 3}


def task(resource: str, **fields: Any) -> dict[str, Any]:
    return {"Type": "Task", "Resource": resource, "Retry": [LOST, FLAKY], **fields}


def chain(*resources: str) -> dict[str, Any]:
    """Tasks in a row."""
    names = [f"{resource}{number}" for number, resource in enumerate(resources)]
    ways = [{"Next": name} for name in names[1:]] + [{"End": True}]
    states = {name: task(resource, **way) for name, resource, way in zip(names, resources, ways, strict=True)}
    return {"StartAt": names[0], "States": states}


PAUSE = {"StartAt": "Pause", "States": {"Pause": {"Type": "Wait", "Seconds": 1, "End": True}}}
MACHINES: dict[str, dict[str, Any]] = {
    "chain": chain(*["add"] * 6),
    "map": {
        "StartAt": "Spread",
        "States": {
            "Spread": {"Type": "Pass", "Parameters": {"n.$": "States.ArrayRange(1, 5, 1)"}, "Next": "Each"},
            "Each": {
                "Type": "Map",
                "ItemsPath": "$.n",
                "MaxConcurrency": 2,
                "ItemProcessor": chain("add", "add"),
                "End": True,
            },
        },
    },
    "retry": chain("flaky", "add", "flaky"),
    "wait": {
        "StartAt": "Before",
        "States": {
            "Before": task("add", Next="Sleep"),
            "Sleep": {"Type": "Wait", "Seconds": 1, "Next": "After"},
            "After": task("add", End=True),
        },
    },
    "parallel": {
        "StartAt": "Both",
        "States": {
            "Both": {"Type": "Parallel", "Branches": [chain("add", "add"), PAUSE, chain("flaky")], "Next": "Last"},
            "Last": task("total", End=True),
        },
    },
    "failure": chain("add", "broken", "add"),
}


def definition(number: int) -> WorkflowDefinition:
    """What the workflow *number* runs; its input is the number."""
    name = list(MACHINES)[number % len(MACHINES)]
    return WorkflowDefinition(name=name, state_machine=StateMachine.from_dict(MACHINES[name]))


def tasks(log: Callable[[str], None]) -> dict[str, Callable[..., Any]]:
    """The tasks; each tells *log* its token, then works for up to 0.12 seconds, as its token says."""

    def work(context: TaskContext) -> None:
        log(context.token)
        time.sleep(hashlib.sha256(context.token.encode()).digest()[0] / 255 * 0.12)

    def add(input: Any, context: TaskContext) -> Any:
        work(context)
        return input + 1

    def flaky(input: Any, context: TaskContext) -> Any:
        work(context)
        if context.attempt == 0:
            raise TaskError("Flaky", "the first attempt never works")
        return input + 10

    def broken(input: Any, context: TaskContext) -> Any:
        work(context)
        raise TaskError("Broken", f"not with {input}")

    def total(input: Any, context: TaskContext) -> Any:
        work(context)
        return sum(value for value in input if isinstance(value, int))

    return {"add": add, "flaky": flaky, "broken": broken, "total": total}


def file_log(path: str) -> Callable[[str], None]:
    """A log whose lines are in the file when the call returns, whatever becomes of the process."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def log(token: str) -> None:
        os.write(file, (json.dumps([token, time.time(), os.getpid()]) + "\n").encode())

    return log


def unfinished(store: SQLiteStore) -> list[Any]:
    """All workflows that have not ended."""
    return [
        workflow
        for status in (WorkflowStatus.RUNNING, WorkflowStatus.QUEUED)
        for workflow in store.list_workflows(WorkflowQuery(status=status, limit=1000))
    ]


def wait_at(gate: Path) -> None:
    """Until *gate* opens."""
    gate.with_suffix(f".{os.getpid()}").touch()
    while not gate.exists():
        time.sleep(0.001)


def main(path: str, log: str, count: int, synchronous: str = "NORMAL", gate: str = "") -> None:
    if gate:
        wait_at(Path(gate))
    with (
        SQLiteStore(Path(path), synchronous=Synchronous(synchronous)) as store,
        LocalWorkflowManager(store, tasks(file_log(log)), max_workers=8) as manager,
    ):
        print("ready", flush=True)
        for number in range(count):
            manager.create_workflow(definition(number), number, idempotency_key=str(number))
        while left := unfinished(store):
            for workflow in left:
                wait(manager, workflow, timeout=120)
    print("done", flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), *sys.argv[4:])
