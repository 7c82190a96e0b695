"""The listings of a MemoryStore."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator
from datetime import datetime
from typing import TypeAlias

from workflow_manager.models import Workflow, WorkflowQuery, WorkflowStatus

Key: TypeAlias = tuple[datetime, str]
"""The place of a workflow in every listing: when it was created, and its id."""


class Listings:
    """Sorted keys of all workflows, by definition name, by status and by both, so that a page costs what it shows."""

    def __init__(self) -> None:
        self._keys: dict[tuple[str | None, WorkflowStatus | None], list[Key]] = {}

    def put(self, before: Workflow | None, workflow: Workflow) -> None:
        """List *workflow*, which was *before* or is new."""
        if before is None:
            self._add(workflow)
        elif _listed_under(before) != _listed_under(workflow):
            self.remove(before)
            self._add(workflow)

    def _add(self, workflow: Workflow) -> None:
        for listing in self._listings_of(workflow):
            insort(self._keys.setdefault(listing, []), (workflow.created_at, workflow.id))

    def remove(self, workflow: Workflow) -> None:
        """List *workflow* no more."""
        key = (workflow.created_at, workflow.id)
        for listing in self._listings_of(workflow):
            keys = self._keys[listing]
            del keys[bisect_left(keys, key)]
            if not keys:
                del self._keys[listing]

    def walk(self, query: WorkflowQuery, place: Key | None) -> Iterator[Key]:
        """The keys that may match *query*, in its order, from behind *place* on."""
        keys = self._keys.get((query.definition_name, query.status), [])
        low = 0 if query.created_after is None else bisect_left(keys, (query.created_after, ""))
        high = len(keys) if query.created_before is None else bisect_left(keys, (query.created_before, ""))
        if place is not None and query.oldest_first:
            low = max(low, bisect_right(keys, place))
        elif place is not None:
            high = min(high, bisect_left(keys, place))
        indexes = range(low, high)
        return (keys[index] for index in (indexes if query.oldest_first else reversed(indexes)))

    @staticmethod
    def _listings_of(workflow: Workflow) -> tuple[tuple[str | None, WorkflowStatus | None], ...]:
        name, status = workflow.workflow_definition.name, workflow.status
        return (None, None), (name, None), (None, status), (name, status)


def _listed_under(workflow: Workflow) -> tuple[object, ...]:
    return workflow.created_at, workflow.status, workflow.workflow_definition.name
