"""
What the service costs over its store.   bench_service.py WHAT [N] [CLIENTS]

On one SQLite file: ``floor-start``: saving a new workflow with its first events, by the store alone; ``start``:
starting one by name; ``floor-get``: reading a stored workflow; ``get``: asking for one, refreshed; ``poll``: rounds of
``update_pending`` over N workflows that never change.  CLIENTS threads ask at once.  The line has the median and the
99th percentile in milliseconds and the number of errors; if there is one, the bench fails.  The file is made where
TMPDIR says.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

from harness import PAYLOAD, measure

import workflow_manager as wm
from workflow_manager.managers.base import EngineWorkflowManager

NOON = datetime(2026, 3, 14, 12, tzinfo=UTC)
MACHINE = wm.StateMachine.from_dict(
    {"StartAt": "Rest", "States": {"Rest": {"Type": "Wait", "Seconds": 86400, "End": True}}}
)


class Idle:
    """A runner with nothing to do."""

    def start(self, workflow, task):
        return None

    def poll(self, workflow, tasks):
        return []

    def stop(self, workflow, keep):
        return None


def run(workload: str, n: int, clients: int, operation: Callable[[int], object]) -> None:
    """Do *operation* n times, from so many threads at once, and print what it took."""
    taken: list[float] = []
    errors: list[Exception] = []

    def once(number: int) -> None:
        begun = time.perf_counter()
        try:
            operation(number)
        except Exception as error:  # noqa: BLE001  every kind is counted
            errors.append(error)
        taken.append(time.perf_counter() - begun)

    with measure("workflow_manager", f"{workload}, {clients} clients", n) as line:
        with ThreadPoolExecutor(clients) as pool:
            for _ in pool.map(once, range(n)):
                pass
        line["median_ms"] = round(1e3 * statistics.median(taken), 3)
        line["p99_ms"] = round(1e3 * sorted(taken)[int(0.99 * (len(taken) - 1))], 3)
        line["errors"] = len(errors)
    if errors:
        raise SystemExit(f"{len(errors)} errors, the first: {errors[0]!r}")


def saved(store: wm.Store, definition: wm.WorkflowDefinition, number: int) -> wm.Workflow:
    """A new workflow with the two events that its start writes."""
    types = wm.HistoryEventType
    events = [
        wm.HistoryEvent(1, 0, types.EXECUTION_STARTED, NOON, {"input": PAYLOAD}),
        wm.HistoryEvent(2, 0, types.WAIT_STATE_ENTERED, NOON, {"name": "Rest", "input": PAYLOAD}),
    ]
    workflow = wm.Workflow(
        id=f"w{number}", workflow_definition=definition, created_at=NOON, last_updated=NOON, input=PAYLOAD
    )
    return store.save_workflow(workflow, events)


def main(what: str, n: int, clients: int) -> None:
    with tempfile.TemporaryDirectory() as folder, wm.SQLiteStore(Path(folder) / "service.db") as store:
        bench(store, what, n, clients)


def bench(store: wm.Store, what: str, n: int, clients: int) -> None:
    service = wm.WorkflowService(store, EngineWorkflowManager(store, Idle(), name="bench"))
    definition = service.create_workflow_definition(
        wm.WorkflowDefinition(name="rest", state_machine=MACHINE, manager="bench")
    )
    if what == "floor-start":
        run(what, n, clients, lambda number: saved(store, definition, number))
    elif what == "start":
        run(what, n, clients, lambda number: service.start_workflow("rest", PAYLOAD))
    else:
        ids = [service.start_workflow("rest", PAYLOAD).id for _ in range(min(n, 500))]
        if what == "floor-get":
            run(what, n, clients, lambda number: store.get_workflow(ids[number % len(ids)]))
        elif what == "get":
            run(what, n, clients, lambda number: service.get_workflow(ids[number % len(ids)]))
        elif what == "poll":
            run(what, max(1, n // 100), clients, lambda number: service.update_pending(100))
        else:
            raise SystemExit(__doc__)


if __name__ == "__main__":
    given = sys.argv[1:]
    main(given[0] if given else "start", int(given[1]) if given[1:] else 2000, int(given[2]) if given[2:] else 1)
