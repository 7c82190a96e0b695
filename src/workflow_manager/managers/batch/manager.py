"""Workflows on AWS Batch: the engine decides here, jobs do the work there."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

import attrs

from workflow_manager.asl.machine import StateMachine
from workflow_manager.aws import Patience, passes
from workflow_manager.engine import Limits, PendingTask
from workflow_manager.exceptions import (
    DefinitionError,
    InvalidValueError,
    NotFoundError,
    Problem,
    Severity,
    WorkflowManagerError,
)
from workflow_manager.history import HistoryEvent
from workflow_manager.managers.admission import Need
from workflow_manager.managers.base import EngineWorkflowManager, utc_now
from workflow_manager.managers.batch import check
from workflow_manager.managers.batch.books import Books
from workflow_manager.managers.batch.client import BatchClient, Calls, LogsClient, Pacer, submit_once
from workflow_manager.managers.batch.driver import BatchDriver
from workflow_manager.managers.batch.logs import JobLogs
from workflow_manager.managers.batch.names import origin_of
from workflow_manager.managers.batch.plan import Plan, PlannedJob, Submission
from workflow_manager.managers.batch.polling import ENDED
from workflow_manager.managers.batch.reconcile import Reconciler, Reconciliation
from workflow_manager.managers.batch.requests import SUBMISSION_TAG, check_tags
from workflow_manager.managers.batch.results import JobResults, MemoryResults
from workflow_manager.managers.batch.runner import BatchRunner, Rules
from workflow_manager.managers.batch.targets import Targets
from workflow_manager.managers.batch.views import with_details
from workflow_manager.managers.driver import Driver
from workflow_manager.managers.later import is_held
from workflow_manager.managers.live import Listener
from workflow_manager.managers.resume import link
from workflow_manager.managers.standing import machine_of
from workflow_manager.models import Job, ManagerName, Workflow, WorkflowDefinition
from workflow_manager.protocols import Store

logger = logging.getLogger("workflow_manager")

_NOT_NOW = "workflow %s: it cannot be looked at now"

BATCH_LIMITS = Limits(history_events=None)
"""Payloads as Step Functions bounds them; histories as long as they get."""


class JobsStillRunningError(WorkflowManagerError):
    """
    The workflow is cancelled, but AWS has not confirmed the end of *job_ids*; cancel again, or reconcile.

    A job that may have been submitted but cannot be seen yet has no id: its name stands there instead.
    """

    def __init__(self, workflow_id: str, job_ids: Iterable[str]) -> None:
        self.workflow_id, self.job_ids = workflow_id, tuple(job_ids)
        super().__init__(f"workflow {workflow_id} is cancelled, but {len(self.job_ids)} jobs may still run")


class BatchWorkflowManager(EngineWorkflowManager):
    """
    Runs workflows as jobs of AWS Batch, over any store.

    Args:
        client: ``boto3.client("batch")``; its own retries are switched off for SubmitJob.
        store: where definitions, state resources and workflows are kept.
        default_queue: the Batch queue of workflows whose queue is ``default``.
        queues: other names that workflows use, and their Batch queues.
        deployment: a name for the store, where several share the queues: it is part of every job's name, and
            :meth:`reconcile` touches only jobs of its own deployment.
        results: where jobs leave their results; in this process if nothing else is said, which suits tests only.
        logs: ``boto3.client("logs")``, for :meth:`logs`.
        submission: ``graph`` submits all jobs of a workflow at once and refuses what cannot be, ``stepped`` each job
            when its turn has come, ``auto`` whole graphs where possible.
        clock: the present time, aware, in UTC.
        calls_per_second: how many calls to Batch all users of this manager make together.
        patience: how often and how long a call is repeated that fails in passing.
        settle: how long ListJobs may not show a job that was submitted.
        handover: how long a task that another driver was to submit is left to it.
        lost: after which time a job that Batch does not know is ``Batch.Lost``.
        log_group: where CloudWatch Logs has the logs of jobs whose definition names no log group of its own.
        limits: the engine's.
        listeners: see :class:`workflow_manager.managers.base.EngineWorkflowManager`.

    Nothing happens here by itself: somebody must update workflows, or hand over AWS's events; jobs of a graph that was
    submitted whole run on meanwhile.
    """

    def __init__(
        self,
        client: BatchClient,
        store: Store,
        *,
        default_queue: str,
        queues: Mapping[str, str] | None = None,
        deployment: str = "default",
        results: JobResults | None = None,
        logs: LogsClient | None = None,
        submission: Submission | str = Submission.AUTO,
        clock: Callable[[], datetime] | None = None,
        calls_per_second: float = 40.0,
        patience: Patience | None = None,
        settle: timedelta = timedelta(seconds=5),
        handover: timedelta = timedelta(minutes=1),
        lost: timedelta = timedelta(minutes=10),
        log_group: str = "/aws/batch/job",
        limits: Limits = BATCH_LIMITS,
        listeners: Iterable[Listener] = (),
    ) -> None:
        if not calls_per_second > 0:
            raise InvalidValueError("manager", "/calls_per_second", f"{calls_per_second!r} is not above 0")
        submit_once(client)
        clock = clock or utc_now
        patience = patience or Patience(pauses=5, longest=5.0)
        self.submission = Submission(submission)
        self.results: JobResults = results if results is not None else MemoryResults()
        pacer = Pacer(calls_per_second, 2 * calls_per_second, clock=time.monotonic, sleep=patience.sleep)
        self._calls = Calls(client, pacer, patience)
        self._job_logs = JobLogs(logs, log_group, self._calls)
        self._targets = Targets(
            default_queue=default_queue, queues=dict(queues or {}), store=store, deployment=deployment
        )
        self._books = Books(self._history)
        self._batch_runner = BatchRunner(
            self._calls,
            self._targets,
            store,
            self.results,
            self._books,
            clock=clock,
            rules=Rules(settle=settle, handover=handover, lost=lost),
            siblings=self._siblings,
            graph_jobs=self._graph_jobs,
        )
        super().__init__(
            store,
            self._batch_runner,
            name=ManagerName.BATCH.value,
            clock=clock,
            limits=limits,
            listeners=listeners,
        )

    def _make_driver(self, store: Store, runner: object) -> Driver:
        self._batch_driver = BatchDriver(
            store,
            self._batch_runner,
            self._books,
            clock=self._clock,
            limits=self._limits,
            listeners=self.listeners,
            link=self._link_first,
        )
        return self._batch_driver

    def _history(self, workflow_id: str) -> Iterable[HistoryEvent]:
        return Driver.history(self._batch_driver, workflow_id)

    def _siblings(self, workflow_id: str) -> Collection[PendingTask]:
        return self._batch_driver.siblings(workflow_id)

    # Before anything runs

    def plan(self, definition: WorkflowDefinition | StateMachine) -> Plan:
        """What would be done with *definition*: which way, why, with which jobs, and what Batch does differently."""
        machine = definition.state_machine if isinstance(definition, WorkflowDefinition) else definition
        return check.plan(machine, self.submission)

    def check(
        self, definition: WorkflowDefinition | StateMachine, *, namespace: str | None = None
    ) -> tuple[Problem, ...]:
        """
        What AWS would refuse of *definition*, each problem with its state; empty if it can run.

        With a *namespace* (``""`` is none) its Resources are looked up as well.
        """
        problems = list(self.plan(definition).problems)
        machine = definition.state_machine if isinstance(definition, WorkflowDefinition) else definition
        if isinstance(definition, WorkflowDefinition):
            problems += check.problem_of_tags(definition.default_tags)
        if namespace is not None:
            problems += check.problems_of_resources(
                machine, lambda state: self._targets.definition(state.resource, state=state.name, namespace=namespace)
            )
        return tuple(problems)

    def check_resource(self, need: Need, namespace: str) -> None:
        """See :meth:`workflow_manager.managers.base.EngineWorkflowManager.check_resource`."""
        if check.is_service(need.resource):
            return  # a problem of the plan
        self._targets.definition(need.resource.text, state=need.state, namespace=namespace)

    def _ready(self, workflow: Workflow) -> Workflow:
        plan = check.plan(machine_of(workflow), self.submission)
        errors = [problem for problem in plan.problems if problem.severity is Severity.ERROR]
        if errors:
            raise DefinitionError(errors)
        self._targets.queue(workflow.queue)
        tags = {key: value for key, value in workflow.tags.items() if key != SUBMISSION_TAG}
        check_tags(tags)
        return attrs.evolve(workflow, tags={**tags, SUBMISSION_TAG: plan.submission.value})

    @staticmethod
    def _graph_jobs(workflow: Workflow) -> tuple[PlannedJob, ...]:
        return check.plan(machine_of(workflow), Submission.GRAPH).jobs

    def _link_first(self, retry: Workflow) -> None:
        """*retry* has been saved and nothing of it has begun: the workflow that it retries names it, or it is gone."""
        try:
            link(self.store, retry.retry_for, retry.id)
        except Exception:
            self.store.delete_workflow(retry.id)
            raise

    # Ending

    def cancel_workflow(self, workflow: Workflow, *, reason: str) -> Workflow:
        """
        See :meth:`workflow_manager.protocols.WorkflowManager.cancel_workflow`.

        It returns when AWS has confirmed that every job has ended or is about to.

        Raises:
            JobsStillRunningError: it has not; the workflow is cancelled all the same.
        """
        cancelled = super().cancel_workflow(workflow, reason=reason)
        book = self._books.open(cancelled.id)
        try:
            with self._batch_runner.round() as round:
                doubtful = self._batch_runner.doubtful(cancelled, book)
                left = self._batch_runner.stopper.prove(cancelled, book, doubtful, round)
        except Exception as error:  # told apart by code, so as not to import botocore
            if not passes(error):
                raise
            left = [job_id for job_id in book.ids if job_id not in book.ended]
        if left:
            raise JobsStillRunningError(cancelled.id, left)
        return cancelled

    def reconcile(self) -> Reconciliation:
        """
        Adopt or end every live job of this deployment in the queues that no stored workflow knows.

        It may be run anywhere and at any time, by several at once.  Only jobs whose names this library made are looked
        at; stores that share queues must be given different ``deployment`` names, or one ends the jobs of the other.
        """
        self._check_open()
        reconciler = Reconciler(
            self._calls,
            self._targets.all_queues,
            self._targets.deployment,
            self.store,
            self._books,
            self._batch_runner,
            self._batch_driver,
            self._refreshed,
        )
        return reconciler.run()

    # Looking

    def update_workflow_summary(self, workflow: Workflow) -> Workflow:
        """See :meth:`workflow_manager.protocols.WorkflowManager.update_workflow_summary`."""
        stored = self._refreshed(workflow)
        if stored.status.is_final and stored.jobs:
            return stored
        last = self._jobs.last_job(stored)
        shown = None if last is None else with_details(stored, last, self._books.open(stored.id))
        return attrs.evolve(stored, last_job=shown)

    def update_workflow_history(self, workflow: Workflow) -> Workflow:
        """
        See :meth:`workflow_manager.protocols.WorkflowManager.update_workflow_history`.

        When the workflow has ended its jobs are kept in the store, because Batch forgets them.
        """
        stored = self._refreshed(workflow)
        if stored.status.is_final and stored.jobs:
            return stored
        jobs, _ = self._jobs.jobs(stored)
        book = self._books.open(stored.id)
        complete = stored.status.is_final and self._look_once_more(stored)
        shown = tuple(with_details(stored, job, book) for job in jobs)
        shown_last = shown[-1] if shown else None
        updated = attrs.evolve(stored, jobs=shown, last_job=shown_last)
        return self._kept(updated) if complete and shown else updated

    def _look_once_more(self, stored: Workflow) -> bool:
        """Learn how all jobs have ended; ``False`` if some have not, or cannot be looked at now."""
        book = self._books.open(stored.id)
        unseen = [job_id for job_id in book.ids if book.details.get(job_id, {}).get("status") not in ENDED]
        with self._batch_runner.round() as round:
            round.look(unseen)
            for job_id in unseen:
                if job_id in round.details:
                    book.see(job_id, round.details[job_id])
            known = round.missing | book.ended
        return all(job_id in known or ":" in job_id for job_id in unseen)

    def _kept(self, workflow: Workflow) -> Workflow:
        try:
            saved = self.store.save_workflow(workflow)
        except WorkflowManagerError:
            return workflow
        return attrs.evolve(saved, jobs=workflow.jobs, last_job=workflow.last_job)

    def update_workflows(self, workflows: Iterable[Workflow]) -> tuple[Workflow, ...]:
        """
        Bring many workflows up to date with one DescribeJobs for every hundred live jobs; the order stays.

        One that cannot be looked at now is returned as it is stored, and that is logged.
        """
        stored = [self.store.get_workflow(workflow.id) for workflow in workflows]
        with self._batch_runner.round() as round:
            live = [each for each in stored if not (each.status.is_final or is_held(each) or self._closed)]
            watched = {each.id: self._watched(each) for each in live}
            round.look([job_id for ids in watched.values() for job_id in ids or ()])
            return tuple(each if watched.get(each.id) is None else self._try(each) for each in stored)

    def _watched(self, stored: Workflow) -> list[str] | None:
        try:
            return self._batch_driver.watched(stored)
        except Exception:
            logger.warning(_NOT_NOW, stored.id, exc_info=True)
            return None

    def _try(self, stored: Workflow) -> Workflow:
        try:
            self._batch_driver.refresh(stored)
            return self.store.get_workflow(stored.id)
        except Exception:
            logger.warning(_NOT_NOW, stored.id, exc_info=True)
            return stored

    def apply_event(self, event: Mapping[str, Any]) -> Workflow | None:
        """
        Take in an EventBridge event "Batch Job State Change" and return its workflow, as stored.

        Order, duplicates and delays do not matter.  Jobs of others, and of workflows that are not in the store, are
        passed over (``None``).

        Raises:
            InvalidValueError: *event* is of no such shape.
        """
        self._check_open()
        detail = event.get("detail")
        if not isinstance(detail, Mapping) or not {"jobId", "jobName", "status"} <= set(detail):
            raise InvalidValueError("event", "/detail", "it has no jobId, jobName and status")
        origin = origin_of(str(detail["jobName"]))
        if origin is None:
            return None
        try:
            stored = self.store.get_workflow(origin.workflow_id)
        except NotFoundError:
            return None
        if stored.status.is_final:
            return stored
        with self._batch_runner.round() as round:
            round.tell(detail)
            if detail["jobId"] in self._books.open(stored.id).ids:
                self._batch_driver.hear(stored, detail)
            else:
                self._batch_driver.refresh(stored)
        return self.store.get_workflow(stored.id)

    def logs(self, job: Job, *, tail: int = 50) -> tuple[str, ...]:
        """
        The last lines of the log of *job*, then its own error; trouble with the log is a line in its place.

        Batch is asked where the log is (one DescribeJobs), so that jobs that run now and array children have one too.
        """
        return self._job_logs.of(job, tail)
