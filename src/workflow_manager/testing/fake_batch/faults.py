"""Trouble on the way to AWS and back, by call index, by operation, or at random."""

from __future__ import annotations

import random
from collections import Counter
from enum import StrEnum

import attrs


class Fault(StrEnum):
    """
    What goes wrong with one call.

    THROTTLE: 429 TooManyRequestsException (logs: 400 ThrottlingException).  SERVER_ERROR: 500 ServerException (logs:
    ServiceUnavailableException).  REFUSED: no connection, nothing done.  LOST_REPLY: the work is done, but the
    connection closes before the answer.
    """

    THROTTLE = "THROTTLE"
    SERVER_ERROR = "SERVER_ERROR"
    REFUSED = "REFUSED"
    LOST_REPLY = "LOST_REPLY"


@attrs.define(kw_only=True)
class _Planned:
    fault: Fault | BaseException
    operation: str | None
    after: bool
    left: int


@attrs.define(kw_only=True)
class _Rate:
    fault: Fault
    share: float
    operation: str | None
    chance: random.Random


class Faults:
    """What is to go wrong; a call is one HTTP attempt, so botocore's own retries count too."""

    def __init__(self) -> None:
        self._planned: list[_Planned] = []
        self._rates: list[_Rate] = []
        self.met: Counter[str] = Counter()
        """How often each kind of fault has struck."""

    def at(
        self, index: int, fault: Fault | BaseException, *, operation: str | None = None, after: bool = False
    ) -> None:
        """
        Lets the call number *index* from now fail; 0 is the next one.

        With *operation* (``"SubmitJob"``) only calls of that operation count.  A *fault* that is an exception is
        raised as it is, before the work or, with *after*, when the work is done: a crash of the caller.
        """
        self._planned.append(_Planned(fault=fault, operation=operation, after=after, left=index))

    def rate(self, share: float, fault: Fault, *, seed: int, operation: str | None = None) -> None:
        """Lets each call fail with probability *share*, the same calls for the same *seed*."""
        self._rates.append(_Rate(fault=fault, share=share, operation=operation, chance=random.Random(seed)))

    def clear(self) -> None:
        """From now on nothing goes wrong."""
        self._planned.clear()
        self._rates.clear()

    def next(self, operation: str) -> tuple[Fault | BaseException | None, bool]:
        """What goes wrong with the call that comes in now, and whether only after its work is done."""
        struck: _Planned | None = None
        for planned in [each for each in self._planned if each.operation in {None, operation}]:
            if planned.left == 0 and struck is None:
                struck = planned
                self._planned.remove(planned)
            planned.left = max(0, planned.left - 1)
        fault: Fault | BaseException | None = struck.fault if struck else None
        for rate in self._rates:
            if rate.operation in {None, operation} and rate.chance.random() < rate.share and fault is None:
                fault = rate.fault
        if fault is not None:
            self.met[fault if isinstance(fault, Fault) else type(fault).__name__] += 1
        return fault, fault is Fault.LOST_REPLY or (struck is not None and struck.after)
