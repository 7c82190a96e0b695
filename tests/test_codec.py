"""The codec: the wire, the records, and AWS's events."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflow_manager import codec
from workflow_manager.asl.machine import StateMachine
from workflow_manager.exceptions import DefinitionError, InvalidValueError
from workflow_manager.history import (
    DETAILS_MEMBERS,
    JSON_TEXT_MEMBERS,
    HistoryEvent,
    HistoryEventType,
    UnlistedEventType,
)
from workflow_manager.models import (
    Job,
    JobAttempt,
    JobStatus,
    ResourceType,
    StateResource,
    Workflow,
    WorkflowDefinition,
    WorkflowStatus,
)

AT = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
DOCUMENT: dict[str, Any] = {
    "Comment": "brews",
    "StartAt": "Boil",
    "States": {
        "Boil": {"Type": "Task", "Resource": "kettle", "Next": "Steep", "Retry": [{"ErrorEquals": ["States.ALL"]}]},
        "Steep": {"Type": "Wait", "Seconds": 180, "End": True},
    },
}
TEA = WorkflowDefinition(
    name="tea",
    version=3,
    id="d3",
    created_at=AT,
    state_machine=StateMachine.from_dict(DOCUMENT),
    default_tags={"a": "b"},
)
RESOURCE = StateResource(
    name="kettle", namespace="kitchen", uri="arn:k", type=ResourceType.ACTIVITY_ARN, last_updated=AT
)
ATTEMPT = JobAttempt(
    created_at=AT, started_at=AT, stopped_at=AT, container_instance_arn="c", task_arn="t", reason="spot", exit_code=0
)
JOB = Job(
    id="7",
    state="Boil",
    status=JobStatus.RUNNING,
    created_at=AT,
    input={"cups": 2},
    output=None,
    state_resource=RESOURCE,
    attempts=(ATTEMPT, JobAttempt(exit_code=137, error="OOM", log_stream="logs/1")),
    branch="0/1",
    branch_path=("Fan[0]", "Each[1]"),
    entered_event_id=7,
)
BREW = Workflow(
    id="w1",
    workflow_definition=TEA,
    status=WorkflowStatus.RUNNING,
    created_at=AT,
    last_updated=AT,
    input={"cups": 2, "who": "Zoë"},
    jobs=(JOB,),
    last_job=JOB,
    tags={"team": "a"},
    retries=("w2",),
    error="E",
    idempotency_key="k",
)


def to_millis(at: datetime) -> datetime:
    return at.replace(microsecond=at.microsecond // 1000 * 1000)


# ---------------------------------------------------------------- the wire


def test_a_workflow_on_the_wire() -> None:
    """Names, order of magnitude of times, embedded definition and JSON text are those of the original's API."""
    wire = codec.to_wire(BREW)
    assert wire["createdAt"] == "2026-01-02T03:04:05.678Z"
    assert wire["lastUpdated"] == "2026-01-02T03:04:05.678Z"
    assert wire["status"] == "running"
    assert type(wire["status"]) is str
    assert wire["input"] == '{"cups":2,"who":"Zoë"}'
    assert wire["retryFor"] == ""
    assert wire["retries"] == ["w2"]
    assert wire["resolvedByUser"] is False
    assert wire["statusReason"] == ""
    assert wire["workflowDefinition"] == {
        "id": "d3",
        "name": "tea",
        "version": 3,
        "createdAt": "2026-01-02T03:04:05.678Z",
        "manager": "local",
        "stateMachine": DOCUMENT,
        "defaultTags": {"a": "b"},
    }
    assert {"stoppedAt", "output", "revision", "startAt", "cause"}.isdisjoint(wire)
    assert wire["lastJob"] == wire["jobs"][0]  # type: ignore[index]


def test_a_job_on_the_wire() -> None:
    """A job's attempts and state resource have the original's names, the acronyms in capitals."""
    wire: dict[str, Any] = dict(codec.to_wire(JOB))
    assert wire["input"] == '{"cups":2}'
    assert wire["stateResource"] == {
        "name": "kettle",
        "namespace": "kitchen",
        "uri": "arn:k",
        "type": "ActivityARN",
        "lastUpdated": "2026-01-02T03:04:05.678Z",
    }
    assert wire["attempts"][0] == {
        "createdAt": "2026-01-02T03:04:05.678Z",
        "startedAt": "2026-01-02T03:04:05.678Z",
        "stoppedAt": "2026-01-02T03:04:05.678Z",
        "containerInstanceARN": "c",
        "taskARN": "t",
        "reason": "spot",
        "exitCode": 0,
    }
    assert "exitCode" not in codec.to_wire(JobAttempt())


