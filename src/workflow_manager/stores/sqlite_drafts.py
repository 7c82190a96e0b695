"""A workflow and its news as text, ready to be written into a SQLiteStore's file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from typing import TypeAlias

import attrs

from workflow_manager.codec.events import text_of
from workflow_manager.history import HistoryEvent
from workflow_manager.models import Workflow, WorkflowDefinition
from workflow_manager.stores.sqlite_text import events_text, json_text, workflow_texts

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_EVENTS_TOGETHER = 200  # in one row: whoever reads one of them reads all
_LONG = 2**16  # characters; of a longer text
_FEW_TOGETHER = 10  # events stand together, which mostly are those of one state and share its values

Rows: TypeAlias = tuple[tuple[int, str], ...]
"""Events as ``turns`` has them: how many stand in each row, and their text."""

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
class Summary:
    """What a summary tells of a workflow: its definition, and that one's number in the file, its tags, and the rest."""

    definition: WorkflowDefinition
    definition_number: int
    tags: Mapping[str, str]
    told: Told

    @classmethod
    def of(cls, workflow: Workflow, definition: int) -> Summary:
        return cls(workflow.workflow_definition, definition, dict(workflow.tags), _TELLING(workflow))

    def says(self, workflow: Workflow, definition: int) -> bool:
        """Whether it is that of *workflow*, whose definition has that number."""
        return definition == self.definition_number and workflow.tags == self.tags and _TELLING(workflow) == self.told


@attrs.frozen
class Stored:
    """
    What is remembered of a save whose summary says all.

    The workflow's number in the file, its revision, the one that its row has, the events of its history.
    """

    number: int
    revision: int
    in_row: int
    events: int
    summary: Summary

    def says(self, workflow: Workflow, definition: int) -> bool:
        """Whether *workflow*, whose definition has that number, is at this revision and its summary the same."""
        return workflow.revision == self.revision and self.summary.says(workflow, definition)

    def after(self, events: int, in_row: int) -> Stored:
        """What is to be remembered after a save that brought so many *events* and changed nothing else."""
        return Stored(self.number, self.revision + 1, in_row, self.events + events, self.summary)


@attrs.frozen
class Draft:
    """A workflow and new events as text."""

    workflow: Workflow
    tags: str
    summary: str | None  # None: the one that is stored, if it is the one remembered, tells the same
    body: str | None  # the whole record, if the summary leaves anything out
    input: str | None  # at the first save only
    turns: Rows
    events: int

    @classmethod
    def of(cls, workflow: Workflow, events: Sequence[HistoryEvent], *, is_told: bool) -> Draft:
        """
        *is_told* says that the summary which is stored, if it is the one remembered, tells the same.

        Raises:
            InvalidValueError: a value is not JSON.
        """
        tags = text_of(dict(sorted(workflow.tags.items()))) if workflow.tags else "{}"
        summary, body = (None, None) if is_told else workflow_texts(workflow)
        input = json_text(workflow.input, "input") if workflow.revision == 0 else None
        return cls(workflow, tags, summary, body, input, rows_of(events), len(events))

    def written_out(self) -> Draft:
        """The same with its summary, whatever is remembered."""
        if self.summary is not None:
            return self
        summary, body = workflow_texts(self.workflow)
        return attrs.evolve(self, summary=summary, body=body)


def rows_of(events: Sequence[HistoryEvent]) -> Rows:
    """
    *events* in rows of a size that is good to write and to read.

    Raises:
        InvalidValueError: a value is not JSON.
    """
    if not events:
        return ()
    if len(events) <= _EVENTS_TOGETHER:
        text = events_text(events)
        if len(text) <= _LONG or len(events) <= _FEW_TOGETHER:
            return ((len(events), text),)
    most = _EVENTS_TOGETHER if len(events) > _EVENTS_TOGETHER else _FEW_TOGETHER
    parts = (events[begin : begin + most] for begin in range(0, len(events), most))
    return tuple(row for part in parts for row in rows_of(part))
