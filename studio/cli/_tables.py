"""What a run says as tables: its photos, its portraits, and what is missing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.table import Table

    from stages import events as ev


def missing_lines(run: dict[str, Any]) -> list[str]:
    """What was wanted and not delivered, how near it came, and what to do; empty when all is there."""
    missing = run.get("unfilled", [])
    if not missing:
        return []
    delivered = len(run.get("portraits", []))
    wanted = ", ".join(f"{slot['pose']} {slot['tone']}" for slot in missing)
    asked, rejected = run.get("min_likeness", 0.0), run.get("rejected", [])
    tried = {slot["pose"] for slot in missing}
    best = max((shot["likeness"] or 0.0 for shot in rejected if shot["pose"] in tried), default=0.0)
    return [
        f"{delivered} of {delivered + len(missing)}: nothing good enough for {wanted}"
        f" (best likeness {best:.2f}, asked {asked:.2f}).",
        "Draw more of each pose (--set shots=6), ask for less (--set min_likeness=0.6), or add photos.",
    ]


def photo_table(photos: list[ev.PhotoChecked]) -> Table:
    """One row a photo: accepted or refused, and why."""
    from rich.markup import escape
    from rich.table import Table

    table = Table(show_edge=False, pad_edge=False)
    table.add_column("photo", overflow="fold")
    table.add_column("verdict")
    table.add_column("why", overflow="fold", ratio=1)
    for photo in photos:
        verdict = "[green]accepted[/]" if photo.accepted else "[red]refused[/]"
        why = " ".join(part for part in (photo.reason, "" if photo.accepted else photo.advice) if part)
        table.add_row(escape(photo.file), verdict, escape(why))
    return table


def portrait_table(portraits: list[dict[str, Any]]) -> Table:
    """One row a portrait, from run.json."""
    from rich.table import Table
    from rich.text import Text

    table = Table(show_edge=False, pad_edge=False)
    for title in ("portrait", "pose", "tone", "size", "likeness"):
        table.add_column(title, justify="right" if title == "likeness" else "left", overflow="fold")
    for portrait in portraits:
        likeness = portrait.get("likeness")
        score = likeness.get("score") if isinstance(likeness, dict) else likeness
        shown = "-" if score is None else f"{score:.2f}"
        cells = (
            portrait["file"].removeprefix("portraits/"),
            portrait["pose"],
            portrait["tone"],
            f"{portrait['width']}x{portrait['height']}",
            shown,
        )
        table.add_row(*(Text(str(cell)) for cell in cells))
    return table
