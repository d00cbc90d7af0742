"""Pack recorded WebUI exchanges (one JSON a case) into one small, stable `.jsonl.gz` a flavour for the tests.

python scripts/pack_recordings.py RECORDINGS_DIR tests/recorded [--logs LOGS_DIR]

`--logs` packs a trainer's streams, NAME.out and NAME.err, into training_logs.jsonl.gz.
"""

from __future__ import annotations

import argparse
import gzip
import json
from pathlib import Path
from typing import Any

FOLDERS = {
    "a1111": "a1111-1.10.1",
    "forge": "forge-2.0.1-dfdcbab",
    "reforge": "reforge-3b56b268",
    "sdnext": "sdnext-058a7f0c",
}
KEPT_HEADERS = {"content-type", "connection", "server", "www-authenticate", "location"}


def slim(case: dict[str, Any]) -> dict[str, Any]:
    """Drop what no test reads: transport headers and the decoded copy of `info`."""
    case = {k: v for k, v in case.items() if not k.startswith("decoded_info")}
    response = case.get("response")
    if isinstance(response, dict) and isinstance(response.get("headers"), dict):
        response["headers"] = {k: v for k, v in response["headers"].items() if k in KEPT_HEADERS}
    return case


def pack(source: Path, target: Path) -> int:
    """Write every case below `source` to `target`, sorted by name; returns how many."""
    lines = []
    for path in sorted(source.rglob("*.json")):
        case = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(case, dict):
            case = {"value": case}
        name = path.relative_to(source).with_suffix("").as_posix()
        lines.append(json.dumps({**slim(case), "name": name}, ensure_ascii=False, sort_keys=True))
    write(lines, target)
    return len(lines)


def pack_logs(source: Path, target: Path) -> int:
    """Write every pair of streams in `source` to `target`, sorted by name; returns how many."""
    names = sorted({path.stem for path in source.iterdir() if path.suffix in (".out", ".err")})
    lines = []
    for name in names:
        streams = {end: source / f"{name}.{end}" for end in ("out", "err")}
        # Bytes, not text: carriage returns must stay.
        texts = {end: path.read_bytes().decode() if path.is_file() else "" for end, path in streams.items()}
        lines.append(json.dumps({"name": name, **texts}, ensure_ascii=False, sort_keys=True))
    write(lines, target)
    return len(lines)


def write(lines: list[str], target: Path) -> None:
    """Compress; mtime=0, so that packing the same recordings again gives the same bytes."""
    with target.open("wb") as raw, gzip.GzipFile(fileobj=raw, mode="wb", mtime=0, filename="") as out:
        out.write("\n".join(lines).encode("utf-8"))


def main() -> None:
    """Parse the arguments and pack each flavour that is there."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("recordings", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--logs", type=Path, default=None)
    arguments = parser.parse_args()
    for flavour, folder in FOLDERS.items():
        if (arguments.recordings / folder).is_dir():
            count = pack(arguments.recordings / folder, arguments.target / f"{flavour}.jsonl.gz")
            print(f"{flavour}: {count} cases")
    if arguments.logs is not None:
        count = pack_logs(arguments.logs, arguments.target / "training_logs.jsonl.gz")
        print(f"training logs: {count} runs")


if __name__ == "__main__":
    main()
