"""Finding the jobs that nobody knows: what a driver has submitted and died before it could say so."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import attrs

from workflow_manager.exceptions import NotFoundError
from workflow_manager.managers.batch.books import Books
from workflow_manager.managers.batch.client import Calls
from workflow_manager.managers.batch.driver import BatchDriver
from workflow_manager.managers.batch.names import mark_of, origin_of
from workflow_manager.managers.batch.runner import BatchRunner
from workflow_manager.managers.batch.stopping import reason_for
from workflow_manager.models import Workflow
from workflow_manager.protocols import Store

logger = logging.getLogger("workflow_manager")

LIVE = ("SUBMITTED", "PENDING", "RUNNABLE", "STARTING", "RUNNING")


@attrs.frozen(kw_only=True)
class Reconciliation:
    """
    What was found.

    There are ids of live jobs that the store knows now but did not (*adopted*), of those that were told to end
    because nothing waits for them (*ended*), and of those that could not be told, or whose workflow cannot be looked at
    now (*left*).
    """

    adopted: tuple[str, ...] = ()
    ended: tuple[str, ...] = ()
    left: tuple[str, ...] = ()


class Reconciler:
    """Compares the live jobs that *deployment* has in *queues* with the store."""

    def __init__(
        self,
        calls: Calls,
        queues: Iterable[str],
        deployment: str,
        store: Store,
        books: Books,
        runner: BatchRunner,
        driver: BatchDriver,
        refresh: Callable[[Workflow], Workflow],
    ) -> None:
        self._calls, self._queues, self._store, self._books = calls, queues, store, books
        self._deployment = mark_of(deployment, 6)
        self._runner, self._driver, self._refresh = runner, driver, refresh
        self._stopper = runner.stopper

    def run(self) -> Reconciliation:
        """Adopt or end every live job that is this library's and that no workflow waits for."""
        adopted: list[str] = []
        ended: list[str] = []
        left: list[str] = []
        for workflow_id, found in self._live_jobs().items():
            try:
                strays, taken, reason = self._judge(workflow_id, found)
            except Exception:
                logger.warning("workflow %s: its jobs are left as they are", workflow_id, exc_info=True)
                left += found
                continue
            adopted += taken
            for job_id in strays:
                (ended if self._stopper.terminate(job_id, reason) else left).append(job_id)
        if adopted or ended or left:
            logger.info("jobs reconciled: %d adopted, %d ended, %d left", len(adopted), len(ended), len(left))
        return Reconciliation(adopted=tuple(adopted), ended=tuple(ended), left=tuple(left))

    def _live_jobs(self) -> dict[str, dict[str, str]]:
        """Live jobs by workflow: ids with the marks of their tasks; one that moves on meanwhile may be met twice."""
        found: dict[str, dict[str, str]] = {}
        for queue in self._queues:
            for status in LIVE:
                for page in self._calls.pages("list_jobs", jobQueue=queue, jobStatus=status):
                    for summary in page["jobSummaryList"]:
                        self._note(summary, found)
        return found

    def _note(self, summary: Mapping[str, Any], found: dict[str, dict[str, str]]) -> None:
        origin = origin_of(summary["jobName"])
        if origin is not None and origin.deployment_mark == self._deployment:
            found.setdefault(origin.workflow_id, {})[summary["jobId"]] = origin.task_mark

    def _judge(self, workflow_id: str, found: Mapping[str, str]) -> tuple[list[str], list[str], str]:
        """Those of the live jobs *found* to end, those that were adopted, and why the former end."""
        try:
            stored = self._store.get_workflow(workflow_id)
        except NotFoundError:
            return list(found), [], f"reconciled: there is no workflow {workflow_id}"
        known = self._recorded(workflow_id)
        if not stored.status.is_final:
            stored = self._refresh(stored)
        if stored.status.is_final:
            return [job_id for job_id in found if not self._has_ended(workflow_id, job_id)], [], reason_for(stored)
        wanted = self._wanted(workflow_id)
        taken = [job_id for job_id in found if job_id in wanted and job_id not in known]
        tasks = self._driver.wanted(workflow_id) or ()
        open_marks = self._runner.unsettled_marks(stored, tasks)  # they are not known only because of some trouble
        strays = [job_id for job_id, mark in found.items() if job_id not in wanted and mark not in open_marks]
        return strays, taken, reason_for(stored)

    def _recorded(self, workflow_id: str) -> set[str]:
        return {job_id.partition(":")[0] for job_id in self._books.open(workflow_id).ids}

    def _has_ended(self, workflow_id: str, job_id: str) -> bool:
        book = self._books.open(workflow_id)
        return job_id in book.ended or job_id in book.stopped

    def _wanted(self, workflow_id: str) -> set[str]:
        book = self._books.open(workflow_id)
        tasks = self._driver.wanted(workflow_id)
        ids = list(book.graph.values())
        if not ids:
            ids = book.ids if tasks is None else [book.jobs[task.token] for task in tasks if task.token in book.jobs]
        return {job_id.partition(":")[0] for job_id in ids}
