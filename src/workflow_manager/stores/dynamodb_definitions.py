"""
Definitions.

The items of the versions are the truth: writing the next one, on the condition that it is not there, is the commit.  An
item per name makes names listable; the latest version that it tells is a hint, made good when read.
"""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Iterator, Mapping

import attrs

from workflow_manager.codec.records import definition_digest, definition_from_record, definition_to_record
from workflow_manager.exceptions import NotFoundError, PageTokenError, StoreError
from workflow_manager.models import Page, WorkflowDefinition
from workflow_manager.stores.dynamodb_client import ConditionFailedError, Item, is_key, number, number_in, text
from workflow_manager.stores.dynamodb_database import Database, check_key
from workflow_manager.stores.dynamodb_documents import content_of, discard, document_in, laid_out
from workflow_manager.stores.isolation import copied_definition
from workflow_manager.stores.paging import asked_of, check_limit

_NAMES = "definitions"
_BATCH = 50  # names whose latest versions are asked for at once


class DefinitionPart:
    """The part of the store that keeps definitions."""

    _database: Database

    def save_workflow_definition(self, definition: WorkflowDefinition) -> WorkflowDefinition:
        """See :meth:`workflow_manager.protocols.DefinitionStore.save_workflow_definition`."""
        check_key("workflow definition", "/name", definition.name)
        digest = definition_digest(definition)
        while True:
            latest = self._latest(definition.name)
            if latest is not None and latest["digest"] == text(digest):
                return self._read(latest)
            version = 0 if latest is None else _version(latest) + 1
            stored = attrs.evolve(definition, version=version, id=str(uuid.uuid4()), created_at=self._database.clock())
            if self._add(stored, digest):
                return copied_definition(stored)
            # somebody else has made this version: perhaps the very same content, else ours is the next

    def _add(self, stored: WorkflowDefinition, digest: str) -> bool:
        """Write *stored*; ``False`` if its version is there already, by somebody else."""
        database, key = self._database, _version_key(stored.name, stored.version)
        if stored.version == 0:
            self._tell(stored.name, -1)
        owner = f"v/{stored.id}"
        document, parts = laid_out(owner, definition_to_record(stored))
        database.calls.batch_write(database.tables.chunks, parts)
        item = {**key, "id": text(stored.id), "digest": text(digest), **document.attributes("record")}
        try:
            database.calls.make(
                database.calls.client.put_item,
                TableName=database.tables.catalog,
                Item=item,
                ConditionExpression="attribute_not_exists(#part)",
                ExpressionAttributeNames={"#part": "part"},
            )
        except (ConditionFailedError, StoreError) as error:
            there = database.calls.get(database.tables.catalog, key)
            if there is None or there["id"] != text(stored.id):
                if isinstance(error, StoreError):
                    raise  # it may still arrive
                discard(database, parts)
                return False
        self._tell(stored.name, stored.version)
        return True

    def _tell(self, name: str, version: int) -> None:
        """Note that there is this *version*, or with -1 only the name."""
        try:
            self._database.calls.make(
                self._database.calls.client.update_item,
                TableName=self._database.tables.catalog,
                Key={"part": text(_NAMES), "key": text(name)},
                UpdateExpression="SET #latest = :latest",
                ConditionExpression="attribute_not_exists(#latest) OR #latest < :latest",
                ExpressionAttributeNames={"#latest": "latest"},
                ExpressionAttributeValues={":latest": number(version)},
            )
        except ConditionFailedError:
            pass  # a later version has been told
        except StoreError:
            if version < 0:
                raise  # without its name nobody could list it
            # else listings find the version by themselves, from the one before

    def get_workflow_definition(self, name: str, version: int | None = None) -> WorkflowDefinition:
        """See :meth:`workflow_manager.protocols.DefinitionStore.get_workflow_definition`."""
        item: Item | None = None
        if is_key(name, 1000):
            latest = version is None or version < 0
            item = self._latest(name) if latest else self._get(name, version or 0)
        if item is None:
            raise NotFoundError("workflow definition", name if version is None else f"{name}:{version}")
        return self._read(item)

    def _get(self, name: str, version: int) -> Item | None:
        return self._database.calls.get(self._database.tables.catalog, _version_key(name, version))

    def _latest(self, name: str) -> Item | None:
        return next(self._versions(name, None, limit=1), None)

    def _versions(self, name: str, below: int | None, *, limit: int) -> Iterator[Item]:
        """The versions of *name*, those *below* some number, the latest first."""
        top = {} if below is None else {":below": text(f"{below:010}")}
        condition = "#part = :part" if below is None else "#part = :part AND #key < :below"
        return self._database.calls.query(
            TableName=self._database.tables.catalog,
            ConsistentRead=True,
            KeyConditionExpression=condition,
            ExpressionAttributeNames={"#part": "part", **({} if below is None else {"#key": "key"})},
            ExpressionAttributeValues={":part": _version_key(name, 0)["part"], **top},
            ScanIndexForward=False,
            Limit=min(limit, 1000),
        )

    def _read(self, item: Item) -> WorkflowDefinition:
        record = content_of(self._database, f"v/{item['id']['S']}", document_in(item, "record"))
        if record is None:
            raise StoreError(self._database.calls.place, f"parts of definition {item['part']['S']} are gone")
        return definition_from_record(record)

    def list_workflow_definitions(self, *, limit: int = 100, page_token: str | None = None) -> Page[WorkflowDefinition]:
        """See :meth:`workflow_manager.protocols.DefinitionStore.list_workflow_definitions`; it does not lag."""
        asked, limit = asked_of("definitions"), check_limit(limit)
        place = None if page_token is None else self._database.tokens.read(asked, page_token)
        found = list(itertools.islice(self._latest_of_each(None if place is None else str(place), limit), limit + 1))
        items = tuple(map(self._read, found[:limit]))
        return Page(items=items, next=self._database.tokens.make(asked, items[-1].name) if len(found) > limit else None)

    def _latest_of_each(self, behind: str | None, limit: int) -> Iterator[Item]:
        """The latest version of each name *behind* that one, by name."""
        start = {} if behind is None else {":key": text(behind)}
        names = self._database.calls.query(
            TableName=self._database.tables.catalog,
            ConsistentRead=True,
            KeyConditionExpression="#part = :part" + (" AND #key > :key" if start else ""),
            ExpressionAttributeNames={"#part": "part", **({"#key": "key"} if start else {})},
            ExpressionAttributeValues={":part": text(_NAMES), **start},
            Limit=min(limit + 1, 1000),
        )
        while some := list(itertools.islice(names, min(limit + 1, _BATCH))):
            hints = {item["key"]["S"]: number_in(item, "latest") for item in some}
            latest = self._latest_from(hints)
            yield from (latest[name] for name in hints if name in latest)

    def _latest_from(self, hints: Mapping[str, int]) -> dict[str, Item]:
        """The latest version of each name, looked for from the version on that is told of it."""
        found: dict[str, Item] = {}
        while hints:
            keys = [_version_key(name, at) for name, hint in hints.items() for at in (hint, hint + 1) if at >= 0]
            items = self._database.calls.batch_get(self._database.tables.catalog, keys)
            for item in sorted(items, key=_version):
                found[item["part"]["S"].removeprefix("versions/")] = item
            # where the next one is there too, a writer died before it told of it, or has just written it
            hints = {name: hint + 1 for name, hint in hints.items() if name in found and _version(found[name]) > hint}
        return found

    def list_workflow_definition_versions(
        self, name: str, *, limit: int = 100, page_token: str | None = None
    ) -> Page[WorkflowDefinition]:
        """See :meth:`workflow_manager.protocols.DefinitionStore.list_workflow_definition_versions`."""
        asked, limit = asked_of("versions", name), check_limit(limit)
        place = None if page_token is None else self._database.tokens.read(asked, page_token)
        if not isinstance(place, int | None):
            raise PageTokenError("it names no place")
        versions = self._versions(name, place, limit=limit + 1) if is_key(name, 1000) else iter(())
        found = list(itertools.islice(versions, limit + 1))
        if not found and place is None:
            raise NotFoundError("workflow definition", name)
        items = tuple(map(self._read, found[:limit]))
        token = self._database.tokens.make(asked, items[-1].version) if len(found) > limit else None
        return Page(items=items, next=token)


def _version_key(name: str, version: int) -> Item:
    return {"part": text(f"versions/{name}"), "key": text(f"{version:010}")}


def _version(item: Item) -> int:
    return int(item["key"]["S"])
