"""Derive the sandbox's catalogues (sdwebui_client/sandbox/data) from the recorded exchanges.

    python scripts/build_sandbox_data.py            # write
    python scripts/build_sandbox_data.py --check    # exit 1 when a file differs from what the recordings give

What varies from call to call (progress, queues, memory) or belongs to the sandbox itself (LoRAs) is left out.
"""

from __future__ import annotations

import argparse
import gzip
import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.recorded import FLAVOURS, openapi, recordings  # noqa: E402

TARGET = ROOT / "sdwebui_client" / "sandbox" / "data"
LIVE = (
    "/sdapi/v1/progress", "/internal/pending-tasks", "/internal/sysinfo",
    "/sdapi/v1/loras", "/sdapi/v1/lora?", "/sdapi/v1/loaded-loras", "/sdapi/v1/history", "/sdapi/v1/status",
    "/openapi.json", "/docs", "/startup-events",
)  # fmt: skip
"""Answered from the sandbox's own state."""
BULKY = ("/sdapi/v1/extra-networks", "/sdapi/v1/options-info", "/sdapi/v1/prompt-styles")
"""Hundreds of kilobytes no client here reads (SD.Next)."""


def catalogue(flavour: str) -> dict[str, Any]:
    """The recorded GET answers by path with query, and the OpenAPI document."""
    answers: dict[str, Any] = {}
    for name, case in recordings(flavour).items():
        if not name.startswith("get_") or not case.is_exchange or case.method != "GET":
            continue
        skipped = case.path.startswith(LIVE) or (flavour == "sdnext" and case.path.startswith(BULKY))
        if not skipped and case.status in (200, 500):
            answers[case.path] = {"status": case.status, "body": case.body}
    document = {k: v for k, v in openapi(flavour).items() if k != "name"}
    return {"flavour": flavour, "answers": answers, "sha256": checkpoint_hashes(), "openapi": document}


def checkpoint_hashes() -> dict[str, str]:
    """Model name -> SHA-256, from all lists: a server shows it only once it has loaded the file."""
    cases = [case for flavour in FLAVOURS for case in recordings(flavour).values() if case.is_exchange]
    lists = [case.body for case in cases if case.path.endswith("/sd-models")]
    items = [item for listed in lists if isinstance(listed, list) for item in listed]
    return {item["model_name"]: item["sha256"] for item in items if item.get("sha256")}


def packed(flavour: str) -> bytes:
    """The file's bytes; mtime 0 keeps them equal from run to run."""
    text = json.dumps(catalogue(flavour), ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return gzip.compress(text.encode("utf-8"), compresslevel=9, mtime=0)


def main() -> int:
    """Write the files, or compare them with the recordings."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="write nothing, report differences")
    check = parser.parse_args().check
    stale = []
    for flavour in FLAVOURS:
        path = TARGET / f"{flavour}.json.gz"
        data = packed(flavour)
        # Compared unpacked: another zlib packs the same content into other bytes.
        if check and (not path.exists() or gzip.decompress(path.read_bytes()) != gzip.decompress(data)):
            stale.append(path.name)
        elif not check:
            TARGET.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            print(f"{path.name}: {len(data)} bytes")
    for name in stale:
        print(f"{name} is not what the recordings give; run scripts/build_sandbox_data.py", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
