"""
Which retrier answers an error and after how long; which catcher.

Source: ASL specification, "Errors"; AWS: "Handling errors in Step Functions workflows".
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

import attrs

from workflow_manager.asl.errors import ErrorName
from workflow_manager.asl.machine import Catcher, JitterStrategy, Retrier

_UNANSWERABLE = frozenset({ErrorName.RUNTIME})
_NOT_TASK_FAILED = frozenset({ErrorName.TIMEOUT, ErrorName.HEARTBEAT_TIMEOUT})


@attrs.frozen
class Failure:
    """
    Why a state failed.  *error* and *cause* may be absent, as in SendTaskFailure.

    *heartbeat* says that a States.Timeout came from a missed heartbeat, which States.HeartbeatTimeout matches too.
    """

    error: str | None = None
    cause: str | None = None
    heartbeat: bool = False


def matches(error_equals: Sequence[str], failure: Failure) -> bool:
    """
    Whether one of the error names answers *failure*.

    States.Runtime is never answered, not even by its own name or States.ALL; States.TaskFailed answers everything but a
    time-out.
    """
    error = failure.error
    if error in _UNANSWERABLE:
        return False
    for name in error_equals:
        if name in (error, ErrorName.ALL):
            return True
        if name == ErrorName.TASK_FAILED and error not in _NOT_TASK_FAILED:
            return True
        if name == ErrorName.HEARTBEAT_TIMEOUT and failure.heartbeat:
            return True
    return False


def find_retrier(retriers: Sequence[Retrier], failure: Failure, counts: Mapping[int, int]) -> int | None:
    """
    The index of the retrier that answers *failure*, if it has attempts left.

    *counts* says how often each retrier has already answered during this visit of the state.  The first retrier that
    names the error decides: when it is used up no later one is asked.
    """
    for index, retrier in enumerate(retriers):
        if matches(retrier.error_equals, failure):
            return index if counts.get(index, 0) < retrier.max_attempts else None
    return None


def find_catcher(catchers: Sequence[Catcher], failure: Failure) -> int | None:
    """The index of the first catcher that names the error of *failure*."""
    for index, catcher in enumerate(catchers):
        if matches(catcher.error_equals, failure):
            return index
    return None


def delay_seconds(retrier: Retrier, count: int, seed: str) -> float:
    """
    How long *retrier* waits before its retry number *count* (from 0), in seconds.

    ``IntervalSeconds × BackoffRate ^ count``, at most ``MaxDelaySeconds``; with full jitter a number between 0 and
    that, drawn from *seed*, so that every replay draws the same.
    """
    try:
        delay = retrier.interval_seconds * retrier.backoff_rate**count
    except OverflowError:
        delay = float("inf")
    limit = retrier.max_delay_seconds
    delay = min(delay, _LONGEST if limit is None else limit)
    if retrier.jitter_strategy is JitterStrategy.FULL:
        return random.Random(seed).uniform(0, delay)
    return delay


_LONGEST = 31_536_000.0  # one year: no execution lives longer (AWS: Step Functions service quotas)