def test_our_own_fields_are_silent_until_they_say_something() -> None:
    """What the original's API does not know is left out of a job while it holds its default."""
    plain = codec.to_wire(Job(id="1", state="s"))
    assert {"error", "cause", "branch", "branchPath", "stateType", "enteredEventId"}.isdisjoint(plain)
    assert list(codec.to_wire(JOB)["branchPath"]) == ["Fan[0]", "Each[1]"]  # type: ignore[arg-type]


def test_the_wire_and_back() -> None:
    """Reading what was written gives the same, to the millisecond and but for the revision."""
    millis: dict[str, Any] = {"created_at": to_millis(AT)}
    attempt = attrs.evolve(ATTEMPT, started_at=to_millis(AT), stopped_at=to_millis(AT), **millis)
    job = attrs.evolve(
        JOB,
        state_resource=attrs.evolve(RESOURCE, last_updated=to_millis(AT)),
        attempts=(attempt, JOB.attempts[1]),
        **millis,
    )
    wanted = attrs.evolve(
        BREW,
        workflow_definition=attrs.evolve(TEA, **millis),
        last_updated=to_millis(AT),
        jobs=(job,),
        last_job=job,
        **millis,
    )
    assert codec.from_json(Workflow, codec.to_json(attrs.evolve(BREW, revision=9))) == wanted
    assert codec.from_json(Job, codec.to_json(JOB, indent=2)) == job
    assert codec.from_wire(StateResource, codec.to_wire(RESOURCE)) == job.state_resource


@pytest.mark.parametrize(
    ("text", "value"), [("", {}), ("{}", {}), ("null", None), ("[]", []), ('["a"]', ["a"]), ("0", 0), ('""', "")]
)
def test_input_text_of_a_workflow(text: str, value: Any) -> None:
    """Input is JSON text; the empty text and no text mean an empty object, and null means null."""
    assert codec.from_wire(Workflow, {**codec.to_wire(BREW), "input": text}).input == value
    without = {name: field for name, field in codec.to_wire(BREW).items() if name != "input"}
    assert codec.from_wire(Workflow, without).input == {}
    assert codec.from_wire(Workflow, codec.to_wire(attrs.evolve(BREW, input=value))).input == value


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2026-01-02T03:04:05Z", AT.replace(microsecond=0)),
        ("2026-01-02T03:04:05.678901999Z", AT),
        ("2026-01-02t05:04:05.678901+02:00", AT),
        ("2026-01-01T22:04:05.678901-05:00", AT),
    ],
)
def test_times_are_read_as_rfc_3339_has_them(text: str, at: datetime) -> None:
    """Any offset and any number of digits is read, into UTC and microseconds."""
    assert codec.from_wire(Workflow, {**codec.to_wire(BREW), "createdAt": text}).created_at == at


