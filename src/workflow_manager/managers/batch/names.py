"""
Job names: upstream's ``{namespace}--{resource}``, made legal, with a tail that tells workflow and task.

The tail is ``--{workflow id as 32 hexadecimal digits}-{12 that stand for the task}-{6 for the deployment}``: the same
task always gets the same name, and a job whose caller died can be traced back to its workflow.  Batch API, SubmitJob:
a name begins with a letter or digit, holds letters, digits, ``-`` and ``_``, and is at most 128 characters long.
"""

from __future__ import annotations

import hashlib
import re
import uuid

import attrs

LONGEST = 128
_TAIL = re.compile(r"--([0-9a-f]{32})-([0-9a-f]{12})-([0-9a-f]{6})\Z")
_TAIL_LENGTH = 2 + 32 + 1 + 12 + 1 + 6
_ILLEGAL = re.compile(r"[^A-Za-z0-9_-]")


@attrs.frozen
class Origin:
    """Which workflow a job is of, and the *marks* of its task and of the deployment (see :func:`mark_of`)."""

    workflow_id: str
    task_mark: str
    deployment_mark: str


def mark_of(key: str, length: int = 12) -> str:
    """Hexadecimal digits that stand for *key*: a task token, the name of a state in graph submission, a deployment."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:length]


def job_name(
    workflow_id: str, key: str, *, namespace: str, resource: str, state: str, deployment: str = "default"
) -> str:
    """The name of the job that does *key* for the workflow (a UUID as text)."""
    head = f"{namespace}--{resource}" if namespace else f"default--{state}"
    head = _ILLEGAL.sub("-", head)[: LONGEST - _TAIL_LENGTH]
    if not head[:1].isalnum():
        head = f"j{head}"[: LONGEST - _TAIL_LENGTH]
    return f"{head}--{uuid.UUID(workflow_id).hex}-{mark_of(key)}-{mark_of(deployment, 6)}"


def origin_of(name: str) -> Origin | None:
    """Where the job *name* comes from; ``None`` if it is none of this library's."""
    found = _TAIL.search(name)
    return Origin(str(uuid.UUID(found[1])), found[2], found[3]) if found else None
