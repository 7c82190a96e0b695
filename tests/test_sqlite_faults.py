"""SQLiteStore when the world breaks in: killed processes, full disks, locks, foreign and old files."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import random
import resource
import shutil
import signal
import sqlite3
import tempfile
import threading
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import attrs
import pytest

from workflow_manager.exceptions import StoreError
from workflow_manager.models import WorkflowQuery, WorkflowStatus
from workflow_manager.stores import sqlite_rows, sqlite_schema
from workflow_manager.stores.sqlite import SQLiteStore, Synchronous
from workflow_manager.testing.contracts.samples import event, workflow

# A server that has everything imported and no file open: its forks begin at once, and SQLite is clean in them.
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["workflow_manager.stores.sqlite", "workflow_manager.testing.contracts.samples"])

KILLS = 40


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


def save_on_and_on(path: str, mode: Synchronous, told: Connection, first: int) -> None:
    """Save workflows with growing histories, and tell of every save once it is acknowledged."""
    store = SQLiteStore(path, synchronous=mode)
    for number in itertools.count(first):
        saved, count = workflow(f"w{number}", tags={"a": "b"}), 0
        for size in (1, 3, 400, 2, 50):
            count += size
            news = [event(count - size + one, text="x" * 50) for one in range(1, size + 1)]
            saved = store.save_workflow(attrs.evolve(saved, status_reason=str(count)), news)
            told.send((saved.id, saved.revision, count))


def killed_at_random(path: Path, mode: Synchronous, first: int, seconds: float) -> list[tuple[str, int, int]]:
    """What a process had told until it was killed, *seconds* after its first word."""
    here, there = FORKS.Pipe(duplex=False)
    process = FORKS.Process(target=save_on_and_on, args=(str(path), mode, there, first))
    process.start()
    there.close()
    told = [here.recv()]
    killer = threading.Timer(seconds, process.kill)
    killer.start()
    while True:
        try:
            told.append(here.recv())
        except (EOFError, OSError):
            break
    process.join()
    killer.join()
    here.close()
    assert process.exitcode == -signal.SIGKILL
    return told


@pytest.mark.parametrize("mode", list(Synchronous))
def test_killed_in_the_middle_of_saves(path: Path, mode: Synchronous):
    """Whenever a process is killed, every save it had acknowledged is there whole, no event missing or doubled."""
    chance = random.Random(7)
    for turn in range(KILLS // 2):
        told = killed_at_random(path, mode, turn * 100_000, chance.uniform(0, 0.05))
        with SQLiteStore(path) as store:
            last = {workflow_id: (revision, count) for workflow_id, revision, count in told}
            listed = store.list_workflows(WorkflowQuery(limit=10_000, tags={"a": "b"}, summary_only=True))
            assert last.keys() <= {one.id for one in listed}
            for workflow_id, (revision, count) in last.items():
                read = store.get_workflow(workflow_id)
                events = list(store.read_history(workflow_id, limit=10_000))
                assert (read.revision, len(events)) >= (revision, count)
                assert len(events) == int(read.status_reason)
                assert [one.id for one in events] == list(range(1, len(events) + 1))
                assert store.save_workflow(read).revision == read.revision + 1
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    connection.close()


# Full


@pytest.mark.parametrize(
    "changes", [{"status": WorkflowStatus.FAILED, "output": "x" * 100_000}, {}], ids=["more", "events alone"]
)
def test_a_full_file(path: Path, changes: dict[str, Any]):
    """A save that finds no space is a StoreError and writes nothing; once there is space it succeeds."""
    with SQLiteStore(path) as store:
        saved = store.save_workflow(workflow("w"), [event(1)])
        (writer,) = store._file._writer
        (pages,) = writer.execute("PRAGMA page_count").fetchone()
        writer.execute(f"PRAGMA max_page_count={pages + 3}")
        more, news = attrs.evolve(saved, **changes), [event(2, text="y" * 100_000)]
        with pytest.raises(StoreError, match="space") as caught:
            store.save_workflow(more, news)
        assert caught.value.store == str(path)
        assert store.get_workflow("w") == saved
        assert list(store.read_history("w")) == [event(1)]
        writer.execute("PRAGMA max_page_count=1000000")
        assert store.save_workflow(more, news).revision == 2
        assert list(store.read_history("w")) == [event(1), *news]


def fill_a_small_disk(path: str, told: Connection, *, one: bool) -> None:
    store = SQLiteStore(path)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, 2_000_000))
    saved = workflow("w0")
    for number in itertools.count():
        try:
            if one:
                saved = store.save_workflow(saved, [event(2 * number + 1, text="x" * 5000), event(2 * number + 2)])
            else:
                store.save_workflow(workflow(f"w{number}", input="x" * 5000), [event(1), event(2)])
        except StoreError as error:
            told.send((number, str(error)))
            break
    told.send(store.get_workflow("w0").id)
    os._exit(0)


@pytest.mark.parametrize("one", [False, True], ids=["many workflows", "one workflow"])
def test_a_full_disk(path: Path, one: bool):
    """When the file system takes no more, the save that fails is a StoreError, and all before it are whole."""
    here, there = FORKS.Pipe(duplex=False)
    process = FORKS.Process(target=fill_a_small_disk, args=(str(path), there), kwargs={"one": one})
    process.start()
    count, message = here.recv()
    assert here.recv() == "w0"
    process.join()
    assert "disk" in message
    assert count > 10
    with SQLiteStore(path) as store:
        if one:
            assert store.get_workflow("w0").revision == count
            assert [each.id for each in store.read_history("w0", limit=10_000)] == list(range(1, 2 * count + 1))
            return
        assert len(store.list_workflows(WorkflowQuery(limit=1000))) == count
        assert all(len(store.read_history(f"w{number}")) == 2 for number in range(count))
        store.save_workflow(workflow(f"w{count}"))


# Locked, read-only, not to be opened


def hold(path: str, told: Connection) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    told.send("held")
    told.recv()
    connection.execute("ROLLBACK")
    told.send("given back")


def test_locked_by_another_process(path: Path):
    """While another process writes, reading goes on and saving waits; after the time-out it is a StoreError."""
    with SQLiteStore(path, timeout=0.3) as store:
        saved = store.save_workflow(workflow("w"))
        here, there = FORKS.Pipe()
        process = FORKS.Process(target=hold, args=(str(path), there))
        process.start()
        assert here.recv() == "held"
        begun = time.monotonic()
        with pytest.raises(StoreError, match="locked by another process"):
            store.save_workflow(saved, [event(1)])
        assert time.monotonic() - begun > 0.25
        assert store.get_workflow("w") == saved
        assert not store.read_history("w").items
        here.send("enough")
        assert here.recv() == "given back"
        process.join()
        assert store.save_workflow(saved, [event(1)]).revision == 2


def test_locked_while_it_is_opened(path: Path):
    """A new file that another process holds is a StoreError too, and opening works once it is free."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("BEGIN EXCLUSIVE")
    with pytest.raises(StoreError, match="locked"):
        SQLiteStore(path, timeout=0.1)
    connection.execute("ROLLBACK")
    connection.close()
    SQLiteStore(path).close()


