"""
The hands of the Batch manager: a task is a job.

Nothing here raises because of trouble in passing: what could not be done is tried again at the next look.
"""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from datetime import datetime, timedelta
from typing import Any

import attrs

from workflow_manager.asl.errors import ErrorName
from workflow_manager.asl.values import dumps
from workflow_manager.aws import message_of, passes
from workflow_manager.engine.pending import PendingTask
from workflow_manager.engine.reports import Report, TaskFailed, TaskSubmitted
from workflow_manager.exceptions import ConflictError, NotFoundError, UnknownResourceError
from workflow_manager.managers.batch.arrays import Arrays
from workflow_manager.managers.batch.books import JOB_ID, JOB_NAME, JOBS, LONG_AGO, Book, Books, Doubt
from workflow_manager.managers.batch.client import Calls
from workflow_manager.managers.batch.graphs import GraphSubmission, keys_of
from workflow_manager.managers.batch.limits import SHORTEST_TIMEOUT
from workflow_manager.managers.batch.machines import BatchMachine, Machines
from workflow_manager.managers.batch.names import job_name, mark_of
from workflow_manager.managers.batch.news import News
from workflow_manager.managers.batch.plan import PlannedJob, Submission
from workflow_manager.managers.batch.polling import Round
from workflow_manager.managers.batch.requests import (
    START,
    SUBMISSION_TAG,
    InputTooLargeError,
    Request,
    Target,
    request_for,
)
from workflow_manager.managers.batch.results import JobResults
from workflow_manager.managers.batch.sending import Refused, Sender
from workflow_manager.managers.batch.stopping import Stopper
from workflow_manager.managers.batch.targets import Targets
from workflow_manager.managers.leases import lent_owner
from workflow_manager.models import Workflow
from workflow_manager.protocols import Lease, Store

logger = logging.getLogger("workflow_manager")

_LEASED_FROM = 20  # jobs; a graph that is submitted in a moment needs no lease

Siblings = Callable[[str], Collection[PendingTask]]
"""Gives all pending tasks of the workflow of that id."""


@attrs.frozen(kw_only=True)
class Rules:
    """
    How long what is not seen is waited for.

    *settle*: how long ListJobs may not show a job that was submitted.  *handover*: how long a task that another driver
    was to submit is left to it.  *lost*: how long DescribeJobs may not know a job.
    """

    settle: timedelta
    handover: timedelta
    lost: timedelta


