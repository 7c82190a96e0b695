"""The service for asyncio: the same operations, awaited; threads do them, so that the event loop never waits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from functools import partial
from types import TracebackType
from typing import ParamSpec, Self, TypeVar

import attrs
from typing_extensions import Unpack

from workflow_manager.asl.machine import ABSENT, Absent
from workflow_manager.asl.values import JSON
from workflow_manager.exceptions import InvalidValueError, ManagerClosedError, WaitTimeoutError
from workflow_manager.history import HistoryEvent
from workflow_manager.managers.later import is_held
from workflow_manager.managers.wait import directed, teller
from workflow_manager.models import Page, StateResource, Workflow, WorkflowDefinition, WorkflowQuery
from workflow_manager.protocols import RetryChanges
from workflow_manager.service.bulk import Progress
from workflow_manager.service.core import WorkflowService
from workflow_manager.service.pending import PendingUpdate

P = ParamSpec("P")
T = TypeVar("T")

_FIRST_PAUSE, _GROWTH = 0.02, 1.5  # seconds between looks at a workflow that is waited for
_LONGEST_PAUSE, _LONGEST_PAUSE_OF_TELLER = 20.0, 0.5


class AsyncWorkflowService:
    """
    *service* for asyncio: every operation of :class:`workflow_manager.WorkflowService`, with the same errors.

    *threads* is how many of them may be under way at once; those beyond wait.  Who waits for a workflow holds no
    thread.  An operation whose ``await`` is cancelled is done all the same once a thread has begun it.  Use it as an
    async context manager, or call :meth:`aclose`; the service and its manager stay open.  What is asked for after that
    is a ``ManagerClosedError``.

    Raises:
        InvalidValueError: *threads* is not a whole number from 1.
    """

    def __init__(self, service: WorkflowService, *, threads: int = 32) -> None:
        _check_count("threads", threads)
        self.service = service
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="workflow-service")

    async def _do(self, operation: Callable[P, T], *args: P.args, **options: P.kwargs) -> T:
        loop = asyncio.get_running_loop()
        try:
            done = loop.run_in_executor(self._pool, partial(operation, *args, **options))
        except RuntimeError:  # of the pool, not of the operation, which is not awaited here
            raise ManagerClosedError("the service takes no more: it has been closed") from None
        return await done

    async def aclose(self) -> None:
        """Wait for the operations that are under way, and take no more."""
        await asyncio.to_thread(self._pool.shutdown)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    # Definitions

    async def create_workflow_definition(self, definition: WorkflowDefinition) -> WorkflowDefinition:
        """See :meth:`workflow_manager.WorkflowService.create_workflow_definition`."""
        return await self._do(self.service.create_workflow_definition, definition)

    async def update_workflow_definition(self, definition: WorkflowDefinition) -> WorkflowDefinition:
        """See :meth:`workflow_manager.WorkflowService.update_workflow_definition`."""
        return await self._do(self.service.update_workflow_definition, definition)

    async def get_workflow_definition(self, name: str, version: int | None = None) -> WorkflowDefinition:
        """See :meth:`workflow_manager.WorkflowService.get_workflow_definition`."""
        return await self._do(self.service.get_workflow_definition, name, version)

    async def list_workflow_definitions(
        self, *, limit: int = 100, page_token: str | None = None
    ) -> Page[WorkflowDefinition]:
        """See :meth:`workflow_manager.WorkflowService.list_workflow_definitions`."""
        return await self._do(self.service.list_workflow_definitions, limit=limit, page_token=page_token)

    async def list_workflow_definition_versions(
        self, name: str, *, limit: int = 100, page_token: str | None = None
    ) -> Page[WorkflowDefinition]:
        """See :meth:`workflow_manager.WorkflowService.list_workflow_definition_versions`."""
        return await self._do(self.service.list_workflow_definition_versions, name, limit=limit, page_token=page_token)

    # State resources

    async def put_state_resource(self, resource: StateResource) -> StateResource:
        """See :meth:`workflow_manager.WorkflowService.put_state_resource`."""
        return await self._do(self.service.put_state_resource, resource)

    async def get_state_resource(self, name: str, namespace: str = "") -> StateResource:
        """See :meth:`workflow_manager.WorkflowService.get_state_resource`."""
        return await self._do(self.service.get_state_resource, name, namespace)

    async def delete_state_resource(self, name: str, namespace: str = "") -> None:
        """See :meth:`workflow_manager.WorkflowService.delete_state_resource`."""
        await self._do(self.service.delete_state_resource, name, namespace)

    async def list_state_resources(
        self, namespace: str | None = None, *, limit: int = 100, page_token: str | None = None
    ) -> Page[StateResource]:
        """See :meth:`workflow_manager.WorkflowService.list_state_resources`."""
        return await self._do(self.service.list_state_resources, namespace, limit=limit, page_token=page_token)

    # One workflow

    async def start_workflow(
        self,
        name: str,
        input: JSON | Absent = ABSENT,
        *,
        version: int | None = None,
        namespace: str = "",
        queue: str = "default",
        tags: Mapping[str, str] | None = None,
        idempotency_key: str | None = None,
    ) -> Workflow:
        """See :meth:`workflow_manager.WorkflowService.start_workflow`."""
        return await self._do(
            self.service.start_workflow,
            name,
            input,
            version=version,
            namespace=namespace,
            queue=queue,
            tags=tags,
            idempotency_key=idempotency_key,
        )

    async def get_workflow(self, workflow_id: str, *, refresh: bool = True, history: bool = False) -> Workflow:
        """See :meth:`workflow_manager.WorkflowService.get_workflow`."""
        return await self._do(self.service.get_workflow, workflow_id, refresh=refresh, history=history)

    async def read_history(
        self, workflow_id: str, *, after: int = 0, limit: int = 1000, page_token: str | None = None
    ) -> Page[HistoryEvent]:
        """See :meth:`workflow_manager.WorkflowService.read_history`."""
        return await self._do(self.service.read_history, workflow_id, after=after, limit=limit, page_token=page_token)

    async def cancel_workflow(self, workflow_id: str, *, reason: str) -> Workflow:
        """See :meth:`workflow_manager.WorkflowService.cancel_workflow`."""
        return await self._do(self.service.cancel_workflow, workflow_id, reason=reason)

    async def resume_workflow(self, workflow_id: str, **changes: Unpack[RetryChanges]) -> Workflow:
        """See :meth:`workflow_manager.WorkflowService.resume_workflow`."""
        return await self._do(partial(self.service.resume_workflow, workflow_id, **changes))

    async def resolve_workflow(self, workflow_id: str) -> Workflow:
        """See :meth:`workflow_manager.WorkflowService.resolve_workflow`."""
        return await self._do(self.service.resolve_workflow, workflow_id)

    async def delete_workflow(self, workflow_id: str) -> None:
        """See :meth:`workflow_manager.WorkflowService.delete_workflow`."""
        await self._do(self.service.delete_workflow, workflow_id)

    async def wait(self, workflow_id: str, timeout: float | None = None) -> Workflow:  # noqa: ASYNC109
        """See :meth:`workflow_manager.WorkflowService.wait`."""
        return await self.wait_any([workflow_id], timeout)

    async def wait_any(self, workflow_ids: Iterable[str], timeout: float | None = None) -> Workflow:  # noqa: ASYNC109
        """
        Wait until one of these workflows has ended, at most *timeout* seconds, and return it with its output and jobs.

        Raises:
            NotFoundError: one of them is not there.
            WaitTimeoutError: all are still going.
            InvalidValueError: there are none.
        """
        ids = tuple(workflow_ids)
        if not ids:
            raise InvalidValueError("wait_any", "/workflow_ids", "there is no workflow to wait for")
        async with aclosing(self.as_completed(ids, timeout)) as ended:
            return await anext(ended)

    async def as_completed(
        self,
        workflow_ids: Iterable[str],
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> AsyncGenerator[Workflow, None]:
        """
        Each of these workflows once it has ended, with its output and jobs, the earliest end first.

        Raises:
            NotFoundError: one of them is not there.
            WaitTimeoutError: one is still going *timeout* seconds after the first was asked for; so are the others.
            ManagerClosedError: the manager was closed, so they do not go on.
        """
        left = dict.fromkeys(workflow_ids)
        loop = asyncio.get_running_loop()
        end = None if timeout is None else loop.time() + timeout
        pause = _FIRST_PAUSE
        while left:
            longest = _LONGEST_PAUSE_OF_TELLER
            for workflow_id in tuple(left):
                looked = await self._do(self._look, workflow_id)
                longest = max(longest, looked.longest_pause)
                if looked.workflow.status.is_final:
                    del left[workflow_id]
                    yield looked.workflow
            if left and end is not None and timeout is not None and loop.time() >= end:
                raise WaitTimeoutError(next(iter(left)), timeout)
            if left:
                await asyncio.sleep(pause if end is None else max(0.0, min(pause, end - loop.time())))
                pause = min(pause * _GROWTH, longest)

    def _look(self, workflow_id: str) -> _Looked:
        stored = self.service.get_workflow(workflow_id)
        if is_held(stored):
            return _Looked(stored, _LONGEST_PAUSE_OF_TELLER)
        manager = directed(self.service.manager, stored)
        workflow = manager.update_workflow_history(stored) if stored.status.is_final else stored
        if not workflow.status.is_final and getattr(manager, "is_closed", False):
            raise ManagerClosedError(f"the manager of workflow {workflow_id} is closed")
        tells = teller(manager) is not None
        return _Looked(workflow, _LONGEST_PAUSE_OF_TELLER if tells else _LONGEST_PAUSE)

    # Many workflows

    async def list_workflows(self, query: WorkflowQuery | None = None) -> Page[Workflow]:
        """See :meth:`workflow_manager.WorkflowService.list_workflows`."""
        return await self._do(self.service.list_workflows, query)

    async def iterate_workflows(self, query: WorkflowQuery | None = None) -> AsyncGenerator[Workflow, None]:
        """See :meth:`workflow_manager.WorkflowService.iterate_workflows`."""
        query = WorkflowQuery(limit=100) if query is None else query
        while True:
            page = await self.list_workflows(query)
            for workflow in page:
                yield workflow
            if page.next is None:
                return
            query = attrs.evolve(query, page_token=page.next)

    async def update_pending(self, limit: int = 100) -> PendingUpdate:
        """See :meth:`workflow_manager.WorkflowService.update_pending`."""
        return await self._do(self.service.update_pending, limit)

    async def cancel_workflows(
        self,
        query: WorkflowQuery,
        *,
        reason: str,
        per_second: float = 50.0,
        on_progress: Callable[[Progress], object] | None = None,
    ) -> Progress:
        """See :meth:`workflow_manager.WorkflowService.cancel_workflows`; *on_progress* is called in a thread."""
        return await self._do(
            self.service.cancel_workflows, query, reason=reason, per_second=per_second, on_progress=on_progress
        )

    async def refresh_workflows(
        self,
        query: WorkflowQuery,
        *,
        per_second: float = 50.0,
        on_progress: Callable[[Progress], object] | None = None,
    ) -> Progress:
        """See :meth:`workflow_manager.WorkflowService.refresh_workflows`; *on_progress* is called in a thread."""
        return await self._do(self.service.refresh_workflows, query, per_second=per_second, on_progress=on_progress)


def _check_count(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise InvalidValueError("AsyncWorkflowService", f"/{name}", f"{value!r} is not a whole number from 1")


@attrs.frozen
class _Looked:
    workflow: Workflow
    longest_pause: float
