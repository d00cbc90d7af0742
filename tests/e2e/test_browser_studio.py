"""The whole studio as people use it: one command, a real Chromium, from sign-up to the receipt."""

from __future__ import annotations

import email
import email.policy
import io
import re
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from .browser import DESK, PHONE, Seen, chromium, opened, shot, too_wide, visit
from .conftest import PHOTOS, ROOT, environment

pytestmark = pytest.mark.long

FILES = sorted(PHOTOS.glob("0[1-5]*"))
JOB_MS = 480_000
PASSWORD = "eine lange Nacht im Studio"
SAID = {
    "sign-up": ("회원가입", "Sign up"),
    "go-on": ("계속하기", "Continue"),
    "agree": ("위 내용을 읽었고 동의합니다", "I have read this and agree"),
    "style": ("스타일 고르기", "Choose the style"),
    "start": ("촬영 시작하기", "Make my portraits"),
    "look": ("갤러리 보기", "See the gallery"),
    "closer": ("1번 사진 자세히 보기", "Look closer at portrait 1"),
    "take": ("이 사진 받기", "Download this picture"),
    "preview": ("미리 보기", "Preview"),
    "one": ("한 장 받기", "Download one"),
    "sheet": ("4×6 인치 인화용 받기", "4×6 in print sheet"),
    "all": ("모두 받기 (ZIP)", "Download all (ZIP)"),
    "delete": ("앨범 전체 삭제", "Delete the whole album"),
    "yes": ("삭제", "Delete"),
    "receipts": ("삭제 영수증", "Receipts"),
    "out": ("로그아웃", "Sign out"),
}
Said = dict[str, str]


@dataclass(frozen=True)
class Served:
    """The studio, started by its one command."""

    address: str
    data: Path

    def mails(self, to: str) -> list[str]:
        """The texts of the mails to somebody, oldest first."""
        texts = []
        for path in sorted((self.data / "outbox").glob("*.eml"), key=lambda path: path.stat().st_mtime):
            mail = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
            if to in str(mail["To"]):
                body = mail.get_body(("plain",))
                assert body is not None
                texts.append(str(body.get_content()))
        return texts

    def link(self, to: str, path: str) -> str:
        """The newest link of a kind that was mailed to somebody."""
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            for text in reversed(self.mails(to)):
                found = re.search(re.escape(self.address) + rf"(/{path}/[^\s]+)", text)
                if found:
                    return found[1]
            time.sleep(0.2)
        raise AssertionError(f"no mail with /{path}/ came to {to}")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("studio")
    data, log = folder / "data", folder / "serve.log"
    with (
        log.open("wb") as stream,
        subprocess.Popen(
            [sys.executable, "-m", "sdwebui_client", "serve", "--port", "0"],
            cwd=folder,
            env=environment(SDWEBUI_DATA_DIR=str(data), PYTHONPATH=str(ROOT)),
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
        ) as process,
    ):
        try:
            yield Served(_address(process, log), data)
        finally:
            process.terminate()
            process.wait(30)


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        text = log.read_text("utf-8", errors="replace")
        if "startup complete" in text:
            found = re.search(r"http://127\.0\.0\.1:\d+", text)
            assert found
            return found[0]
        time.sleep(0.2)
    raise AssertionError(log.read_text("utf-8", errors="replace"))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.mark.parametrize(("language", "size"), [("ko", PHONE), ("en", DESK)])
def test_from_sign_up_to_the_receipt(
    served: Served, browser: Browser, language: str, size: dict[str, int]
) -> None:
    who, column = f"{language}@example.org", ("ko", "en").index(language)
    say = {name: texts[column] for name, texts in SAID.items()}
    with visit(browser, served.address, size=size, language=language) as (page, seen):
        _sign_up(page, served, who, say)
        _send_photos(page, seen, say)
        _order(page, say)
        _look(page, language, say)
        _download(page, say)
        _mailed_link(page, served, who)
        _delete(page, served, language, say)
        seen.bear("401")  # a look at the jobs that was on its way when the session ended


def _sign_up(page: Page, served: Served, who: str, say: Said) -> None:
    page.goto("/sign-up")
    page.locator("input[name=email]").fill(who)
    page.locator("input[name=password]").fill(PASSWORD)
    page.locator("form.card button", has_text=say["sign-up"]).click()
    page.goto(served.link(who, "link"))
    page.get_by_role("button", name=say["go-on"]).click()
    page.wait_for_url(re.compile(r"/(ko|en)/"))
    page.wait_for_selector(".screen-photos")


