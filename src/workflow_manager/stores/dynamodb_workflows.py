"""Workflows and their histories: saving, reading, deleting."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable, Sequence
from datetime import timedelta

import attrs

from workflow_manager.asl.values import loads
from workflow_manager.codec.events import event_from_record, events_to_records, text_of
from workflow_manager.codec.records import (
    definition_from_record,
    definition_to_record,
    workflow_from_record,
    workflow_to_record,
)
from workflow_manager.exceptions import (
    ConflictError,
    InvalidValueError,
    NotFoundError,
    StoreError,
    WorkflowStatusError,
)
from workflow_manager.history import HistoryEvent
from workflow_manager.models import Page, Workflow, WorkflowDefinition
from workflow_manager.stores.dynamodb_client import ConditionFailedError, Item, is_key, number, text
from workflow_manager.stores.dynamodb_database import Database, check_key, instant
from workflow_manager.stores.dynamodb_documents import (
    Document,
    content_of,
    delete_owned,
    discard,
    document_in,
    laid_out,
    part_keys,
)
from workflow_manager.stores.dynamodb_heads import Head, bury, commit, head_in, read_head, read_item
from workflow_manager.stores.dynamodb_history import History, turn_items
from workflow_manager.stores.dynamodb_snapshots import drop_snapshot
from workflow_manager.stores.dynamodb_tables import TTL_ATTRIBUTE
from workflow_manager.stores.dynamodb_trace import TOKEN_BYTES, with_token
from workflow_manager.stores.isolation import copied_definition, isolated_events, isolated_workflow
from workflow_manager.stores.paging import asked_of, check_limit
from workflow_manager.stores.recent import Recent

INLINE_BYTES = 4096
"""Texts up to here are in the head itself; every change of a head is paid by the size of the whole head."""
GRACE_SECONDS = int(timedelta(days=14).total_seconds())
"""How much longer than its head a part may stay: DynamoDB deletes within days, in no order."""
_TRIES = 5


class WorkflowPart:
    """The part of the store that keeps workflows and histories; *database* is where."""

    _database: Database
    _heads: Recent[str, Head]
    _definitions: Recent[str, WorkflowDefinition]

    # saving

    def save_workflow(self, workflow: Workflow, events: Sequence[HistoryEvent] = ()) -> Workflow:
        """
        See :meth:`workflow_manager.protocols.WorkflowStore.save_workflow`.

        Raises:
            StoreError: DynamoDB did not answer, however often it was asked; whether this was saved can be read.
        """
        check_key("workflow", "/id", workflow.id)
        check_key("workflow", "/workflow_definition/name", workflow.workflow_definition.name)
        records = _event_records(events)
        body, given = _workflow_records(workflow)
        tried: set[str] = set()
        while True:
            seen = self._seen(workflow, tried)
            if self._save(seen, workflow, body, given, records):
                return attrs.evolve(workflow, revision=workflow.revision + 1)
            if seen is None or seen.incarnation in tried:
                raise ConflictError("workflow", workflow.id, workflow.revision)
            tried.add(seen.incarnation)

    def _seen(self, workflow: Workflow, tried: set[str]) -> Head | None:
        """The stored head that *workflow* is to follow; ``None`` if it is to be the first."""
        if workflow.revision == 0:
            return None
        head = self._heads.get(workflow.id)
        if head is None or head.revision != workflow.revision or head.status.is_final:
            head = read_head(self._database, workflow.id)
            if head is None or head.revision != workflow.revision or head.incarnation in tried:
                raise ConflictError("workflow", workflow.id, workflow.revision)
        if head.status.is_final and workflow.status != head.status:
            raise WorkflowStatusError(f"saving it as {workflow.status.value}", workflow.id, head.status.value)
        return head

    def _save(self, seen: Head | None, workflow: Workflow, body: str, given: str, records: Sequence[str]) -> bool:
        """Write the parts, then move the head from *seen*; ``False`` if somebody else has moved it."""
        token = secrets.token_bytes(TOKEN_BYTES)
        head, parts = self._first(workflow, given) if seen is None else (seen, [])
        turn = turn_items(head, token.hex(), records) if records else []
        body_document, body_parts = laid_out(head.owner, body, INLINE_BYTES)
        parts += [*turn, *body_parts]
        head = attrs.evolve(
            head,
            revision=workflow.revision + 1,
            writes=with_token(head.writes, token),
            turn=token.hex() if records else head.turn,
            events=head.events + len(records),
            status=workflow.status,
            body=body_document,
            expires=head.expires or self._expiry(workflow),
        )
        self._write_parts(parts, head)
        if not commit(self._database, seen, head, workflow):
            self._heads.forget(workflow.id)
            discard(self._database, [part for part in parts if part["owner"] == text(head.owner)])
            return False
        self._heads.put(workflow.id, head)
        if seen is not None:
            discard(self._database, part_keys(seen.owner, seen.body))
            if head.status.is_final and not seen.status.is_final:
                drop_snapshot(self._database, head)
        if head.expires and (seen is None or not seen.expires):
            self._let_parts_expire(head)
        return True

    def _first(self, workflow: Workflow, given: str) -> tuple[Head, list[Item]]:
        """The head of a new workflow before its first save, and the parts that belong to this save alone."""
        head = Head(id=workflow.id, incarnation=secrets.token_hex(8))
        document, parts = laid_out(head.owner, given, INLINE_BYTES)
        key = self._keep_definition(workflow.workflow_definition)
        return attrs.evolve(head, input=document, definition=key), parts

    def _keep_definition(self, definition: WorkflowDefinition) -> str:
        """See to it that *definition* is stored, once for all workflows that run it, and return its key."""
        record = definition_to_record(definition)
        key = hashlib.sha256(record.encode()).hexdigest()
        if self._definitions.get(key) is None:
            document, parts = laid_out(_shared(key), record)
            self._database.calls.batch_write(self._database.tables.chunks, parts)
            whole: Item = {"owner": text(_shared(key)), "key": text("definition"), **document.attributes("record")}
            self._database.calls.batch_write(self._database.tables.chunks, [whole])
            self._definitions.put(key, copied_definition(definition))
        return key

    def _write_parts(self, parts: Sequence[Item], head: Head) -> None:
        more: Item = {"written": text(instant(self._database.clock()))}
        if head.expires:
            more[TTL_ATTRIBUTE] = number(head.expires + GRACE_SECONDS)
        self._database.calls.batch_write(self._database.tables.chunks, [{**part, **more} for part in parts])

    # expiry

    def _expiry(self, workflow: Workflow) -> int:
        days = self._database.ttl_days
        if days is None or not workflow.status.is_final:
            return 0
        return int((self._database.clock() + timedelta(days=days)).timestamp())

    def _let_parts_expire(self, head: Head) -> None:
        """Give every part that was written before the end the time at which it may go."""
        expires = number(head.expires + GRACE_SECONDS)
        calls, table = self._database.calls, self._database.tables.chunks
        owned = calls.query(
            TableName=table,
            ConsistentRead=True,
            KeyConditionExpression="#owner = :owner",
            ExpressionAttributeNames={"#owner": "owner"},
            ExpressionAttributeValues={":owner": text(head.owner)},
        )
        try:
            calls.batch_write(table, ({**item, TTL_ATTRIBUTE: expires} for item in owned if TTL_ATTRIBUTE not in item))
        except StoreError:
            pass  # the workflow is saved; these stay until sweep() finds them without their head

    # reading

    def get_workflow(self, workflow_id: str) -> Workflow:
        """See :meth:`workflow_manager.protocols.WorkflowStore.get_workflow`."""
        for _ in range(_TRIES):
            item = self._item(workflow_id)
            workflow = self._assembled(item)
            if workflow is not None:
                self._heads.put(workflow_id, head_in(item))
                return workflow  # else a save went on, or it was deleted, between two reads
        raise StoreError(self._database.calls.place, f"parts of workflow {workflow_id} are gone")

    def _item(self, workflow_id: str) -> Item:
        item = read_item(self._database, workflow_id) if is_key(workflow_id, 2048) else None
        if item is None:
            raise NotFoundError("workflow", workflow_id)
        return item

    def _assembled(self, item: Item, *, with_input: bool = True) -> Workflow | None:
        """The workflow whose head is in *item*; ``None`` if parts of it are gone."""
        head = head_in(item)
        body = content_of(self._database, head.owner, head.body)
        given = content_of(self._database, head.owner, head.input if with_input else Document("null"))
        definition = self._definition(head.definition)
        if body is None or given is None or definition is None:
            return None
        return workflow_from_record(body, input=loads(given), definition=definition, revision=head.revision)

    def _definition(self, key: str) -> WorkflowDefinition | None:
        known = self._definitions.get(key)
        if known is None:
            place: Item = {"owner": text(_shared(key)), "key": text("definition")}
            item = self._database.calls.get(self._database.tables.chunks, place)
            record = None if item is None else content_of(self._database, _shared(key), document_in(item, "record"))
            if record is None:
                return None
            known = definition_from_record(record)
            self._definitions.put(key, known)
        return copied_definition(known)

    def read_history(
        self, workflow_id: str, *, after: int = 0, limit: int = 1000, page_token: str | None = None
    ) -> Page[HistoryEvent]:
        """See :meth:`workflow_manager.protocols.WorkflowStore.read_history`."""
        asked, limit = asked_of("history", workflow_id, after), check_limit(limit)
        place = None if page_token is None else self._database.tokens.read(asked, page_token)
        while True:
            head = head_in(self._item(workflow_id))
            history = History(self._database, head)
            match place:
                case [int(position), int(start)]:
                    pass
                case _:
                    position, start = max(0, after), -1
            if position >= head.events:
                return Page(items=())
            stop = min(position + limit, head.events)
            try:
                start = history.start_of(position) if start < 0 else start
                records, start = history.records(start, position, stop)
            except StoreError:
                if self._item(workflow_id)["incarnation"] == text(head.incarnation):
                    raise
                continue  # deleted and made anew between two reads
            token = self._database.tokens.make(asked, [stop, start]) if stop < head.events else None
            return Page(items=tuple(map(event_from_record, records)), next=token)

    # deleting

    def delete_workflow(self, workflow_id: str) -> None:
        """
        See :meth:`workflow_manager.protocols.WorkflowStore.delete_workflow`.

        Of several who delete at once each succeeds: it is gone, and was there when they came.
        """
        head = head_in(self._item(workflow_id))
        self._heads.forget(workflow_id)
        try:
            bury(self._database, head)
        except ConditionFailedError:
            pass  # it is gone already: this call's own answer was lost, or somebody else was as quick
        try:
            delete_owned(self._database, head.owner)
        except StoreError:
            pass  # nobody sees these any more; sweep() finds them


def _event_records(events: Iterable[HistoryEvent]) -> list[str]:
    try:
        return events_to_records(list(isolated_events(events)))
    except RecursionError:
        raise _too_deep("history event") from None


def _workflow_records(workflow: Workflow) -> tuple[str, str]:
    """The record of *workflow*, and its input, which only the first save writes."""
    given = workflow.input if workflow.revision == 0 else None
    try:
        checked = isolated_workflow(attrs.evolve(workflow, input=given), workflow.revision, None, None)
        return workflow_to_record(checked, with_input=False, with_definition=False), text_of(checked.input)
    except RecursionError:
        raise _too_deep("workflow") from None


def _too_deep(what: str) -> InvalidValueError:
    return InvalidValueError(what, "", "it is nested too deeply, or contains itself")


def _shared(key: str) -> str:
    """The partition of a definition that workflows share."""
    return f"d/{key}"
