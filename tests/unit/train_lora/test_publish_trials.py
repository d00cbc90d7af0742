"""Publishing for a while, and what a killed run leaves behind."""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from tests.stubs.sshd import Sshd, start_sshd
from train_lora import LoraArtifact, PublishError, publish, read_artifact, unpublish
from train_lora.errors import HostKeyError, SshError, TrainError
from train_lora.places.local import LocalPlace
from train_lora.publish import publish_temporarily, sweep_temporaries
from train_lora.ssh import SshAuth
from train_lora.trials import Ledger

publishing = importlib.import_module("train_lora.publish")


class Host:
    """A WebUI that lists its folder when it is told to look again."""

    is_sandbox = False

    def __init__(self, models_dir: Path) -> None:
        self._folder, self._names = models_dir / "Lora", set[str]()

    def refresh_loras(self) -> None:
        self._names = {path.stem for path in self._folder.rglob("*.safetensors")}

    def lora_names(self) -> set[str]:
        return self._names


@pytest.fixture(scope="module")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    server = start_sshd(tmp_path_factory.mktemp("sshd"))
    yield server
    server.stop()


@pytest.fixture
def models(tmp_path: Path) -> Path:
    (tmp_path / "models" / "Lora").mkdir(parents=True)
    return tmp_path / "models"


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publishing, "LISTED_WITHIN_S", 0.3)


@pytest.fixture(params=["path", "sftp"])
def text(request: pytest.FixtureRequest, models: Path, monkeypatch: pytest.MonkeyPatch) -> Path | str:
    """The models folder, as it is named to publish."""
    if request.param == "path":
        return models
    sshd: Sshd = request.getfixturevalue("sshd")
    for name, value in sshd.env.items():
        monkeypatch.setenv(name, value)
    return sshd.url(models)


def make(
    folder: Path, name: str = "alice", *, fill: float = 1.0, photos: tuple[str, ...] = ()
) -> LoraArtifact:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.safetensors"
    tensors = {"lora_te_x.lora_up.weight": np.full((2, 2), fill, np.float16)}
    save_file(tensors, path, metadata={"ss_photos": json.dumps(photos)})
    return read_artifact(path)


def names(models: Path) -> list[str]:
    return sorted(path.name for path in (models / "Lora").iterdir())


def test_it_arrives_is_listed_and_is_taken_back(tmp_path: Path, models: Path, text: Path | str) -> None:
    artifact = make(tmp_path / "made")
    published = publish(artifact, Host(models), models_dir=text)
    assert (published.place, published.rel, published.copied) == (str(text), "Lora/alice.safetensors", True)
    assert published.where == f"{text}/Lora/alice.safetensors"
    assert (models / "Lora" / "alice.safetensors").read_bytes() == artifact.path.read_bytes()
    unpublish(published)
    unpublish(published)
    assert names(models) == []


def test_the_same_file_is_not_copied_again(tmp_path: Path, models: Path, text: Path | str) -> None:
    artifact = make(tmp_path / "made")
    publish(artifact, Host(models), models_dir=text)
    stamp = (models / "Lora" / "alice.safetensors").stat().st_mtime_ns
    assert not publish(artifact, Host(models), models_dir=text).copied
    assert (models / "Lora" / "alice.safetensors").stat().st_mtime_ns == stamp


def test_the_same_file_in_a_subfolder_is_taken_back_from_there(
    tmp_path: Path, models: Path, text: Path | str
) -> None:
    artifact = make(tmp_path / "made")
    (models / "Lora" / "people").mkdir()
    (models / "Lora" / "people" / "alice.safetensors").write_bytes(artifact.path.read_bytes())
    published = publish(artifact, Host(models), models_dir=text)
    assert (published.rel, published.copied) == ("Lora/people/alice.safetensors", False)
    unpublish(published)
    assert list((models / "Lora" / "people").iterdir()) == []


@pytest.mark.parametrize("place", ["alice.safetensors", "people/alice.safetensors", "ALICE.safetensors"])
def test_another_persons_file_is_never_touched(
    tmp_path: Path, models: Path, text: Path | str, place: str
) -> None:
    theirs = models / "Lora" / place
    theirs.parent.mkdir(exist_ok=True)
    theirs.write_bytes(make(tmp_path / "theirs", fill=2.0, photos=("them",)).path.read_bytes())
    before = theirs.read_bytes()
    with pytest.raises(PublishError, match="is another LoRA; it is left as it is"):
        publish(make(tmp_path / "made", photos=("us",)), Host(models), models_dir=text)
    assert theirs.read_bytes() == before
    assert [path for path in (models / "Lora").rglob("*") if path.is_file()] == [theirs]