def _send_photos(page: Page, seen: Seen, say: Said) -> None:
    page.locator("#files").set_input_files(FILES)
    expect(page.locator(".photo.good")).to_have_count(len(FILES), timeout=60_000)
    expect(page.locator(".uploads li")).to_have_count(0)
    page.locator("#files").set_input_files(
        {"name": "notes.jpg", "mimeType": "image/jpeg", "buffer": b"no picture at all"}
    )
    expect(page.locator(".uploads .failed")).to_contain_text("notes.jpg")
    seen.forgive("415")
    page.locator(".photo button").last.click()
    expect(page.locator(".photo")).to_have_count(len(FILES) - 1, timeout=30_000)
    shot(page, f"{page.evaluate('document.documentElement.lang')}-real-photos")
    page.get_by_label(say["agree"]).check()
    expect(page.locator(".agreed")).to_be_visible()
    page.get_by_role("link", name=say["style"]).click()


def _order(page: Page, say: Said) -> None:
    page.wait_for_selector(".screen-wishes")
    page.locator(".pose").first.click()
    page.locator(".tone-cool").click()
    expect(page.locator("input[name=poses][value=front]")).to_be_checked()
    expect(page.locator("input[name=tone][value=cool]")).to_be_checked()
    page.locator("#count").fill("1")
    expect(page.locator(".price b")).to_be_visible()
    page.get_by_role("button", name=say["start"]).click()
    page.wait_for_selector(".screen-job .waiting")


def _look(page: Page, language: str, say: Said) -> None:
    # The page may be closed meanwhile: it shows the same when it comes back.
    page.goto("about:blank")
    opened(page, f"/{language}/")
    look = page.get_by_role("link", name=say["look"]).or_(page.locator(".screen-gallery"))
    expect(look.first).to_be_visible(timeout=JOB_MS)
    if page.get_by_role("link", name=say["look"]).count():
        page.get_by_role("link", name=say["look"]).click()
    page.get_by_role("link", name=say["closer"]).click()
    page.wait_for_selector(".screen-portrait .before img")
    shot(page, f"{language}-real-portrait")
    assert too_wide(page) <= 0
    assert page.locator("[data-before]").count() >= 1


def _download(page: Page, say: Said) -> None:
    with page.expect_download() as started:
        page.get_by_role("link", name=say["take"]).click()
    with Image.open(started.value.path()) as picture:
        assert picture.format == "PNG"
        assert min(picture.size) >= 512
    page.get_by_role("button", name=say["preview"], exact=True).click()
    shown = page.locator(".id-preview img").or_(page.locator(".toast.bad"))
    expect(shown.first).to_be_visible(timeout=30_000)
    page.locator(".id-kind").select_option("kr-3x4")
    with page.expect_download(timeout=30_000) as started:
        page.get_by_role("button", name=say["one"]).click()
    with Image.open(started.value.path()) as picture:
        assert (picture.format, picture.size) == ("JPEG", (354, 472))
    with page.expect_download(timeout=30_000) as started:
        page.get_by_role("button", name=say["sheet"]).click()
    with Image.open(started.value.path()) as picture:
        assert sorted(picture.size) == [1200, 1800]
    page.locator(".crumb a").click()
    page.wait_for_selector(".screen-gallery")
    shot(page, f"{page.evaluate('document.documentElement.lang')}-real-gallery")
    with page.expect_download() as started:
        page.get_by_role("link", name=say["all"]).click()
    with zipfile.ZipFile(io.BytesIO(Path(started.value.path()).read_bytes())) as archive:
        assert archive.testzip() is None
        assert len(archive.namelist()) >= 1


def _mailed_link(page: Page, served: Served, who: str) -> None:
    """The link in the mail shows the pictures to whoever holds it, signed in or not."""
    stranger = page.context.browser
    assert stranger is not None
    with visit(stranger, served.address) as (other, _):
        other.goto(served.link(who, "r"))
        expect(other.locator("img").first).to_be_visible()


def _delete(page: Page, served: Served, language: str, say: Said) -> None:
    opened(page, f"/{language}/#/data")
    page.get_by_role("button", name=say["delete"]).click()
    page.locator("dialog").get_by_role("button", name=say["yes"]).click()
    expect(page.get_by_role("heading", name=say["receipts"])).to_be_visible(timeout=30_000)
    shot(page, f"{language}-real-receipt")
    assert page.locator(".kept").count() == 0
    assert list(served.data.glob("users/*/albums/*")) == []
    page.locator(".menu summary").click()
    page.get_by_role("button", name=say["out"]).click()
    page.goto(f"/{language}/")
    assert "/sign-in" in page.url
