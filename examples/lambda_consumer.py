"""
A Lambda function that brings workflows up to date as AWS tells of them, without anybody having to ask.

It takes the events of an EventBridge rule for "Step Functions Execution Status Change", of a CloudWatch Logs
subscription, and of a Kinesis stream behind one.  Deployed, ``handler`` is its entry point; the environment says where
the workflows are kept:

    TABLE_PREFIX       of the DynamoDB tables
    ROLE_ARN           what state machines run as
    ACCOUNT_ID

Run by itself it shows what it does, with a client that needs no AWS:  python examples/lambda_consumer.py
"""

from __future__ import annotations

import functools
import logging
import os
from collections.abc import Mapping
from typing import Any, ClassVar

import workflow_manager as wm

logger = logging.getLogger("lambda_consumer")


@functools.cache
def manager() -> wm.StepFunctionsWorkflowManager:
    """The manager that all invocations of this process share."""
    import boto3

    session = boto3.Session()
    store = wm.DynamoDBStore(session.client("dynamodb"), prefix=os.environ["TABLE_PREFIX"])
    return wm.StepFunctionsWorkflowManager(
        session.client("stepfunctions"),
        store,
        role_arn=os.environ["ROLE_ARN"],
        region=session.region_name or os.environ["AWS_REGION"],
        account_id=os.environ["ACCOUNT_ID"],
    )


def handler(event: Mapping[str, Any], context: object = None) -> dict[str, Any]:
    """
    Take in *event*.

    Of a Kinesis batch every record that could not be taken in is named, so that Lambda brings it again
    (ReportBatchItemFailures); one that is damaged would fail for ever, so it is logged and left.
    """
    failures = []
    for record in event.get("Records", [event]):
        try:
            apply(record)
        except wm.InvalidValueError:
            logger.exception("a damaged event is left out")
        except Exception:
            if "kinesis" not in record:
                raise
            logger.exception("an event is to come again")
            failures.append({"itemIdentifier": record["kinesis"]["sequenceNumber"]})
    return {"batchItemFailures": failures}


def apply(record: Mapping[str, Any]) -> None:
    """Take in one record or event, and say what became of the workflows."""
    event = {"Records": [record]} if "kinesis" in record else record
    for workflow in manager().apply_event(event):
        print(
            f"{workflow.workflow_definition.name}: {workflow.status.value} {workflow.output or workflow.status_reason}"
        )


class Pretender:
    """In the place of boto3's client: it knows no state machine, makes any, and starts executions that say nothing."""

    class Unknown(Exception):
        """AWS's answer that there is no such state machine."""

        response: ClassVar[dict[str, Any]] = {"Error": {"Code": "StateMachineDoesNotExist"}}

    def describe_state_machine(self, **arguments: Any) -> dict[str, Any]:
        """None is there."""
        raise self.Unknown

    def __getattr__(self, operation: str) -> Any:
        """Any other operation succeeds and says nothing."""
        return lambda **arguments: {}


def demonstrate() -> None:
    """Start a workflow, and take in two events of it, the end first."""
    machine = wm.StateMachine.from_dict(
        {"StartAt": "Greet", "States": {"Greet": {"Type": "Task", "Resource": "greet", "End": True}}}
    )
    store = wm.MemoryStore()
    role_arn = "arn:aws:iam::123456789012:role/workflows"
    pretending = wm.StepFunctionsWorkflowManager(
        Pretender(), store, role_arn=role_arn, region="eu-west-1", account_id="123456789012"
    )
    globals()["manager"] = lambda: pretending  # in the place of the one that the environment describes
    definition = wm.WorkflowDefinition(name="greeting", state_machine=machine, manager="step-functions")
    workflow = pretending.create_workflow(definition, {"name": "world"}, namespace="demo")
    detail = {"executionArn": pretending.execution_arn(workflow), "name": workflow.id, "startDate": 1767225600000}
    kind = {"source": "aws.states", "detail-type": "Step Functions Execution Status Change"}
    end = {"status": "SUCCEEDED", "output": '{"said": "hello world"}', "stopDate": 1767225660000}
    handler({**kind, "detail": {**detail, **end}})
    handler({**kind, "detail": {**detail, "status": "RUNNING"}})  # late news is no news


if __name__ == "__main__":
    demonstrate()
