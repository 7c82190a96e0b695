"""The children of distributed Maps, which AWS does not show in the parent's history: looked at on demand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import attrs

from workflow_manager.asl.machine import StateMachine
from workflow_manager.jobs import JobFold
from workflow_manager.managers.step_functions.client import Calls, Response
from workflow_manager.managers.step_functions.names import is_express, name_of_execution
from workflow_manager.managers.step_functions.pages import Reader, events_after
from workflow_manager.managers.step_functions.standing import STATUS
from workflow_manager.models import Job, WorkflowStatus

_PAGE = 1000


@attrs.frozen(kw_only=True)
class MapRun:
    """
    One run of a distributed Map (AWS API: DescribeMapRun).

    *item_counts* and *execution_counts* are by status in AWS's words (``pending``, ``succeeded``, ``total``, …).
    """

    arn: str
    status: str
    started_at: datetime | None
    stopped_at: datetime | None
    item_counts: Mapping[str, int]
    execution_counts: Mapping[str, int]


@attrs.frozen(kw_only=True)
class ChildExecution:
    """One child execution of a Map run (AWS API: ListExecutions)."""

    arn: str
    name: str
    status: WorkflowStatus
    started_at: datetime | None
    stopped_at: datetime | None
    item_count: int | None


def map_runs(calls: Calls, execution_arn: str) -> Iterator[MapRun]:
    """The Map runs of an execution."""
    for page in calls.pages("list_map_runs", executionArn=execution_arn, maxResults=_PAGE):
        for listed in page["mapRuns"]:
            yield _map_run(calls.make("describe_map_run", mapRunArn=listed["mapRunArn"]))


def _map_run(found: Response) -> MapRun:
    return MapRun(
        arn=found["mapRunArn"],
        status=found["status"],
        started_at=found.get("startDate"),
        stopped_at=found.get("stopDate"),
        item_counts=dict(found.get("itemCounts", {})),
        execution_counts=dict(found.get("executionCounts", {})),
    )


def children(calls: Calls, map_run_arn: str) -> Iterator[ChildExecution]:
    """The child executions of a Map run, the newest first."""
    for page in calls.pages("list_executions", mapRunArn=map_run_arn, maxResults=_PAGE):
        for found in page["executions"]:
            yield _child(found)


def _child(found: Mapping[str, Any]) -> ChildExecution:
    return ChildExecution(
        arn=found["executionArn"],
        name=found.get("name") or name_of_execution(found["executionArn"]),
        status=STATUS.get(found["status"], WorkflowStatus.RUNNING),
        started_at=found.get("startDate"),
        stopped_at=found.get("stopDate"),
        item_count=found.get("itemCount"),
    )


def jobs_of(calls: Calls, execution_arn: str, machine: StateMachine | None, namespace: str) -> tuple[Job, ...]:
    """
    The jobs of any execution, from its history at AWS; *machine* tells the resources of its Tasks.

    AWS keeps no history of an EXPRESS execution: it has none.
    """
    if is_express(execution_arn):
        return ()
    reader, fold = Reader(), JobFold(machine=machine, namespace=namespace)
    for page in events_after(calls, execution_arn, 0):
        for event in reader.read(page):
            fold.add(event)
    return fold.jobs()
