"""
Politeness: calls are spread so that AWS does not have to refuse them.

Step Functions gives each operation of an account and region a bucket of tokens that refills at a fixed rate (AWS:
Quotas related to API action throttling).  One :class:`Pacer` shared by all managers of an account keeps below it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping

import attrs


@attrs.frozen
class Rate:
    """A bucket of *size* tokens that refills by *per_second*."""

    size: float
    per_second: float


DEFAULT_RATES: Mapping[str, Rate] = {
    "start_execution": Rate(1300, 300),
    "stop_execution": Rate(1000, 200),
    "describe_execution": Rate(300, 15),
    "get_execution_history": Rate(400, 20),
    "redrive_execution": Rate(1300, 300),
    "describe_state_machine": Rate(200, 20),
    "create_state_machine": Rate(100, 5),
    "update_state_machine": Rate(100, 5),
    "list_executions": Rate(200, 5),
    "list_map_runs": Rate(100, 1),
    "describe_map_run": Rate(200, 1),
}
"""AWS's default quotas in its larger regions."""


class Pacer:
    """
    Waits before a call where the quota of its operation asks for it; every method may be called from any thread.

    *rates* are by operation in boto3's spelling, an operation without one is not held back.  *share* is the part of
    each rate to use, for an account that others use as well.  *clock* gives seconds and *sleep* waits for some.
    """

    def __init__(
        self,
        rates: Mapping[str, Rate] = DEFAULT_RATES,
        *,
        share: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._clock, self._sleep = clock, sleep
        self._lock = threading.Lock()
        self._buckets = {
            name: _Bucket(Rate(rate.size * share, rate.per_second * share), clock()) for name, rate in rates.items()
        }

    def wait(self, operation: str) -> None:
        """Return when *operation* may be called; whoever asks first goes first."""
        bucket = self._buckets.get(operation)
        if bucket is None:
            return
        with self._lock:
            pause = bucket.take(self._clock())
        if pause > 0:
            self._sleep(pause)

    def slow_down(self, operation: str) -> None:
        """AWS has refused a call as one too many: others have used the quota, so its bucket is empty."""
        bucket = self._buckets.get(operation)
        if bucket is not None:
            with self._lock:
                bucket.empty(self._clock())


class _Bucket:
    """Tokens at a time; below zero are those already promised."""

    __slots__ = ("_at", "_rate", "_tokens")

    def __init__(self, rate: Rate, now: float) -> None:
        self._rate, self._tokens, self._at = rate, rate.size, now

    def _refill(self, now: float) -> None:
        gained = max(0.0, now - self._at) * self._rate.per_second
        self._tokens, self._at = min(self._rate.size, self._tokens + gained), now

    def take(self, now: float) -> float:
        """Take one token and return the seconds until it is there."""
        self._refill(now)
        self._tokens -= 1
        return max(0.0, -self._tokens / self._rate.per_second)

    def empty(self, now: float) -> None:
        self._refill(now)
        self._tokens = min(self._tokens, 0.0)
