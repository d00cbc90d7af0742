"""What every group of routes has: a transport, and a mark that says which route a method calls."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from pydantic import ValidationError

from .._answers import describe
from .._near import near
from .._transport import Transport
from ..errors import InvalidRequest
from ..types import Request

F = TypeVar("F", bound=Callable[..., Any])
R = TypeVar("R", bound=Request)


def route(method: str, path: str) -> Callable[[F], F]:
    """Mark which route a method calls; docs/api-coverage.md is generated from the marks."""

    def mark(function: F) -> F:
        function.__route__ = (method, path)  # type: ignore[attr-defined]
        return function

    return mark


class Routes:
    """Base of the groups of routes."""

    _transport: Transport

    def _forget_capabilities(self) -> None:
        """Called after a command that changes what the server has."""


def build(kind: type[R], request: R | None, fields: dict[str, Any]) -> R:
    """Return the request with `fields` set on top.

    Raises:
        InvalidRequest: A field is unknown, of the wrong type or out of bounds; the near match is named.
    """
    if request is not None and not isinstance(request, kind):
        raise InvalidRequest(f"a {kind.__name__} is needed, not a {type(request).__name__}")
    if request is not None and not fields:
        return request
    known = {} if request is None else request.payload()
    try:
        return kind.model_validate({**known, **fields})
    except ValidationError as error:
        hints = [
            f"{item['loc'][0]}: did you mean {', '.join(found)}?"
            for item in error.errors(include_input=False, include_url=False, include_context=False)
            if item["type"] == "extra_forbidden" and (found := near(str(item["loc"][0]), kind.model_fields))
        ]
        raise InvalidRequest(
            f"{kind.__name__} was not sent: {describe(error)}",
            hint="; ".join(hints) or "correct the named fields",
        ) from error
