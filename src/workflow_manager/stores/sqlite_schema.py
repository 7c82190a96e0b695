"""
The schema of a SQLiteStore's file, and how older files become newer ones.

``PRAGMA user_version`` is the version of the schema; the setting ``schema`` says it again, where a statement can make
it a condition without the parsing that a PRAGMA costs.  A migration is a script that turns one version into the next; a
new file goes through all of them.  What has been released is never edited.

Times are microseconds since 1970.  A workflow's ``summary`` is its record without what may be large; ``updated``, where
it is set, is a later ``last_updated`` than the one in there, so that a turn that changes nothing else need not write it
anew.  Every index of listings ends with the creation time; SQLite sorts the few
that share one by id.  Events stand in ``turns``, some together as lines of JSON text, under a number made of the
workflow's and of how many events come before them, so that one search finds any place of a history.

A row of ``turns`` with a ``revision`` is all of one save: the workflow has that revision since, was updated at
``updated`` and has ``count`` more events, whatever older things its own row says of these three.
"""

from __future__ import annotations

import secrets
import sqlite3

from workflow_manager.exceptions import StoreError

APPLICATION_ID = 0x57464D31  # "WFM1": what kind of file this is (SQLite documentation: PRAGMA application_id)

_V1 = """
CREATE TABLE settings (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;

CREATE TABLE definitions (number INTEGER PRIMARY KEY, digest TEXT NOT NULL UNIQUE, record TEXT NOT NULL);
CREATE TABLE definition_versions (
    name TEXT NOT NULL,
    version INTEGER NOT NULL,
    content TEXT NOT NULL,
    definition INTEGER NOT NULL,
    PRIMARY KEY (name, version)
) WITHOUT ROWID;

CREATE TABLE state_resources (
    namespace TEXT NOT NULL,
    name TEXT NOT NULL,
    record TEXT NOT NULL,
    PRIMARY KEY (namespace, name)
) WITHOUT ROWID;

CREATE TABLE workflows (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    revision INTEGER NOT NULL,
    events INTEGER NOT NULL,
    touched INTEGER,
    has_body INTEGER NOT NULL,
    created INTEGER NOT NULL,
    status TEXT NOT NULL,
    name TEXT NOT NULL,
    namespace TEXT NOT NULL,
    queue TEXT NOT NULL,
    retry_for TEXT NOT NULL,
    resolved INTEGER NOT NULL,
    definition INTEGER NOT NULL,
    tags TEXT NOT NULL,
    summary TEXT NOT NULL,
    updated INTEGER
);
CREATE INDEX workflows_pending ON workflows (touched) WHERE touched IS NOT NULL;
CREATE INDEX workflows_created ON workflows (created);
CREATE INDEX workflows_name ON workflows (name, created);
CREATE INDEX workflows_status ON workflows (status, created);
CREATE INDEX workflows_name_status ON workflows (name, status, created);
CREATE INDEX workflows_namespace ON workflows (namespace, created);
CREATE TABLE inputs (workflow INTEGER PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE bodies (workflow INTEGER PRIMARY KEY, record TEXT NOT NULL);
CREATE TABLE turns (place INTEGER PRIMARY KEY, events TEXT NOT NULL);
CREATE TABLE tags (
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    created INTEGER NOT NULL,
    workflow INTEGER NOT NULL,
    PRIMARY KEY (key, value, created, workflow)
) WITHOUT ROWID;
CREATE TABLE leases (
    workflow INTEGER PRIMARY KEY,
    owner TEXT NOT NULL,
    token TEXT NOT NULL,
    ttl_seconds REAL NOT NULL,
    expires INTEGER NOT NULL
);
"""

_V2 = """
CREATE INDEX workflows_queue ON workflows (queue, created);
CREATE INDEX workflows_retry_for ON workflows (retry_for, created) WHERE retry_for <> '';
CREATE INDEX workflows_resolved ON workflows (resolved, created);
CREATE TABLE snapshots (
    workflow INTEGER PRIMARY KEY,
    revision INTEGER NOT NULL,
    position INTEGER NOT NULL,
    value TEXT NOT NULL
);
"""
# 2: a rare queue, the retries of one workflow and the unresolved ones were found by reading every workflow; snapshots.

_V3 = """
ALTER TABLE turns ADD COLUMN count INTEGER;
ALTER TABLE turns ADD COLUMN revision INTEGER;
ALTER TABLE turns ADD COLUMN updated INTEGER;
"""
# 3: a save that only brings events is one row in turns, not one there and the workflow's written anew.

MIGRATIONS = (_V1, _V2, _V3)
VERSION = len(MIGRATIONS)


def prepare(connection: sqlite3.Connection, path: str) -> None:
    """
    See to it that the file is ours and of the newest schema; of several processes at once one does the work.

    Raises:
        StoreError: it is another program's file, or of a schema that is newer than this library.
        sqlite3.Error: it cannot be read or written.
    """
    if _version_now(connection, path) < VERSION:
        (journal,) = connection.execute("PRAGMA journal_mode=WAL").fetchone()
        if journal != "wal":
            raise StoreError(path, f"its file system allows no write-ahead log, only {journal!r}")
        connection.execute("BEGIN IMMEDIATE")
        try:
            for migration in MIGRATIONS[_version(connection, path) :]:
                for statement in migration.split(";\n"):
                    connection.execute(statement)
            connection.execute("INSERT OR IGNORE INTO settings VALUES ('secret', ?)", (secrets.token_bytes(32),))
            connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
            connection.execute("INSERT OR REPLACE INTO settings VALUES ('schema', ?)", (VERSION,))
            connection.execute(f"PRAGMA user_version={VERSION}")
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise


def _version_now(connection: sqlite3.Connection, path: str) -> int:
    """:func:`_version`, read at one moment: another process may be making the file meanwhile."""
    connection.execute("BEGIN")
    try:
        return _version(connection, path)
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def _version(connection: sqlite3.Connection, path: str) -> int:
    """The version of the schema; 0 is an empty file."""
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if (application, version, tables) == (0, 0, 0):
        return 0
    if application != APPLICATION_ID:
        raise StoreError(path, "it is an SQLite file, but not one of workflow_manager")
    if version > VERSION:
        raise StoreError(
            path, f"its schema is version {version}, written by a newer release; this one knows up to {VERSION}"
        )
    return int(version)
