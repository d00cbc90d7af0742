"""Where on the page somebody is: the part of the address after #, checked."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, cast, get_args

Step = Literal["photos", "wishes", "job", "gallery", "portrait", "data"]

_PLACE = re.compile(r"#?/([a-z]+)(?:/([0-9a-f]{8,32}))?")


@dataclass(frozen=True, slots=True)
class Place:
    """One screen of the page.

    Attributes:
        step: Which screen; None = the page chooses what matters now.
        id: Of the album ("photos", "wishes", "gallery"), the job ("job") or the portrait ("portrait");
            whose it is is checked where it is used.
    """

    step: Step | None = None
    id: str | None = None

    @classmethod
    def parse(cls, address: object) -> Place:
        """Read `#/gallery/ID`; anything else is the page's own choice."""
        match = _PLACE.fullmatch(address) if isinstance(address, str) else None
        if match is None or match[1] not in get_args(Step):
            return cls()
        return cls(cast(Step, match[1]), match[2])

    def __str__(self) -> str:
        if self.step is None:
            return "#/"
        return f"#/{self.step}" + (f"/{self.id}" if self.id else "")
