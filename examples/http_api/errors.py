"""Which error is which status; every error's body is ``{"message": ...}``."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute, Match, Route

import workflow_manager as wm
from http_api.answers import Message, Tabbed

STATUSES: tuple[tuple[type[wm.WorkflowManagerError], int], ...] = (
    (wm.NotFoundError, 404),
    (wm.ConflictError, 409),
    (wm.WorkflowStatusError, 409),
    (wm.StoreError, 503),
    (wm.ManagerClosedError, 503),
    (wm.WorkflowManagerError, 400),  # what is left is the caller's: a definition, a value, a page token, a resource
)
"""The first class that fits decides."""


def _described(status: int, description: str) -> dict[int | str, dict[str, Any]]:
    return {status: {"model": Message, "description": description}}


UNKNOWN = _described(404, "There is no such thing.")
CONFLICT = _described(409, "Not as things stand: it is there already, still active, or no longer.")
DESCRIBED = {
    **_described(400, "The request says something that cannot be."),
    **_described(503, "The store cannot be reached."),
}
"""What the OpenAPI document says of errors: what some operations answer, and what all do."""


def status_of(error: Exception) -> int:
    """The status that tells of *error*."""
    return next((status for kind, status in STATUSES if isinstance(error, kind)), 500)


async def _on_error(request: Request, error: Exception) -> Response:
    return Tabbed({"message": str(error)}, status_of(error))


async def _on_bad_request(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    lines = [f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}" for problem in error.errors()]
    return Tabbed({"message": "; ".join(lines)}, 400)


def _on_http_error(routes: Sequence[BaseRoute]) -> Callable[[Request, Exception], Awaitable[Response]]:
    async def answer(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        headers = dict(error.headers or {})
        if error.status_code == 405:
            headers["Allow"] = ", ".join(sorted(_methods(routes, request)))
        return Tabbed({"message": error.detail}, error.status_code, headers=headers)

    return answer


def _methods(routes: Sequence[BaseRoute], request: Request) -> set[str]:
    """What may be done at the path of *request*, by all of *routes* that have it."""
    fitting = (
        route for route in routes if isinstance(route, Route) and route.matches(request.scope)[0] is not Match.NONE
    )
    return {method for route in fitting for method in route.methods or ()}


async def _on_anything_else(request: Request, error: Exception) -> Response:
    return Tabbed({"message": "internal error"}, 500)  # the server logs what it was


def add_handlers(app: FastAPI, routes: Sequence[BaseRoute]) -> None:
    """Make *app*, which has *routes*, answer every error in our way."""
    app.add_exception_handler(wm.WorkflowManagerError, _on_error)
    app.add_exception_handler(RequestValidationError, _on_bad_request)
    app.add_exception_handler(HTTPException, _on_http_error([*app.routes, *routes]))
    app.add_exception_handler(Exception, _on_anything_else)
