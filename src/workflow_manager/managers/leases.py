"""Leases: how processes that share a store keep from taking over each other's workflows."""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Callable

from workflow_manager.exceptions import ConflictError, InvalidValueError, NotFoundError
from workflow_manager.protocols import Lease, WorkflowStore

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
        self._lock = threading.Lock()
        self._held: dict[str, Lease] = {}

    def take(self, workflow_id: str) -> bool:
        """Get a lease on the workflow; ``False`` if another owner has one."""
        try:
            lease = self._store.acquire(workflow_id, self._owner, self.ttl_seconds)
        except ConflictError:
            return False
        with self._lock:
            self._held[workflow_id] = lease
        return True

    def renew(self, is_live: Callable[[str], bool]) -> None:
        """Renew the leases on workflows that are still driven here, and forget the others."""
        with self._lock:
            held = tuple(self._held.items())
        for workflow_id, lease in held:
            if not is_live(workflow_id) or not self._renewed(lease):
                with self._lock:
                    self._held.pop(workflow_id, None)

    def _renewed(self, lease: Lease) -> bool:
        try:
            renewed = self._store.renew(lease)
        except (ConflictError, NotFoundError):
            logger.warning("workflow %s: its lease has gone to somebody else", lease.workflow_id)
            return False
        with self._lock:
            self._held[lease.workflow_id] = renewed
        return True

    def release(self) -> None:
        """End all leases, so that others need not wait for their expiry."""
        with self._lock:
            held, self._held = tuple(self._held.values()), {}
        for lease in held:
            self._store.release(lease)


def is_leased(store: WorkflowStore, workflow_id: str) -> bool:
    """Whether somebody holds a lease on the workflow."""
    try:
        lease = store.acquire(workflow_id, f"nobody-{uuid.uuid4()}", _MOMENT)
    except ConflictError:
        return True
    store.release(lease)
    return False
