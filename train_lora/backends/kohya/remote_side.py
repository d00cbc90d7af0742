"""What has to happen on the GPU host itself, in one go: the half of `remote_host` that runs there.

Its text is sent along with each request, `python -I -c TEXT REQUEST`, so nothing has to be installed there;
therefore standard library only, and nothing of this package. REQUEST is JSON, `{"do": ACTION, …}`; the answer
is one line of JSON after `MARK`, because a login shell may print a greeting first.

A training's job folder there (besides what `supervisor.py` keeps in it):

    clients/ID.json   who follows the training; written again every few seconds, so a client whose note is old
                      is gone (`GONE_S`). Only this host's clock is read.
    leader/ID         a folder in a folder: mkdir and rename are atomic, also over NFS. Its owner uploads,
                      starts and clears up; the others watch. Taken over when the owner's note is old.
    runs/ID           a folder for each start that was asked for: asked twice, because the connection broke
                      before the answer came, it starts once.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import json
import os
import re
import shutil
import stat
import sys
import time
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

MARK = "sdwebui-answer "
PREFIX = "job-"
_NAME = re.compile(PREFIX + "[0-9a-f]{24}(-removing-[0-9]+)?")
"""A job folder's. Nothing else in the jobs folder is ever removed: it may be somebody's home, with
"job-applications" in it."""
GONE_S = 45.0
"""A client that has not been heard of for so long is gone. Clients note themselves every 5 s."""
_RAW = "raw"
_AT_WORK = ("starting", "running")
START_S = 20.0
"""How long the supervisor may take to write its first status: a host may load Python from a network disk."""


# ---- who follows a training, and who leads it


def claim(job: str, client: str, label: str, sweep_days: float) -> dict[str, Any]:
    """Note the client down, and lead the training where nobody else does. The first sweeps the jobs folder.

    Returns:
        created: The job folder was not there before; leader: this client leads; others: labels of the other
        clients that are alive.
    """
    folder = _own(job)
    folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        folder.mkdir(mode=0o700)
        created = True
    except FileExistsError:
        created = False
        _own(job).chmod(0o700)
    if created:
        sweep(str(folder.parent), sweep_days)
    (folder / "clients").mkdir(mode=0o700, exist_ok=True)
    _write(folder / "clients" / f"{client}.json", json.dumps({"label": label}).encode())
    leader = _lead(folder, client)
    others = [note for note in (folder / "clients").glob("*.json") if note.stem != client]
    labels = [_label(folder, note.stem, client) for note in others]
    return {"created": created, "leader": leader, "others": sorted(label for label in labels if label)}


def _own(job: str) -> Path:
    """The job folder. Where others may write beside it, one of them could have made it, or a link.

    Raises:
        ValueError: It is none by its name; PermissionError: it is not ours, or no folder.
    """
    folder = Path(job)
    if not _NAME.fullmatch(folder.name):
        raise ValueError(f"{job} is no job folder")
    with contextlib.suppress(FileNotFoundError):
        facts = folder.lstat()
        if not stat.S_ISDIR(facts.st_mode) or facts.st_uid != os.geteuid():
            raise PermissionError(errno.EPERM, "somebody else put something there", job)
    return folder


def leave(job: str, client: str) -> dict[str, Any]:
    """Forget the client."""
    (Path(job) / "clients" / f"{client}.json").unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        (Path(job) / "leader" / client).rmdir()
        (Path(job) / "leader").rmdir()
    return {}


def _label(folder: Path, other: str, client: str) -> str | None:
    """Of another client; None when it is gone. Read now: who has become leader noted itself down before."""
    notes = folder / "clients"
    try:
        if (notes / f"{client}.json").stat().st_mtime - (notes / f"{other}.json").stat().st_mtime > GONE_S:
            return None
        return str(json.loads((notes / f"{other}.json").read_bytes())["label"])
    except (OSError, ValueError, KeyError):
        return None


def _lead(folder: Path, client: str) -> bool:
    leader = folder / "leader"
    mine = folder / f"leader-{client}"
    (mine / client).mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        mine.rename(leader)  # succeeds where there is none, or an empty one, and then for one client only
    except OSError as error:
        shutil.rmtree(mine, ignore_errors=True)
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
    else:
        return True
    with contextlib.suppress(FileNotFoundError):  # somebody else was quicker, or it left just now
        for owner in leader.iterdir():
            if owner.name == client:
                return True
            if _label(folder, owner.name, client) is None:
                owner.rename(leader / client)
                return True
    return False


# ---- files


def hashes(folder: str) -> dict[str, Any]:
    """SHA-256 and size of every file below a folder, by its path in it."""
    top = Path(folder)
    paths = sorted(path for path in top.rglob("*") if path.is_file() and not path.is_symlink())
    return {"files": {path.relative_to(top).as_posix(): _mark(path) for path in paths}}


def piece(path: str, offset: int, length: int) -> dict[str, Any]:
    """A part of a file, and from its beginning also its mark; the bytes follow the answer's line."""
    with Path(path).open("rb") as stream:
        stream.seek(offset)
        return {"mark": None if offset else _mark(Path(path)), _RAW: stream.read(length)}


