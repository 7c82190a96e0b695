"""The models: what they hold, refuse and say of themselves."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import attrs
import pytest

from workflow_manager.asl.machine import StateMachine
from workflow_manager.exceptions import InvalidValueError
from workflow_manager.models import (
    Job,
    JobAttempt,
    JobStatus,
    ManagerName,
    Page,
    ResourceType,
    StateResource,
    Workflow,
    WorkflowDefinition,
    WorkflowQuery,
    WorkflowStatus,
    changed,
)

AT = datetime(2026, 5, 6, 7, 8, 9, 10, tzinfo=UTC)
MACHINE = StateMachine.from_dict({"StartAt": "Nap", "States": {"Nap": {"Type": "Wait", "Seconds": 1, "End": True}}})
NAP = WorkflowDefinition(name="nap", state_machine=MACHINE)


def workflow(**fields: Any) -> Workflow:
    return Workflow(**{"id": "w", "workflow_definition": NAP, "created_at": AT, "last_updated": AT, **fields})


def test_statuses_have_the_original_names() -> None:
    """The values are those of the original's API, in its spelling."""
    assert [status.value for status in WorkflowStatus] == ["queued", "running", "succeeded", "failed", "cancelled"]
    assert [status.value for status in JobStatus] == [
        "created",
        "queued",
        "waiting_for_deps",
        "running",
        "succeeded",
        "failed",
        "aborted_deps_failed",
        "aborted_by_user",
    ]
    assert [type.value for type in ResourceType][:4] == [
        "JobDefinitionARN",
        "ActivityARN",
        "LambdaFunctionARN",
        "TaskARN",
    ]
    assert [name.value for name in ManagerName] == ["batch", "step-functions", "local"]


def test_final_statuses() -> None:
    """A workflow ends succeeded, failed or cancelled; a job ends well, badly, or aborted in two ways."""
    assert {status for status in WorkflowStatus if status.is_final} == {"succeeded", "failed", "cancelled"}
    assert {status for status in JobStatus if status.is_final} == {
        "succeeded",
        "failed",
        "aborted_deps_failed",
        "aborted_by_user",
    }


@pytest.mark.parametrize("status", WorkflowStatus)
@pytest.mark.parametrize("job_status", [None, *JobStatus])
def test_a_workflow_is_done_when_it_and_its_jobs_are(status: WorkflowStatus, job_status: JobStatus | None) -> None:
    """Done means a final status and no known job that goes on."""
    finished = Job(id="1", state="Nap", status=JobStatus.SUCCEEDED)
    jobs = (finished,) if job_status is None else (finished, Job(id="2", state="Nap", status=job_status))
    assert workflow(status=status, jobs=jobs).is_done == (
        status.is_final and (job_status is None or job_status.is_final)
    )


def test_defaults() -> None:
    """A new workflow is queued in the default queue, over an empty object, never saved."""
    new = workflow()
    assert (new.status, new.queue, new.namespace, new.input, new.revision) == ("queued", "default", "", {}, 0)
    assert (NAP.version, NAP.manager, NAP.default_tags) == (0, "local", {})
    assert workflow().input is not new.input


TIMES: list[tuple[type[Any], str, dict[str, Any]]] = [
    (WorkflowDefinition, "created_at", {"name": "n", "state_machine": MACHINE}),
    (StateResource, "last_updated", {"name": "n"}),
    *((JobAttempt, field, {}) for field in ("created_at", "started_at", "stopped_at")),
    *((Job, field, {"id": "1", "state": "s"}) for field in ("created_at", "started_at", "stopped_at")),
    *((workflow, field, {}) for field in ("created_at", "last_updated", "stopped_at")),  # type: ignore[list-item]
    *((WorkflowQuery, field, {}) for field in ("created_after", "created_before")),
]


@pytest.mark.parametrize(("make", "field", "others"), TIMES, ids=lambda value: getattr(value, "__name__", None))
def test_every_time_is_utc(make: Any, field: str, others: dict[str, Any]) -> None:
    """An aware time is turned into UTC; a naive one, or what is no time, is refused and the field named."""
    there = AT.astimezone(timezone(timedelta(hours=-5)))
    kept = getattr(make(**others, **{field: there}), field)
    assert kept == AT
    assert kept.tzinfo is UTC
    for wrong in (AT.replace(tzinfo=None), "2026-05-06T07:08:09Z", 0):
        with pytest.raises(InvalidValueError) as caught:
            make(**others, **{field: wrong})
        assert caught.value.path == f"/{field}"


@pytest.mark.parametrize(
    ("make", "path"),
    [
        (lambda: workflow(id=""), "/id"),
        (lambda: workflow(revision=-1), "/revision"),
        (lambda: attrs.evolve(NAP, name=""), "/name"),
        (lambda: attrs.evolve(NAP, version=-1), "/version"),
        (lambda: attrs.evolve(NAP, version=True), "/version"),
        (lambda: StateResource(name=""), "/name"),
        (lambda: WorkflowQuery(limit=0), "/limit"),
        (lambda: WorkflowQuery(limit=10_001), "/limit"),
        (lambda: WorkflowQuery(limit=True), "/limit"),
    ],
)
def test_what_cannot_be_is_refused(make: Any, path: str) -> None:
    """Empty names, negative counts and limits beyond 1 to 10,000 are refused, and the field named."""
    with pytest.raises(InvalidValueError) as caught:
        make()
    assert caught.value.path == path


