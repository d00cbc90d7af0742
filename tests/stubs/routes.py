"""All routes of the studio's application in one list, for tests that must not forget one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI
from starlette.routing import Mount


def all_routes(app: FastAPI) -> list[tuple[str, str]]:
    """Method and path of every route; a mounted application is one: `("MOUNT", "/path")`."""
    return sorted(set(_routes(app.routes, "")))


def _routes(routes: Any, prefix: str) -> Iterator[tuple[str, str]]:
    for route in routes:
        inner = getattr(route, "original_router", None)
        if inner is not None:
            # fastapi@0.165 routing.py keeps an included router as one entry, with the prefix it was given.
            yield from _routes(inner.routes, prefix + route.include_context.prefix)
        elif isinstance(route, Mount):
            yield "MOUNT", prefix + route.path
        else:
            yield from ((method, prefix + route.path) for method in route.methods if method != "HEAD")