class BatchRunner:
    """A :class:`workflow_manager.protocols.TaskRunner` whose tasks are jobs of AWS Batch."""

    def __init__(
        self,
        calls: Calls,
        targets: Targets,
        store: Store,
        results: JobResults,
        books: Books,
        *,
        clock: Callable[[], datetime],
        rules: Rules,
        siblings: Siblings,
        graph_jobs: Callable[[Workflow], Sequence[PlannedJob]],
    ) -> None:
        self._calls, self._targets, self._store, self._results = calls, targets, store, results
        self._books, self._clock, self._rules, self._graph_jobs = books, clock, rules, graph_jobs
        self._local = threading.local()
        self.sender = Sender(calls, clock, rules.settle, self._leased)
        self.machines = Machines()
        self.stopper = Stopper(calls, self.sender)
        self._graphs = GraphSubmission(self.sender, targets, results)
        self._arrays = Arrays(siblings, self.sender)
        self._news = News(clock, rules.lost)
        self._owner = f"batch-{uuid.uuid4()}"

    # What the workflow is

    def machine(self, workflow: Workflow) -> BatchMachine:
        """The machine that the engine runs for *workflow*."""
        return self.machines.of(workflow.workflow_definition.state_machine, whole=is_whole(workflow))

    def loaded(self, workflow: Workflow, tasks: Collection[PendingTask]) -> None:
        """*workflow* was found in the store: what it has pending may have been submitted by another driver."""
        book = self._books.open(workflow.id)
        wait = self._rules.handover - self._rules.settle
        book.suspected_since = workflow.created_at + wait
        for task in tasks:
            book.learn(task)
            if task.token not in book.jobs and not is_whole(workflow):
                resource = self.machine(workflow).tasks[task.state].resource
                doubt = self._doubt(workflow, task.token, task.state, resource, task.scheduled_at + wait)
                book.doubts.setdefault(task.token, doubt)

    # Starting

    def start(self, workflow: Workflow, task: PendingTask) -> TaskSubmitted | TaskFailed | None:
        """See :meth:`workflow_manager.protocols.TaskRunner.start`."""
        book = self._books.open(workflow.id)
        if task.token in book.jobs:
            return self._receipt(task, book.jobs[task.token])
        try:
            if is_whole(workflow):
                return self._start_whole(workflow, task, book)
            return self._start_one(workflow, task, book)
        except UnknownResourceError as error:  # it was there when the workflow was created
            return TaskFailed(task.token, self._clock(), "Batch.UnknownResource", str(error))
        except InputTooLargeError as error:
            return TaskFailed(task.token, self._clock(), ErrorName.DATA_LIMIT_EXCEEDED.value, str(error))
        except Exception as error:  # told apart by code, so as not to import botocore
            if not passes(error):
                raise
            logger.warning("task %s: %s; it is tried again later", task.token, message_of(error))
            return None

    def _receipt(self, task: PendingTask, job_id: str, **more: Any) -> TaskSubmitted:
        return TaskSubmitted(task.token, self._clock(), {JOB_ID: job_id, **more})

    def _start_one(self, workflow: Workflow, task: PendingTask, book: Book) -> TaskSubmitted | TaskFailed | None:
        if task.token in book.held:
            return None
        make = self._request_maker(workflow, task)
        if self._clock() - task.scheduled_at > self._rules.handover / 2:  # others may be at it as well
            resource = self.machine(workflow).tasks[task.state].resource
            doubt = self._doubt(workflow, task.token, task.state, resource, LONG_AGO)
            book.doubts.setdefault(task.token, doubt)
        is_childs = task.token.rsplit(".", 2)[0] != workflow.id
        if not is_childs and task.state in self.machine(workflow).array_states:
            sent = self._arrays.send(workflow, task, book, make)
            if sent is not None:
                return self._answer(task, sent.outcome, "")
        request = make(task.token, {START: dumps(task.input)}, None)
        if is_childs or book.is_rewritten:  # a Map Run's child begins anew with every driver, with the same tokens
            book.suspect(task.token, request)
        return self._answer(task, self.sender.send(book, task.token, request), str(request["jobName"]), book)

    def _answer(
        self, task: PendingTask, sent: str | Refused | None, name: str, book: Book | None = None
    ) -> TaskSubmitted | TaskFailed | None:
        if sent is None:
            return None
        if isinstance(sent, Refused):
            return TaskFailed(task.token, self._clock(), sent.error, sent.cause)
        if book is not None:
            book.jobs[task.token] = sent
        return self._receipt(task, sent, **({JOB_NAME: name} if name else {}))

    def _request_maker(
        self, workflow: Workflow, task: PendingTask
    ) -> Callable[[str, Mapping[str, str], int | None], Request]:
        state = self.machine(workflow).tasks[task.state]
        target: Target = self._targets.target(state.resource, state=state.name, workflow=workflow)
        timeout = task.timeout_seconds

        def make(key: str, variables: Mapping[str, str], size: int | None) -> Request:
            return request_for(
                workflow,
                key,
                state=state.name,
                resource=state.resource,
                target=target,
                variables=variables,
                results=self._results,
                size=size,
                retry_strategy={"attempts": 1} if state.retry else None,  # the engine retries
                timeout=timeout if timeout is not None and timeout >= SHORTEST_TIMEOUT else None,
            )

        return make

    def _start_whole(self, workflow: Workflow, task: PendingTask, book: Book) -> TaskSubmitted | TaskFailed | None:
        if task.state in book.graph and task.state not in book.held:
            book.jobs[task.token] = book.graph[task.state]
            return self._receipt(task, book.graph[task.state])
        if self._clock() - workflow.created_at > self._rules.handover / 2:
            book.suspected_since = book.suspected_since or LONG_AGO  # from now on others may be at it as well
        jobs = self._graph_jobs(workflow)
        with self._leased(workflow.id, len(jobs)) if len(jobs) > _LEASED_FROM else nullcontext(True) as is_ours:
            sent = self._graphs.submit(workflow, jobs, book) if is_ours else False
        if isinstance(sent, Refused):
            return TaskFailed(task.token, self._clock(), sent.error, sent.cause)
        if not sent:
            book.held.add(task.state)  # until the whole graph is there, its receipt would be incomplete
            return None
        book.held.clear()
        book.jobs[task.token] = book.graph[task.state]
        return self._receipt(task, book.graph[task.state], **{JOBS: dict(book.graph)})

    @contextmanager
    def _leased(self, workflow_id: str, jobs: int = 1) -> Iterator[bool]:
        """Keep other drivers from submitting jobs of the workflow meanwhile; ``False`` if one is at it."""
        held: set[str] = self._local.__dict__.setdefault("held", set())
        if workflow_id in held:
            yield True
            return
        try:
            owner = lent_owner(workflow_id) or self._owner
            lease = self._store.acquire(workflow_id, owner, 60 + jobs / 10)
        except (ConflictError, NotFoundError):
            yield False
            return
        held.add(workflow_id)
        try:
            yield True
        finally:
            held.discard(workflow_id)
            self._end(lease)

    def _end(self, lease: Lease) -> None:
        """End *lease* once ListJobs shows what was submitted under it: its receipt may never be stored."""
        settle = self._rules.settle.total_seconds()
        if settle <= 0:
            self._store.release(lease)
            return
        try:
            self._store.acquire(lease.workflow_id, lease.owner, settle)
        except (ConflictError, NotFoundError):
            pass  # it has expired, and another driver is at it

    # Looking

    @contextmanager
    def round(self) -> Iterator[Round]:
        """Within this, everything that this thread looks at is asked for at most once."""
        known: Round | None = getattr(self._local, "round", None)
        if known is not None:
            yield known
            return
        self._local.round = Round(self._calls, self._results)
        try:
            yield self._local.round
        finally:
            self._local.round = None

    def watched(self, workflow: Workflow, tasks: Sequence[PendingTask]) -> list[str]:
        """The ids of the jobs to look at: those of *tasks*, or all of a graph whose ends have not been told."""
        book = self._books.open(workflow.id)
        for task in tasks:
            book.learn(task)
        if book.graph:
            pending = {task.token for task in tasks}
            told = {job_id for token, job_id in book.jobs.items() if token not in pending}
            return [job_id for key, job_id in book.graph.items() if job_id not in told and "#" not in key]
        return self.jobs_of(workflow, tasks)

    def jobs_of(self, workflow: Workflow, tasks: Iterable[PendingTask]) -> list[str]:
        """The ids of the jobs that are known to do *tasks*."""
        book = self._books.open(workflow.id)
        return [book.jobs[task.token] for task in tasks if task.token in book.jobs]

    def is_ahead(self, workflow: Workflow, detail: Mapping[str, Any]) -> bool:
        """Whether a job of a graph has begun before the workflow was heard to have come so far."""
        waits = detail["status"] in {"SUBMITTED", "PENDING"}
        return not waits and detail["jobId"] not in self._books.open(workflow.id).jobs.values()

    def poll(self, workflow: Workflow, tasks: Sequence[PendingTask]) -> Sequence[Report]:
        """See :meth:`workflow_manager.protocols.TaskRunner.poll`."""
        book = self._books.open(workflow.id)
        with self.round() as round:
            round.look(self.watched(workflow, tasks))
            for job_id in book.graph.values():
                if job_id in round.details:
                    book.see(job_id, round.details[job_id])
            reports: list[Report] = list(self.known_news(workflow, tasks))
        book.held.clear()
        for task in tasks:
            if not task.submitted:  # one that went with another in an array has a job, but no receipt yet
                report = self.start(workflow, task)
                if report is not None:
                    reports.append(report)
        return reports

    def known_news(self, workflow: Workflow, tasks: Sequence[PendingTask]) -> Iterator[Report]:
        """What this round's looks say about *tasks*; nothing is asked for."""
        with self.round() as round:
            states = self.machine(workflow).tasks
            yield from self._news.of(workflow, tasks, states, self._books.open(workflow.id), round)

    def unsettled_marks(self, workflow: Workflow, tasks: Collection[PendingTask]) -> set[str]:
        """The marks in the names of jobs that may exist without being known: see :func:`names.mark_of`."""
        book = self._books.open(workflow.id)
        if is_whole(workflow):
            return {mark_of(key) for key in keys_of(self._graph_jobs(workflow)) if key not in book.graph}
        tokens = {task.token for task in tasks if task.token not in book.jobs}
        arrays = {key for key, members in book.members.items() if not tokens.isdisjoint(members)}
        return {mark_of(key) for key in (*tokens, *arrays)}

    # Stopping

    def stop(self, workflow: Workflow, keep: Collection[str]) -> None:
        """See :meth:`workflow_manager.protocols.TaskRunner.stop`."""
        book = self._books.open(workflow.id)
        if not keep:
            self.stopper.stop(workflow, book, book.ids, self.doubtful(workflow, book))
        elif not is_whole(workflow):  # of a graph that is submitted whole all ends together
            ids = [job_id for token, job_id in book.jobs.items() if token not in keep]
            kept = {book.jobs[token] for token in keep if token in book.jobs}
            kept_tokens = frozenset(keep)
            doubtful = {
                key: doubt
                for key, doubt in book.unsettled().items()
                if kept_tokens.isdisjoint(book.members.get(key, (key,)))
            }
            self.stopper.stop(workflow, book, ids, doubtful, kept)

    def doubtful(self, workflow: Workflow, book: Book) -> Mapping[str, Doubt]:
        """Jobs that may be under way unknown to the book, by key."""
        if not is_whole(workflow) or book.suspected_since is None:
            return book.unsettled()
        jobs = self._graph_jobs(workflow)
        resources = {job.state: job.resource for job in jobs}
        missing = [(key, key.partition("#")[0]) for key in keys_of(jobs) if key not in book.graph]
        since = workflow.created_at
        return {key: self._doubt(workflow, key, state, resources[state], since) for key, state in missing}

    def _doubt(self, workflow: Workflow, key: str, state: str, resource: str, since: datetime) -> Doubt:
        target = self._targets
        name = job_name(
            workflow.id,
            key,
            namespace=workflow.namespace,
            resource=resource,
            state=state,
            deployment=target.deployment,
        )
        return Doubt(since, target.queue(workflow.queue), name)


def is_whole(workflow: Workflow) -> bool:
    """Whether the graph of *workflow* is submitted whole."""
    return workflow.tags.get(SUBMISSION_TAG) == Submission.GRAPH.value
