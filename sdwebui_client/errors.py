"""What can go wrong, as one tree.

WebUIError
├── InvalidRequest        what we were asked to send cannot be right (also a ValueError); nothing was sent
├── ImageError            these bytes are no picture we can pass on (also a ValueError)
├── TransportError        no complete answer came back
│   ├── ConnectFailed     the request never reached the server: sending again is safe
│   ├── Timeout           the server stayed silent, or a job made no progress, for too long
│   └── AnswerLost        the job was sent, its answer is lost; says whether sending again is safe
├── StatusError           the server answered with an error status
│   ├── AuthError         401, 403
│   ├── NotFound          404, 405
│   ├── ValidationRejected  400, 422: the server refused what was sent
│   └── ServerError       500 and every other status
│       └── OutOfMemory   the GPU had no room
├── UnexpectedResponse    an answer that is not what this route answers: HTML, half a JSON, wrong types
├── CapabilityMissing     this server cannot do what was asked; found before sending
├── EffectMissing         200, but something asked for was not applied; the result is attached
└── Cancelled             the job was cancelled; its half-made picture was refused
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .redaction import redact


class WebUIError(Exception):
    """Root of everything this package raises.

    Attributes:
        message: What happened, one sentence.
        hint: What to do about it; may be empty.
        url: The address asked, without credentials; may be empty.
        status: HTTP status, None when there was none.
        server_text: The server's own words, shortened, secrets and pictures cut out; may be empty.
    """

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        url: str = "",
        status: int | None = None,
        server_text: str = "",
    ) -> None:
        self.message = redact(message)
        self.hint = hint
        self.url = redact(url)
        self.status = status
        self.server_text = redact(server_text)
        super().__init__(self.message)

    def __str__(self) -> str:
        lines = [self.message]
        if self.server_text and self.server_text not in self.message:
            lines.append(f"The server said: {self.server_text}")
        if self.hint:
            lines.append(f"What to do: {self.hint}")
        return "\n".join(lines)

    def __reduce__(self) -> tuple[Any, ...]:
        # Keyword-only arguments: pickling (process pools, job stores) needs to be told how to build it again.
        return (_rebuild, (type(self), dict(self.__dict__)))


def _rebuild(kind: type[WebUIError], state: dict[str, Any]) -> WebUIError:
    error = kind.__new__(kind, state["message"])
    error.__dict__.update(state)
    error.args = (state["message"],)
    return error


class InvalidRequest(WebUIError, ValueError):
    """A field is unknown, of the wrong type or out of bounds. Nothing was sent."""


class ImageError(WebUIError, ValueError):
    """Bytes or text that are no PNG, JPEG or WebP picture."""


class TransportError(WebUIError):
    """No complete answer came back."""


class ConnectFailed(TransportError):
    """The request never reached the server; sending it again is safe."""


class Timeout(TransportError):
    """The server stayed silent, or a job made no progress, for longer than allowed."""


class AnswerLost(TransportError):
    """A generation was sent and its answer is lost.

    Attributes:
        safe_to_resend: True when the job is known not to be running any more (it ended, or the server
            restarted);
            False when nobody could be asked: it may still be running.
        server_gone: True when the server stopped answering altogether.
    """

    def __init__(
        self, message: str, *, safe_to_resend: bool, server_gone: bool = False, **details: Any
    ) -> None:
        super().__init__(message, **details)
        self.safe_to_resend = safe_to_resend
        self.server_gone = server_gone


class StatusError(WebUIError):
    """The server answered with an error status."""


class AuthError(StatusError):
    """401 or 403: user name or password missing or wrong."""


class NotFound(StatusError):
    """404 or 405: the server has no such route, or what the request names does not exist."""


class ValidationRejected(StatusError):
    """400 or 422: the server refused what was sent."""


class ServerError(StatusError):
    """500, or any other status without an error of its own."""


class OutOfMemory(ServerError):
    """The server's GPU (or RAM) had no room for the job."""


class UnexpectedResponse(WebUIError):
    """An answer that is not what this route answers: HTML, half a JSON, wrong types, absent fields."""


class CapabilityMissing(WebUIError):
    """This server cannot do what was asked; found before sending.

    Attributes:
        problems: Every single thing that is missing, as the capability check found it.
    """

    def __init__(self, message: str, *, problems: Sequence[Any] = (), **details: Any) -> None:
        super().__init__(message, **details)
        self.problems = tuple(problems)


class EffectMissing(WebUIError):
    """The server answered 200, but something asked for was not applied.

    Attributes:
        result: The `GenerationResult` as it came, pictures included, for whoever wants it all the same.
    """

    def __init__(self, message: str, *, result: Any = None, **details: Any) -> None:
        super().__init__(message, **details)
        self.result = result


class Cancelled(WebUIError):
    """The job was cancelled; a half-made picture carries no mark, so whatever came back was refused."""
