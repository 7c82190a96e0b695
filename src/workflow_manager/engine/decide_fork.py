"""Parallel and inline Map: how they begin, how iterations follow, how all is joined."""

from __future__ import annotations

from typing import Any

from workflow_manager.asl.machine import StateType
from workflow_manager.asl.program import CompiledState
from workflow_manager.asl.values import JSON
from workflow_manager.engine.fold import child_path
from workflow_manager.engine.state import Branch, Fork
from workflow_manager.engine.writer import LazyScope, Writer
from workflow_manager.history import HistoryEventType as E


def start_parallel(w: Writer, branch: Branch, state: CompiledState) -> None:
    """Every branch begins at once, with the state's effective input."""
    data = state.data
    beside = None
    if not data.is_identity:
        scope = w.scope(branch)
        effective = data.effective_input(scope)
        if effective is not branch.input:
            beside = {"input": effective}
    w.write(E.PARALLEL_STATE_STARTED, branch, None, beside=beside)


def start_map(w: Writer, branch: Branch, state: CompiledState) -> None:
    """The items are known and the limit of concurrency; an ItemReader's items are read later."""
    scope = w.scope(branch)
    concurrency = state.max_concurrency(scope) if state.max_concurrency is not None else None
    reads = state.is_distributed and state.reads_items
    items = [] if reads else select_items(state, scope)[0]
    beside: dict[str, JSON] = {}
    if concurrency:
        beside["concurrency"] = int(concurrency)
    w.write(E.MAP_STATE_STARTED, branch, {"length": len(items)}, beside=beside or None)


def select_items(state: CompiledState, scope: Any) -> tuple[list[JSON], JSON]:
    """The items of a Map and its effective input."""
    effective = state.data.effective_input(scope)
    items = state.items(scope.on(effective))
    assert isinstance(items, list)
    return items, effective


def prepare(w: Writer, parent: Branch) -> Fork:
    """The fork of a Map with its items at hand: they follow from the state's input, so a replay finds the same."""
    fork = parent.fork
    assert fork is not None
    if fork.items is None:
        items, effective = select_items(parent.current, w.scope(parent))
        fork.items, fork.effective = items, effective
    return fork


def start_iteration(w: Writer, branch: Branch) -> None:
    """The next iteration begins where one has ended, or with the Map itself."""
    fork = branch.fork
    assert fork is not None
    index = fork.started
    previous = fork.freed[0] if fork.freed else fork.started_id
    details = {"index": index, "name": branch.current.name}
    w.write(E.MAP_ITERATION_STARTED, branch, details, previous=previous, path=child_path(branch, index))


def iteration_input(w: Writer, parent: Branch, child: Branch) -> JSON:
    """What the first state of an iteration gets: the item, or what ItemSelector makes of it."""
    fork = prepare(w, parent)
    assert fork.items is not None
    item = fork.items[child.index]
    return select_item(w, parent, fork, child.index, item)


def select_item(w: Writer, parent: Branch, fork: Fork, index: int, item: JSON) -> JSON:
    """*item* as ItemSelector shapes it."""
    selector = parent.current.item_selector
    if selector is None:
        return item
    scope = w.scope(parent)
    assert isinstance(scope, LazyScope)
    within = scope.with_item({"Index": index, "Value": item})
    if not parent.current.is_jsonata:
        within.input = fork.effective
    return selector(within)


def succeed(w: Writer, branch: Branch) -> None:
    """All children have been joined."""
    if branch.current.type is StateType.PARALLEL:
        w.write(E.PARALLEL_STATE_SUCCEEDED, branch)
    else:
        w.write(E.MAP_STATE_SUCCEEDED, branch)
