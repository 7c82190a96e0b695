"""The stores that a bench can run over: ``memory``, or ``sqlite`` in a fresh file on the disk."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

import workflow_manager as wm

WHO = {"memory": "workflow-manager, memory", "sqlite": "workflow-manager, SQLite"}
"""What each is called in the table."""


@contextlib.contextmanager
def open_store(kind: str) -> Iterator[wm.Store]:
    """A new store of that *kind*, gone afterwards."""
    if kind == "memory":
        yield wm.MemoryStore()
        return
    with tempfile.TemporaryDirectory() as folder, wm.SQLiteStore(Path(folder) / "bench.db") as store:
        yield store
