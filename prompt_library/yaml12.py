"""Strict reading of YAML that people write by hand.

PyYAML follows YAML 1.1, where `no` is False, `012` is 10, `1:30` is 90 and a second `steps:` silently
replaces the first. Here scalars resolve by YAML 1.2's core schema (only true/false/null words, decimal
numbers, `1e-4` is a number), a key given twice is an error, tags and documents that blow up through aliases
are refused, and each value's line is kept so that messages can point at it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

MAX_BYTES = 256 * 1024
"""Largest file read. A hand-written preset is a few kB."""
MAX_VALUES = 5_000
"""Most values after aliases are followed: nine lines of nested aliases can mean billions."""
MAX_DEPTH = 24
"""Deepest nesting; a preset needs six."""

_TAG = "tag:yaml.org,2002:"
_BOOL = re.compile(r"true|True|TRUE|false|False|FALSE")
_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(
    r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
)
_NULL = re.compile(r"~|null|Null|NULL|")
_PLAIN_TAGS = {_TAG + kind for kind in ("str", "int", "float", "bool", "null", "map", "seq")}

Path = tuple[str | int, ...]


class YamlError(ValueError):
    """The text is no acceptable YAML.

    Attributes:
        reason: What is wrong, as a sentence.
        line: Line, counted from 1; None for the file as a whole.
        excerpt: That line's text.
        hint: What to do, when the reason does not say it.
        path: Where in the document, when known.
    """

    def __init__(
        self, reason: str, *, line: int | None = None, excerpt: str = "", hint: str = "", path: Path = ()
    ) -> None:
        self.reason, self.line, self.excerpt, self.hint, self.path = reason, line, excerpt, hint, path
        where = f"line {line}: " if line is not None else ""
        super().__init__(where + reason + (f" ({hint})" if hint else ""))


@dataclass(frozen=True)
class Document:
    """A parsed document.

    Attributes:
        value: Plain dicts, lists, str, int, float, bool, None.
        lines: Line of each value (of its key, where it has one), counted from 1, by path.
        text: The source's lines, for excerpts.
    """

    value: Any
    lines: dict[Path, int] = field(default_factory=dict)
    text: tuple[str, ...] = ()

    def excerpt(self, line: int | None) -> str:
        """The text of a line, or "" where there is none."""
        return self.text[line - 1].rstrip() if line is not None and 0 < line <= len(self.text) else ""


class _Core12Loader(yaml.SafeLoader):
    """PyYAML's parser with YAML 1.2's idea of what a plain scalar is."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - PyYAML asks so


for _kind, _pattern in (("bool", _BOOL), ("int", _INT), ("float", _FLOAT), ("null", _NULL)):
    _Core12Loader.add_implicit_resolver(_TAG + _kind, re.compile(rf"(?:{_pattern.pattern})\Z"), None)


def decode(data: bytes) -> str:
    """UTF-8 text of a file, a byte order mark removed.

    Raises:
        YamlError: It is too large or not UTF-8.
    """
    if len(data) > MAX_BYTES:
        raise YamlError(f"the file has {len(data):,} bytes; at most {MAX_BYTES:,} are read")
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise YamlError("the file is UTF-16, not UTF-8", hint="save it again as UTF-8")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise YamlError(
            f"byte 0x{data[error.start]:02x} is not UTF-8", line=line, hint="save the file again as UTF-8"
        ) from None


def parse(data: bytes | str) -> Document:
    """Parse one YAML document strictly.

    Args:
        data: The file's bytes, or text.

    Returns:
        The document; its value is None when there is nothing in it.

    Raises:
        YamlError: The text is not UTF-8, not YAML, too large, or uses what is refused here.
    """
    text = decode(data if isinstance(data, bytes) else data.encode("utf-8", "surrogatepass"))
    lines = tuple(text.splitlines())
    loader = None
    try:
        _check_depth(text, lines)
        loader = _Core12Loader(text)
        node = loader.get_single_node()
    except yaml.YAMLError as error:
        raise _explain(error, lines) from None
    finally:
        if loader is not None:
            loader.dispose()
    if node is None:
        return Document(None, {}, lines)
    builder = _Builder(lines)
    return Document(builder.build(node, ()), builder.marks, lines)


