"""Measures what a portrait costs the client: txt2img 1024x1536 -> img2img -> upscale to 2048x3072.

    python scripts/bench_client.py [--rounds 5] [--portraits 4] [--write docs/benchmarks.md]

Against a local stub that answers at once, in a process of its own; each contender in a process of its own:
this client, the `webuiapi` package, and a bare socket with base64 as the lower bound of what any client must
do. CPU seconds
(user + system) by getrusage, peak memory as VmHWM.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

SMALL, LARGE = (1024, 1536), (2048, 3072)
PROMPT = "studio portrait of a woman, soft light"
CONTENDERS = ("sdwebui_client", "webuiapi", "bound")


@dataclass(frozen=True)
class Cost:
    """What one contender used in one round."""

    first_s: float
    """CPU seconds of the first portrait, probing the server included."""
    portrait_s: float
    """CPU seconds of each further portrait."""
    peak_mib: float
    """Peak memory of the process."""


# --- the stub
# ---------------------------------------------------------------------------------------------------------


def make_picture(size: tuple[int, int]) -> bytes:
    """Return a PNG with about as much detail as a portrait has (1.5 to 2 bytes a pixel)."""
    from PIL import Image, ImageChops, ImageFilter

    small = Image.effect_noise((size[0] // 16, size[1] // 16), 90)
    parts = []
    for turn in range(3):
        smooth = small.rotate(90 * turn, expand=False).resize(size, Image.Resampling.BICUBIC)
        grain = Image.effect_noise(size, 5).filter(ImageFilter.GaussianBlur(0.6))
        parts.append(ImageChops.add(smooth, grain, scale=1.4))
    out = BytesIO()
    Image.merge("RGB", parts).save(out, "PNG")
    return out.getvalue()


def make_answer(size: tuple[int, int]) -> bytes:
    """Return the JSON body of a generation, in the shape of a recorded one."""
    import pybase64

    from tests.recorded import recordings

    recorded = recordings("a1111")["full/p01_txt2img_plain"]
    script = "Ultimate SD upscale upscaler: 4x-UltraSharp, " if size == LARGE else ""
    text = f"{PROMPT}\nSteps: 20, Sampler: Euler a, Size: {SMALL[0]}x{SMALL[1]}, {script}Version: v1.10.1"
    info = {**recorded.info, "width": SMALL[0], "height": SMALL[1], "infotexts": [text]}
    picture = pybase64.b64encode_as_string(make_picture(size))
    body = {"images": [picture], "parameters": recorded.body["parameters"], "info": json.dumps(info)}
    return json.dumps(body).encode()


def serve() -> None:
    """Answer at once for ever; prints the port."""
    from tests.recorded import recordings

    reads = {
        case.path.split("?")[0]: json.dumps(case.body).encode()
        for name, case in recordings("a1111").items()
        if name.startswith("get_") and case.is_exchange and case.status == 200
    }
    answers = {"small": make_answer(SMALL), "large": make_answer(LARGE)}
    listener = socket.create_server(("127.0.0.1", 0), backlog=16)
    print(listener.getsockname()[1], flush=True)
    import threading

    while True:
        connection, _ = listener.accept()
        threading.Thread(target=_serve_one, args=(connection, reads, answers), daemon=True).start()


def _serve_one(connection: socket.socket, reads: dict[str, bytes], answers: dict[str, bytes]) -> None:
    with connection, connection.makefile("rb", buffering=1 << 20) as incoming:
        while line := incoming.readline():
            path, length = line.split()[1].decode(), 0
            while (header := incoming.readline()) not in (b"\r\n", b""):
                name, _, value = header.partition(b":")
                if name.lower() == b"content-length":
                    length = int(value)
            body = incoming.read(length)
            status, answer = 200, b"null"
            if path.endswith("2img"):
                answer = answers["large" if b"Ultimate SD upscale" in body else "small"]
            elif line.startswith(b"GET"):
                known = reads.get(path.split("?")[0])
                status, answer = (404, b'{"detail":"Not Found"}') if known is None else (200, known)
            head = f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {len(answer)}"
            connection.sendall(head.encode() + b"\r\n\r\n")
            connection.sendall(answer)


# --- the contenders
# ---------------------------------------------------------------------------------------------------


def ours(port: int) -> Callable[[], int]:
    """Drive this client."""
    from sdwebui_client import UltimateSDUpscale, WebUI

    webui = WebUI(f"http://127.0.0.1:{port}")
    fields: dict[str, Any] = {"prompt": PROMPT, "steps": 20, "width": SMALL[0], "height": SMALL[1]}

    def portrait() -> int:
        first = webui.txt2img(**fields, sampler_name="Euler a").images[0]
        second = webui.img2img(init_images=[first], denoising_strength=0.3, **fields).images[0]
        script = UltimateSDUpscale(upscaler="4x-UltraSharp", scale=2)
        last = webui.img2img(init_images=[second], denoising_strength=0.1, script=script, **fields)
        return len(last.images[0].data)

    return portrait


def theirs(port: int) -> Callable[[], int]:
    """Drive `webuiapi`."""
    import webuiapi

    api = webuiapi.WebUIApi(host="127.0.0.1", port=port)
    fields: dict[str, Any] = {"prompt": PROMPT, "steps": 20, "width": SMALL[0], "height": SMALL[1]}
    arguments = [None, 512, 512, 8, 32, 64, 0.35, 32, 3, True, 0, False, 8, 0, 2, 2048, 2048, 2]

    def portrait() -> int:
        first = api.txt2img(**fields, sampler_name="Euler a").image
        second = api.img2img(images=[first], denoising_strength=0.3, **fields).image
        last = api.img2img(
            images=[second],
            denoising_strength=0.1,
            script_name="Ultimate SD upscale",
            script_args=arguments,
            **fields,
        )
        return int(last.image.size[0])

    return portrait


def bound(port: int) -> Callable[[], int]:
    """Do what no client can do without: send, receive, base64 both ways."""
    import pybase64

    def post(path: str, picture: bytes | None, script: bytes = b"") -> bytes:
        encoded = b"" if picture is None else b'"init_images":["' + pybase64.b64encode(picture) + b'"],'
        body = b"{" + encoded + b'"script_name":"' + script + b'","steps":20}'
        head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(head.encode())
            connection.sendall(body)
            with connection.makefile("rb") as incoming:
                length = 0
                while (line := incoming.readline()) != b"\r\n":
                    if line.startswith(b"Content-Length"):
                        length = int(line.split(b":")[1])
                answer = incoming.read(length)
        start = answer.index(b'"images": ["') + 12
        return bytes(pybase64.b64decode(memoryview(answer)[start : answer.index(b'"', start)], validate=True))

    def portrait() -> int:
        first = post("/sdapi/v1/txt2img", None)
        second = post("/sdapi/v1/img2img", first)
        return len(post("/sdapi/v1/img2img", second, b"Ultimate SD upscale"))

    return portrait


def drive(name: str, port: int, portraits: int) -> None:
    """Run one contender in this process and print its cost."""
    portrait = {"sdwebui_client": ours, "webuiapi": theirs, "bound": bound}[name](port)
    started = _cpu_s()
    portrait()
    first = _cpu_s()
    for _ in range(portraits - 1):
        portrait()
    each = (_cpu_s() - first) / (portraits - 1)
    print(json.dumps({"first_s": first - started, "portrait_s": each, "peak_mib": _peak_mib()}))


def _cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _peak_mib() -> float:
    # Not ru_maxrss: that one survives exec and would show the parent's memory.
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


# --- the comparison
# ---------------------------------------------------------------------------------------------------


def measure(rounds: int, portraits: int) -> dict[str, Cost]:
    """Return the median cost of each contender;
    rounds are interleaved so that a noisy moment hits all of them."""
    command = [sys.executable, str(Path(__file__).resolve())]
    with subprocess.Popen([*command, "--serve"], stdout=subprocess.PIPE, text=True, cwd=ROOT) as stub:
        try:
            assert stub.stdout is not None
            port = int(stub.stdout.readline())
            costs: dict[str, list[Cost]] = {name: [] for name in CONTENDERS}
            for _ in range(rounds):
                for name in CONTENDERS:
                    arguments = ["--drive", name, "--port", str(port), "--portraits", str(portraits)]
                    out = subprocess.run(
                        [*command, *arguments], capture_output=True, text=True, check=True, cwd=ROOT
                    ).stdout
                    costs[name].append(Cost(**json.loads(out.splitlines()[-1])))
        finally:
            stub.kill()
    return {
        name: Cost(
            statistics.median(cost.first_s for cost in found),
            statistics.median(cost.portrait_s for cost in found),
            statistics.median(cost.peak_mib for cost in found),
        )
        for name, found in costs.items()
    }


def table(costs: dict[str, Cost]) -> str:
    """Return the comparison as Markdown."""
    own, other, least = (costs[name] for name in CONTENDERS)
    labels = {
        "sdwebui_client": "this client",
        "webuiapi": "`webuiapi` 0.9.17",
        "bound": "bare socket + base64",
    }
    lines = [
        "| | CPU a portrait | CPU of the first, probing included | peak memory |",
        "|---|---:|---:|---:|",
        *(
            f"| {labels[name]} | {cost.portrait_s:.3f} s | {cost.first_s:.3f} s | {cost.peak_mib:.0f} MiB |"
            for name, cost in costs.items()
        ),
        "",
        f"- {other.portrait_s / own.portrait_s:.0f} times less CPU than `webuiapi` (asked: 30)",
        f"- {own.portrait_s / least.portrait_s:.1f} times the lower bound (asked: at most 3)",
        f"- {own.peak_mib / other.peak_mib:.0%} of `webuiapi`'s peak memory (asked: at most 100%)",
    ]
    return "\n".join(lines)


def page(text: str, rounds: int, portraits: int) -> str:
    """Return docs/benchmarks.md."""
    cores, python, day = os.cpu_count(), platform.python_version(), time.strftime("%Y-%m-%d")
    return f"""# What a portrait costs the client

