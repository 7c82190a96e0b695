"""From the names that workflows use to what Batch calls them: queues and job definitions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import attrs

from workflow_manager.exceptions import InvalidValueError, NotFoundError, UnknownResourceError
from workflow_manager.managers.batch.check import is_job_definition
from workflow_manager.managers.batch.requests import Target
from workflow_manager.models import Workflow
from workflow_manager.protocols import StateResourceStore

DEFAULT_QUEUE = "default"


@attrs.frozen(kw_only=True)
class Targets:
    """
    Finds queues and job definitions.

    *default_queue* is what workflows call ``default`` (or nothing), *queues* are all other names; without a namespace
    a Task's Resource is a job definition, within one *store* has a state resource for it.
    *deployment* tells apart those who share queues but not a store.
    """

    default_queue: str
    queues: Mapping[str, str]
    store: StateResourceStore
    deployment: str = "default"

    def queue(self, name: str) -> str:
        """
        The Batch queue that workflows call *name*.

        Raises:
            InvalidValueError: there is none of that name.
        """
        if name in {"", DEFAULT_QUEUE}:
            return self.default_queue
        if name not in self.queues:
            known = ", ".join(sorted((DEFAULT_QUEUE, *self.queues)))
            raise InvalidValueError("workflow", "/queue", f"there is no queue {name!r}; there are {known}")
        return self.queues[name]

    def definition(self, resource: str, *, state: str, namespace: str) -> str:
        """
        The job definition that *resource* means.

        Raises:
            UnknownResourceError: there is no such state resource, or it is no job definition.
        """
        uri = resource
        if namespace:
            try:
                uri = self.store.get_state_resource(resource, namespace).uri
            except NotFoundError:
                why = f"there is no state resource {namespace}:{resource}"
                raise UnknownResourceError(state, resource, namespace, why) from None
        if not is_job_definition(uri):
            raise UnknownResourceError(state, resource, namespace, f"{uri!r} cannot be a job definition")
        return uri

    def target(self, resource: str, *, state: str, workflow: Workflow) -> Target:
        """Where the jobs of *state* go; errors as those of :meth:`queue` and :meth:`definition`."""
        definition = self.definition(resource, state=state, namespace=workflow.namespace)
        return Target(queue=self.queue(workflow.queue), definition=definition, deployment=self.deployment)

    @property
    def all_queues(self) -> Iterable[str]:
        """Every Batch queue, each once."""
        return dict.fromkeys((self.default_queue, *self.queues.values()))
