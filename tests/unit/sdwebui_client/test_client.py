"""`WebUI` itself: what is refused before sending, what is kept, what is shown."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from sdwebui_client import (
    AuthError,
    CapabilityMissing,
    EffectMissing,
    EncodedImage,
    Img2ImgRequest,
    InvalidRequest,
    NotFound,
    Timeouts,
    Txt2ImgRequest,
    UnexpectedResponse,
    WebUI,
)
from tests.stubs.webui import Reply, StubWebUI, picture_answer

PICTURE = EncodedImage.from_base64(picture_answer()["images"][0])


@pytest.fixture
def stub() -> Iterator[StubWebUI]:
    with StubWebUI() as server:
        yield server


@pytest.fixture
def webui(stub: StubWebUI) -> Iterator[WebUI]:
    with WebUI(stub.url) as client:
        yield client


@pytest.mark.parametrize(
    "fields",
    [
        {"width": 0},
        {"width": -64},
        {"width": 100_000},
        {"width": 513},
        {"width": 8192, "height": 8192},
        {"width": 2048, "height": 2048, "enable_hr": True, "hr_scale": 4, "denoising_strength": 0.5},
        {"enable_hr": True},
        {"steps": 0},
        {"steps": 1_000_000},
        {"steps": "many"},
        {"batch_size": 0},
        {"n_iter": 0},
        {"prompt": None},
        {"seed": -2},
        {"denoising_strength": 1.5},
        {"sampler_nme": "Euler a"},
    ],
)
def test_what_cannot_be_right_is_not_sent(stub: StubWebUI, webui: WebUI, fields: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest) as caught:
        webui.txt2img(**fields)
    assert (
        next(iter(fields)) in str(caught.value)
        or "pixels" in str(caught.value)
        or "enable_hr" in str(caught.value)
    )
    assert stub.seen == []


def test_a_misspelt_field_names_the_near_match(webui: WebUI) -> None:
    with pytest.raises(InvalidRequest, match="sampler_name"):
        webui.txt2img(sampler_nme="Euler a")


@pytest.mark.parametrize("pictures", [[], ["no picture"], [b"no picture"], "text", None])
def test_pictures_that_are_none_are_not_sent(stub: StubWebUI, webui: WebUI, pictures: Any) -> None:
    with pytest.raises(InvalidRequest):
        webui.img2img(init_images=pictures)
    assert stub.seen == []


def test_no_picture_is_shown_in_an_error(webui: WebUI) -> None:
    with pytest.raises(InvalidRequest) as caught:
        webui.img2img(init_images=[PICTURE], mask=PICTURE.to_base64()[:-5], steps=0)
    assert "iVBOR" not in repr(caught.value.__dict__) + str(caught.value)


def test_a_request_of_the_other_kind(webui: WebUI) -> None:
    with pytest.raises(InvalidRequest, match="Txt2ImgRequest"):
        webui.txt2img(Img2ImgRequest(init_images=[PICTURE]))  # type: ignore[arg-type]


def test_only_what_was_set_is_sent(stub: StubWebUI, webui: WebUI) -> None:
    webui.txt2img(Txt2ImgRequest(prompt="a", width=256, height=256), steps=3, prompt="b")
    sent = stub.generations()[0]
    sent.pop("force_task_id")
    assert sent == {"prompt": "b", "width": 256, "height": 256, "steps": 3}


def test_pictures_travel_as_they_are(stub: StubWebUI, webui: WebUI) -> None:
    result = webui.img2img(init_images=[PICTURE], width=256, height=256)
    assert stub.generations()[0]["init_images"] == [PICTURE.to_base64()]
    assert result.request["init_images"] == [PICTURE]


def test_a_server_without_the_extension_is_asked_for_nothing(stub: StubWebUI, webui: WebUI) -> None:
    from sdwebui_client import ADetailer

    webui.capabilities()
    with pytest.raises(CapabilityMissing, match="no_such"):
        webui.txt2img(prompt="a", units=[ADetailer.any("no_such.pt")])
    assert stub.generations() == []


def test_a_misspelt_sampler_is_refused_with_its_near_match(stub: StubWebUI, webui: WebUI) -> None:
    with pytest.raises(CapabilityMissing, match="Euler a"):
        webui.txt2img(prompt="a", sampler_name="euler a")
    assert stub.generations() == []


def test_an_effect_that_is_missing_keeps_its_picture(webui: WebUI) -> None:
    with pytest.raises(EffectMissing) as caught:
        webui.txt2img(prompt="a", width=512, height=512)
    assert caught.value.result.images == (PICTURE,)


def test_capabilities_are_asked_once_for_many_threads(stub: StubWebUI, webui: WebUI) -> None:
    threads = [threading.Thread(target=webui.capabilities) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    asked = [path for _, path, _ in stub.seen]
    assert asked.count("/sdapi/v1/samplers") == 1
    assert webui.capabilities() is webui.capabilities()
    assert webui.capabilities(refresh=True) is not None
    assert [path for _, path, _ in stub.seen].count("/sdapi/v1/samplers") == 2


@pytest.mark.parametrize(
    "change",
    [
        lambda webui: webui.refresh_loras(),
        lambda webui: webui.refresh_checkpoints(),
        lambda webui: webui.refresh_vae(),
        lambda webui: webui.refresh_embeddings(),
        lambda webui: webui.set_options({"samples_format": "png"}),
        lambda webui: webui.unload_checkpoint(),
        lambda webui: webui.reload_checkpoint(),
    ],
)
def test_what_changes_the_server_makes_it_asked_again(stub: StubWebUI, webui: WebUI, change: Any) -> None:
    webui.capabilities()
    change(webui)
    stub.seen.clear()
    webui.capabilities()
    assert stub.seen


def test_a_wrong_password_is_told_at_once(stub: StubWebUI, webui: WebUI) -> None:
    stub.reads["/sdapi/v1/options"] = Reply.json({"detail": "Incorrect username or password"}, 401)
    with pytest.raises(AuthError, match="Incorrect"):
        webui.txt2img(prompt="a")


def test_a_server_without_the_api(stub: StubWebUI, webui: WebUI) -> None:
    stub.reads.clear()
    with pytest.raises(NotFound, match="--api"):
        webui.txt2img(prompt="a")


def test_a_web_page_instead_of_the_api(stub: StubWebUI, webui: WebUI) -> None:
    for path in list(stub.reads):
        stub.reads[path] = Reply(
            body=b"<!doctype html><title>Welcome to nginx</title>", content_type="text/html"
        )
    with pytest.raises((UnexpectedResponse, NotFound)):
        webui.txt2img(prompt="a")


def test_a_read_that_answers_a_page(stub: StubWebUI, webui: WebUI) -> None:
    stub.reads["/sdapi/v1/samplers"] = Reply(
        body=b"<!doctype html><title>Welcome to nginx</title>", content_type="text/html"
    )
    with pytest.raises(UnexpectedResponse, match="Welcome to nginx") as caught:
        webui.samplers()
    assert "web page" in caught.value.message


@pytest.mark.parametrize("body", [b"{}", b"[1]", b"[{}]", b'[{"name": 5}]', b"null", b'"x"', b"true"])
def test_a_list_of_another_shape(stub: StubWebUI, webui: WebUI, body: bytes) -> None:
    stub.reads["/sdapi/v1/samplers"] = Reply(body=body)
    with pytest.raises(UnexpectedResponse):
        webui.samplers()


def test_unknown_fields_of_an_answer_are_kept(stub: StubWebUI, webui: WebUI) -> None:
    stub.reads["/sdapi/v1/samplers"] = Reply.json([{"name": "New", "speed": 9}])
    assert webui.samplers()[0].model_extra == {"speed": 9}


def test_the_servers_password_stays_hidden(stub: StubWebUI, webui: WebUI) -> None:
    stub.reads["/sdapi/v1/cmd-flags"] = Reply.json({"api": True, "api_auth": "me:hunter2"})
    flags = webui.cmd_flags()
    assert "hunter2" not in repr(flags)
    assert flags.api_auth is not None
    assert flags.api_auth.get_secret_value() == "me:hunter2"


def test_repr_shows_no_password() -> None:
    assert repr(WebUI("http://me:hunter2@gpu:7860")) == "WebUI('http://gpu:7860')"


@pytest.mark.parametrize("timeouts", [{"connect_s": 0}, {"read_s": -1}, {"idle_s": 0}])
def test_limits_must_be_limits(timeouts: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="more than 0"):
        Timeouts(**timeouts)


def test_a_server_that_ends_need_not_answer(stub: StubWebUI, webui: WebUI) -> None:
    stub.hooks["/sdapi/v1/server-kill"] = lambda: Reply(drop=True)
    webui.server_kill()
    stub.hooks["/sdapi/v1/server-stop"] = lambda: Reply(body=b"Stopping.", content_type="text/plain")
    webui.server_stop()
    stub.hooks["/sdapi/v1/server-restart"] = lambda: Reply.json({"detail": "Not Found"}, 404)
    with pytest.raises(NotFound):
        webui.server_restart()


def test_an_extra_that_did_not_grow(stub: StubWebUI, webui: WebUI) -> None:
    stub.hooks["/sdapi/v1/extra-single-image"] = lambda: Reply.json(
        {"html_info": "", "image": PICTURE.to_base64()}
    )
    with pytest.raises(EffectMissing, match="512x512"):
        webui.extra_single_image(image=PICTURE, upscaler_1="Lanczos", upscaling_resize=2)
    assert webui.extra_single_image(image=PICTURE).image == PICTURE


def test_no_settings_are_no_command(webui: WebUI) -> None:
    with pytest.raises(InvalidRequest):
        webui.set_options({})


def test_what_is_no_json_is_not_sent(stub: StubWebUI, webui: WebUI) -> None:
    with pytest.raises(InvalidRequest, match="JSON"):
        webui.set_options({"x": float("nan")})
    with pytest.raises(InvalidRequest, match="set"):
        webui.set_options({"x": {1}})
    assert stub.seen == []
