"""How many workflows of a definition or in a queue may be active at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import attrs

from workflow_manager.exceptions import InvalidValueError
from workflow_manager.models import WorkflowQuery, WorkflowStatus


def _counts(instance: object, field: attrs.Attribute[Any], value: Mapping[str, Any]) -> None:
    for name, limit in value.items():
        if isinstance(limit, bool) or not isinstance(limit, int) or limit < 1:
            reason = f"{limit!r} is not a whole number from 1"
            raise InvalidValueError("StartLimits", f"/{field.name}/{name}", reason)


def _copied(counts: Mapping[str, int]) -> Mapping[str, int]:
    return dict(counts)


@attrs.frozen
class Key:
    """What a limit is of: a definition or a queue, by its name; *limit* is how many may be active at once."""

    kind: str
    name: str
    limit: int

    def fits(self, definition: str, queue: str) -> bool:
        """Whether workflows of that definition in that queue count."""
        return self.name == (definition if self.kind == "definition" else queue)

    def query(self, status: WorkflowStatus, limit: int, tags: Mapping[str, str] | None = None) -> WorkflowQuery:
        """The workflows that count, the oldest first, without what may be large."""
        is_queue = self.kind == "queue"
        return WorkflowQuery(
            definition_name=None if is_queue else self.name,
            queue=self.name if is_queue else None,
            status=status,
            tags=tags or {},
            oldest_first=True,
            summary_only=True,
            limit=limit,
        )


@attrs.frozen(kw_only=True)
class StartLimits:
    """
    How many workflows may be active at once, by the name of their definition and by their queue.

    What is not named has no limit.  Both count, where both are named.
    """

    definitions: Mapping[str, int] = attrs.field(factory=dict, converter=_copied, validator=_counts)
    queues: Mapping[str, int] = attrs.field(factory=dict, converter=_copied, validator=_counts)

    def limit(self, definition: str, queue: str) -> bool:
        """Whether workflows of that definition in that queue are limited."""
        return definition in self.definitions or queue in self.queues

    @property
    def all(self) -> tuple[Key, ...]:
        """Every limit."""
        of_definitions = [Key("definition", name, limit) for name, limit in self.definitions.items()]
        return (*of_definitions, *(Key("queue", name, limit) for name, limit in self.queues.items()))

    def keys(self, definition: str, queue: str) -> Iterator[Key]:
        """The limits that workflows of that definition in that queue keep."""
        if definition in self.definitions:
            yield Key("definition", definition, self.definitions[definition])
        if queue in self.queues:
            yield Key("queue", queue, self.queues[queue])
