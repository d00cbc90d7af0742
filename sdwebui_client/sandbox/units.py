"""ControlNet's unit on the wire: A1111's extension validates it, Forge's and reForge's take anything."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .errors import Crash

RESIZE_MODES = ("Just Resize", "Crop and Resize", "Resize and Fill")
_RESIZE_ALIASES = {
    "Inner Fit (Scale to Fit)": "Crop and Resize",
    "Scale to Fit (Inner Fit)": "Crop and Resize",
    "Outer Fit (Shrink to Fit)": "Resize and Fill",
    "Envelope (Outer Fit)": "Resize and Fill",
}
CONTROL_MODES = ("Balanced", "My prompt is more important", "ControlNet is more important")
_ENUM_TEXT = (
    "value is not a valid enumeration member; permitted: 'Balanced', 'My prompt is more important', "
    "'ControlNet is more important' (type=type_error.enum; enum_values=[<ControlMode.BALANCED: 'Balanced'>, "
    "<ControlMode.PROMPT: 'My prompt is more important'>, "
    "<ControlMode.CONTROL: 'ControlNet is more important'>])"
)


class Rejected(Exception):
    """Forge's script gave up on this unit; the server only logs it."""


@dataclass(frozen=True, slots=True)
class ControlUnit:
    """One unit."""

    enabled: bool
    module: str
    model: str
    weight: float
    image: str | None
    resize_mode: Any
    processor_res: int
    threshold_a: float
    threshold_b: float
    guidance_start: float
    guidance_end: float
    pixel_perfect: bool
    control_mode: Any
    save_detected_map: bool
    forge: bool
    given: dict[str, Any]
    """As sent: Forge's text repeats the values unchanged."""

    def text_a1111(self) -> str:
        """The unit in A1111's infotext."""
        return _joined(
            {
                "Module": self.module,
                "Model": self.model,
                "Weight": self.weight,
                "Resize Mode": self.resize_mode,
                "Processor Res": self.processor_res,
                "Threshold A": self.threshold_a,
                "Threshold B": self.threshold_b,
                "Guidance Start": self.guidance_start,
                "Guidance End": self.guidance_end,
                "Pixel Perfect": self.pixel_perfect,
                "Control Mode": self.control_mode,
            }
        )

    @property
    def known_resize_modes(self) -> tuple[Any, ...]:
        """What Forge makes a resize mode of: the names, the older names, the old API's numbers."""
        return (*RESIZE_MODES, *_RESIZE_ALIASES, 0, 1, 2)

    def text_forge(self, *, parsed: bool) -> str:
        """The unit in Forge's and reForge's infotext.

        Args:
            parsed: reForge writes the enumeration members it read; Forge repeats what was sent.
        """
        given = self.given
        if parsed:
            given = {**given, "resize_mode": self._resize_member(), "control_mode": self._control_member()}
        entries: dict[str, Any] = {
            "Module": given.get("module", "None"),
            "Model": given.get("model", "None"),
            "Weight": given.get("weight", 1.0),
            "Resize Mode": given.get("resize_mode", "ResizeMode.INNER_FIT"),
        }
        for key, label in (
            ("processor_res", "Processor Res"),
            ("threshold_a", "Threshold A"),
            ("threshold_b", "Threshold B"),
        ):
            if key in given and given[key] != -1:
                entries[label] = given[key]
        entries |= {
            "Guidance Start": given.get("guidance_start", 0.0),
            "Guidance End": given.get("guidance_end", 1.0),
            "Pixel Perfect": given.get("pixel_perfect", False),
            "Control Mode": given.get("control_mode", "ControlMode.BALANCED"),
            "Hr Option": given.get("hr_option", "HiResFixOption.BOTH"),
        }
        return _joined(entries)

    def _resize_member(self) -> str:
        members = {"Just Resize": "RESIZE", "Resize and Fill": "OUTER_FIT", 0: "RESIZE", 2: "OUTER_FIT"}
        mode = _RESIZE_ALIASES.get(self.resize_mode, self.resize_mode)
        return f"ResizeMode.{members.get(mode, 'INNER_FIT')}"

    def _control_member(self) -> str:
        """Text is ignored, whatever it says; the old API's numbers are read (recorded: pf05n)."""
        members = {1: "PROMPT", 2: "CONTROL"}
        number = self.control_mode if isinstance(self.control_mode, int) else 0
        return f"ControlMode.{members.get(number, 'BALANCED')}"


def _joined(entries: dict[str, Any]) -> str:
    return ", ".join(f"{name}: {value}" for name, value in entries.items())


def _image(given: dict[str, Any], *, forge: bool) -> str | None:
    value = given.get("image")
    if value is None and not forge:
        value = given.get("input_image")
    if isinstance(value, dict) and not forge:
        value = value.get("image")
    return value if isinstance(value, str) else None


