"""Workflows and their histories in a SQLiteStore's file."""

# ruff: noqa: S608  what is put into SQL are names of our own columns

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from typing import Any

from workflow_manager.asl.values import JSON, loads
from workflow_manager.codec.records import workflow_from_record
from workflow_manager.codec.turns import events_from_text
from workflow_manager.exceptions import ConflictError, NotFoundError, WorkflowStatusError
from workflow_manager.history import HistoryEvent
from workflow_manager.models import Page, Workflow, WorkflowStatus, changed
from workflow_manager.stores.paging import PageTokens, asked_of, check_limit
from workflow_manager.stores.recent import Recent
from workflow_manager.stores.sqlite_definitions import DefinitionTable
from workflow_manager.stores.sqlite_drafts import Draft, Stored, Summary, moment, rows_of
from workflow_manager.stores.sqlite_file import SQLiteFile
from workflow_manager.stores.sqlite_rows import PLACES, Seen, Standing, appended, continued, delete, insert, update
from workflow_manager.stores.sqlite_text import has_body

READ = "number, revision, events, updated, touched, definition, has_body, summary"
"""The columns of ``workflows`` that :meth:`SQLiteWorkflows._read` takes."""


class SQLiteWorkflows:
    """Saving and reading: a part of a SQLiteStore."""

    _file: SQLiteFile
    _tokens: PageTokens
    _definitions: DefinitionTable
    _stored: Recent[str, Stored]  # by id
    _last = 0  # the number of the workflow that this store has put behind all others last; another may have since

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
        stored = self._stored.get(workflow.id)
        kept: Stored | None = None
        if stored is not None and besides is None and events:
            kept = self._continued(workflow, events, stored)
        if kept is None:
            kept = self._written(workflow, events, stored, besides)
        if kept is not None:
            self._stored.put(workflow.id, kept)
        return changed(workflow, revision=workflow.revision + 1)

    def _continued(self, workflow: Workflow, events: Sequence[HistoryEvent], stored: Stored) -> Stored | None:
        """Save what only goes on from the save that is remembered, if that is still the latest."""
        summary = stored.summary
        if (
            workflow.workflow_definition is not summary.definition
            or not stored.says(workflow, summary.definition_number)
            or workflow.status.is_final
        ):
            return None
        rows = rows_of(events)
        if self._last == stored.number and len(rows) == 1 and appended(self._file, workflow, rows[0], stored):
            return stored.after(len(events), stored.in_row)
        with self._file.write() as connection:
            if not continued(connection, workflow, rows, stored):
                return None
            self._last = stored.number
        return stored.after(len(events), stored.revision + 1)

    def _written(
        self,
        workflow: Workflow,
        events: Sequence[HistoryEvent],
        stored: Stored | None,
        besides: Callable[[sqlite3.Connection, int], None] | None,
    ) -> Stored | None:
        """Save, whatever is remembered; returns what is to be, if the summary says all."""
        prepared = self._definitions.prepare(workflow.workflow_definition)
        is_told = stored is not None and isinstance(prepared, int) and stored.says(workflow, prepared)
        draft = Draft.of(workflow, events, is_told=is_told)
        with self._file.write() as connection:
            seen = Seen.of(connection, workflow.id)
            _check(workflow, seen)
            definition = self._definitions.number(connection, prepared)
            if seen is None:
                number, count = insert(connection, draft, definition), draft.events
            else:
                if stored is None or stored.number != seen.number:
                    draft = draft.written_out()
                update(connection, draft, definition, seen)
                number, count = seen.number, seen.events + draft.events
            if besides is not None:
                besides(connection, number)
            self._last = 0 if workflow.status.is_final else number
        if not isinstance(prepared, int):
            self._definitions.remember(workflow.workflow_definition, definition)
        if has_body(workflow):
            return None
        revision = workflow.revision + 1
        return Stored(number, revision, revision, count, Summary.of(workflow, definition))

    def get_workflow(self, workflow_id: str) -> Workflow:
        """See :meth:`workflow_manager.protocols.WorkflowStore.get_workflow`."""
        with self._file.read() as connection:
            row = connection.execute(f"SELECT {READ} FROM workflows WHERE id = ?", (workflow_id,)).fetchone()
            if row is None:
                raise NotFoundError("workflow", workflow_id)
            return self._read(connection, row)

    def _read(self, connection: sqlite3.Connection, row: tuple[Any, ...], *, summary: bool = False) -> Workflow:
        """The workflow of a row of the columns ``READ``, whole or as its *summary*."""
        number, revision, events, updated, pending, definition, has_body, record = row
        now = Standing.of(connection, number, revision, events, updated) if pending else Standing(revision, 0, updated)
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
            revision=0 if summary else now.revision,
        )
        return workflow if now.updated is None else changed(workflow, last_updated=moment(now.updated))

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
            sql = "SELECT number, revision, events FROM workflows WHERE id = ?"
            row = connection.execute(sql, (workflow_id,)).fetchone()
            if row is None:
                raise NotFoundError("workflow", workflow_id)
            number, count = row[0], Standing.of(connection, *row).events
            items = tuple(_events(connection, number, start, min(limit, count - start)))
        return Page(items=items, next=self._tokens.make(asked, start + limit) if start + limit < count else None)


def _events(connection: sqlite3.Connection, number: int, start: int, wanted: int) -> list[HistoryEvent]:
    """*wanted* events, all of them there, from the place *start* on."""
    if wanted <= 0:
        return []
    first = number * PLACES
    sql = "SELECT max(place) FROM turns WHERE place >= ? AND place <= ?"
    (place,) = connection.execute(sql, (first, first + start)).fetchone()
    skipped = first + start - place
    events: list[HistoryEvent] = []
    rows = connection.execute(
        "SELECT events FROM turns WHERE place >= ? AND place < ? ORDER BY place", (place, first + PLACES)
    )
    for (text,) in rows:
        events += events_from_text(text)
        if len(events) >= skipped + wanted:
            break
    rows.close()
    return events[skipped : skipped + wanted]


def _check(workflow: Workflow, seen: Seen | None) -> None:
    if workflow.revision != (0 if seen is None else seen.revision):
        raise ConflictError("workflow", workflow.id, workflow.revision)
    if seen is not None and WorkflowStatus(seen.status).is_final and workflow.status != seen.status:
        raise WorkflowStatusError(f"saving it as {workflow.status.value}", workflow.id, seen.status)
