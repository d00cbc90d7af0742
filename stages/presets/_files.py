"""Finding preset files, following `extends:` and merging; the origin of every value is kept for messages."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from prompt_library import near_matches
from prompt_library.yaml12 import Document, YamlError, parse

from .errors import PresetError, PresetProblem

BUILT_IN_DIR = Path(__file__).resolve().parents[2] / "presets"
"""The presets that come with the project; in a wheel they lie beside the packages as well."""
SUFFIXES = (".yaml", ".yml")


@dataclass(frozen=True)
class Kind:
    """One kind of preset file."""

    schema: str
    """What its `schema:` says."""
    noun: str
    """What messages call it."""
    folder: Path
    """Where those that come with the project lie."""


PROFILE = Kind("sdwebui-preset/1", "preset", BUILT_IN_DIR)
TRAINING = Kind("sdwebui-training/1", "training preset", BUILT_IN_DIR / "training")

MAX_PARENTS = 8
_STEM = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")

KeyPath = tuple[str | int, ...]


@dataclass(frozen=True)
class Origin:
    """Where a value was written."""

    source: str
    line: int | None = None
    excerpt: str = ""


@dataclass
class Tree:
    """Merged values and where each comes from."""

    values: dict[str, Any]
    origins: dict[KeyPath, Origin] = field(default_factory=dict)
    kind: Kind = PROFILE

    def origin(self, path: KeyPath) -> Origin | None:
        """Origin of a value, or of the closest thing around it."""
        for end in range(len(path), -1, -1):
            if path[:end] in self.origins:
                return self.origins[path[:end]]
        return None

    def put(self, path: KeyPath, value: Any, origin: Origin) -> None:
        """Set a value, maps on the way made where there are none; what it replaces is forgotten."""
        target = self.values
        for index, key in enumerate(path[:-1]):
            inner = target.get(str(key))
            if not isinstance(inner, dict):
                inner = {}
                target[str(key)] = inner
                self.origins[path[: index + 1]] = origin
            target = inner
        target[str(path[-1])] = value
        self.forget(path)
        self.origins[path] = origin

    def forget(self, path: KeyPath) -> None:
        """Drop the origins of a value and of everything in it."""
        for known in [known for known in self.origins if known[: len(path)] == path]:
            del self.origins[known]


def built_in_names(kind: Kind = PROFILE, *, parents: bool = False) -> list[str]:
    """Stems of the built-in presets. Those that begin with `_` are only parents and listed on request."""
    stems = sorted(file.stem for file in kind.folder.iterdir() if file.suffix in SUFFIXES)
    return [stem for stem in stems if parents or not stem.startswith("_")]


def find_preset(name_or_path: str | Path, kind: Kind = PROFILE) -> Path:
    """The file a user means: a path to a YAML file, or the name of a built-in preset.

    Raises:
        PresetError: There is no such file or preset.
    """
    text = str(name_or_path)
    if text.endswith(SUFFIXES) or "/" in text or "\\" in text or isinstance(name_or_path, Path):
        file = Path(text).expanduser()
        if file.is_file():
            return file
        what = f"is a folder, not a {kind.noun} file" if file.is_dir() else f"no such {kind.noun} file"
        raise PresetError(PresetProblem("", what, source=text))
    if not _STEM.fullmatch(text):
        raise PresetError(
            PresetProblem("", f"{text!r} is neither a {kind.noun}'s name nor a path to a YAML file")
        )
    found = _in_folder(kind.folder, text)
    if found is None:
        raise PresetError(_no_such_name(text, kind))
    return found


def _no_such_name(text: str, kind: Kind) -> PresetProblem:
    names = built_in_names(kind)
    hint = f"there are {', '.join(names)}; or give a path to a .yaml file"
    if kind is PROFILE and text in built_in_names(TRAINING):
        hint = f"{text} is a training preset: use it with --set train.preset={text}"
    if kind is TRAINING and text in built_in_names(PROFILE):
        hint = f"{text} is a preset for pictures; for the training there are {', '.join(names)}"
    near = near_matches(text, names)
    return PresetProblem("", f"no {kind.noun} is called {text!r}", near=near, hint=hint)


def read_tree(file: Path, kind: Kind = PROFILE) -> Tree:
    """A preset file merged over its parents.

    Raises:
        PresetError: A file cannot be read or parsed, or the chain of `extends:` is broken.
    """
    chain: list[tuple[Path, Document]] = []
    while True:
        document = _read(file, kind)
        chain.append((file, document))
        parent = document.value.get("extends")
        if parent is None:
            break
        file = _parent_file(file, document, parent, kind)
        _check_chain([seen for seen, _ in chain], file, chain[-1])
    tree = Tree({}, kind=kind)
    for seen, document in reversed(chain):
        values = {key: value for key, value in document.value.items() if key != "extends"}
        _merge(tree, values, (), seen.name, document)
    return tree


def _read(file: Path, kind: Kind) -> Document:
    try:
        document = parse(file.read_bytes())
    except OSError as error:
        raise PresetError(PresetProblem("", f"cannot be read: {error.strerror}", source=str(file))) from error
    except YamlError as error:
        path = ".".join(str(part) for part in error.path)
        raise PresetError(
            PresetProblem(
                path, error.reason, hint=error.hint, source=file.name, line=error.line, excerpt=error.excerpt
            )
        ) from error
    if document.value is None:
        raise PresetError(PresetProblem("", "the file is empty", source=file.name))
    if not isinstance(document.value, dict):
        what = "a list" if isinstance(document.value, list) else "a single value"
        hint = f"it begins with `schema: {kind.schema}`"
        raise PresetError(
            PresetProblem("", f"a {kind.noun} is a map of keys; this is {what}", hint=hint, source=file.name)
        )
    return document


def _parent_file(child: Path, document: Document, parent: object, kind: Kind) -> Path:
    """The parent's file: beside the child, or built in."""
    line = document.lines.get(("extends",))
    place = {"source": child.name, "line": line, "excerpt": document.excerpt(line)}
    if not isinstance(parent, str):
        what = "a list of parents" if isinstance(parent, list) else repr(parent)
        raise PresetError(
            PresetProblem("extends", f"names one parent by its file's stem, not {what}", **place)  # type: ignore[arg-type]
        )
    if not _STEM.fullmatch(parent) or ".." in parent:
        reason = f"{parent!r} is a path; name a file's stem, beside this file or built in"
        raise PresetError(PresetProblem("extends", reason, **place))  # type: ignore[arg-type]
    stem = parent.removesuffix(".yaml").removesuffix(".yml")
    beside = _in_folder(child.parent, stem)
    # A user's own studio-sd15.yaml may extend ours of the same name.
    if beside is not None and (beside.resolve() != child.resolve() or child.parent.resolve() == kind.folder):
        return beside
    # Without one of ours it extends itself, which the check of the chain reports.
    built_in = _in_folder(kind.folder, stem) or beside
    if built_in is None:
        own = [file.stem for file in child.parent.iterdir() if file.suffix in SUFFIXES and file != child]
        near = near_matches(stem, [*built_in_names(kind, parents=True), *own])
        raise PresetError(PresetProblem("extends", f"there is no preset {stem!r}", near=near, **place))  # type: ignore[arg-type]
    return built_in


