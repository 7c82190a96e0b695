"""Leases, what is pending, and snapshots in a SQLiteStore's file."""

from __future__ import annotations

import math
import secrets
import sqlite3
from collections.abc import Callable
from datetime import datetime, timedelta

from workflow_manager.asl.values import JSON, loads
from workflow_manager.exceptions import ConflictError, InvalidValueError, NotFoundError
from workflow_manager.protocols import Lease, Snapshot
from workflow_manager.stores.paging import check_limit
from workflow_manager.stores.sqlite_drafts import microseconds, moment
from workflow_manager.stores.sqlite_file import SQLiteFile
from workflow_manager.stores.sqlite_rows import TOUCH
from workflow_manager.stores.sqlite_text import json_text

_PENDING = """
SELECT w.id FROM workflows w INDEXED BY workflows_pending LEFT JOIN leases l ON l.workflow = w.number
WHERE w.touched IS NOT NULL AND (l.expires IS NULL OR l.expires <= ?) ORDER BY w.touched LIMIT ?
"""


class SQLiteLeases:
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
        if not 0 < ttl_seconds < math.inf:
            raise InvalidValueError("lease", "/ttl_seconds", f"{ttl_seconds!r} is not a number of seconds above 0")
        with self._file.write() as connection:
            number = _number(connection, workflow_id)
            if number is None:
                raise NotFoundError("workflow", workflow_id)
            now = self._clock()
            sql = "SELECT owner, expires FROM leases WHERE workflow = ?"
            held = connection.execute(sql, (number,)).fetchone()
            if held is not None and held[0] != owner and held[1] > microseconds(now):
                raise ConflictError("lease", workflow_id)
            lease = _lease(workflow_id, owner, secrets.token_hex(16), ttl_seconds, now)
            values = (number, owner, lease.token, ttl_seconds, microseconds(lease.expires_at))
            connection.execute("INSERT OR REPLACE INTO leases VALUES (?, ?, ?, ?, ?)", values)
            connection.execute(TOUCH, (number,))
        return lease

    def renew(self, lease: Lease) -> Lease:
        """See :meth:`workflow_manager.protocols.WorkflowStore.renew`."""
        with self._file.write() as connection:
            number = _number(connection, lease.workflow_id)
            sql = "SELECT owner, token, ttl_seconds FROM leases WHERE workflow = ? AND token = ?"
            held = connection.execute(sql, (number, lease.token)).fetchone()
            if held is None:
                raise ConflictError("lease", lease.workflow_id)
            owner, token, ttl_seconds = held
            renewed = _lease(lease.workflow_id, owner, token, ttl_seconds, self._clock())
            sql = "UPDATE leases SET expires = ? WHERE workflow = ?"
            connection.execute(sql, (microseconds(renewed.expires_at), number))
        return renewed

    def release(self, lease: Lease) -> None:
        """See :meth:`workflow_manager.protocols.WorkflowStore.release`."""
        with self._file.write() as connection:
            number = _number(connection, lease.workflow_id)
            connection.execute("DELETE FROM leases WHERE workflow = ? AND token = ?", (number, lease.token))


class SQLiteSnapshots:
    """The part of a SQLiteStore that is a :class:`workflow_manager.protocols.SnapshotStore`."""

    _file: SQLiteFile

    def save_snapshot(self, workflow_id: str, revision: int, position: int, snapshot: JSON) -> None:
        """See :meth:`workflow_manager.protocols.SnapshotStore.save_snapshot`."""
        text = json_text(snapshot, "snapshot")
        sql = "SELECT number FROM workflows WHERE id = ? AND revision = ? AND touched IS NOT NULL"
        with self._file.write() as connection:
            row = connection.execute(sql, (workflow_id, revision)).fetchone()
            if row is not None:
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


def _lease(workflow_id: str, owner: str, token: str, ttl_seconds: float, now: datetime) -> Lease:
    # Whole microseconds, as a datetime has, so that what is stored is what was told.
    expires_at = moment(microseconds(now + timedelta(seconds=ttl_seconds)))
    return Lease(workflow_id=workflow_id, owner=owner, token=token, ttl_seconds=ttl_seconds, expires_at=expires_at)
