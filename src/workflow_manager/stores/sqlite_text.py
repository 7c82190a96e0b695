"""JSON text for a SQLiteStore: written only of what is JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from workflow_manager.asl.values import JSON, LEAVES, check_json
from workflow_manager.codec.events import text_of
from workflow_manager.codec.records import workflow_to_record
from workflow_manager.codec.turns import events_to_text
from workflow_manager.exceptions import InvalidValueError
from workflow_manager.history import HistoryEvent
from workflow_manager.models import Workflow


class _KeyError(Exception):
    pass


def _look(value: Any) -> None:
    """``json`` writes a key that is a number as a string; here that is an error.  All else it finds out itself."""
    if isinstance(value, dict):
        for key, item in value.items():
            if type(key) is not str:
                raise _KeyError
            if type(item) not in LEAVES:
                _look(item)
    elif isinstance(value, list | tuple):
        for item in value:
            if type(item) not in LEAVES:
                _look(item)


def _checked(value: JSON, what: str) -> None:
    try:
        _look(value)
    except _KeyError:
        check_json(value, what)  # says where; a key of a class made of str is none the worse
    except RecursionError:
        raise _too_deep(what) from None


def _too_deep(what: str) -> InvalidValueError:
    return InvalidValueError(what, "", "it is nested too deeply, or contains itself")


def json_text(value: JSON, what: str) -> str:
    """*value* as compact JSON text; ``InvalidValueError`` if it is not JSON."""
    _checked(value, what)
    try:
        return text_of(value)
    except RecursionError:
        raise _too_deep(what) from None


def _check_event_value(value: JSON) -> None:
    _checked(value, "history event")


def events_text(events: Sequence[HistoryEvent]) -> str:
    """*events* as one text; ``InvalidValueError`` if the data of one is not JSON."""
    try:
        return events_to_text(events, _check_event_value)
    except RecursionError:
        raise _too_deep("history event") from None


def has_body(workflow: Workflow) -> bool:
    """Whether a summary would leave out anything but the input."""
    return workflow.output is not None or bool(workflow.jobs) or workflow.last_job is not None


def workflow_texts(workflow: Workflow) -> tuple[str, str | None]:
    """
    The record of the workflow's summary, and the whole one if that says more; the input is in neither.

    Raises:
        InvalidValueError: output, or what goes in and out of a job, is not JSON.
    """
    if not has_body(workflow):
        return workflow_to_record(workflow, with_input=False, with_definition=False), None
    _checked(workflow.output, "output")
    for job in (*workflow.jobs, workflow.last_job):
        if job is not None:
            _checked(job.input, "job input")
            _checked(job.output, "job output")
    try:
        whole = workflow_to_record(workflow, with_input=False, with_definition=False)
    except RecursionError:
        raise _too_deep("output") from None
    return workflow_to_record(workflow.summary(), with_input=False, with_definition=False), whole
