"""Prompts of every stage: the preset's templates filled
with the prompt library's words and the person's LoRA."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from prompt_library import Library, Pose, RenderedPrompt, load_library, render_prompt

from .presets import ADetailerUnitParams, Img2ImgParams, Preset, Txt2ImgParams, UpscaleParams

Drawing = Txt2ImgParams | Img2ImgParams | UpscaleParams
FROM_PHOTO = "from_photo"
"""Name of the pose that is read off a photo: it has a skeleton and no words."""


@dataclass(frozen=True)
class Texts:
    """Renders the prompts of one run."""

    preset: Preset
    lora_name: str | None
    """The person's LoRA; None where photos of them stand for it."""
    trigger: str
    subject: str
    available_loras: Collection[str] | None = None
    """What the servers list; optional LoRAs of the mix that are not among them are left out."""
    library: Library = field(default_factory=load_library)
    adapter_loras: tuple[tuple[str, float], ...] = ()
    """(name, weight) of LoRAs that an IP-Adapter needs; in the main prompt of what it takes part in."""

    @property
    def knows_person(self) -> bool:
        """Whether a prompt alone calls the person up, so that a face can be painted again and stay theirs."""
        return self.lora_name is not None

    def pose(self, name: str) -> Pose | None:
        """The library's pose; None for the one read off a photo.

        Raises:
            prompt_library.UnknownName: There is no such pose.
        """
        return None if name == FROM_PHOTO else self.library.poses[name]

    def main(self, stage: Drawing, *, pose: str, tone: str | None) -> RenderedPrompt:
        """Prompt of a stage, the person's LoRA in it."""
        # The upscale has no IP-Adapter: what belongs to one would have nothing to do there.
        extra = () if isinstance(stage, UpscaleParams) else self.adapter_loras
        return self._render(
            stage.prompt,
            stage.negative_prompt,
            pose,
            tone,
            lora_weight=self.preset.lora.weight,
            extra=extra,
        )

    def face(
        self, stage: Drawing, unit: ADetailerUnitParams, *, pose: str, tone: str | None
    ) -> RenderedPrompt:
        """Prompt of the face pass: its own words, or the stage's; the LoRA at the face's weight."""
        return self._render(
            unit.prompt or stage.prompt,
            unit.negative_prompt or stage.negative_prompt,
            pose,
            tone,
            lora_weight=self.preset.lora.face_weight,
        )

    def hand(
        self, stage: Drawing, unit: ADetailerUnitParams, *, pose: str, tone: str | None
    ) -> RenderedPrompt:
        """Prompt of the hand pass: a LoRA that knows a face has nothing to say about hands."""
        return self._render(
            unit.prompt or stage.prompt,
            unit.negative_prompt or stage.negative_prompt,
            pose,
            tone,
            lora_weight=None,
        )

    def left_out(self) -> tuple[str, ...]:
        """Optional LoRAs of the mix that the servers lack."""
        return self.main(self.preset.txt2img, pose=self.preset.poses[0], tone=None).left_out

    def _render(
        self,
        positive: str,
        negative: str,
        pose: str,
        tone: str | None,
        *,
        lora_weight: float | None,
        extra: tuple[tuple[str, float], ...] = (),
    ) -> RenderedPrompt:
        preset = self.preset
        loras = [(self.lora_name, lora_weight)] if self.lora_name and lora_weight else []
        loras += extra
        return render_prompt(
            positive,
            negative,
            family=preset.family,
            trigger=self.trigger,
            subject=self.subject,
            outfit=preset.outfit,
            backdrop=preset.backdrop,
            tone=tone,
            pose=pose if self.pose(pose) is not None else None,
            mix=preset.mix,
            loras=loras,
            available_loras=self.available_loras,
            library=self.library,
        )
