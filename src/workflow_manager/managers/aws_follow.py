"""Jobs at AWS that tasks have become: looked at now and then until they end.  None holds a thread meanwhile."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial

import attrs

from workflow_manager.asl.values import JSON
from workflow_manager.engine.pending import PendingTask
from workflow_manager.managers.aws_calls import AwsTask
from workflow_manager.managers.timers import Timers

logger = logging.getLogger("workflow_manager")

_LONGEST_PAUSE = 30.0  # seconds between two looks
_GROWTH = 1.5
_MOST_GROWN = 30  # looks; the power of growth stays a small number

Work = Callable[[], bool]


@attrs.define(eq=False)
class Job:
    """
    What *task* has started, which AWS has accepted with *receipt*.

    *is_wanted* tells whether anybody still waits for it; *ended* takes what it came to, or what was raised instead.
    """

    call: AwsTask
    task: PendingTask
    receipt: JSON
    is_wanted: Callable[[], bool]
    ended: Callable[[JSON, Exception | None], None]
    looks: int = 0


class Followers:
    """
    Looks at jobs: *timers* say when, *submit* gives the work to a thread.

    The first look comes after *first_pause* seconds, the others after ever longer pauses of up to 30, all of them a
    little shorter or longer by chance, so that many jobs are not looked at together.
    """

    def __init__(
        self, submit: Callable[[Work], None], timers: Timers, clock: Callable[[], datetime], first_pause: float
    ) -> None:
        self._submit, self._timers, self._clock, self._first_pause = submit, timers, clock, first_pause

    def follow(self, job: Job) -> None:
        """Look at *job* until it has ended or is not wanted any more."""
        pause = min(self._first_pause * _GROWTH**job.looks, _LONGEST_PAUSE) * random.uniform(0.8, 1.2)
        job.looks = min(job.looks + 1, _MOST_GROWN)
        due = self._clock() + timedelta(seconds=pause)
        self._timers.set(job, due, lambda: self._submit(partial(self._look, job)))

    def stop(self, job: Job) -> None:
        """End *job* at AWS, as soon as a thread is free."""
        self._submit(partial(stop_now, job))

    def _look(self, job: Job) -> bool:
        if not job.is_wanted():
            return True
        try:
            found = job.call.look(job.task, job.receipt)
        except Exception as exc:  # noqa: BLE001  whatever comes instead of an answer is the task's failure
            job.ended(None, exc)
            return True
        if found is None:
            self.follow(job)
        else:
            job.ended(found, None)
        return True


def stop_now(job: Job) -> bool:
    """End *job* at AWS; that it cannot be ended is logged."""
    try:
        job.call.stop(job.task, job.receipt)
    except Exception:
        logger.warning("the job of task %s could not be stopped", job.task.token, exc_info=True)
    return True
