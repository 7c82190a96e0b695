"""Graph submission: all jobs of a workflow at once, each waiting for those before it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import attrs

from workflow_manager.asl.values import JSON, dumps
from workflow_manager.managers.batch.books import Book
from workflow_manager.managers.batch.limits import MOST_DEPENDENCIES
from workflow_manager.managers.batch.plan import PlannedJob, Source, states_in, uses_input
from workflow_manager.managers.batch.requests import DEPENDENCIES, INPUT, JOIN, START, request_for
from workflow_manager.managers.batch.results import JobResults
from workflow_manager.managers.batch.sending import Refused, Sender
from workflow_manager.managers.batch.targets import Targets
from workflow_manager.models import Workflow

NOTHING = ("true",)
"""The command of a job that does nothing."""


def keys_of(jobs: Sequence[PlannedJob]) -> Iterator[str]:
    """The keys of all jobs, those that do nothing too."""
    for job in jobs:
        yield job.state
        for number in range(job.joins):
            yield f"{job.state}#{number}"


class GraphSubmission:
    """Submits the graphs of workflows; what is in the book already is not submitted again."""

    def __init__(self, sender: Sender, targets: Targets, results: JobResults) -> None:
        self._sender, self._targets, self._results = sender, targets, results

    def submit(self, workflow: Workflow, jobs: Sequence[PlannedJob], book: Book) -> Refused | bool:
        """Submit what is missing; ``True`` if all is there now, ``False`` if the rest must wait."""
        for job in jobs:
            if job.state not in book.graph:
                sent = self._submit(workflow, job, book)
                if sent is not True:
                    return sent
        return True

    def _submit(self, workflow: Workflow, job: PlannedJob, book: Book) -> Refused | bool:
        waits_for = self._joined(workflow, job, book)
        if not isinstance(waits_for, list):
            return waits_for
        variables = {DEPENDENCIES: ",".join(book.graph[state] for state in states_in(job.source))}
        if uses_input(job.source):
            variables[START] = dumps(workflow.input)
        if not _is_plain(job.source):
            variables[INPUT] = dumps(_template(job.source, book.graph))
        more: dict[str, Any] = {"retry_strategy": job.retry_strategy, "timeout": job.timeout_seconds}
        return self._send(workflow, job, book, job.state, variables, waits_for, more)

    def _joined(self, workflow: Workflow, job: PlannedJob, book: Book) -> list[str] | Refused | bool:
        """What *job* is to wait for, at most 20 jobs; those that gather others are submitted first."""
        ids = [book.graph[state] for state in job.depends_on]
        number = 0
        while len(ids) > MOST_DEPENDENCIES:
            gathered: list[str] = []
            for first in range(0, len(ids), MOST_DEPENDENCIES):
                key = f"{job.state}#{number}"
                if key not in book.graph:
                    some = ids[first : first + MOST_DEPENDENCIES]
                    sent = self._send(workflow, job, book, key, {JOIN: "1"}, some, {"command": NOTHING})
                    if sent is not True:
                        return sent
                gathered.append(book.graph[key])
                number += 1
            ids = gathered
        return ids

    def _send(
        self,
        workflow: Workflow,
        job: PlannedJob,
        book: Book,
        key: str,
        variables: Mapping[str, str],
        depends_on: Sequence[str],
        more: Mapping[str, Any],
    ) -> Refused | bool:
        target = self._targets.target(job.resource, state=job.state, workflow=workflow)
        request = request_for(
            workflow,
            key,
            state=job.state,
            resource=job.resource,
            target=target,
            variables=variables,
            results=self._results,
            depends_on=depends_on,
            **more,
        )
        book.suspect(key, request)
        sent = self._sender.send(book, key, request)
        if isinstance(sent, str):
            book.graph[key] = sent
            return True
        return False if sent is None else attrs.evolve(sent, cause=f"state {job.state!r}: {sent.cause}")


def _is_plain(source: Source) -> bool:
    """Whether the far side can tell the input without a template: nothing, one result, or a list of at least two."""
    if source is None or isinstance(source, str):
        return True
    return len(source) > 1 and all(isinstance(part, str) for part in source) and len(set(source)) == len(source)


def _template(source: Source, graph: Mapping[str, str]) -> JSON:
    if source is None:
        return None
    return graph[source] if isinstance(source, str) else [_template(part, graph) for part in source]
