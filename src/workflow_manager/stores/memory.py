"""A store in this process's memory: for tests, notebooks, and runs that need not outlive the process."""

from __future__ import annotations

import math
import secrets
import threading
import uuid
from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import attrs

from workflow_manager.asl.values import JSON, check_json, copy_json
from workflow_manager.codec.records import definition_digest
from workflow_manager.exceptions import (
    ConflictError,
    InvalidValueError,
    NotFoundError,
    PageTokenError,
    WorkflowStatusError,
)
from workflow_manager.history import HistoryEvent
from workflow_manager.models import (
    Page,
    StateResource,
    Workflow,
    WorkflowDefinition,
    WorkflowQuery,
    changed,
)
from workflow_manager.protocols import Lease, Snapshot
from workflow_manager.stores.isolation import (
    copied_definition,
    copied_workflow,
    isolated_workflow,
)
from workflow_manager.stores.memory_events import KeptEvent, event_of, kept_events
from workflow_manager.stores.memory_listings import Key, Listings
from workflow_manager.stores.paging import PageTokens, asked_of, asked_of_query, check_limit


def _now() -> datetime:
    return datetime.now(UTC)


@attrs.define(eq=False)
class _Entry:
    """A workflow as kept, what the latest save was given (while it runs), and its history."""

    kept: Workflow
    given: Workflow | None
    events: list[KeptEvent]
    snapshot: Snapshot | None = None

    @property
    def key(self) -> Key:
        return self.kept.created_at, self.kept.id


