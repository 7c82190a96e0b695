"""
Copies that share nothing that could be changed.

What goes into a store that holds Python objects is copied and checked, what comes out is copied again.  Strings,
numbers, times, enums and frozen objects made of them are shared; so are state machines, which are frozen and which
nobody changes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, cast

from workflow_manager.asl.values import JSON, check_json, copy_json
from workflow_manager.exceptions import InvalidValueError
from workflow_manager.history import HistoryEvent
from workflow_manager.models import Job, Workflow, WorkflowDefinition, changed

_SOON = 32  # other dicts and lists
_CONTAINERS = frozenset({dict, list})
_PLAIN = frozenset({str, bool, type(None)})


def isolated_events(events: Iterable[HistoryEvent]) -> Iterator[HistoryEvent]:
    """
    A copy of each event to keep, made when it is asked for; ``InvalidValueError`` if its details are not JSON.

    An output is the next state's input, too: what events close together share, their copies share.
    """
    value_of = _once_each()

    def data_of(data: Mapping[str, JSON]) -> Mapping[str, JSON]:
        copy: dict[str, JSON] = {}
        try:
            for key, value in data.items():
                if type(key) is not str:
                    raise InvalidValueError("history event", "", "a key is not a string")
                copy[key] = value if type(value) in _PLAIN else value_of(value)
        except InvalidValueError:
            return cast("Mapping[str, JSON]", check_json(data, "history event"))  # says where
        return copy

    return (_with_data(event, data_of) for event in events)


def _once_each() -> Callable[[JSON], JSON]:
    """:func:`check_json`, but the same dict or list, if it comes again soon, is not copied again."""
    copies: dict[int, JSON] = {}

    def value_of(value: JSON) -> JSON:
        if type(value) not in _CONTAINERS:
            return check_json(value)
        known = copies.get(id(value))
        if known is None:
            if len(copies) >= _SOON:
                copies.clear()
            known = copies[id(value)] = check_json(value)
        return known

    return value_of


def _with_data(event: HistoryEvent, copy: Callable[[Mapping[str, JSON]], Mapping[str, JSON]]) -> HistoryEvent:
    details, beside = event.details, event.beside
    if details is None and beside is None:
        return event
    return HistoryEvent(
        event.id,
        event.previous_event_id,
        event.type,
        event.timestamp,
        None if details is None else copy(details),
        event.branch,
        event.next,
        None if beside is None else copy(beside),
    )


def copied_definition(definition: WorkflowDefinition) -> WorkflowDefinition:
    """A copy of *definition* with tags of its own."""
    return changed(definition, default_tags=dict(definition.default_tags))


def isolated_workflow(workflow: Workflow, revision: int, given: Workflow | None, kept: Workflow | None) -> Workflow:
    """
    A copy of *workflow* to keep at *revision*; ``InvalidValueError`` if a value is not JSON.

    *given* is what the latest save of this workflow was given, *kept* what was kept of it: the parts that are the
    very same object as in *given* are not copied once more, so that saving a running workflow does not cost the size
    of its input.
    """
    changes: dict[str, Any] = {
        "output": check_json(workflow.output, "output"),
        "revision": revision,
        "retries": tuple(workflow.retries),
        "tags": dict(workflow.tags),
    }
    for name, isolate in _PARTS.items():
        part = getattr(workflow, name)
        seen = given is not None and part is getattr(given, name)
        changes[name] = getattr(kept, name) if seen else isolate(part)
    return changed(workflow, **changes)


def copied_workflow(workflow: Workflow) -> Workflow:
    """A copy of a kept *workflow* to hand out."""
    return changed(
        workflow,
        tags=dict(workflow.tags),
        workflow_definition=copied_definition(workflow.workflow_definition),
        input=copy_json(workflow.input),
        output=copy_json(workflow.output),
        jobs=tuple(map(_copied_job, workflow.jobs)),
        last_job=None if workflow.last_job is None else _copied_job(workflow.last_job),
    )


def _copied_job(job: Job) -> Job:
    return changed(job, input=copy_json(job.input), output=copy_json(job.output))


def _isolated_job(job: Job | None) -> Job | None:
    if job is None:
        return None
    return changed(job, input=check_json(job.input, "job input"), output=check_json(job.output, "job output"))


_PARTS: dict[str, Callable[[Any], Any]] = {
    "workflow_definition": copied_definition,
    "input": lambda value: check_json(value, "input"),
    "jobs": lambda jobs: tuple(map(_isolated_job, jobs)),
    "last_job": _isolated_job,
}