def read_a1111(given: Any, module_list: dict[str, Any]) -> ControlUnit | None:
    """Read a unit as sd-webui-controlnet 1.1.455 does; None is no unit.

    Raises:
        Crash: pydantic's complaint, as text.
    """
    if not isinstance(given, dict):
        return None
    module = given.get("module", "none")
    sliders = _sliders(str(module), module_list)
    unit = ControlUnit(
        enabled=bool(given.get("enabled", False)),
        module=module,
        model=str(given.get("model", "None")),
        weight=_number(given, "weight", 1.0),
        image=_image(given, forge=False),
        resize_mode=_RESIZE_ALIASES.get(
            given.get("resize_mode", RESIZE_MODES[1]), given.get("resize_mode", RESIZE_MODES[1])
        ),
        processor_res=int(_slider(given, "processor_res", sliders, 0, 512)),
        threshold_a=_slider(given, "threshold_a", sliders, 1, 0.5),
        threshold_b=_slider(given, "threshold_b", sliders, 2, 0.5),
        guidance_start=_number(given, "guidance_start", 0.0),
        guidance_end=_number(given, "guidance_end", 1.0),
        pixel_perfect=bool(given.get("pixel_perfect", False)),
        control_mode=given.get("control_mode", CONTROL_MODES[0]),
        save_detected_map=bool(given.get("save_detected_map", True)),
        forge=False,
        given=given,
    )
    problems = _problems(unit, module_list)
    if problems:
        count = f"{len(problems)} validation error{'s' if len(problems) > 1 else ''} for ControlNetUnit"
        raise Crash("ValidationError", "\n".join([count, *problems]))
    return unit


def _problems(unit: ControlUnit, module_list: dict[str, Any]) -> list[str]:
    known = {*module_list["module_list"], *_aliases(module_list)}
    found: list[str] = []
    if unit.module not in known:
        found.append(f"module\n  module({unit.module}) not found in supported modules. (type=value_error)")
    if unit.weight > 2:
        limit = "(type=value_error.number.not_le; limit_value=2.0)"
        found.append(f"weight\n  ensure this value is less than or equal to 2.0 {limit}")
    elif unit.weight < 0:
        limit = "(type=value_error.number.not_ge; limit_value=0.0)"
        found.append(f"weight\n  ensure this value is greater than or equal to 0.0 {limit}")
    if not isinstance(unit.resize_mode, str):
        found.append("resize_mode\n   (type=assertion_error)")
    elif unit.resize_mode not in RESIZE_MODES:
        found.append(f"resize_mode\n  '{unit.resize_mode}' is not a valid ResizeMode (type=value_error)")
    if unit.control_mode not in CONTROL_MODES:
        found.append(f"control_mode\n  {_ENUM_TEXT}")
    if not found and unit.guidance_start > unit.guidance_end:
        text = f"guidance_start({unit.guidance_start}) > guidance_end({unit.guidance_end})"
        found.append(f"__root__\n  {text} (type=value_error)")
    return found


def _aliases(module_list: dict[str, Any]) -> set[str]:
    """The names the interface shows are taken too (recorded: e07q)."""
    return {
        "softedge_pidinet",
        "normal_bae",
        "depth_midas",
        "t2ia_color_grid",
        *module_list.get("aliases", ()),
    }


def read_forge(given: Any, *, strict_resize: bool) -> ControlUnit | None:
    """Read a unit as Forge's built-in ControlNet does; nothing is checked and `enabled` defaults to true."""
    if not isinstance(given, dict):
        return None
    resize = given.get("resize_mode", RESIZE_MODES[1])
    if strict_resize and isinstance(resize, str) and resize not in (*RESIZE_MODES, *_RESIZE_ALIASES):
        return None  # reForge drops the unit altogether (recorded: e07l)
    return ControlUnit(
        enabled=bool(given.get("enabled", True)),
        module=str(given.get("module", "None")),
        model=str(given.get("model", "None")),
        weight=_number(given, "weight", 1.0),
        image=_image(given, forge=True),
        resize_mode=resize,
        processor_res=int(_number(given, "processor_res", -1)),
        threshold_a=_number(given, "threshold_a", -1),
        threshold_b=_number(given, "threshold_b", -1),
        guidance_start=_number(given, "guidance_start", 0.0),
        guidance_end=_number(given, "guidance_end", 1.0),
        pixel_perfect=bool(given.get("pixel_perfect", False)),
        control_mode=given.get("control_mode"),
        save_detected_map=bool(given.get("save_detected_map", True)),
        forge=True,
        given=given,
    )


def _number(given: dict[str, Any], key: str, default: float) -> float:
    value = given.get(key, default)
    return float(value) if isinstance(value, int | float) else default


def _sliders(module: str, module_list: dict[str, Any]) -> list[dict[str, Any] | None]:
    detail = (module_list.get("module_detail") or {}).get(module) or {}
    return list(detail.get("sliders") or [])


def _slider(
    given: dict[str, Any], key: str, sliders: list[dict[str, Any] | None], index: int, default: float
) -> float:
    """A value below its slider's range means the slider's own (external_code.py, bound_check_params)."""
    value = given.get(key, -1)
    slider = sliders[index] if index < len(sliders) else None
    if isinstance(value, int | float) and value >= 0 and (slider is not None or index == 0):
        return float(value)
    return float(slider["value"]) if slider else float(default)
