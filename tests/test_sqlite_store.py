"""SQLiteStore: the law of every store, and what is its own."""

from __future__ import annotations

import functools
import gc
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import attrs
import pytest

from workflow_manager.exceptions import ConflictError, InvalidValueError, PageTokenError, StoreError
from workflow_manager.models import Job, StateResource, Workflow, WorkflowQuery, WorkflowStatus
from workflow_manager.protocols import Store
from workflow_manager.stores.sqlite import SQLiteStore, Synchronous
from workflow_manager.testing.contracts import SnapshotContract, StoreContract
from workflow_manager.testing.contracts.samples import NOON, at_once, definition, event, items, workflow


class TestSQLiteStore(StoreContract, SnapshotContract):
    """SQLiteStore keeps the law of stores and of snapshots."""

    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[Store]:
        self.opened = [SQLiteStore(tmp_path / "store.db")]
        yield self.opened[0]
        for one in self.opened:
            one.close()

    def another(self, store: Store) -> Store:
        self.opened.append(SQLiteStore(self.opened[0].path))
        return self.opened[-1]

    def opener(self, store: Store) -> Callable[[], Store]:
        return functools.partial(SQLiteStore, self.opened[0].path)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


@pytest.fixture
def store(path: Path) -> Iterator[SQLiteStore]:
    with SQLiteStore(path, synchronous=Synchronous.NORMAL) as opened:
        yield opened


def asked_directly(path: Path, sql: str) -> list[Any]:
    """What SQLite itself says about the file."""
    connection = sqlite3.connect(path)
    try:
        return connection.execute(sql).fetchall()
    finally:
        connection.close()


# What is kept


def test_all_is_there_after_reopening(path: Path):
    """What was saved is read by the next process, leases and page tokens go on."""
    with SQLiteStore(path) as store:
        first = store.save_workflow_definition(definition())
        resource = store.save_state_resource(StateResource(name="r", namespace="n", uri="u"))
        saved = store.save_workflow(workflow("w", input={"a": [1]}), [event(1), event(2)])
        store.save_workflow(workflow("v"))
        lease = store.acquire("v", "me", 3600)
        token = store.list_workflows(WorkflowQuery(limit=1)).next
    with SQLiteStore(path) as store:
        assert store.get_workflow_definition("greeting") == store.save_workflow_definition(definition()) == first
        assert store.get_state_resource("r", "n") == resource
        assert store.get_workflow("w") == saved
        assert list(store.read_history("w")) == [event(1), event(2)]
        assert store.list_pending() == ("w",)
        with pytest.raises(ConflictError):
            store.acquire("v", "you", 1)
        assert store.renew(lease).token == lease.token
        assert [one.id for one in store.list_workflows(WorkflowQuery(limit=1, page_token=token))] == ["v"]


def test_tokens_of_another_file_are_foreign(path: Path, store: SQLiteStore):
    """Two files with the same content refuse each other's tokens."""
    with SQLiteStore(f"{path}2") as other:
        for one in (store, other):
            for number in range(3):
                one.save_workflow(workflow(f"w{number}"))
        token = other.list_workflows(WorkflowQuery(limit=1)).next
    with pytest.raises(PageTokenError):
        store.list_workflows(WorkflowQuery(limit=1, page_token=token))


def test_input_and_definition_are_written_once(path: Path, store: SQLiteStore):
    """Saving a running workflow again and again writes neither its input nor its definition anew."""
    stored = store.save_workflow_definition(definition(greeting="y" * 300_000))
    saved = store.save_workflow(attrs.evolve(workflow("w", input=["x" * 300_000]), workflow_definition=stored))
    for number in range(1, 40):
        status = WorkflowStatus.RUNNING if number > 1 else WorkflowStatus.QUEUED
        saved = store.save_workflow(attrs.evolve(saved, status=status, retries=(str(number),)), [event(number)])
    store.save_workflow(attrs.evolve(saved, id="other", revision=0))
    store.close()
    assert path.stat().st_size < 1_200_000
    assert asked_directly(path, "SELECT count(*) FROM definitions") == [(1,)]


