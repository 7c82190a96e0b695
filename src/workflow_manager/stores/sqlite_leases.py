"""Leases, what is pending, and snapshots in a SQLiteStore's file."""

# ruff: noqa: S608  what is put into SQL is a condition of our own

from __future__ import annotations

import math
import secrets
import sqlite3
from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta

from workflow_manager.asl.values import JSON, loads
from workflow_manager.exceptions import ConflictError, InvalidValueError, NotFoundError
from workflow_manager.history import HistoryEvent
from workflow_manager.models import Workflow
from workflow_manager.protocols import Lease, Snapshot
from workflow_manager.stores.paging import check_limit
from workflow_manager.stores.sqlite_drafts import microseconds, moment
from workflow_manager.stores.sqlite_file import SAME_SCHEMA, SQLiteFile
from workflow_manager.stores.sqlite_rows import TOUCH, Standing, places_behind
from workflow_manager.stores.sqlite_text import json_text
from workflow_manager.stores.sqlite_workflows import SQLiteWorkflows

_PENDING = """
SELECT w.id FROM workflows w INDEXED BY workflows_pending LEFT JOIN leases l ON l.workflow = w.number
WHERE w.touched IS NOT NULL AND (l.expires IS NULL OR l.expires <= ?) ORDER BY w.touched LIMIT ?
"""

_KEEP = f"""
INSERT OR REPLACE INTO snapshots SELECT ?, ?, ?, ? FROM workflows WHERE number = ? AND revision = ?
AND touched IS NOT NULL AND NOT EXISTS (SELECT 1 FROM turns WHERE place >= ? AND place < ?) AND {SAME_SCHEMA}
"""


class SQLiteLeases(SQLiteWorkflows):
    """Who tends to what: a part of a SQLiteStore."""

    _file: SQLiteFile
    _clock: Callable[[], datetime]

    def list_pending(self, limit: int = 100) -> tuple[str, ...]:
        """See :meth:`workflow_manager.protocols.WorkflowStore.list_pending`."""
        check_limit(limit)
        with self._file.read() as connection:
            return tuple(row[0] for row in connection.execute(_PENDING, (microseconds(self._clock()), limit)))

    def acquire(self, workflow_id: str, owner: str, ttl_seconds: float) -> Lease:
        """See :meth:`workflow_manager.protocols.WorkflowStore.acquire`."""
        return self._acquire(workflow_id, (owner,), owner, ttl_seconds)

    def acquire_from(self, workflow_id: str, holder: str, owner: str, ttl_seconds: float) -> Lease:
        """See :meth:`workflow_manager.protocols.SharedStore.acquire_from`."""
        return self._acquire(workflow_id, (owner, holder), owner, ttl_seconds)

    def _acquire(self, workflow_id: str, holders: tuple[str, ...], owner: str, ttl_seconds: float) -> Lease:
        _check_ttl(ttl_seconds)
        with self._file.write() as connection:
            number = _number(connection, workflow_id)
            if number is None:
                raise NotFoundError("workflow", workflow_id)
            lease = _given(connection, number, _lease(workflow_id, owner, ttl_seconds, self._clock()), holders)
            connection.execute(TOUCH, (number,))
            self._last = number
        return lease

    def save_and_acquire(
        self, workflow: Workflow, events: Sequence[HistoryEvent], owner: str, ttl_seconds: float
    ) -> tuple[Workflow, Lease]:
        """See :meth:`workflow_manager.protocols.SharedStore.save_and_acquire`."""
        _check_ttl(ttl_seconds)
        given: list[Lease] = []

        def lease(connection: sqlite3.Connection, number: int) -> None:
            given.append(_given(connection, number, _lease(workflow.id, owner, ttl_seconds, self._clock()), (owner,)))

        return self._save(workflow, events, lease), given[0]

    def lease_owner(self, workflow_id: str) -> str | None:
        """See :meth:`workflow_manager.protocols.SharedStore.lease_owner`."""
        sql = "SELECT l.owner FROM workflows w JOIN leases l ON l.workflow = w.number WHERE w.id = ? AND l.expires > ?"
        with self._file.read() as connection:
            row = connection.execute(sql, (workflow_id, microseconds(self._clock()))).fetchone()
        return None if row is None else str(row[0])

    def renew(self, lease: Lease) -> Lease:
        """See :meth:`workflow_manager.protocols.WorkflowStore.renew`."""
        renewed = self.renew_all((lease,))
        if not renewed:
            raise ConflictError("lease", lease.workflow_id)
        return renewed[0]

    def renew_all(self, leases: Collection[Lease]) -> tuple[Lease, ...]:
        """See :meth:`workflow_manager.protocols.SharedStore.renew_all`."""
        with self._file.write() as connection:
            now = self._clock()
            renewed = [_renewed(connection, lease, now) for lease in leases]
        return tuple(lease for lease in renewed if lease is not None)

    def release(self, lease: Lease) -> None:
        """See :meth:`workflow_manager.protocols.WorkflowStore.release`."""
        with self._file.write() as connection:
            number = _number(connection, lease.workflow_id)
            connection.execute("DELETE FROM leases WHERE workflow = ? AND token = ?", (number, lease.token))


