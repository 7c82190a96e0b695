"""Flaws of the original's companions, embedded, sfncli and batchcli: each has a test that shows how it is done here."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from sfn_fake import FakeStepFunctions, manager_of
from workflow_manager.asl import StateMachine
from workflow_manager.exceptions import ConflictError
from workflow_manager.models import WorkflowDefinition, WorkflowQuery
from workflow_manager.service import WorkflowService
from workflow_manager.stores.memory import MemoryStore
from workflow_manager.workers import batch, batch_input, batch_results
from workflow_manager.workers.batch_input import JobInput

JOB = {"AWS_BATCH_JOB_ID": "job-1", "AWS_BATCH_JQ_NAME": "workflows-production", "AWS_BATCH_CE_NAME": "ce"}


def definition(result: Any = 1) -> WorkflowDefinition:
    machine = StateMachine.from_dict({"StartAt": "P", "States": {"P": {"Type": "Pass", "Result": result, "End": True}}})
    return WorkflowDefinition(name="order", state_machine=machine, manager="step-functions")


@pytest.fixture
def service() -> WorkflowService:
    store = MemoryStore()
    return WorkflowService(store, manager_of(FakeStepFunctions(), store))


def test_flaw_definitions_of_the_same_name_were_not_noticed_e4(service):
    """A second definition of a name that says something else is a conflict; one that says the same is the first."""
    first = service.create_workflow_definition(definition())
    assert service.create_workflow_definition(definition()) == first
    with pytest.raises(ConflictError):
        service.create_workflow_definition(definition(2))


def test_flaw_only_the_first_page_was_listed_e7(service):
    """Following the pages shows every workflow once."""
    kept = service.create_workflow_definition(definition())
    made = {service.manager.create_workflow(kept, {"n": n}).id for n in range(25)}
    seen: list[str] = []
    token = None
    while True:
        page = service.list_workflows(WorkflowQuery(definition_name="order", limit=10, page_token=token))
        seen += [workflow.id for workflow in page]
        token = page.next
        if token is None:
            break
    assert (len(seen), set(seen)) == (25, made)


class Results:
    """Results that come back in another order than they were asked for, as DynamoDB gives them."""

    def __init__(self, **kept: Any) -> None:
        self.kept = kept

    def save(self, job_id: str, result: Any, /) -> None:
        self.kept[job_id] = result

    def load(self, job_ids: Any, /) -> dict[str, Any]:
        return {job_id: self.kept[job_id] for job_id in sorted(job_ids, reverse=True) if job_id in self.kept}


def test_flaw_the_order_of_dependency_results_was_undefined_batchcli():
    """It is that of _BATCH_DEPENDENCIES, whatever order the store gives them in."""
    results = Results(b="from b", a="from a", c=["from", "c"])
    given = JobInput({**JOB, "_BATCH_DEPENDENCIES": "b,c,a"}, results)
    assert given.arguments() == ["from b", "from", "c", "from a"]


def test_flaw_a_result_was_cut_in_the_middle_of_a_character_batchcli(tmp_path):
    """The original cut at 10,000 bytes; here a result is kept whole, or refused with the way out."""
    text = "ü" * 10_001
    results = batch_results.at(f"file://{tmp_path}")
    environment = {**JOB, "PATH": "/usr/bin:/bin"}
    assert batch.run_command(["printf", "%s", text], environment, results) == 0
    assert results.load(["job-1"]) == {"job-1": text}
    table = batch_results._Table.__new__(batch_results._Table)
    with pytest.raises(batch_input.JobInputError, match="has room for it"):
        table.save("job-1", "ü" * 200_001)


def test_flaw_a_queues_name_overrode_the_flag_batchcli(tmp_path, monkeypatch):
    """A queue called production changes nothing: results go where the command line says."""
    for name, value in JOB.items():
        monkeypatch.setenv(name, value)
    asked: list[str] = []
    kept = Results()
    monkeypatch.setattr(batch, "results_at", lambda url: (asked.append(url), kept)[1])
    assert batch.main(["--results", "dynamodb://mine", "--", "true"]) == 0
    assert (asked, list(kept.kept)) == (["dynamodb://mine"], ["job-1"])
