"""The one door through which an execution changes: an event is written, and folded at once."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from workflow_manager.asl.machine import StateType
from workflow_manager.asl.resources import TaskKind
from workflow_manager.asl.scope import Scope
from workflow_manager.asl.timestamps import format_timestamp
from workflow_manager.asl.values import JSON
from workflow_manager.engine.fold import fold
from workflow_manager.engine.folding.pending_work import token_of
from workflow_manager.engine.state import Branch, ExecutionState, Fork
from workflow_manager.history import HistoryEvent, HistoryEventType, UnlistedEventType

_ENDS = frozenset(
    {
        HistoryEventType.EXECUTION_SUCCEEDED,
        HistoryEventType.EXECUTION_FAILED,
        HistoryEventType.EXECUTION_TIMED_OUT,
        HistoryEventType.EXECUTION_ABORTED,
    }
)
_RETRYING = frozenset({StateType.TASK, StateType.PARALLEL, StateType.MAP})


class HistoryFullError(Exception):
    """There is room for one more event, which has to be the execution's last one."""


class Writer:
    """Writes events at the time *at* into *events* and folds them into *state*."""

    __slots__ = ("_last", "at", "events", "x")

    def __init__(self, x: ExecutionState, at: datetime, events: list[HistoryEvent]) -> None:
        self.x = x
        self.at = at
        self.events = events
        limit = x.identity.limits.history_events
        self._last = float("inf") if limit is None else limit - 1

    def write(
        self,
        type: HistoryEventType,
        branch: Branch,
        details: Mapping[str, Any] | None = None,
        *,
        previous: int | None = None,
        next: str | None = None,
        beside: Mapping[str, JSON] | None = None,
        path: str | None = None,
        at: datetime | None = None,
    ) -> HistoryEvent:
        """
        Write an event that hangs on *previous*, or on the branch's last one; *path* is that of a branch to come.

        *at* is when it happened, if not now.

        Raises:
            HistoryFullError: the history has room only for the end of the execution, which this is not.
        """
        if self.x.last_id >= self._last and type not in _ENDS:
            raise HistoryFullError
        event = HistoryEvent(
            self.x.last_id + 1,
            branch.previous if previous is None else previous,
            type,
            self.at if at is None else at,
            details,
            branch.path if path is None else path,
            next,
            beside,
        )
        self.events.append(event)
        fold(self.x, event)
        return event

    def note(
        self, type: UnlistedEventType, branch: Branch, previous: int | None = None, **details: Any
    ) -> HistoryEvent:
        """Write an event that AWS would not show."""
        hangs_on = branch.previous if previous is None else previous
        event = HistoryEvent(self.x.last_id, hangs_on, type, self.at, details or None, branch.path)
        self.events.append(event)
        fold(self.x, event)
        return event

    def scope(self, branch: Branch) -> Scope:
        """What expressions of the branch's current state may see now."""
        x = self.x
        return LazyScope(branch, x, f"{x.identity.name}/{x.sequence}")


class LazyScope(Scope):
    """A scope whose context object is made when it is first looked at."""

    __slots__ = ("_branch", "_context", "_x")

    def __init__(self, branch: Branch, x: ExecutionState, seed: str) -> None:
        self._branch = branch
        self._x = x
        self._context: JSON = None
        self.input = branch.input
        self.variables = branch.variables
        self.seed = seed
        self._generator = []

    @property
    def context(self) -> JSON:  # type: ignore[override]
        if self._context is None:
            self._context = context_of(self._x, self._branch)
        return self._context

    def on(self, input: JSON) -> Scope:
        other = LazyScope(self._branch, self._x, self.seed)
        other.input = input
        other.variables = self.variables
        other._context = self._context
        other._generator = self._generator
        return other

    def with_item(self, item: JSON) -> LazyScope:
        """The same surroundings with ``$$.Map.Item`` being *item*."""
        other = LazyScope(self._branch, self._x, self.seed)
        other.input = self.input
        other.variables = self.variables
        other._context = context_of(self._x, self._branch, item)
        other._generator = self._generator
        return other


def context_of(x: ExecutionState, branch: Branch, item: JSON = None) -> JSON:
    """The context object of the branch's current state (AWS: Accessing the Context object)."""
    identity = x.identity
    assert x.started_at is not None
    context: dict[str, JSON] = {
        "Execution": {
            "Id": identity.execution_arn,
            "Input": x.input,
            "StartTime": format_timestamp(x.started_at),
            "Name": identity.name,
            "RoleArn": identity.role_arn,
            "RedriveCount": 0,
        },
        "StateMachine": {"Id": identity.state_machine_arn, "Name": identity.state_machine_name},
    }
    state = branch.state
    if state is not None:
        about: dict[str, JSON] = {"Name": state.name}
        if branch.entered_at is not None:
            about["EnteredTime"] = format_timestamp(branch.entered_at)
        if state.type in _RETRYING:
            about["RetryCount"] = branch.attempt
        context["State"] = about
        if state.type is StateType.TASK:
            resource = state.resource
            if resource.kind is TaskKind.SERVICE and resource.is_asynchronous:
                context["Task"] = {"Token": token_of(x, branch)}
    item = item_of(x, branch) if item is None else item
    if item is None:
        item = identity.map_item
    if item is not None:
        context["Map"] = {"Item": item}
    return context


def item_of(x: ExecutionState, branch: Branch) -> JSON:
    """``$$.Map.Item`` of the innermost iteration around *branch*."""
    parent = branch.parent
    while parent is not None:
        if parent.current.type is StateType.MAP:
            items = prepare_fork(x, parent).items
            assert items is not None
            return {"Index": branch.index, "Value": items[branch.index]}
        branch, parent = parent, parent.parent
    return None


def prepare_fork(x: ExecutionState, parent: Branch) -> Fork:
    """The fork of a Map with its items at hand: they follow from the state's input, so a replay finds the same."""
    fork = parent.fork
    assert fork is not None
    if fork.items is None:
        fork.items, fork.effective = select_items(x, parent)
    elif fork.effective is None and parent.current.reads_items:
        fork.effective = parent.current.data.effective_input(map_scope(x, parent))
    return fork


def select_items(x: ExecutionState, parent: Branch) -> tuple[list[JSON], JSON]:
    """The items of the Map that *parent* is in, and its effective input."""
    scope = map_scope(x, parent)
    effective = parent.current.data.effective_input(scope)
    items = parent.current.items(scope.on(effective))
    assert isinstance(items, list)
    return items, effective


def map_scope(x: ExecutionState, parent: Branch, index: int | None = None) -> LazyScope:
    """
    What a Map's items, or the ItemSelector of item number *index*, may see.

    Chance hangs on the attempt rather than on the moment: a replay evaluates them again, and must find the same.
    """
    which = "items" if index is None else f"item/{index}"
    return LazyScope(parent, x, f"{x.identity.name}/{parent.entered_id}/{parent.attempt}/{which}")
