"""What AWS Batch would refuse of a definition, and the plan for one."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

import attrs

from workflow_manager.asl import graph
from workflow_manager.asl.machine import MapState, StateMachine, TaskState
from workflow_manager.asl.resources import TaskKind, TaskResource, parse_resource
from workflow_manager.exceptions import InvalidValueError, Problem, Severity, UnknownResourceError
from workflow_manager.managers.batch.limits import LARGEST_ARRAY
from workflow_manager.managers.batch.machines import array_task, has_heartbeat
from workflow_manager.managers.batch.plan import GraphPlanner, Plan, Submission
from workflow_manager.managers.batch.requests import check_tags

_DEFINITION = re.compile(r"[A-Za-z0-9_-]{1,128}(:\d+)?|arn:[\w-]+:batch:[\w-]*:\d*:job-definition/[\w:-]+")
_STEPPED = (
    "nothing goes on while nobody looks: somebody must update the workflow",
    "a time-out or the end of a Wait takes effect when somebody next looks",
)


def is_job_definition(text: str) -> bool:
    """Whether *text* can be SubmitJob's ``jobDefinition``: a name, ``name:revision``, or an ARN."""
    return _DEFINITION.fullmatch(text) is not None


def is_service(resource: TaskResource) -> bool:
    """Whether *resource* is one of Step Functions' services, which no job can stand for."""
    return resource.kind is TaskKind.SERVICE


def plan(machine: StateMachine, submission: Submission = Submission.AUTO) -> Plan:
    """The plan for *machine*; with ``GRAPH`` what keeps it from being submitted whole is a problem."""
    problems = tuple(_problems(machine))
    planner = GraphPlanner()
    if submission is not Submission.STEPPED and not problems:
        planner.run(machine)
        if not planner.reasons:
            differences = tuple(planner.differences)
            return Plan(submission=Submission.GRAPH, jobs=tuple(planner.jobs), differences=differences)
    if submission is Submission.GRAPH:
        refused = tuple(attrs.evolve(reason, severity=Severity.ERROR) for reason in planner.reasons)
        return Plan(submission=Submission.GRAPH, reasons=tuple(planner.reasons), problems=(*problems, *refused))
    differences = (*_STEPPED, *dict.fromkeys(_stepped_differences(machine)))
    return Plan(
        submission=Submission.STEPPED, reasons=tuple(planner.reasons), problems=problems, differences=differences
    )


def _stepped_differences(machine: StateMachine) -> Iterator[str]:
    for _, _, state in graph.walk(machine):
        if isinstance(state, MapState) and array_task(state) is not None:
            yield f"state {state.name!r}: items that begin together are array jobs of up to {LARGEST_ARRAY:,} children"
        elif isinstance(state, TaskState) and has_heartbeat(state):
            yield "a job that is seen in RUNNING counts as a heartbeat"


def problem_of_tags(tags: Mapping[str, str]) -> Iterator[Problem]:
    """What keeps jobs from bearing the *tags* that a definition gives."""
    try:
        check_tags(tags)
    except InvalidValueError as error:
        yield Problem("BATCH_TAGS", f"/defaultTags{error.path}", error.reason)


def problems_of_resources(machine: StateMachine, find: Callable[[TaskState], object]) -> Iterator[Problem]:
    """The Tasks for which *find*, which looks for their job definitions, raises an UnknownResourceError."""
    for path, _, state in graph.walk(machine):
        if isinstance(state, TaskState) and not is_service(parse_resource(state.resource)):
            try:
                find(state)
            except UnknownResourceError as error:
                yield Problem("BATCH_RESOURCE", f"{path}/Resource", str(error))


def _problems(machine: StateMachine) -> Iterator[Problem]:
    for path, _, state in graph.walk(machine):
        if isinstance(state, TaskState):
            if is_service(parse_resource(state.resource)):
                why = f"state {state.name!r}: {state.resource} is a service of Step Functions, not a job definition"
                yield Problem("BATCH_RESOURCE", f"{path}/Resource", why)
        elif isinstance(state, MapState):
            for field, value in (("ItemReader", state.item_reader), ("ResultWriter", state.result_writer)):
                if value is not None:
                    yield Problem("BATCH_S3", f"{path}/{field}", f"state {state.name!r}: jobs do not do {field}")
