"""The resource of a job, as its definition names it."""

from __future__ import annotations

from workflow_manager.asl.machine import TaskState
from workflow_manager.asl.resources import TaskKind, parse_resource
from workflow_manager.models import ResourceType, StateResource

_TYPES = {
    TaskKind.ACTIVITY: ResourceType.ACTIVITY_ARN,
    TaskKind.LAMBDA: ResourceType.LAMBDA_FUNCTION_ARN,
    TaskKind.SERVICE: ResourceType.TASK_ARN,
}
_PREFIXES = {"lambda:": ResourceType.LAMBDA_FUNCTION_ARN, "glue:": ResourceType.TASK_ARN}


def state_resource(state: TaskState, namespace: str) -> StateResource:
    """The resource of *state*, without the original's prefixes ``lambda:`` and ``glue:``."""
    text = str(state.resource)
    type = _TYPES[parse_resource(text).kind]
    for prefix, meant in _PREFIXES.items():
        if text.startswith(prefix):
            text, type = text[len(prefix) :], meant
    return StateResource(name=text, namespace=namespace, uri=str(state.resource), type=type)
