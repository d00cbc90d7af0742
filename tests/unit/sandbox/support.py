"""A client of a sandbox in a few lines, for the tests beside this file."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import requests

from sdwebui_client.sandbox import SandboxServer

SMALL = {"prompt": "a woman", "steps": 2, "width": 64, "height": 64, "seed": 1}
TXT2IMG = "/sdapi/v1/txt2img"
IMG2IMG = "/sdapi/v1/img2img"
FACE = {"ADetailer": {"args": [True, False, {"ad_model": "face_yolov8n.pt"}]}}


class Client:
    """A few lines around requests."""

    def __init__(self, server: SandboxServer) -> None:
        self.server = server
        self.answers: dict[str, Any] = {}

    def post(self, path: str, body: Any = None, **options: Any) -> requests.Response:
        return requests.post(self.server.url + path, json=body, timeout=20, **options)

    def get(self, path: str, **options: Any) -> requests.Response:
        return requests.get(self.server.url + path, timeout=20, **options)

    def later(self, path: str, body: Any) -> threading.Thread:
        """Send a request in a thread; its answer is in `answers` by the body's task id, or by path."""
        thread = threading.Thread(target=self._send, args=(path, body))
        thread.start()
        return thread

    def _send(self, path: str, body: Any) -> None:
        key = body.get("force_task_id") or path
        try:
            self.answers[key] = self.post(path, body)
        except requests.RequestException as error:
            self.answers[key] = error


def wait_for(condition: Callable[[], Any], timeout_s: float = 5.0) -> Any:
    """Wait until something is true and return it."""
    pause = threading.Event()
    for _ in range(int(timeout_s / 0.01)):
        found = condition()
        if found:
            return found
        pause.wait(0.01)
    raise AssertionError("waited in vain")
