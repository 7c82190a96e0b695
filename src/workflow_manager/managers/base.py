"""
The manager that runs workflows by this library's own engine, over any store and any runner.

The local manager and the AWS Batch manager are this one with different hands.
"""

from __future__ import annotations

import logging
import re
import uuid
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime

import attrs

from workflow_manager.asl.machine import ABSENT, Absent, StateMachine
from workflow_manager.asl.values import JSON, check_json, copy_json
from workflow_manager.engine import AWS_LIMITS, Limits
from workflow_manager.engine.reports import Aborted, TaskFailed, TaskHeartbeat, TaskSucceeded
from workflow_manager.exceptions import (
    ConflictError,
    InvalidValueError,
    ManagerClosedError,
    NotFoundError,
    TaskTokenError,
    TaskTokenReason,
    WorkflowStatusError,
)
from workflow_manager.managers.admission import Admission, Need
from workflow_manager.managers.driver import Driver
from workflow_manager.managers.ids import id_of
from workflow_manager.managers.job_cache import JobCache
from workflow_manager.managers.later import give_up, is_held
from workflow_manager.managers.live import Listener
from workflow_manager.managers.resume import check_done, default_start, latest_input, link
from workflow_manager.managers.standing import machine_of
from workflow_manager.models import Workflow, WorkflowDefinition, WorkflowStatus, changed
from workflow_manager.protocols import Store, TaskRunner

logger = logging.getLogger("workflow_manager")

_TOKEN = re.compile(r"[^.].*\.\d+\.\d+", re.ASCII | re.DOTALL)  # as the engine makes them


def utc_now() -> datetime:
    """The present time, aware, in UTC."""
    return datetime.now(UTC)


