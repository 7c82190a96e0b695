"""
A chain of states in one workflow: how much one step costs.   bench_chain.py pass|task [memory|sqlite] [N]

``pass``: N Pass states.  ``task``: N Task states, each a Python function run by a worker thread.
"""

from __future__ import annotations

import sys

from harness import PAYLOAD, bump, chain, measure
from stores import WHO, open_store

import workflow_manager as wm

STATES = {"pass": {"Type": "Pass"}, "task": {"Type": "Task", "Resource": "bump"}}


def main(kind: str, store_kind: str = "memory", n: int = 1000) -> None:
    with open_store(store_kind) as store:
        machine = wm.StateMachine.from_dict(chain(n, STATES[kind]))
        definition = store.save_workflow_definition(wm.WorkflowDefinition(name="chain", state_machine=machine))
        with wm.LocalWorkflowManager(store, tasks={"bump": bump}) as manager:
            wm.wait(manager, manager.create_workflow(definition, PAYLOAD), timeout=600)  # checked and compiled once
            with measure(WHO[store_kind], f"chain-{kind}", n):
                workflow = manager.create_workflow(definition, PAYLOAD)
                workflow = wm.wait(manager, workflow, timeout=600)
    assert workflow.output == {**PAYLOAD, "order": n if kind == "task" else 0}, workflow


if __name__ == "__main__":
    main(*sys.argv[1:3], *map(int, sys.argv[3:]))
