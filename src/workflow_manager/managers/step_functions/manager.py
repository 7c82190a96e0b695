"""
Workflows on AWS Step Functions: definitions become state machines, workflows executions, histories jobs.

The engine is AWS's.  What is kept here is a record of every execution, made before it starts, and brought up to date
when somebody asks or when AWS tells.
"""

from __future__ import annotations

import logging as log
import random
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import attrs
from typing_extensions import Unpack

from workflow_manager.asl.machine import ABSENT, Absent
from workflow_manager.asl.values import JSON, check_json
from workflow_manager.aws import Patience
from workflow_manager.exceptions import ConflictError, InvalidValueError, NotFoundError, WorkflowStatusError
from workflow_manager.managers.ids import id_of
from workflow_manager.managers.later import give_up, is_held
from workflow_manager.managers.resume import check_done, link
from workflow_manager.managers.step_functions import map_runs, retries
from workflow_manager.managers.step_functions.blueprints import Blueprints, trimmed
from workflow_manager.managers.step_functions.client import Calls, Response, StepFunctionsClient
from workflow_manager.managers.step_functions.events import notices
from workflow_manager.managers.step_functions.executions import Executions, is_going, is_redrivable
from workflow_manager.managers.step_functions.history import Histories, top_level
from workflow_manager.managers.step_functions.logs import LogSetup
from workflow_manager.managers.step_functions.machines import Drift, Machines
from workflow_manager.managers.step_functions.map_runs import ChildExecution, MapRun
from workflow_manager.managers.step_functions.names import Place
from workflow_manager.managers.step_functions.pacing import Pacer
from workflow_manager.managers.step_functions.redrives import redrive_of, without_own_tags, workflow_of
from workflow_manager.managers.step_functions.standing import EXECUTION_TAG, REDRIVE_TAG
from workflow_manager.managers.step_functions.starting import Starter
from workflow_manager.managers.step_functions.updating import Updater, is_cancelled
from workflow_manager.models import Job, ManagerName, Workflow, WorkflowDefinition, WorkflowStatus
from workflow_manager.protocols import RetryChanges, Store

logger = log.getLogger("workflow_manager")


