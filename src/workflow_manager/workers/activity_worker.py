"""The worker itself: it registers activities, polls them, and sees to the tasks that it is given."""

from __future__ import annotations

import logging
import random
import re
import signal
import threading
import time
from collections.abc import Callable, Mapping
from types import FrameType, TracebackType
from typing import Any, Self

from workflow_manager.aws import code_of, passes
from workflow_manager.exceptions import InvalidValueError
from workflow_manager.workers.activity_client import ActivityClient, Answers
from workflow_manager.workers.activity_errors import ActivityError
from workflow_manager.workers.activity_functions import FunctionActivity
from workflow_manager.workers.activity_task import ActiveTask, Activity

logger = logging.getLogger("workflow_manager")

_ENDING = (signal.SIGTERM, signal.SIGINT)
_LOOK_UP = 1.0  # seconds: a signal that comes just before a blocking wait is not seen in it
_MAX_NAME = 80
_FORBIDDEN = re.compile('[\\s<>{}\\[\\]?*"#%\\\\^|~`$&,;:/\x00-\x1f\x7f-\x9f]')  # AWS API: CreateActivity, name
_LEAST_READ_TIMEOUT = 65  # seconds; AWS API: GetActivityTask
_EMPTY_POLL = 1.0  # seconds that a poll without a task takes at least
_LONGEST_PAUSE = 30.0
_SLOT_WAIT = 0.25
_LAST_WORDS = 5.0  # seconds for answers that are on their way when the grace time ends


