"""Upscaling, png-info and interrogation."""

from __future__ import annotations

from typing import Any

from ..errors import EffectMissing
from ..images import EncodedImage
from ..types import (
    Caption,
    ExtraBatchImagesRequest,
    ExtraBatchImagesResult,
    ExtraSingleImageRequest,
    ExtraSingleImageResult,
    ExtrasRequest,
    PngInfo,
)
from ._base import Routes, build, route


class ExtrasRoutes(Routes):
    """Work on finished pictures."""

    @route("POST", "/sdapi/v1/extra-single-image")
    def extra_single_image(
        self, request: ExtraSingleImageRequest | None = None, **fields: Any
    ) -> ExtraSingleImageResult:
        """Enlarge a picture or restore its faces.

        A face restorer whose model is missing leaves the picture unchanged,
        and the server gives no sign of it.

        Args:
            request: The request; or give its fields by name, as in `image=…, upscaler_1="Lanczos",
                upscaling_resize=2`. **fields: Fields of `ExtraSingleImageRequest`.

        Raises:
            EffectMissing: The picture has not the size asked for.
        """
        wish = build(ExtraSingleImageRequest, request, fields)
        result = self._transport.post(
            "/sdapi/v1/extra-single-image",
            ExtraSingleImageResult,
            payload=wish.payload(),
            read_s=self._transport.patience_s,
        )
        check_enlarged(wish, wish.image, result.image, result)
        return result

    @route("POST", "/sdapi/v1/extra-batch-images")
    def extra_batch_images(
        self, request: ExtraBatchImagesRequest | None = None, **fields: Any
    ) -> ExtraBatchImagesResult:
        """Enlarge several pictures, or restore their faces.

        Args:
            request: The request; or give its fields by name.
            **fields: Fields of `ExtraBatchImagesRequest`.

        Raises:
            EffectMissing: Pictures are missing, or have not the size asked for.
        """
        wish = build(ExtraBatchImagesRequest, request, fields)
        payload = wish.payload()
        payload["imageList"] = [item.payload() for item in wish.imageList]
        result = self._transport.post(
            "/sdapi/v1/extra-batch-images",
            ExtraBatchImagesResult,
            payload=payload,
            read_s=self._transport.patience_s,
        )
        if len(result.images) != len(wish.imageList):
            raise EffectMissing(
                f"{len(wish.imageList)} pictures were sent, {len(result.images)} came back", result=result
            )
        for item, image in zip(wish.imageList, result.images, strict=True):
            check_enlarged(wish, item.data, image, result)
        return result

    @route("POST", "/sdapi/v1/png-info")
    def png_info(self, image: EncodedImage) -> PngInfo:
        """Return what a picture's infotext says; `image.text` reads it without the server."""
        return self._transport.post("/sdapi/v1/png-info", PngInfo, payload={"image": image})

    @route("POST", "/sdapi/v1/interrogate")
    def interrogate(self, image: EncodedImage, *, model: str = "clip") -> str:
        """Describe a picture.

        Args:
            image: The picture.
            model: "clip" or "deepdanbooru".

        Raises:
            EffectMissing: The server failed inside; it says so only in the caption (recorded:
            p17a_interrogate_clip).
        """
        payload = {"image": image, "model": model}
        answer = self._transport.post(
            "/sdapi/v1/interrogate", Caption, payload=payload, read_s=self._transport.patience_s
        )
        if answer.caption.strip() == "<error>":
            raise EffectMissing(
                "The server could not describe the picture",
                hint="its interrogation model is missing or could not be downloaded; see its console",
                result=answer,
            )
        return answer.caption


def check_enlarged(wish: ExtrasRequest, before: EncodedImage, after: EncodedImage, result: Any) -> None:
    """Raise when a picture that was to grow by a factor has another size."""
    if wish.upscaler_1 == "None" or wish.resize_mode != 0:
        return
    width, height = (int(side * wish.upscaling_resize) for side in before.size)
    got = after.size
    if abs(got[0] - width) > 1 or abs(got[1] - height) > 1:
        raise EffectMissing(f"the picture is {got[0]}x{got[1]}, not {width}x{height}", result=result)
