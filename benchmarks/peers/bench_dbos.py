"""
DBOS with the SQLite database that it uses when told nothing else.

    bench_dbos.py chain-task|map-N|fan-out|workflows [N]

A chain is one workflow of N steps, a Map one child workflow per item, fan-out a queue with 32 at a time.  DBOS stores
every step on disk.  Needs an environment with ``dbos``.
"""

from __future__ import annotations

import gc
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from dbos import DBOS
from harness import PAYLOAD, bump, leave, measure, payloads, resident_mb

FOLDER = Path(tempfile.mkdtemp(prefix="bench-dbos-"))
DBOS(
    config={
        "name": "bench",
        "system_database_url": f"sqlite:///{FOLDER / 'dbos.sqlite'}",
        "log_level": "ERROR",
        "console_log_level": "ERROR",
        "run_admin_server": False,
    }
)


@DBOS.step()
def step(order):
    return bump(order)


@DBOS.step()
def slow_step(order):
    time.sleep(0.05)
    return bump(order)


@DBOS.workflow()
def steps(order, n):
    for _ in range(n):
        order = step(order)
    return order


@DBOS.workflow()
def one(order):
    return step(order)


@DBOS.workflow()
def slow_one(order):
    return slow_step(order)


@DBOS.workflow()
def mapped(orders):
    return [handle.get_result() for handle in [DBOS.start_workflow(one, order) for order in orders]]


@DBOS.workflow()
def fanned_out(orders):
    return [handle.get_result() for handle in [queue.enqueue(slow_one, order) for order in orders]]


DBOS.launch()
queue = DBOS.register_queue("bench", worker_concurrency=32)


def main(workload: str, n: int | None = None) -> None:
    steps(PAYLOAD, 3)
    if workload == "chain-task":
        n = n or 1000
        with measure("DBOS", workload, n):
            assert steps(PAYLOAD, n)["order"] == n
    elif workload.startswith("map-"):
        n = int(workload.removeprefix("map-"))
        with measure("DBOS", workload, n):
            assert [order["order"] for order in mapped(payloads(n))] == list(range(1, n + 1))
    elif workload == "fan-out":
        with measure("DBOS", workload, 64, ideal=0.1):
            assert len(fanned_out(payloads(64))) == 64
    elif workload == "workflows":
        n = n or 1000
        gc.collect()
        before = resident_mb()
        with measure("DBOS", workload, n) as extra:
            for _ in range(n):
                assert steps(PAYLOAD, 3)["order"] == 3
            extra["kb_each"] = (resident_mb() - before) * 1000 / n
    leave()


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
