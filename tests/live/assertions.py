"""What must hold on any A1111, Forge or reForge, real or sandbox.

Each check takes a connected client and nothing else: names come from the server's own lists, pictures are
128x128 with 1 or 2 steps, so that a server with tiny random models is quick, and only behaviour that was
recorded on real servers is relied on. A check skips when the server lacks what it is about.
"""

from __future__ import annotations

import dataclasses
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Any

import pytest
from PIL import Image, ImageDraw

from sdwebui_client import (
    ADetailer,
    AlwaysOnScript,
    Cancelled,
    CancelToken,
    Capabilities,
    CapabilityMissing,
    ControlNet,
    EffectMissing,
    EncodedImage,
    Flavour,
    GenerationResult,
    InvalidRequest,
    Progress,
    ServerError,
    UltimateSDUpscale,
    ValidationRejected,
    WebUI,
)

SIZE = 128
QUICK: dict[str, Any] = {
    "prompt": "a portrait",
    "steps": 2,
    "width": SIZE,
    "height": SIZE,
    "seed": 1234,
    "cfg_scale": 7,
}


def sampler(caps: Capabilities) -> str:
    """One that every recorded server has, else the first."""
    return "Euler a" if "Euler a" in caps.samplers else caps.samplers[0]


def draw(webui: WebUI, **fields: Any) -> GenerationResult:
    """A quick picture."""
    return webui.txt2img(**{**QUICK, "sampler_name": sampler(webui.capabilities()), **fields})


def statuses(result: GenerationResult) -> dict[str, str]:
    """Effect name -> status."""
    return {effect.name: effect.status for effect in result.verified.effects}


def picture(width: int = SIZE, height: int = SIZE) -> EncodedImage:
    """A stick figure on black, as good as a skeleton."""
    image = Image.new("RGB", (width, height))
    pen = ImageDraw.Draw(image)
    pen.ellipse((width * 0.42, height * 0.1, width * 0.58, height * 0.3), fill="red")
    pen.line((width * 0.5, height * 0.3, width * 0.5, height * 0.8), fill="blue", width=4)
    pen.line((width * 0.25, height * 0.45, width * 0.75, height * 0.45), fill="green", width=4)
    out = BytesIO()
    image.save(out, "PNG")
    return EncodedImage(out.getvalue())


@contextmanager
def outdated(webui: WebUI, **changes: Any) -> Iterator[None]:
    """Let the client believe in a catalogue that the server does not have:
    an answer must then give it away."""
    caps = webui.capabilities(refresh=True)
    webui._capabilities = dataclasses.replace(caps, **changes)
    try:
        yield
    finally:
        webui._capabilities = caps


def check_the_record(webui: WebUI) -> None:
    caps = webui.capabilities(refresh=True)
    assert caps.flavour in (Flavour.A1111, Flavour.FORGE, Flavour.REFORGE)
    assert caps.still_starting == ()
    assert caps.samplers
    assert caps.schedulers
    assert caps.upscalers[0] == "None"
    assert caps.checkpoints
    assert "sd_model_checkpoint" in caps.option_keys
    assert len(caps.fingerprint) == 64
    assert webui.capabilities() is caps
    assert webui.capabilities(refresh=True).fingerprint == caps.fingerprint


def check_catalogues(webui: WebUI) -> None:
    caps = webui.capabilities()
    assert tuple(item.name for item in webui.samplers()) == caps.samplers
    assert tuple(item.label for item in webui.schedulers()) == tuple(label for _, label in caps.schedulers)
    assert tuple(item.name for item in webui.upscalers()) == caps.upscalers
    assert [item.title for item in webui.sd_models()] == [item.title for item in caps.checkpoints]
    assert {item.name for item in webui.loras()} == {item.name for item in caps.loras}
    assert "samples_format" in webui.get_options()
    assert webui.memory() is not None
    webui.refresh_loras()
    webui.refresh_checkpoints()


def check_txt2img(webui: WebUI) -> None:
    result = draw(webui)
    assert len(result.images) == 1
    assert result.images[0].size == (SIZE, SIZE)
    assert (result.info.seed, result.info.all_seeds) == (1234, [1234])
    assert statuses(result) == {"pictures": "ran", "sampler": "ran", "size": "ran"}
    assert result.endpoint == "/sdapi/v1/txt2img"
    assert result.request["prompt"] == "a portrait"
    assert result.info.infotexts[0].startswith("a portrait")
    assert "sampler" in str(result.verified)


def check_the_bytes_are_untouched(webui: WebUI) -> None:
    image = draw(webui).images[0]
    if image.format != "PNG":
        pytest.skip("the server is set to another format")
    assert image.data.startswith(b"\x89PNG")
    assert image.data.rstrip().endswith(b"IEND\xaeB`\x82")
    told = webui.png_info(image)
    if not image.text.get("parameters"):
        pytest.skip("the server is set not to write infotexts")
    assert told.info.strip() == image.text["parameters"].strip()


