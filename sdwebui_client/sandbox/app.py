"""Puts a sandbox together as an ASGI application."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from . import (
    catalogue_routes,
    controlnet_routes,
    errors,
    generate_routes,
    own_routes,
    progress_routes,
    tool_routes,
)
from .faults import FaultLayer
from .render import RenderError
from .settings import SandboxSettings
from .state import Sandbox
from .web import Routes


def create_app(settings: SandboxSettings | None = None) -> Starlette:
    """Make the application of one sandbox; its `state.sandbox` is the server's inside.

    Args:
        settings: defaults when left out.

    Raises:
        SandboxError: settings that cannot be.
    """
    sandbox = Sandbox(settings or SandboxSettings())
    routes = _routes(sandbox)

    @contextlib.asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        sandbox.queue.start()
        try:
            yield
        finally:
            sandbox.queue.stop()

    app = Starlette(
        routes=routes.build(),
        lifespan=lifespan,
        exception_handlers=_handlers(sandbox),
        middleware=[Middleware(FaultLayer, sandbox=sandbox), _cors(sandbox)],
    )
    app.state.sandbox = sandbox
    return app


def _routes(sandbox: Sandbox) -> Routes:
    routes = Routes(sandbox)
    page = not sandbox.settings.nowebui
    own_routes.add(routes, page=page)
    if sandbox.flavour == "sdnext":
        from .sdnext import add as add_sdnext

        add_sdnext(routes, sandbox)
        return routes
    catalogue_routes.add(routes, sandbox)
    generate_routes.add(routes)
    progress_routes.add(routes, internal=page)
    tool_routes.add(routes, sandbox)
    controlnet_routes.add(routes, sandbox)
    return routes


def _cors(sandbox: Sandbox) -> Middleware:
    """A1111 and reForge let no foreign origin in, Forge every one (recorded: e09g, g06)."""
    origins = ["*"] if sandbox.flavour == "forge" else []
    return Middleware(CORSMiddleware, allow_origins=origins, allow_methods=["*"], allow_headers=["*"])


def _handlers(sandbox: Sandbox) -> dict[Any, Callable[[Request, Any], Any]]:
    flavour = sandbox.flavour

    async def http(_request: Request, error: HTTPException) -> Response:
        return JSONResponse({"detail": error.detail}, error.status_code)

    async def api(_request: Request, error: errors.ApiError) -> Response:
        return errors.api_error(flavour, error)

    async def crash(_request: Request, error: errors.Crash) -> Response:
        return errors.crash(flavour, error)

    async def invalid(_request: Request, error: errors.Invalid) -> Response:
        return errors.invalid(flavour, error)

    async def unexpected(_request: Request, error: Exception) -> Response:
        return errors.crash(flavour, errors.Crash(type(error).__name__, str(error)))

    return {
        HTTPException: http,
        errors.ApiError: api,
        errors.Crash: crash,
        errors.Invalid: invalid,
        RenderError: unexpected,
        Exception: unexpected,
    }
