"""Snapshots of executions: a cache that spares whoever loads a workflow most of a long history."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any, cast

from workflow_manager.asl.machine import StateMachine
from workflow_manager.asl.values import JSON
from workflow_manager.engine import Execution, Limits
from workflow_manager.history import HistoryEvent
from workflow_manager.models import Workflow
from workflow_manager.protocols import SnapshotStore

logger = logging.getLogger("workflow_manager")

EVERY = 200
"""Events between two snapshots of an execution with few branches."""


class Snapshots:
    """
    Makes and reads the snapshots that *store* keeps.

    One is made *every* so many events, or, where it has more parts than that (branches, results of a Map), after as
    many events as it has parts, so that however large an execution is, an event costs the same.
    """

    def __init__(self, store: SnapshotStore, every: int = EVERY) -> None:
        self._store, self._every = store, every

    def saved(self, workflow: Workflow, execution: Execution, due: int) -> int:
        """
        *workflow* was saved just now with *execution*; make a snapshot if that has at least *due* events.

        Returns how many events make the next one due.  What goes wrong is logged: the history says the same.
        """
        if execution.event_count < (due or self._every) or workflow.status.is_final:
            return due
        try:
            snapshot = execution.snapshot()
            self._store.save_snapshot(workflow.id, workflow.revision, execution.event_count, snapshot)
        except Exception:
            logger.warning("workflow %s: its snapshot could not be kept", workflow.id, exc_info=True)
            return execution.event_count + self._every
        return execution.event_count + max(self._every, _parts(snapshot))

    def restored(
        self,
        workflow: Workflow,
        machine: StateMachine,
        limits: Limits,
        history: Callable[[str, int], list[HistoryEvent]],
    ) -> tuple[Execution, int] | None:
        """
        The execution of *workflow* from its snapshot and the events after it, and how many make the next one due.

        *history* reads the events of a workflow but the first so many.  ``None``: there is no snapshot, or it is
        damaged, or another version's.
        """
        try:
            kept = self._store.load_snapshot(workflow.id)
            if kept is None or not isinstance(kept.value, Mapping):
                return None
            events = history(workflow.id, kept.position)
            execution = Execution.restore(machine, kept.value, events, name=workflow.id, limits=limits)
            if execution.event_count != kept.position + len(events):
                return None
            parts = _parts(kept.value)
        except Exception as error:  # noqa: BLE001  whatever is wrong with it, the history is not
            logger.debug("workflow %s: its snapshot cannot be used: %r", workflow.id, error)
            return None
        return execution, kept.position + max(self._every, parts)


def _parts(snapshot: Mapping[str, JSON]) -> int:
    branches = cast("list[dict[str, Any]]", snapshot["branches"])
    return sum(1 + len((branch["fork"] or {}).get("results", ())) for branch in branches)