@pytest.mark.parametrize(
    "text", ["2026-01-02", "2026-01-02T03:04:05", "20260102T030405Z", "2026-13-02T03:04:05Z", "", 7]
)
def test_what_is_no_time_is_refused(text: object) -> None:
    """A date, a time without a zone, a number: none is an RFC 3339 timestamp."""
    with pytest.raises(InvalidValueError) as caught:
        codec.from_wire(Workflow, {**codec.to_wire(BREW), "createdAt": text})
    assert caught.value.path == "/createdAt"


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000Z", None])
def test_the_zero_time_of_go_is_no_time(text: str | None) -> None:
    """The original writes Go's zero time where there is none."""
    assert codec.from_wire(Workflow, {**codec.to_wire(BREW), "stoppedAt": text}).stopped_at is None


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"status": "UNHEARD"}, "/status"),
        ({"status": None}, "/status"),
        ({"queue": 1}, "/queue"),
        ({"queue": None}, "/queue"),
        ({"resolvedByUser": 0}, "/resolvedByUser"),
        ({"input": "{"}, "/input"),
        ({"input": "NaN"}, "/input"),
        ({"input": {}}, "/input"),
        ({"tags": {"a": 1}}, "/tags"),
        ({"tags": []}, "/tags"),
        ({"retries": "w2"}, "/retries"),
        ({"retries": ["w2", 3]}, "/retries/1"),
        ({"jobs": {}}, "/jobs"),
        ({"jobs": [{"id": "1"}]}, "/jobs/0/state"),
        ({"jobs": [{"id": "1", "state": "s"}, {"id": 2, "state": "s"}]}, "/jobs/1/id"),
        ({"jobs": [{"id": "1", "state": "s", "attempts": [{}, {"exitCode": "1"}]}]}, "/jobs/0/attempts/1/exitCode"),
        ({"jobs": [{"id": "1", "state": "s", "attempts": [{"exitCode": True}]}]}, "/jobs/0/attempts/0/exitCode"),
        ({"jobs": [{"id": "1", "state": "s", "attempts": [{"taskArn": ""}]}]}, "/jobs/0/attempts/0/taskArn"),
        ({"lastJob": {"id": "1", "state": "s", "stateResource": {"name": ""}}}, "/lastJob/stateResource/name"),
        ({"lastJob": {"id": "1", "state": "s", "colour/of it": 1}}, "/lastJob/colour~1of it"),
        ({"workflowDefinition": []}, "/workflowDefinition"),
        ({"workflowDefinition": {"name": "n", "stateMachine": "{}"}}, "/workflowDefinition/stateMachine"),
        ({"created_at": "2026-01-02T03:04:05Z"}, "/created_at"),
    ],
    ids=str,
)
def test_what_is_wrong_is_named_by_its_place(changes: dict[str, Any], path: str) -> None:
    """A field that is missing, unknown or of the wrong type is an InvalidValueError with its JSON Pointer."""
    with pytest.raises(InvalidValueError) as caught:
        codec.from_wire(Workflow, {**codec.to_wire(BREW), **changes})
    assert caught.value.path == path
    assert caught.value.what == "Workflow"


def test_a_missing_field_is_named() -> None:
    """What has no default must be there."""
    for name in ("id", "createdAt", "lastUpdated", "workflowDefinition"):
        without = {key: value for key, value in codec.to_wire(BREW).items() if key != name}
        with pytest.raises(InvalidValueError) as caught:
            codec.from_wire(Workflow, without)
        assert caught.value.path == f"/{name}"


def test_a_bad_definition_says_why() -> None:
    """Problems of a state machine keep their list, and their paths lead from the top of what was read."""
    with pytest.raises(DefinitionError) as caught:
        codec.from_wire(WorkflowDefinition, {"name": "n", "stateMachine": {"States": 1}})
    assert caught.value.problems
    assert all(problem.path.startswith("/stateMachine") for problem in caught.value.problems)


def test_lenient_reading_passes_over_unknown_fields() -> None:
    """With *lenient* a field that we do not know is passed over at every depth; wrong types are still refused."""
    wire = codec.to_wire(BREW)
    wire |= {"colour": "green", "lastJob": {"id": "1", "state": "s", "colour": 1}}
    assert codec.from_wire(Workflow, wire, lenient=True).last_job == Job(id="1", state="s")
    with pytest.raises(InvalidValueError):
        codec.from_wire(Workflow, {**wire, "queue": 1}, lenient=True)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '"w"'])
def test_what_is_no_json_object_is_refused(text: str) -> None:
    """Text that is not JSON, or no object, is an InvalidValueError too."""
    with pytest.raises(InvalidValueError):
        codec.from_json(Workflow, text)


# ---------------------------------------------------------------- records

TEXT = st.text(st.characters(codec=None), max_size=8)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=12,
)
TIMES = st.integers(0, 2**53).map(lambda micros: datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros))
TYPES = st.sampled_from([*HistoryEventType, *UnlistedEventType])
EVENTS = st.builds(
    HistoryEvent,
    st.integers(1, 10**6),
    st.integers(0, 10**6),
    TYPES,
    TIMES,
    st.none() | st.dictionaries(TEXT, VALUES, max_size=3),
    st.sampled_from(["", "0", "2/0", "1/2/3"]),
    st.none() | TEXT,
    st.none() | st.dictionaries(TEXT, VALUES, max_size=3),
)


def exactly(value: Any) -> str:
    """Text that tells 1 from 1.0 and from True."""
    return repr(value)