class StepFunctionsWorkflowManager:
    """
    A :class:`workflow_manager.protocols.WorkflowManager` whose workflows AWS Step Functions runs.

    *client* is ``boto3.client("stepfunctions")``; *role_arn* is what state machines run as, in the account
    *account_id*, *region* and *partition*.  With *logging* every state machine gets a log group.  Calls keep to
    *pacer*, which all managers of an account should share; what AWS throttles is repeated after a while and changes
    nothing. *clock* gives the present time (aware, UTC), *sleep* waits for some seconds.  *on_drift* hears of state
    machines at AWS that are not what they should be; they are logged in any case.

    Whatever the client raises and does not pass by itself goes to the caller as it is.
    """

    name = ManagerName.STEP_FUNCTIONS.value

    def __init__(
        self,
        client: StepFunctionsClient,
        store: Store,
        *,
        role_arn: str,
        region: str,
        account_id: str,
        partition: str = "aws",
        logging: LogSetup | None = None,
        pacer: Pacer | None = None,
        clock: Callable[[], datetime] | None = None,
        sleep: Callable[[float], None] = time.sleep,
        on_drift: Callable[[Drift], object] | None = None,
    ) -> None:
        self.store = store
        self._clock = clock or (lambda: datetime.now(UTC))
        patience = Patience(sleep, random.Random().uniform)
        calls = Calls(client, pacer or Pacer(sleep=sleep), patience)
        place = Place(partition, region, account_id)
        told = on_drift or (lambda drift: None)
        machines = Machines(calls, place, role_arn=role_arn, logs=logging, on_drift=told)
        executions = Executions(calls, place)
        self._calls, self._executions = calls, executions
        self._starter = Starter(store, Blueprints(place, store), machines, executions, patience, self._clock)
        self._histories = Histories(calls, store, redrive_of)
        self._updater = Updater(store, executions, self._histories, self._clock)

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
        """
        See :meth:`workflow_manager.protocols.WorkflowManager.create_workflow`.

        It is saved, then started: one call on a known state machine.  If that fails nothing is left in the store,
        unless nobody knows whether AWS has started it; the workflow is then there, queued, and an update finds out.
        """
        known = None if idempotency_key is None else self._known(id_of(definition.name, idempotency_key))
        if known is not None:
            return known
        workflow = self._new(definition, input, namespace, queue, tags, idempotency_key)
        try:
            return self._starter.start(workflow, definition)
        except ConflictError:
            known = None if idempotency_key is None else self._known(workflow.id)
            if known is None:
                raise
            return known

    def _new(
        self,
        definition: WorkflowDefinition,
        input: JSON,
        namespace: str,
        queue: str,
        tags: Mapping[str, str] | None,
        idempotency_key: str | None,
    ) -> Workflow:
        now = self._clock()
        return Workflow(
            id=id_of(definition.name, idempotency_key),
            workflow_definition=self._own(definition),
            created_at=now,
            last_updated=now,
            namespace=namespace,
            queue=queue,
            input=check_json(input, "input"),
            tags=without_own_tags({**definition.default_tags, **(tags or {})}),
            idempotency_key=idempotency_key or "",
        )

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
        workflow = self._new(definition, input, namespace, queue, tags, idempotency_key)
        self._starter.check(workflow)
        return workflow

    def begin_workflow(self, workflow: Workflow) -> Workflow:
        """
        See :meth:`workflow_manager.managers.later.StartsLater.begin_workflow`.

        Raises:
            Exception: the client's own error, if AWS refuses or does not answer.
        """
        stored = self.store.get_workflow(workflow.id)
        if stored.status is not WorkflowStatus.QUEUED or is_cancelled(stored):
            return stored
        is_placed = not is_held(stored)
        return self._updater.begun(self._starter.begin(stored if is_placed else workflow, is_placed=is_placed))

    def _own(self, definition: WorkflowDefinition) -> WorkflowDefinition:
        """*definition* as one of this manager's: whoever reads the workflow must find who runs it."""
        return definition if definition.manager == self.name else attrs.evolve(definition, manager=self.name)

    def _known(self, workflow_id: str) -> Workflow | None:
        """The stored workflow of that id; whoever saved it may not have got to starting it."""
        try:
            known = self.store.get_workflow(workflow_id)
        except NotFoundError:
            return None
        if not (known.status.is_final or is_cancelled(known) or is_held(known)):
            self._starter.settle(known)
        return known

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

        If nothing but *workflow* is given and AWS allows it, the execution itself is redriven: it goes on where
        it failed, inside a Map or Parallel too, and keeps what had succeeded.  The new workflow then has the tags
        ``workflow-manager:execution``, the ARN, and ``workflow-manager:redrive``, the redrive's number
        (:meth:`is_redrive`).  Else the new workflow runs on a state machine that begins at *start_at*.

        Raises:
            WorkflowStatusError: also when a retry of it, or of one of its retries, is still going; AWS is asked about
                those that are not known to have ended.
        """
        original = self._updater.summary(self.store.get_workflow(workflow.id))
        check_done(self.store, original, self._updater.summary)
        is_as_it_was = start_at is None and input is ABSENT and definition is None and namespace is None
        retry = self._redrive(original) if is_as_it_was else None
        if retry is None:
            retry = self._retry_from(
                original, start_at=start_at, input=input, definition=definition, namespace=namespace
            )
            retry = self._starter.start(retry, definition or original.workflow_definition)
        link(self.store, original.id, retry.id)
        return retry

    @staticmethod
    def is_redrive(workflow: Workflow) -> bool:
        """Whether *workflow* goes on with the execution of the one that it retries."""
        return redrive_of(workflow) > 0

    def _redrive(self, original: Workflow) -> Workflow | None:
        arn, number = self._updater.arn(original), redrive_of(original)
        described = self._ended(original, arn)
        if described is None or not is_redrivable(described) or int(described.get("redriveCount", 0)) != number:
            return None
        retry = self._new_retry(original, start_at=original.start_at, input=original.input)
        tags = {**retry.tags, EXECUTION_TAG: arn, REDRIVE_TAG: str(number + 1)}
        redriven = self._starter.redrive(attrs.evolve(retry, tags=tags), arn, number + 1)
        if redriven is None:
            self._ended(original, arn)
        return redriven

    def _ended(self, original: Workflow, arn: str) -> Response | None:
        """What AWS says of an execution, which somebody else may have redriven just before."""
        described = self._executions.describe(arn)
        if described is not None and is_going(described):
            raise WorkflowStatusError("retry", original.id, WorkflowStatus.RUNNING.value)
        return described

    def _retry_from(
        self,
        original: Workflow,
        *,
        start_at: str | None = None,
        input: JSON | Absent = ABSENT,
        definition: WorkflowDefinition | None = None,
        namespace: str | None = None,
    ) -> Workflow:
        ran = trimmed(original.workflow_definition.state_machine, original.start_at)
        machine = (definition or original.workflow_definition).state_machine
        visits: tuple[Job, ...] = ()
        if start_at is None or isinstance(input, Absent):
            history = self._histories.update(original, self._updater.arn(original))
            original, visits = history.workflow, top_level(history.fold)
        start = retries.default_start(original, ran, visits) if start_at is None else start_at
        if start not in machine.states:
            raise InvalidValueError("retry", "/start_at", f"there is no state {start!r} at the top level")
        if isinstance(input, Absent):
            given = original.input if start == ran.start_at and not visits else retries.latest_input(start, visits)
        else:
            given = check_json(input, "input")
        retry = self._new_retry(original, start_at="" if start == machine.start_at else start, input=given)
        return attrs.evolve(
            retry,
            workflow_definition=self._own(definition or retry.workflow_definition),
            namespace=retry.namespace if namespace is None else namespace,
        )

    def new_retry(self, workflow: Workflow, **changes: Unpack[RetryChanges]) -> Workflow:
        """See :meth:`workflow_manager.managers.later.StartsLater.new_retry`; it begins at a state and is no redrive."""
        original = self._updater.summary(self.store.get_workflow(workflow.id))
        check_done(self.store, original, self._updater.summary)
        retry = self._retry_from(original, **changes)
        self._starter.check(retry)
        return retry

    def _new_retry(self, original: Workflow, *, start_at: str, input: JSON) -> Workflow:
        now = self._clock()
        return Workflow(
            id=str(uuid.uuid4()),
            workflow_definition=original.workflow_definition,
            created_at=now,
            last_updated=now,
            namespace=original.namespace,
            queue=original.queue,
            input=input,
            tags=without_own_tags(original.tags),
            retry_for=original.id,
            start_at=start_at,
        )

    # Ending

    def cancel_workflow(self, workflow: Workflow, *, reason: str) -> Workflow:
        """
        See :meth:`workflow_manager.protocols.WorkflowManager.cancel_workflow`.

        Where AWS does not yet show the end, the workflow has its reason and ``resolved_by_user`` already, and the next
        update brings the status.
        """
        stored = give_up(self.store, self.store.get_workflow(workflow.id), reason)
        if not stored.status.is_final:
            stored = self._updater.cancel(stored, reason)
        if not is_cancelled(stored):
            raise WorkflowStatusError("cancel", stored.id, stored.status.value)
        return stored

    # Looking

    def update_workflow_summary(self, workflow: Workflow) -> Workflow:
        """
        See :meth:`workflow_manager.protocols.WorkflowManager.update_workflow_summary`.

        One call while it runs, none once it has ended; one more at the moment when it is seen to have failed.
        """
        return self._updater.summary(self.store.get_workflow(workflow.id))

    def update_workflow_history(self, workflow: Workflow) -> Workflow:
        """
        See :meth:`workflow_manager.protocols.WorkflowManager.update_workflow_history`.

        Only what is new in the history is asked for; it is kept in the store.
        """
        return self._updater.history(self.store.get_workflow(workflow.id))

    def update_workflows(self, workflows: Iterable[Workflow], *, history: bool = False) -> tuple[Workflow, ...]:
        """
        Bring many workflows up to date, as fast as the quotas of the account allow; they come back in the same order.

        One that cannot be looked at now is returned as it was handed in, and that is logged.
        """
        update = self.update_workflow_history if history else self.update_workflow_summary
        return tuple(self._try(update, workflow) for workflow in workflows)

    def _try(self, update: Callable[[Workflow], Workflow], workflow: Workflow) -> Workflow:
        try:
            return update(workflow)
        except Exception:
            logger.warning("workflow %s: it cannot be looked at now", workflow.id, exc_info=True)
            return workflow

    def apply_event(self, event: Mapping[str, Any]) -> tuple[Workflow, ...]:
        """
        Take in what AWS tells by itself, and return the workflows that it was about, as stored.

        *event* is that of an EventBridge rule for "Step Functions Execution Status Change", of a CloudWatch Logs
        subscription (as Lambda gets it, or in Kinesis records), its decoded payload, or a single history record.
        Order and duplicates do not matter: a status that is final is never left.  Executions that are not in the store
        are passed over.

        Raises:
            InvalidValueError: *event* is damaged, or of no such shape; of many records the others have been taken in.
        """
        found: dict[str, Workflow] = {}
        alive: set[tuple[str, int | None]] = set()  # that something runs is looked into once, not for every record
        for notice in notices(event):
            run = (notice.execution_arn, notice.redrive)
            if run in alive and not notice.standing.is_final:
                continue
            alive.add(run)
            workflow = workflow_of(notice, self.store, self._executions.place)
            if workflow is not None:
                found[workflow.id] = self._updater.notice(workflow, notice)
        return tuple(found.values())

    # Children of distributed Maps

    def map_runs(self, workflow: Workflow) -> Iterator[MapRun]:
        """The runs of the distributed Maps of *workflow* (AWS API: ListMapRuns, DescribeMapRun)."""
        return map_runs.map_runs(self._calls, self._updater.arn(workflow))

    def child_executions(self, map_run: MapRun) -> Iterator[ChildExecution]:
        """The child executions of *map_run*, the newest first (AWS API: ListExecutions)."""
        return map_runs.children(self._calls, map_run.arn)

    def child_jobs(self, workflow: Workflow, child: ChildExecution) -> tuple[Job, ...]:
        """The jobs of a child execution of *workflow*; one of type EXPRESS has no history to tell them from."""
        machine = workflow.workflow_definition.state_machine
        return map_runs.jobs_of(self._calls, child.arn, machine, workflow.namespace)

    def execution_arn(self, workflow: Workflow) -> str:
        """The ARN of the execution that *workflow* is."""
        return self._updater.arn(workflow)
