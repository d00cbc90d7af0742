"""Checks a request body against the recorded OpenAPI, with the coercions and messages of pydantic 1 or 2.

A1111 and reForge run pydantic 1 ("1" is an int, 1.7 a seed of 1, 5 a prompt), Forge and SD.Next pydantic 2.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from .errors import Complaint, Invalid

Schema = Mapping[str, Any]
_UNSET = object()


class Validator:
    """Validates bodies against one OpenAPI document."""

    def __init__(self, components: Mapping[str, Schema], *, pydantic2: bool) -> None:
        self._components = components
        self._pydantic2 = pydantic2

    def parse(self, raw: bytes, content_type: str, name: str) -> dict[str, Any]:
        """Read a request body.

        Args:
            raw: the body.
            content_type: its type; FastAPI reads JSON only when it is declared.
            name: the schema's name.

        Returns:
            The body with every default filled in;
            keys the schema does not know are dropped, as the server does.

        Raises:
            Invalid: with what FastAPI would complain of.
        """
        return self.validate(self.load(raw, content_type), name)

    def load(self, raw: bytes, content_type: str) -> Any:
        """Read JSON as FastAPI does; text of another type stays text.

        Raises:
            Invalid: empty or not JSON.
        """
        if not raw:
            raise Invalid(self._missing(("body",), None))
        subtype = content_type.partition(";")[0].strip().lower()
        if subtype and not (subtype == "application/json" or subtype.endswith("+json")):
            return raw.decode("utf-8", "replace")
        try:
            return json.loads(raw)
        except json.JSONDecodeError as error:
            raise Invalid(self._not_json(error)) from error
        except (UnicodeDecodeError, RecursionError) as error:
            raise Invalid(
                Complaint(("body",), "There was an error parsing the body", "value_error")
            ) from error

    def validate_object(self, body: Any) -> dict[str, Any]:
        """Check a body that may hold anything, as long as it is an object."""
        if not isinstance(body, dict):
            raise Invalid(self._no_object(body, free=True))
        return body

    def validate(self, body: Any, name: str) -> dict[str, Any]:
        """Check a decoded body; see `parse`."""
        schema = self._components[name]
        if not isinstance(body, dict):
            raise Invalid(self._no_object(body, free=not schema.get("properties")))
        required = set(schema.get("required", ()))
        # The generation models are made of Optional fields throughout (modules/api/models.py, A1111 1.10.1).
        nullable = name.startswith("StableDiffusionProcessing") or name.startswith("Req")
        result: dict[str, Any] = {}
        complaints: list[Complaint] = []
        for key, field in schema.get("properties", {}).items():
            value = body.get(key, _UNSET)
            if value is _UNSET:
                if key in required:
                    complaints.append(self._missing(("body", key), body))
                result[key] = field.get("default")
                continue
            try:
                result[key] = self._coerce(value, field, ("body", key), nullable=nullable)
            except Invalid as error:
                complaints.extend(error.complaints)
        if complaints:
            raise Invalid(*complaints)
        return result

    def _coerce(self, value: Any, field: Schema, loc: tuple[str | int, ...], *, nullable: bool) -> Any:
        options = field.get("anyOf")
        if options is not None:
            real = [item for item in options if item.get("type") != "null"]
            if value is None and len(real) < len(options):
                return None
            field, nullable = (real[0] if len(real) == 1 else {}), False
        if value is None and nullable and not self._pydantic2:
            return None
        kind = field.get("type")
        if kind is None:
            return value
        if value is None and not self._pydantic2:
            message = "none is not an allowed value"
            raise Invalid(Complaint(loc, message, "type_error.none.not_allowed"))
        if kind == "array":
            return self._array(value, field, loc)
        if kind == "object":
            return self._object(value, loc)
        return self._scalar(value, str(kind), loc)

    def _array(self, value: Any, field: Schema, loc: tuple[str | int, ...]) -> list[Any]:
        if not isinstance(value, list):
            raise Invalid(
                self._complaint(
                    loc, value, "value is not a valid list", "list", "Input should be a valid list"
                )
            )
        item = field.get("items") or {}
        # `init_images: [null]` passes validation and crashes later (recorded): items carry no type there.
        kinds = {"string", "integer", "number", "boolean"}
        if item.get("type") not in kinds:
            return value
        return [self._coerce(entry, item, (*loc, index), nullable=False) for index, entry in enumerate(value)]

    def _object(self, value: Any, loc: tuple[str | int, ...]) -> dict[str, Any]:
        if isinstance(value, dict):
            return value
        if not self._pydantic2 and isinstance(value, list) and not value:
            return {}
        message = "Input should be a valid dictionary"
        raise Invalid(self._complaint(loc, value, "value is not a valid dict", "dict", message))

    def _scalar(self, value: Any, kind: str, loc: tuple[str | int, ...]) -> Any:
        convert = {
            "integer": self._integer,
            "number": self._number,
            "boolean": self._boolean,
            "string": self._string,
        }
        return convert[kind](value, loc)

    def _integer(self, value: Any, loc: tuple[str | int, ...]) -> int:
        v1 = ("value is not a valid integer", "integer")
        if isinstance(value, bool | int):
            return int(value)
        if isinstance(value, float):
            if value != value or value in (float("inf"), float("-inf")):
                raise Invalid(
                    self._typed(loc, value, *v1, "Input should be a finite number", "finite_number")
                )
            if self._pydantic2 and value != int(value):
                message = "Input should be a valid integer, got a number with a fractional part"
                raise Invalid(self._typed(loc, value, *v1, message, "int_from_float"))
            return int(value)
        if isinstance(value, str):
            try:
                return int(value)
            except ValueError:
                message = "Input should be a valid integer, unable to parse string as an integer"
                raise Invalid(self._typed(loc, value, *v1, message, "int_parsing")) from None
        raise Invalid(self._typed(loc, value, *v1, "Input should be a valid integer", "int_type"))

    def _number(self, value: Any, loc: tuple[str | int, ...]) -> float:
        v1 = ("value is not a valid float", "float")
        if isinstance(value, bool | int | float):
            return float(value)
        if isinstance(value, str):
            try:
                return float(value)
            except ValueError:
                message = "Input should be a valid number, unable to parse string as a number"
                raise Invalid(self._typed(loc, value, *v1, message, "float_parsing")) from None
        raise Invalid(self._typed(loc, value, *v1, "Input should be a valid number", "float_type"))

    def _boolean(self, value: Any, loc: tuple[str | int, ...]) -> bool:
        words = {"1": True, "true": True, "yes": True, "on": True, "t": True, "y": True}
        words |= {"0": False, "false": False, "no": False, "off": False, "f": False, "n": False}
        if isinstance(value, bool):
            return value
        if isinstance(value, int | float | str) and str(value).lower() in words:
            return words[str(value).lower()]
        message = "Input should be a valid boolean, unable to interpret input"
        raise Invalid(
            self._typed(loc, value, "value could not be parsed to a boolean", "bool", message, "bool_parsing")
        )

    def _string(self, value: Any, loc: tuple[str | int, ...]) -> str:
        if isinstance(value, str):
            return value
        if not self._pydantic2 and isinstance(value, int | float):
            return str(value)
        raise Invalid(
            self._typed(
                loc, value, "str type expected", "str", "Input should be a valid string", "string_type"
            )
        )

    def _complaint(self, loc: tuple[str | int, ...], value: Any, v1: str, kind: str, v2: str) -> Complaint:
        return self._typed(loc, value, v1, kind, v2, f"{kind}_type")

    def _typed(
        self, loc: tuple[str | int, ...], value: Any, v1: str, v1_kind: str, v2: str, v2_type: str
    ) -> Complaint:
        if self._pydantic2:
            return Complaint(loc, v2, v2_type, value)
        prefix = (
            "value_error" if v1_kind == "bool" and not isinstance(value, str | int | float) else "type_error"
        )
        return Complaint(loc, v1, f"{prefix}.{v1_kind}")

    def _missing(self, loc: tuple[str | int, ...], value: Any) -> Complaint:
        if self._pydantic2:
            return Complaint(loc, "Field required", "missing", value)
        return Complaint(loc, "field required", "value_error.missing")

    def _no_object(self, value: Any, *, free: bool) -> Complaint:
        loc = ("body",)
        if not self._pydantic2:
            return Complaint(loc, "value is not a valid dict", "type_error.dict")
        if free:
            return Complaint(loc, "Input should be a valid dictionary", "dict_type", value)
        message = "Input should be a valid dictionary or object to extract fields from"
        return Complaint(loc, message, "model_attributes_type", value)

    def _not_json(self, error: json.JSONDecodeError) -> Complaint:
        loc = ("body", error.pos)
        if self._pydantic2:
            return Complaint(loc, "JSON decode error", "json_invalid", {}, {"error": error.msg}, url=False)
        ctx = {
            "msg": error.msg,
            "doc": error.doc,
            "pos": error.pos,
            "lineno": error.lineno,
            "colno": error.colno,
        }
        return Complaint(loc, str(error), "value_error.jsondecode", None, ctx)