def save_as_nobody(path: str, told: Connection) -> None:
    if os.getuid() == 0:
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
    try:
        with SQLiteStore(path) as store:
            store.save_workflow(workflow("v"))
    except StoreError as error:
        told.send(str(error))
    else:
        told.send("saved")


@pytest.fixture
def public() -> Iterator[Path]:
    """A folder that everybody may enter: pytest's own are private."""
    folder = Path(tempfile.mkdtemp())
    yield folder
    folder.chmod(0o700)
    shutil.rmtree(folder)


@pytest.mark.parametrize(("file", "folder"), [(0o444, 0o777), (0o444, 0o555), (0o000, 0o777), (0o644, 0o000)])
def test_a_file_that_may_not_be_written(public: Path, file: int, folder: int):
    """A file or folder without the rights is a StoreError that says so, and the file stays as it is."""
    path = public / "store.db"
    with SQLiteStore(path) as store:
        saved = store.save_workflow(workflow("w"))
    before = path.read_bytes()
    path.chmod(file)
    public.chmod(folder)
    here, there = FORKS.Pipe(duplex=False)
    process = FORKS.Process(target=save_as_nobody, args=(str(path), there))
    process.start()
    message = here.recv()
    process.join()
    assert "read-only" in message or "opened" in message
    public.chmod(0o700)
    path.chmod(0o600)
    assert path.read_bytes() == before
    with SQLiteStore(path) as store:
        assert store.get_workflow("w") == saved


