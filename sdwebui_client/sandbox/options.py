"""The server's options: what is set, what is saved, and how override_settings leak."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from .errors import Crash


class Options:
    """Options with the WebUI's habits (modules/options.py and processing.py, A1111 1.10.1).

    Only keys that were saved once (`saved`, the config.json) are restored after a job: others leak and stay.
    """

    def __init__(
        self, defaults: Mapping[str, Any], saved: Mapping[str, Any], *, hidden: Iterable[str] = ()
    ) -> None:
        self._defaults = dict(defaults)
        self._hidden = frozenset(hidden)
        self.saved: dict[str, Any] = dict(saved)

    def __contains__(self, key: str) -> bool:
        return key in self._defaults or key in self._hidden

    def get(self, key: str) -> Any:
        """The value in force."""
        return self.saved[key] if key in self.saved else self._defaults.get(key)

    def everything(self) -> dict[str, Any]:
        """What GET /options shows."""
        return {
            **self._defaults,
            **{key: value for key, value in self.saved.items() if key in self._defaults},
        }

    def set(self, key: str, value: Any) -> None:
        """Set and save an option; types are not looked at.

        Raises:
            Crash: an unknown key.
        """
        if key not in self:
            raise Crash("KeyError", repr(key))
        self.saved[key] = value

    @contextmanager
    def overridden(self, overrides: Mapping[str, Any], *, restore: bool) -> Iterator[None]:
        """Apply a request's override_settings for the time of a job."""
        before = {key: self.saved[key] for key in overrides if key in self.saved}
        try:
            for key, value in overrides.items():
                self.set(key, value)
            yield
        finally:
            if restore:
                self.saved.update(before)
