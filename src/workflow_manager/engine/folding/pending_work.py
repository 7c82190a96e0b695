"""Withdrawing: what is no longer pending when a branch ends or fails."""

from __future__ import annotations

from workflow_manager.engine.pending import TimerKind
from workflow_manager.engine.state import Branch, ExecutionState, Phase


def token_of(x: ExecutionState, branch: Branch) -> str:
    """The token of the task that *branch* schedules now: execution name, event of the state's entry, attempt."""
    return f"{x.identity.name}.{branch.entered_id}.{branch.attempt}"


def drop_task(x: ExecutionState, branch: Branch) -> None:
    """The branch's task is pending no more, nor are its timers."""
    if branch.token is not None:
        x.drop_task(branch.token)
        branch.token = None
    drop_own_timers(x, branch)


def drop_own_timers(x: ExecutionState, branch: Branch) -> None:
    """Every timer of the branch but that of the whole execution."""
    if not branch.timers:
        return
    timeout = x.timers.get(TimerKind.EXECUTION_TIMEOUT) if branch.parent is None else None
    if timeout is not None:
        branch.timers = tuple(timer for timer in branch.timers if timer != timeout.id)
    x.drop_timers(branch)
    if timeout is not None:
        branch.timers = (timeout.id,)


def withdraw(x: ExecutionState, branch: Branch, *, keep_execution_timer: bool = False) -> None:
    """Nothing of *branch* is pending any more, nor of anything below it."""
    if branch.token is not None:
        x.drop_task(branch.token)
        branch.token = None
    if keep_execution_timer:
        drop_own_timers(x, branch)
    else:
        x.drop_timers(branch)
    drop_run_tasks(x, branch)
    if branch.fork is not None:
        drop_children(x, branch)


def drop_children(x: ExecutionState, branch: Branch) -> None:
    """The children of a fork are gone, with all that is below them."""
    fork = branch.fork
    assert fork is not None
    drop_run_tasks(x, branch)
    queue = list(fork.children.values())
    fork.children = {}
    while queue:
        child = queue.pop()
        if child.token is not None:
            x.drop_task(child.token)
        x.drop_timers(child)
        drop_run_tasks(x, child)
        child.phase = Phase.ABORTED
        x.branches.pop(child.path, None)
        x.ready.pop(child.path, None)
        if child.fork is not None:
            queue.extend(child.fork.children.values())


def drop_run_tasks(x: ExecutionState, branch: Branch) -> None:
    """Withdraw what the Map Run of *branch* has under way."""
    if branch.fork is None or branch.fork.run is None:
        return
    prefix = f"{token_of(x, branch)}"
    for token in [
        token for token, path in x.token_branches.items() if path == branch.path and token.startswith(prefix)
    ]:
        x.drop_task(token)
