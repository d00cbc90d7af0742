"""`studio mails`, `sweep`, `erase-user`, `backup` and `check`."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import BadInput, ExitCode
from ._state import make_console
from ._studio_common import ask, json_option, opened, show, studio_settings, yes_option
from ._words import plural

if TYPE_CHECKING:
    from ..checks import Finding

MAIL_STATES = ("waiting", "sending", "sent", "unclear", "failed")


@click.group(short_help="Mails: list, send again.")
def mails() -> None:
    """Mails: which were sent, and which were not. What is in them is never shown."""


@mails.command("list", short_help="The newest mails.")
@click.option("--state", "states", multiple=True, type=click.Choice(MAIL_STATES), help="Only these.")
@click.option(
    "--limit",
    type=click.IntRange(1, 10_000),
    metavar="N",
    default=50,
    show_default=True,
    help="At most so many.",
)
@json_option
def list_(states: tuple[str, ...], limit: int, as_json: bool) -> None:
    """The newest mails and how often each was tried.

    `unclear`: the connection broke while the server had the mail; it may have arrived, so it is not sent
    again by itself. `failed`: the server refused it for good.
    """
    from .. import overview

    with opened() as studio:
        rows = overview.mails(studio, states=states, limit=limit)
    columns = ("id", "template", "state", "attempts", "created_at", "last_error")
    show(rows, columns, as_json=as_json, empty="No mail.")


@mails.command(short_help="Send an unclear or failed mail again.")
@click.argument("mail", required=False)
@click.option("--all-failed", is_flag=True, help="All failed ones; not the unclear ones.")
def again(mail: str | None, all_failed: bool) -> None:
    """Send a mail about a job again, with a new link. An unclear one may then arrive twice: ask the person
    first.

    Links to sign in are not sent again: they are old, and the person asks for another on the page.
    """
    from ..mails_again import send_again
    from ..overview import find_mail, mails

    if (mail is None) == (not all_failed):
        raise BadInput("Say which: a MAIL or --all-failed.")
    with opened() as studio:
        if mail is not None:
            send_again(studio, find_mail(studio, mail))
            click.echo("It is sent by the next worker that looks.")
            return
        done, left = 0, 0
        for row in mails(studio, states=("failed",), limit=10_000):
            try:
                send_again(studio, find_mail(studio, row["id"]))
                done += 1
            except BadInput:
                left += 1
    click.echo(f"{plural(done, 'mail')} will be sent again; {left} cannot be (their links are old).")


@click.command(short_help="Delete now what is past its time.")
@json_option
def sweep(as_json: bool) -> None:
    """Delete now what is past its time: photos, portraits, old sessions and links, leftovers.

    Workers do this by themselves; by hand it is for a studio whose workers are stopped.
    """
    from ..retention import sweep as run

    with opened() as studio:
        done = run(studio)
    if as_json:
        click.echo(json.dumps(done, indent=2))
        return
    for what, number in done.items():
        click.echo(f"{what.replace('_', ' ')}: {number}")


@click.command("erase-user", short_help="Delete an account and everything of it.")
@click.argument("user")
@yes_option
@json_option
def erase_user(user: str, yes: bool, as_json: bool) -> None:
    """Delete an account for good: photos, models (also in the WebUIs' folders), portraits, jobs, mails, rows.

    What cannot be reached now (a WebUI's folder) stays `begun` in the receipt, and the workers finish it.
    Backups made before still hold it, see docs/operations.md.
    """
    from ..erasure import erase_account
    from ..overview import find_user

    with opened() as studio:
        found = find_user(studio, user)
        ask(f"Delete {found.email} and everything of theirs for good?", yes=yes)
        receipt = erase_account(studio, found.id)
    shown = {"id": receipt.id, "what": receipt.what, "state": receipt.state, **receipt.content}
    if as_json:
        click.echo(json.dumps(shown, indent=2, ensure_ascii=False))
        return
    for name, value in shown.items():
        click.echo(f"{name.replace('_', ' ')}: {value}")


@click.command(short_help="A consistent copy, while the studio runs.")
@click.argument("folder", metavar="DIR")
@click.option(
    "--keep",
    type=click.IntRange(0),
    metavar="N",
    default=0,
    help="Delete older backups beyond so many. [default: all stay]",
)
@click.option("--files-only", is_flag=True, help="The files alone; for PostgreSQL, after pg_dump.")
@json_option
def backup(folder: str, keep: int, files_only: bool, as_json: bool) -> None:
    """Copy databases and files into a new folder of DIR, while the studio runs; nothing in it is half.

    What has not changed since the last backup in DIR is linked instead of copied. A backup is a data
    directory: to restore it, stop the studio and put it where the data directory was. With PostgreSQL it
    says how to dump the database, and copies the files with --files-only.

    Backups hold people's photos: keep few (--keep 7), and where only you can read them.
    """
    from ..backup import back_up

    with opened() as studio:
        made = back_up(studio, Path(folder), keep=keep, files_only=files_only)
    if as_json:
        click.echo(json.dumps(asdict(made) | {"folder": str(made.folder)}, indent=2))
        return
    click.echo(
        f"{made.folder}: {plural(len(made.databases), 'database')}, {plural(made.files, 'file')} "
        f"({made.linked} unchanged), {made.size_bytes / 1e6:.1f} MB copied in {made.seconds:.1f} s."
    )


@click.command(short_help="Look whether everything the studio needs works.")
@json_option
def check(as_json: bool) -> int:
    """Look at settings, disk, database, mail server (signing in), WebUIs, workers and backups.

    Nothing is changed.
    Exit status 3 means that something does not work; doubts alone are status 0.
    """
    from ..checks import check_studio
    from ..core import Studio

    studio = Studio.open(studio_settings(), migrate=False)
    try:
        findings = list(check_studio(studio))
    finally:
        studio.close()
    if as_json:
        click.echo(json.dumps([asdict(one) for one in findings], indent=2, ensure_ascii=False))
    else:
        _print_findings(findings)
    return ExitCode.SERVER if any(one.verdict == "bad" for one in findings) else ExitCode.DONE


def _print_findings(findings: list[Finding]) -> None:
    console = make_console(stderr=False)
    marks: dict[str, Any] = {"good": ("ok", "green"), "doubt": ("?", "yellow"), "bad": ("NO", "bold red")}
    for one in findings:
        mark, style = marks[one.verdict]
        console.print(f"{mark:>2}", style=style, end="  ")
        console.print(f"{one.what}: {one.said}", markup=False, soft_wrap=True)
        if one.hint:
            console.print(f"      {one.hint}", markup=False, soft_wrap=True)