@pytest.mark.parametrize("limit", [1, 10, 10_000])
def test_limits(limit: int) -> None:
    """A page may have 1 to 10,000 items."""
    assert WorkflowQuery(limit=limit).limit == limit
    assert WorkflowQuery().limit == 10


def test_models_are_frozen() -> None:
    """Nothing is changed in place; evolve makes another."""
    models: tuple[Any, ...] = (
        workflow(),
        NAP,
        Job(id="1", state="s"),
        JobAttempt(),
        StateResource(name="n"),
        Page(items=()),
    )
    for model in models:
        with pytest.raises(attrs.exceptions.FrozenInstanceError):
            model.id = "other"


def test_changed_is_the_same_but_for_the_changes() -> None:
    """Every other field is the very object; the instance stays as it is; a field that there is not is an error."""
    before = workflow(tags={"team": "a"})
    after = changed(before, revision=3, status=WorkflowStatus.RUNNING)
    assert after == attrs.evolve(before, revision=3, status=WorkflowStatus.RUNNING)
    assert (before.revision, after.tags is before.tags) == (0, True)
    with pytest.raises(TypeError, match="colour"):
        changed(before, colour="red")


def test_tags_are_a_copy() -> None:
    """Changing the mapping that was handed in does not change the tags."""
    tags = {"team": "a"}
    tagged, asked, named = workflow(tags=tags), WorkflowQuery(tags=tags), attrs.evolve(NAP, default_tags=tags)
    tags["team"] = "b"
    assert tagged.tags == asked.tags == named.default_tags == {"team": "a"}


def test_durations() -> None:
    """A duration runs from start to stop, for a workflow from creation, and is unknown before the stop."""
    hour = timedelta(hours=1)
    assert workflow(stopped_at=AT + hour).duration == hour
    assert workflow().duration is None
    assert Job(id="1", state="s", created_at=AT, started_at=AT + hour, stopped_at=AT + 3 * hour).duration == 2 * hour
    assert Job(id="1", state="s", created_at=AT, stopped_at=AT + 3 * hour).duration == 3 * hour
    assert Job(id="1", state="s", created_at=AT).duration is None
    assert Job(id="1", state="s", stopped_at=AT).duration is None


def test_a_summary_leaves_out_what_may_be_large() -> None:
    """A summary has no input, output or jobs, keeps the rest, and has revision 0: it is never saved over the whole."""
    job = Job(id="1", state="Nap", input=[1], output=[2], error="E")
    whole = workflow(input=[1], output=[2], jobs=(job,), last_job=job, tags={"a": "b"}, revision=7)
    summary = whole.summary()
    assert (summary.input, summary.output, summary.jobs, summary.revision) == (None, None, (), 0)
    assert summary.last_job == attrs.evolve(job, input=None, output=None)
    assert attrs.evolve(summary, input=[1], output=[2], jobs=(job,), last_job=job, revision=7) == whole
    assert workflow().summary().last_job is None


def test_reprs_say_what_matters_and_no_data() -> None:
    """A repr names the thing, its status and its error, and never shows input or output."""
    job = Job(
        id="7",
        state="Nap",
        status=JobStatus.FAILED,
        branch_path=("Fan[1]", "Each[3]"),
        attempts=(JobAttempt(), JobAttempt()),
        error="Oops",
        input="secret",
    )
    assert repr(job) == "<Job 7 'Fan[1]/Each[3]/Nap' failed, 2 attempts before, error='Oops'>"
    assert repr(NAP) == "<WorkflowDefinition 'nap' version 0, 1 states>"
    assert repr(workflow(input="secret")) == "<Workflow w 'nap' version 0 queued>"
    assert repr(workflow(status_reason="why")) == "<Workflow w 'nap' version 0 queued, 'why'>"


@pytest.mark.parametrize(
    ("asked", "fits"),
    [
        ({}, True),
        ({"definition_name": "nap"}, True),
        ({"definition_name": "other"}, False),
        ({"status": WorkflowStatus.QUEUED}, True),
        ({"status": WorkflowStatus.FAILED}, False),
        ({"namespace": "n"}, True),
        ({"namespace": ""}, False),
        ({"queue": "q"}, True),
        ({"queue": "default"}, False),
        ({"tags": {"a": "1"}}, True),
        ({"tags": {"a": "1", "b": "2"}}, True),
        ({"tags": {"a": "1", "c": "3"}}, False),
        ({"tags": {"a": "2"}}, False),
        ({"resolved_by_user": False}, True),
        ({"resolved_by_user": True}, False),
        ({"retry_for": "v"}, True),
        ({"retry_for": ""}, False),
        ({"created_after": AT}, True),
        ({"created_after": AT + timedelta(microseconds=1)}, False),
        ({"created_before": AT}, False),
        ({"created_before": AT + timedelta(microseconds=1)}, True),
        ({"definition_name": "nap", "status": WorkflowStatus.FAILED}, False),
    ],
    ids=str,
)
def test_what_a_query_matches(asked: dict[str, Any], fits: bool) -> None:
    """Every field that is given must fit; times are a half-open interval."""
    one = workflow(namespace="n", queue="q", tags={"a": "1", "b": "2"}, retry_for="v")
    assert WorkflowQuery(**asked).matches(one) is fits


def test_a_page_is_a_sequence_of_its_items() -> None:
    """A page is iterated and counted like its items."""
    page = Page(items=("a", "b"), next="token")
    assert (list(page), len(page), page.next) == (["a", "b"], 2, "token")
