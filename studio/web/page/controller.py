"""Between Gradio and the studio: an event comes in, something is done, a screen goes out."""

from __future__ import annotations

import hashlib
import logging
from typing import TYPE_CHECKING, Any

from ...accounts import csrf_token
from ...core import Studio
from ...data import UNFINISHED, Job
from ...refusals import Language, Refused, not_found
from .actions import ACTIONS, Asked, Outcome
from .place import Place
from .render import render, render_trouble
from .scene import Scene, build_scene
from .texts import words

if TYPE_CHECKING:
    from ...jobs import Jobs

_log = logging.getLogger(__name__)
BUSY_S, QUIET_S = 1.5, 8.0
"""How often the browser looks again: while something of it is under way, and otherwise."""


class Controller:
    """Answers events of one language's page. Holds nothing of anybody; thread-safe."""

    def __init__(self, studio: Studio, jobs: Jobs, language: Language) -> None:
        self.studio, self.jobs, self.language = studio, jobs, language
        self._say = words(language)

    def act(self, user_id: str, token: str, event: dict[str, Any]) -> dict[str, Any]:
        """Do what was pressed and show what is then to be seen.

        Args:
            user_id: Who is signed in.
            token: Of the session; the anti-forgery token of uploads is made of it.
            event: {"do": name, "args": {}, "place": "#/…", "seq": n}; nothing of it is believed.
        """
        place = Place.parse(event.get("place"))
        args = event.get("args")
        asked = Asked(
            self.studio, self.jobs, self.language, user_id, place, args if isinstance(args, dict) else {}
        )
        outcome = self._do(str(event.get("do")), asked)
        shown = self._show(user_id, token, outcome.place or place)
        toast = shown.get("toast") or outcome.toast
        return {**shown, "seq": event.get("seq"), "toast": toast, "goto": outcome.goto, "done": outcome.done}

    def tick(self, user_id: str, token: str, seen: dict[str, Any]) -> dict[str, Any] | None:
        """What is to be seen now, or None when the browser shows just that."""
        place = Place.parse(seen.get("place"))
        pulse = self._pulse(user_id, place)
        if pulse is not None and pulse == seen.get("pulse"):
            return None
        shown = self._show(user_id, token, place)
        if shown["stamp"] == seen.get("stamp") and shown.get("pulse") == seen.get("pulse"):
            return None
        return {**shown, "seq": seen.get("seq")}

    def _pulse(self, user_id: str, place: Place) -> str | None:
        """Changes when the waited-for job does: one row instead of a screen, for those who wait."""
        if place.step != "job" or place.id is None:
            return None
        with self.studio.db.session() as db:
            job = db.get(Job, place.id)
        if job is None or job.user_id != user_id:
            return None
        position = self.jobs.position(job.id) if job.state in UNFINISHED and job.waiting else None
        row = [getattr(job, column.key) for column in Job.__table__.columns]
        return _stamp(repr((row, position)))

    def _do(self, name: str, asked: Asked) -> Outcome:
        action = ACTIONS.get(name)
        try:
            if action is None:
                raise not_found()
            return action(asked)
        except Refused as refusal:
            return Outcome(toast=self._refusal(refusal))
        except Exception:  # noqa: BLE001  people get a sentence, the log the trace
            _log.exception("the page could not do %s", name if action else "an unknown action")
            return Outcome(toast={"kind": "bad", "text": str(self._say("trouble"))})

    def _show(self, user_id: str, token: str, place: Place) -> dict[str, Any]:
        try:
            return self._screen(build_scene(self.studio, self.jobs, self.language, user_id, place), token)
        except Refused as refusal:
            # A link to what was deleted meanwhile: say so, and show where the person can go on.
            toast = self._refusal(refusal)
        except Exception:  # noqa: BLE001  people get a sentence, the log the trace
            _log.exception("the page could not show %s", place.step)
            return self._blank(place)
        start = build_scene(self.studio, self.jobs, self.language, user_id, Place("photos"))
        return {**self._screen(start, token), "toast": toast}

    def _blank(self, place: Place) -> dict[str, Any]:
        html = render_trouble(self.language, str(place))
        return {"html": html, "place": str(place), "stamp": _stamp(html), "every_s": QUIET_S}

    def _screen(self, scene: Scene, token: str) -> dict[str, Any]:
        csrf = csrf_token(self.studio, token)
        html = render(scene, csrf)
        return {
            "html": html,
            "place": str(scene.place),
            "stamp": _stamp(html),
            "pulse": self._pulse(scene.user.id, scene.place),
            "csrf": csrf,
            "every_s": BUSY_S if scene.busy else QUIET_S,
        }

    def _refusal(self, refusal: Refused) -> dict[str, str]:
        text, hint = refusal.texts[self.language], refusal.hints[self.language]
        return {"kind": "bad", "text": f"{text} {hint}".strip()}


def _stamp(text: str) -> str:
    """Tells screens apart; the browser names the one it shows."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]