def test_an_earlier_lora_of_the_same_person_is_replaced(
    tmp_path: Path, models: Path, text: Path | str
) -> None:
    publish(make(tmp_path / "old", photos=("a", "b")), Host(models), models_dir=text)
    new = make(tmp_path / "new", fill=3.0, photos=("b", "c"))
    assert publish(new, Host(models), models_dir=text).copied
    assert (models / "Lora" / "alice.safetensors").read_bytes() == new.path.read_bytes()
    assert names(models) == ["alice.safetensors"]


@pytest.mark.parametrize(("photos", "welcome"), [(("a",), True), (("b",), False)])
def test_a_file_that_appears_meanwhile_is_looked_at(
    tmp_path: Path, models: Path, monkeypatch: pytest.MonkeyPatch, photos: tuple[str, ...], welcome: bool
) -> None:
    theirs = make(tmp_path / "theirs", fill=2.0, photos=photos).path.read_bytes()
    looked = LocalPlace.find

    def too_early(place: LocalPlace, name: str) -> object:
        found = looked(place, name)
        (models / "Lora" / "alice.safetensors").write_bytes(theirs)
        return found

    monkeypatch.setattr(LocalPlace, "find", too_early)
    ours = make(tmp_path / "made", photos=("a",))
    if welcome:
        assert publish(ours, Host(models), models_dir=models).copied
        assert (models / "Lora" / "alice.safetensors").read_bytes() == ours.path.read_bytes()
    else:
        with pytest.raises(PublishError, match="is another LoRA"):
            publish(ours, Host(models), models_dir=models)
        assert (models / "Lora" / "alice.safetensors").read_bytes() == theirs
    assert names(models) == ["alice.safetensors"]


def test_another_file_by_now_is_not_taken_back(tmp_path: Path, models: Path, text: Path | str) -> None:
    published = publish(make(tmp_path / "made"), Host(models), models_dir=text)
    (models / "Lora" / "alice.safetensors").write_bytes(b"another by now")
    with pytest.raises(TrainError, match="another file by now"):
        unpublish(published)
    assert names(models) == ["alice.safetensors"]


def test_a_host_nobody_knows_gets_nothing(tmp_path: Path, models: Path, sshd: Sshd) -> None:
    auth = SshAuth(sshd.key, tmp_path / "empty")
    with pytest.raises(HostKeyError, match="is not known"):
        publish(make(tmp_path / "made"), Host(models), models_dir=sshd.url(models), auth=auth)
    assert names(models) == []


def test_for_a_while_means_for_a_while(tmp_path: Path, models: Path, text: Path | str) -> None:
    artifact, host = make(tmp_path / "made", "alice-000100"), Host(models)
    ledger = tmp_path / "work" / "trials.json"
    with publish_temporarily(artifact, host, text, name="tmp-alice-100-abc", ledger=ledger) as published:
        assert published.name == "tmp-alice-100-abc"
        assert host.lora_names() == {"tmp-alice-100-abc"}
        assert Ledger(ledger).read() == {"tmp-alice-100-abc": artifact.sha256}
    assert host.lora_names() == set()
    assert names(models) == []
    assert not ledger.exists()


def test_it_goes_also_when_the_block_fails(tmp_path: Path, models: Path) -> None:
    ledger = tmp_path / "trials.json"
    with (
        pytest.raises(KeyboardInterrupt),
        publish_temporarily(
            make(tmp_path / "made"), Host(models), models, name="tmp-alice-1-abc", ledger=ledger
        ),
    ):
        raise KeyboardInterrupt
    assert names(models) == []
    assert not ledger.exists()


