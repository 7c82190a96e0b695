"""The fake itself: real boto3 clients on one side, a virtual clock and a register of what jobs do on the other."""

from __future__ import annotations

import math
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from workflow_manager.exceptions import InvalidValueError, NotFoundError
from workflow_manager.testing.fake_batch import flow, registry, running, wire
from workflow_manager.testing.fake_batch.commands import Commands
from workflow_manager.testing.fake_batch.details import job_detail, state_change
from workflow_manager.testing.fake_batch.ends import JobEnd
from workflow_manager.testing.fake_batch.errors import Refusal
from workflow_manager.testing.fake_batch.faults import Fault, Faults
from workflow_manager.testing.fake_batch.operations import SERVICES
from workflow_manager.testing.fake_batch.records import Behaviour, Delays, Job, JobQueue, Status
from workflow_manager.testing.fake_batch.world import Doing, World

if TYPE_CHECKING:
    import boto3
    from botocore.awsrequest import AWSPreparedRequest, AWSResponse
    from botocore.config import Config

START = datetime(2026, 1, 1, tzinfo=UTC)
"""When the virtual clock begins, unless it is told."""

HANDLER = "workflow-manager-fake-batch"
"""Under this name botocore knows our handler: a client has one of them."""

WEEK = timedelta(days=7)
"""How long Batch remembers a job that has ended."""


