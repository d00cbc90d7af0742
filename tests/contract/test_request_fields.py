"""Every field we can send exists in the recorded OpenAPI, and every field a client can use can be sent."""

from __future__ import annotations

import pytest

from sdwebui_client.types import (
    DetectRequest,
    ExtraBatchImagesRequest,
    ExtraSingleImageRequest,
    Img2ImgRequest,
    Request,
    Txt2ImgRequest,
)
from tests.recorded import openapi

A1111_STYLE = ("a1111", "forge", "reforge")
SCHEMAS: dict[type[Request], str] = {
    Txt2ImgRequest: "StableDiffusionProcessingTxt2Img",
    Img2ImgRequest: "StableDiffusionProcessingImg2Img",
    ExtraSingleImageRequest: "ExtrasSingleImageRequest",
    ExtraBatchImagesRequest: "ExtrasBatchImagesRequest",
    DetectRequest: "Body_detect_controlnet_detect_post",
}
LEFT_OUT = {
    "sampler_index": "the old name of sampler_name; the server takes it only when that is absent",
    "hr_distilled_cfg": "Forge lists it for img2img too, which has no hires fix",
}


def recorded_fields(flavour: str, schema: str) -> set[str]:
    return set(openapi(flavour)["components"]["schemas"][schema]["properties"])


@pytest.mark.parametrize("kind", SCHEMAS, ids=lambda kind: kind.__name__)
def test_every_field_exists_on_a_recorded_server(kind: type[Request]) -> None:
    known = set().union(*(recorded_fields(flavour, SCHEMAS[kind]) for flavour in A1111_STYLE))
    assert set(kind.model_fields) <= known


@pytest.mark.parametrize("flavour", A1111_STYLE)
@pytest.mark.parametrize("kind", SCHEMAS, ids=lambda kind: kind.__name__)
def test_every_recorded_field_can_be_sent(kind: type[Request], flavour: str) -> None:
    assert recorded_fields(flavour, SCHEMAS[kind]) - set(kind.model_fields) <= set(LEFT_OUT)


@pytest.mark.parametrize("kind", SCHEMAS, ids=lambda kind: kind.__name__)
def test_the_stated_defaults_are_the_servers(kind: type[Request]) -> None:
    recorded = openapi("a1111")["components"]["schemas"][SCHEMAS[kind]]["properties"]
    for name, field in kind.model_fields.items():
        if "default" not in recorded.get(name, {}) or field.is_required():
            continue
        assert field.get_default(call_default_factory=True) == recorded[name]["default"], name


@pytest.mark.parametrize("kind", SCHEMAS, ids=lambda kind: kind.__name__)
def test_every_field_is_explained(kind: type[Request]) -> None:
    for name, field in kind.model_fields.items():
        assert field.description, name
