from __future__ import annotations

import pytest

from train_lora.backends.kohya.redact import base_name, file_names_only


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Error loading file: /home/kim/photos/t.jpg", "Error loading file: t.jpg"),
        (
            "file not found / ファイルが見つかりません: /a/nope.toml",
            "file not found / ファイルが見つかりません: nope.toml",
        ),
        ("cannot open 'C:\\Users\\Kim Lee\\model.safetensors'", "cannot open 'model.safetensors'"),
        ('path "/home/Kim Lee/a b.safetensors" is bad', 'path "a b.safetensors" is bad'),
        ("not directory: /home/kim", "not directory: …"),
        ("image_dir='/home/kim'", "image_dir='…'"),
        ("it's a photo of nobody", "it's a photo of nobody"),
        ("No bitsandbytes / なし", "No bitsandbytes / なし"),
        ("", ""),
    ],
)
def test_folders_go_and_files_stay(text: str, shown: str) -> None:
    assert file_names_only(text) == shown


def test_the_last_part_of_any_path() -> None:
    assert base_name("/a/b/c.png") == "c.png"
    assert base_name("C:\\a\\c.png") == "c.png"
    assert base_name("c.png") == "c.png"
    assert base_name("/a/b/") == "b"
