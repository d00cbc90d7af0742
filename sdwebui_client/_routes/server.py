"""The server itself: settings, memory, what runs, its checkpoint, its life."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from ..errors import ConnectFailed, InvalidRequest, TransportError
from ..types import CmdFlags, Memory, ServerProgress
from ._base import Routes, route

log = logging.getLogger("sdwebui_client")


class ServerRoutes(Routes):
    """Commands and reads about the server as a whole."""

    @route("GET", "/sdapi/v1/options")
    def get_options(self) -> dict[str, Any]:
        """Return all settings."""
        return self._transport.get("/sdapi/v1/options", dict[str, Any])

    @route("POST", "/sdapi/v1/options")
    def set_options(self, options: Mapping[str, Any]) -> None:
        """Change settings for everybody who uses the server.

        Values are not checked by the server: a wrong type is stored as it is. `sd_model_checkpoint` loads at
        once on A1111 and reForge and with the next job on Forge.

        Raises:
            ServerError: A key or a checkpoint is unknown.
        """
        if not options:
            raise InvalidRequest("no setting to change was given")
        self._transport.command("/sdapi/v1/options", payload=dict(options), read_s=self._transport.patience_s)
        self._forget_capabilities()

    @route("GET", "/sdapi/v1/memory")
    def memory(self) -> Memory:
        """Return how much memory the server has left, bytes."""
        return self._transport.get("/sdapi/v1/memory", Memory)

    @route("GET", "/sdapi/v1/cmd-flags")
    def cmd_flags(self) -> CmdFlags:
        """Return the server's command line, its own password hidden (500 on Forge)."""
        return self._transport.get("/sdapi/v1/cmd-flags", CmdFlags)

    @route("GET", "/sdapi/v1/progress")
    def progress(self, *, skip_current_image: bool = False) -> ServerProgress:
        """Return what runs right now, whoever sent it."""
        skip = "true" if skip_current_image else "false"
        return self._transport.get("/sdapi/v1/progress", ServerProgress, params={"skip_current_image": skip})

    @route("POST", "/sdapi/v1/interrupt")
    def interrupt(self) -> None:
        """Interrupt whatever runs, other people's jobs too; `cancel()` stops only ours."""
        self._transport.command("/sdapi/v1/interrupt")

    @route("POST", "/sdapi/v1/skip")
    def skip(self) -> None:
        """Skip the picture that is being drawn, whoever sent it."""
        self._transport.command("/sdapi/v1/skip")

    @route("POST", "/sdapi/v1/unload-checkpoint")
    def unload_checkpoint(self) -> None:
        """Take the checkpoint out of the GPU's memory; the next job loads it again."""
        self._transport.command("/sdapi/v1/unload-checkpoint", read_s=self._transport.patience_s)
        self._forget_capabilities()

    @route("POST", "/sdapi/v1/reload-checkpoint")
    def reload_checkpoint(self) -> None:
        """Put the checkpoint back into the GPU's memory."""
        self._transport.command("/sdapi/v1/reload-checkpoint", read_s=self._transport.patience_s)
        self._forget_capabilities()

    def sandbox_info(self) -> dict[str, Any]:
        """Return what the built-in sandbox says of itself,
        its `models_dir` for one; `NotFound` on a real WebUI."""
        return self._transport.get("/sandbox", dict[str, Any])

    @route("POST", "/sdapi/v1/server-stop")
    def server_stop(self) -> None:
        """Ask the server to end when its work is done (only with --api-server-stop; else `NotFound`)."""
        self._last_words("/sdapi/v1/server-stop")

    @route("POST", "/sdapi/v1/server-kill")
    def server_kill(self) -> None:
        """End the server at once, jobs and all (only with --api-server-stop; else `NotFound`)."""
        self._last_words("/sdapi/v1/server-kill")

    @route("POST", "/sdapi/v1/server-restart")
    def server_restart(self) -> None:
        """Restart the server (only with --api-server-stop; else `NotFound`)."""
        self._last_words("/sdapi/v1/server-restart")

    def _last_words(self, path: str) -> None:
        try:
            # The answer is plain text ("Stopping."; recorded: a_server_stop), if any.
            answer = self._transport.raw("POST", path)
        except ConnectFailed:
            raise
        except TransportError as error:
            log.info("no answer to %s, as is to be expected: %s", path, error.message)
        else:
            if answer.status >= 300:
                raise answer.error()
        self._forget_capabilities()
