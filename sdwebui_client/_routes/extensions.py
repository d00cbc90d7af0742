"""Routes of the ControlNet and ADetailer extensions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..types import (
    ADetailerModels,
    ADetailerVersion,
    ControlNetModels,
    ControlNetModules,
    ControlNetSettings,
    ControlNetVersion,
    ControlType,
    ControlTypes,
    DetectRequest,
    DetectResult,
)
from ._base import Routes, build, route


class ExtensionRoutes(Routes):
    """`NotFound` when the extension, or the route on this flavour, is missing. None is protected by
    --api-auth."""

    @route("GET", "/controlnet/version")
    def controlnet_version(self) -> int:
        """Return the API version of sd-webui-controlnet (A1111 only)."""
        return self._transport.get("/controlnet/version", ControlNetVersion).version

    @route("GET", "/controlnet/model_list")
    def controlnet_model_list(self, *, update: bool = True) -> list[str]:
        """Return the ControlNet models with their hashes.

        Args:
            update: Look for new files first.
        """
        params = {"update": "true" if update else "false"}
        return self._transport.get("/controlnet/model_list", ControlNetModels, params=params).model_list

    @route("GET", "/controlnet/module_list")
    def controlnet_module_list(self) -> ControlNetModules:
        """Return the preprocessors and their sliders."""
        return self._transport.get("/controlnet/module_list", ControlNetModules)

    @route("GET", "/controlnet/control_types")
    def controlnet_control_types(self) -> dict[str, ControlType]:
        """Return which preprocessors and models belong together."""
        return self._transport.get("/controlnet/control_types", ControlTypes).control_types

    @route("GET", "/controlnet/settings")
    def controlnet_settings(self) -> ControlNetSettings:
        """Return how many units a request may have (A1111 only)."""
        return self._transport.get("/controlnet/settings", ControlNetSettings)

    @route("POST", "/controlnet/detect")
    def controlnet_detect(self, request: DetectRequest | None = None, **fields: Any) -> DetectResult:
        """Run a preprocessor alone.

        Args:
            request: The request; or give its fields by name, as in `controlnet_input_images=[photo],
                controlnet_module="openpose_full"`.
            **fields: Fields of `DetectRequest`.
        """
        wish = build(DetectRequest, request, fields)
        return self._transport.post(
            "/controlnet/detect", DetectResult, payload=wish.payload(), read_s=self._transport.patience_s
        )

    @route("POST", "/controlnet/render_openpose_json")
    def controlnet_render_openpose_json(self, poses: Sequence[dict[str, Any]]) -> DetectResult:
        """Draw skeletons from key points (A1111 only).

        Args:
            poses: `{"people": [{"pose_keypoints_2d": [x, y, confidence, …]}], "canvas_width": …,
                "canvas_height": …}` each.
        """
        return self._transport.post("/controlnet/render_openpose_json", DetectResult, payload=list(poses))

    @route("GET", "/adetailer/v1/version")
    def adetailer_version(self) -> str:
        """Return ADetailer's version."""
        return self._transport.get("/adetailer/v1/version", ADetailerVersion).version

    @route("GET", "/adetailer/v1/schema")
    def adetailer_schema(self) -> dict[str, Any]:
        """Return the JSON Schema of an ADetailer unit."""
        return self._transport.get("/adetailer/v1/schema", dict[str, Any])

    @route("GET", "/adetailer/v1/ad_model")
    def adetailer_ad_model(self) -> list[str]:
        """Return ADetailer's detectors."""
        return self._transport.get("/adetailer/v1/ad_model", ADetailerModels).ad_model
