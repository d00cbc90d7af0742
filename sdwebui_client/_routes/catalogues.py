"""What the server has."""

from __future__ import annotations

from ..types import (
    Checkpoint,
    Embeddings,
    Extension,
    FaceRestorer,
    Hypernetwork,
    LatentUpscaleMode,
    Lora,
    PromptStyle,
    RealesrganModel,
    Sampler,
    Scheduler,
    ScriptInfo,
    Scripts,
    Upscaler,
    Vae,
)
from ._base import Routes, route


class CatalogueRoutes(Routes):
    """Lists; each call asks the server anew. A route the server lacks raises `NotFound`."""

    @route("GET", "/sdapi/v1/sd-models")
    def sd_models(self) -> list[Checkpoint]:
        """Return the checkpoints."""
        return self._transport.get("/sdapi/v1/sd-models", list[Checkpoint])

    @route("GET", "/sdapi/v1/sd-vae")
    def sd_vae(self) -> list[Vae]:
        """Return the VAEs (A1111, reForge; Forge has `sd_modules`)."""
        return self._transport.get("/sdapi/v1/sd-vae", list[Vae])

    @route("GET", "/sdapi/v1/sd-modules")
    def sd_modules(self) -> list[Vae]:
        """Return VAEs and text encoders (Forge only)."""
        return self._transport.get("/sdapi/v1/sd-modules", list[Vae])

    @route("GET", "/sdapi/v1/samplers")
    def samplers(self) -> list[Sampler]:
        """Return the samplers."""
        return self._transport.get("/sdapi/v1/samplers", list[Sampler])

    @route("GET", "/sdapi/v1/schedulers")
    def schedulers(self) -> list[Scheduler]:
        """Return the noise schedules (500 on SD.Next 058a7f0c)."""
        return self._transport.get("/sdapi/v1/schedulers", list[Scheduler])

    @route("GET", "/sdapi/v1/upscalers")
    def upscalers(self) -> list[Upscaler]:
        """Return the upscalers in the server's order, whose positions Ultimate SD Upscale is told."""
        return self._transport.get("/sdapi/v1/upscalers", list[Upscaler])

    @route("GET", "/sdapi/v1/latent-upscale-modes")
    def latent_upscale_modes(self) -> list[LatentUpscaleMode]:
        """Return the latent upscalers of hires fix."""
        return self._transport.get("/sdapi/v1/latent-upscale-modes", list[LatentUpscaleMode])

    @route("GET", "/sdapi/v1/loras")
    def loras(self) -> list[Lora]:
        """Return the LoRAs. Not protected by --api-auth."""
        return self._transport.get("/sdapi/v1/loras", list[Lora])

    @route("GET", "/sdapi/v1/embeddings")
    def embeddings(self) -> Embeddings:
        """Return the textual inversions."""
        return self._transport.get("/sdapi/v1/embeddings", Embeddings)

    @route("GET", "/sdapi/v1/hypernetworks")
    def hypernetworks(self) -> list[Hypernetwork]:
        """Return the hypernetworks."""
        return self._transport.get("/sdapi/v1/hypernetworks", list[Hypernetwork])

    @route("GET", "/sdapi/v1/face-restorers")
    def face_restorers(self) -> list[FaceRestorer]:
        """Return the face restorers; they are listed whether or not their model is there."""
        return self._transport.get("/sdapi/v1/face-restorers", list[FaceRestorer])

    @route("GET", "/sdapi/v1/realesrgan-models")
    def realesrgan_models(self) -> list[RealesrganModel]:
        """Return the RealESRGAN models."""
        return self._transport.get("/sdapi/v1/realesrgan-models", list[RealesrganModel])

    @route("GET", "/sdapi/v1/prompt-styles")
    def prompt_styles(self) -> list[PromptStyle]:
        """Return the prompt styles."""
        return self._transport.get("/sdapi/v1/prompt-styles", list[PromptStyle])

    @route("GET", "/sdapi/v1/scripts")
    def scripts(self) -> Scripts:
        """Return the names of the installed scripts."""
        return self._transport.get("/sdapi/v1/scripts", Scripts)

    @route("GET", "/sdapi/v1/script-info")
    def script_info(self) -> list[ScriptInfo]:
        """Return the scripts' positional arguments. It shows labels where indices must be sent."""
        return self._transport.get("/sdapi/v1/script-info", list[ScriptInfo])

    @route("GET", "/sdapi/v1/extensions")
    def extensions(self) -> list[Extension]:
        """Return the installed extensions."""
        return self._transport.get("/sdapi/v1/extensions", list[Extension])

    @route("POST", "/sdapi/v1/refresh-checkpoints")
    def refresh_checkpoints(self) -> None:
        """Look for new checkpoints; waits for a running job."""
        self._transport.command("/sdapi/v1/refresh-checkpoints", read_s=self._transport.patience_s)
        self._forget_capabilities()

    @route("POST", "/sdapi/v1/refresh-vae")
    def refresh_vae(self) -> None:
        """Look for new VAEs; waits for a running job."""
        self._transport.command("/sdapi/v1/refresh-vae", read_s=self._transport.patience_s)
        self._forget_capabilities()

    @route("POST", "/sdapi/v1/refresh-loras")
    def refresh_loras(self) -> None:
        """Look for new LoRAs; waits for a running job. Not protected by --api-auth."""
        self._transport.command("/sdapi/v1/refresh-loras", read_s=self._transport.patience_s)
        self._forget_capabilities()

    @route("POST", "/sdapi/v1/refresh-embeddings")
    def refresh_embeddings(self) -> None:
        """Look for new textual inversions; waits for a running job."""
        self._transport.command("/sdapi/v1/refresh-embeddings", read_s=self._transport.patience_s)
        self._forget_capabilities()