def test_a_definition_may_change_with_a_save(store: SQLiteStore):
    """A workflow that is saved under another definition is read and listed under that one."""
    saved = store.save_workflow(workflow("w"))
    saved = store.save_workflow(saved)
    others = [definition("renamed", "a"), definition("renamed", "b")]
    for other in (*others, *others):
        saved = store.save_workflow(attrs.evolve(saved, workflow_definition=other))
        assert store.get_workflow("w").workflow_definition == other
    assert len(store.list_workflows(WorkflowQuery(definition_name="renamed"))) == 1
    assert len(store.list_workflows(WorkflowQuery(definition_name="greeting"))) == 0


def test_turns_of_two_clients_mix(path: Path, store: SQLiteStore):
    """What a client remembers of its own last save never hides what another has saved meanwhile."""
    with SQLiteStore(path) as other:
        mine = store.save_workflow(workflow("w"))
        mine = store.save_workflow(mine)
        theirs = other.save_workflow(attrs.evolve(mine, queue="theirs", last_updated=NOON + timedelta(seconds=1)))
        with pytest.raises(ConflictError):
            store.save_workflow(mine)
        later = attrs.evolve(mine, revision=theirs.revision, last_updated=NOON + timedelta(seconds=2))
        for client in (store, other, store, other):
            later = client.save_workflow(attrs.evolve(later, last_updated=later.last_updated + timedelta(seconds=1)))
            assert store.get_workflow("w") == other.get_workflow("w") == later


def test_an_id_that_is_used_again(path: Path, store: SQLiteStore):
    """A workflow deleted and made anew by somebody else is not taken for the one remembered."""
    mine = store.save_workflow(store.save_workflow(workflow("w")))
    with SQLiteStore(path) as other:
        other.delete_workflow("w")
        other.save_workflow(other.save_workflow(workflow("w", queue="theirs", tags={"a": "b"})))
    saved = store.save_workflow(mine)
    assert store.get_workflow("w") == saved
    assert saved.queue == "default"
    assert not store.list_workflows(WorkflowQuery(tags={"a": "b"})).items


def test_jobs_come_and_go(path: Path, store: SQLiteStore):
    """What a summary leaves out is kept beside it and goes when it is gone."""
    job = Job(id="1", state="Greet", input={"a": 1}, output=[2])
    saved = store.save_workflow(workflow("w", jobs=(job,), last_job=job))
    assert store.get_workflow("w") == saved
    assert store.list_workflows(WorkflowQuery(summary_only=True)).items == (saved.summary(),)
    saved = store.save_workflow(attrs.evolve(saved, jobs=(), last_job=None))
    assert store.get_workflow("w") == saved
    assert asked_directly(path, "SELECT count(*) FROM bodies") == [(0,)]


def test_a_deleted_workflow_leaves_no_row(path: Path, store: SQLiteStore):
    """Deleting takes every row of the workflow with it; only its definition stays."""
    saved = store.save_workflow(workflow("w", tags={"a": "b"}, output=1), [event(n) for n in range(1, 999)])
    store.acquire("w", "me", 60)
    store.save_snapshot("w", saved.revision, 998, "x")
    store.delete_workflow("w")
    for table in ("workflows", "inputs", "bodies", "turns", "tags", "leases", "snapshots"):
        assert asked_directly(path, f"SELECT count(*) FROM {table}") == [(0,)], table


def test_any_place_of_a_long_history(store: SQLiteStore):
    """Wherever reading begins, in turns small and large, the right events come."""
    sizes = [1, 199, 200, 201, 1, 1, 650, 3]
    saved, kept = workflow("w"), []
    for size in sizes:
        news = [event(len(kept) + number, text="é\n" * (number % 700)) for number in range(1, size + 1)]
        saved = store.save_workflow(saved, news)
        kept += news
    store.save_workflow(workflow("next"), [event(1)])
    for after in [0, 1, 2, 199, 200, 201, 399, 400, 401, 600, 601, 602, 603, 1000, len(kept) - 1, len(kept)]:
        assert list(store.read_history("w", after=after, limit=7)) == kept[after : after + 7]
    assert items(lambda token: store.read_history("w", after=3, limit=150, page_token=token)) == kept[3:]


