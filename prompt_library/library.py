"""Reading the library's data files, and those of a user that add to them or replace them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from .errors import LibraryError
from .model import Backdrop, Item, Mix, Outfit, Pose, Shelf, Snippet, Tone
from .yaml12 import Document, YamlError, parse

DATA_DIR = Path(__file__).parent / "data"
SCHEMA = "sdwebui-prompts/1"
PLACEHOLDERS = ("trigger", "subject", "outfit", "backdrop", "tone", "pose")
"""What a template may always name in braces, beside the library's snippets and negatives."""

T = TypeVar("T", bound=Item)
_KINDS: dict[str, tuple[str, type[Item]]] = {
    "snippets": ("snippet", Snippet),
    "negatives": ("negative", Snippet),
    "tones": ("tone", Tone),
    "outfits": ("outfit", Outfit),
    "backdrops": ("backdrop", Backdrop),
    "mixes": ("mix", Mix),
    "poses": ("pose", Pose),
}


@dataclass(frozen=True)
class Library:
    """Everything a prompt or a skeleton can be made of, by name.

    Attributes:
        poses: Body poses as keypoints.
        tones: Light and colour, with the numbers of the finishing grade.
        outfits: Clothes.
        backdrops: Backgrounds.
        negatives: Pieces of negative prompt for templates.
        snippets: Pieces of prompt for templates.
        mixes: LoRA mixes.
    """

    poses: Shelf[Pose]
    tones: Shelf[Tone]
    outfits: Shelf[Outfit]
    backdrops: Shelf[Backdrop]
    negatives: Shelf[Snippet]
    snippets: Shelf[Snippet]
    mixes: Shelf[Mix]

    @property
    def styles(self) -> Shelf[Mix]:
        """The LoRA mixes under their other name."""
        return self.mixes

    @property
    def placeholders(self) -> tuple[str, ...]:
        """Every name a template may use in braces."""
        return (*PLACEHOLDERS, *self.snippets, *self.negatives)


def load_library(extra_dir: Path | str | None = None) -> Library:
    """The library that comes with the package, joined by a user's own files.

    Args:
        extra_dir: Folder with files of the same names and form (`poses.yaml`, `tones.yaml` …), each optional.
            An item of the same name replaces ours.

    Raises:
        LibraryError: A file is not readable or an item is not valid; file, line and reason are named.

    Example:
        >>> load_library().tones["cool"].grade.temperature < 0
        True
    """
    return _built_in() if extra_dir is None else _build(Path(extra_dir))


@cache
def _built_in() -> Library:
    return _build(None)


def _build(extra_dir: Path | None) -> Library:
    if extra_dir is not None and not extra_dir.is_dir():
        raise LibraryError(f"{extra_dir}: no such folder")
    shelves: dict[str, Shelf[Any]] = {}
    for plural, (kind, model) in _KINDS.items():
        items: dict[str, Item] = _read_kind(DATA_DIR / f"{plural}.yaml", plural, model)
        extra = extra_dir / f"{plural}.yaml" if extra_dir is not None else None
        if extra is not None and extra.is_file():
            items |= _read_kind(extra, plural, model)
        shelves[plural] = Shelf(kind, items)
    _check_names(shelves)
    return Library(**shelves)


def _read_kind(file: Path, plural: str, model: type[T]) -> dict[str, T]:
    try:
        document = parse(file.read_bytes())
    except OSError as error:
        raise LibraryError(f"{file}: cannot be read: {error.strerror}") from error
    except YamlError as error:
        raise LibraryError(f"{file.name}: {error}") from error
    value = document.value
    if not isinstance(value, dict) or value.get("schema") != SCHEMA:
        raise LibraryError(f"{file.name}: does not begin with `schema: {SCHEMA}`")
    for key in value:
        if key not in ("schema", plural):
            raise LibraryError(
                f"{file.name}:{document.lines.get((key,))}: unknown key {key!r}; expected {plural!r}"
            )
    entries = value.get(plural)
    if not isinstance(entries, dict):
        raise LibraryError(f"{file.name}: `{plural}:` must be a map of names")
    return {
        name: _read_item(file.name, document, (plural, name), entry, model) for name, entry in entries.items()
    }


def _read_item(file: str, document: Document, path: tuple[str, str], entry: Any, model: type[T]) -> T:
    name = path[1]
    if not name.isidentifier() or name != name.lower():
        raise LibraryError(
            f"{file}:{document.lines[path]}: {name!r} is no name: small letters, digits and _ only"
        )
    try:
        if model is Pose and isinstance(entry, Mapping):
            entry = {**entry, "name": name}
        return model.model_validate(entry)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = (*path, *first["loc"])
        line = next(
            (document.lines[where[:n]] for n in range(len(where), 0, -1) if where[:n] in document.lines), 1
        )
        dotted = ".".join(str(part) for part in where)
        raise LibraryError(f"{file}:{line}: {dotted}: {first['msg']}") from error


def _check_names(shelves: Mapping[str, Shelf[Any]]) -> None:
    """Snippets and negatives share the braces with the fixed placeholders, so no name may mean two things."""
    seen = set(PLACEHOLDERS)
    for plural in ("snippets", "negatives"):
        for name in shelves[plural]:
            if name in seen:
                raise LibraryError(f"{plural}.yaml: {name!r} already means something in templates")
            seen.add(name)
