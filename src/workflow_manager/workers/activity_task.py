"""One task under way: its work, its heartbeats, and its one answer."""

from __future__ import annotations

import logging
import threading
from typing import Protocol

from workflow_manager.aws import passes
from workflow_manager.callables import error_and_cause
from workflow_manager.workers.activity_client import Answers
from workflow_manager.workers.activity_errors import ActivityError

logger = logging.getLogger("workflow_manager")

_LAST_TRIES = 3  # at an answer when the worker has to go
_NEAR = 0.25  # part of the heartbeat's interval after which one that failed is tried again


class Run(Protocol):
    """The work of one task."""

    def run(self) -> str:
        """Do it, and return the output as JSON text; an exception is a failure."""
        ...

    def terminate(self, number: int) -> None:
        """The worker is to shut down, and has received the signal *number*."""
        ...

    def kill(self) -> None:
        """Nobody wants the answer any more."""
        ...


class Activity(Protocol):
    """What can do the tasks of one activity."""

    def begin(self, token: str, input: str, stopping: threading.Event) -> Run:
        """The work of one task, not yet begun."""
        ...


class ActiveTask:
    """A task that AWS has handed out; it is answered at most once."""

    def __init__(self, token: str, run: Run, answers: Answers, heartbeat: float) -> None:
        self._token, self._run, self._answers, self._heartbeat = token, run, answers, heartbeat
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._is_claimed = False
        self.answered = threading.Event()

    def do(self) -> None:
        """Work, with heartbeats meanwhile, and answer."""
        heart = threading.Thread(target=self._beat, name="heartbeat", daemon=True)
        heart.start()
        try:
            output, failure = self._run.run(), None
        except BaseException as problem:  # noqa: BLE001  a panic is a failure too, or the task would only time out
            output, failure = "", error_and_cause(problem)
        finally:
            self._over.set()
        if self._claim():
            self._answer(output, failure)
            self.answered.set()

    def _answer(self, output: str, failure: tuple[str | None, str | None] | None) -> None:
        try:
            wanted = (
                self._answers.success(self._token, output)
                if failure is None
                else self._answers.failure(self._token, *failure)
            )
        except Exception as error:
            logger.exception("a task's answer did not get through")
            if not passes(error):  # what AWS does not take is a failure, not silence
                self._fail(ActivityError.UNKNOWN, "what the task answered could not be sent")
        else:
            if not wanted:
                logger.warning("a task's answer came too late")

    def _claim(self) -> bool:
        """Whether the caller is the one to answer."""
        with self._lock:
            was_claimed, self._is_claimed = self._is_claimed, True
        return not was_claimed

    def terminate(self, number: int) -> None:
        """Pass on that the worker is to shut down."""
        self._run.terminate(number)

    def give_up(self) -> None:
        """The grace time is over: answer for the work, and end it."""
        if self._claim():
            self._fail(ActivityError.COMMAND_TERMINATED, "the worker was shut down", tries=_LAST_TRIES)
            self.answered.set()
        self._over.set()
        self._run.kill()

    def _fail(self, error: ActivityError, cause: str, tries: int = 10) -> None:
        try:
            self._answers.failure(self._token, error.value, cause, tries=tries)
        except Exception:
            logger.exception("a task's failure did not get through")

    def _beat(self) -> None:
        pause = 0.0  # the first at once: a task may be gone before it begins
        while not self._over.wait(pause):
            try:
                is_wanted = self._answers.heartbeat(self._token)
            except Exception as error:  # noqa: BLE001  the network; the next one may get through
                logger.warning("a heartbeat did not get through: %s", error)
                pause = self._heartbeat * _NEAR
                continue
            if not is_wanted:
                self._abandon()
                return
            pause = self._heartbeat

    def _abandon(self) -> None:
        if not self._over.is_set() and self._claim():
            logger.warning("AWS says that a task is gone; it is stopped")
            self.answered.set()
            self._run.kill()
