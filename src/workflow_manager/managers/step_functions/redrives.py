"""Which execution a workflow is: the one that bears its id, or a redrive of another's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from workflow_manager.exceptions import NotFoundError
from workflow_manager.managers.resume import known_retries
from workflow_manager.managers.step_functions.events import Notice
from workflow_manager.managers.step_functions.names import MachineKey, Place
from workflow_manager.managers.step_functions.standing import EXECUTION_TAG, OWN_TAGS, REDRIVE_TAG
from workflow_manager.models import Workflow
from workflow_manager.protocols import WorkflowStore


def execution_arn(workflow: Workflow, place: Place) -> str:
    """The ARN of the execution that *workflow* is."""
    tagged = workflow.tags.get(EXECUTION_TAG)
    return tagged or place.execution(machine_key(workflow).plain_name(), workflow.id)


def machine_key(workflow: Workflow) -> MachineKey:
    """The key of the state machine that *workflow* runs on."""
    definition = workflow.workflow_definition
    start_at = workflow.start_at or definition.state_machine.start_at
    return MachineKey(workflow.namespace, definition.name, definition.version, start_at)


def redrive_of(workflow: Workflow) -> int:
    """The number of the redrive that *workflow* is; 0 is the execution's first run."""
    number = workflow.tags.get(REDRIVE_TAG, "0")
    return int(number) if number.isdigit() else 0


def without_own_tags(tags: Mapping[str, str]) -> dict[str, str]:
    """*tags* without those that say which execution a workflow is."""
    return {name: value for name, value in tags.items() if name not in OWN_TAGS}


def workflow_of(notice: Notice, store: WorkflowStore, place: Place) -> Workflow | None:
    """The workflow that *notice* is about, ``None`` if the store has none."""
    try:
        first = store.get_workflow(notice.name)
    except NotFoundError:
        return None
    if execution_arn(first, place) != notice.execution_arn:
        return None
    runs = list(_runs(first, store, place))
    if notice.redrive is not None:
        return next((run for run in runs if redrive_of(run) == notice.redrive), runs[-1])
    stopped = notice.standing.stopped_at
    fitting = [run for run in runs if run is first or stopped is None or stopped >= run.created_at]
    return fitting[-1]  # an end that came before a redrive began is not the redrive's


def _runs(first: Workflow, store: WorkflowStore, place: Place) -> Iterator[Workflow]:
    """*first* and the redrives of its execution, in their order."""
    current: Workflow | None = first
    while current is not None:
        yield current
        number, arn = redrive_of(current), execution_arn(current, place)
        later = [run for run in known_retries(store, current) if redrive_of(run) > number]
        current = next((run for run in later if execution_arn(run, place) == arn), None)
