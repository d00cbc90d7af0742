"""Progress, interrupt and skip, and the /internal routes that know task ids."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from .pictures import preview_png
from .web import Call, Routes

INTERNAL_PROGRESS = "modules__progress__ProgressRequest"


def add(routes: Routes, *, internal: bool) -> None:
    """Add the routes; the internal ones come with the web page."""
    routes.get("/sdapi/v1/progress", progress)
    routes.post("/sdapi/v1/interrupt", interrupt)
    routes.post("/sdapi/v1/skip", skip)
    if internal:
        routes.post("/internal/progress", internal_progress)
        routes.get("/internal/pending-tasks", pending_tasks)
        routes.get("/internal/ping", ping)
        routes.get("/internal/sysinfo", sysinfo)


async def progress(call: Call) -> dict[str, Any]:
    """How far the running job is, whoever sent it."""
    now = call.sandbox.progress
    answer: dict[str, Any] = {
        "progress": 0.0,
        "eta_relative": 0.0,
        "state": now.state(),
        "current_image": None,
    }
    if now.job_count != 0:
        # 0.01 keeps a job that has just begun apart from none; recorded.
        fraction = min(0.01 + now.fraction(), 1.0)
        elapsed = time.monotonic() - now.started
        answer |= {"progress": fraction, "eta_relative": elapsed / fraction - elapsed}
        skipped = call.query.get("skip_current_image", "").lower() in ("true", "1", "yes", "on")
        make = now.preview
        if make is not None and not skipped:
            answer["current_image"] = preview_png(await asyncio.to_thread(make))
    return {**answer, "textinfo": now.textinfo}


async def interrupt(call: Call) -> dict[str, Any]:
    """Stop whatever runs; nothing says so in its answer."""
    call.sandbox.progress.interrupted = True
    return {}


async def skip(call: Call) -> None:
    """End the running iteration."""
    call.sandbox.progress.skipped = True


async def internal_progress(call: Call) -> dict[str, Any]:
    """How far a task is."""
    body = await call.json()
    body = body if isinstance(body, dict) else {}
    sandbox = call.sandbox
    tasks, now = sandbox.tasks, sandbox.progress
    task_id: Any = body.get("id_task")
    # No id at all equals "no task runs": such a request is told it is active (recorded: q07).
    active, queued = task_id == tasks.current, task_id in tasks.pending
    answer: dict[str, Any] = {
        "active": active, "queued": queued, "completed": task_id in tasks.finished,
        "progress": None, "eta": None, "live_preview": None, "id_live_preview": -1, "textinfo": now.textinfo,
    }  # fmt: skip
    if not active:
        order = list(tasks.pending)
        place = f"In queue: {order.index(task_id) + 1}/{len(order)}" if queued else "Waiting..."
        return {**answer, "textinfo": place}
    fraction = now.fraction()
    answer["progress"] = fraction
    if fraction > 0:
        elapsed = time.monotonic() - now.started
        answer["eta"] = elapsed / fraction - elapsed
    make, preview_id = now.preview, now.preview_id
    if make is not None and body.get("live_preview", True) and body.get("id_live_preview") != preview_id:
        encoded = preview_png(await asyncio.to_thread(make))
        answer |= {"live_preview": f"data:image/png;base64,{encoded}", "id_live_preview": preview_id}
    return answer


async def pending_tasks(call: Call) -> dict[str, Any]:
    """The ids that wait, failed ones included."""
    waiting = list(call.sandbox.tasks.pending)
    return {"size": len(waiting), "tasks": waiting}


async def ping(_call: Call) -> dict[str, Any]:
    """Answer."""
    return {}


async def sysinfo(call: Call) -> dict[str, Any]:
    """What the page offers for download, as far as the sandbox has any of it."""
    sandbox = call.sandbox
    return {
        "Version": sandbox.version,
        "Sandbox": True,
        "Commandline": ["sdwebui_client", "sandbox"],
        "Extensions": sandbox.catalogue.answer("/sdapi/v1/extensions"),
        "Config": sandbox.options.saved,
    }
