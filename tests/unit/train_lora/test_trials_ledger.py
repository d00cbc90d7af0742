"""What a note of things to be removed may not be made to remove."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from train_lora.errors import PublishError
from train_lora.places.base import marks_in
from train_lora.trials import Ledger


@pytest.mark.parametrize("name", ["", "../alice", "a/b", "*", ".alice", "a.b"])
def test_a_ledger_with_a_name_that_is_none_is_not_followed(tmp_path: Path, name: str) -> None:
    path = tmp_path / "trials.json"
    path.write_text(json.dumps({"schema": "sdwebui-trials/1", "loras": {name: "0" * 64}}))
    with pytest.raises(PublishError, match="another file"):
        Ledger(path).read()


def test_a_ledger_is_its_owners_alone(tmp_path: Path) -> None:
    Ledger(tmp_path / "trials.json").add("tmp-1", "0" * 64)
    assert (tmp_path / "trials.json").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "header", [b"[" * 100_000, b'{"__metadata__": {"ss_photos": 3}}', b"\xff", b'{"__metadata__": 3}']
)
def test_a_broken_header_on_a_server_names_nobody(header: bytes) -> None:
    assert marks_in(header) == frozenset()
