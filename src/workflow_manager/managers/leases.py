"""Leases: how processes that share a store keep from taking over each other's workflows."""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType

from workflow_manager.exceptions import ConflictError, InvalidValueError, NotFoundError
from workflow_manager.history import HistoryEvent
from workflow_manager.managers.processes import is_gone
from workflow_manager.models import Workflow
from workflow_manager.protocols import Lease, SharedStore, WorkflowStore

logger = logging.getLogger("workflow_manager")

_MOMENT = 5.0  # seconds; long enough to release the lease again


class Leases:
    """
    The leases that *owner* holds on the workflows it drives, each for *ttl_seconds* at a time.

    Raises:
        InvalidValueError: *ttl_seconds* is not above 0.
    """

    def __init__(self, store: WorkflowStore, owner: str, ttl_seconds: float) -> None:
        if not ttl_seconds > 0:
            raise InvalidValueError("lease", "/lease_seconds", f"{ttl_seconds!r} is not above 0")
        self._store, self._owner, self.ttl_seconds = store, owner, ttl_seconds
        self._shared = store if isinstance(store, SharedStore) else None
        self._lock = threading.Lock()
        self._held: dict[str, Lease] = {}

    def save(self, workflow: Workflow, events: Sequence[HistoryEvent]) -> Workflow:
        """
        Save a new workflow that goes on, and get the lease on it: at once where the store can, else right afterwards.

        Raises:
            ConflictError: there is a workflow of that id.
        """
        if self._shared is None:
            saved = self._store.save_workflow(workflow, events)
            self.take(saved.id)
            return saved
        saved, lease = self._shared.save_and_acquire(workflow, events, self._owner, self.ttl_seconds)
        self._hold(lease)
        return saved

    def take(self, workflow_id: str) -> bool:
        """Get a lease on the workflow; ``False`` if another owner has one, and is not known to be gone."""
        try:
            lease = self._acquired(workflow_id)
        except ConflictError:
            return False
        if lease is None:
            return False
        self._hold(lease)
        return True

    def _acquired(self, workflow_id: str) -> Lease | None:
        # Who has it is read first, for that costs less than to be refused.
        holder = None if self._shared is None else self._shared.lease_owner(workflow_id)
        if self._shared is None or holder is None or holder == self._owner:
            return self._store.acquire(workflow_id, self._owner, self.ttl_seconds)
        if is_gone(holder):
            return self._shared.acquire_from(workflow_id, holder, self._owner, self.ttl_seconds)
        return None

    def _hold(self, lease: Lease) -> None:
        with self._lock:
            self._held[lease.workflow_id] = lease

    def has_lost(self, workflow_id: str) -> bool:
        """Whether somebody else has been given the lease on a workflow since we were."""
        lease = self._held.get(workflow_id)
        return lease is not None and bool(self._renew((lease,)))

    def renew(self) -> tuple[str, ...]:
        """Renew all leases; the workflows that somebody else has now are returned, and forgotten."""
        with self._lock:
            held = tuple(self._held.values())
        return self._renew(held)

    def _renew(self, leases: Sequence[Lease]) -> tuple[str, ...]:
        """Renew *leases*, and return the workflows of those that could not be."""
        if not leases:
            return ()
        renewed = {lease.workflow_id: lease for lease in self._renewed(leases)}
        lost: list[str] = []
        with self._lock:
            for lease in leases:
                if self._held.get(lease.workflow_id) is not lease:
                    continue  # it has been forgotten meanwhile, or there is a newer one
                if lease.workflow_id in renewed:
                    self._held[lease.workflow_id] = renewed[lease.workflow_id]
                else:
                    del self._held[lease.workflow_id]
                    lost.append(lease.workflow_id)
        for workflow_id in lost:
            logger.warning("workflow %s: its lease has gone to somebody else", workflow_id)
        return tuple(lost)

    def _renewed(self, leases: Sequence[Lease]) -> Iterator[Lease]:
        if self._shared is not None:
            yield from self._shared.renew_all(leases)
            return
        for lease in leases:
            try:
                yield self._store.renew(lease)
            except (ConflictError, NotFoundError):
                pass

    def forget(self, workflow_id: str) -> None:
        """The workflow is not driven here any more; its lease may expire."""
        with self._lock:
            self._held.pop(workflow_id, None)

    def release(self) -> None:
        """End all leases, so that others need not wait for their expiry."""
        with self._lock:
            held, self._held = tuple(self._held.values()), {}
        for lease in held:
            self._store.release(lease)


_LENT: ContextVar[Mapping[str, str]] = ContextVar("workflow_manager_lent", default=MappingProxyType({}))


@contextmanager
def lent(lease: Lease) -> Iterator[None]:
    """Whoever is called within this and needs the lease on its workflow may act as its owner."""
    before = _LENT.set({**_LENT.get(), lease.workflow_id: lease.owner})
    try:
        yield
    finally:
        _LENT.reset(before)


def lent_owner(workflow_id: str) -> str | None:
    """The owner of the lease on the workflow whom the caller may act as; see :func:`lent`."""
    return _LENT.get().get(workflow_id)


def is_leased(store: WorkflowStore, workflow_id: str) -> bool:
    """Whether somebody holds a lease on the workflow."""
    if isinstance(store, SharedStore):
        return store.lease_owner(workflow_id) is not None
    try:
        lease = store.acquire(workflow_id, f"nobody-{uuid.uuid4()}", _MOMENT)
    except ConflictError:
        return True
    store.release(lease)
    return False
