"""A small run of the profile recipe for tests: few photos, small pictures, every stage."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from sdwebui_client import Cancelled, CancelToken, Timeouts, WebUI
from sdwebui_client.sandbox import SandboxServer, SandboxSettings
from stages.events import Event, LoraReady, StageDone
from stages.presets import Preset, load_preset
from stages.recipes.profile import ProfileOptions, RunResult, run_profile

EXAMPLES = Path(__file__).parents[2] / "examples" / "photos"
PHOTOS = ("01-portrait.jpg", "02-window-light.jpg", "05-close.jpg", "08-lamp-from-left.jpg")
SMALL = (
    "poses=[front]",
    "tones=[cool, warm]",
    "shots=2",
    "stages.txt2img.width=320",
    "stages.txt2img.height=480",
    "stages.txt2img.steps=4",
    "stages.img2img.steps=4",
    "stages.upscale.steps=4",
    "train.save_every_n_steps=null",
    "choose.weights=[0.8]",
)
"""One pose in two tones: 2 txt2img, 2 img2img, 2 upscales. One checkpoint, one weight: nothing to choose."""
GENERATIONS = 6

E = TypeVar("E", bound=Event)


@dataclass
class Watched:
    """What a run said."""

    events: list[Event] = field(default_factory=list)

    def __call__(self, event: Event) -> None:
        self.events.append(event)

    def of(self, kind: type[E]) -> list[E]:
        """The events of one kind."""
        return [event for event in self.events if isinstance(event, kind)]

    def redone(self) -> dict[tuple[str, str], str]:
        """(shot, stage) -> why, of every stage that was not found in the store."""
        return {(e.shot, e.stage): e.why for e in self.of(StageDone) if not e.cached}


def copy_photos(folder: Path, names: Sequence[str] = PHOTOS) -> Path:
    """A folder with a few of the example photos."""
    folder.mkdir(parents=True)
    for name in names:
        shutil.copy(EXAMPLES / name, folder / name)
    return folder


class Unwatched(SandboxServer):
    """A sandbox without live previews: they cost half as much as the pictures, and nobody looks at them."""

    def start(self) -> SandboxServer:
        super().start()
        if self.settings.flavour != "sdnext":  # it has no such setting
            self.sandbox.options.set("live_previews_enable", False)
        return self


def sandbox(models_dir: Path, **settings: Any) -> SandboxServer:
    """A sandbox that does not pretend to take long."""
    return Unwatched(SandboxSettings(models_dir=models_dir, seconds_per_step=0.0, **settings))


def options(photos: Path, out_dir: Path, *sets: str, **fields: Any) -> ProfileOptions:
    """Options of a small run."""
    given: dict[str, Any] = {
        "photos_dir": photos,
        "out_dir": out_dir,
        "preset": _preset(*SMALL, *sets),
        "name": "alice",
        "count": None,
        "seed": 7,
        "lora": None,
        "models_dir": None,
        "pose_from": None,
    }
    return ProfileOptions(**{**given, **fields})


@cache
def _preset(*sets: str) -> Preset:
    return load_preset("studio-sd15", sets=sets)


def run(
    wish: ProfileOptions, *urls: str, watch: Watched | None = None, cancel: CancelToken | None = None
) -> RunResult:
    """Run the recipe on the servers at these addresses."""
    # A server that is gone is given up soon; the default waits long enough for one that restarts.
    servers = [WebUI(url, timeouts=Timeouts(recover_s=4)) for url in urls]
    try:
        return run_profile(wish, servers, on_event=watch or Watched(), cancel=cancel)
    finally:
        for server in servers:
            server.close()


def train_only(photos: Path, out_dir: Path) -> None:
    """Fill a folder with what a run has done when its LoRA is trained, and nothing is drawn yet."""
    token = CancelToken()

    class Trained(Watched):
        def __call__(self, event: Event) -> None:
            super().__call__(event)
            if isinstance(event, LoraReady):
                token.cancel()

    with sandbox(out_dir.parent / "models") as server, suppress(Cancelled):
        run(options(photos, out_dir), server.url, watch=Trained(), cancel=token)
    assert not (out_dir / "run.json").exists()


def generations(server: SandboxServer) -> int:
    """Pictures the sandbox has made."""
    with WebUI(server.url) as webui:
        return int(webui.sandbox_info()["generations"])


def deliverables(out_dir: Path) -> dict[str, bytes]:
    """Every delivered file's bytes, run.json without the times and the server's address.

    What is told of the training is left out: it is told with times.
    """
    found = {
        str(path.relative_to(out_dir)): path.read_bytes()
        for path in sorted(out_dir.rglob("*"))
        if path.is_file() and ".work" not in path.parts and not path.name.startswith("training")
    }
    run_json = json.loads(found["run.json"])
    del run_json["timing"], run_json["webui"]["url"]
    found["run.json"] = json.dumps(run_json).encode()
    return found
