"""
What answers say: the original's JSON, indented by tabs, as the OpenAPI document describes it.

The models describe; what is sent is made by :func:`workflow_manager.codec.to_wire`.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from workflow_manager.models import JobStatus, ResourceType, WorkflowStatus


class Tabbed(JSONResponse):
    """A JSON answer, indented by tabs as the original's."""

    def render(self, content: Any) -> bytes:
        return json.dumps(content, allow_nan=False, indent="\t").encode()


class Answer(BaseModel):
    """Part of an answer; nothing beyond these fields is ever sent."""

    model_config = ConfigDict(extra="forbid")


class Message(Answer):
    """Every error's body: what is wrong, in words."""

    message: str


class StateResource(Answer):
    """What a Task's resource means in a namespace."""

    name: str
    namespace: str
    uri: str
    type: ResourceType
    lastUpdated: datetime | None = None  # noqa: N815 - the original's names


class WorkflowDefinition(Answer):
    """A version of a definition."""

    id: str
    name: str
    version: int
    createdAt: datetime  # noqa: N815
    manager: str
    stateMachine: dict[str, Any]  # noqa: N815
    defaultTags: dict[str, str] = {}  # noqa: N815


class JobAttempt(Answer):
    """One try of a job."""

    createdAt: datetime | None = None  # noqa: N815
    startedAt: datetime | None = None  # noqa: N815
    stoppedAt: datetime | None = None  # noqa: N815
    containerInstanceARN: str = ""  # noqa: N815
    taskARN: str = ""  # noqa: N815
    reason: str = ""
    exitCode: int | None = None  # noqa: N815
    error: str | None = None
    logStream: str = ""  # noqa: N815


class Job(Answer):
    """One visit of a state; ``input`` and ``output`` are JSON text."""

    id: str
    state: str
    status: JobStatus
    stateType: str = ""  # noqa: N815
    createdAt: datetime | None = None  # noqa: N815
    startedAt: datetime | None = None  # noqa: N815
    stoppedAt: datetime | None = None  # noqa: N815
    input: str = ""
    output: str = ""
    name: str = ""
    queue: str = ""
    container: str = ""
    stateResource: StateResource | None = None  # noqa: N815
    statusReason: str = ""  # noqa: N815
    attempts: list[JobAttempt] = []
    error: str | None = None
    cause: str | None = None
    branch: str = ""
    branchPath: list[str] = []  # noqa: N815
    enteredEventId: int = 0  # noqa: N815


class Workflow(Answer):
    """A run of a definition; ``input`` and ``output`` are JSON text, and missing from a summary."""

    id: str
    workflowDefinition: WorkflowDefinition  # noqa: N815
    status: WorkflowStatus
    createdAt: datetime  # noqa: N815
    lastUpdated: datetime  # noqa: N815
    stoppedAt: datetime | None = None  # noqa: N815
    namespace: str
    queue: str
    input: str | None = Field(None)
    output: str | None = None
    statusReason: str = ""  # noqa: N815
    error: str | None = None
    cause: str | None = None
    resolvedByUser: bool = False  # noqa: N815
    retryFor: str = ""  # noqa: N815
    retries: list[str] = []
    tags: dict[str, str] = {}
    jobs: list[Job] = []
    lastJob: Job | None = None  # noqa: N815
    startAt: str = ""  # noqa: N815
    idempotencyKey: str = ""  # noqa: N815
