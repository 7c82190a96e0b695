"""Workflows and their histories in a SQLiteStore's file."""

# ruff: noqa: S608  what is put into SQL are names of our own columns

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from typing import Any

import attrs

from workflow_manager.asl.values import JSON, loads
from workflow_manager.codec.events import event_from_record
from workflow_manager.codec.records import workflow_from_record
from workflow_manager.exceptions import ConflictError, NotFoundError, WorkflowStatusError
from workflow_manager.history import HistoryEvent
from workflow_manager.models import Page, Workflow, WorkflowStatus, changed
from workflow_manager.stores.paging import PageTokens, asked_of, check_limit
from workflow_manager.stores.sqlite_definitions import DefinitionTable, Written
from workflow_manager.stores.sqlite_drafts import Draft, Stored, moment
from workflow_manager.stores.sqlite_file import SQLiteFile
from workflow_manager.stores.sqlite_recent import Recent
from workflow_manager.stores.sqlite_rows import PLACES, Seen, continued, delete, insert, update

READ = "revision, definition, has_body, summary, updated, number"
"""The columns of ``workflows`` that :meth:`SQLiteWorkflows._read` takes."""


@attrs.frozen
class _Kept:
    """What a save has come to: the numbers of the workflow and of its definition, and its events."""

    number: int
    events: int
    definition: int