@given(EVENTS)
def test_an_event_survives_its_record(event: HistoryEvent) -> None:
    """Any event, listed or not, is read back from its record exactly, and the record can be written as UTF-8."""
    record = codec.event_to_record(event)
    record.encode()
    assert "\n" not in record
    assert exactly(codec.event_from_record(record)) == exactly(event)


def test_no_field_of_an_event_is_lost_in_its_record() -> None:
    """A record has every field that a history event has."""
    full = HistoryEvent(2, 1, HistoryEventType.PASS_STATE_EXITED, AT, {}, "1", "Steep", {})
    assert not [field.name for field in attrs.fields(HistoryEvent) if getattr(full, field.name) == field.default]
    absent: list[dict[str, Any]] = [{}, {"details": None}, {"next": None}, {"beside": None}]
    for changes in (*absent, {"next": None, "beside": None}):
        event = attrs.evolve(full, **changes)
        assert codec.event_from_record(codec.event_to_record(event)) == event


def test_an_event_record_is_compact() -> None:
    """A record is one JSON array without spaces, and no details are no member."""
    event = HistoryEvent(2, 1, HistoryEventType.PASS_STATE_ENTERED, AT, {"name": "Steep", "input": {"cups": 2}}, "1")
    assert codec.event_to_record(event) == (
        '[2,1,"PassStateEntered","2026-01-02T03:04:05.678901+00:00","1",{"name":"Steep","input":{"cups":2}}]'
    )
    bare = attrs.evolve(event, details=None)
    assert len(json.loads(codec.event_to_record(bare))) == 5
    assert codec.event_from_record(codec.event_to_record(bare)).details is None


def test_an_event_of_another_zone_is_recorded_in_utc() -> None:
    """The instant counts; a naive time has none."""
    there = AT.astimezone(timezone(timedelta(hours=9)))
    event = HistoryEvent(1, 0, HistoryEventType.EXECUTION_STARTED, there)
    assert codec.event_from_record(codec.event_to_record(event)).timestamp.tzinfo is UTC
    assert codec.event_from_record(codec.event_to_record(event)).timestamp == AT
    with pytest.raises(InvalidValueError):
        codec.event_to_record(attrs.evolve(event, timestamp=AT.replace(tzinfo=None)))


def test_details_that_are_not_json_are_refused() -> None:
    """A record is JSON or nothing; the culprit's place is named."""
    event = HistoryEvent(1, 0, HistoryEventType.EXECUTION_STARTED, AT, {"input": [float("nan")]})
    with pytest.raises(InvalidValueError):
        codec.event_to_record(event)
    with pytest.raises(InvalidValueError):
        codec.event_to_record(attrs.evolve(event, details={"input": {1, 2}}))  # type: ignore[dict-item]


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", "7", '[1,0,"Unheard","2026-01-02T03:04:05+00:00",""]', '[1,0,"TaskFailed","?",""]']
)
def test_a_damaged_event_record(text: str) -> None:
    """What is no event record is an InvalidValueError."""
    with pytest.raises(InvalidValueError):
        codec.event_from_record(text)


@given(VALUES, VALUES, TIMES)
def test_a_workflow_survives_its_record(input: Any, output: Any, at: datetime) -> None:
    """A record keeps everything but the revision, to the microsecond, and null is not absence."""
    workflow = attrs.evolve(BREW, input=input, output=output, stopped_at=at, start_at="Steep", revision=4)
    record = codec.workflow_to_record(workflow)
    record.encode()
    read = codec.workflow_from_record(record, revision=4)
    assert read == workflow
    assert exactly([read.input, read.output]) == exactly([input, output])


def test_a_record_without_its_constant_parts() -> None:
    """Input and definition may be left out of a record and given back on reading."""
    record = codec.workflow_to_record(BREW, with_input=False, with_definition=False)
    assert {"input", "workflowDefinition"}.isdisjoint(json.loads(record))
    assert codec.workflow_from_record(record, input=BREW.input, definition=TEA) == BREW
    assert codec.workflow_from_record(codec.workflow_to_record(BREW, with_input=False), input=None).input is None


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"id": "w"}'])
def test_a_damaged_workflow_record(text: str) -> None:
    """What is no workflow record is an InvalidValueError."""
    with pytest.raises(InvalidValueError):
        codec.workflow_from_record(text)