def check_a_seed_draws_the_same_picture(webui: WebUI) -> None:
    first, again, other = draw(webui), draw(webui), draw(webui, seed=4321)
    assert statuses(first) == statuses(again)
    assert pixels(first) == pixels(again)
    assert pixels(first) != pixels(other)


def pixels(result: GenerationResult) -> bytes:
    """Decoded RGB pixels: infotexts differ between runs, pixels must not."""
    return result.images[0].open().convert("RGB").tobytes()


def check_a_drawn_seed_is_reported(webui: WebUI) -> None:
    assert draw(webui, seed=-1, steps=1).info.seed >= 0


def check_batches(webui: WebUI) -> None:
    result = draw(webui, batch_size=2, n_iter=2, steps=1)
    assert len(result.images) == 4
    assert result.info.all_seeds == [1234, 1235, 1236, 1237]


def check_schedulers(webui: WebUI) -> None:
    caps = webui.capabilities()
    if "DPM++ 2M" not in caps.samplers or ("karras", "Karras") not in caps.schedulers:
        pytest.skip("no DPM++ 2M with Karras")
    for name in ("karras", "Karras"):
        result = draw(webui, sampler_name="DPM++ 2M", scheduler=name)
        assert statuses(result)["scheduler"] == "ran"


REFUSALS: list[tuple[str, dict[str, Any], str]] = [
    ("sampler", {"sampler_name": "NoSuchSampler"}, "NoSuchSampler"),
    ("sampler case", {"sampler_name": "euler a"}, "Euler a"),
    ("old sampler name", {"sampler_name": "DPM++ 2M Karras"}, "scheduler"),
    ("scheduler", {"scheduler": "NoSuchSched"}, "NoSuchSched"),
    ("checkpoint", {"override_settings": {"sd_model_checkpoint": "no_such_model"}}, "no_such_model"),
    ("setting", {"override_settings": {"no_such_setting": 5}}, "no_such_setting"),
    ("lora", {"prompt": "x <lora:no_such_lora_at_all:0.8>"}, "no_such_lora_at_all"),
    ("lora weight", {"prompt": "x <lora:whatever:abc>"}, "not a number"),
    ("negative lora", {"negative_prompt": "x <lora:whatever:1>"}, "negative prompt"),
    ("style", {"styles": ["no such style"]}, "no such style"),
    ("refiner", {"refiner_checkpoint": "no_such_refiner", "refiner_switch_at": 0.5}, "no_such_refiner"),
    ("hires upscaler", {"enable_hr": True, "denoising_strength": 0.5, "hr_upscaler": "nope"}, "nope"),
    ("script arguments", {"script_args": [1, 2]}, "script_args"),
    ("unknown script", {"script_name": "NoSuchScript"}, "NoSuchScript"),
]


def check_what_would_fail_silently_is_refused(webui: WebUI) -> None:
    for name, fields, words in REFUSALS:
        with pytest.raises(CapabilityMissing) as caught:
            draw(webui, **fields)
        assert words in str(caught.value), name
        assert caught.value.problems


def check_what_cannot_be_right_is_refused(webui: WebUI) -> None:
    for fields in (
        {"width": 130},
        {"steps": 0},
        {"batch_size": 0},
        {"seed": -2},
        {"no_such_field": 1},
        {"width": 100000},
    ):
        with pytest.raises(InvalidRequest):
            draw(webui, **fields)


def check_unknown_units_are_refused(webui: WebUI) -> None:
    caps = webui.capabilities()
    with pytest.raises(CapabilityMissing, match="NoSuchExt"):
        draw(webui, units=[AlwaysOnScript(name="NoSuchExt")])
    with pytest.raises(CapabilityMissing, match="img2img"):
        draw(webui, script=UltimateSDUpscale(upscaler="None"))
    if caps.adetailer:
        with pytest.raises(CapabilityMissing, match=r"no_such\.pt"):
            draw(webui, units=[ADetailer.any("no_such.pt")])
        face = ADetailer.any(caps.adetailer.models[0])
        with pytest.raises(CapabilityMissing, match="drops all after"):
            draw(webui, units=[face] * (caps.adetailer.max_units + 1))
    if caps.controlnet and caps.controlnet.models:
        with pytest.raises(CapabilityMissing, match="no_such_cn"):
            draw(webui, units=[ControlNet(model="no_such_cn", image=picture())])
        name = caps.controlnet.models[0]
        with pytest.raises(CapabilityMissing, match="image"):
            draw(webui, units=[ControlNet(model=name)])
        with pytest.raises(CapabilityMissing, match="module"):
            draw(webui, units=[ControlNet(model=name, image=picture(), module="no_such_module")])
        with pytest.raises(CapabilityMissing, match="drops all after"):
            draw(webui, units=[ControlNet(model=name, image=picture())] * (caps.controlnet.max_units + 1))


