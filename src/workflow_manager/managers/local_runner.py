"""
The hands of the local manager: functions on worker threads, coroutines on an event loop, commands as processes.

A thread cannot be stopped from outside.  What is withdrawn while it runs is told so (:class:`TaskContext`), its answer
is dropped whenever it comes, and another thread takes the place of its own.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial

import attrs

from workflow_manager.asl.resources import IntegrationPattern
from workflow_manager.asl.values import JSON, check_json, copy_json
from workflow_manager.callables import error_and_cause
from workflow_manager.engine.pending import PendingTask
from workflow_manager.engine.reports import Report, TaskFailed, TaskHeartbeat, TaskStarted, TaskSubmitted, TaskSucceeded
from workflow_manager.exceptions import InvalidValueError, UnknownResourceError
from workflow_manager.managers import map_runs
from workflow_manager.managers.aws_calls import AwsTask
from workflow_manager.managers.aws_follow import Followers, Job, stop_now
from workflow_manager.managers.commands import Command, CommandRun
from workflow_manager.managers.context import TaskContext
from workflow_manager.managers.event_loop import EventLoopThread
from workflow_manager.managers.functions import Function
from workflow_manager.managers.local_runs import Gate, Run, Stage
from workflow_manager.managers.pool import WorkerPool
from workflow_manager.managers.resources import Resources
from workflow_manager.managers.timers import Timers
from workflow_manager.models import Workflow


class LocalError(StrEnum):
    """Error names of this manager's own."""

    OUTPUT_NOT_JSON = "Local.OutputNotJSON"  # the cause names the place
    UNKNOWN_RESOURCE = "Local.UnknownResource"  # it was there when the workflow was created
    WORKER_LOST = "Local.WorkerLost"  # the process that ran the task has ended


_ANNOUNCE_AFTER = timedelta(milliseconds=50)
_BEATS_PER_PERIOD = 4  # heartbeats that come faster than this often per HeartbeatSeconds change nothing and are dropped

Post = Callable[[str, Sequence[Report], bool], None]
"""Takes a workflow id, news of its tasks, and whether the caller's own thread may go on to act on them."""


