"""
Why a job failed: a stable error name for Retry and Catch, one sentence, and the next step.

AWS tells it in ``statusReason``, ``container.reason`` and ``exitCode``, whose wording it does not promise; what cannot
be told apart is ``Batch.Failed``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from workflow_manager.asl.values import JSON

ABORTED = re.compile(r"aborted_by_user", re.IGNORECASE)
"""How the reason of a cancelled job begins; older writers spelled it in lower case."""


@attrs.frozen
class Failure:
    """An error name, what happened, and what to do about it."""

    error: str
    sentence: str
    next_step: str

    @property
    def cause(self) -> str:
        """The sentence and the next step as the cause of an ASL error."""
        return f"{self.sentence} {self.next_step}"


@attrs.frozen
class _Pattern:
    error: str
    pattern: re.Pattern[str]
    sentence: str
    next_step: str


def _pattern(error: str, pattern: str, sentence: str, next_step: str) -> _Pattern:
    return _Pattern(error, re.compile(pattern, re.IGNORECASE), sentence, next_step)


_PATTERNS: Sequence[_Pattern] = (
    _pattern(
        "Batch.OutOfMemory",
        r"OutOfMemory",
        "The container used more memory than it was given.",
        "Raise MEMORY in the job definition's resourceRequirements.",
    ),
    _pattern(
        "Batch.SpotReclaimed",
        r"^Host EC2 .*terminated|spot.*(interrupt|reclaim)",
        "EC2 took the instance away while the job ran.",
        "Retry it: another instance will do.",
    ),
    _pattern(
        "Batch.ImagePull",
        r"CannotPull|pull image|ImagePullBackOff|pull access denied|manifest unknown",
        "The container's image could not be fetched.",
        "Check the image's name, and that the execution role may read its registry.",
    ),
    _pattern(
        "Batch.DependencyFailed",
        r"^Dependent Job failed",
        "A job that this one depends on has failed, so it never ran.",
        "Look at the failed job that it depends on.",
    ),
    _pattern(
        "Batch.TimedOut",
        r"attempt duration exceeded timeout",
        "The attempt ran longer than its time-out.",
        "Raise the time-out, or give the job more vCPUs.",
    ),
    _pattern(
        "Batch.OverridesTooLong",
        r"Container Overrides length",
        "The container overrides were longer than Batch allows.",
        "Hand large inputs over through the results store.",
    ),
    _pattern(
        "Batch.NeverStarted",
        r"failed to start|CannotStartContainer|CannotCreateContainer|ResourceInitialization|unable to assume|"
        r"MISCONFIGURATION",
        "The container could not be started.",
        "Check the command, the roles and the network of the job definition and the compute environment.",
    ),
    _pattern(
        "Batch.ArrayChildFailed",
        r"^Array Child Job failed",
        "A child of the array has failed.",
        "Look at the failed child.",
    ),
)

_BATCHS_OWN = re.compile(
    r"(Job attempt duration exceeded timeout|Host EC2 |Dependent Job failed|Array Child Job failed)", re.IGNORECASE
)

LOST = Failure(
    "Batch.Lost",
    "AWS Batch does not know the job any more and it has left no result.",
    "Look at workflows more often than Batch forgets jobs, which is after about a week.",
)


def classify(detail: Mapping[str, Any]) -> Failure:
    """Why the job failed that *detail* (Batch API: JobDetail, or JobSummary of a failed child) tells of."""
    said = _said(detail)
    if is_stopped_by_hand(detail):
        reason = f"Somebody ended the job: {said[0]}" if said else "Somebody ended the job."
        return Failure("Batch.AbortedByUser", _sentence(reason), "Run it again if that was a mistake.")
    for each in _PATTERNS:
        for text in said:
            if each.pattern.search(text):
                return Failure(each.error, f"{each.sentence} (AWS: {text})", each.next_step)
    code = exit_code(detail)
    if code is not None and code != 0:
        return Failure(f"Batch.ExitCode.{code}", f"The container exited with code {code}.", "Look at its log.")
    told = f" (AWS: {said[0]})" if said else ""
    if detail.get("startedAt") is None:
        return Failure("Batch.NeverStarted", f"The job failed before it started.{told}", "Check queue and roles.")
    return Failure("Batch.Failed", f"The job failed.{told}", "Look at its log.")


def is_stopped_by_hand(detail: Mapping[str, Any]) -> bool:
    """
    Whether somebody cancelled or terminated the job: the reason in either spelling, or the flags.

    Batch ends jobs itself as well, and its reasons count for more than the flags.
    """
    reason = str(detail.get("statusReason") or "")
    if ABORTED.match(reason):
        return True
    return bool(detail.get("isCancelled") or detail.get("isTerminated")) and not _BATCHS_OWN.match(reason)


def exit_code(detail: Mapping[str, Any]) -> int | None:
    """The container's exit code, of the last attempt that tells one; ``None`` where none was told."""
    containers = [detail.get("container") or {}]
    containers += [attempt.get("container") or {} for attempt in reversed(detail.get("attempts") or ())]
    codes = [container["exitCode"] for container in containers if container.get("exitCode") is not None]
    return int(codes[0]) if codes else None


def _said(detail: Mapping[str, Any]) -> list[str]:
    """All that AWS says about the end, the latest first."""
    last = (detail.get("attempts") or [{}])[-1]
    texts = (
        detail.get("statusReason"),
        (detail.get("container") or {}).get("reason"),
        last.get("statusReason"),
        (last.get("container") or {}).get("reason"),
    )
    return list(dict.fromkeys(text for text in texts if text))


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text}."


_CONDITIONS: Mapping[str, Mapping[str, JSON]] = {
    "Batch.OutOfMemory": {"onReason": "OutOfMemoryError*"},
    "Batch.SpotReclaimed": {"onStatusReason": "Host EC2*"},
    "Batch.ImagePull": {"onReason": "CannotPull*"},
}
_EXIT = re.compile(r"Batch\.ExitCode\.(\d+)")


def exit_conditions(error: str) -> tuple[Mapping[str, JSON], ...]:
    """The conditions of evaluateOnExit that mean the error name; none where Batch cannot tell."""
    if error in _CONDITIONS:
        return (_CONDITIONS[error],)
    code = _EXIT.fullmatch(error)
    return ({"onExitCode": code[1]},) if code else ()


STUCK: Mapping[str, str] = {
    "MISCONFIGURATION": "Job definition, queue and compute environment do not fit together; correct them.",
    "CAPACITY": "There is no capacity at present; wait, or allow more instance types.",
    "ACTION_REQUIRED": "Somebody must act on the compute environment.",
}


def stuck(detail: Mapping[str, Any]) -> str:
    """Why a RUNNABLE job does not start, with AWS's reason; ``""`` where AWS gives none."""
    reason = str(detail.get("statusReason") or "")
    if detail.get("status") != "RUNNABLE" or not reason:
        return ""
    step = next((step for start, step in STUCK.items() if reason.startswith(start)), "")
    return f"stuck in RUNNABLE: {reason}. {step}".rstrip()