def check_silent_failures_are_caught_when_the_catalogue_was_wrong(webui: WebUI) -> None:
    caps = webui.capabilities()
    from sdwebui_client.capabilities import CheckpointInfo, LoraInfo

    cases: list[tuple[dict[str, Any], dict[str, Any], str]] = [
        ({"samplers": (*caps.samplers, "NoSuchSampler")}, {"sampler_name": "NoSuchSampler"}, "sampler"),
        ({"schedulers": (*caps.schedulers, ("nosuch", "NoSuch"))}, {"scheduler": "NoSuch"}, "scheduler"),
        (
            {"loras": (*caps.loras, LoraInfo("no_such_lora"))},
            {"prompt": "x <lora:no_such_lora:1>"},
            "lora:no_such_lora",
        ),
        (
            {"checkpoints": (*caps.checkpoints, CheckpointInfo("no_such_model", "no_such_model"))},
            {"override_settings": {"sd_model_checkpoint": "no_such_model"}},
            "checkpoint",
        ),
    ]
    for changes, fields, effect in cases:
        with outdated(webui, **changes), pytest.raises(EffectMissing, match=effect) as caught:
            draw(webui, **fields)
        assert [item.name for item in caught.value.result.verified.missing] == [effect]
        assert len(caught.value.result.images) == 1


def check_a_lora_is_verified(webui: WebUI) -> None:
    caps = webui.capabilities()
    if not caps.loras:
        pytest.skip("no LoRA on the server")
    name = caps.loras[0].name
    plain, result = draw(webui), draw(webui, prompt=f"a portrait <lora:{name}:0.8>")
    assert statuses(result)[f"lora:{name}"] == "ran"
    assert pixels(plain) != pixels(result)
    with pytest.raises(CapabilityMissing) as caught:
        draw(webui, prompt=f"a portrait <lora:{name}.safetensors:0.8>")
    assert name in caught.value.problems[0].near


def check_adetailer(webui: WebUI) -> None:
    caps = webui.capabilities()
    if caps.adetailer is None:
        pytest.skip("no ADetailer")
    model = caps.adetailer.models[0]
    units = [ADetailer.any(model, prompt="a face", confidence=0.3, denoising_strength=0.4)] * 2
    found = statuses(draw(webui, units=units))
    assert found[f"ADetailer[0] {model}"] == "unverified"
    assert found[f"ADetailer[1] {model}"] == "unverified"


def check_controlnet(webui: WebUI) -> None:
    caps = webui.capabilities()
    if caps.controlnet is None or not caps.controlnet.models:
        pytest.skip("no ControlNet, or no model for it")
    listed = [name for name in caps.controlnet.models if "openpose" in name.casefold()] or list(
        caps.controlnet.models
    )
    result = draw(webui, units=[ControlNet(model=listed[0], image=picture())])
    status = statuses(result)[f"ControlNet[0] {listed[0]}"]
    if caps.flavour is Flavour.A1111:
        assert status == "ran"
        assert len(result.detected_maps) == 1
    else:
        assert status == "unverified"
    assert len(result.images) == 1


def check_img2img_takes_the_pictures_size(webui: WebUI) -> None:
    start = picture(192, SIZE)
    fields = {key: value for key, value in QUICK.items() if key not in ("width", "height")}
    result = webui.img2img(**fields, init_images=[start], denoising_strength=0.5)
    assert result.images[0].size == (192, SIZE)
    assert statuses(result)["size"] == "ran"


def check_the_tile_upscale(webui: WebUI) -> None:
    caps = webui.capabilities()
    if "ultimate sd upscale" not in caps.scripts_img2img:
        pytest.skip("no Ultimate SD Upscale")
    name = "Lanczos" if "Lanczos" in caps.upscalers else "None"
    script = UltimateSDUpscale(upscaler=name, scale=2, tile_width=256, tile_height=256)
    fields = {key: value for key, value in QUICK.items() if key not in ("width", "height")}
    result = webui.img2img(**fields, init_images=[picture()], denoising_strength=0.2, script=script)
    assert result.images[0].size == (2 * SIZE, 2 * SIZE)
    found = statuses(result)
    assert (found["upscale"], found[f"upscaler {name}"]) == ("ran", "ran")
    with pytest.raises(CapabilityMissing, match="no such upscaler"):
        webui.img2img(
            **fields, init_images=[picture()], script=UltimateSDUpscale(upscaler="no such upscaler")
        )


