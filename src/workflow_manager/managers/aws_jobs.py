"""
Jobs that a ``.sync`` task starts at AWS: how one is looked at until it ends, and how it is stopped.

A table of data; :class:`workflow_manager.managers.aws_calls.AwsTask` reads it.  Source: AWS, "Integrating optimized
services with Step Functions" and each service's API reference.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

import attrs

from workflow_manager.asl.values import JSON

Path: TypeAlias = str
"""Steps into a JSON value, with slashes between: ``Jobs/0/Status``."""

REASON = "The state that started it was cancelled or timed out."


@attrs.frozen(kw_only=True)
class JobKind:
    """
    One kind of job.

    *describe* and *stop* are operations of the service.  What they take, *by* and *stop_by*, leads into
    ``{"Input": the task's input, "Receipt": the first answer}``; what begins with ``=`` stands for itself.  *found* is
    where in the description the job is, *status* where in the job its status; *good* and *bad* statuses are final.  A
    *code* other than 0, at that path in any of *parts*, makes a good end a bad one.  *texts* are members that hold
    JSON text, which the resource's second version (``.sync:2``) reads.
    """

    describe: str
    by: Mapping[str, Path]
    found: Path = ""
    status: Path
    good: frozenset[str]
    bad: frozenset[str]
    stop: str | None = None
    stop_by: Mapping[str, Path] = attrs.field(factory=dict)
    parts: Path = ""
    code: Path = ""
    texts: tuple[str, ...] = ()


def _set(*statuses: str) -> frozenset[str]:
    return frozenset(statuses)


def _training(what: str) -> JobKind:
    name = f"{what}JobName"
    return JobKind(
        describe=f"Describe{what}Job",
        by={name: f"Input/{name}"},
        status=f"{what}JobStatus",
        good=_set("Completed"),
        bad=_set("Failed", "Stopped"),
        stop=f"Stop{what}Job",
        stop_by={name: f"Input/{name}"},
    )


_STARTED = {"ExecutionArn": "Receipt/ExecutionArn"}

JOBS: Mapping[tuple[str, str], JobKind] = {
    ("batch", "submitJob"): JobKind(
        describe="DescribeJobs",
        by={"Jobs": "Receipt/JobId"},
        found="Jobs/0",
        status="Status",
        good=_set("SUCCEEDED"),
        bad=_set("FAILED"),
        stop="TerminateJob",
        stop_by={"JobId": "Receipt/JobId", "Reason": f"={REASON}"},
    ),
    ("states", "startExecution"): JobKind(
        describe="DescribeExecution",
        by=_STARTED,
        status="Status",
        good=_set("SUCCEEDED"),
        bad=_set("FAILED", "TIMED_OUT", "ABORTED"),
        stop="StopExecution",
        stop_by={**_STARTED, "Cause": f"={REASON}"},
        texts=("Input", "Output"),
    ),
    ("glue", "startJobRun"): JobKind(
        describe="GetJobRun",
        by={"JobName": "Input/JobName", "RunId": "Receipt/JobRunId"},
        found="JobRun",
        status="JobRunState",
        good=_set("SUCCEEDED"),
        bad=_set("FAILED", "ERROR", "TIMEOUT", "STOPPED", "EXPIRED"),
        stop="BatchStopJobRun",
        stop_by={"JobName": "Input/JobName", "JobRunIds": "Receipt/JobRunId"},
    ),
    ("ecs", "runTask"): JobKind(
        describe="DescribeTasks",
        by={"Cluster": "Input/Cluster", "Tasks": "Receipt/Tasks/0/TaskArn"},
        found="Tasks/0",
        status="LastStatus",
        good=_set("STOPPED"),
        bad=_set(),
        stop="StopTask",
        stop_by={"Cluster": "Input/Cluster", "Task": "Receipt/Tasks/0/TaskArn", "Reason": f"={REASON}"},
        parts="Containers",
        code="ExitCode",
    ),
    ("codebuild", "startBuild"): JobKind(
        describe="BatchGetBuilds",
        by={"Ids": "Receipt/Build/Id"},
        found="Builds/0",
        status="BuildStatus",
        good=_set("SUCCEEDED"),
        bad=_set("FAILED", "FAULT", "TIMED_OUT", "STOPPED"),
        stop="StopBuild",
        stop_by={"Id": "Receipt/Build/Id"},
    ),
    ("athena", "startQueryExecution"): JobKind(
        describe="GetQueryExecution",
        by={"QueryExecutionId": "Receipt/QueryExecutionId"},
        status="QueryExecution/Status/State",
        good=_set("SUCCEEDED"),
        bad=_set("FAILED", "CANCELLED"),
        stop="StopQueryExecution",
        stop_by={"QueryExecutionId": "Receipt/QueryExecutionId"},
    ),
    ("databrew", "startJobRun"): JobKind(
        describe="DescribeJobRun",
        by={"Name": "Input/Name", "RunId": "Receipt/RunId"},
        status="State",
        good=_set("SUCCEEDED"),
        bad=_set("FAILED", "TIMEOUT", "STOPPED"),
        stop="StopJobRun",
        stop_by={"Name": "Input/Name", "RunId": "Receipt/RunId"},
    ),
    ("emr-serverless", "startJobRun"): JobKind(
        describe="GetJobRun",
        by={"ApplicationId": "Receipt/ApplicationId", "JobRunId": "Receipt/JobRunId"},
        found="JobRun",
        status="State",
        good=_set("SUCCESS"),
        bad=_set("FAILED", "CANCELLED"),
        stop="CancelJobRun",
        stop_by={"ApplicationId": "Receipt/ApplicationId", "JobRunId": "Receipt/JobRunId"},
    ),
    ("emr-containers", "startJobRun"): JobKind(
        describe="DescribeJobRun",
        by={"VirtualClusterId": "Receipt/VirtualClusterId", "Id": "Receipt/Id"},
        found="JobRun",
        status="State",
        good=_set("COMPLETED"),
        bad=_set("FAILED", "CANCELLED"),
        stop="CancelJobRun",
        stop_by={"VirtualClusterId": "Receipt/VirtualClusterId", "Id": "Receipt/Id"},
    ),
    ("mediaconvert", "createJob"): JobKind(
        describe="GetJob",
        by={"Id": "Receipt/Job/Id"},
        found="Job",
        status="Status",
        good=_set("COMPLETE"),
        bad=_set("ERROR", "CANCELED"),
        stop="CancelJob",
        stop_by={"Id": "Receipt/Job/Id"},
    ),
    ("sagemaker", "createTrainingJob"): _training("Training"),
    ("sagemaker", "createProcessingJob"): _training("Processing"),
    ("sagemaker", "createTransformJob"): _training("Transform"),
}
"""Every kind of job that ``.sync`` follows, by resource type and action."""


def at(value: JSON, path: Path) -> JSON:
    """What *path* leads to in *value*; ``None`` if it leads nowhere."""
    if path.startswith("="):
        return path[1:]
    for step in path.split("/") if path else ():
        if isinstance(value, Mapping):
            value = value.get(step)
        elif isinstance(value, list) and step.isdecimal() and int(step) < len(value):
            value = value[int(step)]
        else:
            return None
    return value


def ended(kind: JobKind, job: JSON) -> bool | None:
    """Whether *job* has ended well; ``None`` while it has not ended."""
    status = at(job, kind.status)
    if status in kind.bad:
        return False
    if status not in kind.good:
        return None
    parts = at(job, kind.parts) if kind.parts else []
    return isinstance(parts, list) and all(at(part, kind.code) == 0 for part in parts)
