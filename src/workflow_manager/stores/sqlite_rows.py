"""The rows of one workflow in a SQLiteStore's file, as a save writes them; all within the caller's transaction."""

# ruff: noqa: S608  what is put into SQL are names of our own columns

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import Any

import attrs

from workflow_manager.asl.values import loads
from workflow_manager.models import Workflow
from workflow_manager.stores.sqlite_drafts import Draft, Rows, Stored, microseconds
from workflow_manager.stores.sqlite_file import SAME_SCHEMA, SQLiteFile

PLACES = 2**32
"""Places of one history: that of a turn is the workflow's number times this, plus the events before it."""

_LISTED = "created, status, name, namespace, queue, retry_for, resolved, definition, tags, has_body"
_LAST = "(SELECT max(touched) FROM workflows WHERE touched IS NOT NULL)"
_BEHIND = "(SELECT ifnull(max(touched), 0) + 1 FROM workflows WHERE touched IS NOT NULL)"
_SEEN = f"SELECT number, revision, events, touched IS {_LAST}, {_LISTED} FROM workflows WHERE id = ?"
_LATEST = "SELECT place, count, revision, updated FROM turns WHERE place >= ? AND place < ? ORDER BY place DESC LIMIT 1"
_APPEND = "INSERT INTO turns (place, count, events) VALUES (?, ?, ?)"
_APPEND_ALONE = (
    "INSERT OR IGNORE INTO turns (place, count, revision, updated, events) SELECT ?, ?, ?, ?, ? FROM workflows "
    f"WHERE number = ? AND revision = ? AND touched = {_LAST} AND {SAME_SCHEMA}"
)
_INSERT = (
    f"INSERT INTO workflows ({_LISTED}, id, revision, events, summary, touched) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, {touched})"
)
TOUCH = f"UPDATE workflows SET touched = {_BEHIND} WHERE number = ? AND touched IS NOT NULL"
"""Put a workflow that is pending behind all others."""
_CONTINUE = (
    f"UPDATE workflows SET revision = ?, events = ?, updated = ?, touched = {_BEHIND} "
    "WHERE number = ? AND revision = ? AND NOT EXISTS (SELECT 1 FROM turns WHERE place >= ? AND place < ?)"
)


@attrs.frozen
class Standing:
    """How far a workflow has come: its revision, its events, and when it was updated, if its summary does not say."""

    revision: int
    events: int
    updated: int | None = None

    @classmethod
    def of(
        cls, connection: sqlite3.Connection, number: int, revision: int, events: int, updated: int | None = None
    ) -> Standing:
        """Of the workflow of that *number*; the others are what its row says."""
        first = number * PLACES
        latest = connection.execute(_LATEST, (first, first + PLACES)).fetchone()
        if latest is None or latest[2] is None or latest[2] < revision:
            return cls(revision, events, updated)
        return cls(latest[2], latest[0] - first + latest[1], latest[3])


@attrs.frozen
class Seen:
    """What a save has to know of the workflow that is stored; ``listed`` are the columns that listings search."""

    number: int
    revision: int
    events: int
    is_last: bool  # it is pending, and behind all others already
    listed: tuple[Any, ...]

    @property
    def status(self) -> str:
        return str(self.listed[1])

    @classmethod
    def of(cls, connection: sqlite3.Connection, workflow_id: str) -> Seen | None:
        row = connection.execute(_SEEN, (workflow_id,)).fetchone()
        if row is None:
            return None
        now = Standing.of(connection, row[0], row[1], row[2])
        return cls(row[0], now.revision, now.events, bool(row[3]), row[4:])


def insert(connection: sqlite3.Connection, draft: Draft, definition: int) -> int:
    """Write the first save of a workflow; returns its number."""
    workflow = draft.workflow
    touched = "NULL" if workflow.status.is_final else _BEHIND
    values = (*_listed(draft, definition), workflow.id, 1, draft.events, draft.summary)
    number = connection.execute(_INSERT.format(touched=touched), values).lastrowid
    assert number is not None
    connection.execute("INSERT INTO inputs VALUES (?, ?)", (number, draft.input))
    _tag(connection, number, draft)
    _append(connection, number, 0, draft.turns)
    _keep_body(connection, number, draft, had_body=False)
    return number


