"""What `make-profile` was asked for, checked as far as that goes without a server."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import BadInput
from ..naming import check_name, derive_name
from ..settings import existing_file
from ._options import WebUIOptions, existing_dir, read_webui_options
from ._trainer import read_trainer_options

if TYPE_CHECKING:
    from stages.recipes.profile import ProfileOptions


@dataclass(frozen=True, slots=True)
class Asked:
    """The options, checked as far as that goes without a server."""

    photos_dir: Path
    out_dir: Path
    name: str
    webui: WebUIOptions
    preset: str
    sets: tuple[str, ...]
    fields: dict[str, Any]
    """The rest, named as in ProfileOptions."""

    def profile_options(self) -> ProfileOptions:
        """Load the preset and put together what is known before a server and consent are.

        Raises:
            PresetError: naming the path, the reason and the near match.
            BadInput: a LoRA is named and none would be used.
        """
        from stages.presets import load_preset
        from stages.recipes.profile import ProfileOptions

        preset = load_preset(self.preset, sets=self.sets)
        if self.fields["lora"] is not None and preset.identity == "ip_adapter":
            raise BadInput(
                "--lora names a LoRA, and identity ip_adapter uses none.",
                hint="Ask for --identity both to use it together with the photos, or leave --lora out.",
            )
        return ProfileOptions(
            photos_dir=self.photos_dir,
            out_dir=self.out_dir,
            preset=preset,
            name=self.name,
            models_dir=None,
            **self.fields,
        )


def read_asked(given: dict[str, Any]) -> Asked:
    """Turn the options into values, or say what is wrong with one."""
    photos_dir = existing_dir(given["user"], "--user")
    if not any(photos_dir.iterdir()):
        raise BadInput(f"--user: {given['user']} is empty.", hint="Put about ten photos of one person there.")
    name = check_name(given["name"], "--name") if given["name"] is not None else derive_name(photos_dir)
    if given["lora"] is not None and not given["lora"].strip():
        raise BadInput("--lora is empty.", hint="Name a LoRA of the WebUI, or leave --lora out to train one.")
    if given["out"] is not None and not given["out"].strip():
        raise BadInput("--out is empty.", hint="Name a folder, or leave --out out.")
    return Asked(
        photos_dir=photos_dir,
        out_dir=Path(given["out"]).expanduser() if given["out"] else Path("output") / name,
        name=name,
        webui=read_webui_options(
            *(given[key] for key in ("webui", "models_dir", "api_auth_file", "ca_file", "insecure"))
        ),
        preset=given["preset"],
        # An option of its own wins over --set.
        sets=(*given["sets"], *_as_sets(given, ("tone", "identity"))),
        fields={
            "count": given["count"],
            "seed": given["seed"],
            "lora": given["lora"],
            "pose_from": _pose_photo(given["pose_from"]) if given["pose_from"] else None,
            "explain": given["explain"],
            "subject": given["subject"],
            "trainer": read_trainer_options(given["trainer"], given["base_model"]),
            "person": name if given["name"] is not None else None,
        },
    )


def _as_sets(given: dict[str, Any], names: tuple[str, ...]) -> list[str]:
    """Options that are keys of the preset, as --set would write them; quoted, as `no` is a word to YAML."""
    return [f"{name}={json.dumps(given[name])}" for name in names if given.get(name) is not None]


def _pose_photo(text: str) -> Path:
    """The photo of --pose-from, looked at before minutes are spent on the other photos.

    Raises:
        BadInput: it is not there or no picture.
    """
    from PIL import Image

    path = existing_file(text, "--pose-from")
    try:
        Image.open(path).close()
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise BadInput(
            f"--pose-from {text} is no picture.", hint="Name a JPEG, PNG or WebP photo of one person."
        ) from error
    return path