def _check_depth(text: str, lines: tuple[str, ...]) -> None:
    """Refuse deep nesting before PyYAML recurses into it."""
    depth = 0
    for event in _events(text):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MAX_DEPTH:
                line = event.start_mark.line + 1 if event.start_mark else 1
                raise YamlError(
                    f"nested deeper than {MAX_DEPTH} levels", line=line, excerpt=_line(lines, line)
                )
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _events(text: str) -> Iterator[yaml.Event]:
    yield from yaml.parse(text, Loader=_Core12Loader)


def _line(lines: tuple[str, ...], number: int) -> str:
    return lines[number - 1].rstrip() if 0 < number <= len(lines) else ""


@dataclass
class _Builder:
    """Turns PyYAML's nodes into plain values, counting and marking."""

    source: tuple[str, ...]
    marks: dict[Path, int] = field(default_factory=dict)
    count: int = 0

    def build(self, node: yaml.Node, path: Path) -> Any:
        line = node.start_mark.line + 1
        self.marks.setdefault(path, line)
        self.count += 1
        if self.count > MAX_VALUES:
            raise self._error(f"more than {MAX_VALUES:,} values once its aliases are followed", line, path)
        if len(path) > MAX_DEPTH:
            raise self._error("an alias contains itself or nests too deep", line, path)
        if node.tag not in _PLAIN_TAGS:
            raise self._error(
                f"the tag {node.tag!r} is not allowed", line, path, hint="write plain values only"
            )
        if isinstance(node, yaml.MappingNode):
            return self._map(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.build(item, (*path, index)) for index, item in enumerate(node.value)]
        return self._scalar(node, path)

    def _map(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        result: dict[str, Any] = {}
        first_line: dict[str, int] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if key_node.tag != _TAG + "str":
                raise self._error(
                    f"the key {getattr(key_node, 'value', '?')!r} is not text", line, path, hint="quote it"
                )
            key = str(key_node.value)
            if key in result:
                raise self._error(
                    f"the key {key!r} is given twice (first in line {first_line[key]})", line, (*path, key)
                )
            first_line[key] = line
            self.marks[(*path, key)] = line
            result[key] = self.build(value_node, (*path, key))
        return result

    def _scalar(self, node: yaml.Node, path: Path) -> Any:
        kind, value = node.tag.removeprefix(_TAG), str(node.value)
        line = node.start_mark.line + 1
        if any("\ud800" <= char <= "\udfff" for char in value):
            raise self._error("half a surrogate pair is no character", line, path, hint="write the character")
        try:
            return _scalar_value(kind, value)
        except ValueError:
            raise self._error(f"{value[:40]!r} is not a value of type {kind}", line, path) from None

    def _error(self, reason: str, line: int, path: Path, *, hint: str = "") -> YamlError:
        return YamlError(reason, line=line, excerpt=_line(self.source, line), hint=hint, path=path)


def _scalar_value(kind: str, value: str) -> Any:
    if kind == "null":
        return None
    if kind == "bool":
        if not _BOOL.fullmatch(value):
            raise ValueError(value)
        return value.lower() == "true"
    if kind == "int":
        # Base 0 would refuse 012, which YAML 1.2 reads as twelve.
        base = {"0o": 8, "0x": 16}.get(value[:2], 10)
        return int(value, base)
    if kind == "float":
        return float(value.replace(".inf", "inf").replace(".nan", "nan") if "n" in value.lower() else value)
    return value


def _explain(error: yaml.YAMLError, lines: tuple[str, ...]) -> YamlError:
    """PyYAML's error in the words of somebody editing a file."""
    mark = getattr(error, "problem_mark", None)
    line = mark.line + 1 if mark is not None else None
    excerpt = _line(lines, line) if line is not None else ""
    problem = str(getattr(error, "problem", None) or getattr(error, "reason", None) or error)
    hint = ""
    if "\\t" in problem or "\t" in excerpt[: len(excerpt) - len(excerpt.lstrip())]:
        problem, hint = "a tab where YAML wants spaces", "indent with spaces"
    elif "single document" in problem or "but found another document" in problem:
        problem, hint = "more than one document", "one file holds one document; remove the `---`"
    elif "mapping values are not allowed" in problem:
        hint = "quote text that contains a colon, and check the indentation"
    elif "special characters are not allowed" in problem:
        problem = "a control character"
    return YamlError(f"not YAML: {problem}", line=line, excerpt=excerpt, hint=hint)
