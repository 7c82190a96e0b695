"""
The history of an execution, read page by page (AWS API: GetExecutionHistory).

Once some of it is known the rest is read backward from its end, so that only pages with something new are asked for.
Event types that this version does not know are kept beside the next event that it knows, and told once.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import attrs

from workflow_manager.asl.values import JSON
from workflow_manager.codec import event_from_aws
from workflow_manager.history import HistoryEvent
from workflow_manager.jobs import SHOWN, JobFold
from workflow_manager.managers.step_functions.client import Calls
from workflow_manager.models import Job

logger = logging.getLogger("workflow_manager")

UNKNOWN_EVENTS = "unknownEvents"
"""The member of ``beside`` under which events of unknown types are kept, each as AWS gave it."""

_PAGE = 1000
_FIRST_LOOK = 100
_told: set[str] = set()


def events_after(calls: Calls, arn: str, last_id: int) -> Iterator[list[Mapping[str, Any]]]:
    """
    The events of the execution *arn* with ids above *last_id*, as boto3 gives them, in order, page by page.

    From the beginning they are read forward, and what is held at once is one page; else backward, and what is held is
    what is new.
    """
    if last_id == 0:
        for page in calls.pages("get_execution_history", executionArn=arn, maxResults=_PAGE):
            yield list(page["events"])
        return
    new: list[Mapping[str, Any]] = []
    for page in calls.pages("get_execution_history", executionArn=arn, maxResults=_PAGE, reverseOrder=True):
        found = [event for event in page["events"] if event["id"] > last_id]
        new += found
        if len(found) < len(page["events"]) or (found and found[-1]["id"] == last_id + 1):
            break
    new.reverse()
    for begin in range(0, len(new), _PAGE):
        yield new[begin : begin + _PAGE]


class Reader:
    """
    Turns AWS's events, in order and without gaps, into ours; what comes after a gap is left for the next look.

    *links* lead from events of unknown types to known ones; what is read is added to them.
    """

    def __init__(self, last_id: int = 0, links: dict[int, int] | None = None) -> None:
        self.last_id = last_id
        self._links = {} if links is None else links
        self._unknown: list[Mapping[str, JSON]] = []

    def read(self, events: Iterable[Mapping[str, Any]]) -> Iterator[HistoryEvent]:
        """The known ones of *events*; a link to an unknown event leads to the one before that."""
        expected = self.last_id + len(self._unknown) + 1
        for mapping in events:
            if mapping["id"] != expected:
                return
            expected += 1
            event = event_from_aws(mapping)
            if event is None:
                self._keep(mapping)
                continue
            self.last_id = event.id
            yield self._linked(event)

    def _keep(self, mapping: Mapping[str, Any]) -> None:
        kind, previous = str(mapping["type"]), int(mapping.get("previousEventId", 0))
        if kind not in _told:
            _told.add(kind)
            logger.warning("histories may have events of type %r, which this version does not know", kind)
        self._links[mapping["id"]] = self._links.get(previous, previous)
        self._unknown.append(json.loads(json.dumps(mapping, default=str)))

    def _linked(self, event: HistoryEvent) -> HistoryEvent:
        if not self._links:
            return event
        beside = {**(event.beside or {}), UNKNOWN_EVENTS: self._unknown} if self._unknown else event.beside
        self._unknown = []
        previous = self._links.get(event.previous_event_id, event.previous_event_id)
        return attrs.evolve(event, previous_event_id=previous, beside=beside)


def remember(links: dict[int, int], event: HistoryEvent) -> None:
    """Add the unknown events that are kept beside a stored *event* to *links*."""
    kept = (event.beside or {}).get(UNKNOWN_EVENTS, ())
    for mapping in kept if isinstance(kept, list) else ():
        previous = int(mapping.get("previousEventId", 0))
        links[int(mapping["id"])] = links.get(previous, previous)


def last_job(calls: Calls, arn: str, fold: JobFold) -> Job | None:
    """
    The job that was opened last, found from the end of the history backward, if need be as far back as its beginning.

    Its branch is told only if the events read lead to it.  *fold* must be new.
    """
    newest_first: list[Mapping[str, Any]] = []
    for page in calls.pages("get_execution_history", executionArn=arn, maxResults=_FIRST_LOOK, reverseOrder=True):
        newest_first += page["events"]
        if any(event["type"] in _OPENS_JOB for event in page["events"]):
            break
    reader = Reader(newest_first[-1]["id"] - 1 if newest_first else 0)
    for event in reader.read(reversed(newest_first)):
        fold.add(event)
    return fold.last_job


_OPENS_JOB = frozenset(f"{type.value}StateEntered" for type in SHOWN)
