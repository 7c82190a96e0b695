"""
The file of a SQLiteStore: its connections, its transactions, and what can go wrong with it.

One connection writes, one thread at a time; readers take connections from a pool and never wait for the writer (WAL).
Between processes SQLite's own locks decide.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from workflow_manager.exceptions import InvalidValueError, StoreError
from workflow_manager.stores.sqlite_schema import VERSION, prepare

_MOST_READERS = 4  # at once: more only take the interpreter's lock from one another, at every call of SQLite
_PAUSE_SECONDS = 0.01  # before another try where SQLite itself does not wait
_WAL_BYTES_KEPT = 64 * 2**20  # what a large turn leaves of the write-ahead log

SAME_SCHEMA = f"EXISTS (SELECT 1 FROM settings WHERE name = 'schema' AND value = {VERSION})"  # noqa: S608  a number
"""True as long as no newer release has changed the schema of the file; as a condition in SQL."""

T = TypeVar("T")


class Synchronous(StrEnum):
    """
    How far a commit gets before it is acknowledged (SQLite documentation: PRAGMA synchronous).

    ``FULL``: to the disk.  ``NORMAL``: to the operating system; the end of the process, ``kill -9`` included, loses
    nothing, but a power cut or a crash of the operating system may undo the last commits.  The file stays whole.
    """

    FULL = "FULL"
    NORMAL = "NORMAL"


_REASONS = {
    sqlite3.SQLITE_BUSY: "it is locked by another process",
    sqlite3.SQLITE_LOCKED: "it is locked",
    sqlite3.SQLITE_FULL: "there is no space left on the disk, or the file may not grow",
    sqlite3.SQLITE_READONLY: "it is read-only",
    sqlite3.SQLITE_PERM: "it may not be opened",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened",
    sqlite3.SQLITE_IOERR: "the disk cannot be read or written, or is full",
    sqlite3.SQLITE_NOTADB: "it is no SQLite file",
    sqlite3.SQLITE_CORRUPT: "it is damaged",
}


def _code(error: sqlite3.Error) -> int:
    """SQLite's primary result code; 0 where there is none."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