class FakeBatch:
    """
    An AWS Batch for tests: one account, one region, no network, no waiting.

    Clients that :meth:`client` makes or :meth:`attach` is given send their requests here.  Nothing moves by itself:
    :meth:`advance`, :meth:`run_until` and :meth:`run_all` do.  Jobs do what :meth:`register` was told.  Any thread
    may call anything.

    *start* is the first moment of the virtual clock (with a time zone), *delays* how long jobs stay in each status,
    *retention* how long ended jobs are remembered, *listing_lag* how many seconds ListJobs is behind SubmitJob (AWS
    promises nothing), *seed* decides all ids, and with *real_commands* job definitions that come through
    RegisterJobDefinition run their commands as processes; without it they just succeed.
    """

    def __init__(
        self,
        *,
        start: datetime = START,
        region: str = "us-east-1",
        delays: Delays | None = None,
        retention: timedelta = WEEK,
        listing_lag: float = 0.0,
        seed: int = 0,
        real_commands: bool = False,
    ) -> None:
        if start.tzinfo is None:
            raise InvalidValueError("start", "", "a datetime needs a time zone")
        self.region = region
        self.faults = Faults()
        self.calls: Counter[str] = Counter()
        """How many calls of each operation came in, failed ones and botocore's retries included."""
        self.trace: list[str] = []
        """The operations of these calls, in their order."""
        self._lock = threading.RLock()
        self._real_commands = real_commands
        self._commands = Commands()
        self._world = World(
            start=start,
            region=region,
            delays=delays or Delays(),
            retention=retention.total_seconds(),
            listing_lag=listing_lag,
            seed=seed,
        )

    # -- clients ------------------------------------------------------------------------------------------------

    def client(self, service: str = "batch", *, config: Config | None = None) -> Any:
        """
        A boto3 client of ``batch`` or ``logs`` that is answered here.

        Without a *config* of your own botocore does not retry, so that each fault is seen and none costs real time.
        """
        from botocore.config import Config

        return self.session().client(service, config=config or Config(retries={"total_max_attempts": 1}))

    def session(self, *, others: bool = False) -> boto3.Session:
        """
        A boto3 session with credentials of its own whose ``batch`` and ``logs`` clients are answered here.

        Its clients of other services are refused when they would reach AWS itself, unless *others* says that
        somebody else answers them.
        """
        import boto3

        session = boto3.Session(
            aws_access_key_id="fake", aws_secret_access_key="fake", aws_session_token="fake", region_name=self.region
        )
        session.events.register_first("before-send", partial(self._before_send, guard=not others), unique_id=HANDLER)
        return session

    def attach(self, client: Any) -> None:
        """
        Answers the requests of *client*, a boto3 client of ``batch`` or ``logs``, from now on.

        A fake that answered it before does so no more: tests may share a client, which takes long to make.
        """
        client.meta.events.unregister("before-send", unique_id=HANDLER)
        client.meta.events.register_first("before-send", self._before_send, unique_id=HANDLER)

    # -- the clock ----------------------------------------------------------------------------------------------

    @property
    def now(self) -> datetime:
        """The virtual time, in UTC."""
        return self._world.timeline.moment

    def clock(self) -> datetime:
        """The virtual time, as the ``clock`` that a manager takes."""
        return self.now

    def advance(self, seconds: float) -> None:
        """Lets so many *seconds* pass, with all that falls into them."""
        if not 0 <= seconds < math.inf:
            raise InvalidValueError("seconds", "", f"time passes forward, by a finite number, not by {seconds}")
        with self._lock:
            timeline = self._world.timeline
            timeline.run_to(timeline.now + round(seconds * 1000))
            self._world.forget()

    def run_until(self, predicate: Callable[[], bool], *, limit: timedelta = WEEK) -> None:
        """
        Goes from event to event until *predicate* holds; at once if it holds now.

        :raises TimeoutError: nothing is left to happen, or *limit* has passed.
        """
        latest = self._world.timeline.now + limit // timedelta(milliseconds=1)
        while not predicate():  # without the lock: it may wait for a thread that calls
            if not self._next_moment(latest):
                raise TimeoutError(f"it has not come about, and nothing more happens within {limit}")

    def run_all(self) -> None:
        """Goes on until nothing is left to happen: every job has ended, or waits for what never comes."""
        while self._next_moment():
            pass

    # -- what is registered -------------------------------------------------------------------------------------

    def add_queue(
        self,
        name: str,
        *,
        slots: int | None = None,
        fair_share: bool = False,
        compute_environment: str = "fake",
        tags: Mapping[str, str] | None = None,
    ) -> str:
        """Makes a job queue that runs *slots* jobs at once (None: any number); its ARN comes back."""
        with self._lock, _as_our_own("queue"):
            body: dict[str, Any] = {"jobQueueName": name, "priority": 1, "tags": dict(tags or {})}
            body["computeEnvironmentOrder"] = [{"order": 1, "computeEnvironment": compute_environment}]
            if fair_share:
                body["schedulingPolicyArn"] = self._world.arn("scheduling-policy", name)
            if compute_environment not in self._world.compute_environments:
                environment = {"computeEnvironmentName": compute_environment, "type": "MANAGED"}
                registry.create_compute_environment(self._world, environment)
            arn: str = registry.create_job_queue(self._world, body)["jobQueueArn"]
            self._world.queues[name].slots = slots
            return arn

    def register(
        self,
        name: str,
        run: Behaviour | None = None,
        *,
        command: Sequence[str] | None = None,
        seconds: float = 1.0,
        environment: Mapping[str, str] | None = None,
        retry: Mapping[str, Any] | None = None,
        timeout: int | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> str:
        """
        Makes a job definition and says what its jobs do; the ARN of the new revision comes back.

        *run* is called with a :class:`JobRun` when the container starts; what it returns is how the attempt ends,
        *seconds* of virtual time later (``math.inf``: never).  A generator function waits at each ``yield seconds``
        and is closed when its job is stopped.  Without *run* the container's command runs as a process: *command*,
        or SubmitJob's, with the container's environment; ``python`` is this interpreter.  Without either the job
        succeeds.  *environment*, *retry* (``retryStrategy``), *timeout* (seconds) and *tags* are the definition's.
        """
        with self._lock, _as_our_own("job definition"):
            body: dict[str, Any] = {"jobDefinitionName": name, "type": "container", "tags": dict(tags or {})}
            body["containerProperties"] = {
                "image": "fake",
                "command": list(command or ()),
                "environment": [{"name": key, "value": value} for key, value in (environment or {}).items()],
                "resourceRequirements": [{"type": "VCPU", "value": "1"}, {"type": "MEMORY", "value": "512"}],
            }
            if retry is not None:
                body["retryStrategy"] = retry
            if timeout is not None:
                body["timeout"] = {"attemptDurationSeconds": timeout}
            arn: str = registry.register_job_definition(self._world, body)["jobDefinitionArn"]
            if run is None:
                run = running.nothing if command is None else partial(self._commands.run, seconds=seconds)
            self._world.doings[name] = Doing(run=run, seconds=seconds)
            return arn

    # -- a hand in what happens ---------------------------------------------------------------------------------

    def block(self, queue: str, reason: str = "MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT") -> None:
        """Keeps the jobs of *queue* in RUNNABLE; *reason* is their statusReason meanwhile."""
        self._set_blocked(queue, reason)

    def unblock(self, queue: str) -> None:
        """Lets the jobs of *queue* go on."""
        self._set_blocked(queue, None)

    def end(self, job_id: str, end: JobEnd) -> None:
        """
        Ends the attempt that is under way with *end*, from outside: ``JobEnd.spot_reclaimed()``, say.

        :raises InvalidValueError: the job is neither STARTING nor RUNNING.
        """
        with self._lock:
            job = self._job(job_id)
            if job.current is None:
                raise InvalidValueError("job", "", f"{job_id} is {job.status}: no attempt is under way")
            flow.end_attempt(self._world, job, end)

    def on_event(self, listener: Callable[[dict[str, Any]], None]) -> None:
        """Calls *listener* with EventBridge's "Batch Job State Change" at each change of a job's status."""
        self._world.listeners.append(lambda job: listener(state_change(self._world, job)))

    # -- what there is ------------------------------------------------------------------------------------------

    def job(self, job_id: str) -> dict[str, Any]:
        """What DescribeJobs would say, without a call.  :raises NotFoundError: Batch does not know it."""
        with self._lock:
            return job_detail(self._world, self._job(job_id))

    def jobs(self, *, live: bool = False, children: bool = False) -> list[dict[str, Any]]:
        """All jobs as DescribeJobs would tell them, oldest first: only *live* ones, or arrays' *children* too."""
        with self._lock:
            chosen = [
                job
                for job in self._world.jobs.values()
                if (children or job.parent is None) and not (live and job.status.final)
            ]
            chosen.sort(key=lambda job: (job.number, -1 if job.index is None else job.index))
            return [job_detail(self._world, job) for job in chosen]

    def logs(self, job_id: str) -> list[str]:
        """The log lines of the last attempt of a job, oldest first."""
        with self._lock:
            job = self._job(job_id)
            attempt = job.last_attempt
            return self._world.logs.lines(attempt.log_stream, running.log_group(job)) if attempt is not None else []

    # -- underneath ---------------------------------------------------------------------------------------------

    def _next_moment(self, latest: float = math.inf) -> bool:
        with self._lock:
            timeline = self._world.timeline
            if timeline.next_at is None or timeline.next_at > latest:
                return False
            timeline.run_to(timeline.next_at)
            self._world.forget()
            return True

    def _job(self, job_id: str) -> Job:
        job = self._world.jobs.get(job_id)
        if job is None:
            raise NotFoundError("job", job_id)
        return job

    def _set_blocked(self, name: str, reason: str | None) -> None:
        with self._lock:
            queue: JobQueue = self._world.queues[name]
            queue.blocked = reason
            for job in self._world.jobs.values():
                if job.queue is queue and job.status is Status.RUNNABLE:
                    job.status_reason = reason
            flow.fill(self._world, queue)

    def _before_send(
        self, request: AWSPreparedRequest, event_name: str, *, guard: bool = False, **_: Any
    ) -> AWSResponse | None:
        service, operation = event_name.split(".")[1:]
        if service not in SERVICES:
            if guard and ".amazonaws.com" in request.url:
                raise NotImplementedError(f"FakeBatch answers batch and logs only, not {service} {operation}")
            return None
        with self._lock:
            return self._answer(request, service, operation)

    def _answer(self, request: AWSPreparedRequest, service: str, operation: str) -> AWSResponse:
        do = SERVICES[service].get(operation)
        if do is None:
            raise NotImplementedError(f"FakeBatch does not answer {service} {operation}")
        self.calls[operation] += 1
        self.trace.append(operation)
        fault, after = self.faults.next(operation)
        if fault is not None and not after:
            return self._fail(request, service, fault)
        body, size = wire.body_of(request)
        try:
            reply = wire.answer(request, do(self._world, body, size))
        except Refusal as refusal:
            reply = wire.refuse(request, refusal)
        else:
            if operation == "RegisterJobDefinition" and self._real_commands:
                doing = Doing(run=partial(self._commands.run, seconds=1.0), seconds=1.0)
                self._world.doings.setdefault(body["jobDefinitionName"], doing)
        return reply if fault is None else self._fail(request, service, fault)

    def _fail(self, request: AWSPreparedRequest, service: str, fault: Fault | BaseException) -> AWSResponse:
        if isinstance(fault, BaseException):
            raise fault
        return wire.trouble(request, service, fault)


@contextmanager
def _as_our_own(what: str) -> Iterator[None]:
    # Whoever calls us and not the service gets our errors.
    try:
        yield
    except Refusal as refusal:
        raise InvalidValueError(what, "", refusal.message) from None
