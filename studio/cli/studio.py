"""`studio`: what its operator does."""

from __future__ import annotations

import click

from ..errors import BadInput, ExitCode
from ._studio_care import backup, check, erase_user, mails, sweep
from ._studio_common import DATA_DIR, json_option, opened, opened_jobs, show
from ._studio_jobs import cancel, jobs, priority, requeue
from ._studio_users import users

HELP = """Look after a studio: people, jobs, workers, mails, backups.

Works on the studio of SDWEBUI_DATA_DIR (and SDWEBUI_DATABASE_URL), while it runs or not. Accounts, jobs and
mails are named by their id or its first four or more characters; accounts by their address too.

\b
Examples:
  studio users add me@example.org --operator
  studio jobs list --state failed
  studio check
  studio backup /var/backups/studio --keep 7
"""


@click.group(help=HELP, short_help="Look after a studio: people, jobs, workers, mails, backups.")
@click.option("--data-dir", metavar="DIR", help="The studio's data directory. [$SDWEBUI_DATA_DIR]")
@click.pass_context
def studio(context: click.Context, data_dir: str | None) -> None:
    """The group; its help is HELP."""
    context.meta[DATA_DIR] = data_dir


@click.command(short_help="Workers, and whether they are heard.")
@click.option("--alive", metavar="NAME", help="Print nothing; exit status 3 unless this worker is heard.")
@json_option
def workers(alive: str | None, as_json: bool) -> int:
    """Workers: role, state, what they do now, and when they were last heard.

    A `silent` one missed its heartbeat: its job is taken over by another worker of its role. --alive is for
    health checks of containers and services.
    """
    from .. import overview

    with opened() as found:
        rows = overview.workers(found)
    if alive is not None:
        heard = any(row["id"] == alive and row["state"] in ("running", "draining") for row in rows)
        return ExitCode.DONE if heard else ExitCode.SERVER
    columns = ("id", "role", "state", "host", "job", "heartbeat_age_s", "version")
    show(rows, columns, as_json=as_json, empty="No worker ever ran; `serve` or `worker` starts one.")
    return ExitCode.DONE


@click.command(short_help="GPUs: how busy, and with which job.")
@json_option
def servers(as_json: bool) -> None:
    """The WebUIs and GPUs of the workers that run: the share of time they were busy since their worker
    started.

    A low share while jobs wait means that something else is slow: `studio jobs list` shows where they stand.
    """
    from .. import overview

    with opened() as found:
        rows = overview.servers(found)
    columns = ("server", "worker", "busy_share", "generations", "job")
    show(rows, columns, as_json=as_json, empty="No worker runs.")


@click.command(short_help="Begin no further job until `resume`.")
def pause() -> None:
    """Begin no further job or stage until `resume`; what is under way goes on to the end of its stage.

    People may still sign in, send photos and ask for portraits: those wait.
    """
    with opened_jobs() as (_, queues):
        queues.pause()
    click.echo("Paused. `studio resume` goes on.")


@click.command(short_help="Go on after `pause`.")
def resume() -> None:
    """Go on after `pause`."""
    with opened_jobs() as (_, queues):
        queues.resume()
    click.echo("The studio goes on.")


@click.command(short_help="Let a worker end its job and take no other.")
@click.argument("worker")
@click.option("--undo", is_flag=True, help="Let it take jobs again.")
def drain(worker: str, undo: bool) -> None:
    """Let a worker finish what it does and take nothing new: before its machine is switched off or upgraded.

    `studio workers` shows when it does nothing any more. Started again, it takes jobs again.
    """
    from .. import overview

    with opened_jobs() as (found, queues):
        states = {row["id"]: row["state"] for row in overview.workers(found)}
        if worker not in states:
            raise BadInput(
                f"There is no worker {worker!r}.", hint=f"There are: {', '.join(states) or 'none'}."
            )
        if states[worker] not in ("running", "draining", "silent"):
            raise BadInput(f"{worker} is {states[worker]}.", hint="Only a worker that runs can be drained.")
        if states[worker] != ("running" if undo else "draining"):
            queues.drain(worker, on=not undo)
    click.echo(f"{worker} takes {'jobs again' if undo else 'nothing new'}.")


for command in (
    *(users, jobs, workers, servers, pause, resume, requeue, cancel, priority, drain),
    *(mails, sweep, erase_user, backup, check),
):
    studio.add_command(command)