def test_a_path_that_leads_nowhere(tmp_path: Path):
    """A folder that is not there, or one in the place of the file, is a StoreError."""
    for path in (tmp_path / "none" / "store.db", tmp_path):
        with pytest.raises(StoreError, match="opened"):
            SQLiteStore(path)


def test_an_error_in_the_middle_of_a_save(path: Path, monkeypatch: pytest.MonkeyPatch):
    """Whatever breaks inside a save, nothing of it is written, and the store works on."""
    with SQLiteStore(path) as store:
        saved = store.save_workflow(workflow("w"), [event(1)])
        append = sqlite_rows._append

        def broken(*arguments: object, **named: object) -> None:
            append(*arguments, **named)  # type: ignore[arg-type]
            raise KeyboardInterrupt

        monkeypatch.setattr(sqlite_rows, "_append", broken)
        for one in (attrs.evolve(saved, status=WorkflowStatus.FAILED), workflow("v")):
            with pytest.raises(KeyboardInterrupt):
                store.save_workflow(one, [event(2)])
        monkeypatch.undo()
        assert [one.id for one in store.list_workflows(WorkflowQuery())] == ["w"]
        assert store.get_workflow("w") == saved
        assert list(store.read_history("w")) == [event(1)]
        assert store.save_workflow(saved, [event(2)]).revision == 2


# Files of others, old files, new files


@pytest.mark.parametrize(
    "content", [b"no database at all, but long enough to be looked at" * 100, b"SQLite format 3\0x"]
)
def test_what_is_no_sqlite_file(path: Path, content: bytes):
    """Any other file is refused and left as it is."""
    path.write_bytes(content)
    with pytest.raises(StoreError, match="no SQLite file"):
        SQLiteStore(path)
    assert path.read_bytes() == content


@pytest.mark.parametrize("sql", ["CREATE TABLE theirs (a)", "PRAGMA user_version=1", "PRAGMA application_id=99"])
def test_the_file_of_another_program(path: Path, sql: str):
    """An SQLite file that this library did not make is refused and left as it is."""
    connection = sqlite3.connect(path)
    connection.execute(sql)
    connection.commit()
    connection.close()
    before = path.read_bytes()
    with pytest.raises(StoreError, match="not one of workflow_manager"):
        SQLiteStore(path)
    assert path.read_bytes() == before


def set_version(path: Path, version: int) -> None:
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version={version}")
    connection.execute("UPDATE settings SET value = ? WHERE name = 'schema'", (version,))
    connection.commit()
    connection.close()


def test_a_file_of_a_newer_release(path: Path):
    """A schema that is newer than the library is refused, on opening and when it changes under an open store."""
    newer = sqlite_schema.VERSION + 1
    with SQLiteStore(path) as store:
        saved = store.save_workflow(store.save_workflow(workflow("w")), [event(1)])
        set_version(path, newer)
        for ask in (
            lambda: store.save_workflow(saved, [event(2)]),  # what a save that only brings events would be
            lambda: store.save_snapshot("w", saved.revision, 1, {}),
            lambda: store.save_workflow(workflow("v")),
            lambda: store.get_workflow("w"),
        ):
            with pytest.raises(StoreError, match=f"version {newer}"):
                ask()
    before = path.read_bytes()
    with pytest.raises(StoreError, match="newer release"):
        SQLiteStore(path)
    assert path.read_bytes() == before
    set_version(path, sqlite_schema.VERSION)
    with SQLiteStore(path) as store:
        assert [one.id for one in store.list_workflows(WorkflowQuery())] == ["w"]


