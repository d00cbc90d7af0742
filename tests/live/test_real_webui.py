"""The sandbox's assertions against a real WebUI."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sdwebui_client import Flavour, WebUI
from tests.live.assertions import CHECKS

pytestmark = pytest.mark.live


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_a_real_webui(webui: WebUI, check: Callable[[WebUI], None]) -> None:
    if webui.capabilities().flavour is Flavour.SDNEXT:
        pytest.skip("SD.Next is another API; its adapter has a suite of its own")
    check(webui)
