"""
Looking at many jobs at once.

DescribeJobs takes a hundred ids; an array's children are read as their parent's, and listed only when it tells of
children that have ended since; results are read together.  Trouble in passing means that there is no news.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from workflow_manager.asl.values import JSON
from workflow_manager.aws import message_of, passes
from workflow_manager.managers.batch.client import Calls
from workflow_manager.managers.batch.limits import MOST_DESCRIBED
from workflow_manager.managers.batch.results import JobResults

logger = logging.getLogger("workflow_manager")

Detail = Mapping[str, Any]
ENDED = frozenset({"SUCCEEDED", "FAILED"})


_KEPT = (
    *("jobId", "jobName", "jobQueue", "status", "statusReason", "createdAt", "startedAt", "stoppedAt", "attempts"),
    *("isCancelled", "isTerminated", "arrayProperties", "jobDefinition", "container"),
)
_KEPT_OF_CONTAINER = ("taskArn", "exitCode", "reason", "logStreamName")
_NONE: Mapping[str, Any] = {}


def trimmed(detail: Mapping[str, Any]) -> Mapping[str, Any]:
    """
    What is kept of a JobDetail: not its environment, which may be large.

    Of a job that has not run yet it is a few texts and numbers, which the garbage collector does not have to look at.
    """
    container = detail.get("container") or _NONE
    ran = {name: container[name] for name in _KEPT_OF_CONTAINER if name in container} or _NONE
    own = {"container": ran, "attempts": tuple(detail["attempts"])} if "attempts" in detail else {"container": ran}
    return {name: own[name] if name in own else detail[name] for name in _KEPT if name in own or name in detail}


class Round:
    """One look at the world: everything is asked for at most once in it."""

    def __init__(self, calls: Calls, results: JobResults) -> None:
        self._calls, self._results_store = calls, results
        self.details: dict[str, Detail] = {}
        self.missing: set[str] = set()  # asked for, and Batch does not know them
        self.results: dict[str, JSON] = {}
        self._asked: set[str] = set()
        self._listed: set[str] = set()  # arrays whose children that have ended are known
        self._read: set[str] = set()

    def look(self, job_ids: Iterable[str]) -> None:
        """Learn all about these jobs, as far as that can be learned now."""
        wanted = [job_id for job_id in dict.fromkeys(job_ids) if job_id not in self._asked]
        children: dict[str, list[str]] = {}
        for job_id in wanted:
            parent, colon, _ = job_id.partition(":")
            if colon:
                children.setdefault(parent, []).append(job_id)
        plain = [job_id for job_id in wanted if ":" not in job_id]
        self._describe([*plain, *(parent for parent in children if parent not in self._asked)])
        for parent, ids in children.items():
            self._look_into(parent, ids)
        self._read_results([job_id for job_id in wanted if self._has_ended(job_id)])

    def tell(self, detail: Detail) -> None:
        """Take *detail* for seen: AWS has told it by an event."""
        job_id = str(detail["jobId"])
        self.details[job_id] = trimmed(detail)
        if self._has_ended(job_id):
            self._read_results([job_id])

    def is_read(self, job_id: str) -> bool:
        """Whether it is known if the job has left a result."""
        return job_id in self._read

    def _has_ended(self, job_id: str) -> bool:
        return job_id in self.missing or self.details.get(job_id, {}).get("status") in ENDED

    def _describe(self, job_ids: list[str]) -> None:
        for first in range(0, len(job_ids), MOST_DESCRIBED):
            some = job_ids[first : first + MOST_DESCRIBED]
            try:
                answer = self._calls.make("describe_jobs", jobs=some)
            except Exception as error:  # told apart by code, so as not to import botocore
                if not passes(error):
                    raise
                logger.warning("DescribeJobs: %s; nothing changes", message_of(error))
                continue
            self._asked.update(some)
            self.details.update({detail["jobId"]: trimmed(detail) for detail in answer["jobs"]})
            self.missing.update(job_id for job_id in some if job_id not in self.details)

    def _look_into(self, parent: str, ids: list[str]) -> None:
        """List the children of *parent* that have ended, if there are such among *ids*."""
        if parent in self.missing:
            self.missing.update(ids)
            self._asked.update(ids)
            return
        detail = self.details.get(parent)
        if detail is None:
            return
        array = detail.get("arrayProperties") or {}
        summary = array.get("statusSummary") or {}
        ended = sum(summary.get(status, 0) for status in ENDED)
        if detail["status"] == "FAILED" and not ended:  # it was ended before its children were made
            self.details.update({job_id: {**detail, "jobId": job_id, "arrayProperties": {}} for job_id in ids})
        elif parent not in self._listed and ended > array.get("size", 0) - len(ids):
            self._list_children(parent, [status for status in sorted(ENDED) if summary.get(status)])

    def _list_children(self, parent: str, statuses: Collection[str]) -> None:
        queue = {"jobQueue": self.details[parent]["jobQueue"]}
        try:
            for status in statuses:
                for page in self._calls.pages("list_jobs", arrayJobId=parent, jobStatus=status):
                    self.details.update({child["jobId"]: {**queue, **child} for child in page["jobSummaryList"]})
        except Exception as error:  # told apart by code, so as not to import botocore
            if not passes(error):
                raise
            logger.warning("ListJobs: %s; nothing changes", message_of(error))
            return
        self._listed.add(parent)

    def _read_results(self, job_ids: list[str]) -> None:
        wanted = [job_id for job_id in job_ids if job_id not in self._read]
        if not wanted:
            return
        try:
            self.results.update(self._results_store.load(wanted))
        except Exception as error:  # told apart by code, so as not to import botocore
            if not (passes(error) or isinstance(error, TimeoutError)):
                raise
            logger.warning("job results: %s; nothing changes", message_of(error))
            return
        self._read.update(wanted)
