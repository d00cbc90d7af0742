"""The one place that talks to the network: addresses, authentication, timeouts, retries, error mapping.

Nothing is sent twice here unless it only reads, or is known never to have left (`ConnectFailed`).
"""

from __future__ import annotations

import ipaddress
import logging
import random
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import urlsplit

import pybase64
import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    IncompleteRead,
    LocationParseError,
    MaxRetryError,
    NewConnectionError,
    ReadTimeoutError,
)

from ._answers import GATEWAY_STATUSES, decode_generation, decode_json, encode_json, expect, status_error
from .errors import ConnectFailed, InvalidRequest, Timeout, TransportError, WebUIError
from .redaction import redact, split_credentials
from .timeouts import Timeouts

log = logging.getLogger("sdwebui_client")

T = TypeVar("T")

_FIRST_PAUSE_S = 0.25
_LONGEST_PAUSE_S = 5.0
_RETRIED_STATUSES = GATEWAY_STATUSES | {429}


@dataclass(frozen=True, slots=True)
class RawAnswer:
    """An answer as it came."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes
    url: str
    method: str

    def json(self) -> Any:
        """Return the parsed body; None for an empty one with status 204.

        Raises:
            StatusError: The status is an error.
            UnexpectedResponse: The body is no JSON, or a redirect.
        """
        if self.status >= 300:
            raise self.error()
        # SD.Next answers interrupt, skip and the refreshes with 204 (recorded: sdnext j02_interrupt_call).
        if self.status == 204 and not self.body:
            return None
        return decode_json(
            self.body, url=self.url, status=self.status, content_type=self.headers.get("content-type", "")
        )

    def generation(self) -> Any:
        """Return the parsed body of a generation; its pictures may be views of base64 (see
        `decode_generation`).

        Raises:
            StatusError, UnexpectedResponse: As `json`.
        """
        if self.status != 200:
            return self.json()
        return decode_generation(self.body, url=self.url, content_type=self.headers.get("content-type", ""))

    def error(self) -> WebUIError:
        """Return the error this answer stands for."""
        return status_error(
            self.status,
            self.body,
            method=self.method,
            url=self.url,
            location=self.headers.get("location", ""),
        )


class Transport:
    """One server's HTTP. Thread-safe.

    Args:
        url: Address of the WebUI, with a path where a proxy mounts it below one; may hold user:password@.
        username: For --api-auth; sent with every request at once, as the server never asks (401 comes
            without a
            WWW-Authenticate header).
        password: For --api-auth.
        verify: False accepts any certificate; a path names a CA bundle.
        timeouts: How long to wait.
        headers: Sent with every request, for a proxy in front of the WebUI.
        retries: How often a read is tried again.

    Raises:
        InvalidRequest: `url` is no http or https address, or a user name comes without a password.
    """

    def __init__(
        self,
        url: str,
        *,
        username: str | None = None,
        password: str | None = None,
        verify: bool | str = True,
        timeouts: Timeouts | None = None,
        headers: Mapping[str, str] | None = None,
        retries: int = 2,
    ) -> None:
        try:
            self.url, url_user, url_password = split_credentials(url)
        except ValueError as error:
            raise InvalidRequest(str(error), hint="write it like http://127.0.0.1:7860") from None
        self.timeouts = timeouts or Timeouts()
        self.retries = retries
        self._verify = verify
        self._headers = {
            "User-Agent": "sdwebui-client",
            "Accept": "application/json",
            # The servers gzip megabytes of base64 when asked to (recorded: q05_transport),
            # which costs both sides far more time than a local network does.
            "Accept-Encoding": "identity",
            **(headers or {}),
        }
        user = url_user if username is None else username
        secret = url_password if password is None else password
        if user is not None or secret is not None:
            if not user or secret is None:
                lacks = "user name without a password" if user else "password without a user name"
                raise InvalidRequest(f"a {lacks}", hint="--api-auth is user:password")
            token = pybase64.b64encode_as_string(f"{user}:{secret}".encode())
            self._headers["Authorization"] = f"Basic {token}"
        _check_headers(self._headers)
        if isinstance(verify, str) and not Path(verify).exists():
            raise InvalidRequest(f"verify={verify!r}: there is no such file", hint="name a CA bundle (PEM)")
        self._loopback = is_loopback(self.url)
        self._session = self._new_session()

    def __repr__(self) -> str:
        return f"Transport({redact(self.url)!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def patience_s(self) -> float:
        """Seconds of silence allowed to commands that wait for a running job or work long themselves."""
        return max(self.timeouts.read_s, self.timeouts.idle_s or 3600.0)

    def close(self) -> None:
        """Close kept connections; the object stays usable."""
        self._session.close()

    def get(
        self,
        path: str,
        kind: type[T],
        *,
        params: Mapping[str, Any] | None = None,
        retries: int | None = None,
        read_s: float | None = None,
    ) -> T:
        """Read a route, again with growing pauses when the connection or a proxy fails.

        Returns:
            The JSON as `kind`.
        """
        answer = self.raw("GET", path, params=params, retries=retries, read_s=read_s)
        return expect(kind, answer.json(), url=answer.url)

    def post(self, path: str, kind: type[T], *, payload: Any, read_s: float | None = None) -> T:
        """Send a command and return its JSON as `kind`; tried again only when it never left."""
        answer = self.raw("POST", path, payload=payload, read_s=read_s)
        return expect(kind, answer.json(), url=answer.url)

    def command(self, path: str, *, payload: Any = None, read_s: float | None = None) -> None:
        """Send a command whose answer says nothing (`null`, `{}` or 204)."""
        self.raw("POST", path, payload=payload, read_s=read_s).json()

    def raw(
        self,
        method: str,
        path: str,
        *,
        payload: Any = None,
        params: Mapping[str, Any] | None = None,
        retries: int | None = None,
        read_s: float | None = None,
    ) -> RawAnswer:
        """Return an answer of any status; raises only when there was none.

        Args:
            method: GET is tried again whenever it failed on the way, others only when they never left.
            path: Route, from the server's root.
            payload: JSON to send; `EncodedImage`s in it become base64.
            params: Query.
            retries: How often to try again; None takes the transport's.
            read_s: Seconds of silence allowed; None takes `Timeouts.read_s`.

        Raises:
            ConnectFailed, Timeout, TransportError: No complete answer came.
        """
        body = None if payload is None else encode_json(payload)
        wait = self.timeouts.read_s if read_s is None else read_s

        def attempt() -> RawAnswer:
            return self._send(self._session, method, path, body, params, read_s=wait)

        return self._retrying(attempt, method == "GET", self.retries if retries is None else retries)

    def generate(self, path: str, body: bytes) -> RawAnswer:
        """Send a generation once and wait for its answer without a limit; whoever waits sets one.

        A fresh connection: on a kept one that the server just dropped (it does after about 20 s) nobody could
        tell whether the request arrived.
        """
        with self._new_session() as session:
            return self._send(session, "POST", path, body, None, read_s=None, close=True)

    def _retrying(self, attempt: Callable[[], RawAnswer], repeatable: bool, retries: int) -> RawAnswer:
        tried = 0
        while True:
            try:
                answer = attempt()
                if not (repeatable and answer.status in _RETRIED_STATUSES and tried < retries):
                    return answer
                pause = retry_after(answer.headers.get("retry-after"))
                reason = f"status {answer.status}"
            except ConnectFailed as error:
                if tried >= retries:
                    raise
                pause, reason = None, error.message
            except Timeout:
                raise
            except TransportError as error:
                if not repeatable or tried >= retries:
                    raise
                pause, reason = None, error.message
            wait = backoff_s(tried) if pause is None else pause
            log.debug("again in %.2f s: %s", wait, reason)
            time.sleep(wait)
            tried += 1

    def _send(
        self,
        session: requests.Session,
        method: str,
        path: str,
        body: bytes | None,
        params: Mapping[str, Any] | None,
        *,
        read_s: float | None,
        close: bool = False,
    ) -> RawAnswer:
        url = self.url + path
        headers = {"Connection": "close"} if close else {}
        if body is not None:
            headers["Content-Type"] = "application/json"
        started = time.monotonic()
        try:
            response = session.request(
                method,
                url,
                params=params,
                data=body,
                headers=headers,
                timeout=(self.timeouts.connect_s, read_s),
                verify=self._verify,
                allow_redirects=False,
                stream=True,
            )
            with response:
                # One read of the whole: `response.content` would join 10 KB pieces.
                content = response.raw.read(decode_content=True)
        except (requests.RequestException, HTTPError, OSError, ValueError) as error:
            # ValueError: http.client@3.11 takes a chunk's size without looking at its sign.
            raise translate(error, method, url) from error
        log.debug(
            "%s %s: %s, %d bytes, %.3f s",
            method,
            path,
            response.status_code,
            len(content),
            time.monotonic() - started,
        )
        lower = {name.lower(): value for name, value in response.headers.items()}
        return RawAnswer(response.status_code, lower, content, url, method)

    def _new_session(self) -> requests.Session:
        session = requests.Session()
        # Loopback never goes through a proxy; elsewhere the environment's proxies hold. With `trust_env`
        # alone a line in ~/.netrc would replace the credentials we were given (requests@2.32,
        # Session.prepare_request).
        session.trust_env = not self._loopback
        session.auth = _as_it_is
        session.headers.clear()
        session.headers.update(self._headers)
        adapter = _KeepAliveAdapter(pool_connections=2, pool_maxsize=16, max_retries=0)
        session.mount("http://", adapter)
        session.mount("https://", adapter)
        return session


def _as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def _check_headers(headers: Mapping[str, str]) -> None:
    """Refuse what HTTP cannot carry, without showing it: it may be a token read from a file."""
    for name, value in headers.items():
        sendable = isinstance(value, str) and value.isprintable() and value == value.strip()
        if not sendable or not value.isascii():
            raise InvalidRequest(
                f"the header {name!r} has a value that cannot be sent",
                hint="leave out line ends, spaces around it and letters beyond ASCII",
            )


class _KeepAliveAdapter(HTTPAdapter):
    """Switches TCP keep-alive on: a job is silent for minutes, and NAT tables forget silent connections."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        options = [*HTTPConnection.default_socket_options, (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)]
        for name, value in (("TCP_KEEPIDLE", 45), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 4)):
            if hasattr(socket, name):
                options.append((socket.IPPROTO_TCP, getattr(socket, name), value))
        super().init_poolmanager(*args, socket_options=options, **kwargs)


