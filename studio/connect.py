"""Which WebUI works: the one asked for, this machine's, or the sandbox; never another one in silence."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit, urlunsplit

from .errors import BadInput
from .settings import DEFAULT_URL, SANDBOX, Settings

if TYPE_CHECKING:
    from sdwebui_client import WebUI


@dataclass(frozen=True, slots=True)
class Address:
    """A WebUI's address with the credentials taken out of it.

    Attributes:
        url: scheme, host, port and path; safe to print.
        username: from `http://user:password@host`, or None.
        password: likewise; never in repr.
    """

    url: str
    username: str | None = None
    password: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Target:
    """What was asked for.

    Attributes:
        addresses: WebUIs to use; empty means the sandbox.
        source: where that was said: "--webui", "SDWEBUI_URL", or "" when nobody said anything.
    """

    addresses: tuple[Address, ...]
    source: str

    @property
    def sandbox(self) -> bool:
        """Whether the sandbox is to be started."""
        return not self.addresses


@dataclass(frozen=True, slots=True)
class Connection:
    """Servers ready to work.

    Attributes:
        servers: at least one.
        sandbox: whether it is the stand-in started by this process.
        asked: whether somebody asked for it, as opposed to nothing being found.
        models_dir: where a LoRA can be published: a path of this machine, an address as text, or None when
            it is not known.
        publishes_in: every folder a LoRA may come to lie in: several sandboxes have one each.
    """

    servers: tuple[WebUI, ...]
    sandbox: bool
    asked: bool
    models_dir: Path | str | None
    publishes_in: tuple[Path | str, ...] = ()


def parse_address(text: str, what: str = "--webui") -> Address:
    """Check an address and take `user:password@` out of it.

    Raises:
        BadInput: not an http(s) address; the password is never repeated.
    """
    parts = urlsplit(text if "://" in text else f"http://{text}")
    try:
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    netloc = parts.netloc.rpartition("@")[2]
    shown = urlunsplit((parts.scheme, netloc, parts.path.rstrip("/"), "", ""))
    if not host or any(c.isspace() for c in text) or port == 0:
        raise BadInput(f"{what}: {shown!r} is no address.", hint=f"For example: {what} {DEFAULT_URL}")
    if "://" not in text:
        raise BadInput(f"{what}: an address starts with http:// or https://.", hint=f"Did you mean {shown}?")
    if parts.scheme not in ("http", "https"):
        raise BadInput(
            f"{what}: {parts.scheme}:// is not spoken by a WebUI.", hint=f"Did you mean http://{netloc}?"
        )
    if parts.query or parts.fragment:
        raise BadInput(f"{what}: an address has no `?` or `#`.", hint=f"Did you mean {shown}?")
    return Address(
        shown,
        unquote(parts.username) if parts.username else None,
        unquote(parts.password) if parts.password is not None else None,
    )


def choose(asked: Sequence[str], settings: Settings) -> Target:
    """Decide where to work, without speaking to anybody but this machine's own port 7860.

    Args:
        asked: the values of --webui.
        settings: the environment.

    Raises:
        BadInput: an address that is none, or the sandbox together with a WebUI.
    """
    source, wanted = ("--webui", asked) if asked else ("SDWEBUI_URL", settings.urls)
    if not wanted:
        found = is_listening(DEFAULT_URL)
        return Target((Address(DEFAULT_URL),) if found else (), "")
    sandboxes = [text for text in wanted if text.strip().lower() == SANDBOX]
    if sandboxes and len(sandboxes) < len(wanted):
        raise BadInput(
            f"{source}: the sandbox and a real WebUI cannot work on the same portraits.",
            hint="The sandbox's pictures are no portraits; choose one of the two.",
        )
    if sandboxes:
        return Target((), source)
    return Target(
        tuple({a.url: a for a in (parse_address(text, source) for text in wanted)}.values()), source
    )


def is_listening(url: str, *, timeout_s: float = 1.0) -> bool:
    """Whether anything accepts connections there."""
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        with socket.create_connection((parts.hostname or "", port), timeout=timeout_s):
            return True
    except OSError:
        return False


@contextmanager
def connect(
    target: Target,
    settings: Settings,
    *,
    sandbox_models: Path,
    models_dir: Path | str | None = None,
    verify: bool | str | None = None,
    family: str | None = None,
) -> Iterator[Connection]:
    """Open the WebUIs of a target, or start the sandbox; closes what it opened.

    Args:
        target: from `choose`.
        settings: the environment, for credentials and certificates.
        sandbox_models: the sandbox's models folder, if the sandbox is started.
        models_dir: the models folder of a real WebUI: a path of this machine, an address as text, or None.
        verify: TLS verification: False, or a CA file; None means the environment's.
        family: "sd15" or "sdxl": which of its checkpoints the sandbox has loaded, if it is started.

    Raises:
        WebUIError: a WebUI that was asked for does not answer.
    """
    from sdwebui_client import WebUI

    check = verify if verify is not None else (str(settings.ca_file) if settings.ca_file else True)
    with ExitStack() as stack:
        if target.sandbox:
            from sdwebui_client.sandbox import SandboxServer, SandboxSettings

            sandbox_models.mkdir(parents=True, exist_ok=True)
            server = stack.enter_context(SandboxServer(SandboxSettings(models_dir=sandbox_models)))
            webui = stack.enter_context(WebUI(server.url))
            if family is not None:
                webui.set_options({"sd_model_checkpoint": f"sandbox_{family}"})
            yield Connection((webui,), True, bool(target.source), sandbox_models, (sandbox_models,))
            return
        servers = tuple(
            stack.enter_context(
                WebUI(
                    address.url,
                    username=address.username or settings.username,
                    password=address.password if address.username else settings.password,
                    verify=check,
                )
            )
            for address in target.addresses
        )
        told = {w.sandbox_info().get("models_dir") for w in _answering(servers) if w.capabilities().sandbox}
        chosen = _models_dir(told, models_dir)
        places: tuple[Path | str, ...] = (
            (chosen,) if chosen else tuple(sorted(Path(str(text)) for text in told if text))
        )
        yield Connection(servers, False, bool(target.source), chosen, places)


def _answering(servers: Sequence[WebUI]) -> list[WebUI]:
    """Those that answer; the recipe leaves out the others and says so. The first one's error if none does."""
    from sdwebui_client import WebUIError

    answering, errors = [], []
    for webui in servers:
        try:
            webui.capabilities()
        except WebUIError as error:
            errors.append(error)
        else:
            answering.append(webui)
    if not answering:
        raise errors[0]
    return answering


def _models_dir(told: set[Any], given: Path | str | None) -> Path | str | None:
    """Where a LoRA is published: a sandbox that was started by hand says where its models lie."""
    if len(told) == 1 and Path(str(next(iter(told)))).is_dir():
        return Path(str(next(iter(told))))
    return given