def test_records_of_definitions_and_resources() -> None:
    """Definitions and state resources survive their records to the microsecond."""
    assert codec.definition_from_record(codec.definition_to_record(TEA)) == TEA
    assert codec.state_resource_from_record(codec.state_resource_to_record(RESOURCE)) == RESOURCE


def test_digests_tell_what_is_said() -> None:
    """Version, id, date and the order of fields do not count; machine, manager and tags do."""
    turned = dict(reversed(DOCUMENT.items()))
    same = WorkflowDefinition(name="tea", state_machine=StateMachine.from_dict(turned), default_tags={"a": "b"})
    assert codec.definition_digest(same) == codec.definition_digest(TEA)
    others = [
        attrs.evolve(TEA, manager="batch"),
        attrs.evolve(TEA, default_tags={}),
        attrs.evolve(TEA, state_machine=StateMachine.from_dict({**DOCUMENT, "Comment": "brews well"})),
    ]
    assert len({codec.definition_digest(one) for one in [TEA, *others]}) == 4


@given(VALUES, VALUES)
def test_digests_are_equal_when_values_are(one: Any, other: Any) -> None:
    """Two machines that differ in one value alone have the same digest if and only if JSON calls the values equal."""

    def digest(result: Any) -> str:
        document: dict[str, Any] = {"StartAt": "P", "States": {"P": {"Type": "Pass", "Result": result, "End": True}}}
        return codec.definition_digest(WorkflowDefinition(name="n", state_machine=StateMachine.from_dict(document)))

    def canonical(value: Any) -> Any:
        if isinstance(value, float) and value.is_integer():
            return int(value)
        if isinstance(value, list):
            return [canonical(item) for item in value]
        return {key: canonical(value[key]) for key in sorted(value)} if isinstance(value, dict) else value

    assert (digest(one) == digest(other)) == (repr(canonical(one)) == repr(canonical(other)))
    assert digest(one) == digest(json.loads(json.dumps(one)))


# ---------------------------------------------------------------- AWS's events

SAMPLE_DETAILS: dict[str, Any] = {
    "name": "Steep",
    "input": {"cups": [1, 2.5, None]},
    "output": "Zoë",
    "parameters": {"a": True},
    "assignedVariables": {"cups": 2, "who": {"name": "Zoë"}},
    "error": "E",
    "timeoutInSeconds": 5,
    "taskCredentials": {"roleArn": "r"},
}


@pytest.mark.parametrize("details", [None, {}, SAMPLE_DETAILS], ids=["none", "empty", "full"])
@pytest.mark.parametrize("type", HistoryEventType)
def test_every_type_of_event_goes_to_aws_and_back(type: HistoryEventType, details: dict[str, Any] | None) -> None:
    """Each of AWS's types keeps its details, if AWS has a member for them, on the way there and back."""
    event = HistoryEvent(5, 4, type, AT, details, "2/0")
    there = codec.event_to_aws(event)
    member = DETAILS_MEMBERS[type]
    assert set(there) - {member} == {"id", "previousEventId", "timestamp", "type"}
    assert (member in there) == (member is not None and details is not None)
    wanted = attrs.evolve(event, details=None) if member is None else event
    assert codec.event_from_aws(there, branch="2/0") == wanted


def test_data_is_json_text_for_aws() -> None:
    """Data goes as compact JSON text, with AWS's word beside it that nothing was cut off."""
    event = HistoryEvent(5, 4, HistoryEventType.PASS_STATE_EXITED, AT, SAMPLE_DETAILS)
    assert codec.event_to_aws(event) == {
        "timestamp": AT,
        "type": "PassStateExited",
        "id": 5,
        "previousEventId": 4,
        "stateExitedEventDetails": {
            "name": "Steep",
            "input": '{"cups":[1,2.5,null]}',
            "inputDetails": {"truncated": False},
            "output": '"Zoë"',
            "outputDetails": {"truncated": False},
            "parameters": '{"a":true}',
            "assignedVariables": {"cups": "2", "who": '{"name":"Zoë"}'},
            "assignedVariablesDetails": {"truncated": False},
            "error": "E",
            "timeoutInSeconds": 5,
            "taskCredentials": {"roleArn": "r"},
        },
    }
    assert type(codec.event_to_aws(event)["type"]) is str