def _in_folder(folder: Path, stem: str) -> Path | None:
    return next((file for suffix in SUFFIXES if (file := folder / f"{stem}{suffix}").is_file()), None)


def _check_chain(seen: list[Path], parent: Path, child: tuple[Path, Document]) -> None:
    file, document = child
    resolved = [path.resolve() for path in seen]
    line = document.lines.get(("extends",))
    excerpt = document.excerpt(line)
    if parent.resolve() in resolved:
        names = [path.stem for path in seen[resolved.index(parent.resolve()) :]]
        reason = f"goes round in a circle: {' -> '.join([*names, parent.stem])}"
        raise PresetError(PresetProblem("extends", reason, source=file.name, line=line, excerpt=excerpt))
    if len(seen) >= MAX_PARENTS:
        reason = f"more than {MAX_PARENTS} generations"
        raise PresetError(PresetProblem("extends", reason, source=file.name, line=line, excerpt=excerpt))


def _merge(tree: Tree, values: dict[str, Any], at: KeyPath, source: str, document: Document) -> None:
    """Lay `values` over the tree: maps merge, everything else replaces."""
    target: Any = tree.values
    for key in at:
        target = target[key]
    for key, value in values.items():
        path = (*at, key)
        if isinstance(value, dict) and isinstance(target.get(key), dict):
            _merge(tree, value, path, source, document)
            continue
        tree.forget(path)
        target[key] = value
        _mark(tree, value, path, source, document)


def _mark(tree: Tree, value: Any, path: KeyPath, source: str, document: Document) -> None:
    line = document.lines.get(path)
    tree.origins[path] = Origin(source, line, document.excerpt(line))
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inner:
        _mark(tree, item, (*path, key), source, document)