def translate(error: Exception, method: str, url: str) -> TransportError:
    """Return our error for one of requests' or urllib3's."""
    reason = _root(error)
    if isinstance(error, requests.exceptions.ProxyError):
        return ConnectFailed(
            f"The proxy for {url} failed: {reason}", url=url, hint="check HTTP_PROXY and NO_PROXY"
        )
    if isinstance(error, requests.exceptions.SSLError) and _certificate(reason):
        hint = "name the server's CA with verify='ca.pem', or check https:// against http://"
        return ConnectFailed(f"No trusted TLS connection to {url}: {reason}", url=url, hint=hint)
    if isinstance(reason, NewConnectionError):
        return ConnectFailed(f"Nothing answers at {url}: {_last_words(reason)}", url=url, hint=_HINT_CONNECT)
    if isinstance(error, requests.exceptions.ConnectTimeout) or isinstance(reason, ConnectTimeoutError):
        return ConnectFailed(f"{url} did not accept a connection in time", url=url, hint=_HINT_CONNECT)
    if isinstance(error, requests.exceptions.ReadTimeout) or isinstance(reason, ReadTimeoutError):
        return Timeout(f"{method} {url} was not answered in time", url=url, hint="raise Timeouts.read_s")
    if isinstance(error, requests.exceptions.InvalidURL | LocationParseError):
        return ConnectFailed(f"{url} is no address that can be asked: {error}", url=url, hint=_HINT_CONNECT)
    what = "the answer broke off" if isinstance(reason, IncompleteRead) else "the connection broke"
    return TransportError(
        f"{method} {url}: {what} ({_last_words(reason)})",
        url=url,
        hint="see whether the WebUI is still alive",
    )