def update(connection: sqlite3.Connection, draft: Draft, definition: int, seen: Seen) -> None:
    """Write a save over what was *seen*; a column that does not change is not set, for the sake of its index."""
    is_final = draft.workflow.status.is_final
    columns = ["revision = ?", "events = ?"]
    values: list[object] = [seen.revision + 1, seen.events + draft.events]
    if is_final:
        columns.append("touched = NULL")
    elif not seen.is_last:
        columns.append(f"touched = {_BEHIND}")
    if draft.summary is None:
        columns.append("updated = ?")
        values.append(microseconds(draft.workflow.last_updated))
    else:
        columns.append("updated = NULL, summary = ?")
        values.append(draft.summary)
        listed = _listed(draft, definition)
        for name, before, now in zip(_LISTED.split(", "), seen.listed, listed, strict=True):
            if before != now:
                columns.append(f"{name} = ?")
                values.append(now)
        _retag(connection, draft, seen, listed)
    connection.execute(f"UPDATE workflows SET {', '.join(columns)} WHERE number = ?", (*values, seen.number))
    _append(connection, seen.number, seen.events, draft.turns)
    _keep_body(connection, seen.number, draft, had_body=bool(seen.listed[-1]))
    if is_final:
        connection.execute("DELETE FROM snapshots WHERE workflow = ?", (seen.number,))


def places_behind(stored: Stored) -> tuple[int, int]:
    """Where the next turns of a workflow go: the first place, and the end of all its places."""
    return stored.number * PLACES + stored.events, (stored.number + 1) * PLACES


def appended(file: SQLiteFile, workflow: Workflow, row: tuple[int, str], stored: Stored) -> bool:
    """
    Write a save that brings one *row* of new events and no more, over the one that is remembered as *stored*.

    ``False``, and nothing is written, if something else is stored, or it is not behind all others already.
    """
    count, text = row
    place, _ = places_behind(stored)
    updated = microseconds(workflow.last_updated)
    values = (place, count, stored.revision + 1, updated, text, stored.number, stored.in_row)
    return file.write_one(_APPEND_ALONE, values) == 1


def continued(connection: sqlite3.Connection, workflow: Workflow, rows: Rows, stored: Stored) -> bool:
    """
    Write a save that brings new events, *rows* of them, and no more, over the one that is remembered as *stored*.

    ``False``, and nothing is written, if something else is stored.
    """
    values = (
        stored.revision + 1,
        stored.events + sum(count for count, _ in rows),
        microseconds(workflow.last_updated),
        stored.number,
        stored.in_row,
        *places_behind(stored),
    )
    if connection.execute(_CONTINUE, values).rowcount != 1:
        return False
    _append(connection, stored.number, stored.events, rows)
    return True


def delete(connection: sqlite3.Connection, seen: Seen) -> None:
    """Delete all rows of a workflow."""
    connection.execute("DELETE FROM workflows WHERE number = ?", (seen.number,))
    for table in ("inputs", "bodies", "leases", "snapshots"):
        connection.execute(f"DELETE FROM {table} WHERE workflow = ?", (seen.number,))
    first = seen.number * PLACES
    connection.execute("DELETE FROM turns WHERE place >= ? AND place < ?", (first, first + PLACES))
    _untag(connection, seen)


def _listed(draft: Draft, definition: int) -> tuple[object, ...]:
    """The values of the columns ``_LISTED``."""
    workflow = draft.workflow
    return (
        microseconds(workflow.created_at),
        workflow.status.value,
        workflow.workflow_definition.name,
        workflow.namespace,
        workflow.queue,
        workflow.retry_for,
        int(workflow.resolved_by_user),
        definition,
        draft.tags,
        int(draft.body is not None),
    )


def _append(connection: sqlite3.Connection, number: int, events: int, rows: Rows) -> None:
    """Write *rows* behind *events* that are there."""
    place = number * PLACES + events
    for count, text in rows:
        connection.execute(_APPEND, (place, count, text))
        place += count


def _keep_body(connection: sqlite3.Connection, number: int, draft: Draft, *, had_body: bool) -> None:
    if draft.body is not None:
        connection.execute("INSERT OR REPLACE INTO bodies VALUES (?, ?)", (number, draft.body))
    elif had_body:
        connection.execute("DELETE FROM bodies WHERE workflow = ?", (number,))


def _tag(connection: sqlite3.Connection, number: int, draft: Draft) -> None:
    created = microseconds(draft.workflow.created_at)
    rows = ((key, value, created, number) for key, value in draft.workflow.tags.items())
    connection.executemany("INSERT INTO tags VALUES (?, ?, ?, ?)", rows)


def _untag(connection: sqlite3.Connection, seen: Seen) -> None:
    created, tags = seen.listed[0], seen.listed[-2]
    sql = "DELETE FROM tags WHERE key = ? AND value = ? AND created = ? AND workflow = ?"
    connection.executemany(sql, ((key, value, created, seen.number) for key, value in _pairs(tags)))


def _retag(connection: sqlite3.Connection, draft: Draft, seen: Seen, listed: tuple[object, ...]) -> None:
    if (seen.listed[0], seen.listed[-2]) != (listed[0], listed[-2]):
        _untag(connection, seen)
        _tag(connection, seen.number, draft)


def _pairs(tags: str) -> Iterable[tuple[str, str]]:
    read = loads(tags)
    assert isinstance(read, dict), tags
    return read.items()