class ActivityWorker:
    """
    Does the tasks of activities.

    *functions* maps resources to callables of (), (input) or (input, context), async or not.  The activity of a
    resource is called ``{namespace}--{resource}``, as :class:`StepFunctionsWorkflowManager` resolves it; with a
    *namespace* of ``None`` it is called like the resource.  *concurrency* is how many tasks of each resource are done
    at once, one number or one per resource; *heartbeat* the seconds between two heartbeats of a task; *grace* the
    seconds that running tasks are given after :meth:`stop`; *poll_interval* the seconds between two polls of an
    activity at least. *tags* are put on the activities.

    An activity's name has at most 80 characters, none that AWS forbids (:class:`InvalidValueError`).  One that cannot
    be registered is tried again and again, while the others are served.

    What the functions raise is a failure: a :class:`TaskError` with its own name, anything else with that of its class.
    """

    def __init__(
        self,
        client: ActivityClient,
        functions: Mapping[str, Callable[..., object] | Activity],
        *,
        namespace: str | None,
        worker_name: str = "",
        concurrency: int | Mapping[str, int] = 1,
        heartbeat: float = 20.0,
        grace: float = 25.0,
        poll_interval: float = 0.0,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        self._client, self._worker_name, self._tags = client, worker_name[:_MAX_NAME], dict(tags or {})
        self._heartbeat, self._grace, self._poll_interval = heartbeat, grace, poll_interval
        self._activities: dict[str, Activity] = {}
        self._arns: dict[str, str] = {}
        self._slots: dict[str, threading.BoundedSemaphore] = {}
        for resource, function in functions.items():
            name = resource if namespace is None else f"{namespace}--{resource}"
            limit = concurrency.get(resource, 1) if isinstance(concurrency, Mapping) else concurrency
            if limit < 1:
                raise InvalidValueError("concurrency", f"/{resource}", "it must be at least 1")
            if not 0 < len(name) <= _MAX_NAME or _FORBIDDEN.search(name):
                raise InvalidValueError("functions", f"/{resource}", f"AWS takes no activity called {name!r}")
            self._activities[name] = function if hasattr(function, "begin") else FunctionActivity(function)
            self._slots[name] = threading.BoundedSemaphore(limit)
        self._chance = random.Random().uniform
        self._answers = Answers(client, time.sleep, self._chance)
        _warn_of_short_polls(client)
        self._stopping = threading.Event()
        self._changed = threading.Condition()
        self._active: set[ActiveTask] = set()
        self._pollers: list[threading.Thread] = []

    # From start to end

    def run(self) -> None:
        """
        Work until :meth:`stop`, or SIGTERM or SIGINT in the main thread, then drain.

        Running tasks get the grace time; what is not done then is answered with ``sfncli.CommandTerminated``, which the
        manager's default retrier retries.
        """
        previous = self._listen()
        try:
            self.start()
            while not self._stopping.wait(_LOOK_UP):
                pass
            self.drain()
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)

    def start(self) -> None:
        """Register the activities and begin to poll, in threads of its own."""
        for name, activity in self._activities.items():
            is_there = self._try_to_register(name)  # one that cannot be made yet does not keep the others waiting
            poller = threading.Thread(
                target=self._serve, args=(name, activity, is_there), name=f"poll {name}", daemon=True
            )
            self._pollers.append(poller)
            poller.start()

    def _serve(self, name: str, activity: Activity, is_there: bool) -> None:
        if is_there or self._register(name):
            self._poll(name, activity)

    def stop(self, number: int = signal.SIGTERM) -> None:
        """Take no more tasks, and pass the signal *number* on to the commands that run; returns at once."""
        self._stopping.set()
        self.forward(number)

    def forward(self, number: int) -> None:
        """Pass the signal *number* on to the commands that run, and go on working."""
        for task in self.active:
            task.terminate(number)

    def drain(self) -> None:
        """After :meth:`stop`: wait for the running tasks, at most the grace time, and answer for the others."""
        self._stopping.set()
        with self._changed:
            self._changed.wait_for(lambda: not self._active, self._grace)
        left = self.active
        for task in left:
            task.give_up()
        end = time.monotonic() + _LAST_WORDS
        for task in left:  # one that has just ended may be answering
            task.answered.wait(max(0.0, end - time.monotonic()))

    @property
    def active(self) -> tuple[ActiveTask, ...]:
        """The tasks under way."""
        with self._changed:
            return tuple(self._active)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        self.drain()

    def _listen(self) -> dict[int, Any]:
        if threading.current_thread() is not threading.main_thread():
            return {}
        return {number: signal.signal(number, self._hear) for number in _ENDING}

    def _hear(self, number: int, frame: FrameType | None) -> None:
        # A handler may interrupt whoever holds the lock, so another thread passes the signal on.
        threading.Thread(target=self.stop, args=(number,), name="stop", daemon=True).start()

    # Registering

    def arn(self, name: str) -> str:
        """The ARN of the activity *name*, once it is registered."""
        return self._arns[name]

    def _register(self, name: str) -> bool:
        """Make the activity *name* if need be; ``False`` if the worker was stopped meanwhile."""
        trouble = 0
        while not self._stopping.is_set():
            if self._try_to_register(name):
                return True
            trouble = self._rest(trouble)
        return False

    def _try_to_register(self, name: str) -> bool:
        try:
            arn = self._create(name)
            self._tag(arn)
        except Exception:
            logger.warning("activity %s: it cannot be registered yet", name, exc_info=True)
            return False
        self._arns[name] = arn
        return True

    def _create(self, name: str) -> str:
        try:
            return str(self._client.create_activity(name=name)["activityArn"])
        except Exception as error:
            if code_of(error) != "ActivityAlreadyExists":  # made by somebody else, with other settings
                raise
        arguments: dict[str, Any] = {}
        while True:
            page = self._client.list_activities(**arguments)
            for found in page["activities"]:
                if found["name"] == name:
                    return str(found["activityArn"])
            arguments["nextToken"] = page["nextToken"]

    def _tag(self, arn: str) -> None:
        """Tags are for bills and dashboards: where they are refused, the work is done without."""
        if not self._tags:
            return
        tags = [{"key": key, "value": value} for key, value in self._tags.items()]
        try:
            self._client.tag_resource(resourceArn=arn, tags=tags)
        except Exception as error:
            if passes(error):
                raise
            logger.warning("activity %s: it cannot be tagged", arn, exc_info=True)

    # Polling

    def _poll(self, name: str, activity: Activity) -> None:
        slots, trouble = self._slots[name], 0
        while not self._stopping.is_set():
            if not slots.acquire(timeout=_SLOT_WAIT):
                continue
            begun, task = time.monotonic(), None
            try:
                task = self._take(self._arns[name], activity)
                trouble = 0
            except Exception as error:
                logger.warning("activity %s: no answer to a poll", name, exc_info=True)
                if code_of(error) == "ActivityDoesNotExist":
                    self._register(name)
                trouble = self._rest(trouble)
            if task is None:
                slots.release()
            else:
                threading.Thread(target=self._do, args=(task, slots), name=f"task {name}", daemon=True).start()
            least = self._poll_interval if task is not None else max(self._poll_interval, _EMPTY_POLL)
            self._stopping.wait(max(0.0, begun + least - time.monotonic()))

    def _take(self, arn: str, activity: Activity) -> ActiveTask | None:
        worker = {"workerName": self._worker_name} if self._worker_name else {}
        found = self._client.get_activity_task(activityArn=arn, **worker)
        token = found.get("taskToken")
        if not token:
            return None
        run = activity.begin(token, str(found.get("input", "{}")), self._stopping)
        task = ActiveTask(token, run, self._answers, self._heartbeat)
        with self._changed:
            if not self._stopping.is_set():
                self._active.add(task)
                return task
        self._answers.failure(token, ActivityError.COMMAND_TERMINATED.value, "the worker is being shut down")
        return None

    def _do(self, task: ActiveTask, slots: threading.BoundedSemaphore) -> None:
        try:
            task.do()
        except Exception:
            logger.exception("a task could not be done")
        finally:
            slots.release()
            with self._changed:
                self._active.discard(task)
                self._changed.notify_all()

    def _rest(self, trouble: int) -> int:
        """Wait the longer the more trouble there has been; returns the number of troubles."""
        self._stopping.wait(self._chance(0.1, min(_LONGEST_PAUSE, 0.5 * 2**trouble)))
        return min(trouble + 1, 10)


def _warn_of_short_polls(client: object) -> None:
    """A client that hangs up before AWS has answered a poll loses the tasks which come at that moment."""
    config = getattr(getattr(client, "meta", None), "config", None)
    seconds = getattr(config, "read_timeout", None)
    if isinstance(seconds, int | float) and seconds < _LEAST_READ_TIMEOUT:
        logger.warning(
            "the client's read_timeout of %s seconds is less than the %s that a poll may take: tasks will be lost",
            seconds,
            _LEAST_READ_TIMEOUT,
        )
