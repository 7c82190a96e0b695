"""Definitions and state resources in a SQLiteStore's file."""

from __future__ import annotations

import hashlib
import sqlite3
import uuid
from collections.abc import Callable
from datetime import datetime
from typing import TypeAlias

import attrs

from workflow_manager.asl.machine import StateMachine
from workflow_manager.asl.values import JSON
from workflow_manager.codec.records import (
    definition_digest,
    definition_from_record,
    definition_to_record,
    state_resource_from_record,
    state_resource_to_record,
)
from workflow_manager.exceptions import NotFoundError, PageTokenError
from workflow_manager.models import Page, StateResource, WorkflowDefinition, changed
from workflow_manager.stores.paging import PageTokens, asked_of, check_limit
from workflow_manager.stores.recent import Recent
from workflow_manager.stores.sqlite_file import SQLiteFile

_LARGEST = 2**63 - 1
_MOST_REMEMBERED = 256

_Said: TypeAlias = tuple[int, str, int, str, str, datetime | None, tuple[tuple[str, str], ...]]


def _said(definition: WorkflowDefinition) -> _Said:
    """What tells *definition* from others without a look into its machine, as long as that lives."""
    tags = tuple(sorted(definition.default_tags.items()))
    machine = id(definition.state_machine)
    return machine, definition.name, definition.version, definition.manager, definition.id, definition.created_at, tags


@attrs.frozen
class Written:
    """A definition as text, its digest, and its number once it is known to be in the file."""

    record: str
    digest: str


class DefinitionTable:
    """
    Every definition that a version or a workflow has, once each, by a number that never changes its meaning.

    What is read or written often is remembered, so that neither a turn of a workflow nor a page of a listing costs the
    size of the definition.
    """

    def __init__(self) -> None:
        # With each number the machine, which lives as long, so that its id() in the key is its own.
        self._numbers: Recent[_Said, tuple[StateMachine, int]] = Recent(_MOST_REMEMBERED)
        self._definitions: Recent[int, WorkflowDefinition] = Recent(_MOST_REMEMBERED)

    def prepare(self, definition: WorkflowDefinition) -> int | Written:
        """Outside any transaction: the number if it is known, else what :meth:`number` is to write."""
        known = self._numbers.get(_said(definition))
        if known is not None:
            return known[1]
        record = definition_to_record(definition)
        return Written(record, hashlib.sha256(record.encode()).hexdigest())

    @staticmethod
    def number(connection: sqlite3.Connection, prepared: int | Written) -> int:
        """The number of a definition; it is written if it is not there."""
        if isinstance(prepared, int):
            return prepared
        connection.execute(
            "INSERT OR IGNORE INTO definitions (digest, record) VALUES (?, ?)", (prepared.digest, prepared.record)
        )
        found = connection.execute("SELECT number FROM definitions WHERE digest = ?", (prepared.digest,)).fetchone()
        return int(found[0])

    def remember(self, definition: WorkflowDefinition, number: int) -> None:
        """After the commit: *definition* has this *number*."""
        self._numbers.put(_said(definition), (definition.state_machine, number))

    def read(self, connection: sqlite3.Connection, number: int) -> WorkflowDefinition:
        """The definition of that *number*, with tags of its own."""
        definition = self._definitions.get(number)
        if definition is None:
            found = connection.execute("SELECT record FROM definitions WHERE number = ?", (number,)).fetchone()
            definition = definition_from_record(found[0])
            self._definitions.put(number, definition)
            self.remember(definition, number)
        return changed(definition, default_tags=dict(definition.default_tags))