txt2img {SMALL[0]}x{SMALL[1]}, img2img of its picture, tile upscale to {LARGE[0]}x{LARGE[1]}, against a local
stub that answers at once: what is left is the client's own work. Made by
`python scripts/bench_client.py --write docs/benchmarks.md`: medians of {rounds} rounds of {portraits}
portraits, each contender in a process of its own, on {cores} cores, Python {python}, {day}.

{text}

Why: the server's PNG bytes are handed on untouched (encoding a PNG is by far the dearest thing a client can
do), pictures are decoded straight from the answer's bytes and spliced into the next request's, base64 by SIMD
code, and an answer is read in one piece. Nothing is asked about progress unless somebody watches.
"""


def main() -> None:
    """Parse arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--portraits", type=int, default=4, help="in each round; the first is told apart")
    parser.add_argument("--write", type=Path, help="write the page to this file")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--drive", choices=CONTENDERS, help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve()
    elif options.drive:
        drive(options.drive, options.port, options.portraits)
    else:
        text = table(measure(options.rounds, max(2, options.portraits)))
        print(text)
        if options.write:
            old = options.write.read_text(encoding="utf-8") if options.write.is_file() else ""
            # What bench_training.py wrote below stays.
            rest = "\n<!-- training" + old.partition("<!-- training")[2] if "<!-- training" in old else ""
            new = page(text, options.rounds, options.portraits) + rest
            options.write.write_text(new, encoding="utf-8")


if __name__ == "__main__":
    main()
