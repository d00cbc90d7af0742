"""What went wrong with a job, as its owner reads it: one sentence and what to do, in both languages.

The operator's view, with the server's own words, goes into the job's note: see `operator_note`.
"""

from __future__ import annotations

import errno
from importlib import import_module
from pathlib import Path
from typing import Any

from ..refusals import Refused
from .words import plain


class JobFailed(Refused):
    """A job cannot go on, and why; `to_json` is what the job keeps."""

    title = "The job failed"


_AGAIN = (
    "Start it again later: what is finished is kept and not made again.",
    "잠시 후 다시 시작해 주세요. 이미 만든 것은 보관되어 다시 만들지 않습니다.",
)
_OPERATOR = (
    "Please tell the operator of this studio. What is finished is kept.",
    "스튜디오 운영자에게 알려 주세요. 이미 만든 것은 보관됩니다.",
)

# (module, class, code, English, Korean, (hint English, hint Korean)), the most special first; a module is
# imported when an error has happened.
_KNOWN: tuple[tuple[str, str, str, str, str, tuple[str, str]], ...] = (
    (
        "stages.errors",
        "LikenessNotReached",
        "not-like-enough",
        "No picture was enough like the person in the photos.",
        "사진 속 인물과 충분히 닮은 결과가 나오지 않았습니다.",
        (
            "Add clear photos of the face from different days and angles, or choose another pose, and start "
            "again.",
            "얼굴이 선명한 다른 날, 다른 각도의 사진을 더 올리거나 다른 포즈를 골라 다시 시작해 주세요.",
        ),
    ),
    (
        "stages.errors",
        "PlanError",
        "server-lacks",
        "The picture server lacks something these settings need.",
        "이 설정에 필요한 기능이 그림 서버에 없습니다.",
        (
            "Choose another style, or tell the operator of this studio.",
            "다른 스타일을 고르거나 스튜디오 운영자에게 알려 주세요.",
        ),
    ),
    (
        "stages.errors",
        "DiskFull",
        "disk-full",
        "The studio's disk is full.",
        "스튜디오의 저장 공간이 가득 찼습니다.",
        _OPERATOR,
    ),
    (
        "stages.errors",
        "WorkFolderBusy",
        "busy",
        "Another job of the same photos is still being worked on.",
        "같은 사진으로 만드는 다른 작업이 아직 진행 중입니다.",
        ("Start it again when that one is done.", "그 작업이 끝난 뒤 다시 시작해 주세요."),
    ),
    (
        "train_lora.errors",
        "TrainerMissing",
        "no-trainer",
        "The studio has no working trainer at the moment.",
        "지금은 얼굴을 학습할 수 있는 서버가 없습니다.",
        _OPERATOR,
    ),
    (
        "train_lora.errors",
        "PublishError",
        "publishing",
        "The trained model could not be handed to the picture server.",
        "학습한 모델을 그림 서버로 옮기지 못했습니다.",
        _OPERATOR,
    ),
    (
        "train_lora.errors",
        "SshError",
        "trainer-away",
        "The training server could not be reached.",
        "학습 서버에 연결하지 못했습니다.",
        _AGAIN,
    ),
    (
        "train_lora.errors",
        "TrainError",
        "training",
        "The training did not work.",
        "얼굴 학습에 실패했습니다.",
        _OPERATOR,
    ),
    (
        "sdwebui_client.errors",
        "OutOfMemory",
        "gpu-memory",
        "The picture server ran out of memory.",
        "그림 서버의 메모리가 부족합니다.",
        (
            "Start it again later, or choose a style with smaller pictures.",
            "잠시 후 다시 시작하거나 더 작은 사진을 만드는 스타일을 골라 주세요.",
        ),
    ),
    (
        "sdwebui_client.errors",
        "AuthError",
        "server-login",
        "The picture server does not let the studio in.",
        "그림 서버가 스튜디오의 접속을 거부했습니다.",
        _OPERATOR,
    ),
    (
        "sdwebui_client.errors",
        "CapabilityMissing",
        "server-lacks",
        "The picture server lacks something these settings need.",
        "이 설정에 필요한 기능이 그림 서버에 없습니다.",
        (
            "Choose another style, or tell the operator of this studio.",
            "다른 스타일을 고르거나 스튜디오 운영자에게 알려 주세요.",
        ),
    ),
    (
        "sdwebui_client.errors",
        "EffectMissing",
        "server-skipped",
        "The picture server left out a step it was asked for.",
        "그림 서버가 요청한 단계를 수행하지 않았습니다.",
        _OPERATOR,
    ),
    (
        "sdwebui_client.errors",
        "TransportError",
        "server-away",
        "The picture server could not be reached.",
        "그림 서버에 연결하지 못했습니다.",
        _AGAIN,
    ),
    (
        "sdwebui_client.errors",
        "WebUIError",
        "server-failed",
        "The picture server could not make the pictures.",
        "그림 서버에서 사진을 만들지 못했습니다.",
        _AGAIN,
    ),
    (
        "stages.presets",
        "PresetError",
        "preset",
        "The chosen style cannot be used at the moment.",
        "선택한 스타일을 지금은 사용할 수 없습니다.",
        (
            "Choose another style, or tell the operator of this studio.",
            "다른 스타일을 고르거나 스튜디오 운영자에게 알려 주세요.",
        ),
    ),
    (
        "prompt_library.errors",
        "PromptError",
        "preset",
        "The chosen style cannot be used at the moment.",
        "선택한 스타일을 지금은 사용할 수 없습니다.",
        (
            "Choose another style, or tell the operator of this studio.",
            "다른 스타일을 고르거나 스튜디오 운영자에게 알려 주세요.",
        ),
    ),
    (
        "faces.errors",
        "FacesError",
        "faces",
        "Looking for faces did not work.",
        "얼굴을 찾는 기능이 작동하지 않았습니다.",
        _OPERATOR,
    ),
    (
        "stages.errors",
        "StagesError",
        "step",
        "A step of the job could not be done.",
        "작업의 한 단계를 마치지 못했습니다.",
        _OPERATOR,
    ),
    (
        "sqlalchemy.exc",
        "DBAPIError",
        "database",
        "The studio's database could not be reached.",
        "스튜디오의 데이터베이스에 연결하지 못했습니다.",
        _AGAIN,
    ),
)

