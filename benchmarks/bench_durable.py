"""
What it costs to go on after a process has ended.   bench_durable.py WHAT [N]

``load``: a workflow with about N events, which waits in the middle of a chain of Tasks, is loaded by a driver that has
never seen it (median of several), from its snapshot and from its whole history.  ``take-over``: N unfinished workflows
of a process that is gone are taken over when a manager is made.  ``memory``: what each of N finished workflows leaves
in the memory of a manager over a SQLite file.  What a durable step costs is in bench_sqlite.py (``floor``, ``turn``,
``chain``) and peers/bench_dbos.py (``chain-task``).
"""

from __future__ import annotations

import gc
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from pathlib import Path

import attrs
from harness import PAYLOAD, bump, chain, measure, resident_mb

import workflow_manager as wm
from workflow_manager.engine import NO_LIMITS
from workflow_manager.engine.pending import PendingTask
from workflow_manager.engine.reports import Report
from workflow_manager.managers.driver import Driver
from workflow_manager.managers.snapshots import Snapshots
from workflow_manager.stores.sqlite import SQLiteStore, Synchronous

OURS = "workflow-manager, SQLite"
EVENTS_EACH = 5  # of one Task: entered, scheduled, started, succeeded, exited
TRIES = 21


class Idle:
    """A runner that does nothing and has no news."""

    def start(self, workflow: wm.Workflow, task: PendingTask) -> None:
        return None

    def poll(self, workflow: wm.Workflow, tasks: Sequence[PendingTask]) -> Sequence[Report]:
        return ()

    def stop(self, workflow: wm.Workflow, keep: Collection[str]) -> None:
        return None


def definition(n: int) -> wm.WorkflowDefinition:
    machine = wm.StateMachine.from_dict(chain(n, {"Type": "Task", "Resource": "bump"}))
    return wm.WorkflowDefinition(name="chain", state_machine=machine)


def half_done(store: SQLiteStore, n: int) -> wm.Workflow:
    """A workflow with about *n* events, in a chain of 5,000 Tasks whatever *n*; its process is gone."""
    reached, gate = threading.Event(), threading.Event()

    def step(order: dict[str, int]) -> dict[str, int]:
        if order["order"] == n // EVENTS_EACH:
            reached.set()
            gate.wait()
        return bump(order)

    manager = wm.LocalWorkflowManager(store, tasks={"bump": step}, limits=NO_LIMITS)
    workflow = manager.create_workflow(definition(5000), PAYLOAD)
    reached.wait()
    time.sleep(0.2)  # its start has been told
    manager.close(wait=False)
    gate.set()
    return workflow


def loads(store: SQLiteStore, workflow: wm.Workflow, snapshots: Snapshots | None) -> float:
    """Milliseconds of a refresh by a driver that has never seen the workflow: the median."""
    took = []
    stored = store.get_workflow(workflow.id)
    for _ in range(TRIES):
        driver = Driver(
            store,
            Idle(),
            clock=lambda: datetime.now(UTC),
            limits=NO_LIMITS,
            listeners=[],
            adopts=False,
            snapshots=snapshots,
        )
        gc.collect()
        begun = time.perf_counter()
        driver.refresh(stored)
        took.append(1000 * (time.perf_counter() - begun))
    return round(statistics.median(took), 2)


def load(path: Path, n: int) -> None:
    with SQLiteStore(path, synchronous=Synchronous.NORMAL) as store, measure(OURS, "load", n) as line:
        workflow = half_done(store, n)
        kept = store.load_snapshot(workflow.id)
        line["behind"] = n if kept is None else n - kept.position  # events after the snapshot, about
        line["snapshot_ms"] = loads(store, workflow, Snapshots(store))
        line["history_ms"] = loads(store, workflow, None)


def take_over(path: Path, n: int) -> None:
    with SQLiteStore(path) as store:
        now = datetime.now(UTC)
        what = store.save_workflow_definition(attrs.evolve(definition(3), manager="local"))
        for number in range(n):
            store.save_workflow(
                wm.Workflow(id=str(number), workflow_definition=what, created_at=now, last_updated=now, input=PAYLOAD)
            )
        with measure(OURS, "take-over", n) as line:
            begun = time.perf_counter()
            with wm.LocalWorkflowManager(store, tasks={"bump": bump}) as manager:
                line["until_made"] = time.perf_counter() - begun
                for number in range(n):
                    wm.wait(manager, store.get_workflow(str(number)), timeout=600)


def memory(path: Path, n: int) -> None:
    with (
        SQLiteStore(path, synchronous=Synchronous.NORMAL) as store,
        wm.LocalWorkflowManager(store, tasks={"bump": bump}) as manager,
    ):
        what = store.save_workflow_definition(definition(3))

        def run(count: int) -> None:
            for workflow in [manager.create_workflow(what, PAYLOAD) for _ in range(count)]:
                wm.wait(manager, workflow, timeout=600)
            gc.collect()

        run(3000)  # what is kept of the latest is full then
        before = resident_mb()
        with measure(OURS, "memory", n) as line:
            run(n)
            line["kb_each"] = (resident_mb() - before) * 1000 / n


def main(what: str, n: int = 1000) -> None:
    with tempfile.TemporaryDirectory() as folder:
        {"load": load, "take-over": take_over, "memory": memory}[what](Path(folder) / "bench.db", n)


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
