"""
What a store, a task runner and a workflow manager must do.

The docstrings are the contract; ``workflow_manager.testing.contracts`` tests it over any implementation.  Every
method may be called from any thread.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Protocol, runtime_checkable

import attrs
from typing_extensions import TypedDict

from workflow_manager.asl.machine import ABSENT, Absent
from workflow_manager.asl.values import JSON
from workflow_manager.engine.pending import PendingTask
from workflow_manager.engine.reports import Report, TaskFailed, TaskStarted, TaskSubmitted
from workflow_manager.history import HistoryEvent
from workflow_manager.models import Page, StateResource, Workflow, WorkflowDefinition, WorkflowQuery


@attrs.frozen(kw_only=True)
class Lease:
    """
    The word of a store that *owner* alone tends to a workflow until *expires_at* (UTC).

    *token* tells this lease from every other, so that nobody renews or releases another's.
    """

    workflow_id: str
    owner: str
    token: str
    ttl_seconds: float
    expires_at: datetime


@runtime_checkable
class DefinitionStore(Protocol):
    """The part of a store that keeps definitions.  A stored version never changes."""

    def save_workflow_definition(self, definition: WorkflowDefinition) -> WorkflowDefinition:
        """
        Keep *definition* and return it as stored, with ``version``, ``id`` and ``created_at`` given by the store.

        If the latest version under that name says the same (state machine, manager, default tags), that one is
        returned and nothing is written.  Else it becomes the next version, the first being 0; of several callers at
        once each gets the version that holds what it said.
        """
        ...

    def get_workflow_definition(self, name: str, version: int | None = None) -> WorkflowDefinition:
        """
        The definition of that *version*; ``None`` or a negative number means the latest.

        Raises:
            NotFoundError: there is no such name or version.
        """
        ...

    def list_workflow_definitions(self, *, limit: int = 100, page_token: str | None = None) -> Page[WorkflowDefinition]:
        """The latest version of every definition, by name."""
        ...

    def list_workflow_definition_versions(
        self, name: str, *, limit: int = 100, page_token: str | None = None
    ) -> Page[WorkflowDefinition]:
        """
        All versions of one definition, the latest first.

        Raises:
            NotFoundError: there is no such name.
        """
        ...


@runtime_checkable
class StateResourceStore(Protocol):
    """The part of a store that keeps state resources, under their namespace and name."""

    def save_state_resource(self, resource: StateResource) -> StateResource:
        """Keep *resource*, in place of the one under the same key if any, and return it with ``last_updated`` set."""
        ...

    def get_state_resource(self, name: str, namespace: str = "") -> StateResource:
        """
        The resource under that key.

        Raises:
            NotFoundError: there is none.
        """
        ...

    def delete_state_resource(self, name: str, namespace: str = "") -> None:
        """
        Forget the resource under that key.

        Raises:
            NotFoundError: there is none.
        """
        ...

    def list_state_resources(
        self, namespace: str | None = None, *, limit: int = 100, page_token: str | None = None
    ) -> Page[StateResource]:
        """All resources, or those of one *namespace*, by namespace and name."""
        ...


@runtime_checkable
class WorkflowStore(Protocol):
    """The part of a store that keeps workflows, their histories, and who tends to them."""

    def save_workflow(self, workflow: Workflow, events: Sequence[HistoryEvent] = ()) -> Workflow:
        """
        Write *workflow* and append *events* to its history, both or neither; return the workflow at its new revision.

        It succeeds if and only if the stored revision equals ``workflow.revision`` (0: nothing is stored under that
        id). What is written is a copy: no later change to an object that was handed in or out changes what is
        stored.  The input of a workflow belongs to its first save.

        Raises:
            ConflictError: the stored revision is another; nothing has been written.
            WorkflowStatusError: the stored status is final and this one is another; nothing has been written.
            InvalidValueError: a value is not JSON.
        """
        ...

    def get_workflow(self, workflow_id: str) -> Workflow:
        """
        The workflow as the latest completed save left it.

        Raises:
            NotFoundError: there is none.
        """
        ...

    def delete_workflow(self, workflow_id: str) -> None:
        """
        Forget the workflow, its history and its lease, whatever its status.

        Raises:
            NotFoundError: there is none.
        """
        ...

    def read_history(
        self, workflow_id: str, *, after: int = 0, limit: int = 1000, page_token: str | None = None
    ) -> Page[HistoryEvent]:
        """
        The stored events in the order in which they were appended, without the first *after* of them.

        *after* counts every stored event, listed or not.  Every completed save is seen.  *limit* is 1 to 10,000.

        Raises:
            NotFoundError: there is no such workflow.
            PageTokenError: *page_token* is forged, or not of this workflow and *after*.
        """
        ...

    def list_workflows(self, query: WorkflowQuery) -> Page[Workflow]:
        """
        The workflows that match *query*, in its order; a store may lag behind the latest saves where it says so.

        Following ``next`` with the same query gives every workflow that is not written meanwhile exactly once, in
        order.  The last page's ``next`` is ``None``.

        Raises:
            PageTokenError: the token is forged, damaged, or of another query or store.
        """
        ...

    def list_pending(self, limit: int = 100) -> tuple[str, ...]:
        """
        Ids of workflows whose status is not final and that nobody holds a lease on.

        Those come first that were saved or acquired the longest time ago, so that a workflow that never changes
        cannot keep others waiting.
        """
        ...

    def acquire(self, workflow_id: str, owner: str, ttl_seconds: float) -> Lease:
        """
        Promise *owner* that it alone tends to this workflow for *ttl_seconds*.

        The promise keeps others from double work; what keeps the data right is the revision in :meth:`save_workflow`,
        which asks for no lease.  An owner that asks again gets a new lease, and the old one is void.

        Raises:
            ConflictError: another owner's lease has not expired.
            NotFoundError: there is no such workflow.
            InvalidValueError: *ttl_seconds* is not above 0.
        """
        ...

    def renew(self, lease: Lease) -> Lease:
        """
        The same lease, for its ``ttl_seconds`` from now; also after it has expired, if nobody else has been given one.

        Raises:
            ConflictError: it has been released, or somebody has been given another.
        """
        ...

    def release(self, lease: Lease) -> None:
        """End *lease*; nothing happens if it has ended already or somebody has been given another."""
        ...


@runtime_checkable
class Store(DefinitionStore, StateResourceStore, WorkflowStore, Protocol):
    """
    All three parts.

    A store whose data no other process can see says so by an attribute ``is_shared`` that is ``False``; of any other
    the local manager leases what it runs.

    In every listing *limit* is 1 to 10,000 (else ``InvalidValueError``) and a page token is opaque, bound to what was
    asked and to the store; any other string is a ``PageTokenError``.
    """


@runtime_checkable
class SharedStore(Protocol):
    """
    What a store may do besides, if several processes share it: lease a workflow as it is saved, and tell who has it.

    Where a store does not, a manager acquires a lease after the first save, and waits for the leases of processes that
    are gone to expire.
    """

    def save_and_acquire(
        self, workflow: Workflow, events: Sequence[HistoryEvent], owner: str, ttl_seconds: float
    ) -> tuple[Workflow, Lease]:
        """
        :meth:`WorkflowStore.save_workflow` and :meth:`WorkflowStore.acquire` in one: both are done or neither.

        Raises:
            ConflictError: the stored revision is another, or another owner's lease has not expired.
            WorkflowStatusError, InvalidValueError: as there.
        """
        ...

    def lease_owner(self, workflow_id: str) -> str | None:
        """Who holds the lease that has not expired; ``None`` if nobody does, or there is no such workflow."""
        ...

    def renew_all(self, leases: Collection[Lease]) -> tuple[Lease, ...]:
        """As :meth:`WorkflowStore.renew` of each, at the price of one; those that cannot be renewed are left out."""
        ...

    def acquire_from(self, workflow_id: str, holder: str, owner: str, ttl_seconds: float) -> Lease:
        """
        As :meth:`WorkflowStore.acquire`, but a lease of *holder*, whose process is known to be gone, is no hindrance.

        Raises:
            ConflictError: a lease of somebody else than *holder* and *owner* has not expired.
            NotFoundError, InvalidValueError: as there.
        """
        ...


@attrs.frozen(kw_only=True)
class Snapshot:
    """What a driver kept of a workflow at *revision*: *value* holds what the first *position* stored events led to."""

    revision: int
    position: int
    value: JSON


@runtime_checkable
class SnapshotStore(Protocol):
    """
    What a store may do besides: keep the latest snapshot of a workflow, so that a long history need not be read again.

    A snapshot is a cache.  A store may drop it at any time, and does when the workflow ends or is deleted; whoever
    loads none, or one that he cannot use, reads the history.
    """

    def save_snapshot(self, workflow_id: str, revision: int, position: int, snapshot: JSON) -> None:
        """
        Keep *snapshot* in place of the one before.

        Nothing happens if there is no such workflow, if it has ended, or if its stored revision is not *revision*.

        Raises:
            InvalidValueError: *snapshot* is not JSON.
        """
        ...

    def load_snapshot(self, workflow_id: str) -> Snapshot | None:
        """
        The latest snapshot, if any; the value is the caller's own.

        It may be of an older revision than is stored: the events after its ``position`` are what it lacks.
        """
        ...


@runtime_checkable
class TaskRunner(Protocol):
    """
    The hands that do tasks.

    Every method may be called again with the same arguments: a token under way is not started twice.  A token that the
    runner does not know is never an error.
    """

    def start(self, workflow: Workflow, task: PendingTask) -> TaskSubmitted | TaskStarted | TaskFailed | None:
        """
        See to it that *task* is under way.

        Returns the first news of it, or ``None`` when there is none yet.  A task that cannot be started is a
        ``TaskFailed``, not an exception; an exception means that it is unknown whether it was started, and the caller
        will ask again.
        """
        ...

    def poll(self, workflow: Workflow, tasks: Sequence[PendingTask]) -> Sequence[Report]:
        """
        What is new about *tasks*, all pending in *workflow*, in the order in which it became true.

        News may be told more than once.  A task whose work is lost for good is told as ``TaskFailed``.
        """
        ...

    def stop(self, workflow: Workflow, keep: Collection[str]) -> None:
        """Withdraw all work for *workflow* but the tokens in *keep*; what cannot be stopped is left to end unheard."""
        ...


class RetryChanges(TypedDict, total=False):
    """What a retry may do otherwise: the keyword arguments of :meth:`WorkflowManager.retry_workflow`."""

    start_at: str | None
    input: JSON | Absent
    definition: WorkflowDefinition | None
    namespace: str | None


@runtime_checkable
class WorkflowManager(Protocol):
    """Runs workflows.  What it returns is as stored, at the newest revision."""

    def create_workflow(
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
        Start a run of *definition* over *input*.

        With *idempotency_key*, a second call with the same key and definition name returns the first call's workflow.

        Raises:
            DefinitionError: the definition cannot run; nothing has been started.
            InvalidValueError: *input* is not JSON.
            UnknownResourceError: a state names a resource that this manager cannot find.
        """
        ...

    def retry_workflow(
        self,
        workflow: Workflow,
        *,
        start_at: str | None = None,
        input: JSON | Absent = ABSENT,
        definition: WorkflowDefinition | None = None,
        namespace: str | None = None,
    ) -> Workflow:
        """
        Start a new workflow that does *workflow*'s work from the state *start_at* on.

        Without *start_at* it is the top-level state that failed; without *input* it is what that state was last
        given.  With a *definition* the new workflow runs that one, a mended version say, which must have the state
        where it starts; with a *namespace* its Resources are found there.  Else these are those of the old one, as
        queue and tags are.  The new workflow's ``retry_for`` names the old one, whose ``retries`` names the new one.

        Raises:
            WorkflowStatusError: *workflow* is not done.
            InvalidValueError: there is no such state, or it was never entered and no *input* is given.
        """
        ...

    def cancel_workflow(self, workflow: Workflow, *, reason: str) -> Workflow:
        """
        End *workflow* and withdraw its work; *reason* becomes its ``status_reason``.

        A workflow that is cancelled already is returned as it is.

        Raises:
            WorkflowStatusError: it has succeeded or failed.
        """
        ...

    def update_workflow_summary(self, workflow: Workflow) -> Workflow:
        """The workflow with its present status, output, reason and last job; its jobs may be left out."""
        ...

    def update_workflow_history(self, workflow: Workflow) -> Workflow:
        """As :meth:`update_workflow_summary`, with all its jobs filled in."""
        ...
