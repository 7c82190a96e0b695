"""
Listings of workflows in a SQLiteStore's file: a query as SQL.

A query with one field reads its own index from the place of the page on and costs what it shows.  A query with several
reads the index of the one that fewest workflows share and looks at each of those.  SQLite's planner has no statistics
and could only guess which that is, so it is counted, up to a bound, and named.
"""

# ruff: noqa: S608  what is put into SQL are names of our own columns, tables and indexes

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

import attrs

from workflow_manager.asl.values import JSON
from workflow_manager.exceptions import PageTokenError
from workflow_manager.models import Page, Workflow, WorkflowQuery
from workflow_manager.stores.paging import asked_of_query
from workflow_manager.stores.sqlite_drafts import microseconds
from workflow_manager.stores.sqlite_workflows import READ, SQLiteWorkflows

_COUNTED = (50, 1000)  # so far the workflows of each field are counted: first to see whether any has few


@attrs.frozen
class _Field:
    """A condition, the index that finds what meets it in order of creation, and the values it compares with."""

    index: str
    condition: str
    values: tuple[object, ...]


_ANY = _Field("workflows_created", "TRUE", ())
_TAGGED = "EXISTS (SELECT 1 FROM tags WHERE key = ? AND value = ? AND created = w.created AND workflow = w.number)"


def _fields(query: WorkflowQuery) -> list[_Field]:
    """The fields that *query* asks for, those that mostly tell more apart first."""
    found: list[_Field] = []
    if query.retry_for:
        found.append(_Field("workflows_retry_for", "w.retry_for = ? AND w.retry_for <> ''", (query.retry_for,)))
    if query.definition_name is not None and query.status is not None:
        values = (query.definition_name, query.status.value)
        found.append(_Field("workflows_name_status", "w.name = ? AND w.status = ?", values))
    elif query.definition_name is not None:
        found.append(_Field("workflows_name", "w.name = ?", (query.definition_name,)))
    elif query.status is not None:
        found.append(_Field("workflows_status", "w.status = ?", (query.status.value,)))
    found += [_Field("", _TAGGED, tag) for tag in query.tags.items()]
    if query.namespace is not None:
        found.append(_Field("workflows_namespace", "w.namespace = ?", (query.namespace,)))
    if query.queue is not None:
        found.append(_Field("workflows_queue", "w.queue = ?", (query.queue,)))
    if query.resolved_by_user is not None:
        found.append(_Field("workflows_resolved", "w.resolved = ?", (int(query.resolved_by_user),)))
    return found


@attrs.frozen
class _Range:
    """Which times of creation *query* asks for, and behind which place; ``created`` stands for the column."""

    conditions: tuple[str, ...]
    values: tuple[object, ...]

    @classmethod
    def of(cls, query: WorkflowQuery, place: tuple[int, str] | None) -> _Range:
        conditions: list[str] = []
        values: list[object] = []
        if query.created_after is not None:
            conditions.append("created >= ?")
            values.append(microseconds(query.created_after))
        if query.created_before is not None:
            conditions.append("created < ?")
            values.append(microseconds(query.created_before))
        if place is not None:
            conditions.append(f"created {'>=' if query.oldest_first else '<='} ?")
            values.append(place[0])
        return cls(tuple(conditions), tuple(values))

    def on(self, table: str) -> str:
        return "".join(f" AND {table}.{condition}" for condition in self.conditions)


class SQLiteListings(SQLiteWorkflows):
    """Listing workflows: a part of a SQLiteStore."""

    def list_workflows(self, query: WorkflowQuery) -> Page[Workflow]:
        """See :meth:`workflow_manager.protocols.WorkflowStore.list_workflows`."""
        asked = asked_of_query(query)
        place = None if query.page_token is None else _place(self._tokens.read(asked, query.page_token))
        with self._file.read() as connection:
            sql, values = _statement(connection, query, place)
            rows = connection.execute(sql, values).fetchall()
            shown = rows[: query.limit]
            items = tuple(self._read(connection, row[2:], summary=query.summary_only) for row in shown)
        more = len(rows) > query.limit
        return Page(items=items, next=self._tokens.make(asked, list(shown[-1][:2])) if more else None)


def _statement(
    connection: sqlite3.Connection, query: WorkflowQuery, place: tuple[int, str] | None
) -> tuple[str, list[object]]:
    """The SELECT of ``created``, ``id`` and the columns ``READ`` for one more than the page that *query* asks for."""
    fields, range = _fields(query), _Range.of(query, place)
    lead = _fewest(connection, fields, range) if fields else _ANY
    others = [field for field in fields if field is not lead]
    columns = ", ".join(f"w.{column}" for column in ("created", "id", *READ.split(", ")))
    source, order = _source(lead, range)
    sql = [f"SELECT {columns} FROM {source}"]
    values: list[object] = [*lead.values, *range.values]
    for field in others:
        sql.append(f"AND {field.condition}")
        values += field.values
    if query.retry_for == "":
        sql.append("AND w.retry_for = ''")
    if place is not None:  # among those that were created at the same moment
        sql.append(f"AND (w.created, w.id) {'>' if query.oldest_first else '<'} (?, ?)")
        values += place
    way = "" if query.oldest_first else " DESC"
    sql.append(f"ORDER BY {order}.created{way}, w.id{way} LIMIT ?")
    values.append(query.limit + 1)
    return " ".join(sql), values


def _source(lead: _Field, range: _Range) -> tuple[str, str]:
    """FROM and the first conditions, such that the index of *lead* is read in order; and the table of that order."""
    if not lead.index:
        joined = "tags t CROSS JOIN workflows w ON w.number = t.workflow"
        return f"{joined} WHERE t.key = ? AND t.value = ?{range.on('t')}", "t"
    return f"workflows w INDEXED BY {lead.index} WHERE {lead.condition}{range.on('w')}", "w"


def _fewest(connection: sqlite3.Connection, fields: Sequence[_Field], range: _Range) -> _Field:
    """Of *fields* that which fewest workflows share, among those that are not shared by many; else the first."""
    for bound in _COUNTED if len(fields) > 1 else ():
        counts = [_count(connection, field, range, bound) for field in fields]
        if min(counts) < bound:
            return fields[counts.index(min(counts))]
    return fields[0]


def _count(connection: sqlite3.Connection, field: _Field, range: _Range, bound: int) -> int:
    """How many workflows share *field*, counted up to *bound*."""
    source = _source(field, range)[0] if field.index else f"tags t WHERE t.key = ? AND t.value = ?{range.on('t')}"
    sql = f"SELECT count(*) FROM (SELECT 1 FROM {source} LIMIT ?)"
    (count,) = connection.execute(sql, (*field.values, *range.values, bound)).fetchone()
    return int(count)


def _place(place: JSON) -> tuple[int, str]:
    match place:
        case [int(created), str(workflow_id)]:
            return created, workflow_id
    raise PageTokenError("it names no place")
