"""Forms of answers that are not a view of `studio.views`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Path
from pydantic import BaseModel, ConfigDict

from ...data import ApiToken, Receipt, User
from ...erasing.words import shown
from ...refusals import Refused
from ...views import ErrorView, PhotoView, Words

if TYPE_CHECKING:
    from ...estimate import Estimate

Id = Annotated[str, Path(pattern=r"^[0-9a-f]{8,32}$", description="20 characters of [0-9a-f].")]


class Answer(BaseModel):
    """Root: attribute docstrings become the schema's descriptions."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)


class Asked(BaseModel):
    """Root of what is sent: an unknown field is a slip, and is said."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Slip(Answer):
    """One thing that is wrong in a request."""

    where: str
    why: str


class Problem(ErrorView):
    """Every refusal."""

    errors: tuple[Slip, ...] = ()
    """Of a request that is not as it must be: where and why."""
    refused: tuple[RefusedPhoto, ...] = ()
    """Of an upload of which nothing was taken: each file's reason."""


class RefusedPhoto(Answer):
    """A file that was not taken."""

    name: str
    """As the sender's device calls it."""
    error: ErrorView


class Uploaded(Answer):
    """What became of an upload."""

    photos: list[PhotoView]
    """Those that were taken, with their verdicts."""
    refused: list[RefusedPhoto]


class ReceiptView(Answer):
    """What was deleted."""

    id: str
    what: str
    """"photos", "model", "portraits", "job", "album" or "account"."""
    state: str
    """"done", or "begun" while something is left that goes by itself."""
    content: dict[str, Any]
    """Counts."""
    at: float
    """Seconds since 1970."""


class EstimateView(Answer):
    """What a wish will cost in time."""

    minutes_low: float
    minutes_high: float
    generations: int
    """Pictures the servers make for it."""
    trains: bool
    """Whether the face is learned first."""
    waits_minutes: float
    """Until it is its turn."""
    why: Words


class MeView(Answer):
    """The account that asks."""

    id: str
    email: str
    language: str
    role: str
    confirmed: bool
    """Whether the address was proved."""
    has_password: bool
    created_at: float
    csrf_token: str | None
    """To be sent as X-CSRF-Token by a browser's session; None for a token, which needs none."""


class TokenView(Answer):
    """An API token; the token itself is shown only when it is made."""

    id: str
    name: str
    created_at: float
    used_at: float | None
    expires_at: float | None


class NewToken(TokenView):
    """A token that was just made."""

    token: str
    """Shown only now."""


class Done(Answer):
    """It was done."""

    done: bool = True


def error_view(refused: Refused) -> ErrorView:
    """A refusal as a view."""
    return ErrorView.model_validate(refused.to_json())


def receipt_view(row: Receipt) -> ReceiptView:
    """A receipt's row as it is shown."""
    return ReceiptView(id=row.id, what=row.what, state=row.state, content=shown(row), at=row.at)


def estimate_view(found: Estimate) -> EstimateView:
    """An estimate as it is shown."""
    return EstimateView.model_validate(asdict(found))


def me_view(user: User, csrf: str | None) -> MeView:
    """An account as its owner sees it."""
    return MeView(
        id=user.id,
        email=user.email,
        language=user.language,
        role=user.role,
        confirmed=user.confirmed_at is not None,
        has_password=user.password_hash is not None,
        created_at=user.created_at,
        csrf_token=csrf,
    )


def token_facts(row: ApiToken) -> dict[str, Any]:
    """The fields of a TokenView."""
    return {
        "id": row.id,
        "name": row.name,
        "created_at": row.created_at,
        "used_at": row.used_at,
        "expires_at": row.expires_at,
    }


Problem.model_rebuild()