@pytest.mark.parametrize("text", ["\x00", "a\x00b", "'; DROP TABLE workflows --", "\U0001f44b", "%", "\n"])
def test_odd_names(store: SQLiteStore, text: str):
    """Ids, names and tags may hold any text."""
    saved = store.save_workflow(workflow(text, name=text, namespace=text, queue=text, tags={text: text}), [event(1)])
    query = WorkflowQuery(definition_name=text, namespace=text, queue=text, tags={text: text})
    assert list(store.list_workflows(query)) == [store.get_workflow(text)] == [saved]
    store.save_workflow_definition(definition(text))
    assert [one.name for one in store.list_workflow_definitions()] == [text]


def test_what_cannot_be_written(store: SQLiteStore):
    """Half a character in a name and data without an end are values that are refused, not errors of SQLite."""
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    bad: tuple[Callable[[], object], ...] = (
        lambda: store.save_workflow(workflow("\ud800")),
        lambda: store.save_workflow(workflow("w", input=deep)),
        lambda: store.save_workflow(workflow("w", output=deep)),
        lambda: store.save_workflow(workflow("w"), [event(1, input=deep)]),
    )
    for save in bad:
        with pytest.raises(InvalidValueError):
            save()
    assert not store.list_workflows(WorkflowQuery()).items


def test_leases_end_by_the_clock_that_was_given(path: Path):
    """A lease lasts its seconds to the microsecond, and what the store dates has the clock's time."""
    now = [datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)]
    with SQLiteStore(path, clock=lambda: now[0]) as store:
        assert store.save_workflow_definition(definition()).created_at == now[0]
        store.save_workflow(workflow("w"))
        lease = store.acquire("w", "me", 30)
        assert lease.expires_at == now[0] + timedelta(seconds=30)
        now[0] = lease.expires_at - timedelta(microseconds=1)
        with pytest.raises(ConflictError):
            store.acquire("w", "you", 30)
        assert store.list_pending() == ()
        now[0] = lease.expires_at
        assert store.list_pending() == ("w",)
        assert store.acquire("w", "you", 30).owner == "you"


# What a page costs


class Steps:
    """Counts the instructions of SQLite's machine that reading takes: a cost that no other process disturbs."""

    def __init__(self, store: SQLiteStore) -> None:
        self.store, self.count = store, 0
        store.list_workflows(WorkflowQuery())  # so that there is a connection for readers
        (connection,) = store._file._idle
        connection.set_progress_handler(self.step, 1)

    def step(self) -> None:
        self.count += 1

    def of(self, query: WorkflowQuery) -> int:
        self.count = 0
        self.store.list_workflows(query)
        return self.count


def fill(store: SQLiteStore, begin: int, end: int) -> None:
    for number in range(begin, end):
        store.save_workflow(
            workflow(
                f"w{number * 7919 % 100_000:05}",
                name=f"name{number % 3}",
                minute=number,
                status=WorkflowStatus.FAILED if number % 2 else WorkflowStatus.SUCCEEDED,
                namespace=f"space{number % 5}",
                queue="rare" if number in (5, 9) else "default",
                resolved_by_user=number % 4 == 0,
                retry_for=f"w{number // 10}",
                tags={"parity": str(number % 2)},
            )
        )


