"""A note of what lies on a server for a while: the next run can remove what a killed one left there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ._files import write_atomically
from .errors import PublishError
from .recipe import NAME

_SCHEMA = "sdwebui-trials/1"


class Ledger:
    """A small file: name, SHA-256 and place of each LoRA that is published for a while; gone when there is
    none."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> dict[str, str]:
        """SHA-256 by name.

        Raises:
            PublishError: It cannot be read, or is another file.
        """
        return {str(name): str(sha256) for name, sha256 in self._record()["loras"].items()}

    def places(self) -> dict[str, str]:
        """Models folder by name, a path or an address; without names that have none on record.

        Raises:
            PublishError: As `read`.
        """
        places = self._record().get("places")
        return {str(n): str(place) for n, place in places.items()} if isinstance(places, dict) else {}

    def add(self, name: str, sha256: str, *, place: str | None = None) -> None:
        """Write a name down; on disk when this returns."""
        places = self.places() | ({name: place} if place is not None else {})
        self._write(self.read() | {name: sha256}, places)

    def remove(self, name: str) -> None:
        """Strike a name out."""
        entries, places = self.read(), self.places()
        entries.pop(name, None)
        places.pop(name, None)
        if entries:
            self._write(entries, places)
        else:
            self.discard()

    def _record(self) -> dict[str, Any]:
        try:
            record = json.loads(self._path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {"loras": {}}
        except (OSError, ValueError) as error:
            raise PublishError(
                f"{self._path} cannot be read ({error}): it names LoRAs that are to be removed from a WebUI.",
                "Remove those that begin with tmp- there, then delete the file.",
            ) from error
        if (
            isinstance(record, dict)
            and record.get("schema") == _SCHEMA
            and isinstance(record.get("loras"), dict)
            and all(NAME.fullmatch(name) for name in record["loras"])  # files are removed by these
        ):
            return record
        raise PublishError(f"{self._path} is of another version, or another file.", "Delete it.")

    def discard(self) -> None:
        """Remove the file."""
        self._path.unlink(missing_ok=True)

    def _write(self, entries: dict[str, str], places: dict[str, str]) -> None:
        data = {"schema": _SCHEMA, "loras": entries, "places": places}
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(self._path, json.dumps(data, indent=2).encode(), mode=0o600)
        except OSError as error:
            raise PublishError(
                f"{self._path} cannot be written: {error.strerror}.", "Check the disk and try again."
            ) from error
