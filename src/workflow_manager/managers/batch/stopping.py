"""Ending jobs: all of a workflow, or those that nobody waits for any more, and proof that they have ended."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping

from workflow_manager.aws import message_of, passes
from workflow_manager.managers.batch.books import Book, Doubt
from workflow_manager.managers.batch.client import Calls
from workflow_manager.managers.batch.limits import LONGEST_REASON
from workflow_manager.managers.batch.polling import ENDED, Round
from workflow_manager.managers.batch.sending import Sender
from workflow_manager.models import Workflow, WorkflowStatus

logger = logging.getLogger("workflow_manager")

BY_USER = "ABORTED_BY_USER: "
"""How the reason begins when somebody has cancelled the workflow; upstream's readers look for it."""
_WITHDRAWN = "ABORTED_DEPS_FAILED: nothing waits for this job any more"


class Stopper:
    """Terminates jobs (TerminateJob, which acts in every status; CancelJob would not)."""

    def __init__(self, calls: Calls, sender: Sender) -> None:
        self._calls, self._sender = calls, sender

    def stop(
        self,
        workflow: Workflow,
        book: Book,
        ids: Iterable[str],
        doubtful: Mapping[str, Doubt],
        kept: Collection[str] = (),
    ) -> None:
        """End these jobs and the *doubtful* ones that exist, but none of those *kept*; trouble in passing is logged."""
        wanted = [job_id for job_id in ids if job_id not in book.ended and job_id not in book.stopped]
        for key, doubt in doubtful.items():
            found = self._find(doubt)
            if found:
                self._take_in(book, key, found)
                wanted.append(found)
        for job_id in self._together(wanted, kept):
            if job_id not in book.stopped and self.terminate(job_id, reason_for(workflow)):
                book.stopped.add(job_id)

    @staticmethod
    def _take_in(book: Book, key: str, job_id: str) -> None:
        book.doubts.pop(key, None)
        book.strays.add(job_id)

    def _find(self, doubt: Doubt) -> str | None:
        """The id of the job that may have been submitted, ``""`` if there is none, ``None`` if nobody can say yet."""
        try:
            found = self._sender.find(doubt.queue, doubt.name)
        except Exception as error:  # told apart by code, so as not to import botocore
            if not passes(error):
                raise
            logger.warning("job %s: %s; it may be under way", doubt.name, message_of(error))
            return None
        return found or (None if self._sender.may_appear(doubt) else "")

    @staticmethod
    def _together(ids: Iterable[str], kept: Collection[str]) -> Iterable[str]:
        """An array in place of its children, unless others of them are kept."""
        arrays_kept = {job_id.partition(":")[0] for job_id in kept}
        parents = ((job_id, job_id.partition(":")[0]) for job_id in ids)
        return dict.fromkeys(job_id if parent in arrays_kept else parent for job_id, parent in parents)

    def terminate(self, job_id: str, reason: str) -> bool:
        """End one job; ``False`` if it is not sure that AWS has heard."""
        try:
            self._calls.make("terminate_job", jobId=job_id, reason=reason[:LONGEST_REASON])
        except Exception as error:  # told apart by code, so as not to import botocore
            if not passes(error):
                raise
            logger.warning("job %s: TerminateJob: %s", job_id, message_of(error))
            return False
        return True

    def prove(self, workflow: Workflow, book: Book, doubtful: Mapping[str, Doubt], round: Round) -> list[str]:
        """
        What is left of a workflow that is to have ended, after it was told once more to end.

        These are the ids of jobs that still go on, and the names of those that may have been submitted but cannot be
        seen now.
        """
        unseen: list[str] = []
        for key, doubt in doubtful.items():
            found = self._find(doubt)
            if found:
                self._take_in(book, key, found)
            elif found is None:
                unseen.append(doubt.name)
        parents = dict.fromkeys(job_id.partition(":")[0] for job_id in book.ids if job_id not in book.ended)
        round.look(parents)
        left = [job_id for job_id in parents if not _is_ending(job_id, round)]
        for job_id in parents:
            if job_id in round.details:
                book.see(job_id, round.details[job_id])
        return [*unseen, *(job_id for job_id in left if not self.terminate(job_id, reason_for(workflow)))]


def _is_ending(job_id: str, round: Round) -> bool:
    if job_id in round.missing:
        return True
    detail = round.details.get(job_id, {})
    return detail.get("status") in ENDED or bool(detail.get("isTerminated") or detail.get("isCancelled"))


def reason_for(workflow: Workflow) -> str:
    """What AWS is told when a job of *workflow* is ended."""
    return f"{BY_USER}{workflow.status_reason}" if workflow.status is WorkflowStatus.CANCELLED else _WITHDRAWN
