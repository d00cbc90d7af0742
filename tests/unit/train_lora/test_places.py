"""What every place must do, wherever it lies."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.stubs.sshd import Sshd, start_sshd
from train_lora.errors import ArtifactError, PublishError, TrainError
from train_lora.places import FileInfo, ModelsPlace, open_place, read_place
from train_lora.ssh import SshAuth


@dataclass
class Where:
    """One kind of place, and a look at its files that does not go through it."""

    text: str | Path
    auth: SshAuth | None
    read: Callable[[str], bytes]
    write: Callable[[str, bytes], None]
    names: Callable[[], list[str]]

    def open(self) -> AbstractContextManager[ModelsPlace]:
        return open_place(self.text, auth=self.auth)


@pytest.fixture(scope="module")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    server = start_sshd(tmp_path_factory.mktemp("sshd"))
    yield server
    server.stop()


@pytest.fixture(scope="module")
def sftp_only(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    server = start_sshd(tmp_path_factory.mktemp("sftp only"), extra=["ForceCommand internal-sftp"])
    yield server
    server.stop()


def _folder(models: Path, text: str | Path, auth: SshAuth | None = None) -> Where:
    (models / "Lora").mkdir(parents=True)

    def write(rel: str, data: bytes) -> None:
        (models / "Lora" / rel).parent.mkdir(exist_ok=True)
        (models / "Lora" / rel).write_bytes(data)

    def names() -> list[str]:
        return sorted(
            str(path.relative_to(models / "Lora")) for path in (models / "Lora").rglob("*") if path.is_file()
        )

    return Where(text, auth, lambda rel: (models / "Lora" / rel).read_bytes(), write, names)


def _memory(tmp_path: Path) -> Where:
    import fsspec

    fs, root = fsspec.filesystem("memory"), f"/{tmp_path.name}/models"
    fs.makedirs(f"{root}/Lora")

    def names() -> list[str]:
        return sorted(path.removeprefix(f"{root}/Lora/") for path in fs.find(f"{root}/Lora"))

    return Where(
        f"memory:/{root}",
        None,
        lambda rel: fs.cat_file(f"{root}/Lora/{rel}"),
        lambda rel, data: fs.pipe_file(f"{root}/Lora/{rel}", data),
        names,
    )


@pytest.fixture(params=["path", "file", "sftp", "sftp without commands", "memory"])
def there(request: pytest.FixtureRequest, tmp_path: Path) -> Where:
    models = tmp_path / "my models"
    kind = request.param
    if kind == "memory":
        return _memory(tmp_path)
    if kind == "path":
        return _folder(models, models)
    if kind == "file":
        return _folder(models, f"file://{models}")
    server: Sshd = request.getfixturevalue("sshd" if kind == "sftp" else "sftp_only")
    return _folder(models, server.url(models), SshAuth.from_env(server.env))


def put(place: ModelsPlace, folder: Path, data: bytes, rel: str = "a.safetensors", **how: object) -> None:
    source = folder / "source"
    source.write_bytes(data)
    settings: dict[str, object] = {"replaces": False, "sha256": hashlib.sha256(data).hexdigest(), **how}
    place.put(source, rel, **settings)  # type: ignore[arg-type]


def lora(header: bytes = b"{}") -> bytes:
    return len(header).to_bytes(8, "little") + header + b"tensors"


def test_a_file_arrives_whole_and_nothing_else_stays(there: Where, tmp_path: Path) -> None:
    data = os.urandom(3_000_001)
    with there.open() as place:
        put(place, tmp_path, data)
        assert place.sha256("a.safetensors") == hashlib.sha256(data).hexdigest()
    assert there.names() == ["a.safetensors"]
    assert there.read("a.safetensors") == data


def test_the_lora_folder_is_made(there: Where, tmp_path: Path) -> None:
    with there.open() as place:
        where = place.where("")
        if not where.startswith("memory"):
            (tmp_path / "my models" / "Lora").rmdir()
            assert place.find("a") == place.parts("a") == []
            put(place, tmp_path, b"x")
            assert there.names() == ["a.safetensors"]


def test_a_file_that_is_there_is_never_replaced_unasked(there: Where, tmp_path: Path) -> None:
    there.write("a.safetensors", b"theirs")
    with there.open() as place, pytest.raises(PublishError, match=r"a\.safetensors appeared"):
        put(place, tmp_path, b"ours")
    assert there.names() == ["a.safetensors"]
    assert there.read("a.safetensors") == b"theirs"


def test_a_file_is_replaced_when_that_is_asked_for(there: Where, tmp_path: Path) -> None:
    there.write("a.safetensors", b"old")
    with there.open() as place:
        put(place, tmp_path, b"new", replaces=True)
    assert (there.names(), there.read("a.safetensors")) == (["a.safetensors"], b"new")


def test_a_copy_that_differs_is_noticed(there: Where, tmp_path: Path) -> None:
    with there.open() as place, pytest.raises(PublishError, match="differs from the original"):
        put(place, tmp_path, b"garbled", sha256="0" * 64)
    assert there.names() == []


def test_whatever_a_webui_would_call_by_the_name_is_found(there: Where) -> None:
    for rel in ("a.safetensors", "x/A.PT", "x/b.safetensors", "a-2.safetensors", "a.txt", ".a.1.part"):
        there.write(rel, b"12")
    with there.open() as place:
        assert place.find("a") == [FileInfo("a.safetensors", 2), FileInfo("x/A.PT", 2)]
        assert place.find("c") == []


def test_the_header_is_read_and_not_the_tensors(there: Where) -> None:
    there.write("a.safetensors", lora(b'{"__metadata__":{}}'))
    there.write("b.safetensors", b"\xff" * 100)
    there.write("c.safetensors", lora(b"{}")[:9])
    with there.open() as place:
        assert place.read_header("a.safetensors") == b'{"__metadata__":{}}'
        for rel in ("b.safetensors", "c.safetensors"):
            with pytest.raises(ArtifactError, match="not a safetensors file"):
                place.read_header(rel)


def test_removing_twice_is_as_good_as_once(there: Where) -> None:
    there.write("a.safetensors", b"1")
    there.write("b.safetensors", b"1")
    with there.open() as place:
        place.remove("a.safetensors")
        place.remove("a.safetensors")
    assert there.names() == ["b.safetensors"]


def test_unfinished_files_are_told_apart(there: Where) -> None:
    for rel in (".a.1.part", ".a-2.1.part", ".a.b.1.part", "a.safetensors", "x/.a.1.part"):
        there.write(rel, b"1")
    with there.open() as place:
        assert place.parts("a", ours=True) == [".a.1.part"]


def test_what_is_not_there_is_said(there: Where) -> None:
    with there.open() as place:
        for ask in (place.sha256, place.read_header):
            with pytest.raises(PublishError, match=r"nowhere\.safetensors") as caught:
                ask("nowhere.safetensors")
            assert caught.value.hint


def test_the_folder_must_be_there(there: Where) -> None:
    with pytest.raises(PublishError, match="not there"), open_place(f"{there.text}2", auth=there.auth):
        pass


def test_the_lora_folder_itself_is_named(there: Where) -> None:
    with (
        pytest.raises(PublishError, match="is the LoRA folder itself") as caught,
        open_place(f"{there.text}/Lora", auth=there.auth),
    ):
        pass
    assert caught.value.hint.rstrip("/").endswith("models")


def test_its_address_opens_it_again(there: Where) -> None:
    there.write("a.safetensors", b"1")
    with there.open() as place, open_place(place.url, auth=there.auth) as again:
        assert again.find("a") == place.find("a") != []


def test_the_age_decides_where_no_lock_reaches(sshd: Sshd, tmp_path: Path) -> None:
    there = _folder(tmp_path / "models", sshd.url(tmp_path / "models"), SshAuth.from_env(sshd.env))
    for name, age_s in ((".a.young.part", 60), (".a.old.part", 7200)):
        there.write(name, b"1")
        when = time.time() - age_s
        os.utime(tmp_path / "models" / "Lora" / name, (when, when))
    with there.open() as place:
        assert place.parts("a") == [".a.old.part"]
        assert place.parts("a", ours=True) == [".a.old.part", ".a.young.part"]


def test_the_age_decides_in_storages_too(tmp_path: Path) -> None:
    from datetime import UTC, datetime, timedelta

    import fsspec

    there = _memory(tmp_path)
    for name in (".a.young.part", ".a.old.part"):
        there.write(name, b"1")
    store = fsspec.filesystem("memory").store
    old = next(
        value for key, value in store.items() if key.endswith(f"{tmp_path.name}/models/Lora/.a.old.part")
    )
    old.modified = old.created = datetime.now(UTC) - timedelta(hours=2)
    with there.open() as place:
        assert place.parts("a") == [".a.old.part"]


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("models", Path("models")),
        ("/a b/models", Path("/a b/models")),
        (Path("x"), Path("x")),
        ("file:///a%20b/models", Path("/a b/models")),
        ("sftp://me@gpu:2222/srv/models", "sftp://me@gpu:2222/srv/models"),
        ("  ssh://gpu/~/models ", "ssh://gpu/~/models"),
        ("s3://bucket/models", "s3://bucket/models"),
    ],
)
def test_places_as_text(text: str | Path, read: str | Path) -> None:
    assert read_place(text) == read


def test_home_is_understood(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    assert read_place("~/models") == Path("/home/me/models")


@pytest.mark.parametrize(
    "text",
    [
        "sftp://me:hunter2@gpu/x",
        "s3://me:hunter2@bucket/x",
        "smb://me:hunter2@nas/x",
        "s3://key:abc/hunter2@bucket/x",
    ],
)
def test_a_password_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(TrainError, match="password stands in") as caught:
        read_place(text)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("http://127.0.0.1:7860", "can only be read"),
        ("sftp://gpu", "names no folder"),
        ("sftp://gpu/models?token=hunter2", "behind a"),
        ("s3://[bucket/x", "cannot be the address"),
        ("simplecache::s3://bucket/x", "chains"),
    ],
)
def test_what_cannot_be_a_models_folder(text: str, match: str) -> None:
    with pytest.raises(TrainError, match=match):
        read_place(text)


def test_a_storage_nobody_knows(tmp_path: Path) -> None:
    with pytest.raises(PublishError, match="no storage that is known"), open_place("nonsense://x/models"):
        pass


def test_a_driver_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from fsspec.registry import known_implementations

    monkeypatch.setitem(known_implementations, "s3", {"class": "nope.X", "err": "Install s3fs"})
    with pytest.raises(PublishError, match="Install s3fs") as caught, open_place("s3://bucket/models"):
        pass
    assert "fsspec[s3]" in caught.value.hint


def test_without_fsspec_the_command_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "fsspec", None)
    with pytest.raises(PublishError, match="needs fsspec") as caught, open_place("memory://x/models"):
        pass
    assert caught.value.hint == 'pip install -e ".[remote]"'


def test_a_storage_that_breaks_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import fsspec.implementations.memory as memory

    there = _memory(tmp_path)

    def denied(*_: object, **__: object) -> None:
        raise RuntimeError("An error occurred (AccessDenied)")

    with there.open() as place:
        monkeypatch.setattr(memory.MemoryFileSystem, "put_file", denied)
        with pytest.raises(PublishError, match=r"cannot be written: An error occurred \(AccessDenied\)\."):
            put(place, tmp_path, b"x")
