"""What SubmitJob and RegisterJobDefinition refuse: Batch's limits, each with its ClientException."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from workflow_manager.testing.fake_batch.errors import client_error, request_error
from workflow_manager.testing.fake_batch.records import JobQueue

Body = Mapping[str, Any]

MOST_DEPENDENCIES = 20
SMALLEST_ARRAY, LARGEST_ARRAY = 2, 10_000
MOST_ATTEMPTS = 10
MOST_CONDITIONS = 5
SHORTEST_TIMEOUT = 60
MOST_TAGS, LONGEST_TAG_KEY, LONGEST_TAG_VALUE = 50, 128, 256
LARGEST_JOB, LARGEST_DEFINITION = 30 * 1024, 24 * 1024
LONGEST_REASON = 1024
LONGEST_SHARE = 255

_JOB_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}")
_DEFINITION_NAME = re.compile(r"[A-Za-z0-9_-]{1,128}")
_SHARE = re.compile(r"[A-Za-z0-9]{1,255}\*?")
_CONDITIONS = {
    "onStatusReason": re.compile(r"[A-Za-z0-9.:\s]{0,511}\*?", re.ASCII),
    "onReason": re.compile(r"[A-Za-z0-9.:\s]{0,511}\*?", re.ASCII),
    "onExitCode": re.compile(r"[0-9]{0,511}\*?"),
}


def check_submission(body: Body, size: int, queue: JobQueue) -> None:
    """Everything about SubmitJob's *body* (*size* bytes of JSON) that needs no other job or definition to be judged."""
    if size > LARGEST_JOB:
        raise request_error(f"Job size must be less than 30 KiB, got {-(-size // 1024)} KiB")
    if not _JOB_NAME.fullmatch(body.get("jobName", "")):
        raise request_error("Job name should match valid pattern")
    if queue.state != "ENABLED":
        raise client_error(f"JobQueue {queue.name} is not in ENABLED state")
    array = (body.get("arrayProperties") or {}).get("size")
    if array is not None and not SMALLEST_ARRAY <= array <= LARGEST_ARRAY:
        raise request_error(f"Array size must be between {SMALLEST_ARRAY} and {LARGEST_ARRAY}, got {array}")
    _check_dependencies(body, is_array=array is not None)
    _check_share(body, queue)
    _check_common(body)
    _check_environment((body.get("containerOverrides") or {}).get("environment") or ())
    if any(not part for part in (body.get("containerOverrides") or {}).get("command") or ()):
        raise request_error("Command can not contain an empty string")


def check_definition(body: Body) -> None:
    """Everything about RegisterJobDefinition's *body*."""
    if not _DEFINITION_NAME.fullmatch(body.get("jobDefinitionName", "")):
        raise unsupported_name(body.get("jobDefinitionName", ""))
    size = len(json.dumps(body, separators=(",", ":")).encode())
    if size > LARGEST_DEFINITION:
        raise request_error(f"Job definition size must be less than 24 KiB, got {-(-size // 1024)} KiB")
    if body.get("type") not in {"container", "multinode"}:
        raise client_error(f"Job definition type {body.get('type')} is not supported")
    for kind in ("nodeProperties", "eksProperties", "ecsProperties"):
        if body.get(kind):
            raise NotImplementedError(f"FakeBatch runs jobs with containerProperties, not with {kind}")
    if "containerProperties" not in body:
        raise client_error("Container properties should not be empty")
    _check_common(body)
    _check_environment((body.get("containerProperties") or {}).get("environment") or ())


def check_reason(reason: str) -> None:
    """The reason of CancelJob and TerminateJob."""
    if len(reason) > LONGEST_REASON:
        raise client_error(f"Reason length must be at most {LONGEST_REASON}")


def unsupported_name(name: str) -> Exception:
    """Batch's answer to a name that no job definition can have."""
    return client_error(f"Provided name {name} is not supported pattern[a-zA-Z_0-9-]{{1,128}}")


def _check_dependencies(body: Body, *, is_array: bool) -> None:
    dependencies = body.get("dependsOn") or ()
    if len(dependencies) > MOST_DEPENDENCIES:
        raise request_error(f"Job can depend upon a maximum of {MOST_DEPENDENCIES} jobs, got {len(dependencies)}")
    for dependency in dependencies:
        kind, job_id = dependency.get("type"), dependency.get("jobId")
        if kind not in {None, "N_TO_N", "SEQUENTIAL"}:
            raise client_error(f"Dependency type {kind} is not supported")
        if kind is not None and not is_array:
            raise client_error(f"Dependency type {kind} is only supported for array jobs")
        if kind == "SEQUENTIAL" and job_id:
            raise client_error("Dependency type SEQUENTIAL does not take a job id")
        if kind != "SEQUENTIAL" and not job_id:
            raise client_error("Job id of a dependency should not be empty")


def _check_share(body: Body, queue: JobQueue) -> None:
    share = body.get("shareIdentifier")
    if queue.fair_share and share is None:
        raise client_error(f"Share identifier is required by the scheduling policy of {queue.name}")
    if not queue.fair_share and share is not None:
        raise client_error(f"Share identifier can not be used: {queue.name} has no scheduling policy")
    if share is not None and not (_SHARE.fullmatch(share) and len(share) <= LONGEST_SHARE):
        raise client_error(f"Share identifier {share} should match valid pattern")


def _check_common(body: Body) -> None:
    strategy = body.get("retryStrategy") or {}
    attempts, conditions = strategy.get("attempts"), strategy.get("evaluateOnExit") or ()
    if attempts is not None and not 1 <= attempts <= MOST_ATTEMPTS:
        raise request_error(f"Retry attempts must be between 1 and {MOST_ATTEMPTS}, got {attempts}")
    if conditions and attempts is None:
        raise request_error("Retry attempts must be specified along with evaluateOnExit")
    if len(conditions) > MOST_CONDITIONS:
        raise request_error(f"evaluateOnExit can have at most {MOST_CONDITIONS} entries, got {len(conditions)}")
    for entry in conditions:
        _check_condition(entry)
    seconds = (body.get("timeout") or {}).get("attemptDurationSeconds")
    if seconds is not None and seconds < SHORTEST_TIMEOUT:
        raise request_error(f"Attempt duration seconds must be at least {SHORTEST_TIMEOUT}, got {seconds}")
    check_tags(body.get("tags") or {})


def _check_condition(entry: Body) -> None:
    if str(entry.get("action", "")).upper() not in {"RETRY", "EXIT"}:
        raise request_error(f"evaluateOnExit action must be RETRY or EXIT, got {entry.get('action')}")
    for name, pattern in _CONDITIONS.items():
        if name in entry and not pattern.fullmatch(entry[name]):
            raise request_error(f"{name} {entry[name]} should match valid pattern")


def check_tags(tags: Mapping[str, str]) -> None:
    """The tags of a job, a definition or a queue."""
    if len(tags) > MOST_TAGS:
        raise request_error(f"Number of tags must be at most {MOST_TAGS}, got {len(tags)}")
    for key, value in tags.items():
        if not 1 <= len(key) <= LONGEST_TAG_KEY or len(value) > LONGEST_TAG_VALUE or key.lower().startswith("aws:"):
            raise request_error(f"Tag {key} is not valid")


def _check_environment(variables: Any) -> None:
    for variable in variables:
        if str(variable.get("name", "")).upper().startswith("AWS_BATCH"):
            raise request_error("Environment variables cannot start with 'AWS_BATCH'")