class LocalRunner:
    """
    A :class:`workflow_manager.protocols.TaskRunner` that posts its news itself, so that nobody has to poll.

    *post* takes the news; *context_of* gives the context object of a pending task, by workflow id and token.
    *concurrency* limits how many tasks of one resource, as written in the definition, are under way at once, whatever
    the workflow.  A ``.sync`` task at AWS takes no thread while its job goes on: it is looked at after *first_pause*
    seconds, then after ever longer pauses of up to 30.
    """

    def __init__(
        self,
        resources: Resources,
        post: Post,
        *,
        timers: Timers,
        clock: Callable[[], datetime],
        context_of: Callable[[str, str], JSON],
        max_workers: int,
        concurrency: Mapping[str, int],
        first_pause: float = 1.0,
    ) -> None:
        self._resources, self._post, self._timers, self._clock = resources, post, timers, clock
        self._context_of = context_of
        self._lock = threading.Lock()
        self._runs: dict[str, dict[str, Run]] = {}
        self._gates = {resource: Gate(limit) for resource, limit in concurrency.items()}
        self._pool: WorkerPool[Callable[[], bool]] = WorkerPool(_call, max_workers)
        self._followers = Followers(self._pool.submit, timers, clock, first_pause)
        self._loop = EventLoopThread()
        self._begun: deque[Run] = deque()
        self._announcing = False
        self._closed = False

    def start(self, workflow: Workflow, task: PendingTask) -> TaskFailed | None:
        """Put *task* to work, unless it is already; one whose resource has vanished fails."""
        try:
            hands = self._resources.find(task.resource, state=task.state, namespace=workflow.namespace)
        except UnknownResourceError as exc:
            return TaskFailed(task.token, self._clock(), LocalError.UNKNOWN_RESOURCE.value, str(exc))
        run = Run(workflow.id, task, hands, task.scheduled_at)
        if isinstance(hands, Function) and hands.wants_context:
            run.context = self._context(run)
        with self._lock:
            runs = self._runs.setdefault(workflow.id, {})
            if self._closed or task.token in runs:
                return None
            runs[task.token] = run
            admitted = self._admit(run)
        if admitted:
            self._launch(run)
        return None

    def resume(self, workflow: Workflow, task: PendingTask) -> bool:
        """Look at the job again that *task* had started before its process ended; ``False`` if there is none."""
        try:
            hands = self._resources.find(task.resource, state=task.state, namespace=workflow.namespace)
        except UnknownResourceError:
            return False
        if not task.submitted or not isinstance(hands, AwsTask) or hands.job is None:
            return False
        run = Run(workflow.id, task, hands, task.scheduled_at)
        run.stage, run.announced, run.is_job = Stage.RUNNING, True, True
        with self._lock:
            runs = self._runs.setdefault(workflow.id, {})
            if self._closed or task.token in runs:
                return True
            runs[task.token] = run
        self._follow(run, self._job(run, hands, task.receipt))
        return True

    def poll(self, workflow: Workflow, tasks: Sequence[PendingTask]) -> Sequence[Report]:
        """Nothing: news is posted as it happens."""
        return ()

    def stop(self, workflow: Workflow, keep: Collection[str]) -> None:
        """Withdraw every task of *workflow* whose token is not in *keep*."""
        with self._lock:
            tokens = [token for token in self._runs.get(workflow.id, ()) if token not in keep]
        self.withdraw(workflow, tokens)

    def withdraw(self, workflow: Workflow, tokens: Iterable[str]) -> None:
        """Forget these tasks: those that wait never begin, those that run are told and no longer heard."""
        launch: list[Run] = []
        cancel: list[Run] = []
        with self._lock:
            runs = self._runs.get(workflow.id)
            if runs is None:
                return
            for token in tokens:
                run = runs.pop(token, None)
                if run is not None and run.stage is not Stage.OVER:
                    self._end(run, launch)
                    cancel.append(run)
            if not runs:
                del self._runs[workflow.id]
        for run in cancel:
            self._tell(run)
        for run in launch:
            self._launch(run)

    def staying(self) -> None:
        """The calling thread has more to do before it can take the next task: another may begin that."""
        self._pool.staying()

    def is_running(self, workflow_id: str, token: str) -> bool:
        """Whether this runner has the task."""
        with self._lock:
            return token in self._runs.get(workflow_id, ())

    def close(self, *, wait: bool = True) -> None:
        """Begin nothing more; with *wait*, return when the running tasks have answered, else tell them to end."""
        running: list[Run] = []
        with self._lock:
            self._closed = True
            for run in () if wait else [run for runs in self._runs.values() for run in runs.values()]:
                if run.stage is Stage.RUNNING and not run.is_job:  # a job at AWS goes on without us
                    run.stage = Stage.OVER
                    running.append(run)
        for run in running:
            self._tell(run)
        self._pool.close(wait=wait)
        self._loop.close(wait=wait)

    # Beginning

    def _context(self, run: Run) -> TaskContext:
        task = run.task
        return TaskContext(
            token=task.token,
            workflow_id=run.workflow_id,
            state=task.state,
            attempt=task.attempt,
            execution=self._context_of(run.workflow_id, task.token),
            beat=lambda: self._beat(run),
        )

    def _admit(self, run: Run) -> bool:
        gate = self._gates.get(run.task.resource.text)
        if gate is not None and not gate.free:
            gate.waiting.append(run)
            return False
        if gate is not None:
            gate.free -= 1
        run.admitted = True
        return True

    def _launch(self, run: Run) -> None:
        if isinstance(run.hands, Function) and run.hands.is_async:
            self._launch_coroutine(run, run.hands)
        else:
            self._pool.submit(partial(self._work, run))

    def _begin(self, run: Run, thread: threading.Thread | None) -> bool:
        with self._lock:
            if run.stage is not Stage.WAITING or self._closed:
                return False
            run.stage = Stage.RUNNING
            run.thread = thread
            run.started_at = self._clock()
            self._begun.append(run)
            announce, self._announcing = not self._announcing, True
        if announce:
            self._timers.set(self, run.started_at + _ANNOUNCE_AFTER, self._announce)
        return True

    def _announce(self) -> None:
        """Tell of the tasks that have run for a while; those that end sooner tell of their start with their end."""
        now = self._clock()
        with self._lock:
            while self._begun and (_is_told(self._begun[0]) or self._begun[0].started_at + _ANNOUNCE_AFTER <= now):
                run = self._begun.popleft()
                if not _is_told(run):
                    run.announced = True
                    news = (TaskStarted(run.task.token, run.started_at),)
                    self._post(run.workflow_id, news, False)  # under the lock: it must come before the answer
            self._announcing = bool(self._begun)
            following = self._begun[0].started_at + _ANNOUNCE_AFTER if self._begun else None
        if following is not None:
            self._timers.set(self, following, self._announce)

    # Working

    def _work(self, run: Run) -> bool:
        if not self._begin(run, threading.current_thread()):
            return True
        try:
            output = self._do(run)
        except BaseException as exc:  # noqa: BLE001  whatever a task raises is its failure
            return self._finish(run, self._failed(run, exc), here=True)
        if isinstance(run.hands, AwsTask) and run.hands.job is not None:
            return self._submitted(run, run.hands, output)
        return self._finish(run, self._succeeded(run, output), here=True)

    def _do(self, run: Run) -> object:
        if isinstance(run.hands, Command):
            command = CommandRun(run.hands, run.workflow_id)
            self._set_cancel(run, command.cancel)
            return command.run(run.task.input)
        output = self._do_here(run, run.hands, run.task)
        manifest = map_runs.manifest(run.task)
        if manifest is not None:
            self._do_here(run, run.hands, attrs.evolve(run.task, input=manifest))
        return output

    def _do_here(self, run: Run, hands: Function | AwsTask, task: PendingTask) -> object:
        return hands.call(task) if isinstance(hands, AwsTask) else hands(copy_json(task.input), run.context)

    # Following a job at AWS

    def _submitted(self, run: Run, call: AwsTask, output: object) -> bool:
        """The job of *run* has been accepted; returns whether this thread is still a worker."""
        job = self._job(run, call, check_json(output))
        news: list[Report] = [TaskSubmitted(run.task.token, self._clock(), job.receipt)]
        with self._lock:
            withdrawn = run.stage is Stage.OVER
            if not run.announced:
                news.insert(0, TaskStarted(run.task.token, run.started_at))
            run.announced, run.is_job, run.thread = True, True, None
        if withdrawn:
            stop_now(job)
            return False
        self._post(run.workflow_id, news, True)
        self._follow(run, job)
        return True

    def _job(self, run: Run, call: AwsTask, receipt: JSON) -> Job:
        def ended(output: JSON, problem: Exception | None) -> None:
            report = self._succeeded(run, output) if problem is None else self._failed(run, problem)
            self._finish(run, report, here=True)

        return Job(call, run.task, receipt, is_wanted=lambda: run.stage is Stage.RUNNING, ended=ended)

    def _follow(self, run: Run, job: Job) -> None:
        self._set_cancel(run, lambda: self._followers.stop(job))
        self._followers.follow(job)

    def _launch_coroutine(self, run: Run, function: Function) -> None:
        if not self._begin(run, None):
            return

        def done(output: object, problem: BaseException | None) -> None:
            report = self._succeeded(run, output) if problem is None else self._failed(run, problem)
            self._finish(run, report, here=False)

        self._set_cancel(run, self._loop.run(lambda: function.coroutine(copy_json(run.task.input), run.context), done))

    def _set_cancel(self, run: Run, cancel: Callable[[], None]) -> None:
        with self._lock:
            run.cancel = cancel
            over = run.stage is Stage.OVER
        if over:
            cancel()

    def _succeeded(self, run: Run, output: object) -> TaskSucceeded | TaskFailed:
        try:
            value = map_runs.task_output(run.task, output)
        except InvalidValueError as exc:
            reason = LocalError.OUTPUT_NOT_JSON.value
            return TaskFailed(run.task.token, self._clock(), reason, str(exc), run.started_at)
        return TaskSucceeded(run.task.token, self._clock(), value, run.started_at)

    def _failed(self, run: Run, problem: BaseException) -> TaskFailed:
        error, cause = error_and_cause(problem)
        return TaskFailed(run.task.token, self._clock(), error, cause, run.started_at)

    def _beat(self, run: Run) -> None:
        period = run.task.heartbeat_seconds
        now = self._clock()
        if run.stage is not Stage.RUNNING or period is None:
            return
        if (now - run.beaten_at).total_seconds() * _BEATS_PER_PERIOD < period:
            return
        run.beaten_at = now
        self._post(run.workflow_id, (TaskHeartbeat(run.task.token, now),), run.thread is threading.current_thread())

    # Ending

    def _finish(self, run: Run, report: TaskSucceeded | TaskFailed, *, here: bool) -> bool:
        """Post the answer, if anybody still wants it; returns whether this thread is still a worker."""
        launch: list[Run] = []
        with self._lock:
            if run.stage is Stage.OVER:
                return False
            self._end(run, launch)
            announced, run.announced = run.announced, True
            if self._begun and self._begun[-1] is run:
                self._begun.pop()  # a short task's memory is the next one's
        if here:
            self._pool.leaving()
        for other in launch:
            self._launch(other)
        self._post(run.workflow_id, _news(run, report, announced), here)
        return True

    def _end(self, run: Run, launch: list[Run]) -> None:
        gate = self._gates.get(run.task.resource.text)
        if gate is not None and run.admitted:
            self._pass_on(gate, launch)
        was_running, run.stage = run.stage is Stage.RUNNING, Stage.OVER
        if was_running and run.thread is not None and run.thread is not threading.current_thread():
            self._pool.abandon(run.thread)

    def _pass_on(self, gate: Gate, launch: list[Run]) -> None:
        while gate.waiting:
            run = gate.waiting.popleft()
            if run.stage is Stage.WAITING:  # else it was withdrawn meanwhile
                run.admitted = True
                launch.append(run)
                return
        gate.free += 1

    def _tell(self, run: Run) -> None:
        if run.context is not None:
            run.context.cancelled.set()
        if run.cancel is not None:
            run.cancel()


def _is_told(run: Run) -> bool:
    """Whether nobody need be told of its start any more."""
    return run.announced or run.stage is not Stage.RUNNING


def _call(work: Callable[[], bool]) -> bool:
    return work()


def _news(run: Run, report: TaskSucceeded | TaskFailed, announced: bool) -> Sequence[Report]:
    token, pattern = run.task.token, run.task.resource.pattern
    if pattern is IntegrationPattern.REQUEST_RESPONSE:
        return (report,)  # which says as well when it began
    news: list[Report] = [] if announced else [TaskStarted(token, run.started_at)]
    if isinstance(report, TaskSucceeded) and pattern is IntegrationPattern.WAIT_FOR_TASK_TOKEN:
        news.append(TaskSubmitted(token, report.at, report.output))  # the result itself is somebody else's to send
        return news
    if isinstance(report, TaskSucceeded) and pattern is IntegrationPattern.SYNC and not run.is_job:
        news.append(TaskSubmitted(token, report.at, {}))
    news.append(report)
    return news
