"""
Step Functions: how fast a history becomes jobs, and how many calls an operation takes.

    bench_step_functions.py [jobs|calls] [EVENTS]

``jobs``: EVENTS events as boto3 gives them, read, linked and folded, page by page.  ``calls``: the calls of each
operation, counted on a client that answers by itself; with the rate of creations.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from typing import Any

from harness import PAYLOAD, measure

import workflow_manager as wm
from workflow_manager.jobs import JobFold
from workflow_manager.managers.step_functions.pacing import Pacer
from workflow_manager.managers.step_functions.pages import Reader

NOON = datetime(2026, 3, 14, 12, tzinfo=UTC)
PAGE = 1000
ENDLESS = wm.StateMachine.from_dict(
    {
        "StartAt": "Work",
        "States": {
            "Work": {"Type": "Task", "Resource": "work", "Next": "More"},
            "More": {
                "Type": "Choice",
                "Choices": [{"Variable": "$.rush", "IsPresent": True, "Next": "Work"}],
                "Default": "End",
            },
            "End": {"Type": "Succeed"},
        },
    }
)
VISIT = (
    ("TaskStateEntered", "stateEnteredEventDetails", {"name": "Work", "input": json.dumps(PAYLOAD)}),
    ("ActivityScheduled", "activityScheduledEventDetails", {"resource": "arn", "input": json.dumps(PAYLOAD)}),
    ("ActivityStarted", "activityStartedEventDetails", {"workerName": "host"}),
    ("ActivitySucceeded", "activitySucceededEventDetails", {"output": json.dumps(PAYLOAD)}),
    ("TaskStateExited", "stateExitedEventDetails", {"name": "Work", "output": json.dumps(PAYLOAD)}),
)


def history(n: int) -> list[dict[str, Any]]:
    """*n* events: one visit of a Task after another."""
    events: list[dict[str, Any]] = []
    for number in range(1, n + 1):
        type, member, details = VISIT[(number - 1) % len(VISIT)]
        events.append(
            {"id": number, "previousEventId": number - 1, "timestamp": NOON, "type": type, member: dict(details)}
        )
    return events


def jobs(n: int) -> None:
    """The rate is in events per second."""
    events = history(n)
    with measure("workflow-manager", f"step-functions-jobs-{n}", n) as extra:
        reader, fold = Reader(), JobFold(machine=ENDLESS)
        for begin in range(0, n, PAGE):
            for event in reader.read(events[begin : begin + PAGE]):
                fold.add(event)
        found = fold.jobs()
        extra["jobs"] = len(found)
    assert len(found) == (n + 4) // 5, found[:3]


class MissingError(Exception):
    """AWS's StateMachineDoesNotExist, as botocore raises it."""

    response = {"Error": {"Code": "StateMachineDoesNotExist"}}


class Client:
    """Counts the calls, and answers as AWS does."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.machines: set[str] = set()
        self.events = history(10)

    def __getattr__(self, operation: str) -> Any:
        def call(**arguments: Any) -> Any:
            self.calls.append(operation)
            return getattr(self, f"_{operation}")(**arguments)

        return call

    def _describe_state_machine(self, **_: Any) -> Any:
        raise MissingError

    def _create_state_machine(self, **_: Any) -> Any:
        return {}

    def _start_execution(self, **_: Any) -> Any:
        return {}

    def _describe_execution(self, **_: Any) -> Any:
        return {"status": "RUNNING"}

    def _get_execution_history(self, **arguments: Any) -> Any:
        return {"events": self.events[::-1] if arguments.get("reverseOrder") else self.events}


def calls(n: int) -> None:
    """The rate is in workflows created per second."""
    client, store = Client(), wm.MemoryStore()
    definition = store.save_workflow_definition(wm.WorkflowDefinition(name="endless", state_machine=ENDLESS))
    manager = wm.StepFunctionsWorkflowManager(
        client, store, role_arn="r", region="eu-west-1", account_id="1", pacer=Pacer({})
    )

    def counted(operation: Any) -> int:
        before = len(client.calls)
        operation()
        return len(client.calls) - before

    new = counted(lambda: manager.create_workflow(definition, PAYLOAD))
    with measure("workflow-manager", "step-functions-calls", n) as extra:
        made = [manager.create_workflow(definition, PAYLOAD) for _ in range(n)]
        known = (len(client.calls) - new) / n
    summary = counted(lambda: manager.update_workflow_summary(made[0]))
    first = counted(lambda: manager.update_workflow_history(made[0]))
    client.events += [{**event, "id": event["id"] + 10, "previousEventId": event["id"] + 9} for event in client.events]
    later = counted(lambda: manager.update_workflow_history(made[0]))
    print(json.dumps({"create_new": new, "create_known": known, "update": summary, "history": first, "later": later}))
    assert (new, known, summary, first, later) == (3, 1, 1, 1, 1), client.calls[-5:]
    del extra


if __name__ == "__main__":
    what = sys.argv[1] if len(sys.argv) > 1 else "jobs"
    {"jobs": jobs, "calls": calls}[what](int(sys.argv[2]) if len(sys.argv) > 2 else 25_000)
