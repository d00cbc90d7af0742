"""What every route shares: the sandbox behind a request, JSON in and out, the table of routes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from . import auth
from .jobs import JobKilled
from .state import Sandbox
from .validation import Validator

Handler: TypeAlias = Callable[["Call"], Awaitable[Any]]


class Call:
    """One request to the sandbox."""

    def __init__(self, sandbox: Sandbox, validator: Validator, request: Request) -> None:
        self.sandbox = sandbox
        self.request = request
        self.validator = validator

    @property
    def query(self) -> dict[str, str]:
        """The query's parameters."""
        return dict(self.request.query_params)

    async def json(self) -> Any:
        """Read any JSON body."""
        return self.validator.load(await self.request.body(), self.request.headers.get("content-type", ""))

    async def body(self, schema: str) -> dict[str, Any]:
        """Read and validate a body against a schema of the recorded OpenAPI."""
        return self.validator.validate(await self.json(), schema)

    async def queued(self, run: Callable[[], Any]) -> Any:
        """Let the queue's thread do something in its turn.

        Shielded: a client that goes away stops nothing.
        """
        return await asyncio.shield(asyncio.wrap_future(self.sandbox.queue.submit(run)))


class Routes:
    """Collects routes; each answers JSON unless its handler made a response itself."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._validator = Validator(
            sandbox.catalogue.openapi["components"]["schemas"],
            pydantic2=sandbox.flavour in ("forge", "sdnext"),
        )
        self._handlers: dict[str, dict[str, tuple[Handler, bool]]] = {}

    def get(self, path: str, handler: Handler, *, extension: bool = False) -> None:
        """Answer a GET; extensions' routes come up later than the others."""
        self._handlers.setdefault(path, {})["GET"] = (handler, extension)

    def post(self, path: str, handler: Handler, *, extension: bool = False) -> None:
        """Answer a POST."""
        self._handlers.setdefault(path, {})["POST"] = (handler, extension)

    def drop(self, path: str) -> None:
        """Take a route away."""
        self._handlers.pop(path, None)

    def build(self) -> list[Route]:
        """The routes for Starlette."""
        return [
            Route(path, self._endpoint(methods), methods=list(methods))
            for path, methods in self._handlers.items()
        ]

    def _endpoint(self, methods: dict[str, tuple[Handler, bool]]) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            handler, extension = methods["GET" if request.method == "HEAD" else request.method]
            if extension and not self._sandbox.extensions_ready():
                return JSONResponse({"detail": "Not Found"}, 404)
            auth.check(self._sandbox.settings, request)
            try:
                result = await handler(Call(self._sandbox, self._validator, request))
            except JobKilled:
                # A server that goes away closes the connection without an answer (recorded: j13).
                request.scope["state"]["abort"]()
                return Response(status_code=503)
            return result if isinstance(result, Response) else JSONResponse(result)

        return endpoint
