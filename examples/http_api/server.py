"""What surrounds the routes: bodies and paths as clients send them, and an OpenAPI document that is true."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.types import ASGIApp, Receive, Scope, Send

_FORM = b"application/x-www-form-urlencoded"
_RESOURCES = "/state-resources/"


class BodiesAreJson:
    """
    Takes a body without a Content-Type, or with the one that ``curl -d`` sends, for JSON, as the original does.

    Not where there is an Origin: a browser asks no leave to send such a request from any page to any server.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            headers = dict(scope["headers"])
            if headers.get(b"content-type", _FORM).startswith(_FORM) and b"origin" not in headers:
                others = [(name, value) for name, value in scope["headers"] if name != b"content-type"]
                scope = {**scope, "headers": [*others, (b"content-type", b"application/json")]}
        await self._app(scope, receive, send)


class NoNamespace:
    """Takes ``/state-resources/{name}`` for ``/state-resources//{name}``, which many clients cannot send."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            name = scope["path"].removeprefix(_RESOURCES)
            if scope["path"].startswith(_RESOURCES) and "/" not in name:
                scope = {**scope, "path": f"{_RESOURCES}/{name}"}
        await self._app(scope, receive, send)


def openapi_of(app: FastAPI) -> Callable[[], dict[str, Any]]:
    """What makes the OpenAPI document of *app*: FastAPI's, without the 422 that is never sent here."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = get_openapi(title=app.title, version=app.version, routes=app.routes)
            for path in document["paths"].values():
                for operation in path.values():
                    operation["responses"].pop("422", None)
            for unused in ("HTTPValidationError", "ValidationError"):
                document["components"]["schemas"].pop(unused, None)
            app.openapi_schema = document
        return app.openapi_schema

    return openapi
