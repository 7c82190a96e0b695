"""The local manager: workflows run in this process, by functions, coroutines and commands."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from types import TracebackType
from typing import Any, Self

from workflow_manager.asl.resources import IntegrationPattern, TaskKind
from workflow_manager.asl.values import JSON
from workflow_manager.engine import AWS_LIMITS, Limits
from workflow_manager.engine.pending import PendingTask
from workflow_manager.engine.reports import Report, TaskFailed, TaskHeartbeat, TaskSucceeded
from workflow_manager.exceptions import InvalidValueError, UnknownResourceError
from workflow_manager.managers.admission import Need
from workflow_manager.managers.aws_calls import AwsCalls
from workflow_manager.managers.aws_clients import AssumeRole, AwsClients, AwsSession
from workflow_manager.managers.aws_files import FileBuckets
from workflow_manager.managers.base import EngineWorkflowManager, utc_now
from workflow_manager.managers.driver import Driver
from workflow_manager.managers.leases import Leases, is_leased
from workflow_manager.managers.live import Listener
from workflow_manager.managers.local_driver import LocalDriver, is_shared
from workflow_manager.managers.local_runner import LocalError, LocalRunner
from workflow_manager.managers.processes import new_owner
from workflow_manager.managers.resources import Finder, Resources
from workflow_manager.managers.standing import machine_of
from workflow_manager.managers.timers import Timers
from workflow_manager.models import ManagerName, Workflow, WorkflowQuery, WorkflowStatus
from workflow_manager.protocols import Store

logger = logging.getLogger("workflow_manager")

_PAGE = 1000
_ANSWERS_AFTER = timedelta(seconds=2)  # between looks for answers that were given through another process

Task = Callable[..., object] | str


class LocalWorkflowManager(EngineWorkflowManager):
    """
    Runs workflows in this process, over any store.

    Args:
        store: where definitions, state resources and workflows are kept.
        tasks: what does the work, by resource as the definition names it.  A function is called with the task's input
            (its own copy), or with input and :class:`workflow_manager.managers.context.TaskContext`, and returns the
            output, any JSON value; ``async def`` functions share one event loop; a text
            ``python:package.module:function`` is imported, ``exec:command arguments`` runs a command.  A resource that
            is not here is looked up as a state resource in the workflow's namespace, whose uri is such a text.
        session: a ``boto3.Session``.  A resource that is nowhere else and means a call of AWS is made for real, through
            a client of this session: ``arn:aws:states:::aws-sdk:<service>:<action>``, an optimised integration
            (``arn:aws:states:::sqs:sendMessage``), or a Lambda function's ARN.
        clients: boto3 clients by service name, which come before those of *session*.
        assume_role: gives a session with the permissions of a role, by its ARN, for states with Credentials.
        files: a folder that stands for S3: objects are the files ``<files>/<bucket>/<key>``.
        poll_seconds: after how long a ``.sync`` job is looked at first; later pauses grow to 30 seconds.
        keep_children: keep every child execution of a distributed Map, once it has ended, as a workflow of its own: its
            id is the token of the parent's task, its tags ``parent`` and ``index`` say whose it is.
        max_workers: how many tasks may run on threads at once.
        concurrency: how many tasks of one resource, as the definition names it, may run at once; those beyond wait in
            order.
        owner: a name for this manager, if others share the store: every workflow is leased to it while it runs here, so
            that :meth:`recover` elsewhere leaves it alone.  A process that is started again under the same name has its
            leases back at once; anybody else has to wait until they expire.  Over a store that several processes may
            share (any but a MemoryStore) the default is a name that tells host, process and time of start: then every
            process of this host sees when this one is gone, and need not wait.
        lease_seconds: how long such a lease is good for; it is renewed after a third of that.
        recover_on_start: over a store that several processes may share, do :meth:`recover` at once.
        clock: the present time, aware, in UTC.
        limits: the engine's.
        listeners: see :class:`EngineWorkflowManager`.

    A task fails with the error that its :class:`workflow_manager.exceptions.TaskError` names, else with the name of its
    exception's class.  A task that runs longer than a moment is told as started at once, a short one together with its
    end.

    Use it as a context manager, or call :meth:`close`.  Workflows that are not done then stay as they are stored;
    :meth:`recover` goes on with them.
    """

    def __init__(
        self,
        store: Store,
        tasks: Mapping[str, Task] | None = None,
        *,
        session: AwsSession | None = None,
        clients: Mapping[str, Any] | None = None,
        assume_role: AssumeRole | None = None,
        files: str | os.PathLike[str] | None = None,
        poll_seconds: float = 1.0,
        keep_children: bool = False,
        max_workers: int = 32,
        concurrency: Mapping[str, int] | None = None,
        owner: str | None = None,
        lease_seconds: float = 60.0,
        recover_on_start: bool = True,
        clock: Callable[[], datetime] | None = None,
        limits: Limits = AWS_LIMITS,
        listeners: Iterable[Listener] = (),
    ) -> None:
        _check_count("max_workers", max_workers)
        for resource, limit in (concurrency or {}).items():
            _check_count(f"concurrency/{resource}", limit)
        clock = clock or utc_now
        if not poll_seconds > 0:
            raise InvalidValueError("LocalWorkflowManager", "/poll_seconds", f"{poll_seconds!r} is not above 0")
        finders: list[Finder] = [] if files is None else [FileBuckets(files)]
        finders.append(AwsCalls(AwsClients(session, clients, assume_role)))
        self._resources = Resources(tasks or {}, store, finders)
        self._keep_children = keep_children
        self._timers = Timers(clock)
        shared = is_shared(store)
        if owner is None and shared:
            owner = new_owner()
        self._leases = None if owner is None else Leases(store, owner, lease_seconds)
        self._renewing = False
        self._runner = LocalRunner(
            self._resources,
            self._hear,
            timers=self._timers,
            clock=clock,
            context_of=self._context_of,
            max_workers=max_workers,
            concurrency=concurrency or {},
            first_pause=poll_seconds,
        )
        super().__init__(
            store, self._runner, name=ManagerName.LOCAL.value, clock=clock, limits=limits, listeners=listeners
        )
        if shared and recover_on_start:
            self._recover_or_close()

    def _make_driver(self, store: Store, runner: object) -> Driver:
        self._local_driver = LocalDriver(
            store,
            self._runner,
            timers=self._timers,
            clock=self._clock,
            limits=self._limits,
            listeners=self.listeners,
            leases=self._leases,
            keep_children=self._keep_children,
        )
        return self._local_driver

    def _hear(self, workflow_id: str, reports: Sequence[Report], here: bool) -> None:
        if here:
            self._driver.deliver(workflow_id, reports)
        else:
            self._driver.post(workflow_id, reports)
            self._timers.soon(partial(self._driver.go_on, workflow_id))

    def _context_of(self, workflow_id: str, token: str) -> JSON:
        return self._driver.context_of(workflow_id, token)

    def check_resource(self, need: Need, namespace: str) -> None:
        """See :meth:`EngineWorkflowManager.check_resource`."""
        self._resources.find(need.resource, state=need.state, namespace=namespace)

    def recover(self) -> tuple[str, ...]:
        """
        Take over the unfinished workflows of local managers that are gone, and return their ids.

        Tasks that had begun fail with ``Local.WorkerLost``, which the definition's own Retry may answer, but those that
        have become a job at AWS, or wait for their token, go on; all other pending work begins, timers included.
        Workflows that another owner holds a lease on are left alone, unless that is a process of this host that is
        gone; so are those with a task that this manager does not have.  Over a MemoryStore there are no leases without
        an ``owner``, and this must only be called when no other manager runs workflows of it.
        """
        self._check_open()
        found = [*self._unfinished(WorkflowStatus.RUNNING), *self._unfinished(WorkflowStatus.QUEUED)]
        return tuple(workflow.id for workflow in found if self._can_do(workflow) and self._adopt(workflow.id))

    def _recover_or_close(self) -> None:
        try:
            self.recover()
        except BaseException:
            self.close(wait=False)  # nobody else can: the caller has no manager
            raise

    def _can_do(self, workflow: Workflow) -> bool:
        try:
            self._admit(machine_of(workflow), workflow.namespace)
        except UnknownResourceError as error:
            logger.warning("workflow %s is left alone: %s", workflow.id, error)
            return False
        return True

    def _adopt(self, workflow_id: str) -> bool:
        """Take one workflow over, unless it is driven here, or somebody else's."""
        if self._driver.is_live(workflow_id) or not self._lease(workflow_id):
            return False
        try:
            self._driver.adopt(workflow_id, partial(self._lost, self.store.get_workflow(workflow_id)))
        except Exception:
            logger.exception("workflow %s could not be taken over", workflow_id)
            return False
        return True

    def _begin(self, workflow: Workflow) -> Workflow:
        self._renewing_from_now()
        return super()._begin(workflow)

    def _lease(self, workflow_id: str) -> bool:
        """Lease the workflow, where this manager has an owner; ``False`` if somebody else has."""
        self._renewing_from_now()
        return self._leases is None or self._leases.take(workflow_id)

    def _renewing_from_now(self) -> None:
        if self._leases is not None and not self._renewing:
            self._renewing = True
            self._renew_later(self._leases)
            self._look_later()

    def _renew_later(self, leases: Leases) -> None:
        def renew() -> None:
            self._renew_later(leases)
            for workflow_id in leases.renew():
                self._driver.let_go(workflow_id)

        self._timers.set(leases, self._clock() + timedelta(seconds=leases.ttl_seconds / 3), renew)

    def _look_later(self) -> None:
        def look() -> None:
            self._look_later()
            for workflow_id in self._local_driver.await_answers():
                stored = self._known(workflow_id)
                if stored is not None:
                    self._driver.refresh(stored)

        self._timers.set(self, self._clock() + _ANSWERS_AFTER, look)

    def _tell(self, stored: Workflow, report: TaskSucceeded | TaskFailed | TaskHeartbeat) -> bool:
        if self._driver.is_live(stored.id) or self._may_drive(stored.id):
            return self._driver.answer(stored, report)
        return self._driver.record(stored, report)  # its owner goes on with it

    def _may_drive(self, workflow_id: str) -> bool:
        """Whether nobody else drives the workflow; where this manager has an owner, it does so from now on."""
        if self._leases is None:
            return not is_leased(self.store, workflow_id)
        return self._adopt(workflow_id)

    def _unfinished(self, status: WorkflowStatus) -> list[Workflow]:
        found: list[Workflow] = []
        token: str | None = None
        while True:
            page = self.store.list_workflows(
                WorkflowQuery(status=status, oldest_first=True, summary_only=True, limit=_PAGE, page_token=token)
            )
            found.extend(workflow for workflow in page if workflow.workflow_definition.manager == self.name)
            token = page.next
            if token is None:
                return found

    def _lost(self, workflow: Workflow, task: PendingTask) -> TaskFailed | None:
        waits = task.submitted and task.resource.pattern is IntegrationPattern.WAIT_FOR_TASK_TOKEN
        if not task.started or waits or task.resource.kind is TaskKind.CHILD:
            return None
        if self._runner.resume(workflow, task):
            return None
        return TaskFailed(
            task.token, self._clock(), LocalError.WORKER_LOST.value, "the process that ran the task has ended"
        )

    def wait_for_end(self, workflow_id: str, seconds: float) -> bool | None:
        """
        Return when the workflow has ended, at the latest after so many *seconds*; for :func:`workflow_manager.wait`.

        ``True``: it has ended; ``False``: the time is over; ``None``, at once: it is not driven here, so nobody would
        be told of its end.
        """
        done = self._driver.done(workflow_id)
        if done is not None:
            return done.wait(seconds)
        return True if self.store.get_workflow(workflow_id).status.is_final else None

    def close(self, *, wait: bool = True) -> None:
        """
        Take no more work.  Tasks that wait do not begin any more.

        With *wait*, return when the tasks that are running have ended and their answers are stored; without, tell them
        that they are cancelled and return at once.
        """
        self._closed = True
        self._runner.close(wait=wait)
        self._timers.close(wait=wait)
        if self._leases is not None:
            self._leases.release()
        for done in self._driver.done_events():
            done.set()  # nobody waits for what does not go on

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close(wait=exc_type is None)


def _check_count(what: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise InvalidValueError("LocalWorkflowManager", f"/{what}", f"{value!r} is not a whole number from 1")
