"""The Resource of a Task."""

from __future__ import annotations

import re
from collections.abc import Mapping

from workflow_manager.asl.machine import StateMachineType
from workflow_manager.asl.validate.judge import Judge, a
from workflow_manager.asl.values import JSON

INVALID_RESOURCE = "INVALID_RESOURCE"

_PLACEHOLDER = re.compile(r"\$\{[^{}]*\}")
_LAMBDA_FUNCTION = re.compile(r"function:[\w-]+(:(\$LATEST|[\w-]+))?", re.ASCII)
_SDK_CALL = re.compile(r"aws-sdk:[a-z0-9]+:[a-z][A-Za-z0-9]*(\.waitForTaskToken)?", re.ASCII)

# AWS: Integrating services with Step Functions.  After each service its calls; "|" before the patterns that they know
# beside request/response.
_SYNC, _TOKEN = ".sync", ".waitForTaskToken"
_CALLS: Mapping[str, str] = {
    "apigateway": "invoke|token",
    "athena": "startQueryExecution|sync stopQueryExecution getQueryExecution getQueryResults",
    "batch": "submitJob|sync",
    "bedrock": "invokeModel createModelCustomizationJob|sync",
    "codebuild": "startBuild|sync stopBuild batchDeleteBuilds batchGetReports startBuildBatch|sync"
    " stopBuildBatch retryBuildBatch|sync deleteBuildBatch",
    "databrew": "startJobRun|sync",
    "dynamodb": "getItem putItem deleteItem updateItem",
    "ecs": "runTask|sync,token",
    "eks": "createCluster|sync deleteCluster|sync createFargateProfile|sync deleteFargateProfile|sync"
    " createNodegroup|sync deleteNodegroup|sync runJob|sync call",
    "elasticmapreduce": "createCluster|sync terminateCluster|sync addStep|sync cancelStep"
    " setClusterTerminationProtection modifyInstanceFleetByName modifyInstanceGroupByName",
    "emr-containers": "createVirtualCluster deleteVirtualCluster|sync startJobRun|sync",
    "emr-serverless": "createApplication|sync startApplication|sync stopApplication|sync deleteApplication|sync"
    " startJobRun|sync cancelJobRun|sync",
    "events": "putEvents|token",
    "glue": "startJobRun|sync",
    "http": "invoke",
    "lambda": "invoke|token",
    "mediaconvert": "createJob|sync",
    "sagemaker": "createEndpoint createEndpointConfig createHyperParameterTuningJob|sync createLabelingJob|sync"
    " createModel createProcessingJob|sync createTrainingJob|sync createTransformJob|sync updateEndpoint",
    "sns": "publish|token",
    "sqs": "sendMessage|token",
    "states": "startExecution|sync,sync:2,token",
}
_SUFFIXES = {"sync": _SYNC, "sync:2": ".sync:2", "token": _TOKEN}


def _spell_out() -> frozenset[str]:
    names = set()
    for service, calls in _CALLS.items():
        for call in calls.split():
            action, _, patterns = call.partition("|")
            names.add(f"{service}:{action}")
            names.update(f"{service}:{action}{_SUFFIXES[pattern]}" for pattern in patterns.split(",") if pattern)
    return frozenset(names)


OPTIMIZED_INTEGRATIONS = _spell_out()
"""Every ``service:action`` with its pattern that Step Functions has an optimized integration for."""


def resource(judge: Judge, value: JSON, where: str) -> None:
    """
    ``Resource`` of a Task: an ARN that Step Functions knows, or a short name that something here is registered under.

    On AWS it has to be an ARN.  Here a name that is none stands for an activity, so it is never wrong by itself.
    """
    if not isinstance(value, str):
        judge.error(where, f"Value must be a string, not {a(value)}", INVALID_RESOURCE)
    elif not value:
        judge.error(where, "Value cannot be empty", INVALID_RESOURCE)
    elif "${" in value:
        # Judge.is_substitution has let the well-formed ones pass, where they are allowed.
        rest = _PLACEHOLDER.sub("", value)
        what = "is not closed" if "${" in rest else "has not been filled in"
        judge.error(where, f"The placeholder in {value!r} {what}", INVALID_RESOURCE)
    elif value.startswith("arn:"):
        _arn(judge, value, where)


def _arn(judge: Judge, value: str, where: str) -> None:
    parts = value.split(":", 5)
    if len(parts) < 6 or not all((parts[1], parts[2], parts[5])) or any(char.isspace() for char in value):
        judge.error(where, f"{value!r} is not a valid ARN", INVALID_RESOURCE)
    elif parts[2] == "lambda" and not _LAMBDA_FUNCTION.fullmatch(parts[5]):
        judge.error(where, f"{value!r} is not the ARN of a Lambda function, version or alias", INVALID_RESOURCE)
    elif parts[2] == "states":
        _states(judge, value, parts[5], where)


def _states(judge: Judge, value: str, name: str, where: str) -> None:
    express = judge.kind is StateMachineType.EXPRESS
    if name.startswith("activity:"):
        if express:
            judge.error(where, "Express state machine does not support Activity ARN")
    elif name not in OPTIMIZED_INTEGRATIONS and not _SDK_CALL.fullmatch(name):
        message = f"The resource provided {value} is not recognized: Step Functions has no integration of that name"
        judge.error(where, message, INVALID_RESOURCE)
    elif express:
        for pattern in (_SYNC, _TOKEN):
            if pattern in name:
                judge.error(where, f"Express state machine does not support '{pattern}' service integration")
