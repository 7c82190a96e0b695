"""Parallel and inline Map: how they begin, how iterations follow, how all is joined."""

from __future__ import annotations

from workflow_manager.asl.machine import StateType
from workflow_manager.asl.program import CompiledState
from workflow_manager.asl.values import JSON
from workflow_manager.engine.folding.readiness import child_path
from workflow_manager.engine.nesting import check_nesting
from workflow_manager.engine.state import Branch, Fork
from workflow_manager.engine.writer import Writer, map_scope, prepare_fork, select_items
from workflow_manager.history import HistoryEventType as E


def start_parallel(w: Writer, branch: Branch, state: CompiledState) -> None:
    """Every branch begins at once, with the state's effective input."""
    data = state.data
    beside = None
    if not data.is_identity:
        scope = w.scope(branch)
        effective = data.effective_input(scope)
        if effective is not branch.input:
            check_nesting(effective)
            beside = {"input": effective}
    w.write(E.PARALLEL_STATE_STARTED, branch, None, beside=beside)


def start_map(w: Writer, branch: Branch, state: CompiledState) -> None:
    """The items are known and the limit of concurrency; an ItemReader's items are read later."""
    scope = w.scope(branch)
    concurrency = state.max_concurrency(scope) if state.max_concurrency is not None else None
    reads = state.is_distributed and state.reads_items
    items = [] if reads else select_items(w.x, branch)[0]
    beside: dict[str, JSON] = {}
    if concurrency:
        beside["concurrency"] = int(concurrency)
    w.write(E.MAP_STATE_STARTED, branch, {"length": len(items)}, beside=beside or None)


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
    fork = prepare_fork(w.x, parent)
    assert fork.items is not None
    item = fork.items[child.index]
    return select_item(w, parent, fork, child.index, item)


def select_item(w: Writer, parent: Branch, fork: Fork, index: int, item: JSON) -> JSON:
    """*item* as ItemSelector shapes it."""
    selector = parent.current.item_selector
    if selector is None:
        return item
    within = map_scope(w.x, parent, index).with_item({"Index": index, "Value": item})
    if not parent.current.is_jsonata:
        within.input = fork.effective
    selected = selector(within)
    check_nesting(selected)
    return selected


def succeed(w: Writer, branch: Branch) -> None:
    """All children have been joined."""
    if branch.current.type is StateType.PARALLEL:
        w.write(E.PARALLEL_STATE_SUCCEEDED, branch)
    else:
        w.write(E.MAP_STATE_SUCCEEDED, branch)