_WAIT = (
    ("stages.errors", "WorkFolderBusy"),
    ("sdwebui_client.errors", "TransportError"),
    ("train_lora.errors", "SshLost"),
    ("sqlalchemy.exc", "OperationalError"),
    ("sqlalchemy.exc", "InterfaceError"),
)
_GATEWAY = (502, 503, 504)
"""What a proxy answers while the server behind it restarts."""


def explain_failure(error: BaseException) -> JobFailed | None:
    """Explain an error to the job's owner.

    Args:
        error: What a step raised.

    Returns:
        What the job keeps as its error; None for a cancellation, and for an error nobody expected
        (keep its traceback).
    """
    if isinstance(error, JobFailed):
        return error
    if isinstance(error, Refused):
        return _from_refusal(error)
    if _is(error, "sdwebui_client.errors", "Cancelled") or _is(error, "train_lora.errors", "TrainCancelled"):
        return None
    if _is(error, "train_lora.errors", "PhotosError"):
        return _about_photos(error)
    for module, name, code, en, ko, (hint_en, hint_ko) in _KNOWN:
        if _is(error, module, name):
            return JobFailed(code, en=en, ko=ko, hint_en=hint_en, hint_ko=hint_ko, status=500)
    if isinstance(error, OSError):
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        return _known("disk-full") if full else _storage()
    return None


def worth_waiting(error: BaseException) -> bool:
    """Whether the same step may succeed in a minute: a server that restarts, a folder that is in use."""
    if any(_is(error, module, name) for module, name in _WAIT):
        return True
    return _is(error, "sdwebui_client.errors", "ServerError") and getattr(error, "status", None) in _GATEWAY


def operator_note(error: BaseException, root: Path) -> str:
    """What happened, for `Job.note`: the error's kind and words, without names and paths of photos.

    Args:
        error: What a step raised.
        root: The data directory.
    """
    said = str(getattr(error, "message", "") or error).strip().splitlines()
    server = str(getattr(error, "server_text", "") or "").strip()
    parts = [f"{type(error).__name__}: {said[0] if said else ''}".strip(": ")]
    if server and server not in parts[0]:
        parts.append(f"The server said: {server}")
    return plain("\n".join(parts), root)


def _about_photos(error: BaseException) -> JobFailed:
    """The photos cannot be used; what was found says what would help."""
    found: Any = getattr(error, "photos", None)
    verdicts = found.photos if found is not None else ()
    if any(verdict.code == "two_people" for verdict in verdicts):
        return JobFailed(
            "two-people",
            en="The photos show two people about equally often.",
            ko="두 사람의 사진이 비슷하게 섞여 있습니다.",
            hint_en="Keep the photos of one person only, and start again.",
            hint_ko="한 사람의 사진만 남기고 다시 시작해 주세요.",
        )
    good = len(found.accepted) if found is not None else 0
    return JobFailed(
        "too-few-photos",
        en=f"Only {good} of the photos can be used." if good else "None of the photos can be used.",
        ko=f"사용할 수 있는 사진이 {good}장뿐입니다." if good else "사용할 수 있는 사진이 없습니다.",
        hint_en="Add clear photos of the same person; each photo says what is wrong with it. About ten are "
        "best.",
        hint_ko="같은 사람의 선명한 사진을 더 올려 주세요. 사진마다 이유가 적혀 있습니다. 열 장 정도가 가장 "
        "좋습니다.",
    )


def _from_refusal(error: Refused) -> JobFailed:
    return JobFailed(
        error.code,
        en=error.texts["en"],
        ko=error.texts["ko"],
        hint_en=error.hints["en"],
        hint_ko=error.hints["ko"],
        status=error.status,
    )


def _known(code: str) -> JobFailed:
    en, ko, hint = next((row[3], row[4], row[5]) for row in _KNOWN if row[2] == code)
    return JobFailed(code, en=en, ko=ko, hint_en=hint[0], hint_ko=hint[1], status=500)


def _storage() -> JobFailed:
    return JobFailed(
        "storage",
        en="The studio's files could not be read or written.",
        ko="스튜디오의 파일을 읽거나 쓰지 못했습니다.",
        hint_en=_OPERATOR[0],
        hint_ko=_OPERATOR[1],
        status=500,
    )


def _is(error: BaseException, module: str, name: str) -> bool:
    """Whether the error is of this class; a room that cannot be imported did not raise it."""
    try:
        kind = getattr(import_module(module), name)
    except ImportError:
        return False
    return isinstance(error, kind)
