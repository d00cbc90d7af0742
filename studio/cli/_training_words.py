"""What a training says beside its bars."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._words import duration, plural

if TYPE_CHECKING:
    from rich.table import Table

    from stages import events as ev


def planned_line(event: ev.TrainingPlanned) -> str:
    """What is about to be trained, and how long that takes."""
    judged = (
        f"; {plural(event.held_out, 'photo')} kept out of it to judge the checkpoints by"
        if event.held_out
        else ""
    )
    line = f"Training {event.steps} steps on {plural(event.photos, 'photo')}{judged}."
    return f"{line} {event.minutes}".strip()


def judged_line(event: ev.CheckpointJudged) -> str:
    """One trial of a checkpoint."""
    return (
        f"  [{event.index}/{event.total}] step {event.step} at weight {event.weight:g}: "
        f"likeness {event.likeness:.2f}, score {event.score:.2f}"
    )


def trained_lines(record: dict[str, Any], seconds: float, *, cached: bool) -> list[str]:
    """The end of a training: the LoRA, how to use it, the files."""
    lora, name = record["lora"], record["name"]
    weight = lora.get("weight") or 0.8
    how = "was trained before" if cached else f"is ready after {duration(seconds)}"
    lines = [f"LoRA {name} {how}."]
    choice = record.get("choice")
    if choice:
        lines.append(f"Chosen: {choice['why']}")
    if record["published"]:
        lines.append(f"In a prompt: {record['trigger']} <lora:{name}:{weight:g}>")
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
