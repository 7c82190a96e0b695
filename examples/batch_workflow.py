"""
Runs a workflow on AWS Batch whose jobs are real commands.

    python examples/batch_workflow.py            here, against a fake account: the jobs are processes
    python examples/batch_workflow.py QUEUE      in your own account (docs/how-to/aws-batch.md has the set-up)

The workflow measures words: ``split`` makes lists of them, a Map does ``measure`` once for each list, as one array job,
and ``join`` puts the answers together.  Here one list is busy at first, so the definition's Retry is needed.

In your own account IMAGE and ROLE must be set: the image has this library, the role may write the results table.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import workflow_manager as wm
from workflow_manager.managers.batch import DirectoryResults
from workflow_manager.testing import FakeBatch

WORDS = ["the", "quick", "brown", "fox", "jumps", "over", "the", "lazy", "dog"]

COMMANDS = {
    "split": """
import json, sys
words = sys.argv[1:]
print(json.dumps([words[n : n + 3] for n in range(0, len(words), 3)]))
""",
    "measure": """
import json, os, sys
marker = os.environ.get("MARKER")
if marker and "fox" in sys.argv and not os.path.exists(marker):
    open(marker, "w").close()
    print(json.dumps({"error": "Shelf.Busy", "cause": "somebody else has the fox"}))
    sys.exit(1)
print(json.dumps({word: len(word) for word in sys.argv[1:]}))
""",
    "join": """
import json, sys
answers = [json.loads(text) for text in sys.argv[1:]]
print(json.dumps({word: length for answer in answers for word, length in answer.items()}))
""",
}
"""What the containers run, as Python programs; the far side hands the input over as arguments."""


def definition() -> wm.WorkflowDefinition:
    """The workflow; its Resources are job definitions."""
    retry = [{"ErrorEquals": ["Shelf.Busy"], "IntervalSeconds": 1, "MaxAttempts": 2}]
    measure = {"Type": "Task", "Resource": "measure", "Retry": retry, "End": True}
    document: dict[str, Any] = {
        "StartAt": "Split",
        "States": {
            "Split": {"Type": "Task", "Resource": "split", "Next": "Each"},
            "Each": {
                "Type": "Map",
                "ItemProcessor": {"StartAt": "Measure", "States": {"Measure": measure}},
                "Next": "Join",
            },
            "Join": {"Type": "Task", "Resource": "join", "TimeoutSeconds": 600, "End": True},
        },
    }
    return wm.WorkflowDefinition(name="lengths", state_machine=wm.StateMachine.from_dict(document), manager="batch")


def far_side(results: str, code: str) -> list[str]:
    """The command of a container: this library's far side around a program of ours."""
    return ["python", "-m", "workflow_manager.workers.batch", "--results", results, "--", "python3", "-c", code]


def here(folder: Path) -> tuple[wm.BatchWorkflowManager, Callable[[], None]]:
    """A manager over a fake account whose jobs are processes on this machine, and how time passes there."""
    fake = FakeBatch()
    fake.add_queue("jobs")
    for name, code in COMMANDS.items():
        command = far_side(f"file://{folder}/results", code)
        fake.register(name, command=command, environment={"MARKER": str(folder / "marker")})
    results = DirectoryResults(folder / "results")
    manager = wm.BatchWorkflowManager(
        fake.client(), wm.MemoryStore(), default_queue="jobs", results=results, clock=fake.clock
    )
    return manager, lambda: fake.advance(2)


def account(queue: str) -> tuple[wm.BatchWorkflowManager, Callable[[], None]]:
    """A manager over the account that boto3 finds, with the three job definitions in it."""
    import boto3

    batch = boto3.client("batch")
    for name, code in COMMANDS.items():
        batch.register_job_definition(
            jobDefinitionName=name,
            type="container",
            platformCapabilities=["FARGATE"],
            containerProperties={
                "image": os.environ["IMAGE"],
                "command": far_side("dynamodb://workflow-results", code),
                "jobRoleArn": os.environ["ROLE"],
                "executionRoleArn": os.environ["ROLE"],
                "networkConfiguration": {"assignPublicIp": "ENABLED"},
                "resourceRequirements": [{"type": "VCPU", "value": "0.25"}, {"type": "MEMORY", "value": "512"}],
            },
        )
    results = wm.DynamoDBResults(boto3.client("dynamodb"), table="workflow-results")
    manager = wm.BatchWorkflowManager(
        batch, wm.MemoryStore(), default_queue=queue, results=results, logs=boto3.client("logs")
    )
    return manager, lambda: time.sleep(10)


def main(manager: wm.BatchWorkflowManager, let_time_pass: Callable[[], None]) -> int:
    """Run the workflow; 0 if it succeeded."""
    lengths = definition()
    plan = manager.plan(lengths)
    print(f"submission: {plan.submission}, because", "; ".join(reason.message for reason in plan.reasons))
    workflow = manager.create_workflow(lengths, WORDS)
    while not workflow.status.is_final:
        let_time_pass()
        workflow = manager.update_workflow_summary(workflow)
    workflow = manager.update_workflow_history(workflow)
    for job in workflow.jobs:
        print(f"  {job.state:<8} {job.status:<10} {job.output}")
    print(f"{workflow.status}: {workflow.output or workflow.status_reason}")
    return 0 if workflow.status is wm.WorkflowStatus.SUCCEEDED else 1


if __name__ == "__main__":
    if len(sys.argv) > 1:
        sys.exit(main(*account(sys.argv[1])))
    with tempfile.TemporaryDirectory() as name:
        sys.exit(main(*here(Path(name))))
