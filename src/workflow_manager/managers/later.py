"""What a manager may do besides: check a workflow now, and start it when somebody says that its turn has come."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

from workflow_manager.asl.machine import ABSENT, Absent
from workflow_manager.asl.values import JSON
from workflow_manager.models import Workflow, WorkflowDefinition


@runtime_checkable
class StartsLater(Protocol):
    """
    A manager whose workflows can be kept in its store before they start.

    Limits on active workflows need it (:class:`workflow_manager.service.StartLimits`).  Who keeps a workflow meanwhile
    gives its stored definition the name of another manager, so that nobody takes it for one that runs.
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

    def new_retry(self, workflow: Workflow, *, start_at: str | None = None, input: JSON | Absent = ABSENT) -> Workflow:
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