def test_it_is_written_down_before_it_is_copied(
    tmp_path: Path, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger, artifact = tmp_path / "trials.json", make(tmp_path / "made")

    class Killed(BaseException):
        pass

    def killed(*_: object, **__: object) -> None:
        assert Ledger(ledger).read() == {"tmp-alice-1-abc": artifact.sha256}
        raise Killed

    monkeypatch.setattr(publishing, "_put", killed)
    with (
        pytest.raises(Killed),
        publish_temporarily(artifact, Host(models), models, name="tmp-alice-1-abc", ledger=ledger),
    ):
        pass


def test_the_next_run_removes_what_a_killed_one_left(tmp_path: Path, models: Path, text: Path | str) -> None:
    artifact, ledger = make(tmp_path / "made"), tmp_path / "trials.json"
    for name in ("tmp-alice-1-abc", "tmp-alice-2-abc", "tmp-alice-3-abc", "tmp-alice-4-abc"):
        Ledger(ledger).add(name, artifact.sha256)
    data = artifact.path.read_bytes()
    (models / "Lora" / "tmp-alice-1-abc.safetensors").write_bytes(data)
    (models / "Lora" / ".tmp-alice-2-abc.0ff.part").write_bytes(data[:9])
    (models / "Lora" / "tmp-alice-3-abc.safetensors").write_bytes(b"another by now")
    (models / "Lora" / "alice.safetensors").write_bytes(data)
    gone = sweep_temporaries(ledger, text)
    assert gone == ("tmp-alice-1-abc", "tmp-alice-2-abc", "tmp-alice-3-abc", "tmp-alice-4-abc")
    assert names(models) == ["alice.safetensors", "tmp-alice-3-abc.safetensors"]
    assert not ledger.exists()
    assert sweep_temporaries(ledger, text) == ()


def test_what_was_left_elsewhere_is_removed_there(tmp_path: Path, models: Path, text: Path | str) -> None:
    artifact, ledger = make(tmp_path / "made"), tmp_path / "trials.json"
    (tmp_path / "others" / "Lora").mkdir(parents=True)
    with publish_temporarily(artifact, Host(models), text, name="tmp-1", ledger=ledger):
        kept = ledger.read_bytes()
    # As if it had been killed; the next run publishes in another folder.
    ledger.write_bytes(kept)
    (models / "Lora" / "tmp-1.safetensors").write_bytes(artifact.path.read_bytes())
    assert sweep_temporaries(ledger, tmp_path / "others") == ("tmp-1",)
    assert names(models) == []
    assert not ledger.exists()


def test_one_place_that_is_away_does_not_spare_the_other(tmp_path: Path, models: Path) -> None:
    artifact, ledger = make(tmp_path / "made"), tmp_path / "trials.json"
    Ledger(ledger).add("tmp-1", artifact.sha256, place=str(tmp_path / "gone"))
    Ledger(ledger).add("tmp-2", artifact.sha256, place=str(models))
    (models / "Lora" / "tmp-2.safetensors").write_bytes(artifact.path.read_bytes())
    with pytest.raises(PublishError, match="gone is not there"):
        sweep_temporaries(ledger)
    assert names(models) == []
    assert Ledger(ledger).read() == {"tmp-1": artifact.sha256}
    assert Ledger(ledger).places() == {"tmp-1": str(tmp_path / "gone")}


def test_a_place_that_is_away_keeps_the_ledger(tmp_path: Path, models: Path, sshd: Sshd) -> None:
    ledger, artifact = tmp_path / "trials.json", make(tmp_path / "made")
    auth = SshAuth.from_env(sshd.env)
    Ledger(ledger).add("tmp-alice-1-abc", artifact.sha256)
    with pytest.raises(TrainError):
        sweep_temporaries(ledger, f"{sshd.url(models)}/gone", auth=auth)
    assert Ledger(ledger).read() == {"tmp-alice-1-abc": artifact.sha256}


@pytest.mark.parametrize("kept", [True, False])
def test_what_cannot_be_removed_stays_in_the_ledger(tmp_path: Path, models: Path, kept: bool) -> None:
    ledger, artifact, host = tmp_path / "trials.json", make(tmp_path / "made"), Host(models)
    pictures = 0

    def trial() -> None:
        nonlocal pictures
        with publish_temporarily(
            artifact, host, models, name="tmp-alice-1-abc", ledger=ledger if kept else None
        ):
            models.rename(tmp_path / "away")
            pictures += 1

    if kept:
        trial()
        assert Ledger(ledger).read() == {"tmp-alice-1-abc": artifact.sha256}
    else:
        with pytest.raises(TrainError, match="not there"):
            trial()
    assert pictures == 1


def test_a_name_that_is_taken_is_left(tmp_path: Path, models: Path) -> None:
    (models / "Lora" / "tmp-alice-1-abc.safetensors").write_bytes(b"theirs")
    with (
        pytest.raises(PublishError, match="another LoRA"),
        publish_temporarily(
            make(tmp_path / "made"), Host(models), models, name="tmp-alice-1-abc", ledger=None
        ),
    ):
        pass
    assert (models / "Lora" / "tmp-alice-1-abc.safetensors").read_bytes() == b"theirs"


@pytest.mark.parametrize("text", ["no json", '{"schema":"x"}', "[]", '{"schema":"sdwebui-trials/1"}'])
def test_a_ledger_that_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "trials.json").write_text(text)
    with pytest.raises(PublishError, match=r"trials\.json"):
        sweep_temporaries(tmp_path / "trials.json", tmp_path)


def test_an_ssh_error_is_a_training_error() -> None:
    assert issubclass(SshError, TrainError)
