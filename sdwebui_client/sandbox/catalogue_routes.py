"""Lists, options, refreshes and checkpoints."""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.responses import JSONResponse

from .errors import Crash
from .state import Sandbox
from .web import Call, Handler, Routes

_REFRESHES = ("refresh-checkpoints", "refresh-vae", "refresh-embeddings")
_OWN = (
    "/sdapi/v1/options",
    "/sdapi/v1/sd-models",
    "/sdapi/v1/cmd-flags",
    "/sdapi/v1/memory",
    "/internal/ping",
)


def add(routes: Routes, sandbox: Sandbox) -> None:
    """Add the routes: every list that was recorded, and what changes them."""
    for path in sandbox.catalogue.answers:
        extension = _extension(path)
        if "?" in path or path in _OWN or (extension is not None and not sandbox.catalogue.has(extension)):
            continue
        if sandbox.settings.nowebui and not path.startswith(("/sdapi/", "/controlnet/", "/adetailer/")):
            continue
        routes.get(path, listing(path), extension=extension is not None)
    routes.get("/sdapi/v1/options", get_options)
    routes.post("/sdapi/v1/options", set_options)
    routes.get("/sdapi/v1/sd-models", sd_models)
    routes.get("/sdapi/v1/cmd-flags", cmd_flags)
    routes.get("/sdapi/v1/memory", memory)
    routes.get("/sdapi/v1/loras", loras, extension=True)
    routes.post("/sdapi/v1/refresh-loras", refresh_loras, extension=True)
    for name in _REFRESHES:
        routes.post(f"/sdapi/v1/{name}", refresh)
    routes.post("/sdapi/v1/unload-checkpoint", empty)
    routes.post("/sdapi/v1/reload-checkpoint", empty)


def _extension(path: str) -> str | None:
    return next((name for name in ("controlnet", "adetailer") if path.startswith(f"/{name}/")), None)


def listing(path: str) -> Handler:
    """Make a handler that answers with a list of the catalogue."""

    async def answer_list(call: Call) -> Any:
        query = call.request.url.query
        answer = call.sandbox.catalogue.answers.get(f"{path}?{query}" if query else path)
        return call.sandbox.catalogue.answer(path) if answer is None else answer

    return answer_list


async def get_options(call: Call) -> dict[str, Any]:
    """Every option with its value."""
    return call.sandbox.options.everything()


async def set_options(call: Call) -> None:
    """Set options, unchecked; only a checkpoint must exist, and becomes its title (not on Forge)."""
    values = call.validator.validate_object(await call.json())
    sandbox = call.sandbox
    if "sd_model_checkpoint" in values:
        name = values["sd_model_checkpoint"]
        checkpoint = sandbox.checkpoint(name)
        if checkpoint is None and name is not None:
            raise Crash("RuntimeError", f"model {name!r} not found")
        if checkpoint is not None and sandbox.flavour != "forge":
            sandbox.load(checkpoint)
            values = {**values, "sd_model_checkpoint": sandbox.title(checkpoint)}
    for key, value in values.items():
        sandbox.options.set(key, value)


async def sd_models(call: Call) -> list[dict[str, Any]]:
    """The checkpoints. Forge hashes a checkpoint when it loads it."""
    sandbox = call.sandbox
    listed = []
    for item in sandbox.catalogue.checkpoints:
        hashed = sandbox.is_hashed(item)
        listed.append(
            {
                "title": sandbox.title(item),
                "model_name": item.model_name,
                "hash": item.short_hash if hashed else None,
                "sha256": item.sha256 if hashed else None,
                "filename": item.filename,
                "config": item.config,
            }
        )
    return listed


async def cmd_flags(call: Call) -> Any:
    """The command line's flags, the password among them; Forge trips over its own answer (recorded)."""
    catalogue, settings = call.sandbox.catalogue, call.sandbox.settings
    recorded = catalogue.answer("/sdapi/v1/cmd-flags")
    own = {
        "api_auth": settings.api_auth,
        "nowebui": settings.nowebui,
        "api": not settings.nowebui,
        "api_server_stop": settings.server_stop,
        "lora_dir": str(settings.lora_dir),
        "port": settings.port or None,
    }
    status = catalogue.statuses["/sdapi/v1/cmd-flags"]
    if status == 200:
        return {**recorded, **{key: value for key, value in own.items() if key in recorded}}
    body = {**recorded["body"], **{key: value for key, value in own.items() if key in recorded["body"]}}
    return JSONResponse({**recorded, "body": body}, status)


async def memory(call: Call) -> Any:
    """The recorded machine's memory: there is no card here."""
    return call.sandbox.catalogue.answer("/sdapi/v1/memory")


async def loras(call: Call) -> list[dict[str, Any]]:
    """The LoRAs as of the last refresh, or of the last prompt that named an unknown one."""
    return [
        {"name": file.name, "alias": file.alias, "path": str(file.path), "metadata": file.metadata}
        for file in call.sandbox.loras.files
    ]


async def refresh_loras(call: Call) -> None:
    """Look at the LoRA folder again."""
    await asyncio.to_thread(call.sandbox.loras.refresh)


async def refresh(call: Call) -> None:
    """Takes the queue's lock on the real server, and so waits for the running job (recorded: j10)."""
    await call.queued(lambda: None)


async def empty(call: Call) -> dict[str, Any]:
    """Unload or reload: nothing is held here, the next job has its checkpoint either way."""
    await call.queued(lambda: None)
    return {}
