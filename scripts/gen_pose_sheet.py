"""Write docs/images/poses.png, the sheet of all poses.

python scripts/gen_pose_sheet.py
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from prompt_library import load_library  # noqa: E402
from prompt_library.pose_sheet import render_pose_sheet  # noqa: E402


def main() -> int:
    target = ROOT / "docs" / "images" / "poses.png"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(render_pose_sheet(load_library()))
    print(f"wrote {target.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