@given(VALUES, st.sampled_from(sorted(JSON_TEXT_MEMBERS)))
def test_every_value_goes_to_aws_and_back(value: Any, member: str) -> None:
    """Any JSON value survives as text, null and the empty string too."""
    event = HistoryEvent(1, 0, HistoryEventType.TASK_SCHEDULED, AT, {member: value, "assignedVariables": {"v": value}})
    back = codec.event_from_aws(codec.event_to_aws(event))
    assert back is not None
    assert exactly(back.details) == exactly(event.details)


def test_only_listed_events_go_to_aws() -> None:
    """AWS's history has no word of what we keep beside it."""
    listed = HistoryEvent(1, 0, HistoryEventType.EXECUTION_STARTED, AT, {"input": {}})
    ours = HistoryEvent(1, 0, UnlistedEventType.RETRY_SCHEDULED, AT, {"retrier": 0})
    assert codec.history_to_aws([listed, ours]) == [codec.event_to_aws(listed)]
    with pytest.raises(InvalidValueError):
        codec.event_to_aws(ours)


@pytest.mark.parametrize(
    ("timestamp", "at"),
    [
        (AT, AT),
        (AT.astimezone(timezone(timedelta(hours=2))), AT),
        ("2026-01-02T03:04:05.678901Z", AT),
        ("2026-01-02T03:04:05.678901+00:00", AT),
        (AT.timestamp(), AT),
        (0, datetime(1970, 1, 1, tzinfo=UTC)),
        (None, datetime(1970, 1, 1, tzinfo=UTC)),
    ],
)
def test_the_times_of_aws_events(timestamp: Any, at: datetime) -> None:
    """A time may be boto3's datetime, the command line's text, seconds since the epoch, or missing."""
    event = codec.event_from_aws({"id": 1, "type": "ParallelStateStarted", "timestamp": timestamp})
    assert event == HistoryEvent(1, 0, HistoryEventType.PARALLEL_STATE_STARTED, at)
    assert event is not None
    assert event.timestamp.tzinfo is UTC


def test_an_unknown_type_of_event_is_none() -> None:
    """AWS may add types; they are for the caller to pass over."""
    assert codec.event_from_aws({"id": 1, "type": "StateDreamt", "timestamp": AT}) is None


def test_truncated_data_is_left_out_and_said_so() -> None:
    """Data that AWS has cut off is no value; that it was cut stays among the details, there and back."""
    details = {"name": "Steep", "input": '{"cups":', "inputDetails": {"truncated": True}}
    given_event = {"id": 3, "previousEventId": 2, "type": "WaitStateEntered", "stateEnteredEventDetails": details}
    event = codec.event_from_aws(given_event)
    assert event is not None
    assert event.details == {"name": "Steep", "inputDetails": {"truncated": True}}
    assert codec.event_to_aws(event)["stateEnteredEventDetails"] == event.details


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"type": None}, "/type"),
        ({"id": "1"}, "/id"),
        ({"previousEventId": None}, "/previousEventId"),
        ({"timestamp": "yesterday"}, "/timestamp"),
        ({"timestamp": "2026-01-02T03:04:05"}, "/timestamp"),
        ({"timestamp": []}, "/timestamp"),
        ({"stateExitedEventDetails": "x"}, "/stateExitedEventDetails"),
        ({"stateExitedEventDetails": {"output": "{"}}, "/stateExitedEventDetails/output"),
        ({"stateExitedEventDetails": {"output": {}}}, "/stateExitedEventDetails/output"),
        ({"stateExitedEventDetails": {"assignedVariables": 1}}, "/stateExitedEventDetails/assignedVariables"),
        (
            {"stateExitedEventDetails": {"assignedVariables": {"a/b": "?"}}},
            "/stateExitedEventDetails/assignedVariables/a~1b",
        ),
    ],
    ids=str,
)
def test_a_damaged_aws_event(changes: dict[str, Any], path: str) -> None:
    """A member that is not what AWS sends is an InvalidValueError with its place."""
    with pytest.raises(InvalidValueError) as caught:
        codec.event_from_aws({"id": 1, "type": "PassStateExited", "timestamp": AT, **changes})
    assert caught.value.path == path


def test_the_codec_is_light_until_it_is_used() -> None:
    """Importing the codec does not load cattrs; the first converter does."""
    code = (
        "import sys, workflow_manager.codec as c; assert 'cattrs' not in sys.modules; "
        "from workflow_manager.models import StateResource; c.to_wire(StateResource(name='n')); "
        "assert 'cattrs' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": ":".join(sys.path)})
