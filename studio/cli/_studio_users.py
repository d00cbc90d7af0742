"""`studio users`: accounts."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Literal

import click

from ..errors import BadInput
from ._studio_common import json_option, opened, show


@click.group(short_help="Accounts: list, add, make-operator, disable, quota.")
def users() -> None:
    """Accounts: who there is, who may operate, how much each may ask for.

    Their photos and portraits are shown to nobody but themselves, not to operators either.
    """


@users.command("list", short_help="Accounts with their totals.")
@json_option
def list_(as_json: bool) -> None:
    """Accounts with their state, jobs, portraits and quotas.

    `unconfirmed` ones have not proved their address yet; `disabled` ones cannot sign in.
    """
    from .. import overview

    with opened() as studio:
        rows = overview.users(studio)
    columns = ("id", "email", "role", "state", "jobs", "portraits", "created_at")
    show(rows, columns, as_json=as_json, empty="Nobody has an account; `studio users add EMAIL` makes one.")


@users.command(short_help="Make an account, without a mail.")
@click.argument("email")
@click.option("--operator", is_flag=True, help="May see jobs, servers and totals, pause, requeue and cancel.")
@click.option(
    "--language", type=click.Choice(("ko", "en")), default="en", show_default=True, help="Of pages and mails."
)
@click.option(
    "--password-file", metavar="FILE", help="Read the password from a file; `-` from standard input."
)
@click.option("--no-password", is_flag=True, help="Sign in by mailed links only.")
def add(email: str, operator: bool, language: str, password_file: str | None, no_password: bool) -> None:
    """Make an account, also where sign-up is closed. The address counts as proved; no mail is sent.

    The password is asked for, or read from a file; it is never an argument, because those are seen by others.
    """
    from ..accounts import create_user

    if password_file and no_password:
        raise BadInput("--password-file and --no-password contradict each other.")
    with opened(create=True) as studio:
        password = None if no_password else _password(password_file)
        role: Literal["user", "operator"] = "operator" if operator else "user"
        user = create_user(
            studio, email=email, password=password, language=language, role=role, confirmed=True
        )
    click.echo(f"Made {user.role} {user.email} ({user.id}).")


@users.command("make-operator", short_help="Let somebody operate the studio, or no longer.")
@click.argument("user")
@click.option("--undo", is_flag=True, help="Make an ordinary user of an operator.")
def make_operator(user: str, undo: bool) -> None:
    """Let somebody see jobs, servers and totals, pause, requeue and cancel; never other people's pictures."""
    role = "user" if undo else "operator"
    click.echo(f"{_change(user, role=role)} is {'no longer' if undo else 'now'} an operator.")


@users.command(short_help="Let nobody sign in to an account, or again.")
@click.argument("user")
@click.option("--undo", is_flag=True, help="Let them sign in again.")
def disable(user: str, undo: bool) -> None:
    """End all sessions of an account and let nobody sign in to it; API tokens stop working.

    Nothing is deleted, and jobs under way go on (`studio cancel`); `studio erase-user` deletes.
    """
    from ..accounts import end_all_sessions
    from ..overview import find_user

    email = _change(user, disabled_at=None if undo else time.time())
    if not undo:
        with opened() as studio:
            end_all_sessions(studio, find_user(studio, email).id)
    click.echo(f"{email} {'may sign in again' if undo else 'is disabled'}.")


@users.command(short_help="How much one may ask for.")
@click.argument("user")
@click.option("--jobs", type=click.IntRange(1), metavar="N", help="Jobs that may wait or run at once.")
@click.option("--portraits", type=click.IntRange(1), metavar="N", help="Portraits in 30 days.")
@click.option("--default", is_flag=True, help="Back to the studio's quotas.")
def quota(user: str, jobs: int | None, portraits: int | None, default: bool) -> None:
    """Set one account's own quotas; the studio's are SDWEBUI_QUOTA_JOBS and SDWEBUI_QUOTA_PORTRAITS_MONTH."""
    if default and (jobs or portraits):
        raise BadInput("--default and numbers contradict each other.")
    if not (default or jobs or portraits):
        raise BadInput("Nothing to change.", hint="--jobs N, --portraits N, or --default")
    values: dict[str, int | None] = {"quota_jobs": None, "quota_portraits_month": None}
    if not default:
        given = {"quota_jobs": jobs, "quota_portraits_month": portraits}
        values = {name: number for name, number in given.items() if number is not None}
    email = _change(user, **values)
    shown = (
        "the studio's quotas"
        if default
        else ", ".join(f"{n.replace('_', ' ')} {v}" for n, v in values.items())
    )
    click.echo(f"{email}: {shown}.")


def _change(text: str, **values: object) -> str:
    """Set columns of an account; its address."""
    from sqlalchemy import update

    from ..data import User
    from ..overview import find_user

    with opened() as studio:
        user = find_user(studio, text)
        with studio.db.session() as db:
            db.execute(update(User).where(User.id == user.id).values(**values))
        return user.email


def _password(file: str | None) -> str:
    if file == "-":
        return sys.stdin.readline().rstrip("\r\n")
    if file:
        try:
            return Path(file).expanduser().read_text(encoding="utf-8").strip()
        except OSError as error:
            raise BadInput(f"--password-file: {file}: {error.strerror}.") from error
    if not (sys.stdin is not None and sys.stdin.isatty()):
        raise BadInput("Nobody is there to type a password.", hint="--password-file FILE, or --no-password")
    typed: str = click.prompt(
        "Password (10 characters or more)", hide_input=True, confirmation_prompt=True, err=True
    )
    return typed
