"""A workflow and its news as text, ready to be written into a SQLiteStore's file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from typing import TypeAlias

import attrs

from workflow_manager.codec.events import text_of
from workflow_manager.history import HistoryEvent
from workflow_manager.models import Workflow
from workflow_manager.stores.sqlite_text import event_texts, has_body, json_text, workflow_texts

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_EVENTS_TOGETHER = 200
_BYTES_TOGETHER = 2**16

Told: TypeAlias = tuple[object, ...]
_TELLING = attrgetter(
    *(
        field.name
        for field in attrs.fields(Workflow)
        if field.name not in {"last_updated", "revision", "tags", "input", "workflow_definition"}
    )
)
"""All that a summary tells but when it was last updated, the tags, and what is kept apart."""


def microseconds(moment: datetime) -> int:
    """Whole microseconds since 1970."""
    return (moment - _EPOCH) // _MICROSECOND


def moment(microseconds: int) -> datetime:
    """The inverse of :func:`microseconds`, in UTC."""
    return _EPOCH + timedelta(microseconds=microseconds)


@attrs.frozen
class Stored:
    """
    What is remembered of a save.

    The workflow's number in the file, its revision, the events of its history, and what its summary told.
    """

    number: int
    revision: int
    events: int
    told: Told


@attrs.frozen
class Draft:
    """A workflow and new events as text, and the number of its definition if that is known."""

    workflow: Workflow
    tags: str
    told: Told | None  # what the summary tells; None if there is more than a summary, or the definition is new
    summary: str | None  # None: the summary that is stored, if it is the one remembered, tells the same
    body: str | None  # the whole record, if the summary leaves anything out
    input: str | None  # at the first save only
    turns: tuple[tuple[int, str], ...]  # how many events there are, and their records
    events: int

    @classmethod
    def of(
        cls, workflow: Workflow, events: Sequence[HistoryEvent], definition: int | None, stored: Stored | None
    ) -> Draft:
        """
        *stored* is what is remembered of the latest save, if anything.

        Raises:
            InvalidValueError: a value is not JSON.
        """
        records = event_texts(events)
        tags = text_of(dict(sorted(workflow.tags.items()))) if workflow.tags else "{}"
        told: Told | None = None
        if definition is not None and not has_body(workflow):
            told = (definition, tags, *_TELLING(workflow))
        same = told is not None and stored is not None and (stored.revision, stored.told) == (workflow.revision, told)
        summary, body = (None, None) if same else workflow_texts(workflow)
        input = json_text(workflow.input, "input") if workflow.revision == 0 else None
        return cls(workflow, tags, told, summary, body, input, tuple(_together(records)), len(records))

    def written_out(self) -> Draft:
        """The same with its summary, whatever is remembered."""
        if self.summary is not None:
            return self
        summary, body = workflow_texts(self.workflow)
        return attrs.evolve(self, summary=summary, body=body)


def _together(records: list[str]) -> Iterator[tuple[int, str]]:
    """*records* in rows of a size that is good to write and to read."""
    if len(records) <= _EVENTS_TOGETHER and sum(map(len, records)) <= _BYTES_TOGETHER:
        if records:
            yield len(records), "\n".join(records)
        return
    begin = size = 0
    for index, record in enumerate(records):
        if index > begin and (index - begin >= _EVENTS_TOGETHER or size + len(record) > _BYTES_TOGETHER):
            yield index - begin, "\n".join(records[begin:index])
            begin, size = index, 0
        size += len(record)
    yield len(records) - begin, "\n".join(records[begin:])
