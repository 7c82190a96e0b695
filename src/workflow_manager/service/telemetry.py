"""Traces of workflows for OpenTelemetry: a listener that turns histories into spans."""

from __future__ import annotations

import threading
from collections import OrderedDict
from datetime import datetime
from importlib import import_module
from typing import Any

from workflow_manager.exceptions import WorkflowStatusError
from workflow_manager.history import HistoryEvent, HistoryEventType
from workflow_manager.jobs import JobFold
from workflow_manager.models import Job, JobStatus, Workflow, WorkflowStatus

_ENDS = frozenset(
    {
        HistoryEventType.EXECUTION_SUCCEEDED,
        HistoryEventType.EXECUTION_FAILED,
        HistoryEventType.EXECUTION_TIMED_OUT,
        HistoryEventType.EXECUTION_ABORTED,
    }
)
_MOST = 10_000  # workflows that are followed at once; the one that was heard of the longest time ago is given up first


class TraceListener:
    """
    A trace for each workflow, and in it a span for each of its jobs; give it to ``on_event`` of a manager.

    *tracer* is an ``opentelemetry.trace.Tracer``.  The spans are made when the workflow ends, with the times that its
    history tells.  Their attributes say which workflow, state and branch it was and how it ended; inputs, outputs and
    causes, which may hold anything, are left out.  Of a workflow that this listener has not heard from the beginning
    only those jobs have spans that began since.
    """

    def __init__(self, tracer: Any) -> None:  # the library itself does not need OpenTelemetry, nor its types
        self._tracer = tracer
        self._api = import_module("opentelemetry.trace")
        self._nothing = import_module("opentelemetry.context").Context()  # no span of the thread's own is around ours
        self._lock = threading.Lock()
        self._folds: OrderedDict[str, JobFold] = OrderedDict()

    def __call__(self, workflow: Workflow, event: HistoryEvent) -> None:
        """Hear of one *event* of *workflow*, as a manager's listeners do."""
        with self._lock:
            fold = self._folds.pop(workflow.id, None) or _new_fold(workflow)
            if event.type not in _ENDS:
                self._folds[workflow.id] = fold
            while len(self._folds) > _MOST:
                self._folds.popitem(last=False)
        fold.add(event)
        if event.type in _ENDS:
            self._write(workflow, fold.jobs(), event.timestamp)

    def trace(self, workflow: Workflow) -> None:
        """
        Write the trace of a *workflow* that has ended, with the jobs that it has.

        For managers that tell of no events, as Step Functions': give it what ``update_workflow_history``, or ``wait``,
        has returned, once.

        Raises:
            WorkflowStatusError: it is still active.
        """
        if not workflow.status.is_final:
            raise WorkflowStatusError("trace", workflow.id, workflow.status.value)
        self._write(workflow, workflow.jobs, workflow.stopped_at or workflow.last_updated)

    def _write(self, workflow: Workflow, jobs: tuple[Job, ...], at: datetime) -> None:
        definition = workflow.workflow_definition
        root = self._tracer.start_span(
            definition.name,
            context=self._nothing,
            start_time=_nanoseconds(workflow.created_at),
            attributes={
                "workflow.id": workflow.id,
                "workflow.definition": definition.name,
                "workflow.version": definition.version,
                "workflow.manager": definition.manager,
                "workflow.namespace": workflow.namespace,
                "workflow.queue": workflow.queue,
                "workflow.status": workflow.status.value,
                "workflow.retry_for": workflow.retry_for,
            },
        )
        inside = self._api.set_span_in_context(root, self._nothing)
        for job in jobs:
            begun = job.started_at or job.created_at or workflow.created_at
            span = self._tracer.start_span(
                job.state,
                context=inside,
                start_time=_nanoseconds(begun),
                attributes={
                    "job.id": job.id,
                    "job.state_type": job.state_type.value,
                    "job.status": job.status.value,
                    "job.branch": "/".join(job.branch_path),
                    "job.attempts": len(job.attempts) + 1,
                },
            )
            self._end(span, job.stopped_at or at, job.status is JobStatus.FAILED, job.error)
        self._end(root, workflow.stopped_at or at, workflow.status is WorkflowStatus.FAILED, workflow.error)

    def _end(self, span: Any, at: datetime, has_failed: bool, error: str | None) -> None:
        if has_failed:
            span.set_status(self._api.StatusCode.ERROR, error)
        if error is not None:
            span.set_attribute("error.type", error)
        span.end(_nanoseconds(at))


def _new_fold(workflow: Workflow) -> JobFold:
    return JobFold(machine=workflow.workflow_definition.state_machine, namespace=workflow.namespace)


def _nanoseconds(at: datetime) -> int:
    return round(at.timestamp() * 1e6) * 1000
