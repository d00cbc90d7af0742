"""Routes of the WebUI's own page. Absent with --nowebui and on SD.Next; not protected by --api-auth."""

from __future__ import annotations

from typing import Any

from ..types import PendingTasks, QuicksettingsHint, TaskProgress
from ._base import Routes, route


class InternalRoutes(Routes):
    """What the WebUI's page itself asks."""

    @route("GET", "/internal/ping")
    def internal_ping(self) -> None:
        """Return when the server answers at all."""
        self._transport.get("/internal/ping", dict[str, Any])

    @route("POST", "/internal/progress")
    def internal_progress(
        self, task_id: str, *, id_live_preview: int = -1, live_preview: bool = False
    ) -> TaskProgress:
        """Return the state of one job.

        Args:
            task_id: Its `force_task_id`.
            id_live_preview: Number of the last preview seen; only a newer one is sent.
            live_preview: Whether to send a preview at all.
        """
        payload = {
            "id_task": task_id,
            "id_live_preview": id_live_preview,
            "live_preview": live_preview,
        }
        return self._transport.post("/internal/progress", TaskProgress, payload=payload)

    @route("GET", "/internal/pending-tasks")
    def internal_pending_tasks(self) -> PendingTasks:
        """Return the waiting jobs; ones that failed early stay among them."""
        return self._transport.get("/internal/pending-tasks", PendingTasks)

    @route("GET", "/internal/quicksettings-hint")
    def internal_quicksettings_hint(self) -> list[QuicksettingsHint]:
        """Return what the page calls each setting."""
        return self._transport.get("/internal/quicksettings-hint", list[QuicksettingsHint])

    @route("GET", "/internal/sysinfo")
    def internal_sysinfo(self) -> dict[str, Any]:
        """Return versions, hardware and settings. It shows paths and the command line: do not publish it."""
        return self._transport.get("/internal/sysinfo", dict[str, Any])
