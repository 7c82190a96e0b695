"""
SubmitJob's requests.

The environment is upstream's protocol: ``_BATCH_DEPENDENCIES`` always, job ids joined by commas; ``_BATCH_START`` the
input as JSON.  Ours beside it: ``_BATCH_INPUT``, how the input is put together from results where a plain list would
not tell; ``_BATCH_REF``, under which key the results store has these variables when they are too large to be sent;
``_BATCH_JOIN`` for jobs that do nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import attrs

from workflow_manager.asl.values import pointer_token
from workflow_manager.exceptions import InvalidValueError
from workflow_manager.managers.batch.limits import (
    LARGEST_REQUEST,
    LONGEST_OVERRIDES,
    LONGEST_TAG_KEY,
    LONGEST_TAG_VALUE,
    MOST_TAGS,
)
from workflow_manager.managers.batch.names import job_name
from workflow_manager.managers.batch.results import JobResults
from workflow_manager.models import Workflow

Request: TypeAlias = Mapping[str, Any]

START, DEPENDENCIES, INPUT, REF, JOIN = (
    "_BATCH_START",
    "_BATCH_DEPENDENCIES",
    "_BATCH_INPUT",
    "_BATCH_REF",
    "_BATCH_JOIN",
)
_ROOM_FOR_TAGS = LARGEST_REQUEST - LONGEST_OVERRIDES - 4096  # names, dependencies and all else in a request
_NO_TAG = re.compile(r"[^\w +=.:/@-]")
SUBMISSION_TAG = "workflow-manager:submission"
"""The tag of a workflow that says how its jobs are submitted."""
_JOB_TAGS = ("workflow-manager:workflow", "workflow-manager:state")


class InputTooLargeError(Exception):
    """The results store has no room for an input that is too large to be sent; the text says why."""


@attrs.frozen(kw_only=True)
class Target:
    """Where a state's jobs go: queue and job definition; *deployment* is part of their names."""

    queue: str
    definition: str
    deployment: str = "default"


def request_for(
    workflow: Workflow,
    key: str,
    *,
    state: str,
    resource: str,
    target: Target,
    variables: Mapping[str, str],
    results: JobResults,
    depends_on: Sequence[str] = (),
    size: int | None = None,
    retry_strategy: Mapping[str, Any] | None = None,
    timeout: int | None = None,
    command: Sequence[str] = (),
) -> dict[str, Any]:
    """
    The request for the job *key* of *workflow*.

    Variables that are too large for the container's overrides are saved in *results* first.

    Raises:
        InputTooLargeError: they are too large for that as well.
    """
    name = job_name(
        workflow.id,
        key,
        namespace=workflow.namespace,
        resource=resource,
        state=state,
        deployment=target.deployment,
    )
    variables = {DEPENDENCIES: "", **variables}
    overrides = _overrides(variables, command)
    if len(json.dumps(overrides, separators=(",", ":"))) > LONGEST_OVERRIDES:
        try:
            results.save(f"input/{name}", dict(variables))
        except InvalidValueError as error:
            raise InputTooLargeError(f"state {state!r}: its input has no room in the results store: {error}") from error
        overrides = _overrides({DEPENDENCIES: "", REF: f"input/{name}"}, command)
    request: dict[str, Any] = {
        "jobName": name,
        "jobQueue": target.queue,
        "jobDefinition": target.definition,
        "containerOverrides": overrides,
        "tags": {**workflow.tags, **dict(zip(_JOB_TAGS, (workflow.id, _tag_value(state)), strict=True))},
    }
    if depends_on:
        request["dependsOn"] = [{"jobId": job_id} for job_id in depends_on]
    if size is not None:
        request["arrayProperties"] = {"size": size}
    if retry_strategy is not None:
        request["retryStrategy"] = dict(retry_strategy)
    if timeout is not None:
        request["timeout"] = {"attemptDurationSeconds": timeout}
    return request


def _tag_value(text: str) -> str:
    """*text* as the value of a tag (Batch User Guide, Tag restrictions: letters, digits, spaces and some signs)."""
    value = _NO_TAG.sub("-", text)[:LONGEST_TAG_VALUE]
    return f"-{value}" if value.lower().startswith("aws:") else value


def _overrides(variables: Mapping[str, str], command: Sequence[str]) -> dict[str, Any]:
    overrides: dict[str, Any] = {"environment": [{"name": name, "value": text} for name, text in variables.items()]}
    if command:
        overrides["command"] = list(command)
    return overrides


def check_tags(tags: Mapping[str, str]) -> None:
    """
    Make sure that jobs can bear *tags* beside those that are given to them here.

    Raises:
        InvalidValueError: there are too many, or one is too long or reserved.
    """
    most = MOST_TAGS - len(_JOB_TAGS) - 1
    if len(tags) > most:
        raise InvalidValueError("tags", "", f"a job takes at most {most} of them")
    if len(json.dumps(tags)) > _ROOM_FOR_TAGS:
        raise InvalidValueError("tags", "", f"they have more than {_ROOM_FOR_TAGS:,} bytes as JSON: SubmitJob refuses")
    for key, value in tags.items():
        reserved = any(text.lower().startswith("aws:") for text in (key, value))
        if reserved or not 1 <= len(key) <= LONGEST_TAG_KEY or len(value) > LONGEST_TAG_VALUE:
            why = (
                f"keys have 1 to {LONGEST_TAG_KEY} characters, values up to {LONGEST_TAG_VALUE}, none begins with aws:"
            )
            raise InvalidValueError("tags", f"/{pointer_token(key)}", why)
