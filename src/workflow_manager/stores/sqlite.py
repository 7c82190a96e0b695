"""A store in one SQLite file: for runs that outlive their process, on one machine, without a server."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

from workflow_manager.exceptions import InvalidValueError
from workflow_manager.stores.paging import PageTokens
from workflow_manager.stores.recent import Recent
from workflow_manager.stores.sqlite_definitions import DefinitionTable, SQLiteDefinitions, SQLiteResources
from workflow_manager.stores.sqlite_file import SQLiteFile, Synchronous
from workflow_manager.stores.sqlite_leases import SQLiteLeases, SQLiteSnapshots
from workflow_manager.stores.sqlite_listings import SQLiteListings

__all__ = ["SQLiteStore", "Synchronous"]

_WORKFLOWS_REMEMBERED = 256


def _now() -> datetime:
    return datetime.now(UTC)


class SQLiteStore(SQLiteDefinitions, SQLiteResources, SQLiteListings, SQLiteLeases, SQLiteSnapshots):
    """
    A :class:`workflow_manager.protocols.Store` and ``SnapshotStore`` in the SQLite file at *path*.

    Any number of threads may use it, and any number of processes the same file, each with a store of its own; a child
    made by ``fork`` must open one itself.  The file must be on a local disk: the write-ahead log needs shared memory.
    Listings never lag.

    *synchronous* ``FULL`` puts every save on the disk before it returns; with ``NORMAL`` a save is many times faster
    and survives the end of the process, but a power cut may undo the last ones.  *timeout* is how many seconds a save
    waits for those of others before it gives up.  *clock* gives the time, aware and UTC, for leases and for what the
    store dates.

    Raises:
        StoreError: here and from every method: the file cannot be read or written, stays locked, is no file of ours or
            one of a newer release.  Nothing is ever half written.
        InvalidValueError: *path* names no file, *synchronous* is none, or *timeout* is not a number of seconds.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        synchronous: Synchronous = Synchronous.FULL,
        clock: Callable[[], datetime] | None = None,
        timeout: float = 30.0,
    ) -> None:
        if synchronous not in set(Synchronous):
            raise InvalidValueError("SQLiteStore", "/synchronous", f"{synchronous!r} is not a Synchronous")
        if not 0 <= timeout <= 1_000_000:
            raise InvalidValueError("SQLiteStore", "/timeout", f"{timeout!r} is not a number of seconds")
        self._clock = clock or _now
        self._file = SQLiteFile(path, synchronous=Synchronous(synchronous), timeout=timeout)
        with self._file.read() as connection:
            (secret,) = connection.execute("SELECT value FROM settings WHERE name = 'secret'").fetchone()
        self._tokens = PageTokens(secret)  # in the file, so that all processes make and read the same tokens
        self._definitions = DefinitionTable()
        self._stored = Recent(_WORKFLOWS_REMEMBERED)

    @property
    def path(self) -> str:
        """Where the file is."""
        return self._file.path

    def close(self) -> None:
        """Close the file.  Whatever is asked afterwards is a ``StoreError``; closing again does nothing."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<SQLiteStore {self.path}>"
