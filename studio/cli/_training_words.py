"""What a training says beside its bars."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._words import duration, plural

if TYPE_CHECKING:
    from rich.table import Table

    from stages import events as ev


CHECKING = (
    "Every checkpoint draws the same few pictures. Likeness is 0 to 1; the score also counts against a "
    "checkpoint that its pictures are all alike, or repeat a training photo."
)


def planned_line(event: ev.TrainingPlanned) -> str:
    """What is about to be trained, and how long that takes."""
    line = f"{plural(event.steps, 'step')} on {plural(event.photos, 'photo')}"
    if event.held_out:
        are = "is" if event.held_out == 1 else "are"
        line += f"; {plural(event.held_out, 'photo')} {are} kept out of it, to judge by"
    return f"{line}. Likely to take {event.minutes}" if event.minutes else f"{line}."


def judged_line(event: ev.CheckpointJudged, left: str = "") -> str:
    """One trial of a checkpoint."""
    return (
        f"  [{event.index}/{event.total}] step {event.step} at weight {event.weight:g}: "
        f"likeness {event.likeness:.2f}, score {event.score:.2f}" + (f"; {left}" if left else "")
    )


def trained_lines(record: dict[str, Any], seconds: float, *, cached: bool, said: bool = False) -> list[str]:
    """The end of a training: the LoRA and how to use it.

    Args:
        record: What training.json holds.
        seconds: How long this run took.
        cached: Whether it was trained by an earlier run.
        said: Whether the choice was told already.
    """
    lora, name = record["lora"], record["name"]
    weight = lora.get("weight") or 0.8
    how = "was trained before; nothing was trained again" if cached else f"is ready after {duration(seconds)}"
    lines = [f"LoRA {name} {how}."]
    choice = record.get("choice")
    if choice and not said:
        lines.append(f"Chosen: {choice['why']}")
    if record["published"]:
        lines.append(f"In a prompt: {record['trigger']} <lora:{name}:{weight:g}>")
        if not record["sandbox"]:  # the sandbox, and what was published in it, ends with the run
            lines.append(f"For portraits: make-profile --user PHOTOS --lora {name}")
    else:
        lines.append("It is in no WebUI yet: run the same command again with a WebUI to publish it.")
    return lines


def plan_table(rows: list[tuple[str, str]]) -> Table:
    """Two columns: what, and what was found."""
    from rich.table import Table

    table = Table(show_edge=False, pad_edge=False, show_header=False)
    table.add_column("", no_wrap=True)
    table.add_column("", overflow="fold")
    for what, found in rows:
        table.add_row(what, found)
    return table