class SQLiteWorkflows:
    """Saving and reading: a part of a SQLiteStore."""

    _file: SQLiteFile
    _tokens: PageTokens
    _definitions: DefinitionTable
    _stored: Recent[str, Stored]  # by id
    _last: tuple[int, int] = (0, 0)  # the pending workflow that was touched last, while no other connection has written

    def save_workflow(self, workflow: Workflow, events: Sequence[HistoryEvent] = ()) -> Workflow:
        """See :meth:`workflow_manager.protocols.WorkflowStore.save_workflow`."""
        return self._save(workflow, events, None)

    def _save(
        self,
        workflow: Workflow,
        events: Sequence[HistoryEvent],
        besides: Callable[[sqlite3.Connection, int], None] | None,
    ) -> Workflow:
        """Save, and do *besides* something with the row of that number in the same transaction."""
        prepared = self._definitions.prepare(workflow.workflow_definition)
        stored = self._stored.get(workflow.id)
        draft = Draft.of(workflow, events, prepared if isinstance(prepared, int) else None, stored)
        saved = changed(workflow, revision=workflow.revision + 1)
        with self._file.write() as connection:
            kept = None if besides is not None else self._continued(connection, draft, stored)
            if kept is None:
                kept = self._written(connection, draft, prepared, stored)
            if besides is not None:
                besides(connection, kept.number)
            self._touched(kept.number, is_pending=not workflow.status.is_final)
        if not isinstance(prepared, int):
            self._definitions.remember(workflow.workflow_definition, kept.definition)
        if draft.told is not None:
            self._stored.put(workflow.id, Stored(kept.number, saved.revision, kept.events, draft.told))
        return saved

    def _continued(self, connection: sqlite3.Connection, draft: Draft, stored: Stored | None) -> _Kept | None:
        """Save what only goes on from the save that is remembered, if it does."""
        if draft.summary is not None or stored is None or draft.workflow.status.is_final:
            return None
        is_last = self._last == (stored.number, self._file.strange_writes)
        if not continued(connection, draft, stored, is_last=is_last):
            return None
        return _Kept(stored.number, stored.events + draft.events, 0)

    def _written(
        self, connection: sqlite3.Connection, draft: Draft, prepared: int | Written, stored: Stored | None
    ) -> _Kept:
        """Save, whatever is remembered."""
        workflow = draft.workflow
        seen = Seen.of(connection, workflow.id)
        _check(workflow, seen)
        definition = self._definitions.number(connection, prepared)
        if seen is None:
            return _Kept(insert(connection, draft, definition), draft.events, definition)
        if stored is None or stored.number != seen.number:
            draft = draft.written_out()
        update(connection, draft, definition, seen)
        return _Kept(seen.number, seen.events + draft.events, definition)

    def _touched(self, number: int, *, is_pending: bool = True) -> None:
        """Within a transaction that writes: the workflow of that *number* is behind all others, or pends no more."""
        self._last = (number, self._file.strange_writes) if is_pending else (0, 0)

    def get_workflow(self, workflow_id: str) -> Workflow:
        """See :meth:`workflow_manager.protocols.WorkflowStore.get_workflow`."""
        with self._file.read() as connection:
            row = connection.execute(f"SELECT {READ} FROM workflows WHERE id = ?", (workflow_id,)).fetchone()
            if row is None:
                raise NotFoundError("workflow", workflow_id)
            return self._read(connection, row)

    def _read(self, connection: sqlite3.Connection, row: tuple[Any, ...], *, summary: bool = False) -> Workflow:
        """The workflow of a row of the columns ``READ``, whole or as its *summary*."""
        revision, definition, has_body, record, updated, number = row
        input: JSON = None
        if not summary:
            (text,) = connection.execute("SELECT value FROM inputs WHERE workflow = ?", (number,)).fetchone()
            input = loads(text)
            if has_body:
                sql = "SELECT record FROM bodies WHERE workflow = ?"
                (record,) = connection.execute(sql, (number,)).fetchone()
        workflow = workflow_from_record(
            record,
            input=input,
            definition=self._definitions.read(connection, definition),
            revision=0 if summary else revision,
        )
        return workflow if updated is None else changed(workflow, last_updated=moment(updated))

    def delete_workflow(self, workflow_id: str) -> None:
        """See :meth:`workflow_manager.protocols.WorkflowStore.delete_workflow`."""
        with self._file.write() as connection:
            seen = Seen.of(connection, workflow_id)
            if seen is None:
                raise NotFoundError("workflow", workflow_id)
            delete(connection, seen)

    def read_history(
        self, workflow_id: str, *, after: int = 0, limit: int = 1000, page_token: str | None = None
    ) -> Page[HistoryEvent]:
        """See :meth:`workflow_manager.protocols.WorkflowStore.read_history`."""
        asked, limit = asked_of("history", workflow_id, after), check_limit(limit)
        place = after if page_token is None else self._tokens.read(asked, page_token)
        start = place if isinstance(place, int) and place > 0 else 0
        with self._file.read() as connection:
            sql = "SELECT number, events FROM workflows WHERE id = ?"
            row = connection.execute(sql, (workflow_id,)).fetchone()
            if row is None:
                raise NotFoundError("workflow", workflow_id)
            number, count = row
            records = _records(connection, number, start, min(limit, count - start))
        items = tuple(map(event_from_record, records))
        return Page(items=items, next=self._tokens.make(asked, start + limit) if start + limit < count else None)


def _records(connection: sqlite3.Connection, number: int, start: int, wanted: int) -> list[str]:
    """The records of *wanted* events, all of them there, from the place *start* on."""
    if wanted <= 0:
        return []
    first = number * PLACES
    sql = "SELECT max(place) FROM turns WHERE place >= ? AND place <= ?"
    (place,) = connection.execute(sql, (first, first + start)).fetchone()
    skipped = first + start - place
    records: list[str] = []
    rows = connection.execute(
        "SELECT events FROM turns WHERE place >= ? AND place < ? ORDER BY place", (place, first + PLACES)
    )
    for (text,) in rows:
        records += text.split("\n")
        if len(records) >= skipped + wanted:
            break
    rows.close()
    return records[skipped : skipped + wanted]


def _check(workflow: Workflow, seen: Seen | None) -> None:
    if workflow.revision != (0 if seen is None else seen.revision):
        raise ConflictError("workflow", workflow.id, workflow.revision)
    if seen is not None and WorkflowStatus(seen.status).is_final and workflow.status != seen.status:
        raise WorkflowStatusError(f"saving it as {workflow.status.value}", workflow.id, seen.status)
