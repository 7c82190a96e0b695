"""
What a durable step costs in an SQLite file.   bench_sqlite.py WHAT [FULL|NORMAL] [N]

``floor``: one row of 300 bytes per commit, as plain as sqlite3 has it.  ``turn``: the store alone, one small turn of a
running workflow per save.  ``chain``: N Tasks in a row through a manager, to the last commit.  ``page``: pages of 50
with N workflows in the file, median and minimum per query, and the size of the file.  The file is made where TMPDIR
says.
"""

from __future__ import annotations

import sqlite3
import statistics
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import attrs
from harness import PAYLOAD, bump, chain, measure

import workflow_manager as wm
from workflow_manager.stores.sqlite import SQLiteStore, Synchronous

NOON = datetime(2026, 3, 14, 12, tzinfo=UTC)
TASK = {"Type": "Task", "Resource": "bump"}


def definition(n: int) -> wm.WorkflowDefinition:
    return wm.WorkflowDefinition(name="chain", state_machine=wm.StateMachine.from_dict(chain(n, TASK)))


def floor(path: Path, mode: Synchronous, n: int) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute(f"PRAGMA synchronous={mode.value}")
    connection.execute("CREATE TABLE rows (number INTEGER PRIMARY KEY, body TEXT)")
    body = "x" * 300
    with measure("sqlite3", f"floor {mode.value}", n):
        for _ in range(n):
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("INSERT INTO rows (body) VALUES (?)", (body,))
            connection.execute("COMMIT")
    connection.close()


def events(turn: int) -> list[wm.HistoryEvent]:
    """What a manager writes for one Task that ends and the next that begins."""
    types = wm.HistoryEventType
    return [
        wm.HistoryEvent(5 * turn + 1, 5 * turn, types.LAMBDA_FUNCTION_STARTED, NOON),
        wm.HistoryEvent(5 * turn + 2, 5 * turn + 1, types.LAMBDA_FUNCTION_SUCCEEDED, NOON, {"output": PAYLOAD}),
        wm.HistoryEvent(5 * turn + 3, 5 * turn + 2, types.TASK_STATE_EXITED, NOON, {"name": "A", "output": PAYLOAD}),
        wm.HistoryEvent(5 * turn + 4, 5 * turn + 3, types.TASK_STATE_ENTERED, NOON, {"name": "B", "input": PAYLOAD}),
        wm.HistoryEvent(
            5 * turn + 5,
            5 * turn + 4,
            types.LAMBDA_FUNCTION_SCHEDULED,
            NOON,
            {"resource": "bump", "input": PAYLOAD},
        ),
    ]


def turns(path: Path, mode: Synchronous, n: int) -> None:
    with SQLiteStore(path, synchronous=mode) as store:
        running = wm.WorkflowStatus.RUNNING
        workflow = wm.Workflow(
            id="w",
            workflow_definition=definition(10),
            created_at=NOON,
            last_updated=NOON,
            input=PAYLOAD,
            status=running,
        )
        saved = store.save_workflow(workflow)
        news = [events(turn) for turn in range(n)]
        with measure("workflow-manager", f"turn {mode.value}", n):
            for turn in range(n):
                saved = store.save_workflow(attrs.evolve(saved, last_updated=NOON), news[turn])


def chained(path: Path, mode: Synchronous, n: int) -> None:
    store = SQLiteStore(path, synchronous=mode)
    saved = store.save_workflow_definition(definition(n))
    with store, wm.LocalWorkflowManager(store, tasks={"bump": bump}) as manager:
        wm.wait(manager, manager.create_workflow(saved, PAYLOAD), timeout=600)  # it is checked and compiled once
        with measure("workflow-manager", f"chain {mode.value}", n) as line:
            created = manager.create_workflow(saved, PAYLOAD)
            assert manager.wait_for_end(created.id, 600)
            line["saves"] = n + 1
        workflow = wm.wait(manager, created, timeout=60)
    assert workflow.revision == n + 1
    assert workflow.output == {**PAYLOAD, "order": n}, workflow


COPY = "WITH RECURSIVE copy(n) AS (VALUES(2) UNION ALL SELECT n + 1 FROM copy WHERE n < ?) INSERT INTO"
COPIES = f"""
{COPY} workflows SELECT n, printf('%08x-0000-4000-8000-%012x', n * 2654435761 % 4294967296, n), 1, 15,
CASE WHEN n % 100 = 0 THEN n END, 0, created + n * 1000000,
CASE WHEN n % 100 = 0 THEN 'running' WHEN n % 5 = 0 THEN 'failed' ELSE 'succeeded' END,
printf('name%d', n % 10), printf('space%d', n % 7), CASE WHEN n % 50000 = 49000 THEN 'rare' ELSE 'default' END,
'', n % 10 <> 0, definition, CASE WHEN n % 3 = 0 THEN '{{"team":"a"}}' ELSE '{{"team":"b"}}' END, summary, NULL
FROM copy, workflows w WHERE w.number = 1
"""
TAGS = "SELECT 'team', CASE WHEN number % 3 = 0 THEN 'a' ELSE 'b' END, created, number FROM workflows"


