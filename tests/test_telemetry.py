"""Traces: one for each workflow, a span for each job, nothing of what they carry."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("opentelemetry.sdk")
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from workflow_manager import (
    LocalWorkflowManager,
    MemoryStore,
    StateMachine,
    TaskError,
    WorkflowDefinition,
    WorkflowStatusError,
    wait,
)
from workflow_manager.service.telemetry import TraceListener

SECRET = "hunter2"


def boom(value: Any) -> Any:
    raise TaskError("Boom", f"it cannot do {value}")


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def manager(exporter):
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    with LocalWorkflowManager(MemoryStore(), {"echo": lambda value: value, "boom": boom}) as manager:
        manager.on_event(TraceListener(provider.get_tracer("workflow_manager")))
        yield manager


def run(manager: Any, last: str = "echo") -> Any:
    task = {"Type": "Task", "Resource": "echo", "End": True}
    branches = [{"StartAt": name, "States": {name: task}} for name in ("Left", "Right")]
    states = {
        "Fan": {"Type": "Parallel", "Branches": branches, "Next": "Last"},
        "Last": {"Type": "Task", "Resource": last, "End": True},
    }
    machine = StateMachine.from_dict({"StartAt": "Fan", "States": states})
    definition = WorkflowDefinition(name="traced", state_machine=machine)
    return wait(manager, manager.create_workflow(definition, {"password": SECRET}), timeout=20)


def test_a_workflow_is_a_trace_and_a_job_a_span(manager, exporter):
    """All spans of one workflow are in one trace, those of jobs under its own; two workflows are two traces."""
    first, second = run(manager), run(manager)
    spans = exporter.get_finished_spans()
    roots = [span for span in spans if span.parent is None]
    assert [root.attributes["workflow.id"] for root in roots] == [first.id, second.id]
    assert len({root.context.trace_id for root in roots}) == 2
    for root, workflow in zip(roots, (first, second), strict=True):
        inside = [span for span in spans if span.parent is not None and span.parent.span_id == root.context.span_id]
        assert sorted(span.name for span in inside) == ["Last", "Left", "Right"]
        assert {span.context.trace_id for span in inside} == {root.context.trace_id}
        assert sorted(span.attributes["job.branch"] for span in inside) == ["", "Fan[0]", "Fan[1]"]
        assert root.status.status_code is StatusCode.UNSET
        assert all(root.start_time <= span.start_time <= span.end_time <= root.end_time for span in inside)
        assert root.end_time == round(workflow.stopped_at.timestamp() * 1e6) * 1000


def test_a_failure_is_told_by_its_name(manager, exporter):
    """The job that failed and its workflow have the status ERROR and the error's name."""
    run(manager, "boom")
    failed = [span for span in exporter.get_finished_spans() if span.status.status_code is StatusCode.ERROR]
    assert [(span.name, span.status.description, span.attributes["error.type"]) for span in failed] == [
        ("Last", "Boom", "Boom"),
        ("traced", "Boom", "Boom"),
    ]


def test_no_payload_leaves_the_house(manager, exporter):
    """Neither inputs and outputs nor causes are in any span."""
    run(manager)
    run(manager, "boom")
    told = "".join(span.to_json() for span in exporter.get_finished_spans())
    assert "traced" in told
    assert SECRET not in told


def test_a_workflow_of_step_functions_is_traced_when_it_has_ended(exporter):
    """What nobody has told of is traced from its jobs, by the same rules; not before its end."""
    pytest.importorskip("boto3")
    from sfn_fake import FakeStepFunctions, manager_of

    fake = FakeStepFunctions()
    manager = manager_of(fake, MemoryStore())
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    listener = TraceListener(provider.get_tracer("workflow_manager"))
    states = {"Work": {"Type": "Task", "Resource": "echo", "End": True}}
    machine = StateMachine.from_dict({"StartAt": "Work", "States": states})
    definition = WorkflowDefinition(name="traced", state_machine=machine, manager="step-functions")
    workflow = manager.create_workflow(definition, {"password": SECRET})
    with pytest.raises(WorkflowStatusError):
        listener.trace(workflow)
    fake.advance(60)
    listener.trace(wait(manager, workflow, timeout=20))
    job, root = sorted(exporter.get_finished_spans(), key=lambda span: span.parent is None)
    assert (job.name, root.name, job.parent.span_id) == ("Work", "traced", root.context.span_id)
    assert root.attributes["workflow.status"] == "succeeded"
    assert SECRET not in job.to_json() + root.to_json()
