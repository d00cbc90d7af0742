"""`photos`: the photo check alone."""

from __future__ import annotations

import json

import click

from ._options import existing_dir
from ._state import make_console


@click.group(short_help="See which photos would be used, and why not.")
def photos() -> None:
    """See which photos would be used, and why not."""


@photos.command(short_help="Judge every photo of a folder.")
@click.argument("folder", metavar="DIR")
@click.option("--json", "as_json", is_flag=True, help="Print JSON to standard output.")
def check(folder: str, as_json: bool) -> None:
    """Judge every photo of a folder, as make-profile would; nothing is uploaded or written.

    Exit status 2 means: too few are good enough, or two people are mixed.
    """
    from stages.events import PhotoChecked
    from train_lora import PhotosError, load_photos

    from ._tables import photo_table
    from ._words import plural

    failure: PhotosError | None = None
    try:
        found = load_photos(existing_dir(folder, "photos check"))
    except PhotosError as error:
        if error.photos is None:
            raise
        failure, found = error, error.photos
    verdicts = found.photos
    if as_json:
        rows = [
            {"file": v.file, "accepted": v.accepted, "code": v.code, "reason": v.reason, "advice": v.advice}
            for v in verdicts
        ]
        click.echo(json.dumps(rows, indent=2, ensure_ascii=False))
    else:
        events = [
            PhotoChecked(v.file, v.accepted, v.reason, v.advice, index, len(verdicts))
            for index, v in enumerate(verdicts, start=1)
        ]
        make_console(stderr=False).print(photo_table(events))
        accepted = sum(v.accepted for v in verdicts)
        click.echo(f"{plural(accepted, 'photo')} accepted, {len(verdicts) - accepted} refused.")
    if failure is not None:
        raise failure
