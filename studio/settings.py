"""What the environment says: `SDWEBUI_*`. Options on the command line win over it."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from .errors import BadInput

DEFAULT_URL = "http://127.0.0.1:7860"
"""Where a WebUI listens unless told otherwise (A1111, Forge and reForge alike)."""

SANDBOX = "sandbox"
"""The word that asks for the built-in stand-in instead of a WebUI."""

VARIABLES: dict[str, str] = {
    "SDWEBUI_URL": "the WebUI's address; several separated by spaces or commas; or `sandbox`",
    "SDWEBUI_AUTH": "`user:password`, as given to the WebUI's --api-auth",
    "SDWEBUI_USERNAME": "the user name alone, with SDWEBUI_PASSWORD",
    "SDWEBUI_PASSWORD": "the password alone, with SDWEBUI_USERNAME",
    "SDWEBUI_AUTH_FILE": "a file holding `user:password`, so that it stands in no process list",
    "SDWEBUI_MODELS_DIR": "the WebUI's models folder (with Lora/ in it): a path this machine can write to, "
    "`sftp://user@host/path`, or the address of a storage fsspec knows",
    "SDWEBUI_CA_FILE": "a PEM file of the certificate authority of an https WebUI",
    "SDWEBUI_FACE_YOLO": "YOLO weights (face_yolov8n.pt) to find faces with here; needs the extra [yolo]",
    "SDWEBUI_SSH_KEY": "the private key for other machines; without it those of ~/.ssh and of the agent",
    "SDWEBUI_SSH_KNOWN_HOSTS": "the file of host keys that are trusted; without it ~/.ssh/known_hosts",
}
"""Every variable that is read, with what it means; the docs are compared with it."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The environment, read once.

    Attributes:
        urls: addresses named in SDWEBUI_URL; empty when it is not set.
        username: for HTTP basic authentication, or None.
        password: belongs to `username`; never shown in repr.
        models_dir: the WebUI's models folder: a path of this machine, an address as text, or None.
        ca_file: certificate authority for https, or None for the system's.
        ssh_key: private key for other machines, or None for the usual ones.
        ssh_known_hosts: host keys that are trusted, or None for the usual file; need not be there yet.
        face_yolo: YOLO weights for faces, or None for CenterFace; `faces` reads the variable itself.
    """

    urls: tuple[str, ...] = ()
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    models_dir: Path | str | None = None
    ca_file: Path | None = None
    ssh_key: Path | None = None
    ssh_known_hosts: Path | None = None
    face_yolo: Path | None = None

    @classmethod
    def from_env(cls, env: Mapping[str, str] | None = None) -> Settings:
        """Read `SDWEBUI_*`.

        Args:
            env: the variables; None means this process's.

        Raises:
            BadInput: a value that cannot be meant, naming the variable.
        """
        env = os.environ if env is None else env
        username, password = _auth(env)
        models = env.get("SDWEBUI_MODELS_DIR", "").strip()
        ca_file = env.get("SDWEBUI_CA_FILE", "").strip()
        ssh_key = env.get("SDWEBUI_SSH_KEY", "").strip()
        known_hosts = env.get("SDWEBUI_SSH_KNOWN_HOSTS", "").strip()
        face_yolo = env.get("SDWEBUI_FACE_YOLO", "").strip()
        return cls(
            urls=split_urls(env.get("SDWEBUI_URL", "")),
            username=username,
            password=password,
            models_dir=models_place(models, "SDWEBUI_MODELS_DIR") if models else None,
            ca_file=existing_file(ca_file, "SDWEBUI_CA_FILE") if ca_file else None,
            ssh_key=existing_file(ssh_key, "SDWEBUI_SSH_KEY") if ssh_key else None,
            ssh_known_hosts=Path(known_hosts).expanduser() if known_hosts else None,
            face_yolo=Path(face_yolo).expanduser() if face_yolo else None,
        )


def split_urls(text: str) -> tuple[str, ...]:
    """Addresses separated by white space or commas."""
    return tuple(part for part in re.split(r"[\s,]+", text) if part)


def models_place(text: str, what: str) -> Path | str:
    """A models folder as it is named: a path of this machine, or an address as text.

    Raises:
        BadInput: a password in the address, or no address; `what` names the option or variable.
    """
    if "://" not in text:
        return Path(text).expanduser()
    from train_lora.errors import TrainError
    from train_lora.places import read_place

    try:
        return read_place(text)
    except TrainError as error:
        raise BadInput(f"{what}: {error.message}", hint=error.hint) from error


def existing_file(text: str, what: str) -> Path:
    """The path, if a file is there.

    Raises:
        BadInput: there is no such file; `what` names the option or variable.
    """
    path = Path(text).expanduser()
    if not path.is_file():
        raise BadInput(f"{what}: there is no file {path}.")
    return path


def parse_auth(text: str, what: str) -> tuple[str, str]:
    """Split `user:password`; the password may hold colons and is never repeated in an error.

    Raises:
        BadInput: no colon, or no user name.
    """
    username, colon, password = text.strip().partition(":")
    if not colon or not username:
        raise BadInput(
            f"{what} must be `user:password`.", hint="It is what the WebUI was given with --api-auth."
        )
    return username, password


def read_auth_file(path: Path) -> tuple[str, str]:
    """The first line of a file that holds `user:password`."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return parse_auth(lines[0] if lines else "", f"The first line of {path}")


def _auth(env: Mapping[str, str]) -> tuple[str | None, str | None]:
    if env.get("SDWEBUI_AUTH_FILE", "").strip():
        return read_auth_file(existing_file(env["SDWEBUI_AUTH_FILE"].strip(), "SDWEBUI_AUTH_FILE"))
    if env.get("SDWEBUI_AUTH", "").strip():
        return parse_auth(env["SDWEBUI_AUTH"], "SDWEBUI_AUTH")
    username, password = env.get("SDWEBUI_USERNAME", ""), env.get("SDWEBUI_PASSWORD", "")
    if bool(username) != bool(password):
        given, other = (
            ("SDWEBUI_USERNAME", "SDWEBUI_PASSWORD") if username else ("SDWEBUI_PASSWORD", "SDWEBUI_USERNAME")
        )
        raise BadInput(f"{given} is set but {other} is not.")
    return (username, password) if username else (None, None)