class EngineWorkflowManager:
    """
    A :class:`workflow_manager.protocols.WorkflowManager` whose workflows are decided here and done by *runner*.

    *name* is what definitions call this manager.  *clock* gives the present time (aware, UTC).  *limits* are the
    engine's. *listeners* are called with (workflow, event) for every event once it is committed, in order, one
    workflow's one at a time; they must be quick and must not wait for workflows.

    Nothing happens here by itself: somebody must call :meth:`update_workflow_summary` for a workflow to hear of its
    tasks and timers.
    """

    def __init__(
        self,
        store: Store,
        runner: TaskRunner,
        *,
        name: str,
        clock: Callable[[], datetime] | None = None,
        limits: Limits = AWS_LIMITS,
        listeners: Iterable[Listener] = (),
    ) -> None:
        self.name = name
        self.store = store
        self.listeners: list[Listener] = list(listeners)
        self._clock = clock or utc_now
        self._limits = limits
        self._admission = Admission()
        self._closed = False
        self._driver = self._make_driver(store, runner)
        self._jobs = JobCache(self._driver.read, store)

    def _make_driver(self, store: Store, runner: TaskRunner) -> Driver:
        return Driver(store, runner, clock=self._clock, limits=self._limits, listeners=self.listeners)

    def on_event(self, listener: Listener) -> Listener:
        """Add a listener; returns it, so that this can be used as a decorator."""
        self.listeners.append(listener)
        return listener

    def check_resource(self, need: Need, namespace: str) -> None:
        """
        Make sure that a resource can be found; a subclass that knows better than "yes" says so here.

        Raises:
            UnknownResourceError: it cannot.
        """

    # Starting

    def create_workflow(
        self,
        definition: WorkflowDefinition,
        input: JSON,
        *,
        namespace: str = "",
        queue: str = "default",
        tags: Mapping[str, str] | None = None,
        idempotency_key: str | None = None,
    ) -> Workflow:
        """See :meth:`workflow_manager.protocols.WorkflowManager.create_workflow`; nothing is stored when it raises."""
        self._check_open()
        known = None if idempotency_key is None else self._known(id_of(definition.name, idempotency_key))
        if known is not None:
            return known
        workflow = self.new_workflow(
            definition, input, namespace=namespace, queue=queue, tags=tags, idempotency_key=idempotency_key
        )
        try:
            return self._begin(workflow)
        except ConflictError:
            known = self._known(workflow.id)
            if idempotency_key is None or known is None:
                raise
            return known

    def new_workflow(
        self,
        definition: WorkflowDefinition,
        input: JSON,
        *,
        namespace: str = "",
        queue: str = "default",
        tags: Mapping[str, str] | None = None,
        idempotency_key: str | None = None,
    ) -> Workflow:
        """See :meth:`workflow_manager.managers.later.StartsLater.new_workflow`."""
        self._check_open()
        self._admit(definition.state_machine, namespace)
        definition = self._ours(definition)
        now = self._clock()
        workflow = Workflow(
            id=id_of(definition.name, idempotency_key),
            workflow_definition=definition,
            created_at=now,
            last_updated=now,
            namespace=namespace,
            queue=queue,
            input=check_json(input, "input"),
            tags={**definition.default_tags, **(tags or {})},
            idempotency_key=idempotency_key or "",
        )
        return self._ready(workflow)

    def begin_workflow(self, workflow: Workflow) -> Workflow:
        """
        See :meth:`workflow_manager.managers.later.StartsLater.begin_workflow`.

        Raises:
            UnknownResourceError: it needs a resource that this manager, unlike the one that made it, does not have.
        """
        self._check_open()
        self._admit(machine_of(workflow), workflow.namespace)
        return self._begin(workflow)

    def _ready(self, workflow: Workflow) -> Workflow:
        """*workflow*, which is new, as it is to be stored; a subclass that asks more of it says so here."""
        return workflow

    def _begin(self, workflow: Workflow) -> Workflow:
        name = workflow.workflow_definition.name
        fields = {"workflow_id": workflow.id, "definition": name}
        logger.info("workflow %s: starting %s", workflow.id, name, extra=fields)
        committed = self._driver.begin(workflow)
        return changed(committed, input=copy_json(committed.input))  # the caller's own, to change as they like

    def _ours(self, definition: WorkflowDefinition) -> WorkflowDefinition:
        """*definition* by this manager's name: whoever reads a workflow must find the manager that runs it."""
        return definition if definition.manager == self.name else attrs.evolve(definition, manager=self.name)

    def _known(self, workflow_id: str) -> Workflow | None:
        try:
            return self.store.get_workflow(workflow_id)
        except NotFoundError:
            return None

    def _admit(self, machine: StateMachine, namespace: str) -> None:
        for need in self._admission.needs(machine):
            self.check_resource(need, namespace)

    @property
    def is_closed(self) -> bool:
        """Whether the manager takes no more work."""
        return self._closed

    def _check_open(self) -> None:
        if self._closed:
            raise ManagerClosedError(f"the {self.name} manager is closed")

    # Retrying

    def retry_workflow(
        self,
        workflow: Workflow,
        *,
        start_at: str | None = None,
        input: JSON | Absent = ABSENT,
        definition: WorkflowDefinition | None = None,
        namespace: str | None = None,
    ) -> Workflow:
        """
        See :meth:`workflow_manager.protocols.WorkflowManager.retry_workflow`.

        The new workflow begins without the variables that the old one had assigned.

        Raises:
            WorkflowStatusError: also when a retry of it, or of one of its retries, is still going.
        """
        retry = self._begin(
            self.new_retry(workflow, start_at=start_at, input=input, definition=definition, namespace=namespace)
        )
        link(self.store, workflow.id, retry.id)
        return retry

    def new_retry(
        self,
        workflow: Workflow,
        *,
        start_at: str | None = None,
        input: JSON | Absent = ABSENT,
        definition: WorkflowDefinition | None = None,
        namespace: str | None = None,
    ) -> Workflow:
        """See :meth:`workflow_manager.managers.later.StartsLater.new_retry`."""
        self._check_open()
        original = self.store.get_workflow(workflow.id)
        check_done(self.store, original)
        definition = self._ours(definition or original.workflow_definition)
        machine = definition.state_machine
        history = self._driver.history(original.id) if start_at is None or input is ABSENT else []
        start = default_start(original, history) if start_at is None else start_at
        if start not in machine.states:
            raise InvalidValueError("retry", "/start_at", f"there is no state {start!r} at the top level")
        given = latest_input(start, history) if isinstance(input, Absent) else check_json(input, "input")
        now = self._clock()
        retry = Workflow(
            id=str(uuid.uuid4()),
            workflow_definition=definition,
            created_at=now,
            last_updated=now,
            namespace=original.namespace if namespace is None else namespace,
            queue=original.queue,
            input=given,
            tags=original.tags,
            retry_for=original.id,
            start_at="" if start == machine.start_at else start,
        )
        self._admit(machine_of(retry), retry.namespace)
        return self._ready(retry)

    # Ending

    def cancel_workflow(self, workflow: Workflow, *, reason: str) -> Workflow:
        """See :meth:`workflow_manager.protocols.WorkflowManager.cancel_workflow`."""
        self._check_open()
        stored = give_up(self.store, self.store.get_workflow(workflow.id), reason)
        if not stored.status.is_final:
            self._driver.settle(workflow.id, [Aborted(self._clock(), None, reason)])
            stored = self.store.get_workflow(workflow.id)
        if stored.status is not WorkflowStatus.CANCELLED:
            raise WorkflowStatusError("cancel", stored.id, stored.status.value)
        return stored

    # Looking

    def update_workflow_summary(self, workflow: Workflow) -> Workflow:
        """See :meth:`workflow_manager.protocols.WorkflowManager.update_workflow_summary`."""
        stored = self._refreshed(workflow)
        return changed(stored, last_job=self._jobs.last_job(stored))

    def update_workflow_history(self, workflow: Workflow) -> Workflow:
        """See :meth:`workflow_manager.protocols.WorkflowManager.update_workflow_history`."""
        stored = self._refreshed(workflow)
        jobs, last_job = self._jobs.jobs(stored)
        return changed(stored, jobs=jobs, last_job=last_job)

    def _refreshed(self, workflow: Workflow) -> Workflow:
        stored = self.store.get_workflow(workflow.id)
        if is_held(stored):
            return stored
        is_final = stored.status.is_final
        if not self._closed and (not is_final or self._driver.is_live(stored.id)):  # another driver may have ended it
            self._driver.refresh(stored)
        return stored if is_final else self.store.get_workflow(workflow.id)

    # Answers from outside

    def send_task_success(self, token: str, output: JSON) -> None:
        """
        Answer a task that waits for its token to come back (AWS API: SendTaskSuccess).

        Any manager over the same store may be told; the answer is stored when this returns.

        Raises:
            InvalidValueError: *output* is not JSON.
            TaskTokenError: no task waits for it; ``reason`` says whether it is no token, of no workflow in this
                manager's store, or of a task that has ended.
        """
        self._answer(TaskSucceeded(token, self._clock(), check_json(output, "output")))

    def send_task_failure(self, token: str, error: str | None = None, cause: str | None = None) -> None:
        """As :meth:`send_task_success`, with an error name and a cause (AWS API: SendTaskFailure)."""
        self._answer(TaskFailed(token, self._clock(), error, cause))

    def send_task_heartbeat(self, token: str) -> None:
        """Say that the task is alive (AWS API: SendTaskHeartbeat)."""
        self._answer(TaskHeartbeat(token, self._clock()))

    def _answer(self, report: TaskSucceeded | TaskFailed | TaskHeartbeat) -> None:
        self._check_open()
        stored = self._asked_by(report.token)
        is_ours = stored.workflow_definition.manager == self.name  # else its own manager goes on with it
        tell = self._tell if is_ours else self._driver.record
        if stored.status.is_final or not tell(stored, report):
            raise TaskTokenError(report.token, TaskTokenReason.TASK_TIMED_OUT)

    def _tell(self, stored: Workflow, report: TaskSucceeded | TaskFailed | TaskHeartbeat) -> bool:
        """Let the workflow hear of its task; ``False`` if that is not pending."""
        return self._driver.answer(stored, report)

    def _asked_by(self, token: str) -> Workflow:
        """The workflow whose task has *token*: the part before the last two dots, or for a Map's child before that."""
        if not _TOKEN.fullmatch(token):
            raise TaskTokenError(token, TaskTokenReason.INVALID_TOKEN)
        name = token
        while name.count(".") >= 2:
            name = name.rsplit(".", 2)[0]
            known = self._known(name)
            if known is not None:
                return known
        raise TaskTokenError(token, TaskTokenReason.TASK_DOES_NOT_EXIST)
