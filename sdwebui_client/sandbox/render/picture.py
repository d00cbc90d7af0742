"""From a scene to pixels: the order in which a picture is made."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from .compose import compose
from .copying import Overtrained, held_still, overtrained, shown_through
from .cutout import Cutout, cut_out
from .detail import redrawn_face, softened_face, unfinished
from .find import FaceSpot, find_face
from .finish import bloomed, contrasted, grained, toned, vignetted
from .identity import Likeness, likeness_of
from .lora import NotASandboxLora, SandboxLora, load_sandbox_lora
from .mark import marked
from .nobody import nobody
from .ops import Canvas, as_canvas, as_picture, blur, noise, sharpen
from .palette import Look, read_look
from .pose import Pose, default_pose, pose_from_skeleton
from .scene import ActiveLora, Picture, RenderError, Scene
from .shown import person_shown
from .upscale import enlarged

SMALLEST = 16
REDRAWN_FROM = 0.7
"""Denoising strength from which img2img keeps nothing of its init image but where the face was."""
FULL_TONE_AT = 0.3
"""Denoising strength at which img2img gives a prompt's tone in full."""
SHOWN_PULL = 0.15
"""Share of the drift that photos shown beside a LoRA take away."""
PREVIEW_SIDE = 256
"""Longest side of a preview, px."""


@dataclass(frozen=True, eq=False, slots=True)
class _Person:
    cutout: Cutout
    likeness: Likeness
    shown: Overtrained | None = None
    """What comes through of the photo; None for somebody who was never photographed."""


def render(scene: Scene) -> Picture:
    """Draw a scene.

    Args:
        scene: what to draw; equal scenes give equal pixels.

    Returns:
        The picture, (scene.height, scene.width, 3) RGB.

    Raises:
        RenderError: no init image where one is needed, a size below 16 px, or a damaged sandbox LoRA.
    """
    if min(scene.width, scene.height) < SMALLEST:
        raise RenderError(f"{scene.width}x{scene.height} is too small to draw; {SMALLEST} px is the least.")
    if scene.kind == "upscale":
        picture = enlarged(scene)
    elif scene.kind == "img2img":
        picture = _from_image(scene)
    else:
        picture = as_picture(_portrait(scene, None))
    return marked(picture) if scene.marked else picture


def preview(scene: Scene, fraction: float) -> Picture:
    """Draw how a scene looks when a share of its steps is done.

    Args:
        scene: what is being drawn.
        fraction: 0..1.

    Returns:
        A small picture, 256 px on its longest side at most: noise at first, then ever clearer.
    """
    share = min(max(fraction, 0.0), 1.0)
    ratio = min(PREVIEW_SIDE / max(scene.width, scene.height), 1.0)
    size = (max(round(scene.width * ratio), SMALLEST), max(round(scene.height * ratio), SMALLEST))
    small = replace(scene, width=size[0], height=size[1], details=(), marked=False)
    clear = as_canvas(render(small))
    rng = np.random.default_rng([abs(scene.seed), 7, round(share * 1000)])
    shape = (size[1], size[0])
    foggy = blur(clear, (1 - share) * max(size) / 28)
    speckle = rng.standard_normal((*shape, 3), dtype=np.float32) * np.float32(0.16)
    amount = np.float32((1 - share) ** 1.5)
    return marked(as_picture(foggy * (1 - 0.45 * amount) + np.float32(0.225) * amount + speckle * amount))


def _sandbox_lora(loras: tuple[ActiveLora, ...]) -> tuple[SandboxLora, float] | None:
    """Return the person with the highest weight; LoRAs that are no sandbox LoRAs are passed over."""
    people: list[tuple[SandboxLora, float]] = []
    for active in loras:
        if active.weight <= 0:
            continue
        try:
            people.append((load_sandbox_lora(active.path), active.weight))
        except NotASandboxLora:
            continue
    return max(people, key=lambda pair: pair[1], default=None)


def _shown(scene: Scene) -> tuple[SandboxLora, float] | None:
    """Return the person an IP-Adapter is shown, by the first of its pictures that has a face."""
    units = [unit for unit in scene.controls if unit.kind == "ip_adapter" and unit.weight > 0]
    people = (person_shown(unit.image) for unit in units)
    person = next((found for found in people if found is not None), None)
    return None if person is None else (person, sum(unit.weight for unit in units))


def _person(scene: Scene, look: Look) -> _Person:
    rng = np.random.default_rng([abs(scene.seed), 1])
    shown = _shown(scene)
    found = _sandbox_lora(scene.loras) or shown
    if found is None:
        drawn = likeness_of(rng, quality=1.0, weight=1.0)
        return _Person(cut_out(nobody(abs(scene.seed), look.female)), replace(drawn, drift=0.0))
    lora, weight = found
    likeness = likeness_of(rng, quality=lora.quality, weight=weight, best_weight=lora.best_weight)
    if shown is not None and shown[0] is not lora:
        # Photos beside a LoRA of the same person: a little more like.
        likeness = replace(likeness, drift=likeness.drift * (1 - SHOWN_PULL * min(shown[1], 1.0)))
    unit = scene.detailer("face")
    again = _sandbox_lora(unit.loras) if unit else None
    if unit and again and again[0] is lora:
        # A face pass with the person's LoRA pulls the face some way towards the person.
        likeness = replace(likeness, drift=likeness.drift * (1 - 0.25 * unit.denoising_strength))
    return _Person(cut_out(lora), likeness, overtrained(lora, weight))