VERSION_1 = """
CREATE TABLE settings (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE definitions (number INTEGER PRIMARY KEY, digest TEXT NOT NULL UNIQUE, record TEXT NOT NULL);
CREATE TABLE definition_versions (name TEXT NOT NULL, version INTEGER NOT NULL, content TEXT NOT NULL,
    definition INTEGER NOT NULL, PRIMARY KEY (name, version)) WITHOUT ROWID;
CREATE TABLE state_resources (namespace TEXT NOT NULL, name TEXT NOT NULL, record TEXT NOT NULL,
    PRIMARY KEY (namespace, name)) WITHOUT ROWID;
CREATE TABLE workflows (number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, revision INTEGER NOT NULL,
    events INTEGER NOT NULL, touched INTEGER, has_body INTEGER NOT NULL, created INTEGER NOT NULL, status TEXT NOT NULL,
    name TEXT NOT NULL, namespace TEXT NOT NULL, queue TEXT NOT NULL, retry_for TEXT NOT NULL,
    resolved INTEGER NOT NULL, definition INTEGER NOT NULL, tags TEXT NOT NULL, summary TEXT NOT NULL, updated INTEGER);
CREATE INDEX workflows_pending ON workflows (touched) WHERE touched IS NOT NULL;
CREATE INDEX workflows_created ON workflows (created);
CREATE INDEX workflows_name ON workflows (name, created);
CREATE INDEX workflows_status ON workflows (status, created);
CREATE INDEX workflows_name_status ON workflows (name, status, created);
CREATE INDEX workflows_namespace ON workflows (namespace, created);
CREATE TABLE inputs (workflow INTEGER PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE bodies (workflow INTEGER PRIMARY KEY, record TEXT NOT NULL);
CREATE TABLE turns (place INTEGER PRIMARY KEY, events TEXT NOT NULL);
CREATE TABLE tags (key TEXT NOT NULL, value TEXT NOT NULL, created INTEGER NOT NULL, workflow INTEGER NOT NULL,
    PRIMARY KEY (key, value, created, workflow)) WITHOUT ROWID;
CREATE TABLE leases (workflow INTEGER PRIMARY KEY, owner TEXT NOT NULL, token TEXT NOT NULL, ttl_seconds REAL NOT NULL,
    expires INTEGER NOT NULL);
INSERT INTO settings VALUES ('secret', X'000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F');
INSERT INTO definitions VALUES (1, 'digest', '{"id":"d","name":"greeting","version":0,"manager":"local",
    "stateMachine":{"StartAt":"Greet","States":{"Greet":{"Type":"Pass","Result":"hello","End":true}}},
    "createdAt":"2026-03-14T12:00:00+00:00"}');
INSERT INTO definition_versions VALUES ('greeting', 0, 'content', 1);
INSERT INTO workflows VALUES (7, 'old', 4, 2, 3, 0, 1773489600000000, 'running', 'greeting', '', 'slow', 'older', 0, 1,
    '{"a":"b"}', '{"id":"old","status":"running","createdAt":"2026-03-14T12:00:00+00:00",
    "lastUpdated":"2026-03-14T12:00:00+00:00","queue":"slow","retryFor":"older","tags":{"a":"b"}}', 1773489601000000);
INSERT INTO inputs VALUES (7, '{"answer":42}');
INSERT INTO turns VALUES (30064771072, '[1,0,"ExecutionStarted","2026-03-14T12:00:00+00:00",""]
[2,0,"PassStateEntered","2026-03-14T12:00:00+00:00","",{"name":"Greet"}]');
INSERT INTO tags VALUES ('a', 'b', 1773489600000000, 7);
PRAGMA application_id=1464225073;
PRAGMA user_version=1;
"""