ASKED: list[dict[str, Any]] = [
    {},
    {"oldest_first": True},
    {"definition_name": "name1"},
    {"status": WorkflowStatus.FAILED},
    {"definition_name": "name2", "status": WorkflowStatus.FAILED},
    {"namespace": "space4"},
    {"tags": {"parity": "1"}},
    {"resolved_by_user": True},
    {"retry_for": "w3"},
    {"queue": "rare"},
    {"queue": "rare", "definition_name": "name2"},
    {"queue": "rare", "tags": {"parity": "1"}, "namespace": "space0"},
    {"retry_for": "w3", "status": WorkflowStatus.FAILED, "namespace": "space1"},
    {"created_before": NOON + timedelta(minutes=60)},
    {"created_after": NOON + timedelta(minutes=30), "oldest_first": True, "namespace": "space1"},
]


def test_a_page_costs_what_it_shows(store: SQLiteStore):
    """With ten times as many workflows behind it a page costs about the same, the second page too."""
    fill(store, 0, 150)
    steps = Steps(store)
    before = [steps.of(WorkflowQuery(**asked, limit=5)) for asked in ASKED]
    fill(store, 150, 1500)
    after = [steps.of(WorkflowQuery(**asked, limit=5)) for asked in ASKED]
    dear = [(asked, *cost) for asked, *cost in zip(ASKED, before, after, strict=True) if cost[1] > 1.2 * cost[0] + 100]
    assert dear == []
    for asked, first in zip(ASKED, after, strict=True):
        query = WorkflowQuery(**asked, limit=5)
        token = store.list_workflows(query).next
        assert steps.of(attrs.evolve(query, page_token=token)) < 1.5 * first + 100, asked


def test_a_turn_touches_no_index_but_that_of_what_is_pending(path: Path, store: SQLiteStore):
    """Saving a running workflow costs the same with a thousand others, and few pages of the log."""
    fill(store, 0, 1000)
    saved = store.save_workflow(workflow("w"))
    saved = store.save_workflow(saved)
    log = Path(f"{path}-wal")
    store._file._writer[0].execute("PRAGMA wal_checkpoint(TRUNCATE)")
    for number in range(1, 21):
        saved = store.save_workflow(attrs.evolve(saved, last_updated=NOON + timedelta(seconds=number)), [event(number)])
    assert log.stat().st_size / 4096 / 20 < 2
    assert store.get_workflow("w") == saved


# What a store remembers of its file


def test_whoever_saves_is_behind_what_others_have_touched(path: Path):
    """A save puts its workflow behind those that another store, a lease or another save has touched meanwhile."""
    with SQLiteStore(path) as mine, SQLiteStore(path) as other:
        kept = {name: mine.save_workflow(workflow(name)) for name in ("a", "b", "c")}

        def save(store: SQLiteStore, name: str) -> None:
            kept[name] = store.save_workflow(kept[name], [event(kept[name].revision)])

        for touch, last in (
            (lambda: save(mine, "a"), "a"),
            (lambda: save(mine, "a"), "a"),
            (lambda: save(other, "b"), "b"),
            (lambda: save(mine, "a"), "a"),
            (lambda: mine.release(mine.acquire("c", "me", 60)), "c"),
            (lambda: save(mine, "a"), "a"),
            (lambda: other.release(other.acquire("b", "me", 60)), "b"),
            (lambda: save(mine, "a"), "a"),
            (lambda: save(mine, "c"), "c"),
            (lambda: save(mine, "a"), "a"),
        ):
            touch()
            assert mine.list_pending()[-1] == last
            assert other.list_pending()[-1] == last
        assert [one.id for one in mine.read_history("a")] == list(range(1, kept["a"].revision))


