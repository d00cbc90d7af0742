"""What a run says: photos, training, shots, and at the end each portrait with its likeness."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from stages import events as ev

from ._bars import TRIAL, Bars, make_bars
from ._tables import missing_lines, photo_table, portrait_table
from ._training_words import CHECKING, judged_line, plan_table, planned_line, trained_lines
from ._words import duration, plural, time_left

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

    from sdwebui_client import Progress
    from stages.recipes.train import TrainingPlan

SANDBOX_TEXT = (
    "No WebUI paints here: the built-in sandbox stands in for one. It speaks the same language and shows "
    "every step, but it puts its pictures together from your photos instead of painting them, marks each "
    "SANDBOX, and its LoRA is a stand-in.\n\n"
    "For real portraits: --webui http://HOST:7860 (a WebUI started with --api)."
)


class Display:
    """Listens to a run and prints it. Use as a context manager, so that the terminal is left clean."""

    def __init__(self, console: Console, *, explain: bool = False) -> None:
        self.console = console
        self._bars: Bars = make_bars(console)
        self._explain = explain
        self._photos: list[ev.PhotoChecked] = []
        self._left_out: list[ev.ServerChecked] = []
        self._cached = 0
        self._part = ""
        self._chosen = False
        self._time_left_s: float | None = None
        self.worked = False
        """Whether a stage was finished that a later run will not have to do again."""
        self._handlers: dict[type[ev.Event], Callable[[Any], None]] = {
            ev.Note: self._note,
            ev.ServerChecked: self._server,
            ev.PhotosProgress: self._photos_begin,
            ev.PhotoChecked: self._photos.append,
            ev.PhotosDone: self._photos_done,
            ev.TrainingProgress: self._training,
            ev.TrainingPlanned: self._planned,
            ev.CheckpointJudged: self._judged,
            ev.LoraChosen: self._choice,
            ev.LoraPublished: self._published,
            ev.LoraVerified: self._verified,
            ev.LoraReady: self._lora,
            ev.PlanReady: self._plan,
            ev.PlanGrown: self._grown,
            ev.StageStarted: self._started,
            ev.StageProgress: self._bars.moved,
            ev.StageDone: self._done,
            ev.ShotScored: self._scored,
            ev.ShotRejected: self._rejected,
            ev.Delivered: lambda _: None,  # the table at the end names them all
            ev.Overall: self._overall,
        }

    def __enter__(self) -> Display:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Take the bars away; what is printed from here on stays."""
        self._bars.close()

    def __call__(self, event: ev.Event) -> None:
        """Show one event; a kind that is not known here is not shown."""
        handler = self._handlers.get(type(event))
        if handler is not None:
            handler(event)

    def progress(self, stage: str, progress: Progress) -> None:
        """Show how far a stage is that belongs to no run."""
        self._bars.moved(ev.StageProgress("picture", stage, progress))

    def say(self, text: str, *, style: str = "") -> None:
        """Print a line as it is, in one piece however long."""
        self.console.print(text, style=style or None, markup=False, soft_wrap=True)

    def heading(self, text: str) -> None:
        """Print the name of the part that begins."""
        self.say(f"\n{text}", style="bold")

    def _begin(self, part: str, explained: str = "") -> None:
        """The heading of a part of the run, once."""
        if part != self._part:
            self._part = part
            self.heading(part)
            if explained:
                self.say(explained)

    def sandbox_panel(self, url: str, *, asked: bool) -> None:
        """Say loudly that nothing of this is real."""
        from rich.panel import Panel
        from rich.text import Text

        why = "as asked" if asked else "no WebUI was found at 127.0.0.1:7860 and none was named"
        title = f"[bold]SANDBOX[/] ({why})"
        self.console.print(
            Panel(
                Text(f"{SANDBOX_TEXT}\nIt listens at {url} for this run."), title=title, border_style="yellow"
            )
        )

    def show_photos(self) -> None:
        """Print the table of photos."""
        if self._photos:
            self.heading("Photos")
            self.console.print(photo_table(self._photos))

    def _note(self, event: ev.Note) -> None:
        self.say(event.text, style="yellow")

    def _server(self, event: ev.ServerChecked) -> None:
        if event.able:
            what = "the sandbox" if event.sandbox else f"{event.flavour} {event.version}".strip()
            self.say(f"{event.url}: {what}")
        else:
            # If no other server is able either, the error that follows lists the same.
            self._left_out.append(event)

    def _photos_begin(self, event: ev.PhotosProgress) -> None:
        for server in self._left_out:
            self.say(f"{server.url} is left out:", style="yellow")
            for problem in server.problems:
                self.say(f"  - {problem}", style="yellow")
        self._left_out.clear()
        self._bars.photos(event)

    def _photos_done(self, event: ev.PhotosDone) -> None:
        self.show_photos()
        self.say(f"{plural(event.accepted, 'photo')} accepted, {event.rejected} refused.")

    def _planned(self, event: ev.TrainingPlanned) -> None:
        self._begin("Training")
        self.say(planned_line(event))

    def _training(self, event: ev.TrainingProgress) -> None:
        self._begin("Training")
        self._bars.training(event)
        self.worked = self.worked or event.fraction >= 1.0

    def _judged(self, event: ev.CheckpointJudged) -> None:
        self._begin("Checking likeness", CHECKING)
        self.say(judged_line(event, time_left(self._time_left_s) if event.index < event.total else ""))

    def _choice(self, event: ev.LoraChosen) -> None:
        self._chosen = True
        self.say(f"Chosen: {event.why}")

    def _published(self, event: ev.LoraPublished) -> None:
        self._begin("Publishing")
        how = "published" if event.copied else "already published"
        self.say(f"LoRA {event.name} {how} in {event.place}; {event.server} lists it.")

    def _verified(self, event: ev.LoraVerified) -> None:
        self.say(f"Verified in the WebUI {event.server}: {event.evidence}.")

    def _lora(self, event: ev.LoraReady) -> None:
        if self._part == "Publishing":
            return  # where it went was just said
        how = "was there already" if event.cached else "is ready"
        self.say(
            f"LoRA {event.name} {how} (trainer: {event.trainer}" + (", a stand-in)" if event.sandbox else ")")
        )

    def _overall(self, event: ev.Overall) -> None:
        self._time_left_s = event.time_left_s
        self._bars.overall(event)

    def _plan(self, event: ev.PlanReady) -> None:
        stages = ", ".join(f"{count} {stage}" for stage, count in event.generations.items())
        self.heading(
            f"{plural(event.portraits, 'portrait')} from {plural(event.total_generations, 'generation')}"
        )
        if stages:
            self.say(stages)

    def _grown(self, event: ev.PlanGrown) -> None:
        self.say(f"{event.reason}: now {event.total_generations} generations", style="yellow")

    def _started(self, event: ev.StageStarted) -> None:
        if event.stage == TRIAL:
            self._begin("Checking likeness", CHECKING)
        self._bars.started(event)
        if self._explain:
            self.say(f"  {event.shot}: {event.stage} runs: {event.why}", style="dim")

    def _done(self, event: ev.StageDone) -> None:
        self._bars.done(event)
        self._cached += event.cached
        self.worked = self.worked or not event.cached
        if self._explain and event.cached:
            self.say(f"  {event.shot}: {event.stage} kept: {event.why}", style="dim")

    def _scored(self, event: ev.ShotScored) -> None:
        raw = "no face found" if event.distance is None else f"distance {event.distance:.3f}"
        self.say(f"  {event.shot}: likeness {event.likeness:.2f} ({raw}; {event.stage})")

    def _rejected(self, event: ev.ShotRejected) -> None:
        self.say(f"  {event.shot}: not used: {event.reason}", style="dim")

    def trained(self, record: dict[str, Any], out_dir: Path, seconds: float, *, cached: bool) -> None:
        """Name the LoRA, how to use it, and the files."""
        self._bars.close()
        first, *rest = trained_lines(record, seconds, cached=cached, said=self._chosen)
        self.heading(first)
        for line in rest:
            self.say(line)
        if record["sandbox"]:
            self.say(
                "Made by the SANDBOX: a stand-in that carries your best photo, not a trained LoRA.",
                style="yellow",
            )
        self._files(
            out_dir,
            (f"{record['name']}.safetensors", "the LoRA"),
            ("training-report.html", "photos, loss, likeness of every checkpoint: open it in a browser"),
            ("training.json", "what was done, for programs"),
        )

    def training_plan(self, plan: TrainingPlan) -> None:
        """Say what would be trained, how long it takes and what is missing."""
        self._bars.close()
        self.heading("Plan")
        self.console.print(plan_table(list(plan.rows)))
        for problem in plan.problems:
            self.say(f"  - {problem}", style="red")
        if not plan.problems:
            self.say("Everything is there. Leave --dry-run out to begin.")

    def _files(self, out_dir: Path, *names: tuple[str, str]) -> None:
        self.say(f"\n{out_dir}/", style="bold")
        width = max(len(name) for name, _ in names) + 2
        for name, what in names:
            if (out_dir / name).exists():
                self.say(f"  {name:<{width}} {what}")

    def summary(self, run: dict[str, Any], out_dir: Path, seconds: float) -> None:
        """Name the folder and, for each portrait, its likeness."""
        self._bars.close()
        portraits = run.get("portraits", [])
        if portraits:
            self.heading(f"{plural(len(portraits), 'portrait')} in {duration(seconds)}")
            self.console.print(portrait_table(portraits))
        for line in missing_lines(run):
            self.say(line, style="yellow")
        if self._cached:
            self.say(f"{plural(self._cached, 'stage')} kept from before.")
        if run.get("webui", {}).get("sandbox"):
            self.say(
                "Made by the SANDBOX: pictures that show the way, not portraits a model painted.",
                style="yellow",
            )
        self._files(
            out_dir,
            ("portraits/", "the pictures"),
            ("report.html", "every stage beside the photos: open it in a browser"),
            ("contact-sheet.jpg", "all portraits on one page"),
            ("training-report.html", "how the LoRA was trained and chosen"),
            ("run.json", "what was done, for programs"),
        )