class MemoryStore:
    """
    A :class:`workflow_manager.protocols.Store` and ``SnapshotStore`` in memory, safe for threads.

    Nothing is shared with callers but state machines, which are frozen: what is saved is a copy, what is read is
    another.  A save costs what is new in it: an input, a definition, jobs that are the very objects of the save
    before (or what it returned) are not copied again.  Listings never lag.  *clock* gives the time, aware and UTC,
    for leases and for what the store dates.
    """

    is_shared = False
    """No other process sees what is in here."""

    def __init__(self, *, clock: Callable[[], datetime] | None = None) -> None:
        self._clock = clock or _now
        self._lock = threading.Lock()
        self._tokens = PageTokens(secrets.token_bytes(32))
        self._definitions: dict[str, list[WorkflowDefinition]] = {}
        self._digests: dict[str, str] = {}  # of the latest version of each name
        self._names: list[str] = []  # sorted
        self._resources: dict[tuple[str, str], StateResource] = {}  # by namespace and name
        self._resource_keys: list[tuple[str, str]] = []  # sorted
        self._entries: dict[str, _Entry] = {}
        self._listings = Listings()
        self._pending: dict[str, None] = {}  # the least recently touched first
        self._leases: dict[str, Lease] = {}

    def __repr__(self) -> str:
        return f"<MemoryStore: {len(self._definitions)} definitions, {len(self._entries)} workflows>"

    # definitions

    def save_workflow_definition(self, definition: WorkflowDefinition) -> WorkflowDefinition:
        """See :meth:`workflow_manager.protocols.DefinitionStore.save_workflow_definition`."""
        digest = definition_digest(definition)
        with self._lock:
            if definition.name not in self._definitions:
                self._definitions[definition.name] = []
                insort(self._names, definition.name)
            versions = self._definitions[definition.name]
            if self._digests.get(definition.name) != digest:
                stored = attrs.evolve(definition, version=len(versions), id=str(uuid.uuid4()), created_at=self._clock())
                versions.append(stored)
                self._digests[definition.name] = digest
            return copied_definition(versions[-1])

    def get_workflow_definition(self, name: str, version: int | None = None) -> WorkflowDefinition:
        """See :meth:`workflow_manager.protocols.DefinitionStore.get_workflow_definition`."""
        with self._lock:
            versions = self._versions(name)
            if version is None or version < 0:
                return copied_definition(versions[-1])
            if version >= len(versions):
                raise NotFoundError("workflow definition", f"{name}:{version}")
            return copied_definition(versions[version])

    def list_workflow_definitions(self, *, limit: int = 100, page_token: str | None = None) -> Page[WorkflowDefinition]:
        """See :meth:`workflow_manager.protocols.DefinitionStore.list_workflow_definitions`."""
        asked, limit = asked_of("definitions"), check_limit(limit)
        place = None if page_token is None else self._tokens.read(asked, page_token)
        with self._lock:
            start = 0 if place is None else bisect_right(self._names, str(place))
            shown = self._names[start : start + limit]
            items = tuple(copied_definition(self._definitions[name][-1]) for name in shown)
            more = start + limit < len(self._names)
        return Page(items=items, next=self._tokens.make(asked, shown[-1]) if more else None)

    def list_workflow_definition_versions(
        self, name: str, *, limit: int = 100, page_token: str | None = None
    ) -> Page[WorkflowDefinition]:
        """See :meth:`workflow_manager.protocols.DefinitionStore.list_workflow_definition_versions`."""
        asked, limit = asked_of("versions", name), check_limit(limit)
        place = None if page_token is None else self._tokens.read(asked, page_token)
        with self._lock:
            versions = self._versions(name)
            end = place if isinstance(place, int) else len(versions)
            items = tuple(copied_definition(version) for version in reversed(versions[max(0, end - limit) : end]))
        return Page(items=items, next=self._tokens.make(asked, end - limit) if end > limit else None)

    def _versions(self, name: str) -> list[WorkflowDefinition]:
        versions = self._definitions.get(name)
        if not versions:
            raise NotFoundError("workflow definition", name)
        return versions

    # state resources

    def save_state_resource(self, resource: StateResource) -> StateResource:
        """See :meth:`workflow_manager.protocols.StateResourceStore.save_state_resource`."""
        with self._lock:
            stored = attrs.evolve(resource, last_updated=self._clock())
            key = (resource.namespace, resource.name)
            if key not in self._resources:
                insort(self._resource_keys, key)
            self._resources[key] = stored
            return stored

    def get_state_resource(self, name: str, namespace: str = "") -> StateResource:
        """See :meth:`workflow_manager.protocols.StateResourceStore.get_state_resource`."""
        with self._lock:
            resource = self._resources.get((namespace, name))
        if resource is None:
            raise NotFoundError("state resource", f"{namespace}/{name}")
        return resource

    def delete_state_resource(self, name: str, namespace: str = "") -> None:
        """See :meth:`workflow_manager.protocols.StateResourceStore.delete_state_resource`."""
        with self._lock:
            if self._resources.pop((namespace, name), None) is None:
                raise NotFoundError("state resource", f"{namespace}/{name}")
            del self._resource_keys[bisect_left(self._resource_keys, (namespace, name))]

    def list_state_resources(
        self, namespace: str | None = None, *, limit: int = 100, page_token: str | None = None
    ) -> Page[StateResource]:
        """See :meth:`workflow_manager.protocols.StateResourceStore.list_state_resources`."""
        asked, limit = asked_of("resources", namespace), check_limit(limit)
        place = None if page_token is None else _pair(self._tokens.read(asked, page_token))
        with self._lock:
            keys = self._resource_keys
            start = bisect_left(keys, (namespace or "", "")) if place is None else bisect_right(keys, place)
            found = keys[start : start + limit + 1]
            if namespace is not None:
                found = [key for key in found if key[0] == namespace]
            shown, more = found[:limit], len(found) > limit
            items = tuple(self._resources[key] for key in shown)
        return Page(items=items, next=self._tokens.make(asked, shown[-1]) if more else None)

    # workflows

    def save_workflow(self, workflow: Workflow, events: Sequence[HistoryEvent] = ()) -> Workflow:
        """See :meth:`workflow_manager.protocols.WorkflowStore.save_workflow`."""
        new_events = kept_events(events)
        revision = workflow.revision + 1
        with self._lock:
            entry = self._entries.get(workflow.id)
            self._check_save(workflow, None if entry is None else entry.kept)
            given, before = (None, None) if entry is None else (entry.given, entry.kept)
            kept = isolated_workflow(workflow, revision, given, before)
            saved = changed(workflow, revision=revision)
            if entry is None:
                entry = self._entries[workflow.id] = _Entry(kept, None, [])
            self._listings.put(before, kept)
            entry.kept = kept
            if kept.status.is_final:
                entry.given = entry.snapshot = None
            else:
                entry.given = saved
            entry.events += new_events
            self._touch(kept)
        return saved

    @staticmethod
    def _check_save(workflow: Workflow, kept: Workflow | None) -> None:
        if workflow.revision != (0 if kept is None else kept.revision):
            raise ConflictError("workflow", workflow.id, workflow.revision)
        if kept is not None and kept.status.is_final and workflow.status != kept.status:
            raise WorkflowStatusError(f"saving it as {workflow.status.value}", workflow.id, kept.status.value)

    def _touch(self, kept: Workflow) -> None:
        self._pending.pop(kept.id, None)
        if not kept.status.is_final:
            self._pending[kept.id] = None

    def get_workflow(self, workflow_id: str) -> Workflow:
        """See :meth:`workflow_manager.protocols.WorkflowStore.get_workflow`."""
        with self._lock:
            kept = self._entry(workflow_id).kept
        return copied_workflow(kept)

    def delete_workflow(self, workflow_id: str) -> None:
        """See :meth:`workflow_manager.protocols.WorkflowStore.delete_workflow`."""
        with self._lock:
            entry = self._entry(workflow_id)
            self._listings.remove(entry.kept)
            self._pending.pop(workflow_id, None)
            self._leases.pop(workflow_id, None)
            del self._entries[workflow_id]

    def read_history(
        self, workflow_id: str, *, after: int = 0, limit: int = 1000, page_token: str | None = None
    ) -> Page[HistoryEvent]:
        """See :meth:`workflow_manager.protocols.WorkflowStore.read_history`."""
        asked, limit = asked_of("history", workflow_id, after), check_limit(limit)
        place = after if page_token is None else self._tokens.read(asked, page_token)
        start = place if isinstance(place, int) and place > 0 else 0
        with self._lock:
            events = self._entry(workflow_id).events
            shown = events[start : start + limit]
            more = start + limit < len(events)
        items = tuple(map(event_of, shown))
        return Page(items=items, next=self._tokens.make(asked, start + limit) if more else None)

    def list_workflows(self, query: WorkflowQuery) -> Page[Workflow]:
        """See :meth:`workflow_manager.protocols.WorkflowStore.list_workflows`."""
        asked = asked_of_query(query)
        place = None if query.page_token is None else _key(self._tokens.read(asked, query.page_token))
        shown: list[Workflow] = []
        with self._lock:
            for _, workflow_id in self._listings.walk(query, place):
                workflow = self._entries[workflow_id].kept
                if query.matches(workflow):
                    shown.append(workflow)
                    if len(shown) > query.limit:
                        break
        more, shown = len(shown) > query.limit, shown[: query.limit]
        token = self._tokens.make(asked, [shown[-1].created_at.isoformat(), shown[-1].id]) if more else None
        return Page(items=tuple(_shown(workflow, query) for workflow in shown), next=token)

    def _entry(self, workflow_id: str) -> _Entry:
        entry = self._entries.get(workflow_id)
        if entry is None:
            raise NotFoundError("workflow", workflow_id)
        return entry

    # who tends to what

    def list_pending(self, limit: int = 100) -> tuple[str, ...]:
        """See :meth:`workflow_manager.protocols.WorkflowStore.list_pending`."""
        check_limit(limit)
        found: list[str] = []
        with self._lock:
            now = self._clock()
            for workflow_id in self._pending:
                lease = self._leases.get(workflow_id)
                if lease is None or lease.expires_at <= now:
                    found.append(workflow_id)
                    if len(found) == limit:
                        break
        return tuple(found)

    def acquire(self, workflow_id: str, owner: str, ttl_seconds: float) -> Lease:
        """See :meth:`workflow_manager.protocols.WorkflowStore.acquire`."""
        if not 0 < ttl_seconds < math.inf:
            raise InvalidValueError("lease", "/ttl_seconds", f"{ttl_seconds!r} is not a number of seconds above 0")
        with self._lock:
            kept, now = self._entry(workflow_id).kept, self._clock()
            held = self._leases.get(workflow_id)
            if held is not None and held.owner != owner and held.expires_at > now:
                raise ConflictError("lease", workflow_id)
            self._touch(kept)
            return self._lease(workflow_id, owner, secrets.token_hex(16), ttl_seconds, now)

    def renew(self, lease: Lease) -> Lease:
        """See :meth:`workflow_manager.protocols.WorkflowStore.renew`."""
        with self._lock:
            held = self._leases.get(lease.workflow_id)
            if held is None or held.token != lease.token:
                raise ConflictError("lease", lease.workflow_id)
            return self._lease(held.workflow_id, held.owner, held.token, held.ttl_seconds, self._clock())

    def release(self, lease: Lease) -> None:
        """See :meth:`workflow_manager.protocols.WorkflowStore.release`."""
        with self._lock:
            held = self._leases.get(lease.workflow_id)
            if held is not None and held.token == lease.token:
                del self._leases[lease.workflow_id]

    def _lease(self, workflow_id: str, owner: str, token: str, ttl_seconds: float, now: datetime) -> Lease:
        expires_at = now + timedelta(seconds=ttl_seconds)
        lease = Lease(workflow_id=workflow_id, owner=owner, token=token, ttl_seconds=ttl_seconds, expires_at=expires_at)
        self._leases[workflow_id] = lease
        return lease

    # snapshots

    def save_snapshot(self, workflow_id: str, revision: int, position: int, snapshot: JSON) -> None:
        """See :meth:`workflow_manager.protocols.SnapshotStore.save_snapshot`."""
        kept = Snapshot(revision=revision, position=position, value=check_json(snapshot, "snapshot"))
        with self._lock:
            entry = self._entries.get(workflow_id)
            if entry is not None and entry.kept.revision == revision and not entry.kept.status.is_final:
                entry.snapshot = kept

    def load_snapshot(self, workflow_id: str) -> Snapshot | None:
        """See :meth:`workflow_manager.protocols.SnapshotStore.load_snapshot`."""
        with self._lock:
            entry = self._entries.get(workflow_id)
            kept = None if entry is None else entry.snapshot
        return None if kept is None else attrs.evolve(kept, value=copy_json(kept.value))


def _shown(workflow: Workflow, query: WorkflowQuery) -> Workflow:
    return copied_workflow(workflow.summary() if query.summary_only else workflow)


def _pair(place: JSON) -> tuple[str, str]:
    match place:
        case [str(first), str(second)]:
            return first, second
    raise PageTokenError("it names no place")


def _key(place: JSON) -> Key:
    created_at, workflow_id = _pair(place)
    return datetime.fromisoformat(created_at), workflow_id
