"""Every way to fail ends here: JSON for programs, a kind page for people, a line with a number in the log."""

from __future__ import annotations

import logging
import math
import re
import time
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from sqlalchemy.exc import OperationalError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..refusals import Refused, not_found

LOG = logging.getLogger("studio.web")

_SECRET_PATHS = re.compile(r"^/(r|link)/[^/]+")


class Problems:
    """Logs how each request went, and answers for what nobody expected. Belongs inside `RequestLog`."""

    def __init__(self, app: ASGIApp, *, owner: FastAPI) -> None:
        """
        Args:
            app: What answers.
            owner: The application the answer is made for.
        """
        self._app, self._owner = app, owner

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, whatever happens."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = str(structlog.contextvars.get_contextvars().get("request_id", ""))
        status, begun = 0, time.perf_counter()

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, noted)
        except (Refused, HTTPException) as error:
            if status:
                raise
            scope.setdefault("app", self._owner)
            await problem(Request(scope), _refusal(error))(scope, receive, noted)
        except ClientDisconnect:
            return
        except OperationalError as error:
            LOG.error("request %s: the database does not answer: %s", request_id, type(error.orig).__name__)
            if status:
                raise
            scope.setdefault("app", self._owner)
            await problem(Request(scope), _away())(scope, receive, noted)
        except Exception as error:
            LOG.exception("request %s failed: %s", request_id, type(error).__name__)
            if status:
                # Half an answer is out: only a cut connection tells the client so.
                raise
            scope.setdefault("app", self._owner)
            await problem(Request(scope), _unexpected(request_id))(scope, receive, noted)
        finally:
            took_ms = (time.perf_counter() - begun) * 1000
            LOG.info("%s %s %s %.0f ms", scope["method"], _shown_path(scope), status or "cut off", took_ms)


def install(app: FastAPI) -> None:
    """Answer all errors of the application's routes."""

    async def refused(request: Request, error: Exception) -> Response:
        return problem(request, _refusal(error))

    async def invalid(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        return problem(request, _invalid(), errors=_slips(error))

    app.add_exception_handler(Refused, refused)
    app.add_exception_handler(HTTPException, refused)
    app.add_exception_handler(RequestValidationError, invalid)


def problem(request: Request, refused: Refused, **more: Any) -> Response:
    """The answer to a request that was refused."""
    headers = {}
    if refused.retry_after_s is not None:
        headers["Retry-After"] = str(math.ceil(refused.retry_after_s))
    if refused.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    if not wants_page(request):
        return JSONResponse({**refused.to_json(), **more}, refused.status, headers)
    from .pages import render

    return render(request, "problem.html", {"refused": refused}, status=refused.status, headers=headers)


def wants_page(request: Request) -> bool:
    """Whether a person looks at the answer in a browser."""
    return not request.url.path.startswith("/api/") and "text/html" in request.headers.get("accept", "")


def _shown_path(scope: Scope) -> str:
    """For the log: without the query, and without the keys that are part of an address."""
    return _SECRET_PATHS.sub(r"/\1/…", str(scope["path"]))


def _refusal(error: Exception) -> Refused:
    if isinstance(error, Refused):
        return error
    assert isinstance(error, HTTPException)
    detail: Any = error.detail
    if isinstance(detail, dict) and "code" in detail:
        said, hint = detail["message"], detail["hint"]
        return Refused(
            detail["code"], en=said["en"], ko=said["ko"], hint_en=hint["en"], hint_ko=hint["ko"],
            status=error.status_code,
        )  # fmt: skip
    if error.status_code == 404:
        return not_found()
    if error.status_code == 405:
        return Refused(
            "wrong-method",
            en="That cannot be done at this address.",
            ko="이 주소에서는 할 수 없는 요청입니다.",
            status=405,
        )
    return Refused(
        "bad-request",
        en="The request could not be read.",
        ko="요청을 읽을 수 없습니다.",
        hint_en="Send it again; /api/v1/openapi.json says in which form.",
        hint_ko="다시 보내 주세요. 형식은 /api/v1/openapi.json 에 있습니다.",
        status=error.status_code,
    )


def _invalid() -> Refused:
    return Refused(
        "not-valid",
        en="Something in the request is not as it must be.",
        ko="요청에 맞지 않는 값이 있습니다.",
        hint_en="`errors` says where; /api/v1/openapi.json says in which form.",
        hint_ko="errors 항목에서 위치를 확인해 주세요. 형식은 /api/v1/openapi.json 에 있습니다.",
        status=422,
    )


def _slips(error: RequestValidationError) -> list[dict[str, str]]:
    """Where and why; never what was sent: it may be a password."""
    return [
        {"where": ".".join(str(part) for part in slip["loc"]), "why": str(slip["msg"])}
        for slip in error.errors()
    ]


def _away() -> Refused:
    """The database does not answer."""
    return Refused(
        "database-away",
        en="The studio cannot be reached for a moment.",
        ko="스튜디오에 잠시 연결할 수 없습니다.",
        hint_en="Nothing is lost. Try again in a minute.",
        hint_ko="잃어버린 것은 없습니다. 잠시 뒤에 다시 시도해 주세요.",
        status=503,
        retry_after_s=30,
    )


def _unexpected(request_id: str) -> Refused:
    return Refused(
        "unexpected",
        en=f"Something went wrong here. Its number is {request_id}.",
        ko=f"서버에 문제가 생겼습니다. 오류 번호는 {request_id}입니다.",
        hint_en="Try again in a minute. If it stays, tell the operator this number.",
        hint_ko="잠시 뒤에 다시 시도해 주세요. 계속되면 운영자에게 오류 번호를 알려 주세요.",
        status=500,
    )
