"""
The routes: all sixteen of the original's last version, and ``POST /jobs/`` of its first.

Each handler is a call of :class:`workflow_manager.WorkflowService`.  Handlers are plain functions, which FastAPI runs
on threads: none holds up another.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, FastAPI, Header, Path, Query, Request, Response

import workflow_manager as wm
from http_api import answers, bodies
from http_api.answers import Tabbed
from http_api.backends import Backend, backend
from http_api.errors import CONFLICT, DESCRIBED, UNKNOWN, add_handlers
from http_api.server import BodiesAreJson, NoNamespace, openapi_of
from workflow_manager.asl.machine import ABSENT
from workflow_manager.codec import to_wire

logger = logging.getLogger("http_api")
router = APIRouter(responses=DESCRIBED)

_POLL_SECONDS = 5.0  # between looks at the workflows that run elsewhere
_PAGE = 1000
_LINK = {"X-Next-Page-Path": {"description": "Where the next page is, if any.", "schema": {"type": "string"}}}
STARTED: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "It is started.",
        "links": {
            operation: {"operationId": operation, "parameters": {"id": "$response.body#/id"}}
            for operation in (
                "get_workflow_by_id",
                "cancel_workflow",
                "resume_workflow_by_id",
                "resolve_workflow_by_id",
            )
        },
    }
}


def _backend(request: Request) -> Backend:
    found: Backend = request.app.state.backend
    return found


Desk = Annotated[Backend, Depends(_backend)]


@router.get("/_health", response_class=Response, responses={200: {"description": "The store answers."}})
def health_check(desk: Desk) -> Response:
    """Whether the store can be read."""
    desk.service.list_workflow_definitions(limit=1)
    return Response()


# Definitions


@router.get("/workflow-definitions", response_model=list[answers.WorkflowDefinition])
def get_workflow_definitions(desk: Desk) -> Response:
    """The latest version of every definition."""
    listing = desk.service.list_workflow_definitions
    return Tabbed([to_wire(each) for each in _all(lambda token: listing(limit=_PAGE, page_token=token))])


@router.post("/workflow-definitions", status_code=201, response_model=answers.WorkflowDefinition, responses=CONFLICT)
def new_workflow_definition(desk: Desk, body: bodies.NewDefinition) -> Response:
    """Keep a definition under a new name.  The very same one again is no conflict."""
    definition = body.definition(desk.default_manager)
    return Tabbed(to_wire(desk.service.create_workflow_definition(definition)), 201)


@router.get("/workflow-definitions/{name}", response_model=list[answers.WorkflowDefinition], responses=UNKNOWN)
def get_workflow_definition_versions(desk: Desk, name: str, *, latest: bool = True) -> Response:
    """The latest version of a definition, as an array of one; all of them, the latest first, if not *latest*."""
    if latest:
        return Tabbed([to_wire(desk.service.get_workflow_definition(name))])
    listing = desk.service.list_workflow_definition_versions
    return Tabbed([to_wire(each) for each in _all(lambda token: listing(name, limit=_PAGE, page_token=token))])


@router.put(
    "/workflow-definitions/{name}", status_code=201, response_model=answers.WorkflowDefinition, responses=UNKNOWN
)
def update_workflow_definition(desk: Desk, name: str, body: bodies.NewDefinition) -> Response:
    """Keep the next version of a definition."""
    _same("name", name, body.name)
    return Tabbed(to_wire(desk.service.update_workflow_definition(body.definition(desk.default_manager))), 201)


@router.get("/workflow-definitions/{name}/{version}", response_model=answers.WorkflowDefinition, responses=UNKNOWN)
def get_workflow_definition_by_name_and_version(
    desk: Desk, name: str, version: Annotated[bodies.Version, Path(description="Negative: the latest.")]
) -> Response:
    """One version of a definition."""
    return Tabbed(to_wire(desk.service.get_workflow_definition(name, version)))


# Workflows


@router.post("/workflows", response_model=answers.Workflow, responses={**STARTED, **UNKNOWN, **CONFLICT})
@router.post("/jobs", include_in_schema=False)
@router.post(
    "/jobs/", operation_id="start_job", response_model=answers.Workflow, responses={**STARTED, **UNKNOWN, **CONFLICT}
)
def start_workflow(
    desk: Desk, body: bodies.StartWorkflow, idempotency_key: Annotated[str | None, Header(min_length=1)] = None
) -> Response:
    """Start a workflow.  With an Idempotency-Key the same request again gives the same workflow."""
    started = desk.service.start_workflow(
        body.workflow_definition.name,
        body.value(),
        version=body.workflow_definition.version,
        namespace=body.namespace,
        queue=body.queue,
        tags=body.tags,
        idempotency_key=idempotency_key,
    )
    return Tabbed(to_wire(started))


@router.get(
    "/workflows",
    response_model=list[answers.Workflow],
    responses={200: {"description": "The newest first.", "headers": _LINK}},
)
def get_workflows(request: Request, desk: Desk, query: Annotated[bodies.Listing, Query()]) -> Response:
    """The workflows of a definition, page by page."""
    page = desk.service.list_workflows(query.query())
    headers = {}
    if page.next is not None:
        said = {**request.query_params, "pageToken": page.next}
        headers["X-Next-Page-Path"] = f"{request.url.path}?{urlencode(said)}"
    return Tabbed([to_wire(workflow) for workflow in page], headers=headers)


@router.get("/workflows/{id}", response_model=answers.Workflow, responses=UNKNOWN)
def get_workflow_by_id(
    desk: Desk, id: str, fetch_history: Annotated[bool, Query(alias="fetchHistory")] = False
) -> Response:
    """A workflow as it is now; with all its jobs if *fetchHistory*."""
    return Tabbed(to_wire(desk.service.get_workflow(id, history=fetch_history)))


@router.delete("/workflows/{id}", response_model=answers.Workflow, responses=UNKNOWN)
def cancel_workflow(desk: Desk, id: str, body: bodies.Cancel | None = None) -> Response:
    """Cancel a workflow; one that has succeeded or failed cannot be cancelled (400, as the original has it)."""
    try:
        return Tabbed(to_wire(desk.service.cancel_workflow(id, reason="" if body is None else body.reason)))
    except wm.WorkflowStatusError as error:
        return Tabbed({"message": str(error)}, 400)


@router.post("/workflows/{id}", response_model=answers.Workflow, responses={**STARTED, **UNKNOWN, **CONFLICT})
def resume_workflow_by_id(desk: Desk, id: str, body: bodies.Resume | None = None) -> Response:
    """Start a workflow that does the rest of one that has ended."""
    body = body or bodies.Resume.model_validate({})
    input = ABSENT if body.input is None else bodies.json_input(body.input)
    return Tabbed(to_wire(desk.service.resume_workflow(id, start_at=body.start_at or None, input=input)))


@router.post(
    "/workflows/{id}/resolved",
    status_code=201,
    response_class=Response,
    responses={201: {"description": "It is marked now."}, **UNKNOWN, **CONFLICT},
)
def resolve_workflow_by_id(desk: Desk, id: str) -> Response:
    """Mark a workflow that has ended as dealt with."""
    desk.service.resolve_workflow(id)
    return Response(status_code=201)


# State resources


@router.post("/state-resources", status_code=201, response_model=answers.StateResource)
def post_state_resource(desk: Desk, body: bodies.Resource) -> Response:
    """Keep a state resource, in place of the one of that namespace and name."""
    return Tabbed(to_wire(desk.service.put_state_resource(body.resource())), 201)


# A namespace may be empty, hence ":path", which matches that too.
@router.get("/state-resources/{namespace:path}/{name}", response_model=answers.StateResource, responses=UNKNOWN)
def get_state_resource(desk: Desk, namespace: str, name: str) -> Response:
    """What a name means in a namespace."""
    return Tabbed(to_wire(desk.service.get_state_resource(name, namespace)))


@router.put(
    "/state-resources/{namespace:path}/{name}", status_code=201, response_model=answers.StateResource, responses=UNKNOWN
)
def put_state_resource(desk: Desk, namespace: str, name: str, body: bodies.Resource) -> Response:
    """Keep a state resource, in place of the one of that namespace and name."""
    _same("namespace", namespace, body.namespace)
    _same("name", name, body.name)
    return Tabbed(to_wire(desk.service.put_state_resource(body.resource())), 201)


@router.delete(
    "/state-resources/{namespace:path}/{name}",
    response_class=Response,
    responses={200: {"description": "It is forgotten."}, **UNKNOWN},
)
def delete_state_resource(desk: Desk, namespace: str, name: str) -> Response:
    """Forget a state resource."""
    desk.service.delete_state_resource(name, namespace)
    return Response()


# The rest


def _same(field: str, in_path: str, in_body: str) -> None:
    if in_path != in_body:
        raise wm.InvalidValueError("request", f"/{field}", f"{in_body!r} in the body, {in_path!r} in the path")


def _all(page_of: Callable[[str | None], wm.Page[wm.WorkflowDefinition]]) -> Iterator[wm.WorkflowDefinition]:
    token = None
    while True:
        page = page_of(token)
        yield from page
        token = page.next
        if token is None:
            return


async def _poll(service: wm.WorkflowService) -> None:
    """Look after active workflows now and then: those at AWS, and those of processes that are gone."""
    while True:
        await asyncio.sleep(_POLL_SECONDS)
        try:
            await asyncio.to_thread(service.update_pending, 100)
        except Exception:
            logger.exception("active workflows could not be looked at")


def create_app(environment: Mapping[str, str] = os.environ) -> FastAPI:
    """The application over what *environment* says (see :mod:`http_api.backends`), opened when it starts to serve."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        with backend(environment) as app.state.backend:
            poller = asyncio.create_task(_poll(app.state.backend.service))
            try:
                yield
            finally:
                poller.cancel()

    app = FastAPI(
        title="workflow-manager",
        version="0.17.0",
        lifespan=lifespan,
        redirect_slashes=False,
        generate_unique_id_function=lambda route: route.name,
    )
    app.add_middleware(BodiesAreJson)
    app.add_middleware(NoNamespace)
    app.include_router(router)
    app.openapi = openapi_of(app)  # type: ignore[method-assign]
    add_handlers(app, router.routes)
    return app
