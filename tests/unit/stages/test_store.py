"""The store keeps what was finished, notices damage, and survives a full disk."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest

from stages.canonical import canonical_json, digest, draw_number, flatten, sha256_hex
from stages.errors import DiskFull
from stages.store import Store, write_atomically

MATERIAL = {"stage": "txt2img", "version": 1, "params": {"steps": 28}, "inputs": {}, "server": None}


def _save(store: Store, data: bytes = b"picture") -> str:
    return store.save(MATERIAL, outputs={"image": data}, payload={"seed": 7}, seconds=1.5).key


def test_what_was_saved_is_found_by_a_new_process(tmp_path: Path) -> None:
    key = _save(Store(tmp_path))
    found = Store(tmp_path).find(key)
    assert found is not None
    assert found.payload == {"seed": 7}
    assert found.seconds == 1.5
    assert Store(tmp_path).get(found.outputs["image"]) == b"picture"


def test_the_key_is_the_hash_of_the_material(tmp_path: Path) -> None:
    assert _save(Store(tmp_path)) == digest(MATERIAL)
    assert digest({**MATERIAL, "version": 2}) != digest(MATERIAL)


def test_nothing_is_found_under_another_key(tmp_path: Path) -> None:
    store = Store(tmp_path)
    _save(store)
    assert store.find("0" * 64) is None


@pytest.mark.parametrize("damage", [b"", b"pictur", b"picturE", b"picture and more"])
def test_a_damaged_blob_makes_the_record_absent_and_is_made_anew(tmp_path: Path, damage: bytes) -> None:
    key = _save(Store(tmp_path))
    store = Store(tmp_path)
    path = store.path_of(sha256_hex(b"picture"))
    path.write_bytes(damage)
    assert store.find(key) is None
    assert store.was_here(key)
    _save(store)
    assert path.read_bytes() == b"picture"
    assert store.find(key) is not None


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[: len(text) // 2],
        lambda text: "",
        lambda text: "[]",
        lambda text: text.replace('"seed":7', '"seed":8'),
        lambda text: text.replace("sdwebui-stage-record/1", "sdwebui-stage-record/9"),
        lambda text: "\udcff".encode("utf-8", "surrogateescape").decode("latin-1") + text,
    ],
)
def test_a_damaged_record_is_absent(tmp_path: Path, damage) -> None:
    store = Store(tmp_path)
    key = _save(store)
    path = next((tmp_path / "records").rglob("*.json"))
    path.write_text(damage(path.read_text()))
    assert Store(tmp_path).find(key) is None


def test_bytes_that_are_no_text_are_a_damaged_record(tmp_path: Path) -> None:
    key = _save(Store(tmp_path))
    next((tmp_path / "records").rglob("*.json")).write_bytes(b"\xff\xfe\x00")
    assert Store(tmp_path).find(key) is None


def test_a_record_of_another_key_is_not_believed(tmp_path: Path) -> None:
    store = Store(tmp_path)
    key = _save(store)
    other = "ab" + "0" * 62
    target = tmp_path / "records" / "ab" / f"{other}.json"
    target.parent.mkdir(exist_ok=True)
    target.write_bytes((tmp_path / "records" / key[:2] / f"{key}.json").read_bytes())
    assert store.find(other) is None


def test_a_missing_blob_is_a_key_error(tmp_path: Path) -> None:
    with pytest.raises(KeyError):
        Store(tmp_path).get("0" * 64)


def test_leftovers_of_a_killed_write_are_removed(tmp_path: Path) -> None:
    Store(tmp_path)
    (tmp_path / "tmp" / ".part-x").write_bytes(b"half")
    Store(tmp_path)
    assert list((tmp_path / "tmp").iterdir()) == []


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_said_and_leaves_nothing_half_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    store = Store(tmp_path)
    kept = _save(store, b"kept")

    def full(descriptor: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr("stages.store.os.fsync", full)
    with pytest.raises(DiskFull, match="no space is left"):
        store.save({**MATERIAL, "version": 2}, outputs={"image": b"new"}, payload={}, seconds=0.1)
    monkeypatch.undo()
    assert list((tmp_path / "tmp").iterdir()) == []
    assert not store.has(sha256_hex(b"new"))
    assert Store(tmp_path).find(kept) is not None


def test_other_errors_of_the_disk_are_not_called_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path)

    def broken(descriptor: int) -> None:
        raise OSError(errno.EIO, "input/output error")

    monkeypatch.setattr("stages.store.os.fsync", broken)
    with pytest.raises(OSError, match="input/output"):
        store.put(b"x")


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "run.json"
    write_atomically(target, b"old")

    def killed(self: Path, target: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(target, b"new")
    assert target.read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]


def test_canonical_json_does_not_depend_on_order() -> None:
    assert canonical_json({"b": 1, "a": [1, 2.5, "é"]}) == '{"a":[1,2.5,"é"],"b":1}'
    assert digest({"a": 1, "b": 2}) == digest(dict(reversed(json.loads('{"a":1,"b":2}').items())))


def test_canonical_json_refuses_what_is_no_json() -> None:
    with pytest.raises(ValueError, match="Out of range"):
        canonical_json(float("nan"))


def test_drawn_numbers_are_fixed_and_32_bit() -> None:
    # The value is written down:
    # a seed that changed between versions would make every stored picture unfindable.
    assert draw_number(42, "front", 0) == draw_number(42, "front", 0) == 2647473336
    numbers = {draw_number(42, "front", index) for index in range(200)}
    assert len(numbers) == 200
    assert all(0 <= number < 2**32 for number in numbers)


def test_flatten_names_leaves_by_dotted_path() -> None:
    assert dict(flatten({"a": {"b": [1, {"c": 2}]}, "d": {}})) == {"a.b[0]": 1, "a.b[1].c": 2, "d": {}}
