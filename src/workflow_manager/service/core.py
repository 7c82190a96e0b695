"""The service: what callers may ask for, each operation by name or id, over one store and one manager."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping

import attrs

from workflow_manager.asl.machine import ABSENT, Absent
from workflow_manager.asl.values import JSON, check_json
from workflow_manager.exceptions import (
    ConflictError,
    NotFoundError,
    WaitTimeoutError,
    WorkflowStatusError,
)
from workflow_manager.history import HistoryEvent
from workflow_manager.managers.later import is_held
from workflow_manager.managers.wait import wait
from workflow_manager.models import Page, StateResource, Workflow, WorkflowDefinition, WorkflowQuery
from workflow_manager.protocols import Store, WorkflowManager
from workflow_manager.service import bulk, pending, resume
from workflow_manager.service.bulk import Progress
from workflow_manager.service.checks import check, is_same, logged, says_the_same
from workflow_manager.service.gate import Gate
from workflow_manager.service.ledger import listed, without_ledger
from workflow_manager.service.limits import StartLimits
from workflow_manager.service.pending import PendingUpdate
from workflow_manager.service.resume import resolved

_HELD_PAUSE = 0.1  # seconds between looks at a workflow that is held


class WorkflowService:
    """
    Definitions, state resources and workflows of one *store*, run by one *manager*.

    *manager* keeps its workflows in the same store; to have several, give a
    :class:`workflow_manager.MultiWorkflowManager`.  The leases of :meth:`update_pending` are good for *lease_seconds*
    each, which one update must not take longer than.  *sleep* waits for some seconds, for bulk operations.

    With *limits*, a workflow that there is no room for stays queued, and starts in its turn, whichever process sees the
    room: when a manager tells that one has ended (those over this library's engine do), when one is seen to end here,
    at the next start, or in :meth:`update_pending`.  However many processes start at once, no limit is passed, if all
    give the same; what was started past them counts once it runs.  To lift all limits give ``StartLimits()``: with
    ``None`` what is held stays so.  A manager must be a :class:`workflow_manager.managers.later.StartsLater`.

    Every method may be called from any thread.  What is raised is of the error tree
    (:class:`workflow_manager.WorkflowManagerError`), but for what an AWS client raises by itself.
    """

    def __init__(
        self,
        store: Store,
        manager: WorkflowManager,
        *,
        lease_seconds: float = 60.0,
        limits: StartLimits | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.store = store
        self.manager = manager
        self._sleep = sleep
        self._poller = pending.Poller(store, manager, lease_seconds, passes=is_held)
        self._gate = Gate(store, manager, limits)

    # Definitions

    def create_workflow_definition(self, definition: WorkflowDefinition) -> WorkflowDefinition:
        """
        Keep a definition under a new name and return it as stored, with version 0.

        If the latest version under that name says the same already (state machine, manager, default tags), that one is
        returned.  Of two that come at the same time and say different things, the later becomes version 1.

        Raises:
            DefinitionError: it cannot run; every problem that is an error is in it.
            ConflictError: there is a definition of that name, and it says something else.
        """
        check(definition)
        try:
            latest = self.store.get_workflow_definition(definition.name)
        except NotFoundError:
            return self.store.save_workflow_definition(definition)
        if not says_the_same(latest, definition):
            raise ConflictError("workflow definition", definition.name)
        return latest

    def update_workflow_definition(self, definition: WorkflowDefinition) -> WorkflowDefinition:
        """
        Keep the next version of a definition that is there, and return it as stored; one that says the same is no news.

        Raises:
            DefinitionError: it cannot run.
            NotFoundError: there is none of that name.
        """
        check(definition)
        self.store.get_workflow_definition(definition.name)
        return self.store.save_workflow_definition(definition)

    def get_workflow_definition(self, name: str, version: int | None = None) -> WorkflowDefinition:
        """
        The definition of that *version*; ``None`` or a negative number means the latest.

        Raises:
            NotFoundError: there is no such name or version.
        """
        return self.store.get_workflow_definition(name, version)

    def list_workflow_definitions(self, *, limit: int = 100, page_token: str | None = None) -> Page[WorkflowDefinition]:
        """
        The latest version of every definition, by name.

        Raises:
            InvalidValueError: *limit* is not from 1 to 10,000.
            PageTokenError: *page_token* is not the ``next`` of a page of this listing.
        """
        return self.store.list_workflow_definitions(limit=limit, page_token=page_token)

    def list_workflow_definition_versions(
        self, name: str, *, limit: int = 100, page_token: str | None = None
    ) -> Page[WorkflowDefinition]:
        """
        All versions of one definition, the latest first.

        Raises:
            NotFoundError: there is no such name.
            InvalidValueError, PageTokenError: as for :meth:`list_workflow_definitions`.
        """
        return self.store.list_workflow_definition_versions(name, limit=limit, page_token=page_token)

    # State resources

    def put_state_resource(self, resource: StateResource) -> StateResource:
        """Keep *resource*, in place of the one of that namespace and name if any; return it as stored."""
        return self.store.save_state_resource(resource)

    def get_state_resource(self, name: str, namespace: str = "") -> StateResource:
        """
        The resource of that namespace and name.

        Raises:
            NotFoundError: there is none.
        """
        return self.store.get_state_resource(name, namespace)

    def delete_state_resource(self, name: str, namespace: str = "") -> None:
        """
        Forget that resource.

        Raises:
            NotFoundError: there is none.
        """
        self.store.delete_state_resource(name, namespace)

    def list_state_resources(
        self, namespace: str | None = None, *, limit: int = 100, page_token: str | None = None
    ) -> Page[StateResource]:
        """
        All resources, or those of one *namespace*, by namespace and name.

        Raises:
            InvalidValueError, PageTokenError: as for :meth:`list_workflow_definitions`.
        """
        return self.store.list_state_resources(namespace, limit=limit, page_token=page_token)

    # One workflow

    def start_workflow(
        self,
        name: str,
        input: JSON | Absent = ABSENT,
        *,
        version: int | None = None,
        namespace: str = "",
        queue: str = "default",
        tags: Mapping[str, str] | None = None,
        idempotency_key: str | None = None,
    ) -> Workflow:
        """
        Start the definition *name*, of that *version* (``None`` or negative: the latest), over *input* (``{}``).

        A second call with the same *idempotency_key* and input for the same name returns the first one's workflow,
        whichever call's answer was lost and however many call at once.

        Raises:
            NotFoundError: there is no such definition.
            ConflictError: that *idempotency_key* was used with another input.
            DefinitionError, InvalidValueError, UnknownResourceError: see
                :meth:`workflow_manager.WorkflowManager.create_workflow`.
        """
        given = {} if isinstance(input, Absent) else check_json(input, "input")
        definition = self.store.get_workflow_definition(name, version)
        workflow = self._gate.start(
            definition, given, namespace=namespace, queue=queue, tags=tags, idempotency_key=idempotency_key
        )
        is_meant = workflow.workflow_definition.name == definition.name and is_same(workflow.input, given)
        if idempotency_key is not None and not is_meant:
            raise ConflictError("idempotency key", idempotency_key)
        return logged("started", workflow)

    def get_workflow(self, workflow_id: str, *, refresh: bool = True, history: bool = False) -> Workflow:
        """
        The workflow of that id, brought up to date unless *refresh* is false, with all its jobs if *history* is true.

        Raises:
            NotFoundError: there is none.
        """
        workflow = self.store.get_workflow(workflow_id)
        looks = refresh or history
        if looks and is_held(workflow):
            self._gate.open(workflow)
            workflow = self.store.get_workflow(workflow_id)
        if not looks or is_held(workflow):
            return workflow
        update = self.manager.update_workflow_history if history else self.manager.update_workflow_summary
        return self._seen(workflow, update(workflow))

    def _seen(self, before: Workflow, after: Workflow) -> Workflow:
        """*after*; if the workflow has ended since *before*, there may be room for another."""
        if after.status.is_final and not before.status.is_final:
            self._gate.open(after)
        return after

    def read_history(
        self, workflow_id: str, *, after: int = 0, limit: int = 1000, page_token: str | None = None
    ) -> Page[HistoryEvent]:
        """
        The stored events of a workflow, in order, without the first *after* of them.

        Raises:
            NotFoundError: there is no such workflow.
            InvalidValueError, PageTokenError: as for :meth:`list_workflow_definitions`.
        """
        return self.store.read_history(workflow_id, after=after, limit=limit, page_token=page_token)

    def cancel_workflow(self, workflow_id: str, *, reason: str) -> Workflow:
        """
        End a workflow; *reason* becomes its ``status_reason``.  One that is cancelled already is returned as it is.

        Raises:
            NotFoundError: there is none.
            WorkflowStatusError: it has succeeded or failed.
        """
        workflow = self.store.get_workflow(workflow_id)
        return logged("cancelled", self._seen(workflow, self.manager.cancel_workflow(workflow, reason=reason)))

    def resume_workflow(
        self,
        workflow_id: str,
        *,
        start_at: str | None = None,
        input: JSON | Absent = ABSENT,
        definition: WorkflowDefinition | None = None,
        namespace: str | None = None,
    ) -> Workflow:
        """
        Start a new workflow that does the work of an ended one from the state *start_at* on.

        Without *start_at* it is the top-level state that failed.  A state inside a Map or Parallel stands for the
        top-level state around it, which is done again as a whole.  Without *input* it is what that top-level state was
        given at its latest visit.  With a *definition*, a mended version say, the new workflow runs that one; with a
        *namespace* its Resources are found there.

        Raises:
            NotFoundError: there is no such workflow.
            WorkflowStatusError: it is still active, or one that retries it, or one that retries that, and so on.
            InvalidValueError: there is no such state, or it was never entered and no *input* is given.
        """
        workflow = resume.refreshed(self.store, self.manager, workflow_id)
        if start_at is not None:
            start_at = resume.top_level((definition or workflow.workflow_definition).state_machine, start_at)
        retry = self._gate.retry(workflow, start_at=start_at, input=input, definition=definition, namespace=namespace)
        return logged("resumed", retry)

    def resolve_workflow(self, workflow_id: str) -> Workflow:
        """
        Mark an ended workflow as dealt with, and return it as stored.

        Raises:
            NotFoundError: there is none.
            WorkflowStatusError: it is still active.
            ConflictError: it is marked already.
        """
        return logged("resolved", resolved(self.store, self.manager, workflow_id))

    def delete_workflow(self, workflow_id: str) -> None:
        """
        Forget an ended workflow and its history.

        Raises:
            NotFoundError: there is none.
            WorkflowStatusError: it is still active.
        """
        workflow = self.store.get_workflow(workflow_id)
        if not workflow.status.is_final:
            raise WorkflowStatusError("delete", workflow_id, workflow.status.value)
        self.store.delete_workflow(workflow_id)

    def wait(self, workflow_id: str, timeout: float | None = None) -> Workflow:
        """
        Wait until a workflow has ended, at most *timeout* seconds, and return it with its output and jobs.

        Raises:
            NotFoundError: there is none.
            WaitTimeoutError: it is still going.
        """
        end = None if timeout is None else time.monotonic() + timeout
        workflow = self.store.get_workflow(workflow_id)
        while is_held(workflow):
            if timeout is not None and end is not None and time.monotonic() >= end:
                raise WaitTimeoutError(workflow_id, timeout)
            time.sleep(_HELD_PAUSE)
            workflow = self.get_workflow(workflow_id)
        left = None if end is None else max(0.0, end - time.monotonic())
        return self._seen(workflow, wait(self.manager, workflow, left))

    # Many workflows

    def list_workflows(self, query: WorkflowQuery | None = None) -> Page[Workflow]:
        """
        One page of the workflows that match *query* (all, the newest first), as stored.

        Raises:
            PageTokenError: the query's page token is not of that query.
        """
        page = self.store.list_workflows(WorkflowQuery() if query is None else query)
        return attrs.evolve(page, items=tuple(without_ledger(page)))

    def iterate_workflows(self, query: WorkflowQuery | None = None) -> Iterator[Workflow]:
        """All workflows that match *query*, page after page, from its own page token on."""
        return without_ledger(listed(self.store, WorkflowQuery(limit=100) if query is None else query))

    def update_pending(self, limit: int = 100) -> PendingUpdate:
        """
        Bring up to *limit* active workflows up to date, those first that nobody has looked at for the longest time.

        For a poller, a function on a timer, or cron: any number of processes may call it at once over one store, and no
        two tend to one workflow at the same time.  The trouble of one workflow is logged and told, and stops no other.

        Raises:
            InvalidValueError: *limit* is not from 1 to 10,000.
        """
        update = self._poller.update(limit)
        self._gate.open()
        return update

    def cancel_workflows(
        self,
        query: WorkflowQuery,
        *,
        reason: str,
        per_second: float = 50.0,
        on_progress: Callable[[Progress], object] | None = None,
    ) -> Progress:
        """
        Cancel every active workflow that matches *query*, at most so many *per_second*.

        *on_progress* is called after each with how far it has come.  What cannot be cancelled is told in ``failed``.

        Raises:
            InvalidValueError: *per_second* is not above 0.
        """

        def cancel(workflow_id: str) -> Workflow:
            return self.cancel_workflow(workflow_id, reason=reason)

        return bulk.run(self._active(query), cancel, per_second=per_second, sleep=self._sleep, on_progress=on_progress)

    def refresh_workflows(
        self,
        query: WorkflowQuery,
        *,
        per_second: float = 50.0,
        on_progress: Callable[[Progress], object] | None = None,
    ) -> Progress:
        """
        Bring every active workflow that matches *query* up to date, at most so many *per_second*.

        *on_progress* is called after each with how far it has come.

        Raises:
            InvalidValueError: *per_second* is not above 0.
        """
        return bulk.run(
            self._active(query), self.get_workflow, per_second=per_second, sleep=self._sleep, on_progress=on_progress
        )

    def _active(self, query: WorkflowQuery) -> tuple[str, ...]:
        """Ids, collected before anything changes, the oldest first."""
        query = attrs.evolve(query, oldest_first=True, summary_only=True, limit=1000, page_token=None)
        return tuple(found.id for found in self.iterate_workflows(query) if not found.status.is_final)