def test_what_is_remembered_is_not_trusted_where_another_has_written(path: Path):
    """A store that has saved a workflow again and again hears of what another store did to it."""
    with SQLiteStore(path) as mine, SQLiteStore(path) as other:
        kept = mine.save_workflow(workflow("w"))
        for number in range(3):
            kept = mine.save_workflow(kept, [event(number + 1)])
        ahead = other.save_workflow(kept, [event(4)])
        with pytest.raises(ConflictError):
            mine.save_workflow(kept, [event(4)])
        kept = mine.save_workflow(ahead, [event(5)])
        assert [one.id for one in other.read_history("w")] == [1, 2, 3, 4, 5]
        other.delete_workflow("w")
        with pytest.raises(ConflictError):
            mine.save_workflow(kept, [event(6)])
        again = other.save_workflow(workflow("w"))
        with pytest.raises(ConflictError):
            mine.save_workflow(kept, [event(6)])
        assert mine.save_workflow(again, [event(1)]).revision == 2
        ended = mine.save_workflow(attrs.evolve(mine.get_workflow("w"), status=WorkflowStatus.FAILED))
        assert mine.save_workflow(ended).revision == 4
        assert mine.list_pending() == ()


def test_a_save_that_only_brings_events_is_one_row(path: Path):
    """Turn after turn of one workflow leaves its own row as it is; whoever asks gets what was saved last."""
    later = NOON + timedelta(seconds=1)
    with SQLiteStore(path) as mine, SQLiteStore(path) as other:
        kept = mine.save_workflow(workflow("w", status=WorkflowStatus.RUNNING), [event(1)])
        for number in range(2, 8):
            kept = mine.save_workflow(
                attrs.evolve(kept, last_updated=later), [event(2 * number), event(2 * number + 1)]
            )
        row = "SELECT revision, events, updated FROM workflows"
        assert asked_directly(path, row) == [(1, 1, None)]
        assert asked_directly(path, "SELECT count, revision FROM turns ORDER BY place")[-2:] == [(2, 6), (2, 7)]
        for store in (mine, other):
            assert store.get_workflow("w") == kept
            assert store.list_workflows(WorkflowQuery()).items == (kept,)
            assert store.list_workflows(WorkflowQuery(summary_only=True)).items[0].last_updated == later
            assert len(store.read_history("w")) == 13
            assert [one.id for one in store.read_history("w", after=11)] == [14, 15]
        for store, revision in ((mine, 6), (other, 6), (mine, 7), (other, 7)):
            store.save_snapshot("w", revision, 13, revision)
            found = store.load_snapshot("w")
            assert (None if found is None else found.value) == (7 if revision == 7 else None)
        kept = other.save_workflow(attrs.evolve(kept, tags={"a": "b"}))
        assert asked_directly(path, row) == [(8, 13, None)]
        assert mine.get_workflow("w") == kept
        kept = mine.save_workflow(kept, [event(16)])
        with pytest.raises(ConflictError):
            other.save_workflow(attrs.evolve(kept, revision=8), [event(16)])
        ended = attrs.evolve(kept, status=WorkflowStatus.SUCCEEDED, output=1)
        assert other.save_workflow(ended, [event(17)]) == mine.get_workflow("w")
        assert len(mine.read_history("w")) == 15


def test_two_stores_that_go_on_from_the_same_save(path: Path):
    """Of two that both bring the next events of a workflow, and both remember it well, one is refused."""
    with SQLiteStore(path) as mine, SQLiteStore(path) as other:
        kept = mine.save_workflow(workflow("w"), [event(1)])
        for number in range(2, 30):
            first, second = (mine, other) if number % 2 else (other, mine)
            ahead = first.save_workflow(kept, [event(number)])
            with pytest.raises(ConflictError):
                second.save_workflow(kept, [event(number), event(number + 1)])
            assert second.get_workflow("w") == ahead
            kept = second.save_workflow(ahead, [event(number)])
        assert len(mine.read_history("w")) == 57
        assert mine.get_workflow("w").revision == kept.revision == 57


# Opening and closing


@pytest.mark.parametrize("round", range(20))
def test_many_open_a_new_file_at_once(path: Path, round: int):
    """Of many who open a file that is not there one makes it, and all use it."""

    def work(number: int) -> str:
        with SQLiteStore(path) as store:
            return store.save_workflow(workflow(f"w{number}")).id

    made, errors = at_once(10, work)
    assert not errors
    with SQLiteStore(path) as store:
        assert {one.id for one in store.list_workflows(WorkflowQuery(limit=100))} == set(made)