def _mark(path: Path) -> list[Any]:
    with path.open("rb") as stream:
        return [_sha256(stream), path.stat().st_size]


def _sha256(stream: io.BufferedReader) -> str:
    digest = hashlib.sha256()
    while block := stream.read(1 << 20):
        digest.update(block)
    return digest.hexdigest()


def unpack(folder: str) -> dict[str, Any]:
    """Write the files of a tar on standard input, each whole or not at all, readable for its owner only.

    Returns:
        files: As `hashes`, of these files, read back.
    """
    import tarfile

    top, found = Path(folder), {}
    top.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        with tarfile.open(fileobj=sys.stdin.buffer, mode="r|") as tar:
            for member in tar:
                name = PurePosixPath(member.name)
                stream = tar.extractfile(member) if member.isreg() else None
                if stream is None or name.is_absolute() or ".." in name.parts:
                    raise ValueError(f"{member.name} does not belong into a dataset")
                target = top / name
                target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                _write(target, stream.read())
                found[member.name] = _mark(target)
    except tarfile.TarError as error:
        raise ValueError(f"cut short: {error}") from error
    return {"files": found}


def put(job: str, rel: str) -> dict[str, Any]:
    """Write a file of the job from standard input."""
    target = Path(job) / rel
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    _write(target, sys.stdin.buffer.read())
    return {}


def remove(job: str, rel: str) -> dict[str, Any]:
    """Remove a file or folder of the job."""
    target = Path(job) / rel
    if target.is_dir() and not target.is_symlink():
        shutil.rmtree(target)
    else:
        target.unlink(missing_ok=True)
    return {}


def _write(path: Path, data: bytes) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


# ---- the training


def start(job: str, run: str) -> dict[str, Any]:
    """Start the supervisor in a session of its own, unless this run was started already or one is at work.

    Standard input is JSON: `supervisor`, its text, and `spec`.

    Returns:
        started: Whether it was; alive: whether a supervisor is at work now; said, exit_code: how it ended,
        when it did so at once.
    """
    import subprocess  # late, as all that takes time to load: most requests do without

    folder, given = Path(job), json.loads(sys.stdin.buffer.read())
    if _supervised(folder) and _status(folder).get("state") in _AT_WORK:
        return {"started": False, "alive": True}
    for name in ("runs", "out"):
        (folder / name).mkdir(mode=0o700, exist_ok=True)
    try:
        (folder / "runs" / run).mkdir(mode=0o700)
    except FileExistsError:
        return {"started": False, "alive": _supervised(folder)}
    _wait(lambda: not _supervised(folder), 5.0)  # the one before is just ending
    for name in ("cancel", "status.json", "stdout.log", "stderr.log"):
        (folder / name).unlink(missing_ok=True)
    _write(folder / "supervisor.py", given["supervisor"].encode())
    _write(folder / "spec.json", json.dumps({**given["spec"], "lifeline": False}).encode())
    with (folder / "supervisor.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-I", str(folder / "supervisor.py"), str(folder)],
            cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    _wait(lambda: bool(_status(folder)) or process.poll() is not None, START_S)
    if not _status(folder) and process.poll() is not None:
        said = (folder / "supervisor.log").read_text("utf-8", "replace")[-2000:]
        return {"started": False, "alive": False, "said": said, "exit_code": process.returncode}
    return {"started": True, "alive": True}


