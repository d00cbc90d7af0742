"""Where things lie on a GPU host: the trainer's ssh:// address, read."""

from __future__ import annotations

import difflib
import shlex
from dataclasses import dataclass

from ...errors import TrainerMissing, TrainError
from ...ssh import SshTarget
from .remote_link import Link
from .setup import VERSION

JOBS = "~/.sdwebui-jobs"
_KEYS = ("python", "base_model", "tokenizers", "jobs")
_EXAMPLE = (
    "ssh://user@gpu/home/user/sd-scripts?python=/home/user/sd-scripts/venv/bin/python"
    "&base_model=/home/user/models/v1-5.safetensors"
)


@dataclass(frozen=True, slots=True)
class RemoteSetup:
    """What the address says. Paths are the host's, absolute or beginning with "~/"."""

    where: str
    """user@host[:port], for people."""
    sd_scripts: str
    """The checkout."""
    python: str | None = None
    """The trainer's interpreter; None = the one in the checkout's venv/ or .venv/, else python3."""
    base_model: str | None = None
    """The checkpoint to train on. It stays where it is."""
    tokenizers: str | None = None
    """sd-scripts' --tokenizer_cache_dir, for hosts without internet."""
    jobs: str = JOBS
    """Folder of the running trainings."""

    @classmethod
    def of(cls, target: SshTarget) -> RemoteSetup:
        """Read an address such as
        `ssh://user@gpu/opt/sd-scripts?python=/opt/venv/bin/python&base_model=/models/a.safetensors`.

        Raises:
            TrainError: No path, an unknown key, or a path that is not absolute.
        """
        for key in target.query:
            if key not in _KEYS:
                raise TrainError(f"The trainer's address has no setting {key!r}.", _instead(key))
        path = target.path
        if path in ("", "/"):
            raise TrainError(
                "The trainer's address does not say where sd-scripts lies on the host.",
                f"Write its folder behind the host's name, like {_EXAMPLE}.",
            )
        paths = {key: _checked(key, value) for key, value in target.query.items()}
        return cls(_where(target), _checked("sd-scripts", path).rstrip("/"), **paths)


@dataclass(frozen=True, slots=True)
class RemotePaths:
    """The same, found on the host: absolute paths."""

    sd_scripts: str
    python: str
    base_model: str | None
    tokenizers: str | None
    jobs: str


def locate(link: Link, setup: RemoteSetup) -> RemotePaths:
    """Find things on the host.

    Raises:
        TrainError: It is no Linux machine, or has no checkout there, or no Python; says what to do.
    """
    folder = setup.sd_scripts
    pythons = (setup.python,) if setup.python else (f"{folder}/venv/bin/python", f"{folder}/.venv/bin/python")
    others = (setup.base_model or "", setup.tokenizers or "", setup.jobs)
    done = link.run(["sh", "-c", _LOCATE, "sh", folder, *others, *pythons])
    found: dict[str, str] = {}
    for line in done.stdout.decode("utf-8", "replace").splitlines():
        if line.startswith(_MARK):
            key, _, value = line[len(_MARK) :].partition("=")
            found[key] = value
    system = found.get("system", "")
    if system != "Linux":
        raise TrainerMissing(
            f"{setup.where} is no Linux machine ({system or 'it has no POSIX shell'}): it cannot train.",
            "Name a Linux host with an NVIDIA GPU.",
        )
    if found.get("scripts") != "yes":
        raise TrainerMissing(
            f"{setup.where} has no sd-scripts in {found.get('folder', folder)}: {_SCRIPT} is not there.",
            f"Log in and run: git clone --branch {VERSION} --depth 1 https://github.com/kohya-ss/sd-scripts "
            f"{shlex.quote(found.get('folder', folder))} - or correct the path in the trainer's address.",
        )
    if not found.get("python"):
        raise TrainerMissing(
            f"{setup.where} has no Python at {' or '.join(pythons)}.",
            "Make an environment for sd-scripts there (python3 -m venv venv; venv/bin/pip install torch "
            "torchvision -r requirements.txt), or name its interpreter: ?python=/path/to/venv/bin/python",
        )
    return RemotePaths(
        found["folder"],
        found["python"],
        found["base_model"] or None,
        found["tokenizers"] or None,
        found["jobs"],
    )


_MARK = "sdwebui-found "
_SCRIPT = "train_network.py"
_LOCATE = "; ".join(  # one line: some login shells end a quoted word at a line's end
    (
        r"""say() { printf "%s\n" "sdwebui-found $1=$2"; }""",
        """whole() { case "$1" in "~/"*) printf "%s" "$HOME/${1#??}";; *) printf "%s" "$1";; esac; }""",
        '''say system "$(uname -s)"''',
        '''folder="$(whole "$1")"''',
        '''say folder "$folder"''',
        """if [ -f "$folder/train_network.py" ]; then say scripts yes; fi""",
        '''say base_model "$(whole "$2")"''',
        '''say tokenizers "$(whole "$3")"''',
        '''say jobs "$(whole "$4")"''',
        "shift 4",
        """runs() { [ -x "$1" ] && [ ! -d "$1" ]; }""",
        """for p in "$@"; do p="$(whole "$p")"; if runs "$p"; then say python "$p"; break; fi; done""",
        "exit 0",
    )
)


def _where(target: SshTarget) -> str:
    user = f"{target.user}@" if target.user else ""
    return f"{user}{target.host}" + (f":{target.port}" if target.port not in (None, 22) else "")


def _instead(key: str) -> str:
    near = difflib.get_close_matches(key.lower(), _KEYS, n=1, cutoff=0.5)
    known = ", ".join(_KEYS)
    return f"Did you mean {near[0]!r}? Known: {known}." if near else f"Known: {known}."


def _checked(what: str, path: str) -> str:
    if not path.startswith(("/", "~/")):
        raise TrainError(
            f"The trainer's address gives {path!r} for {what}, which is no whole path.",
            "Write it from the root (/home/…) or from the home folder (~/…).",
        )
    if any(ord(char) < 32 or ord(char) == 127 for char in path):
        raise TrainError(f"The trainer's address has a control character in {what}.", "Remove it.")
    return path
