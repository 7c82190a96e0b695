"""An inline Map whose iteration is one Task: what is to be done at once for all items is array jobs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

import attrs

from workflow_manager.asl.values import dumps
from workflow_manager.engine.pending import PendingTask
from workflow_manager.managers.batch.books import Book, Doubt
from workflow_manager.managers.batch.limits import LARGEST_ARRAY, SMALLEST_ARRAY
from workflow_manager.managers.batch.requests import START, InputTooLargeError, Request
from workflow_manager.managers.batch.sending import Refused, Sender
from workflow_manager.models import Workflow

MakeRequest = Callable[[str, Mapping[str, str], int | None], Request]


@attrs.frozen
class Sent:
    """What became of one task: the id of its child job, a refusal, or ``None`` if that cannot be said yet."""

    outcome: str | Refused | None


class Arrays:
    """
    Submits arrays.

    *siblings* gives all pending tasks of a workflow, in the order in which they were scheduled.
    """

    def __init__(self, siblings: Callable[[str], Collection[PendingTask]], sender: Sender) -> None:
        self._siblings, self._sender = siblings, sender

    def send(self, workflow: Workflow, task: PendingTask, book: Book, make: MakeRequest) -> Sent | None:
        """Submit *task* with all that may go with it; ``None`` if nothing may, so that it is a job of its own."""
        group = [each for each in self._siblings(workflow.id) if _goes_with(each, task, book)]
        refused: Refused | None = None
        for key, request, some in _requests(group, make):
            book.members[key] = frozenset(each.token for each in some)
            _doubt(book, key, request, some)
            sent = self._sender.send(book, key, request)
            if isinstance(sent, str):
                for index, each in enumerate(some):
                    book.jobs[each.token] = f"{sent}:{index}"
                    book.doubts.pop(each.token, None)
            else:
                refused = sent or refused
                book.held.update(each.token for each in some)
        if task.token in book.jobs:
            return Sent(book.jobs[task.token])
        return Sent(refused) if task.token in book.held else None


def _goes_with(each: PendingTask, task: PendingTask, book: Book) -> bool:
    return (
        each.state == task.state
        and each.attempt == 0
        and task.attempt == 0
        and not each.submitted
        and each.token not in book.jobs
        and each.timeout_seconds == task.timeout_seconds
        and each.scheduled_at == task.scheduled_at  # else who takes over might put them together in another way
        and each.branch.rpartition("/")[0] == task.branch.rpartition("/")[0]
    )


def _chunks(group: Sequence[PendingTask]) -> Iterator[Sequence[PendingTask]]:
    for first in range(0, len(group), LARGEST_ARRAY):
        some = group[first : first + LARGEST_ARRAY]
        if len(some) >= SMALLEST_ARRAY:
            yield some


def _requests(group: Sequence[PendingTask], make: MakeRequest) -> Iterator[tuple[str, Request, Sequence[PendingTask]]]:
    """An array for each chunk; one whose input has no room is two of half the size."""
    chunks = list(reversed(list(_chunks(group))))
    while chunks:
        some = chunks.pop()
        key = f"array:{some[0].token}:{len(some)}"
        try:
            request = make(key, {START: dumps([each.input for each in some])}, len(some))
        except InputTooLargeError:
            half = (len(some) + 1) // 2
            chunks.extend(part for part in (some[half:], some[:half]) if len(part) >= SMALLEST_ARRAY)
        else:
            yield key, request, some


def _doubt(book: Book, key: str, request: Request, some: Sequence[PendingTask]) -> None:
    """Whoever was to submit these tasks before may have submitted them as this array."""
    doubts = [book.doubts[each.token] for each in some if each.token in book.doubts]
    if doubts:
        since = max(doubt.since for doubt in doubts)
        book.doubts.setdefault(key, Doubt(since, str(request["jobQueue"]), str(request["jobName"])))
