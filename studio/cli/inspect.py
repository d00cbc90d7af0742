"""`inspect`: what a picture says of how it came about."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import BadInput
from ..settings import existing_file

if TYPE_CHECKING:
    from stages.marks import Inspection

HELP = """Say how a picture came about, as far as the file tells.

Shows the digital source type of the metadata (IPTC), the C2PA manifest and whether it still holds, whether a
visible mark was drawn, whether a WebUI's parameters are in the file, and whether the sandbox drew it. Nothing
is sent anywhere, and a mark that is not there proves nothing: metadata are easily lost.

\b
Examples:
  inspect output/photos/portraits/01-front-cool.png
  inspect *.jpg --json
  inspect portrait.png --trust authority.pem

Exit status: 0 read, 2 a file cannot be read or is no PNG, JPEG or WebP.
"""

_STATES = {
    "absent": "none",
    "trusted": "holds, signed by an authority you trust",
    "untrusted": "holds; the authority of the signer is not one you named with --trust",
    "invalid": "BROKEN: the picture or the manifest was changed after it was signed",
    "unreadable": "BROKEN: there is one that cannot be read",
    "not-checked": 'there is one; `pip install -e ".[c2pa]"` to check it',
}


@click.command(help=HELP, short_help="Say how a picture came about: marks, signature.")
@click.argument("files", nargs=-1, required=True, metavar="FILE…")
@click.option("--trust", metavar="FILE", help="Authorities to trust for C2PA: a PEM file of certificates.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list to standard output.")
def inspect(files: tuple[str, ...], trust: str | None, as_json: bool) -> None:
    """Read each file, then tell."""
    anchors = existing_file(trust, "--trust") if trust else None
    found = [_read(existing_file(name, "FILE"), anchors) for name in files]
    if as_json:
        click.echo(json.dumps([entry.to_json() for entry in found], indent=2, ensure_ascii=False))
        return
    for entry in found:
        click.echo("\n".join(lines(entry)))


def _read(path: Path, trust: Path | None) -> Inspection:
    from stages.marks import MarkError, inspect_file

    try:
        return inspect_file(path, trust=trust)
    except MarkError as error:
        raise BadInput(error.message, hint=error.hint) from error


def lines(entry: Inspection) -> list[str]:
    """One picture for a person to read."""
    signed = entry.c2pa
    rows = [
        ("generated", "yes" if entry.generated else "the file does not say so"),
        ("source type", _last(entry.source_type) or "none"),
        ("description", entry.description or "none"),
        ("C2PA", _STATES.get(signed.state, signed.state)),
    ]
    if signed.signer or signed.issuer:
        rows.append(("signed by", ", ".join(part for part in (signed.signer, signed.issuer) if part)))
    if signed.source_type:
        rows.append(("it says", _last(signed.source_type)))
    if signed.problems:
        rows.append(("problems", ", ".join(signed.problems)))
    rows += [
        ("visible mark", f"drawn, language {entry.visible_mark}" if entry.visible_mark else "none"),
        ("parameters", "a WebUI's are in the file" if entry.infotext else "none"),
        ("drawn by", "the sandbox, a stand-in for a WebUI" if entry.sandbox else "not the sandbox"),
    ]
    head = f"{entry.file}  ({entry.format}, {entry.width} x {entry.height})"
    return [head, *(f"  {name:<13} {_plain(text)}" for name, text in rows)]


def _last(address: str | None) -> str:
    return (address or "").rstrip("/").rsplit("/", 1)[-1]


def _plain(text: str) -> str:
    """What stands in a file must not steer the terminal."""
    return "".join(letter if letter.isprintable() else " " for letter in text)[:300]
