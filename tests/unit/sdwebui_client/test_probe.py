"""What the probe makes of servers that answer nonsense, and of pages in front of them."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from sdwebui_client import AuthError, NotFound, ServerError, UnexpectedResponse, WebUI, WebUIError
from sdwebui_client.capabilities import Capabilities
from tests.stubs.webui import Reply, StubWebUI

OPTIONS = "/sdapi/v1/options"
Ask = Callable[[str, Reply], Capabilities]


@pytest.fixture
def ask() -> Iterator[Ask]:
    with StubWebUI() as stub:

        def capabilities(path: str, reply: Reply) -> Capabilities:
            stub.hooks[path] = lambda: reply
            with WebUI(stub.url, retries=0) as webui:
                return webui.capabilities()

        yield capabilities


@pytest.mark.parametrize(
    ("reply", "kind", "words"),
    [
        (
            Reply(body=b"<!doctype html><title>Log in</title>", content_type="text/html"),
            UnexpectedResponse,
            "web page",
        ),
        (Reply(302, b"", headers={"location": "/login"}), UnexpectedResponse, "redirected to /login"),
        (Reply(503, b"<title>503 Busy</title>", "text/html"), ServerError, "503 Busy"),
        (Reply.json({"error": "KeyError", "errors": "boom"}, 500), ServerError, "boom"),
        (Reply.json({"detail": "Not Found"}, 404), NotFound, "--api"),
        (Reply.json({"detail": "who?"}, 401), AuthError, "username"),
        (Reply.json([1]), UnexpectedResponse, "no JSON object"),
    ],
)
def test_what_is_no_webui_says_so(ask: Ask, reply: Reply, kind: type[WebUIError], words: str) -> None:
    with pytest.raises(kind) as caught:
        ask(OPTIONS, reply)
    assert words in str(caught.value)
    assert "None" not in str(caught.value)


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("path", ["/internal/sysinfo", "/openapi.json", "/internal/pending-tasks"])
def test_a_proxy_may_keep_what_only_informs(ask: Ask, path: str, status: int) -> None:
    caps = ask(path, Reply.json({"detail": "no"}, status))
    assert caps.samplers
    assert caps.has_task_ids is (path != "/internal/pending-tasks")


def test_a_proxy_that_keeps_what_is_needed_is_named(ask: Ask) -> None:
    with pytest.raises(AuthError, match="/controlnet/model_list"):
        ask("/controlnet/model_list", Reply.json({"detail": "no"}, 401))


ODD: list[Any] = [
    None,
    5,
    "text",
    {},
    [None, 5, []],
    [
        {
            "name": None,
            "aliases": 5,
            "label": None,
            "title": {},
            "args": 5,
            "model_name": None,
            "is_alwayson": 3,
        }
    ],
    [{"name": "x", "aliases": [None, 1], "title": "x", "metadata": 5, "args": [None], "enabled": None}],
    {"paths": {"/x": 5, "/sdapi/v1/txt2img": []}, "info": []},
    {"txt2img": [None, {}], "img2img": 5, "loaded": [None, {}], "version": {}, "properties": [{}]},
    {"model_list": [None, 5], "module_list": {"a": 1}, "control_net_unit_count": -4, "ad_model": [None]},
]
CATALOGUES = [
    "/openapi.json",
    "/sdapi/v1/samplers",
    "/sdapi/v1/schedulers",
    "/sdapi/v1/upscalers",
    "/sdapi/v1/sd-models",
    "/sdapi/v1/loras",
    "/sdapi/v1/embeddings",
    "/sdapi/v1/prompt-styles",
    "/sdapi/v1/extensions",
    "/sdapi/v1/scripts",
    "/sdapi/v1/script-info",
    "/controlnet/model_list",
    "/controlnet/settings",
    "/adetailer/v1/ad_model",
    "/adetailer/v1/schema",
    "/internal/sysinfo",
    "/internal/pending-tasks",
]


@pytest.mark.parametrize("path", CATALOGUES)
def test_catalogues_of_another_shape_are_no_names(ask: Ask, path: str) -> None:
    for body in ODD:
        caps = ask(path, Reply.json(body))
        names = (
            *caps.samplers,
            *(a for a, _ in caps.sampler_aliases),
            *caps.embeddings,
            *caps.scripts_txt2img,
        )
        assert not {"None", "{}", "5", "1"} & set(names)
        assert caps.controlnet is None or caps.controlnet.max_units >= 1
        if caps.adetailer is not None:
            assert "None" not in caps.adetailer.models


def test_capabilities_can_be_pickled_and_copied(ask: Ask) -> None:
    caps = ask("/x", Reply())
    for twin in (pickle.loads(pickle.dumps(caps)), copy.deepcopy(caps)):
        assert twin == caps
        assert twin.options == caps.options
        assert twin.fingerprint == caps.fingerprint
        with pytest.raises(TypeError):
            twin.options["x"] = 1  # type: ignore[index]