@pytest.mark.parametrize(("mode", "level"), [(Synchronous.FULL, 2), (Synchronous.NORMAL, 1)])
def test_how_far_a_commit_gets(path: Path, mode: Synchronous, level: int):
    """The file has a write-ahead log, and SQLite is told how far to go."""
    with SQLiteStore(path, synchronous=mode) as store:
        (writer,) = store._file._writer
        assert writer.execute("PRAGMA synchronous").fetchone() == (level,)
        assert writer.execute("PRAGMA journal_mode").fetchone() == ("wal",)


@pytest.mark.parametrize(
    "asked", [{"path": ""}, {"path": ":memory:"}, {"timeout": -1}, {"timeout": float("nan")}, {"synchronous": "OFF"}]
)
def test_what_is_no_file(path: Path, asked: dict[str, Any]):
    """A path without a file, a time-out that is none or another mode is an InvalidValueError."""
    with pytest.raises(InvalidValueError):
        SQLiteStore(**{"path": path, **asked})


def test_the_path_stays_when_the_folder_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A relative path means what it meant when the store was opened."""
    monkeypatch.chdir(tmp_path)
    with SQLiteStore("here.db") as store:
        monkeypatch.chdir("/")
        while store._file._idle:
            store._file._idle.pop().close()
        store.save_workflow(workflow("w"))
        assert store.get_workflow("w").id == "w"
        assert repr(store) == f"<SQLiteStore {tmp_path / 'here.db'}>"


def test_a_closed_store(path: Path):
    """After close everything is a StoreError, closing again does nothing, and SQLite has tidied up."""
    store = SQLiteStore(path)
    store.save_workflow(workflow("w"))
    store.close()
    store.close()
    for ask in (lambda: store.get_workflow("w"), lambda: store.save_workflow(workflow("v")), store.list_pending):
        with pytest.raises(StoreError, match="closed"):
            ask()
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_a_forgotten_store_is_closed(path: Path):
    """A store that nobody holds any more leaves no connection behind, and no warning."""
    store = SQLiteStore(path)
    store.save_workflow(workflow("w"))
    del store
    gc.collect()
    assert not Path(f"{path}-wal").exists()


def test_a_forked_child_must_open_its_own(store: SQLiteStore, monkeypatch: pytest.MonkeyPatch):
    """In another process than the one that opened it a store refuses to work."""
    monkeypatch.setattr(os, "getpid", lambda: -1)
    for ask in (lambda: store.save_workflow(workflow("w")), store.list_pending):
        with pytest.raises(StoreError, match="fork"):
            ask()


def test_readers_see_whole_saves(store: SQLiteStore):
    """A reader beside a writer sees workflow and history as one save or another left them, never half of one."""
    store.save_workflow(workflow("w"))

    def work(number: int) -> None:
        if number == 0:
            saved: Workflow = store.get_workflow("w")
            for turn in range(1, 100):
                saved = store.save_workflow(
                    attrs.evolve(saved, status_reason=str(2 * turn)), [event(2 * turn - 1), event(2 * turn)]
                )
        else:
            for _ in range(100):
                told = int(store.get_workflow("w").status_reason or 0)
                kept = len(store.read_history("w", limit=10_000))
                assert kept % 2 == 0
                assert kept >= told

    _, errors = at_once(4, work)
    assert errors == []


def test_only_this_store_loads_sqlite():
    """``sqlite3`` is loaded by the name ``workflow_manager.SQLiteStore``, not by the package or another store."""
    code = (
        "import sys, workflow_manager; workflow_manager.MemoryStore; print('sqlite3' in sys.modules);"
        "workflow_manager.SQLiteStore; print('sqlite3' in sys.modules)"
    )
    paths = os.pathsep.join(path for path in sys.path if path)
    done = subprocess.run(
        [sys.executable, "-S", "-c", code],
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["False", "True"]
