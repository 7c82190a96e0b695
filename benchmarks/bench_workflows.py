"""
N workflows of three Tasks, all created at once, then waited for; and what each leaves in memory.

    bench_workflows.py [memory|sqlite] [N]
"""

from __future__ import annotations

import gc
import sys

from harness import PAYLOAD, bump, chain, measure, resident_mb
from stores import WHO, open_store

import workflow_manager as wm


def main(store_kind: str = "memory", n: int = 1000) -> None:
    machine = wm.StateMachine.from_dict(chain(3, {"Type": "Task", "Resource": "bump"}))
    with open_store(store_kind) as store:
        definition = store.save_workflow_definition(wm.WorkflowDefinition(name="three", state_machine=machine))
        with wm.LocalWorkflowManager(store, tasks={"bump": bump}) as manager:
            wm.wait(manager, manager.create_workflow(definition, PAYLOAD), timeout=60)
            gc.collect()
            before = resident_mb()
            with measure(WHO[store_kind], "workflows", n) as extra:
                created = [manager.create_workflow(definition, PAYLOAD) for _ in range(n)]
                outputs = [wm.wait(manager, workflow, timeout=600).output for workflow in created]
                assert outputs == [{**PAYLOAD, "order": 3}] * n
                del created, outputs
                gc.collect()
                extra["kb_each"] = (resident_mb() - before) * 1000 / n


if __name__ == "__main__":
    main(*sys.argv[1:2], *map(int, sys.argv[2:]))
