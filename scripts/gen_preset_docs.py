"""Write docs/presets.md and presets/schema/*.json from the preset models.

    python scripts/gen_preset_docs.py [--check]

`--check` writes nothing and exits 1 when a file is out of date.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from stages.presets import preset_file_schema, preset_schema, training_file_schema  # noqa: E402
from stages.presets.reference import render_reference  # noqa: E402


def generated() -> dict[Path, str]:
    """Every generated file with its text."""

    def as_json(schema: object) -> str:
        return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"

    return {
        ROOT / "docs" / "presets.md": render_reference(),
        ROOT / "presets" / "schema" / "preset.schema.json": as_json(preset_file_schema()),
        ROOT / "presets" / "schema" / "preset-resolved.schema.json": as_json(preset_schema()),
        ROOT / "presets" / "schema" / "training.schema.json": as_json(training_file_schema()),
    }


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="only compare")
    arguments = parser.parse_args()
    stale = [
        file
        for file, text in generated().items()
        if not file.is_file() or file.read_text(encoding="utf-8") != text
    ]
    for file in stale:
        print(("out of date: " if arguments.check else "wrote ") + str(file.relative_to(ROOT)))
        if not arguments.check:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(generated()[file], encoding="utf-8")
    return 1 if stale and arguments.check else 0


if __name__ == "__main__":
    sys.exit(main())
