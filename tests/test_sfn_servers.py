"""Step Functions over loopback: other people's servers, where they can be trusted."""

from __future__ import annotations

import importlib.util
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config

from workflow_manager.asl import StateMachine
from workflow_manager.exceptions import TaskError
from workflow_manager.managers.step_functions import StepFunctionsWorkflowManager
from workflow_manager.managers.wait import wait
from workflow_manager.models import WorkflowDefinition, WorkflowStatus
from workflow_manager.stores.memory import MemoryStore
from workflow_manager.testing import kitchen_sink
from workflow_manager.workers.activity import ActivityWorker

REGION = "us-east-1"


def client_of(address: str | None) -> Any:
    session = boto3.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name=REGION)
    config = Config(inject_host_prefix=False, read_timeout=65, max_pool_connections=60)
    return session.client("stepfunctions", endpoint_url=address, config=config)


@pytest.fixture(scope="module")
def ministack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a ministack that has Step Functions."""
    if importlib.util.find_spec("ministack") is None:
        pytest.skip("ministack is not installed")
    folder, port = tmp_path_factory.mktemp("ministack"), free_port()
    given = {"GATEWAY_PORT": str(port), "BIND_HOST": "127.0.0.1", "LOG_LEVEL": "WARNING", "TMPDIR": str(folder)}
    environment = {**os.environ, **given, "IOT_MTLS_ENABLED": "0"}
    command = [sys.executable, "-c", "from ministack.app import main; main()"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
    try:
        await_answer(port, process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(20)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def await_answer(port: int, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < end:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=5).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError("ministack does not answer")


def manager_on(client: Any, account: str) -> StepFunctionsWorkflowManager:
    role = f"arn:aws:iam::{account}:role/workflows"
    return StepFunctionsWorkflowManager(client, MemoryStore(), role_arn=role, region=REGION, account_id=account)


def definition(name: str, states: dict[str, Any], **fields: Any) -> WorkflowDefinition:
    machine = StateMachine.from_dict({"StartAt": next(iter(states)), "States": states, **fields})
    return WorkflowDefinition(name=name, state_machine=machine, manager="step-functions")


def test_manager_and_worker_on_ministack(ministack):
    """The kitchen sink, done by the activity worker: a failure that is retried, three jobs, the output."""
    client = client_of(ministack)
    manager, failures = manager_on(client, "000000000000"), ["once"]

    def first(input: Any) -> Any:
        if failures:
            raise TaskError("Flaky", failures.pop())
        return {**input, "first": True}

    functions = {
        "fake-resource-1": first,
        "fake-resource-2": lambda i: i,
        "fake-resource-3": lambda i: {**i, "last": 1},
    }
    with ActivityWorker(client, functions, namespace="dev", worker_name="here", grace=1):
        workflow = manager.create_workflow(kitchen_sink(), {"n": 1}, namespace="dev")
        workflow = wait(manager, workflow, timeout=40)
    assert (workflow.status, workflow.output) == (
        WorkflowStatus.SUCCEEDED,
        {"n": 1, "first": True, "last": 1, "_EXECUTION_NAME": workflow.id},
    )
    assert [job.state for job in workflow.jobs] == ["start-state", "second-state", "end-state"]
    assert failures == []  # ministack sends no previousEventId, so whose attempt it was cannot be told


def test_jsonata_and_paging_on_ministack(ministack):
    """A JSONata Map whose items carry the execution's name; its history comes in pages."""
    states = {
        "M": {
            "Type": "Map",
            "Items": "{% $states.input.items %}",
            "ItemProcessor": {"StartAt": "T", "States": {"T": {"Type": "Pass", "End": True}}},
            "End": True,
        }
    }
    manager = manager_on(client_of(ministack), "000000000000")
    made = definition("jsonata", states, QueryLanguage="JSONata")
    workflow = manager.create_workflow(made, {"items": [{"n": n} for n in range(40)]})
    workflow = wait(manager, workflow, timeout=40)
    assert workflow.status is WorkflowStatus.SUCCEEDED
    assert workflow.output[39] == {"n": 39, "_EXECUTION_NAME": workflow.id}
    assert manager.update_workflow_history(workflow).jobs == workflow.jobs


def test_cancel_on_ministack(ministack):
    """A running workflow is stopped, and the reason comes back."""
    manager = manager_on(client_of(ministack), "000000000000")
    states = {"W": {"Type": "Wait", "Seconds": 300, "End": True}}
    workflow = manager.create_workflow(definition("waiting", states), {})
    end = time.monotonic() + 20
    while workflow.status is not WorkflowStatus.RUNNING and time.monotonic() < end:
        workflow = manager.update_workflow_summary(workflow)
    workflow = manager.cancel_workflow(workflow, reason="not wanted")
    assert (workflow.status, workflow.status_reason) == (WorkflowStatus.CANCELLED, "not wanted")


def test_simple_machines_on_moto():
    """Pass, Choice and Fail, in process: the output, or the error with its cause."""
    moto = pytest.importorskip("moto")
    with moto.mock_aws(config={"stepfunctions": {"execute_state_machine": True}}):
        manager = manager_on(client_of(None), "123456789012")
        states = {
            "Look": {
                "Type": "Choice",
                "Choices": [{"Variable": "$.ok", "BooleanEquals": True, "Next": "Good"}],
                "Default": "Bad",
            },
            "Good": {"Type": "Pass", "End": True},
            "Bad": {"Type": "Fail", "Error": "E", "Cause": "C"},
        }
        good, bad = (manager.create_workflow(definition("simple", states), {"ok": ok}) for ok in (True, False))
        good, bad = wait(manager, good, timeout=20), wait(manager, bad, timeout=20)
    assert (good.status, good.output["ok"]) == (WorkflowStatus.SUCCEEDED, True)
    assert (bad.status, bad.error, bad.cause) == (WorkflowStatus.FAILED, "E", "C")
    assert [job.state for job in good.jobs] == ["Look"]
