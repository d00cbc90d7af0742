"""The mutable heart of one sandbox: what is loaded, queued, set and counted."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from .catalogue import Catalogue, Checkpoint
from .errors import Crash
from .faults import FaultBoard
from .jobs import JobQueue, Progress, Tasks
from .loras import LoraShelf
from .options import Options
from .render import Picture
from .settings import SandboxSettings

VERSIONS = {
    "a1111": "v1.10.1",
    "forge": "f2.0.1v1.10.1-1.10.1",
    "reforge": "f1.0.0v2-v1.10.1RC-1.10.1",
    "sdnext": "sd.next",
}
"""`info.version` as recorded."""


class Sandbox:
    """One server's state."""

    def __init__(self, settings: SandboxSettings) -> None:
        self.settings = settings
        self.flavour = settings.flavour
        self.catalogue = Catalogue(settings)
        settings.lora_dir.mkdir(parents=True, exist_ok=True)
        self.loras = LoraShelf(settings.lora_dir, aliases=self.flavour != "sdnext")
        self.faults = FaultBoard(settings.faults)
        self.queue = JobQueue()
        self.generations: Counter[str] = Counter()
        self.lock = threading.Lock()
        self.last_control: Picture | None = None
        """SD.Next: a control unit without a picture takes the one of the request before."""
        self.on_restart: Callable[[float], None] | None = None
        self.on_stop: Callable[[], None] | None = None
        self.hashed: set[str] = set()
        """Model names of the checkpoints whose hash is known."""
        self.forget_hashes()
        self.reset()

    def forget_hashes(self) -> None:
        """Know the hashes a fresh start knows: of what is loaded at once, which on Forge is nothing.

        The portrait set-up has been used before and knows them all.
        """
        known = self.catalogue.checkpoints
        if not self.catalogue.portrait:
            known = known[:1] if self.flavour != "forge" else ()
        self.hashed = {item.model_name for item in known}

    def reset(self) -> None:
        """Begin anew, as after a restart: the files on disk and the saved options stay."""
        self.progress = Progress()
        self.tasks = Tasks()
        self.last_control = None
        self.started = time.monotonic()
        saved = getattr(self, "options", None)
        self.options = Options(
            self._default_options(),
            saved.saved if saved else self.first_options(),
            hidden=self._hidden_options(),
        )
        self.loaded: Checkpoint | None = self.catalogue.checkpoints[0] if self.catalogue.checkpoints else None
        self.loras.refresh()

    def _default_options(self) -> dict[str, Any]:
        defaults = dict(self.catalogue.answer("/sdapi/v1/options"))
        first = self.catalogue.checkpoints[0] if self.catalogue.checkpoints else None
        defaults["sd_model_checkpoint"] = self.title(first) if first else None
        defaults["sd_checkpoint_hash"] = first.sha256 if first and self.is_hashed(first) else ""
        return defaults

    def _hidden_options(self) -> set[str]:
        """Options that can be set although GET /options does not show them (recorded: g08)."""
        return {str(hint["name"]) for hint in self.catalogue.answer("/internal/quicksettings-hint") or ()}

    def first_options(self) -> dict[str, Any]:
        """What a fresh config.json holds."""
        first = self.catalogue.checkpoints[0] if self.catalogue.checkpoints else None
        if self.flavour == "reforge":
            return {"sd_model_checkpoint": None}  # names none until one is chosen (recorded: get_options)
        return {"sd_model_checkpoint": self.title(first)} if first else {}

    def restart(self, seconds: float) -> None:
        """Go away for `seconds` and come back with an empty queue; without a server, only lose the queue."""
        if self.on_restart is not None:
            self.on_restart(seconds)
        else:
            self.queue.kill_all()
            self.reset()

    def stop_soon(self) -> None:
        """Stop serving once the running answer is out."""
        if self.on_stop is not None:
            self.on_stop()

    @property
    def version(self) -> str:
        """`info.version`."""
        return VERSIONS[self.flavour]

    def extensions_ready(self) -> bool:
        """Whether start-up has come as far as the extensions' routes."""
        return time.monotonic() - self.started >= self.settings.extensions_after_s

    # -- checkpoints ---------------------------------------------------------------------------------------

    def title(self, checkpoint: Checkpoint) -> str:
        """How the list names a checkpoint; SD.Next has no files and no hashes."""
        if self.flavour == "sdnext":
            return checkpoint.model_name
        return checkpoint.title if self.is_hashed(checkpoint) else checkpoint.file

    def is_hashed(self, checkpoint: Checkpoint) -> bool:
        """Whether the list shows a checkpoint's hash: it is computed when the file is loaded first."""
        return checkpoint.model_name in self.hashed

    def checkpoint(self, name: Any) -> Checkpoint | None:
        """Find a checkpoint by title, model name, file name, short hash or SHA-256, as written (q03)."""
        for item in self.catalogue.checkpoints:
            forms = {
                self.title(item),
                item.title,
                item.model_name,
                item.file,
                item.short_hash,
                item.sha256,
            } - {""}
            if isinstance(name, str) and name in forms:
                return item
        return None

    def require_checkpoint(self) -> Checkpoint:
        """Return what the option names, loading it.

        Raises:
            Crash: nothing on disk.
        """
        chosen = self.checkpoint(self.options.get("sd_model_checkpoint")) or self.loaded
        if chosen is None and self.catalogue.checkpoints:
            chosen = self.catalogue.checkpoints[0]
        if chosen is None:
            raise _no_checkpoint(self)
        self.load(chosen)
        return chosen

    def load(self, checkpoint: Checkpoint) -> None:
        """Load a checkpoint; its hash is known from now on."""
        if checkpoint != self.loaded or not self.is_hashed(checkpoint):
            self.hashed.add(checkpoint.model_name)
            self.options.saved["sd_checkpoint_hash"] = checkpoint.sha256
        self.loaded = checkpoint


def _no_checkpoint(sandbox: Sandbox) -> Crash:
    if sandbox.flavour == "forge":
        text = "You do not have any model! Please download at least one model in [models/Stable-diffusion]."
        return Crash("ValueError", text)
    folder = sandbox.settings.models_dir / "Stable-diffusion"
    text = (
        "No checkpoints found. When searching for checkpoints, looked at:\n - file model.ckpt\n"
        f" - directory {folder}"
        "Can't run without a checkpoint. Find and place a .ckpt or .safetensors file into any of those "
        "locations."
    )
    return Crash("FileNotFoundError", text)
