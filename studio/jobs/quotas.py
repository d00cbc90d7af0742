"""What a user may ask for, and what is said when it is too much."""

from __future__ import annotations

import time

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from ..data import UNFINISHED, Job, User
from ..refusals import Refused
from ..service_settings import DAY_S, StudioSettings
from ..wishes import Wishes

MONTH_S = 30 * DAY_S


def check(db: Session, settings: StudioSettings, user: User, wishes: Wishes) -> None:
    """Refuse a job that is one too many.

    Raises:
        Refused: `disabled`, `unconfirmed`, `quota-jobs` or `quota-portraits`.
    """
    if user.disabled_at is not None:
        raise Refused("disabled", en="This account is disabled.", ko="사용이 중지된 계정입니다.", status=403)
    if settings.must_confirm and user.confirmed_at is None:
        raise Refused(
            "unconfirmed",
            en="Your e-mail address is not confirmed yet.",
            ko="아직 이메일 주소가 확인되지 않았습니다.",
            hint_en="Open the link in the mail we sent you, then start again.",
            hint_ko="보내 드린 메일의 링크를 연 다음 다시 시작해 주세요.",
            status=403,
        )
    _jobs(db, user, user.quota_jobs if user.quota_jobs is not None else settings.quota_jobs)
    month = user.quota_portraits_month
    _portraits(db, user, wishes.count, settings.quota_portraits_month if month is None else month)


def not_ended() -> Refused:
    """A job that still waits or runs cannot begin again."""
    return Refused(
        "not-ended",
        en="This job has not ended yet.",
        ko="아직 끝나지 않은 작업입니다.",
        hint_en="Cancel it first.",
        hint_ko="먼저 작업을 취소해 주세요.",
        status=409,
    )


def no_such_priority() -> Refused:
    """Priorities are 1 to 1000."""
    return Refused(
        "priority",
        en="A priority is a number from 1 to 1000.",
        ko="우선순위는 1부터 1000까지의 숫자입니다.",
        hint_en="Lower goes first; 100 is usual.",
        hint_ko="숫자가 작을수록 먼저 처리되며, 보통은 100입니다.",
        status=422,
    )


def _jobs(db: Session, user: User, quota: int) -> None:
    busy = int(db.scalar(select(func.count()).where(Job.user_id == user.id, Job.state.in_(UNFINISHED))) or 0)
    if busy >= quota:
        raise Refused(
            "quota-jobs",
            en=f"You have {busy} jobs on their way; at most {quota} are possible at once.",
            ko=f"이미 작업 {busy}개가 진행 중입니다. 한 번에 {quota}개까지 맡길 수 있습니다.",
            hint_en="Wait until one is finished, or cancel one.",
            hint_ko="작업이 끝날 때까지 기다리거나 하나를 취소해 주세요.",
            status=429,
        )


def _portraits(db: Session, user: User, count: int, quota: int) -> None:
    since = time.time() - MONTH_S
    jobs = db.scalars(
        select(Job.wishes).where(
            Job.user_id == user.id, Job.created_at > since, Job.state.in_((*UNFINISHED, "done"))
        )
    )
    left = quota - sum(int(wishes.get("count", 0)) for wishes in jobs)
    if count > left:
        raise Refused(
            "quota-portraits",
            en=f"{quota} portraits in 30 days are possible; {max(0, left)} are left.",
            ko=f"30일 동안 사진을 {quota}장까지 만들 수 있으며, {max(0, left)}장 남았습니다.",
            hint_en="Ask for fewer, or wait some days.",
            hint_ko="장수를 줄이거나 며칠 뒤에 다시 시도해 주세요.",
            status=429,
        )
