"""Serves the page over a data directory, with `SpyJobs` and no worker.

    python -m tests.stubs.seeded_server DIR

A process of its own: Gradio leaves event loops behind that a test run would have to account for.
"""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from studio.core import Studio
from studio.service_settings import StudioSettings

ROOT = Path(__file__).resolve().parents[2]


@contextmanager
def served(data_dir: Path) -> Iterator[str]:
    """The address of a studio served over the directory until the end of the block."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.stubs.seeded_server", str(data_dir)],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        try:
            address = process.stdout.readline().strip()
            assert address.startswith("http://"), "the page was not served; see the captured stderr"
            yield address
        finally:
            process.kill()


def main() -> None:
    """Serve until standard input ends."""
    import uvicorn

    from studio.serving import bind
    from studio.web.app import build_app

    from .seeded import SpyJobs

    with bind("127.0.0.1", 0) as listener:
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        studio = Studio.open(StudioSettings(data_dir=Path(sys.argv[1])), public_url=address)
        app = build_app(studio, SpyJobs(studio), page=True)  # type: ignore[arg-type]
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1))

        def until_left_alone() -> None:
            sys.stdin.read()
            server.should_exit = True

        threading.Thread(target=until_left_alone, daemon=True).start()
        listener.listen()  # who is told the address may ask at once
        sys.stdout.write(f"{address}\n")
        sys.stdout.flush()
        server.run(sockets=[listener])


if __name__ == "__main__":
    main()