def cancel(job: str) -> dict[str, Any]:
    """Ask the supervisor to end the training."""
    if Path(job).is_dir():
        (Path(job) / "cancel").touch(mode=0o600)
    return {}


def alive(job: str) -> dict[str, Any]:
    """Whether the job's supervisor is at work."""
    return {"alive": _supervised(Path(job))}


def busy(jobs: str) -> dict[str, Any]:
    """How many trainings in the jobs folder are at work, or done and still to be fetched."""
    return {"jobs": sum(_supervised(one) or _status(one).get("exit_code") == 0 for one in _jobs_in(jobs))}


def _jobs_in(jobs: str) -> list[Path]:
    return [path for path in Path(jobs).glob(f"{PREFIX}*") if _NAME.fullmatch(path.name)]


def _wait(until: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not until() and time.monotonic() < deadline:
        time.sleep(0.05)


def _status(folder: Path) -> dict[str, Any]:
    try:
        status = json.loads((folder / "status.json").read_bytes())
    except (OSError, ValueError):
        return {}
    return status if isinstance(status, dict) else {}


def _supervised(folder: Path) -> bool:
    """A pid alone may be somebody else's by now: its start has to be the noted one."""
    status = _status(folder)
    try:
        text = Path(f"/proc/{int(status['supervisor_pid'])}/stat").read_bytes()
        return bool(int(text.rpartition(b")")[2].split()[19]) == status["supervisor_start"])  # proc(5), 22nd
    except (OSError, ValueError, TypeError, KeyError, IndexError):
        return False


# ---- clearing up


def wipe(job: str, keep: list[str]) -> dict[str, Any]:
    """Remove the job folder, or everything in it but the names in `keep`. Refused while its training runs.

    Returns:
        gone: False when a supervisor is still at work.
    """
    folder = _own(job)
    if not folder.is_dir():
        return {"gone": True}
    if _supervised(folder):
        return {"gone": False}
    if not keep:
        # Out of the way first: killed half-way, the next call does not take the rest for a job.
        rubbish = folder.with_name(f"{folder.name}-removing-{os.getpid()}")
        folder.rename(rubbish)
        shutil.rmtree(rubbish)
        return {"gone": True}
    for entry in folder.iterdir():
        if entry.name in keep:
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()
    return {"gone": True}


def sweep(jobs: str, days: float) -> dict[str, Any]:
    """Remove what trainings nobody came back for have left: no supervisor, and untouched for `days` days."""
    removed = 0
    for folder in _jobs_in(jobs):
        with contextlib.suppress(OSError):
            touched = max(
                (p.stat().st_mtime for p in (folder, *folder.glob("*"), *folder.glob("clients/*"))),
                default=0.0,
            )
            if time.time() - touched > days * 86_400 and not _supervised(folder):
                shutil.rmtree(folder)
                removed += 1
    return {"removed": removed}


_ACTIONS = {
    action.__name__: action
    for action in (claim, leave, hashes, piece, unpack, put, remove, start, cancel, alive, busy, wipe, sweep)
}


def main(argv: list[str]) -> int:
    """Do what the request says and print the answer."""
    request = json.loads(argv[1])
    try:
        answer = _ACTIONS[request.pop("do")](**request)
    except (OSError, ValueError) as error:
        code = errno.errorcode.get(error.errno or 0, "") if isinstance(error, OSError) else ""
        answer = {"error": code or type(error).__name__, "text": str(error)}
    raw = answer.pop(_RAW, b"")
    sys.stdout.buffer.write(f"\n{MARK}{json.dumps(answer)}\n".encode() + raw)
    sys.stdout.flush()
    return 0


if __name__ == "__main__":
    os.umask(0o077)
    sys.exit(main(sys.argv))
