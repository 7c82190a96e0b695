"""Small definitions and answers that the tests of the engine share."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from workflow_manager.asl.machine import StateMachine
from workflow_manager.engine import Execution
from workflow_manager.history import HistoryEvent
from workflow_manager.testing import Simulation, TaskCall

AT = datetime(2026, 3, 1, 12, 30, 15, 250_000, tzinfo=UTC)
LAMBDA = "arn:aws:lambda:eu-west-1:123456789012:function:bake"
ACTIVITY = "arn:aws:states:eu-west-1:123456789012:activity:bake"
QUEUE = "arn:aws:states:::sqs:sendMessage.waitForTaskToken"
ALL = ["States.ALL"]


def later(seconds: float) -> datetime:
    """*seconds* after :data:`AT`."""
    return AT + timedelta(seconds=seconds)


def flow(*, timeout: int | None = None, language: str | None = None, **states: dict[str, Any]) -> dict[str, Any]:
    """A machine that begins with the first of *states*; a state that says nothing else goes on to the next one."""
    names = list(states)
    for name, follower in zip(names, [*names[1:], None], strict=True):
        state = states[name]
        if state["Type"] not in ("Choice", "Succeed", "Fail") and not state.keys() & {"Next", "End"}:
            states[name] = {**state, **({"End": True} if follower is None else {"Next": follower})}
    document: dict[str, Any] = {"StartAt": names[0], "States": states}
    if timeout is not None:
        document["TimeoutSeconds"] = timeout
    if language is not None:
        document["QueryLanguage"] = language
    return document


def task(resource: str = "bake", **fields: Any) -> dict[str, Any]:
    """A Task."""
    return {"Type": "Task", "Resource": resource, **fields}


def step(**fields: Any) -> dict[str, Any]:
    """A Pass."""
    return {"Type": "Pass", **fields}


def wait(seconds: int, **fields: Any) -> dict[str, Any]:
    """A Wait."""
    return {"Type": "Wait", "Seconds": seconds, **fields}


def fail(error: str | None = None, cause: str | None = None) -> dict[str, Any]:
    """A Fail."""
    given = {"Error": error, "Cause": cause}
    return {"Type": "Fail", **{name: value for name, value in given.items() if value is not None}}


def parallel(*branches: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """A Parallel of whole machines."""
    return {"Type": "Parallel", "Branches": list(branches), **fields}


def for_each(processor: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """An inline Map."""
    return {"Type": "Map", "ItemProcessor": processor, **fields}


def answers(*said: Any) -> Callable[[TaskCall], Any]:
    """A handler that gives *said* one after another; an exception is raised."""
    left = list(said)

    def answer(call: TaskCall) -> Any:
        value = left.pop(0)
        if isinstance(value, BaseException):
            raise value
        return value

    return answer


def echo(call: TaskCall) -> Any:
    """Answer every task with its input."""
    return call.input


def begin(document: dict[str, Any], input: Any = None, **options: Any) -> Execution:
    """An execution of *document* that began at :data:`AT`."""
    return Execution.start(StateMachine.from_dict(document), input, **{"name": "run", "at": AT, **options})


def chain(events: Iterable[HistoryEvent] | Simulation) -> list[str]:
    """The listed events, each as ``id<previous type``, with the state's name where the event has one."""
    found = events.events if isinstance(events, Simulation) else events
    return [f"{event.id}<{event.previous_event_id} {event.type}{_name(event)}" for event in found if event.is_listed]


def _name(event: HistoryEvent) -> str:
    details = event.details or {}
    name = f" {details['name']}" if "name" in details else ""
    return f"{name}[{details['index']}]" if "index" in details else name


def only(events: Iterable[HistoryEvent] | Simulation, *types: str) -> list[dict[str, Any]]:
    """The details of the events of *types*."""
    found = events.events if isinstance(events, Simulation) else events
    return [dict(event.details or {}) for event in found if event.type in types]
