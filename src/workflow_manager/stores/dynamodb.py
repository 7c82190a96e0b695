"""A store in Amazon DynamoDB: for workflows that several processes or machines tend to."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from workflow_manager.exceptions import InvalidValueError
from workflow_manager.models import WorkflowDefinition
from workflow_manager.stores.dynamodb_client import Calls, DynamoDBClient, patience
from workflow_manager.stores.dynamodb_database import Database
from workflow_manager.stores.dynamodb_definitions import DefinitionPart
from workflow_manager.stores.dynamodb_heads import Head
from workflow_manager.stores.dynamodb_leases import LeasePart
from workflow_manager.stores.dynamodb_listings import ListingPart
from workflow_manager.stores.dynamodb_resources import ResourcePart
from workflow_manager.stores.dynamodb_snapshots import SnapshotPart
from workflow_manager.stores.dynamodb_sweep import sweep
from workflow_manager.stores.dynamodb_tables import Tables, create_tables
from workflow_manager.stores.recent import Recent


def _now() -> datetime:
    return datetime.now(UTC)


class DynamoDBStore(DefinitionPart, ResourcePart, ListingPart, LeasePart, SnapshotPart):
    """
    A :class:`workflow_manager.protocols.Store` and ``SnapshotStore`` in three DynamoDB tables named after *prefix*.

    *client* is ``boto3.client("dynamodb")``, yours; several stores and threads may share one.  *clock* gives the time,
    aware and UTC, for leases, expiry and what the store dates.  With *ttl_days* a workflow that has ended is deleted,
    with its history, so many days later.  *sleep* waits for some seconds before a call is repeated.

    Saving writes immutable parts first, which nobody sees, and then moves the workflow's head by one conditional write:
    that is the commit.  No transactions are used, so there is no limit to a save but memory.  Requests that are
    throttled, fail in passing or are not answered are repeated, and no repetition does anything twice or takes a save
    that was done for one that was lost.  Listings of workflows may lag behind by the delay of DynamoDB's indexes; all
    other reads see every completed write.

    Raises:
        StoreError: from any method, where DynamoDB refuses, or goes on failing through ten tries.
    """

    def __init__(
        self,
        client: DynamoDBClient,
        *,
        prefix: str = "workflow-manager",
        clock: Callable[[], datetime] | None = None,
        ttl_days: float | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        if ttl_days is not None and not ttl_days > 0:
            raise InvalidValueError("DynamoDBStore", "/ttl_days", f"{ttl_days!r} is not a number of days above 0")
        calls = Calls(client, patience(sleep, random.uniform), f"DynamoDB tables {prefix}-*")
        self._database = Database(calls, Tables(prefix), clock or _now, ttl_days)
        self._heads: Recent[str, Head] = Recent(2000)
        self._definitions: Recent[str, WorkflowDefinition] = Recent(200)

    def __repr__(self) -> str:
        return f"<DynamoDBStore: tables {self._database.tables.prefix}-*>"

    def create_tables(self) -> None:
        """
        Make the tables that are not there yet, paid per request, and wait until they can be used.

        With ``ttl_days`` expiry is switched on as well.  Who makes tables by other means finds their description in
        ``docs/how-to/dynamodb.md``.

        Raises:
            StoreError: a table of that name has another shape, or DynamoDB refuses.
        """
        create_tables(self._database.calls, self._database.tables, with_ttl=self._database.ttl_days is not None)

    def sweep(self, *, older_than: timedelta = timedelta(days=1)) -> int:
        """
        Delete what writers that died, and deletions that broke off, have left behind; return how many items.

        Nobody sees these items, they only take up room.  This reads the tables whole; nothing else here does.  Items
        younger than *older_than* are left alone, for their writers may be about to commit.
        """
        return sweep(self._database, older_than)
