"""The plan of a dry run, as text and as JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ._words import plural

if TYPE_CHECKING:
    from stages.recipes.profile import ProfilePlan

    from ._display import Display

SCHEMA = "sdwebui-plan/1"


def plan_json(plan: ProfilePlan) -> dict[str, Any]:
    """The plan as `--dry-run --json` prints it."""
    return {
        "schema": SCHEMA,
        "shots": [{"number": s.number, "pose": s.pose, "tone": s.tone, "rank": s.rank} for s in plan.shots],
        "generations": dict(plan.generations),
        "total_generations": plan.total_generations,
        "requests": [
            {"stage": r.stage, "shot": r.shot, "path": r.path, "payload": r.payload} for r in plan.requests
        ],
        "problems": {url: list(found) for url, found in plan.problems.items()},
    }


def show_plan(display: Display, plan: ProfilePlan) -> None:
    """Print the plan: portraits, requests, number of generations, and what is missing."""
    from rich.table import Table
    from rich.text import Text

    display.heading(plural(len(plan.shots), "portrait"))
    table = Table(show_edge=False, pad_edge=False)
    for title in ("no", "pose", "tone"):
        table.add_column(title)
    for shot in plan.shots:
        table.add_row(str(shot.number), Text(shot.pose), Text(shot.tone))
    display.console.print(table)
    display.heading("Requests (one of each kind; pictures are summarised)")
    for request in plan.requests:
        display.say(f"\n{request.stage} of {request.shot}: POST {request.path}", style="bold")
        display.say(json.dumps(request.payload, indent=2, ensure_ascii=False))
    stages = ", ".join(f"{count} {stage}" for stage, count in plan.generations.items())
    display.heading(f"{plural(plan.total_generations, 'generation')}: {stages}")
    display.say("Nothing was generated.")
    for url, problems in plan.problems.items():
        display.say(f"\n{url} lacks:", style="red")
        for problem in problems:
            display.say(f"  - {problem}")
