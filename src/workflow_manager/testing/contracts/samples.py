"""What the contracts have in common: small models, many threads, all pages, and a vandal."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import pytest

from workflow_manager.asl.machine import StateMachine
from workflow_manager.asl.values import JSON
from workflow_manager.history import HistoryEvent, HistoryEventType
from workflow_manager.models import Page, Workflow, WorkflowDefinition
from workflow_manager.protocols import Store

T = TypeVar("T")
WRITERS = 50
MAX_PAGES = 200
NOON = datetime(2026, 3, 14, 12, 0, 0, 123456, tzinfo=UTC)


def machine(greeting: JSON = "hello") -> StateMachine:
    """A machine of one Pass that answers *greeting*."""
    return StateMachine.from_dict(
        {"StartAt": "Greet", "States": {"Greet": {"Type": "Pass", "Result": greeting, "End": True}}}
    )


def definition(name: str = "greeting", greeting: JSON = "hello") -> WorkflowDefinition:
    """A definition under *name*; another *greeting* makes another content."""
    return WorkflowDefinition(name=name, state_machine=machine(greeting), default_tags={"team": "a"})


def workflow(workflow_id: str, *, name: str = "greeting", minute: int = 0, **fields: Any) -> Workflow:
    """A workflow that was created *minute* minutes after noon."""
    at = NOON + timedelta(minutes=minute)
    return Workflow(
        id=workflow_id, workflow_definition=definition(name), **{"created_at": at, "last_updated": at, **fields}
    )


def event(number: int, **details: JSON) -> HistoryEvent:
    """The event with id *number*."""
    type = HistoryEventType.PASS_STATE_ENTERED
    return HistoryEvent(
        number, number - 1, type, NOON + timedelta(microseconds=number), details or None, f"{number % 3}"
    )


def at_once(count: int, work: Callable[[int], T]) -> tuple[list[T], list[Exception]]:
    """What *work(0)* … *work(count - 1)* returned and raised, each in a thread, all let go at the same moment."""
    gate, results, errors = threading.Barrier(count), [], []

    def run(number: int) -> None:
        gate.wait()
        try:
            results.append(work(number))
        except Exception as error:  # noqa: BLE001  it is the result
            errors.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)  # so that threads meet inside the store, not one after the other
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    return results, errors


def pages(ask: Callable[[str | None], Page[T]]) -> Iterator[Page[T]]:
    """All pages, following ``next``; a store whose pages lead in a circle fails."""
    token: str | None = None
    for _ in range(MAX_PAGES):
        page = ask(token)
        yield page
        token = page.next
        if token is None:
            return
    raise AssertionError(f"there is no end after {MAX_PAGES} pages")


def items(ask: Callable[[str | None], Page[T]]) -> list[T]:
    """The items of all pages."""
    return [item for page in pages(ask) for item in page]


def spoil(value: Any) -> None:
    """Change every list and dict within *value*."""
    if isinstance(value, dict):
        for item in value.values():
            spoil(item)
        value["spoilt"] = True
    elif isinstance(value, list):
        for item in value:
            spoil(item)
        value.append("spoilt")


def spoil_workflow(spoilt: Workflow) -> None:
    """Change all that can be changed in a workflow."""
    for value in (spoilt.input, spoilt.output, spoilt.tags, spoilt.workflow_definition.default_tags):
        spoil(value)
    for job in (*spoilt.jobs, spoilt.last_job):
        if job is not None:
            spoil(job.input)
            spoil(job.output)


class Contract:
    """What the three parts of the contract share."""

    @pytest.fixture
    def store(self) -> Store:
        """The store under test, empty.  Yours to give."""
        raise NotImplementedError("give the contract a store: override the fixture `store`")

    def another(self, store: Store) -> Store:
        """Another client of the same data, as another process would have; by default *store* itself."""
        return store

    def settle(self, store: Store) -> None:
        """Wait until listings show every save; a store whose listings lag overrides this."""