def schema_of(path: Path) -> set[tuple[str, str]]:
    """Names and definitions of all tables and indexes, without their white space."""
    connection = sqlite3.connect(path)
    found = connection.execute("SELECT name, sql FROM sqlite_master").fetchall()
    connection.close()
    return {(name, "".join((sql or "").split())) for name, sql in found}


def test_a_file_of_version_1(path: Path):
    """A file of schema version 1 is brought up to date with all that is in it, and is then like a new one."""
    connection = sqlite3.connect(path)
    connection.executescript(VERSION_1)
    connection.close()
    with SQLiteStore(path) as store:
        old = store.get_workflow("old")
        assert (old.revision, old.input, old.queue, old.last_updated.second) == (4, {"answer": 42}, "slow", 1)
        assert [one.id for one in store.read_history("old")] == [1, 2]
        for query in (
            WorkflowQuery(queue="slow"),
            WorkflowQuery(retry_for="older"),
            WorkflowQuery(resolved_by_user=False),
            WorkflowQuery(tags={"a": "b"}),
        ):
            assert list(store.list_workflows(query)) == [old]
        assert store.get_workflow_definition("greeting") == old.workflow_definition
        assert store.list_pending() == ("old",)
        store.save_snapshot("old", 4, 2, "x")
        assert store.load_snapshot("old") is not None
        assert store.save_workflow(old, [event(3)]).revision == 5
        assert len(store.read_history("old")) == 3
    with SQLiteStore(path.with_name("new.db")):
        pass
    assert schema_of(path) == schema_of(path.with_name("new.db"))


VERSION_2 = """
CREATE INDEX workflows_queue ON workflows (queue, created);
CREATE INDEX workflows_retry_for ON workflows (retry_for, created) WHERE retry_for <> '';
CREATE INDEX workflows_resolved ON workflows (resolved, created);
CREATE TABLE snapshots (workflow INTEGER PRIMARY KEY, revision INTEGER NOT NULL, position INTEGER NOT NULL,
    value TEXT NOT NULL);
INSERT INTO snapshots VALUES (7, 4, 2, '"kept"');
PRAGMA user_version=2;
"""


def test_a_file_of_version_2(path: Path):
    """A file of schema version 2 is brought up to date too, and its workflows go on."""
    connection = sqlite3.connect(path)
    connection.executescript(VERSION_1 + VERSION_2)
    connection.close()
    with SQLiteStore(path) as store:
        old = store.get_workflow("old")
        assert old.revision == 4
        kept = store.load_snapshot("old")
        assert kept is not None and kept.value == "kept"
        saved = store.save_workflow(old, [event(3)])
        for number in range(4, 9):
            saved = store.save_workflow(saved, [event(number)])
        assert [one.id for one in store.read_history("old")] == list(range(1, 9))
        assert [one.id for one in store.read_history("old", after=1, limit=3)] == [2, 3, 4]
        assert store.get_workflow("old") == saved
    with SQLiteStore(path.with_name("new.db")):
        pass
    assert schema_of(path) == schema_of(path.with_name("new.db"))


def test_a_migration_that_fails_changes_nothing(path: Path, monkeypatch: pytest.MonkeyPatch):
    """A file stays of its old version, whole, if bringing it up to date breaks off."""
    connection = sqlite3.connect(path)
    connection.executescript(VERSION_1)
    connection.close()
    before = schema_of(path)
    broken = (sqlite_schema._V1, sqlite_schema._V2 + "CREATE TABLE workflows (a);\n")
    monkeypatch.setattr(sqlite_schema, "MIGRATIONS", broken)
    with pytest.raises(StoreError):
        SQLiteStore(path)
    assert schema_of(path) == before
    monkeypatch.undo()
    with SQLiteStore(path) as store:
        assert store.get_workflow("old").revision == 4