class SQLiteDefinitions:
    """The part of a SQLiteStore that is a :class:`workflow_manager.protocols.DefinitionStore`."""

    _file: SQLiteFile
    _clock: Callable[[], datetime]
    _tokens: PageTokens
    _definitions: DefinitionTable

    def save_workflow_definition(self, definition: WorkflowDefinition) -> WorkflowDefinition:
        """See :meth:`workflow_manager.protocols.DefinitionStore.save_workflow_definition`."""
        content = definition_digest(definition)
        with self._file.read() as connection:  # mostly it is there already
            latest = _latest(connection, definition.name)
            if latest is not None and latest[1] == content:
                return self._definitions.read(connection, latest[2])
        with self._file.write() as connection:
            latest = _latest(connection, definition.name)
            if latest is not None and latest[1] == content:
                return self._definitions.read(connection, latest[2])
            version = 0 if latest is None else latest[0] + 1
            stored = attrs.evolve(definition, version=version, id=str(uuid.uuid4()), created_at=self._clock())
            number = self._definitions.number(connection, self._definitions.prepare(stored))
            connection.execute(
                "INSERT INTO definition_versions VALUES (?, ?, ?, ?)", (stored.name, version, content, number)
            )
        self._definitions.remember(stored, number)
        return stored

    def get_workflow_definition(self, name: str, version: int | None = None) -> WorkflowDefinition:
        """See :meth:`workflow_manager.protocols.DefinitionStore.get_workflow_definition`."""
        with self._file.read() as connection:
            if version is None or version < 0:
                latest = _latest(connection, name)
                number = None if latest is None else latest[2]
            else:
                sql = "SELECT definition FROM definition_versions WHERE name = ? AND version = ?"
                found = connection.execute(sql, (name, min(version, _LARGEST))).fetchone()
                number = None if found is None else found[0]
            if number is None:
                raise NotFoundError("workflow definition", name if version is None else f"{name}:{version}")
            return self._definitions.read(connection, number)

    def list_workflow_definitions(self, *, limit: int = 100, page_token: str | None = None) -> Page[WorkflowDefinition]:
        """See :meth:`workflow_manager.protocols.DefinitionStore.list_workflow_definitions`."""
        asked, limit = asked_of("definitions"), check_limit(limit)
        place = "" if page_token is None else str(self._tokens.read(asked, page_token))
        found: list[tuple[str, int]] = []
        with self._file.read() as connection:
            while len(found) <= limit:  # one search per name, past all its versions
                sql = "SELECT min(name) FROM definition_versions WHERE name > ?"
                (name,) = connection.execute(sql, (place,)).fetchone()
                if name is None:
                    break
                latest = _latest(connection, name)
                assert latest is not None, name
                found.append((name, latest[2]))
                place = name
            items = tuple(self._definitions.read(connection, number) for _, number in found[:limit])
        return Page(items=items, next=self._tokens.make(asked, items[-1].name) if len(found) > limit else None)

    def list_workflow_definition_versions(
        self, name: str, *, limit: int = 100, page_token: str | None = None
    ) -> Page[WorkflowDefinition]:
        """See :meth:`workflow_manager.protocols.DefinitionStore.list_workflow_definition_versions`."""
        asked, limit = asked_of("versions", name), check_limit(limit)
        place = _LARGEST if page_token is None else _whole(self._tokens.read(asked, page_token))
        sql = "SELECT definition FROM definition_versions WHERE name = ? AND version < ? ORDER BY version DESC LIMIT ?"
        with self._file.read() as connection:
            if _latest(connection, name) is None:
                raise NotFoundError("workflow definition", name)
            numbers = [number for (number,) in connection.execute(sql, (name, place, limit + 1))]
            items = tuple(self._definitions.read(connection, number) for number in numbers[:limit])
        return Page(items=items, next=self._tokens.make(asked, items[-1].version) if len(numbers) > limit else None)


def _latest(connection: sqlite3.Connection, name: str) -> tuple[int, str, int] | None:
    """The latest version of a definition: its version, the digest of what it says, its number."""
    found: tuple[int, str, int] | None = connection.execute(
        "SELECT version, content, definition FROM definition_versions WHERE name = ? ORDER BY version DESC LIMIT 1",
        (name,),
    ).fetchone()
    return found


def _whole(place: JSON) -> int:
    if not isinstance(place, int):
        raise PageTokenError("it names no place")
    return place


class SQLiteResources:
    """The part of a SQLiteStore that is a :class:`workflow_manager.protocols.StateResourceStore`."""

    _file: SQLiteFile
    _clock: Callable[[], datetime]
    _tokens: PageTokens

    def save_state_resource(self, resource: StateResource) -> StateResource:
        """See :meth:`workflow_manager.protocols.StateResourceStore.save_state_resource`."""
        stored = attrs.evolve(resource, last_updated=self._clock())
        record = state_resource_to_record(stored)
        with self._file.write() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO state_resources VALUES (?, ?, ?)", (stored.namespace, stored.name, record)
            )
        return stored

    def get_state_resource(self, name: str, namespace: str = "") -> StateResource:
        """See :meth:`workflow_manager.protocols.StateResourceStore.get_state_resource`."""
        sql = "SELECT record FROM state_resources WHERE namespace = ? AND name = ?"
        with self._file.read() as connection:
            found = connection.execute(sql, (namespace, name)).fetchone()
        if found is None:
            raise NotFoundError("state resource", f"{namespace}/{name}")
        return state_resource_from_record(found[0])

    def delete_state_resource(self, name: str, namespace: str = "") -> None:
        """See :meth:`workflow_manager.protocols.StateResourceStore.delete_state_resource`."""
        sql = "DELETE FROM state_resources WHERE namespace = ? AND name = ?"
        with self._file.write() as connection:
            if connection.execute(sql, (namespace, name)).rowcount == 0:
                raise NotFoundError("state resource", f"{namespace}/{name}")

    def list_state_resources(
        self, namespace: str | None = None, *, limit: int = 100, page_token: str | None = None
    ) -> Page[StateResource]:
        """See :meth:`workflow_manager.protocols.StateResourceStore.list_state_resources`."""
        asked, limit = asked_of("resources", namespace), check_limit(limit)
        place = ("", "") if page_token is None else _pair(self._tokens.read(asked, page_token))
        if namespace is None:
            sql = "SELECT record FROM state_resources WHERE (namespace, name) > (?, ?) ORDER BY namespace, name LIMIT ?"
            arguments = (*place, limit + 1)
        else:
            sql = "SELECT record FROM state_resources WHERE namespace = ? AND name > ? ORDER BY name LIMIT ?"
            arguments = (namespace, place[1], limit + 1)
        with self._file.read() as connection:
            records = [record for (record,) in connection.execute(sql, arguments)]
        items = tuple(map(state_resource_from_record, records[:limit]))
        more = len(records) > limit
        return Page(items=items, next=self._tokens.make(asked, [items[-1].namespace, items[-1].name]) if more else None)


def _pair(place: JSON) -> tuple[str, str]:
    match place:
        case [str(first), str(second)]:
            return first, second
    raise PageTokenError("it names no place")
