"""What a Task's Resource means: a Lambda function, an activity, a service integration, or a name of our own."""

from __future__ import annotations

import functools
from enum import StrEnum

import attrs


class TaskKind(StrEnum):
    """Which family of history events tells a task's life."""

    LAMBDA = "lambda"
    ACTIVITY = "activity"
    SERVICE = "service"
    CHILD = "child"  # a child execution of a Map Run; never written in a definition


class IntegrationPattern(StrEnum):
    """AWS: Discover service integration patterns in Step Functions."""

    REQUEST_RESPONSE = ""
    SYNC = ".sync"
    WAIT_FOR_TASK_TOKEN = ".waitForTaskToken"


@attrs.frozen
class TaskResource:
    """
    A Resource, taken apart.

    *text* is the Resource as written.  For a service integration *resource_type* and *resource* are what AWS writes
    into its events: ``lambda`` and ``invoke`` for ``arn:aws:states:::lambda:invoke``, ``aws-sdk:s3`` and
    ``listObjects`` for ``arn:aws:states:::aws-sdk:s3:listObjects``.  A name that is no ARN is an activity under a
    short name.
    """

    text: str
    kind: TaskKind
    resource_type: str = ""
    resource: str = ""
    pattern: IntegrationPattern = IntegrationPattern.REQUEST_RESPONSE

    @property
    def is_asynchronous(self) -> bool:
        """Whether a first answer (TaskSubmitted) comes before the result."""
        return self.pattern is not IntegrationPattern.REQUEST_RESPONSE


@functools.lru_cache(maxsize=4096)
def parse_resource(text: str) -> TaskResource:
    """Take the Resource of a Task apart; every text is something."""
    parts = text.split(":")
    if len(parts) >= 6 and parts[0] == "arn":
        service = parts[2]
        if service == "lambda":
            return TaskResource(text, TaskKind.LAMBDA)
        if service == "states" and parts[5] != "activity":
            return _integration(text, parts[5:])
    return TaskResource(text, TaskKind.ACTIVITY)


def _integration(text: str, parts: list[str]) -> TaskResource:
    resource_type, resource = ":".join(parts[:-1]), parts[-1]
    if resource.endswith(".waitForTaskToken"):
        pattern = IntegrationPattern.WAIT_FOR_TASK_TOKEN
    elif resource.endswith((".sync", ".sync:2")) or (resource == "2" and resource_type.endswith(".sync")):
        pattern = IntegrationPattern.SYNC
    else:
        pattern = IntegrationPattern.REQUEST_RESPONSE
    if resource == "2" and pattern is IntegrationPattern.SYNC:  # arn:aws:states:::states:startExecution.sync:2
        resource_type, _, action = resource_type.rpartition(":")
        resource = f"{action}:2"
    return TaskResource(text, TaskKind.SERVICE, resource_type, resource, pattern)
