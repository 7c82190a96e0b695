"""
AWS Batch, on the fake: calls are exact, CPU is this library's and botocore's.

    bench_batch.py create N | refresh N | unchanged N | workflows N | import

``create`` makes one workflow of N jobs, ``refresh`` looks at it once, ``unchanged`` looks at it ten times while nothing
moves, ``workflows`` looks at N workflows of ten jobs together, ``import`` times the loading of the far side and of
boto3 in fresh interpreters.
"""

from __future__ import annotations

import subprocess
import sys

from harness import chain, cpu_seconds, measure

import workflow_manager as wm
from workflow_manager.managers.batch import Patience
from workflow_manager.testing import FakeBatch

LOOKS, JOBS, IMPORTS = 10, 10, 7


def world():
    fake = FakeBatch()
    fake.add_queue("jobs")
    fake.register("work", lambda job: 0)
    patience = Patience(sleep=lambda seconds: None)
    manager = wm.BatchWorkflowManager(
        fake.client(), wm.MemoryStore(), default_queue="jobs", clock=fake.clock, patience=patience, calls_per_second=1e9
    )
    return fake, manager


def definition(jobs):
    machine = wm.StateMachine.from_dict(chain(jobs, {"Type": "Task", "Resource": "work"}))
    return wm.WorkflowDefinition(name="bench", state_machine=machine, manager="batch")


def create(n):
    fake, manager = world()
    with measure("workflow-manager", "batch-create", n) as extra:
        manager.create_workflow(definition(n), {})
        extra.update(fake.calls)
    assert fake.calls == {"SubmitJob": n}, fake.calls


def refresh(n):
    fake, manager = world()
    workflow = manager.create_workflow(definition(n), {})
    fake.calls.clear()
    with measure("workflow-manager", "batch-refresh", n) as extra:
        manager.update_workflow_summary(workflow)
        extra.update(fake.calls)
    assert fake.calls == {"DescribeJobs": -(-n // 100)}, fake.calls


def unchanged(n):
    _, manager = world()
    workflow = manager.create_workflow(definition(n), {})
    manager.update_workflow_summary(workflow)
    used = cpu_seconds()
    with measure("workflow-manager", "batch-unchanged", n * LOOKS) as extra:
        for _ in range(LOOKS):
            manager.update_workflow_summary(workflow)
        extra["cpu_per_look"] = (cpu_seconds() - used) / LOOKS


def workflows(n):
    fake, manager = world()
    made = [manager.create_workflow(definition(JOBS), {}) for _ in range(n)]
    fake.calls.clear()
    with measure("workflow-manager", "batch-workflows", n) as extra:
        manager.update_workflows(made)
        extra.update(fake.calls)
    assert fake.calls == {"DescribeJobs": -(-n * JOBS // 100)}, fake.calls


def imported(code):
    """The best of some: CPU seconds of a fresh interpreter that runs *code*, beyond those of one that runs nothing."""
    best = []
    for line in (code, "pass"):
        times = []
        for _ in range(IMPORTS):
            begun = cpu_seconds()
            subprocess.run([sys.executable, "-c", line], check=True)
            times.append(cpu_seconds() - begun)
        best.append(min(times))
    return best[0] - best[1]


def imports():
    with measure("workflow-manager", "batch-import", 6 * IMPORTS) as extra:
        far = imported("import workflow_manager.workers.batch")
        table = imported("import workflow_manager.workers.batch, workflow_manager.workers.batch_results, boto3")
        boto = imported("import boto3")
        extra.update(far=far, far_with_boto3=table, boto3=boto, ratio=far / boto, ratio_with_boto3=table / boto)


BENCHES = {"create": create, "refresh": refresh, "unchanged": unchanged, "workflows": workflows}


if __name__ == "__main__":
    what, *count = sys.argv[1:]
    imports() if what == "import" else BENCHES[what](int(count[0]))