_HINT_CONNECT = "check the address and that the WebUI runs (with --listen when it is on another machine)"


def _root(error: BaseException) -> BaseException:
    """Follow requests' and urllib3's wrapping to what happened."""
    seen = 0
    while seen < 10:
        seen += 1
        if isinstance(error, MaxRetryError) and error.reason is not None:
            error = error.reason
        elif (
            isinstance(error, requests.RequestException)
            and error.args
            and isinstance(error.args[0], BaseException)
        ):
            error = error.args[0]
        else:
            break
    return error


def _last_words(error: BaseException) -> str:
    inner = [item for item in getattr(error, "args", ()) if isinstance(item, BaseException)]
    text = str(inner[-1] if inner else error)
    return text.rpartition(": ")[2] if isinstance(error, NewConnectionError) else text


def _certificate(reason: BaseException) -> bool:
    return any(
        word in str(reason) for word in ("CERTIFICATE", "certificate", "WRONG_VERSION_NUMBER", "handshake")
    )


def is_loopback(url: str) -> bool:
    """Whether the address is this machine's own."""
    host = urlsplit(url).hostname or ""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def backoff_s(tried: int) -> float:
    """Return the pause before try number `tried` + 2,
    with some jitter so that many clients do not march in step."""
    return float(min(_FIRST_PAUSE_S * 2**tried, _LONGEST_PAUSE_S) * random.uniform(0.8, 1.2))


def retry_after(text: str | None) -> float | None:
    """Return the seconds of a Retry-After header, at most a minute; None when it says none."""
    return min(float(text), 60.0) if text and text.isdecimal() else None
