"""`studio jobs`, and what is done to one job."""

from __future__ import annotations

import json

import click

from ._studio_common import ask, cell, json_option, opened, opened_jobs, show, yes_option
from ._words import duration

STATES = ("queued", "running", "done", "failed", "cancelled")


@click.group(short_help="Jobs: list, show.")
def jobs() -> None:
    """Jobs: where they stand and why they failed; never what is on the pictures."""


@jobs.command("list", short_help="The newest jobs.")
@click.option(
    "--state", "states", multiple=True, type=click.Choice(STATES), help="Only these; may be repeated."
)
@click.option("--user", metavar="USER", help="Only one account's: its address or id.")
@click.option(
    "--limit",
    type=click.IntRange(1, 10_000),
    metavar="N",
    default=50,
    show_default=True,
    help="At most so many.",
)
@json_option
def list_(states: tuple[str, ...], user: str | None, limit: int, as_json: bool) -> None:
    """The newest jobs: state, stage, how far, and who works on them."""
    from .. import overview

    with opened() as studio:
        owner = overview.find_user(studio, user).id if user else None
        rows = overview.jobs(studio, states=states, user_id=owner, limit=limit)
    columns = ("id", "state", "stage", "waiting", "fraction", "priority", "worker", "created_at")
    show(rows, columns, as_json=as_json, empty="No job.")


@jobs.command("show", short_help="One job, and how it went.")
@click.argument("job")
@json_option
def show_(job: str, as_json: bool) -> None:
    """One job: its place in the queue, each stage with waiting and running time, and why it failed."""
    from .. import overview

    with opened_jobs() as (studio, queues):
        found = overview.find_job(studio, job)
        row = overview.job_row(found) | {"position": queues.position(found.id)}
        events = overview.timeline(studio, found.id)
    if as_json:
        click.echo(json.dumps(row | {"timeline": events}, indent=2, ensure_ascii=False))
        return
    for name, value in row.items():
        if name != "error" and value not in (None, ""):
            click.echo(f"{name.replace('_', ' '):<14}{cell(name, value)}")
    if found.error:
        click.echo(f"failed        {found.error.get('message', {}).get('en', found.error.get('code'))}")
        click.echo(f"what to do    {found.error.get('hint', {}).get('en') or '-'}")
    for event in events:
        ran = "" if event["ran_s"] is None else f", ran {duration(event['ran_s'])}"
        waited = "waits" if event["waited_s"] is None else f"waited {duration(event['waited_s'])}"
        who = f" on {event['worker']}" if event["worker"] else ""
        click.echo(f"  {event['stage']:<10} {waited}{ran}{who}: {event['outcome'] or 'under way'}")


@click.command(short_help="Begin a failed or cancelled job again.")
@click.argument("job")
def requeue(job: str) -> None:
    """Begin a failed or cancelled job again, once its cause is gone.

    Photos, training and pictures that were finished are not made a second time.
    """
    from ..overview import find_job

    with opened_jobs() as (studio, queues):
        found = find_job(studio, job)
        queues.requeue(found.id)
    click.echo(f"{found.id} waits again.")


@click.command(short_help="End a job.")
@click.argument("job")
@yes_option
def cancel(job: str, yes: bool) -> None:
    """End a job that waits or runs; its GPU is free within a second or two. `requeue` begins it again."""
    from ..overview import find_job

    with opened_jobs() as (studio, queues):
        found = find_job(studio, job)
        ask(f"Cancel job {found.id} ({found.state}, {found.fraction:.0%})?", yes=yes)
        queues.cancel(found.id)
    click.echo(f"{found.id} is being cancelled.")


@click.command(short_help="Let a job go before others.")
@click.argument("job")
@click.argument("number", type=click.IntRange(1, 1000), metavar="1..1000")
def priority(job: str, number: int) -> None:
    """Set a job's priority: lower goes first, 100 is everybody's. What runs already is not interrupted."""
    from ..overview import find_job

    with opened_jobs() as (studio, queues):
        found = find_job(studio, job)
        queues.set_priority(found.id, number)
    click.echo(f"{found.id} has priority {number}.")
