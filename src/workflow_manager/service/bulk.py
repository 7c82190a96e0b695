"""One operation on many workflows, at a given rate."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence

import attrs

from workflow_manager.exceptions import InvalidValueError
from workflow_manager.models import Workflow

logger = logging.getLogger("workflow_manager")


@attrs.frozen(kw_only=True)
class Progress:
    """
    How far a bulk operation has come.

    Of *total* workflows *done* have been tried; *failed* holds id and reason of those that it could not be done to.
    """

    total: int
    done: int = 0
    failed: tuple[tuple[str, str], ...] = ()


def run(
    ids: Sequence[str],
    operation: Callable[[str], Workflow],
    *,
    per_second: float,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
    on_progress: Callable[[Progress], object] | None = None,
) -> Progress:
    """
    Do *operation* to each of *ids*, at most so many *per_second*; one's trouble stops no other.

    Raises:
        InvalidValueError: *per_second* is not above 0.
    """
    if not per_second > 0:
        raise InvalidValueError("bulk operation", "/per_second", f"{per_second!r} is not above 0")
    progress = Progress(total=len(ids))
    due = clock()
    for workflow_id in ids:
        early = due - clock()
        if early > 0:
            sleep(early)
        due = max(due, clock()) + 1 / per_second  # what was late is not made up for by a burst
        progress = _tried(workflow_id, operation, progress)
        if on_progress is not None:
            on_progress(progress)
    return progress


def _tried(workflow_id: str, operation: Callable[[str], Workflow], before: Progress) -> Progress:
    try:
        operation(workflow_id)
    except Exception as error:
        logger.warning(
            "workflow %s: bulk operation failed", workflow_id, exc_info=True, extra={"workflow_id": workflow_id}
        )
        failed = (*before.failed, (workflow_id, str(error)))
        return attrs.evolve(before, done=before.done + 1, failed=failed)
    return attrs.evolve(before, done=before.done + 1)
