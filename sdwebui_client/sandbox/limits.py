"""What cannot be drawn: refused at once, in the server's words where it has any."""

from __future__ import annotations

from typing import Any

from .errors import Crash

MAX_SIDE = 8192
MAX_AREA = 5120 * 5120
MAX_STEPS = 1000
MAX_PICTURES = 64
"""The sandbox must be safe on loopback:
what is beyond these fails at once, where a real server fails after minutes."""


def check_size(width: int, height: int) -> None:
    """Refuse sizes that no server can draw, with its words.

    Raises:
        Crash: 0, negative, or beyond what the sandbox draws.
    """
    rows, columns = height // 8, width // 8
    if rows < 0 or columns < 0:
        raise Crash(
            "RuntimeError",
            f"Trying to create tensor with negative dimension {min(rows, columns)}: [4, {rows}, {columns}]",
        )
    if rows == 0 or columns == 0:
        sizes = f"({rows + 2} x {columns + 2})"
        text = f"Calculated padded input size per channel: {sizes}. Kernel size: (3 x 3). "
        raise Crash("RuntimeError", text + "Kernel size can't be greater than actual input size")
    if width > MAX_SIDE or height > MAX_SIDE or width * height > MAX_AREA:
        asked = f"you tried to allocate {width * height * 4} bytes. Error code 12 (Cannot allocate memory)"
        start = "[enforce fail at alloc_cpu.cpp:83] err == 0. DefaultCPUAllocator: can't allocate memory: "
        raise Crash("RuntimeError", start + asked)


def check_counts(body: dict[str, Any]) -> None:
    """Refuse numbers of steps and pictures that cannot be.

    Raises:
        Crash: none, negative, or beyond what the sandbox draws.
    """
    steps, pictures = whole(body, "steps"), whole(body, "batch_size") * whole(body, "n_iter")
    if steps == 0:
        raise Crash("ZeroDivisionError", "integer division or modulo by zero")
    if steps < 0:
        raise Crash("RuntimeError", "number of steps must be non-negative")
    if min(whole(body, "batch_size"), whole(body, "n_iter")) < 1:
        raise Crash("IndexError", "list index out of range")
    if steps > MAX_STEPS or pictures > MAX_PICTURES:
        text = f"the sandbox draws at most {MAX_PICTURES} pictures of {MAX_STEPS} steps in one request"
        raise Crash("RuntimeError", text)


def whole(body: dict[str, Any], key: str) -> int:
    """Read a whole number that the server calculates with.

    Raises:
        Crash: it is null.
    """
    value = body.get(key)
    if value is None:
        raise Crash("TypeError", "unsupported operand type(s) for //: 'NoneType' and 'int'")
    return int(value)
