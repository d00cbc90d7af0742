"""Closed in what we send, open in what we receive."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict


class Request(BaseModel):
    """A request: unknown fields are refused, and only fields that were set are sent (absent is not None)."""

    # Inputs stay out of error messages: they may hold a whole picture.
    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        use_attribute_docstrings=True,
        protected_namespaces=(),
    )

    def payload(self) -> dict[str, Any]:
        """Return the fields that were set, pictures still encoded as `EncodedImage`;
        the transport makes them base64."""
        return {
            name: getattr(self, name) for name in type(self).model_fields if name in self.model_fields_set
        }


class Response(BaseModel):
    """An answer: fields we do not know are kept (`model_extra`)."""

    model_config = ConfigDict(
        extra="allow",
        frozen=True,
        hide_input_in_errors=True,
        use_attribute_docstrings=True,
        protected_namespaces=(),
    )