def check_hires_fix(webui: WebUI) -> None:
    if "Latent" not in webui.capabilities().latent_upscalers:
        pytest.skip("no latent upscaler listed")
    result = draw(webui, enable_hr=True, hr_scale=2, hr_upscaler="Latent", denoising_strength=0.5)
    assert result.images[0].size == (2 * SIZE, 2 * SIZE)
    assert statuses(result)["size"] == "ran"


def check_another_checkpoint_for_one_picture(webui: WebUI) -> None:
    caps = webui.capabilities()
    if len(caps.checkpoints) < 2:
        pytest.skip("only one checkpoint")
    before = draw(webui).info.sd_model_name
    other = next(entry for entry in caps.checkpoints if before not in (entry.model_name, entry.stem))
    result = draw(webui, override_settings={"sd_model_checkpoint": other.model_name})
    assert statuses(result)["checkpoint"] == "ran"
    if caps.loaded_checkpoint is None:
        # reForge names none until one is chosen; what it goes back to then was not recorded.
        draw(webui, override_settings={"sd_model_checkpoint": before})
    assert draw(webui).info.sd_model_name == before or caps.loaded_checkpoint is None


def check_extras(webui: WebUI) -> None:
    if "Lanczos" not in webui.capabilities().upscalers:
        pytest.skip("no Lanczos")
    result = webui.extra_single_image(image=picture(), upscaler_1="Lanczos", upscaling_resize=2)
    assert result.image.size == (2 * SIZE, 2 * SIZE)


def check_errors_are_mapped(webui: WebUI) -> None:
    with pytest.raises(ServerError) as caught:
        webui.set_options({"no_such_option": 1})
    assert "no_such_option" in caught.value.server_text
    assert caught.value.status == 500
    if webui.capabilities().controlnet:
        with pytest.raises(ValidationRejected) as refused:
            webui.controlnet_detect(controlnet_module="no_such_module", controlnet_input_images=[picture()])
        assert "Module not available" in refused.value.server_text


def check_progress_never_falls(webui: WebUI) -> None:
    seen: list[Progress] = []
    result = draw(webui, steps=20, on_progress=seen.append)
    fractions = [progress.fraction for progress in seen]
    assert fractions == sorted(fractions)
    assert all(0.0 <= fraction <= 1.0 for fraction in fractions)
    assert all(progress.stage for progress in seen)
    assert result.task_id


def check_a_job_has_the_name_it_was_given(webui: WebUI) -> None:
    if not webui.capabilities().has_task_ids:
        pytest.skip("--nowebui: no task ids")
    name = f"task(check{random.randrange(10**9)})"
    assert draw(webui, steps=1, task_id=name).task_id == name
    assert name not in webui.internal_pending_tasks().tasks


def check_cancel_ends_our_job_and_the_next_one_runs(webui: WebUI) -> None:
    token = CancelToken()
    timer = threading.Timer(1.0, token.cancel)
    timer.start()
    try:
        # A fast GPU may finish first; then there was nothing to cancel.
        done = draw(webui, steps=150, n_iter=20, cancel=token)
        assert len(done.images) == 20
    except Cancelled:
        assert token.cancelled
    finally:
        timer.cancel()
    assert len(draw(webui, steps=1).images) == 1


def check_two_jobs_wait_for_each_other(webui: WebUI) -> None:
    results: list[GenerationResult] = []
    threads = [
        threading.Thread(target=lambda seed=seed: results.append(draw(webui, seed=seed)))
        for seed in (1, 2, 3)
    ]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + 300
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    assert sorted(result.info.seed for result in results) == [1, 2, 3]
    assert len({result.task_id for result in results}) == 3


CHECKS: tuple[Callable[[WebUI], None], ...] = (
    check_the_record,
    check_catalogues,
    check_txt2img,
    check_the_bytes_are_untouched,
    check_a_seed_draws_the_same_picture,
    check_a_drawn_seed_is_reported,
    check_batches,
    check_schedulers,
    check_what_would_fail_silently_is_refused,
    check_what_cannot_be_right_is_refused,
    check_unknown_units_are_refused,
    check_silent_failures_are_caught_when_the_catalogue_was_wrong,
    check_a_lora_is_verified,
    check_adetailer,
    check_controlnet,
    check_img2img_takes_the_pictures_size,
    check_the_tile_upscale,
    check_hires_fix,
    check_another_checkpoint_for_one_picture,
    check_extras,
    check_errors_are_mapped,
    check_progress_never_falls,
    check_a_job_has_the_name_it_was_given,
    check_cancel_ends_our_job_and_the_next_one_runs,
    check_two_jobs_wait_for_each_other,
)
