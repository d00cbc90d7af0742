"""What only the sandbox has: GET /sandbox, and the faults."""

from __future__ import annotations

from typing import Any

from starlette.responses import HTMLResponse, JSONResponse, Response

from .settings import Fault, SandboxError
from .web import Call, Routes

FORMAT_VERSION = 1
PAGE = (
    "<!doctype html><html><head><title>Sandbox</title></head><body><h1>SANDBOX</h1>"
    "<p>A stand-in for a Stable Diffusion WebUI. It draws placeholders; nothing here was made by a model.</p>"
    "</body></html>"
)


def add(routes: Routes, *, page: bool) -> None:
    """Add the routes."""
    routes.get("/sandbox", describe)
    routes.get("/sandbox/faults", get_faults)
    routes.post("/sandbox/faults", set_faults)
    routes.get("/openapi.json", openapi)
    routes.get("/docs", docs)
    if page:
        routes.get("/", docs)


async def describe(call: Call) -> dict[str, Any]:
    """Say what this is and what it has done so far."""
    sandbox = call.sandbox
    return {
        "sandbox": True,
        "version": FORMAT_VERSION,
        "flavour": sandbox.flavour,
        "profile": sandbox.settings.profile,
        "models_dir": str(sandbox.settings.models_dir),
        "without": sorted(sandbox.settings.without),
        "generations": sum(sandbox.generations[tab] for tab in ("txt2img", "img2img", "control")),
        "generations_by_endpoint": dict(sandbox.generations),
        "task_ids": list(sandbox.tasks.made),
        "faults": sandbox.faults.describe(),
    }


async def get_faults(call: Call) -> dict[str, Any]:
    """The faults switched on."""
    return {"faults": call.sandbox.faults.describe()}


async def set_faults(call: Call) -> Response:
    """Replace the faults: `{"faults": [{"kind": "oom", "count": 1}]}`; an empty list clears them."""
    body = await call.json()
    try:
        given = body["faults"]
        faults = [Fault.parse(item) for item in given]
    except (SandboxError, KeyError, TypeError, AttributeError) as error:
        return JSONResponse({"detail": f"faults: {error}"}, 422)
    call.sandbox.faults.switch(faults)
    return JSONResponse({"faults": call.sandbox.faults.describe()})


async def openapi(call: Call) -> Any:
    """The recorded document of the flavour, as far as its extensions are installed."""
    catalogue = call.sandbox.catalogue
    gone = tuple(f"/{name}/" for name in ("controlnet", "adetailer") if not catalogue.has(name))
    paths = {
        path: item
        for path, item in catalogue.openapi["paths"].items()
        if not gone or not path.startswith(gone)
    }
    return {**catalogue.openapi, "paths": paths}


async def docs(_call: Call) -> Response:
    """A page for people."""
    return HTMLResponse(PAGE)