class SQLiteFile:
    """
    The file at *path*, made if it is not there, its schema brought up to date.

    *timeout* is how many seconds to wait for another writer.  Errors of SQLite come out as :class:`StoreError`.
    """

    def __init__(self, path: str | os.PathLike[str], *, synchronous: Synchronous, timeout: float) -> None:
        text = os.fsdecode(path)
        if not text or text.startswith(":memory:"):
            raise InvalidValueError(
                "SQLiteStore", "/path", f"{text!r} names no file; MemoryStore keeps things in memory"
            )
        self.path = str(Path(text).absolute())  # the working directory may change
        self._synchronous, self._timeout = synchronous, timeout
        self._process = os.getpid()
        self._seen_version = -1  # SQLite's data_version of the writer when the schema was last looked at
        self._writing = threading.Lock()
        self._reading = threading.BoundedSemaphore(_MOST_READERS)
        self._idle: list[sqlite3.Connection] = []
        self._writer: list[sqlite3.Connection] = []  # one or none
        self._closed = threading.Event()
        self._end = weakref.finalize(self, _close, self._process, self._closed, self._idle, self._writer)
        try:
            with self._translated():
                self._writer.append(self._connect())
                self._retried(lambda: prepare(self._writer[0], self.path))
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close all connections that are not in use, and those in use when they are given back."""
        with self._writing:
            self._end()

    @contextlib.contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """A transaction that writes, alone: committed at the end of the block, undone if that raises."""
        with _Alone(self) as connection:
            self._retried(lambda: connection.execute("BEGIN IMMEDIATE"))
            self._look_for_strangers(connection)
            yield connection
            connection.execute("COMMIT")

    def write_one(self, sql: str, values: Sequence[object]) -> int:
        """
        One statement that is a transaction of its own; returns how many rows it has written.

        It must write nothing where :data:`SAME_SCHEMA` is false.
        """
        with _Alone(self) as connection:
            return self._retried(lambda: connection.execute(sql, values).rowcount)

    def take_writer(self) -> sqlite3.Connection:
        """The connection that writes, for the calling thread alone until :meth:`give_writer_back`."""
        self._check()
        if not self._writing.acquire(timeout=self._timeout):
            raise StoreError(self.path, "it is locked by another thread")
        try:
            self._check_open()
            if not self._writer:
                self._writer.append(self._connect())
            return self._writer[0]
        except BaseException as error:
            self._writing.release()
            self.translate(error)
            raise

    def give_writer_back(self, problem: BaseException | None) -> None:
        """After *problem*, if there was one: nothing of the transaction is left then."""
        if problem is not None:
            self._seen_version = -1
            if not _rolled_back(self._writer[0]):
                self._writer.clear()
        self._writing.release()

    @contextlib.contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """A transaction that reads: all its statements see the same commits."""
        with self._reading, self._translated():
            connection = self._take()
            try:
                connection.execute("BEGIN")
                self._retried(lambda: self._check_version(connection))
                yield connection
            finally:
                if _rolled_back(connection):
                    self._give_back(connection)

    def _take(self) -> sqlite3.Connection:
        self._check()
        try:
            return self._idle.pop()
        except IndexError:
            return self._connect()

    def _give_back(self, connection: sqlite3.Connection) -> None:
        if self._closed.is_set() or len(self._idle) >= _MOST_READERS:
            connection.close()
        else:
            self._idle.append(connection)

    def _check_open(self) -> None:
        if self._closed.is_set():
            raise StoreError(self.path, "this store has been closed")

    def _check(self) -> None:
        self._check_open()
        if os.getpid() != self._process:  # SQLite's connections do not survive a fork
            raise StoreError(self.path, "this store was opened by another process; open one after the fork")

    def _look_for_strangers(self, connection: sqlite3.Connection) -> None:
        """Nobody but another connection can have changed the schema, or anything else behind the writer's back."""
        (version,) = connection.execute("PRAGMA data_version").fetchone()
        if version != self._seen_version:
            self._check_version(connection)
            self._seen_version = version

    def _check_version(self, connection: sqlite3.Connection) -> None:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version != VERSION:
            raise StoreError(self.path, f"its schema has become version {version} meanwhile; open it anew")

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self.path, timeout=self._timeout, isolation_level=None, check_same_thread=False, cached_statements=256
        )
        try:
            connection.execute(f"PRAGMA synchronous={self._synchronous.value}")
            connection.execute(f"PRAGMA journal_size_limit={_WAL_BYTES_KEPT}")
        except BaseException:
            connection.close()
            raise
        return connection

    def _retried(self, work: Callable[[], T]) -> T:
        """
        Do *work*, again while the file is busy, until the time-out.

        SQLite waits by itself for a writer, but not while another process, the last to close the file, tidies it up.
        """
        end = time.monotonic() + self._timeout
        while True:
            try:
                return work()
            except sqlite3.OperationalError as error:
                if _code(error) != sqlite3.SQLITE_BUSY or time.monotonic() >= end:
                    raise
                time.sleep(_PAUSE_SECONDS)

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except Exception as problem:
            self.translate(problem)
            raise

    def translate(self, problem: BaseException | None) -> None:
        """Raise what *problem* means to our callers, if it comes from SQLite."""
        if isinstance(problem, sqlite3.Error):
            reason = _REASONS.get(_code(problem), "SQLite cannot do it")
            raise StoreError(self.path, f"{reason} ({problem})") from problem
        if isinstance(problem, UnicodeEncodeError):
            raise InvalidValueError("text", "", f"{problem.object!r} cannot be written as UTF-8") from None
        if isinstance(problem, OverflowError):
            raise InvalidValueError("number", "", str(problem)) from None


class _Alone:
    """
    The connection that writes, for one thread at a time; errors of SQLite come out as ours.

    A class, not a generator: every save passes here.
    """

    __slots__ = ("_file",)

    def __init__(self, file: SQLiteFile) -> None:
        self._file = file

    def __enter__(self) -> sqlite3.Connection:
        return self._file.take_writer()

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.give_writer_back(problem)
        self._file.translate(problem)


def _rolled_back(connection: sqlite3.Connection) -> bool:
    """End the transaction, if one is open; a connection that cannot even do that is closed: ``False``."""
    try:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
    except sqlite3.Error:
        connection.close()
        return False
    return True


def _close(process: int, closed: threading.Event, *pools: list[sqlite3.Connection]) -> None:
    closed.set()
    if os.getpid() != process:
        return  # they are the parent's
    for pool in pools:
        while pool:
            pool.pop().close()
