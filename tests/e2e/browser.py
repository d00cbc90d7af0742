"""A real Chromium that looks at the page, and notes what a careful person would see in its console."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Request,
    expect,
    sync_playwright,
)

PHONE = {"width": 390, "height": 844}
SMALL_PHONE = {"width": 360, "height": 740}
DESK = {"width": 1280, "height": 900}


@dataclass
class Seen:
    """What went wrong in a browser."""

    host: str
    complaints: list[str] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)

    def watch(self, page: Page) -> None:
        """Note everything from now on."""
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.complaints.append(f"page error: {error}"))
        page.on("request", self._request)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(f"{message.type}: {message.text} ({message.location})")

    def _request(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme in ("http", "https", "ws", "wss") and parts.netloc != self.host:
            self.strangers.append(request.url)

    def forgive(self, text: str) -> None:
        """Strike the complaints that a test provoked: the browser notes every answer above 399.

        Waits for the first: the console may lag behind the page.
        """
        deadline = time.monotonic() + 10
        while not any(text in complaint for complaint in self.complaints):
            assert time.monotonic() < deadline, f"nobody complained of {text}"
            time.sleep(0.05)
        self.complaints = [complaint for complaint in self.complaints if text not in complaint]

    def bear(self, text: str) -> None:
        """Strike complaints that may come, or not."""
        self.complaints = [complaint for complaint in self.complaints if text not in complaint]

    def clean(self) -> None:
        """Fail when the browser complained, or asked another host for anything."""
        assert self.strangers == []
        assert self.complaints == []


@contextmanager
def chromium() -> Iterator[Browser]:
    """The system's Chromium; nothing is downloaded."""
    path = shutil.which("chromium") or shutil.which("google-chrome")
    assert path, "no Chromium: apt-get install chromium"
    expect.set_options(timeout=20_000)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def visit(
    browser: Browser,
    address: str,
    *,
    size: dict[str, int] = PHONE,
    language: str = "ko",
    dark: bool = False,
    session: str | None = None,
) -> Iterator[tuple[Page, Seen]]:
    """A fresh browser profile at a size; complaints fail the test at the end.

    Args:
        browser: Whose.
        address: The studio's.
        size: Of the window; below 500 px it is a phone that is touched.
        language: The browser's.
        dark: Whether the person likes it dark.
        session: The session to be signed in with.
    """
    phone: dict[str, Any] = {"is_mobile": True, "has_touch": True} if size["width"] < 500 else {}
    context: BrowserContext = browser.new_context(
        base_url=address, viewport=size, locale={"ko": "ko-KR", "en": "en-GB"}[language],
        color_scheme="dark" if dark else "light", accept_downloads=True, **phone,
    )  # fmt: skip
    if session is not None:
        context.add_cookies([{"name": "studio_session", "value": session, "url": address}])
    seen = Seen(urlsplit(address).netloc)
    page = context.new_page()
    page.set_default_timeout(20_000)
    seen.watch(page)
    try:
        yield page, seen
        seen.clean()
    finally:
        context.close()


def opened(page: Page, address: str) -> Page:
    """Go to a screen of the page and wait until it is drawn."""
    page.goto(address)
    page.wait_for_selector(".studio .screen")
    return page


def shot(page: Page, name: str) -> None:
    """Keep a picture of the screen in the folder SDWEBUI_TEST_SHOTS, for people who want to look."""
    folder = os.environ.get("SDWEBUI_TEST_SHOTS", "")
    if folder:
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


def too_wide(page: Page) -> int:
    """Pixels that lie beyond the right edge; what scrolls inside its own box does not count."""
    return int(page.evaluate("document.documentElement.scrollWidth - window.innerWidth"))


def small_targets(page: Page) -> list[str]:
    """What can be pressed and is smaller than 44 px in a direction (WCAG 2.5.5)."""
    return list(
        page.evaluate("""() => {
        const labelled = (node) => node.closest('label') || node;
        const all = document.querySelectorAll('.studio :is(a, button, summary, select, input)');
        return Array.from(all).map(labelled).filter((node) => {
            const box = node.getBoundingClientRect();
            if (!box.width || !node.checkVisibility() || node.matches('.skip, [type=hidden]')) return false;
            return box.height < 43.5 || box.width < 43.5;
        }).map((node) => node.outerHTML.slice(0, 120));
    }""")
    )
