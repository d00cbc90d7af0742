"""Any other always-on script: arguments in the order its script-info lists them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import Field

from .._expect import Expectation, Unverifiable
from ..capabilities import Capabilities, Problem, unknown
from .base import TXT2IMG, Closed, Context

TYPED = {"adetailer": "ADetailer", "controlnet": "ControlNet"}


class AlwaysOnScript(Closed):
    """An always-on script without a class of its own.

    Example:
        >>> AlwaysOnScript(name="Hypertile", args=[True, 128]).render(None)
        {'args': [True, 128]}
    """

    name: str = Field(min_length=1)
    """As /sdapi/v1/scripts lists it; case does not count, spaces do."""
    args: list[Any] = Field(default_factory=list)
    """Positional arguments by /sdapi/v1/script-info."""

    @property
    def script_name(self) -> str:
        """The always-on script."""
        return self.name

    def render(self, caps: Capabilities | None) -> dict[str, Any]:
        """Return `{"args": […]}`."""
        del caps
        return {"args": list(self.args)}

    def problems(self, caps: Capabilities, *, context: Context = TXT2IMG, index: int = 0) -> list[Problem]:
        """Return why the server would refuse it (422 "Script … not found")."""
        del index
        return alwayson_problems(caps, self.name, context.endpoint)

    def expectations(
        self, caps: Capabilities, *, context: Context, index: int, peers: Sequence[Any]
    ) -> list[Expectation]:
        """Return that nobody can tell."""
        del caps, context, index, peers
        return [Unverifiable(self.name, "no sign of it is known")]

    @classmethod
    def script_args(cls, units: Sequence[Any], caps: Capabilities) -> list[Any]:
        """Return the arguments of the only unit there may be."""
        del caps
        return list(units[0].args)

    @classmethod
    def group_problems(cls, units: Sequence[Any], caps: Capabilities, *, context: Context) -> list[Problem]:
        """Return what is wrong with the units together."""
        del caps, context
        return (
            [Problem(units[0].name, "given twice; a script takes one list of arguments")]
            if len(units) > 1
            else []
        )


def alwayson_problems(caps: Capabilities, name: str, endpoint: str) -> list[Problem]:
    """Return why `name` cannot be sent among the always-on scripts."""
    names = caps.scripts(endpoint)
    listed = {item.lower(): item for item in names}
    if name.lower() not in listed or name != name.strip():
        return [
            unknown(
                "always-on script",
                name,
                names,
                fix="install the extension that brings it and restart the WebUI",
            )
        ]
    if name.lower() in caps.selectable:
        return [
            Problem("always-on script", f'"{name}" is a selectable script', fix="give it as script= instead")
        ]
    return []