def fill(path: Path, n: int) -> None:
    """One workflow through the store, the others as copies of its rows: a million by themselves would take minutes."""
    with SQLiteStore(path, synchronous=Synchronous.NORMAL) as store:
        workflow = wm.Workflow(
            id="w", workflow_definition=definition(3), created_at=NOON, last_updated=NOON, input=PAYLOAD
        )
        store.save_workflow(workflow, [event for turn in range(3) for event in events(turn)])
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA cache_size=-200000")
    connection.execute(COPIES, (n,))
    connection.execute(f"{COPY} inputs SELECT n, value FROM copy, inputs WHERE workflow = 1", (n,))
    turns = "SELECT n * 4294967296, events, count FROM copy, turns WHERE place = 4294967296"
    connection.execute(f"{COPY} turns (place, events, count) {turns}", (n,))
    connection.execute(f"INSERT INTO tags {TAGS}")
    connection.commit()
    connection.close()


def queries(n: int) -> dict[str, wm.WorkflowQuery]:
    middle = NOON + timedelta(seconds=n // 2)
    status, asked = wm.WorkflowStatus, {"limit": 50, "summary_only": True}
    return {
        "all": wm.WorkflowQuery(**asked),
        "oldest": wm.WorkflowQuery(oldest_first=True, **asked),
        "middle": wm.WorkflowQuery(created_before=middle, **asked),
        "name": wm.WorkflowQuery(definition_name="name3", **asked),
        "status": wm.WorkflowQuery(status=status.FAILED, **asked),
        "name+status": wm.WorkflowQuery(definition_name="name5", status=status.FAILED, **asked),
        "namespace": wm.WorkflowQuery(namespace="space3", **asked),
        "namespace+status": wm.WorkflowQuery(namespace="space3", status=status.FAILED, **asked),
        "tag": wm.WorkflowQuery(tags={"team": "a"}, **asked),
        "tag+name": wm.WorkflowQuery(tags={"team": "a"}, definition_name="name3", **asked),
        "unresolved": wm.WorkflowQuery(resolved_by_user=False, **asked),
        "queue": wm.WorkflowQuery(queue="rare", **asked),
        "queue+name": wm.WorkflowQuery(queue="rare", definition_name="name0", **asked),
        "nothing in common": wm.WorkflowQuery(definition_name="name3", resolved_by_user=False, **asked),
    }


def paged(path: Path, mode: Synchronous, n: int) -> None:
    begun = time.perf_counter()
    fill(path, n)
    print(f"filled in {time.perf_counter() - begun:.0f} s", file=sys.stderr)
    with SQLiteStore(path, synchronous=mode) as store, measure("workflow-manager", "page", n) as line:
        line["bytes_each"] = path.stat().st_size / n
        for name, query in queries(n).items():
            line[name] = [
                *_times(store, query),
                *_times(store, _second(store, query)),
                len(store.list_workflows(query)),
            ]
        begun = time.perf_counter()
        store.list_pending(50)
        line["pending"] = round(1000 * (time.perf_counter() - begun), 3)


def _second(store: SQLiteStore, query: wm.WorkflowQuery) -> wm.WorkflowQuery:
    return attrs.evolve(query, page_token=store.list_workflows(query).next)


def _times(store: SQLiteStore, query: wm.WorkflowQuery) -> list[float]:
    """Median and minimum in milliseconds."""
    took: list[float] = []
    while len(took) < 41 and sum(took) < 2000:
        begun = time.perf_counter()
        store.list_workflows(query)
        took.append(1000 * (time.perf_counter() - begun))
    return [round(statistics.median(took), 3), round(min(took), 3)]


def main(what: str, mode: str = "FULL", n: int = 1000) -> None:
    with tempfile.TemporaryDirectory() as folder:
        work = {"floor": floor, "turn": turns, "chain": chained, "page": paged}[what]
        work(Path(folder) / "bench.db", Synchronous(mode), n)


if __name__ == "__main__":
    main(sys.argv[1], *sys.argv[2:3], *map(int, sys.argv[3:]))
