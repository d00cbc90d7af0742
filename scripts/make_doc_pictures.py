"""Make the pictures of README and docs from a sandbox run: photos, candidates, stages, contact sheet.

python scripts/make_doc_pictures.py
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
IMAGES = ROOT / "docs" / "images"
SEED = "3"
TITLES = {"txt2img": "txt2img", "img2img": "img2img: tone", "upscale": "upscale", "finish": "finish"}


def run(folder: Path) -> None:
    """The README's command, with a fixed seed."""
    args = [
        "--user",
        str(ROOT / "examples" / "photos"),
        "--webui",
        "sandbox",
        "--out",
        str(folder),
        "--seed",
        SEED,
    ]
    subprocess.run([sys.executable, "-m", "sdwebui_client", "make-profile", *args], cwd=ROOT, check=True)


def strip(pictures: Sequence[tuple[Image.Image, str]], *, height: int, target: Path) -> None:
    """Pictures side by side, each with a word below it."""
    font = ImageFont.load_default(size=16)
    scaled = [(fit(picture, height), text) for picture, text in pictures]
    gap, foot = 10, 28 if any(text for _, text in scaled) else 0
    width = sum(picture.width for picture, _ in scaled) + gap * (len(scaled) - 1)
    sheet = Image.new("RGB", (width, height + foot), "white")
    draw, x = ImageDraw.Draw(sheet), 0
    for picture, text in scaled:
        sheet.paste(picture, (x, 0))
        draw.text((x, height + 6), text, fill="#333", font=font)
        x += picture.width + gap
    sheet.save(target, quality=82, optimize=True)


def fit(picture: Image.Image, height: int) -> Image.Image:
    """The picture at this height."""
    upright = picture.convert("RGB")
    return upright.resize((round(upright.width * height / upright.height), height), Image.Resampling.LANCZOS)


def stages_of(folder: Path) -> list[tuple[Image.Image, str]]:
    """Every stage of the first portrait, out of the run's store."""
    sidecar = json.loads(
        next(iter(sorted((folder / "portraits").glob("*.provenance.json")))).read_text("utf-8")
    )
    return [
        (kept(folder, stage["output"]), TITLES[stage["stage"]])
        for stage in sidecar["stages"]
        if stage["stage"] in TITLES
    ]


def candidates_of(folder: Path) -> list[tuple[Image.Image, str]]:
    """Every first picture of the run, with its likeness."""
    run_json = json.loads((folder / "run.json").read_text("utf-8"))
    return [
        (kept(folder, shot["sha256"]), f"likeness {shot['likeness']:.2f}") for shot in run_json["candidates"]
    ]


def kept(folder: Path, sha256: str) -> Image.Image:
    """A picture out of the run's store."""
    return Image.open(folder / ".work" / "store" / "blobs" / sha256[:2] / sha256)


def main() -> None:
    """Run, then write docs/images."""
    from train_lora import load_photos

    IMAGES.mkdir(exist_ok=True)
    photos = [(photo.open(), "") for photo in load_photos(ROOT / "examples" / "photos").accepted]
    strip(photos, height=140, target=IMAGES / "photos.jpg")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "run"
        run(folder)
        strip(candidates_of(folder), height=270, target=IMAGES / "candidates.jpg")
        strip(stages_of(folder), height=420, target=IMAGES / "stages.jpg")
        sheet = Image.open(folder / "contact-sheet.jpg")
        sheet.thumbnail((1100, 1100), Image.Resampling.LANCZOS)
        sheet.save(IMAGES / "contact-sheet.jpg", quality=85, optimize=True)


if __name__ == "__main__":
    main()
