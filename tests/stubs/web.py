"""The studio's application in this process, and people who ask it."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from PIL import Image
from starlette.testclient import TestClient

from studio.accounts import begin_session, create_token, csrf_token
from studio.core import Studio
from studio.data import User
from studio.web.app import build_app

from .seeded import SpyJobs, seed_user
from .studios import make_studio

URL = "https://studio.example.org"


class QuietJobs(SpyJobs):
    """Jobs that remember; also what operators ask of them."""

    is_paused = False

    def forget(self, job_id: str) -> None:
        """Nothing to forget."""

    def requeue(self, job_id: str) -> None:
        """Nothing to begin again."""

    def set_priority(self, job_id: str, priority: int) -> None:
        """Nothing to move."""

    def drain(self, worker_id: str) -> None:
        """Nobody to drain."""

    def pause(self) -> None:
        """Remember it."""
        self.is_paused = True

    def resume(self) -> None:
        """Remember it."""
        self.is_paused = False

    def paused(self) -> bool:
        """What was asked last."""
        return self.is_paused


@dataclass
class Site:
    """An application with its studio."""

    app: FastAPI
    studio: Studio
    jobs: QuietJobs

    @classmethod
    def open(cls, folder: Path, **settings: Any) -> Site:
        """A new studio in a folder."""
        studio = make_studio(folder / "data", **settings)
        jobs = QuietJobs(studio)
        return cls(build_app(studio, jobs), studio, jobs)  # type: ignore[arg-type]

    def stranger(self, **more: Any) -> TestClient:
        """Somebody who is not signed in."""
        return TestClient(self.app, base_url=URL, follow_redirects=False, **more)

    def person(self, email: str, **columns: Any) -> Person:
        """A new account with a browser and a program."""
        return self.known(seed_user(self.studio, email, **columns))

    def known(self, user: User) -> Person:
        """A browser and a program of an account."""
        session = begin_session(self.studio, user.id)
        csrf = csrf_token(self.studio, session)
        browser = self.stranger(cookies={"studio_session": session})
        browser.headers["X-CSRF-Token"] = csrf
        program = self.stranger()
        program.headers["Authorization"] = "Bearer " + create_token(self.studio, user.id, "test", None)[1]
        return Person(user, browser, program, csrf)


@dataclass
class Person:
    """Somebody with an account.

    Attributes:
        browser: Has a session, and sends its token.
        program: Has an API token.
    """

    user: User
    browser: TestClient
    program: TestClient
    csrf: str


def jpeg(colour: str = "white", size: tuple[int, int] = (600, 700)) -> bytes:
    """A small picture."""
    out = io.BytesIO()
    Image.new("RGB", size, colour).save(out, "JPEG")
    return out.getvalue()
