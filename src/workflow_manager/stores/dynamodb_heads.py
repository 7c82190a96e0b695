"""
Heads: the one item of a workflow that changes.

A head says at which revision the workflow is, where its parts are, and what listings search.  Moving it by one
conditional write is the commit of a save.  It remembers who made the latest writes, so that a writer whose answer was
lost can tell whether the write was its own: while a request is repeated others may have gone on.

Leases are attributes of the same item, but no save touches them.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from datetime import datetime

import attrs

from workflow_manager.exceptions import StoreError
from workflow_manager.models import Workflow, WorkflowStatus
from workflow_manager.stores.dynamodb_client import (
    AttributeValue,
    ConditionFailedError,
    Item,
    is_key,
    number,
    number_in,
    text,
    text_in,
)
from workflow_manager.stores.dynamodb_database import Database, instant
from workflow_manager.stores.dynamodb_documents import Document, attribute_names, document_in
from workflow_manager.stores.dynamodb_tables import FILTERED, TTL_ATTRIBUTE, Index
from workflow_manager.stores.dynamodb_trace import TOKEN_BYTES, has_token

FILTERED_BYTES = 1000
"""What listings filter by is in the head up to this length; longer values are compared after reading."""
_NOWHERE = Document()


@attrs.frozen(kw_only=True)
class Head:
    """
    Where a workflow is.

    *incarnation* tells it from every other workflow that had or will have its id; *writes* holds the tokens of the
    latest saves, the last one at its end; *turn* is the token of the latest save that brought events, *events* how many
    there are; *definition* is the key of the stored definition; *expires* is when DynamoDB may delete it, 0 for never.
    """

    id: str
    incarnation: str
    revision: int = 0
    writes: bytes = b""
    turn: str = ""
    events: int = 0
    status: WorkflowStatus = WorkflowStatus.QUEUED
    definition: str = ""
    body: Document = _NOWHERE
    input: Document = _NOWHERE
    expires: int = 0

    @property
    def owner(self) -> str:
        """The partition of its parts."""
        return owner_of(self.id, self.incarnation)


def owner_of(workflow_id: str, incarnation: str) -> str:
    """The partition of the parts of one incarnation of a workflow."""
    return f"w/{workflow_id}/{incarnation}"


def place_of(created_at: datetime, workflow_id: str) -> str:
    """The sort key of a workflow in every listing."""
    return f"{instant(created_at)}#{workflow_id}"


def head_in(item: Item) -> Head:
    """The head that is in *item*."""
    return Head(
        id=item["id"]["S"],
        incarnation=item["incarnation"]["S"],
        revision=number_in(item, "revision"),
        writes=bytes(item["writes"]["B"]),
        turn=text_in(item, "turn") or "",
        events=number_in(item, "events"),
        status=WorkflowStatus(item["status"]["S"]),
        definition=item["document"]["S"],
        body=document_in(item, "body"),
        input=document_in(item, "input"),
        expires=number_in(item, TTL_ATTRIBUTE),
    )


def read_item(database: Database, workflow_id: str) -> Item | None:
    """The item of a workflow as the latest completed write left it; ``None`` if there is no such workflow."""
    item = database.calls.get(database.tables.workflows, {"id": text(workflow_id)})
    return None if item is None or "deleted" in item else item


def read_head(database: Database, workflow_id: str) -> Head | None:
    """The head of a workflow as the latest completed write left it."""
    item = read_item(database, workflow_id)
    return None if item is None else head_in(item)


def commit(database: Database, seen: Head | None, head: Head, workflow: Workflow) -> bool:
    """
    Put *head* in the place of *seen*, which is ``None`` for a new workflow, and tell whether that was done.

    A write that was done though its answer was lost counts as done, whatever others have written over it since.

    Raises:
        StoreError: it is not known whether it was done.
    """
    # A repeated request must not bring back a workflow that somebody has deleted since its first arrival.
    believed = "attribute_not_exists(#id) OR (attribute_exists(#deleted) AND #incarnation <> :incarnation)"
    values: Item = {}
    if seen is not None:
        believed = "#incarnation = :incarnation AND #revision = :seen"
        values = {":seen": number(seen.revision)}
    try:
        update(database, head.id, _attributes(database, head, workflow), believed, values, forget=_MANAGED)
    except ConditionFailedError:
        return _is_mine(database, head)
    except StoreError:
        if _is_mine(database, head):
            return True
        raise
    return True


def _is_mine(database: Database, head: Head) -> bool:
    item = database.calls.get(database.tables.workflows, {"id": text(head.id)})
    if item is None or item["incarnation"] != text(head.incarnation):
        return False
    if "deleted" in item:
        return head.revision == 1  # nobody else knew the incarnation, so what was deleted had been saved
    age = number_in(item, "revision") - head.revision
    return has_token(item["writes"]["B"], head.writes[-TOKEN_BYTES:], age)


def bury(database: Database, head: Head) -> None:
    """
    Delete the workflow at *head*.

    What stays for a while is which incarnation it was, so that requests that are still under way find it ended.

    Raises:
        ConditionFailedError: it is gone, or another has taken its id.
    """
    now = database.clock()
    stone: Item = {"deleted": text(instant(now)), TTL_ATTRIBUTE: number(int(now.timestamp()) + _STONE_SECONDS)}
    forget = [name for name in (*_MANAGED, *LEASE_ATTRIBUTES) if name != "incarnation"]
    update(
        database,
        head.id,
        stone,
        "#incarnation = :incarnation AND attribute_exists(#revision)",
        {":incarnation": text(head.incarnation)},
        forget=forget,
    )


_STONE_SECONDS = 7 * 86_400
LEASE_ATTRIBUTES = ("lease_token", "lease_owner", "lease_expires")


def update(
    database: Database,
    workflow_id: str,
    attributes: Mapping[str, AttributeValue],
    condition: str,
    values: Mapping[str, AttributeValue] | None = None,
    *,
    forget: Collection[str] = (),
) -> None:
    """
    Set *attributes* of a workflow's item and remove those of *forget* that are not among them.

    *condition* names attributes with ``#``; *values* are its values.

    Raises:
        ConditionFailedError: *condition* does not hold.
    """
    gone = [name for name in forget if name not in attributes]
    setting = "SET " + ", ".join(f"#{name} = :{name}" for name in attributes) if attributes else ""
    removing = "REMOVE " + ", ".join(f"#{name}" for name in gone) if gone else ""
    names = {*attributes, *gone, *re.findall(r"#(\w+)", condition)}
    given = {**{f":{name}": value for name, value in attributes.items()}, **(values or {})}
    database.calls.make(
        database.calls.client.update_item,
        TableName=database.tables.workflows,
        Key={"id": text(workflow_id)},
        UpdateExpression=f"{setting} {removing}".strip(),
        ConditionExpression=condition,
        ExpressionAttributeNames={f"#{name}": name for name in sorted(names)},
        **({"ExpressionAttributeValues": given} if given else {}),
    )


_MANAGED = (
    *("incarnation", "revision", "writes", "turn", "events", "document", "place", "touched", "deleted", TTL_ATTRIBUTE),
    *(index.value for index in Index),
    *FILTERED,
    *attribute_names("body"),
    *attribute_names("input"),
)
"""Every attribute that a save gives or takes."""


def _attributes(database: Database, head: Head, workflow: Workflow) -> Item:
    name, status = workflow.workflow_definition.name, head.status.value
    found: Item = {
        "incarnation": text(head.incarnation),
        "revision": number(head.revision),
        "writes": {"B": head.writes},
        "turn": text(head.turn),
        "events": number(head.events),
        "document": text(head.definition),
        "place": text(place_of(workflow.created_at, workflow.id)),
        Index.ALL.value: text("all"),
        Index.DEFINITION.value: text(name),
        Index.STATUS.value: text(status),
        Index.BOTH.value: text(both(name, status)),
        **filtered(workflow),
        **head.body.attributes("body"),
        **head.input.attributes("input"),
    }
    if not head.status.is_final:
        found[Index.PENDING.value] = text("yes")
        found["touched"] = text(place_of(database.clock(), workflow.id))
    if head.expires:
        found[TTL_ATTRIBUTE] = number(head.expires)
    return found


def both(name: str, status: str) -> str:
    """The key of what is listed by definition and status."""
    return f"{status}/{name}"


def filtered(workflow: Workflow) -> Item:
    """The attributes that listings filter by, without those that are too long."""
    found: Item = {"resolved": {"BOOL": workflow.resolved_by_user}}
    for name, value in (
        ("namespace", workflow.namespace),
        ("queue", workflow.queue),
        ("retry_for", workflow.retry_for),
    ):
        if is_short(value):
            found[name] = text(value)
    if is_short(*workflow.tags, *workflow.tags.values()) and "" not in workflow.tags:
        found["tags"] = {"M": {key: text(value) for key, value in workflow.tags.items()}}
    return found


def is_short(*values: str) -> bool:
    """Whether *values* together are short enough, and can be written as UTF-8."""
    joined = "".join(values)
    return not joined or is_key(joined, FILTERED_BYTES)