def _pose(scene: Scene, spot: FaceSpot | None) -> Pose:
    control = scene.control("openpose")
    pose = pose_from_skeleton(control.image, scene.width, scene.height) if control else None
    if pose is not None:
        return pose
    usual = default_pose(scene.width, scene.height)
    if spot is None:
        return _jittered(usual, np.random.default_rng([abs(scene.seed), 5]))
    right, down = spot.x - usual.eyes[0], spot.y - usual.eyes[1]
    grown = spot.eye_distance / usual.eye_distance

    def moved(point: tuple[float, float]) -> tuple[float, float]:
        return (
            usual.eyes[0] + (point[0] - usual.eyes[0]) * grown + right,
            usual.eyes[1] + (point[1] - usual.eyes[1]) * grown + down,
        )

    return replace(
        usual, eyes=(spot.x, spot.y), eye_distance=spot.eye_distance, neck=moved(usual.neck),
        left_shoulder=moved(usual.left_shoulder), right_shoulder=moved(usual.right_shoulder),
    )  # fmt: skip


def _jittered(pose: Pose, rng: np.random.Generator) -> Pose:
    """Vary a pose nobody asked for, as a model left to itself does."""
    return replace(pose, roll_deg=float(rng.uniform(-3, 3)), yaw_deg=float(rng.uniform(-9, 9)))


def _portrait(scene: Scene, spot: FaceSpot | None) -> Canvas:
    look = read_look(scene.prompt)
    rng = np.random.default_rng([abs(scene.seed), 2])
    shape = (scene.height, scene.width)
    person, pose = _person(scene, look), _pose(scene, spot)
    if person.shown is not None and scene.control("openpose") is None:
        pose = held_still(pose, person.cutout, person.shown)
    canvas, head = compose(person.cutout, pose, look, person.likeness, shape, rng)
    canvas = shown_through(canvas, person.cutout, pose, head, person.shown)
    canvas = softened_face(canvas, head.x, head.y, pose.eye_distance)
    unit = scene.detailer("face")
    if unit is not None:
        canvas = redrawn_face(canvas, head.x, head.y, pose.eye_distance, unit.denoising_strength, rng)
    canvas = unfinished(canvas, scene.steps)
    canvas = bloomed(canvas, pose.eye_distance * 0.35, 0.10)
    canvas = contrasted(canvas, 0.12)
    canvas = toned(canvas, look)
    canvas = vignetted(canvas, pose.eyes, 0.20)
    return grained(canvas, rng, 0.006)


def _from_image(scene: Scene) -> Picture:
    if scene.init_image is None:
        raise RenderError("img2img needs an init image.")
    size = (scene.width, scene.height)
    init = np.asarray(cv2.resize(scene.init_image, size, interpolation=cv2.INTER_LANCZOS4), dtype=np.uint8)
    look = read_look(scene.prompt)
    person = _person(scene, look)
    spot = find_face(init, person.cutout)
    if scene.denoising_strength >= REDRAWN_FROM:
        picture = as_picture(_portrait(scene, spot))
    else:
        picture = as_picture(_reworked(scene, as_canvas(init), look, spot))
    if scene.mask is None:
        return picture
    mask = as_canvas(cv2.resize(scene.mask, size, interpolation=cv2.INTER_LINEAR))[:, :, None]
    return as_picture(as_canvas(init) * (1 - mask) + as_canvas(picture) * mask)


def _reworked(scene: Scene, canvas: Canvas, look: Look, spot: FaceSpot | None) -> Canvas:
    strength = scene.denoising_strength
    rng = np.random.default_rng([abs(scene.seed), 4])
    canvas = _shifted(canvas, rng, strength)
    canvas = sharpen(canvas, max(scene.width / 640, 0.6), 0.16 * min(strength / FULL_TONE_AT, 1.0))
    unit = scene.detailer("face")
    if spot is not None and unit is not None:
        x, y = spot.grid((scene.height, scene.width))
        canvas = redrawn_face(canvas, x, y, spot.eye_distance, unit.denoising_strength * 0.3, rng)
    canvas = toned(canvas, look, min(strength / FULL_TONE_AT, 1.5))
    canvas = canvas * np.float32(1 + rng.uniform(-0.03, 0.03) * strength)
    return grained(canvas, rng, 0.003 * min(strength * 2, 1.0))


def _shifted(canvas: Canvas, rng: np.random.Generator, strength: float) -> Canvas:
    """Move everything by fractions of a pixel to a few pixels, smoothly:
    what a partial redraw does to shapes."""
    height, width = canvas.shape[:2]
    reach = np.float32(strength * width * 0.0035)
    cell = max(width, height) / 7
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    columns += noise(rng, (height, width), cell) * reach
    rows += noise(rng, (height, width), cell) * reach
    return np.asarray(
        cv2.remap(canvas, columns, rows, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE), np.float32
    )
