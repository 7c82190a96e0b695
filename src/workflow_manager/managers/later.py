"""
What a manager may do besides: check a workflow now, and start it when somebody says that its turn has come.

Meanwhile it is held: an ordinary record, queued, with the tag ``workflow-manager:held``, whose definition has the name
of a manager that nobody is, so that nobody takes it for one that runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Protocol, runtime_checkable

import attrs
from typing_extensions import Unpack

from workflow_manager.asl.values import JSON
from workflow_manager.exceptions import ConflictError
from workflow_manager.models import Workflow, WorkflowDefinition, WorkflowStatus
from workflow_manager.protocols import RetryChanges, WorkflowStore

HELD_TAG = "workflow-manager:held"
HELD_BY = "held:"
"""What the name of a manager begins with that nobody is; what follows is the one that will be it."""
_TRIES = 100


def held(workflow: Workflow) -> Workflow:
    """*workflow*, which is new, as one that has to wait for its turn."""
    definition = workflow.workflow_definition
    nobodys = attrs.evolve(definition, manager=HELD_BY + definition.manager)
    return attrs.evolve(workflow, workflow_definition=nobodys, tags={**workflow.tags, HELD_TAG: "true"})


def is_held(workflow: Workflow) -> bool:
    """Whether *workflow* has to wait for its turn to start."""
    is_nobodys = workflow.workflow_definition.manager.startswith(HELD_BY)
    return is_nobodys and HELD_TAG in workflow.tags and workflow.status is WorkflowStatus.QUEUED


def let_go(workflow: Workflow) -> Workflow:
    """*workflow* as it was before it was held."""
    definition = workflow.workflow_definition
    own = attrs.evolve(definition, manager=definition.manager.removeprefix(HELD_BY))
    tags = {name: value for name, value in workflow.tags.items() if name != HELD_TAG}
    return attrs.evolve(workflow, workflow_definition=own, tags=tags)


def given_up(workflow: Workflow, reason: str) -> Workflow:
    """*workflow*, which is held, as cancelled."""
    now = max(datetime.now(UTC), workflow.last_updated)
    return attrs.evolve(
        let_go(workflow),
        status=WorkflowStatus.CANCELLED,
        status_reason=reason,
        resolved_by_user=True,
        stopped_at=now,
        last_updated=now,
    )


def give_up(store: WorkflowStore, workflow: Workflow, reason: str) -> Workflow:
    """
    Cancel *workflow* if it is held by now, and return it as stored in any case.

    Raises:
        NotFoundError: it is gone.
        ConflictError: it changes all the time.
    """
    for _ in range(_TRIES):
        if not is_held(workflow):
            return workflow
        try:
            return store.save_workflow(given_up(workflow, reason))
        except ConflictError:
            workflow = store.get_workflow(workflow.id)  # its turn may have come
    raise ConflictError("workflow", workflow.id, workflow.revision)


@runtime_checkable
class StartsLater(Protocol):
    """
    A manager whose workflows can be kept in its store before they start.

    Limits on active workflows need it (:class:`workflow_manager.service.StartLimits`).  Of a workflow that is held
    (:func:`is_held`) it changes nothing but to give it up (:func:`give_up`) where it is asked to cancel it.
    """

    def new_workflow(
        self,
        definition: WorkflowDefinition,
        input: JSON,
        *,
        namespace: str = "",
        queue: str = "default",
        tags: Mapping[str, str] | None = None,
        idempotency_key: str | None = None,
    ) -> Workflow:
        """
        The workflow that ``create_workflow`` would start, checked as there; nothing is stored or started.

        Its id follows from *idempotency_key* as there, if that is given; its definition names this manager.

        Raises:
            DefinitionError, InvalidValueError, UnknownResourceError: as ``create_workflow``.
        """
        ...

    def new_retry(self, workflow: Workflow, **changes: Unpack[RetryChanges]) -> Workflow:
        """
        The workflow that ``retry_workflow`` would start, checked as there; nothing is stored, linked or started.

        Raises:
            WorkflowStatusError, InvalidValueError: as ``retry_workflow``.
        """
        ...

    def begin_workflow(self, workflow: Workflow) -> Workflow:
        """
        Start *workflow*, which :meth:`new_workflow` or :meth:`new_retry` has made, and return it as stored.

        A record of it is stored at ``workflow.revision``; what is saved from now on is *workflow*.  This may be called
        again, by any process, until the stored status is no longer ``queued``: after a crash or an error nobody knows
        how far it came, and of two that call at once one may get the ``ConflictError``.  It is started once.

        Raises:
            ConflictError: the stored revision is another.
        """
        ...
