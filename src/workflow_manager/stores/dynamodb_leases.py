"""Leases: attributes of a workflow's item that no save touches."""

from __future__ import annotations

import math
import secrets
from datetime import datetime, timedelta

import attrs

from workflow_manager.exceptions import ConflictError, InvalidValueError, NotFoundError
from workflow_manager.protocols import Lease
from workflow_manager.stores.dynamodb_client import ConditionFailedError, is_key, text
from workflow_manager.stores.dynamodb_database import Database, instant
from workflow_manager.stores.dynamodb_heads import LEASE_ATTRIBUTES, place_of, read_item, update


class LeasePart:
    """The part of the store that says who tends to what.  Times are those of the clients' clocks."""

    _database: Database

    def acquire(self, workflow_id: str, owner: str, ttl_seconds: float) -> Lease:
        """See :meth:`workflow_manager.protocols.WorkflowStore.acquire`."""
        if not 0 < ttl_seconds < math.inf:
            raise InvalidValueError("lease", "/ttl_seconds", f"{ttl_seconds!r} is not a number of seconds above 0")
        if not is_key(workflow_id, 2048):
            raise NotFoundError("workflow", workflow_id)
        now, token = self._database.clock(), secrets.token_hex(16)
        lease = Lease(
            workflow_id=workflow_id,
            owner=owner,
            token=token,
            ttl_seconds=ttl_seconds,
            expires_at=now + timedelta(seconds=ttl_seconds),
        )
        try:
            update(
                self._database,
                workflow_id,
                {
                    "lease_token": text(token),
                    "lease_owner": text(owner),
                    "lease_expires": text(instant(lease.expires_at)),
                    "touched": text(place_of(now, workflow_id)),
                },
                "attribute_exists(#revision) AND "
                "(attribute_not_exists(#lease_token) OR #lease_owner = :lease_owner OR #lease_expires <= :now)",
                {":now": text(instant(now))},
            )
        except ConditionFailedError:
            # Our own first arrival cannot be the reason: an owner may always ask again.
            if read_item(self._database, workflow_id) is None:
                raise NotFoundError("workflow", workflow_id) from None
            raise ConflictError("lease", workflow_id) from None
        return lease

    def renew(self, lease: Lease) -> Lease:
        """See :meth:`workflow_manager.protocols.WorkflowStore.renew`."""
        expires_at: datetime = self._database.clock() + timedelta(seconds=lease.ttl_seconds)
        try:
            update(
                self._database,
                lease.workflow_id,
                {"lease_expires": text(instant(expires_at))},
                "#lease_token = :token",
                {":token": text(lease.token)},
            )
        except ConditionFailedError:
            raise ConflictError("lease", lease.workflow_id) from None
        return attrs.evolve(lease, expires_at=expires_at)

    def release(self, lease: Lease) -> None:
        """See :meth:`workflow_manager.protocols.WorkflowStore.release`."""
        try:
            update(
                self._database,
                lease.workflow_id,
                {},
                "#lease_token = :token",
                {":token": text(lease.token)},
                forget=LEASE_ATTRIBUTES,
            )
        except ConditionFailedError:
            pass  # it has ended, and is not ours any more
