"""
Bringing records up to date, from what AWS answers or from what it tells by itself.

A status that is final is never left, whatever is told later, twice or in the wrong order.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable
from datetime import datetime

import attrs

from workflow_manager.exceptions import ConflictError, WorkflowStatusError
from workflow_manager.history import HistoryEvent, HistoryEventType
from workflow_manager.managers.later import is_held
from workflow_manager.managers.step_functions import pages, standing
from workflow_manager.managers.step_functions.client import Response
from workflow_manager.managers.step_functions.events import Notice
from workflow_manager.managers.step_functions.executions import Executions, is_going, output_of
from workflow_manager.managers.step_functions.history import Histories, History, new_fold
from workflow_manager.managers.step_functions.redrives import execution_arn, redrive_of
from workflow_manager.managers.step_functions.standing import Standing, advanced
from workflow_manager.models import Job, Workflow, WorkflowStatus
from workflow_manager.protocols import Store

logger = logging.getLogger("workflow_manager")

_TRIES = 100
_RUNNING = Standing(status="RUNNING")
_ENDS = {
    HistoryEventType.EXECUTION_SUCCEEDED: "SUCCEEDED",
    HistoryEventType.EXECUTION_FAILED: "FAILED",
    HistoryEventType.EXECUTION_ABORTED: "ABORTED",
    HistoryEventType.EXECUTION_TIMED_OUT: "TIMED_OUT",
}


@attrs.frozen
class Updater:
    """Knows how each stored workflow stands; *clock* gives the present time (aware, UTC)."""

    store: Store
    executions: Executions
    histories: Histories
    clock: Callable[[], datetime]

    def arn(self, workflow: Workflow) -> str:
        """The ARN of the execution that *workflow* is."""
        return execution_arn(workflow, self.executions.place)

    def summary(self, workflow: Workflow) -> Workflow:
        """*workflow*, as stored, after a look at its execution: one call, and one more if it has failed."""
        if workflow.status.is_final or is_held(workflow):
            return workflow
        described = self.executions.describe(self.arn(workflow))
        if described is None or int(described.get("redriveCount", 0)) < redrive_of(workflow):
            return self._missing(workflow)
        return self._advance(workflow, standing_of(described))

    def begun(self, workflow: Workflow) -> Workflow:
        """*workflow*, as stored, once its execution has been started."""
        return self._advance(workflow, _RUNNING)

    def history(self, workflow: Workflow) -> Workflow:
        """*workflow*, as stored, with its jobs, after a look at what is new in its history."""
        if is_held(workflow):
            return workflow
        history = self.histories.update(workflow, self.arn(workflow))
        workflow = history.workflow
        if not workflow.status.is_final:
            workflow = self._advance_by(history)
        return attrs.evolve(workflow, jobs=history.fold.jobs(), last_job=history.fold.last_job)

    def _advance_by(self, history: History) -> Workflow:
        workflow = history.workflow
        if not history.is_there:
            return self._missing(workflow)
        if history.end is None:
            return self._advance(workflow, _RUNNING)
        if "outputDetails" in (history.end.details or {}):  # AWS has left the output out
            return self.summary(workflow)
        return self._advance(workflow, _standing_by(history.end), history.fold.last_job, ask=False)

    def notice(self, workflow: Workflow, notice: Notice) -> Workflow:
        """*workflow*, as stored, after what AWS has told; asked again where it has left something out."""
        if workflow.status.is_final:
            return workflow
        return self._advance(workflow, notice.standing if notice.is_whole else self._asked(workflow, notice))

    def _asked(self, workflow: Workflow, notice: Notice) -> Standing:
        """
        What AWS says of an end of which it has left something out; what it shows may come after what it tells.

        Of an execution that it shows no longer what was told is all that there is.
        """
        for _ in itertools.chain([None], self.executions.calls.patience.waits()):
            described = self.executions.describe(self.arn(workflow))
            if described is None:
                return notice.standing
            if not is_going(described) and int(described.get("redriveCount", 0)) >= redrive_of(workflow):
                return standing_of(described)
        logger.warning("workflow %s: AWS does not yet show the end that it has told of", workflow.id)
        return _RUNNING

    def cancel(self, workflow: Workflow, reason: str) -> Workflow:
        """Write down that *workflow* is to end, stop its execution, and look how it stands then."""
        at = self.clock()
        workflow = self.amend(workflow, lambda stored: standing.cancelling(stored, reason, at))
        if not workflow.status.is_final:
            self.executions.stop(self.arn(workflow), reason)
            workflow = self.summary(workflow)
        return workflow

    def _missing(self, workflow: Workflow) -> Workflow:
        """AWS knows no such execution or redrive: what it shows comes with a delay, so it counts only after a while."""
        at = self.clock()
        if at - workflow.last_updated < standing.LOST_AFTER:
            return workflow
        logger.warning("workflow %s: AWS knows no such execution", workflow.id)
        return self.amend(workflow, lambda stored: standing.lost(stored, at))

    def _advance(self, workflow: Workflow, standing: Standing, job: Job | None = None, *, ask: bool = True) -> Workflow:
        """*ask* whether AWS is asked for the last job of what has failed; a whole history has told all there is."""
        if not standing.is_final:
            self._stop_again(workflow)
        elif ask and standing.status in ("FAILED", "TIMED_OUT"):
            job = self._last_job(workflow)
        at = self.clock()

        def change(stored: Workflow) -> Workflow:
            changed = advanced(stored, standing, at)
            return changed if job is None or changed is stored else attrs.evolve(changed, last_job=job)

        return self.amend(workflow, change)

    def _stop_again(self, workflow: Workflow) -> None:
        """Somebody has asked for the end and did not get to it."""
        if standing.is_cancelling(workflow):
            try:
                self.executions.stop(self.arn(workflow), workflow.status_reason)
            except Exception:
                logger.warning("workflow %s: it cannot be stopped", workflow.id, exc_info=True)

    def _last_job(self, workflow: Workflow) -> Job | None:
        """What failed; a status does not wait for it."""
        try:
            return pages.last_job(self.executions.calls, self.arn(workflow), new_fold(workflow))
        except Exception:
            logger.warning("workflow %s: its last job cannot be told", workflow.id, exc_info=True)
            return workflow.last_job

    def amend(self, workflow: Workflow, change: Callable[[Workflow], Workflow]) -> Workflow:
        """Save what *change* makes of *workflow*, or of what is stored by then, unless that has ended."""
        for _ in range(_TRIES):
            if workflow.status.is_final:
                return workflow
            changed = change(workflow)
            if changed is workflow:
                return workflow
            try:
                return self.store.save_workflow(changed)
            except (ConflictError, WorkflowStatusError):
                workflow = self.store.get_workflow(workflow.id)
        raise ConflictError("workflow", workflow.id, workflow.revision)


def standing_of(described: Response) -> Standing:
    """How an execution stands by DescribeExecution."""
    return Standing(
        status=str(described["status"]),
        stopped_at=described.get("stopDate"),
        output=output_of(described),
        error=described.get("error"),
        cause=described.get("cause"),
    )


def _standing_by(end: HistoryEvent) -> Standing:
    details = end.details or {}
    error, cause = details.get("error"), details.get("cause")
    return Standing(
        status=_ENDS[HistoryEventType(end.type)],
        stopped_at=end.timestamp,
        output=details.get("output"),
        error=error if isinstance(error, str) else None,
        cause=cause if isinstance(cause, str) else None,
    )


def is_cancelled(workflow: Workflow) -> bool:
    """Whether *workflow* is cancelled, or on its way there."""
    return workflow.status is WorkflowStatus.CANCELLED or standing.is_cancelling(workflow)