class SQLiteSnapshots(SQLiteWorkflows):
    """The part of a SQLiteStore that is a :class:`workflow_manager.protocols.SnapshotStore`."""

    def save_snapshot(self, workflow_id: str, revision: int, position: int, snapshot: JSON) -> None:
        """See :meth:`workflow_manager.protocols.SnapshotStore.save_snapshot`."""
        text = json_text(snapshot, "snapshot")
        stored = self._stored.get(workflow_id)
        if stored is not None and stored.revision == revision:
            number = stored.number
            kept = (number, revision, position, text, number, stored.in_row, *places_behind(stored))
            if self._file.write_one(_KEEP, kept) == 1:
                return
        sql = "SELECT number, revision, events FROM workflows WHERE id = ? AND touched IS NOT NULL"
        with self._file.write() as connection:
            row = connection.execute(sql, (workflow_id,)).fetchone()
            if row is not None and Standing.of(connection, *row).revision == revision:
                values = (row[0], revision, position, text)
                connection.execute("INSERT OR REPLACE INTO snapshots VALUES (?, ?, ?, ?)", values)

    def load_snapshot(self, workflow_id: str) -> Snapshot | None:
        """See :meth:`workflow_manager.protocols.SnapshotStore.load_snapshot`."""
        sql = (
            "SELECT s.revision, s.position, s.value FROM workflows w JOIN snapshots s ON s.workflow = w.number "
            "WHERE w.id = ?"
        )
        with self._file.read() as connection:
            row = connection.execute(sql, (workflow_id,)).fetchone()
        return None if row is None else Snapshot(revision=row[0], position=row[1], value=loads(row[2]))


def _number(connection: sqlite3.Connection, workflow_id: str) -> int | None:
    row = connection.execute("SELECT number FROM workflows WHERE id = ?", (workflow_id,)).fetchone()
    return None if row is None else int(row[0])


def _check_ttl(ttl_seconds: float) -> None:
    if not 0 < ttl_seconds < math.inf:
        raise InvalidValueError("lease", "/ttl_seconds", f"{ttl_seconds!r} is not a number of seconds above 0")


def _given(connection: sqlite3.Connection, number: int, lease: Lease, holders: Collection[str]) -> Lease:
    """Write *lease*, unless somebody who is not among *holders* has one."""
    held = connection.execute("SELECT owner, expires FROM leases WHERE workflow = ?", (number,)).fetchone()
    now = microseconds(lease.expires_at - timedelta(seconds=lease.ttl_seconds))
    if held is not None and held[0] not in holders and held[1] > now:
        raise ConflictError("lease", lease.workflow_id)
    values = (number, lease.owner, lease.token, lease.ttl_seconds, microseconds(lease.expires_at))
    connection.execute("INSERT OR REPLACE INTO leases VALUES (?, ?, ?, ?, ?)", values)
    return lease


def _renewed(connection: sqlite3.Connection, lease: Lease, now: datetime) -> Lease | None:
    number = _number(connection, lease.workflow_id)
    sql = "SELECT owner, ttl_seconds FROM leases WHERE workflow = ? AND token = ?"
    held = connection.execute(sql, (number, lease.token)).fetchone()
    if held is None:
        return None
    owner, ttl_seconds = held
    renewed = _lease(lease.workflow_id, owner, ttl_seconds, now, lease.token)
    sql = "UPDATE leases SET expires = ? WHERE workflow = ?"
    connection.execute(sql, (microseconds(renewed.expires_at), number))
    return renewed


def _lease(workflow_id: str, owner: str, ttl_seconds: float, now: datetime, token: str | None = None) -> Lease:
    # Whole microseconds, as a datetime has, so that what is stored is what was told.
    expires_at = moment(microseconds(now + timedelta(seconds=ttl_seconds)))
    return Lease(
        workflow_id=workflow_id,
        owner=owner,
        token=token or secrets.token_hex(16),
        ttl_seconds=ttl_seconds,
        expires_at=expires_at,
    )
