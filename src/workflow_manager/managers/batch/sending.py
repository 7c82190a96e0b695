"""
Submitting exactly once, although SubmitJob knows no idempotency.

Whoever is in doubt looks first: a job's name is made from its workflow and its key, so the job that a lost answer was
about can be found (ListJobs by JOB_NAME).  Only when none has shown up for a while is the request sent again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime, timedelta

import attrs

from workflow_manager.aws import leaves_a_doubt, message_of, passes
from workflow_manager.managers.batch.books import Book, Doubt
from workflow_manager.managers.batch.client import Calls, is_refusal
from workflow_manager.managers.batch.requests import Request

logger = logging.getLogger("workflow_manager")


Guard = Callable[[str], AbstractContextManager[bool]]
"""For a workflow's id: whether nobody else submits its jobs as long as this lasts."""


@attrs.frozen
class Refused:
    """AWS will not have the request, now or later; *cause* is what it says."""

    cause: str
    error: str = "Batch.Refused"


class Sender:
    """
    Sends requests.

    *settle* is how long a job that was submitted may not be seen by ListJobs.  *guard* keeps other drivers from
    submitting jobs of a workflow meanwhile.
    """

    def __init__(self, calls: Calls, clock: Callable[[], datetime], settle: timedelta, guard: Guard) -> None:
        self._calls, self._clock, self._settle, self._guard = calls, clock, settle, guard

    def send(self, book: Book, key: str, request: Request) -> str | Refused | None:
        """The id of the job that *request* makes, or has made before; ``None`` if that cannot be said yet."""
        doubt = book.doubts.get(key)
        try:
            if doubt is not None:
                found = self.find(doubt.queue, doubt.name)
                if found is not None or self.may_appear(doubt):
                    return self._settled(book, key, found)
                return self._submit_alone(book, key, request, doubt)
            return self._submit(book, key, request)
        except Exception as error:  # told apart by code, so as not to import botocore
            if not passes(error):
                raise
            logger.warning("job %s: %s; it is tried again later", request["jobName"], message_of(error))
            return None

    def _submit_alone(self, book: Book, key: str, request: Request, doubt: Doubt) -> str | Refused | None:
        """Submit what others may be about to submit as well: under a lease, and after one more look."""
        with self._guard(book.workflow_id) as is_ours:
            if not is_ours:
                return None
            found = self.find(doubt.queue, doubt.name)
            return self._submit(book, key, request) if found is None else self._settled(book, key, found)

    def _settled(self, book: Book, key: str, found: str | None) -> str | None:
        if found is not None:
            book.doubts.pop(key, None)
        return found

    def _submit(self, book: Book, key: str, request: Request) -> str | Refused | None:
        before, queue, name = book.doubts.get(key), str(request["jobQueue"]), str(request["jobName"])
        book.doubts[key] = Doubt(self._clock(), queue, name)  # until an answer has come
        try:
            answer = self._calls.submit(**request)
        except Exception as error:  # told apart by code, so as not to import botocore
            if leaves_a_doubt(error):
                return self._settled(book, key, self.find(queue, name))
            if before is None:
                book.doubts.pop(key, None)  # nothing was done
            else:
                book.doubts[key] = before
            if not is_refusal(error):
                raise  # in passing, or trouble with the credentials of whoever asks
            return Refused(message_of(error))
        book.doubts.pop(key, None)
        job_id: str = answer["jobId"]
        return job_id

    def may_appear(self, doubt: Doubt) -> bool:
        """Whether a job that ListJobs does not show may have been submitted all the same."""
        return self._clock() < doubt.since + self._settle

    def find(self, queue: str, name: str) -> str | None:
        """The id of the oldest job called *name* in *queue*, ended ones too."""
        filters = [{"name": "JOB_NAME", "values": [name]}]
        found = [
            summary
            for page in self._calls.pages("list_jobs", jobQueue=queue, filters=filters)
            for summary in page["jobSummaryList"]
        ]
        return str(min(found, key=lambda job: job["createdAt"])["jobId"]) if found else None
