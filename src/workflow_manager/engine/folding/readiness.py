"""Which branches something follows from, and what their paths are."""

from __future__ import annotations

from workflow_manager.engine.state import DECIDABLE, Branch, ExecutionState, Fork, Phase


def settle(x: ExecutionState, branch: Branch) -> None:
    """Queue *branch* if something follows from the phase that it is in."""
    if branch.phase in DECIDABLE:
        if branch.path in x.branches:
            x.ready[branch.path] = branch
    elif branch.phase is Phase.WORKING and branch.fork is not None and _fork_goes_on(branch.fork):
        x.ready[branch.path] = branch


def _fork_goes_on(fork: Fork) -> bool:
    run = fork.run
    if run is None:
        return fork.may_start or fork.done == fork.length
    if run.ended or run.is_over_threshold:
        return True
    if not run.ready:
        return bool(run.pages) and not run.asking
    return fork.may_start or (fork.done == fork.length and not run.writing)


def child_path(branch: Branch, index: int) -> str:
    """The path of the child number *index* of *branch*."""
    return f"{branch.path}/{index}" if branch.path else str(index)
