"""Who trains, on which base model, and how thoroughly the checkpoints are tried."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sdwebui_client.capabilities import Capabilities, CheckpointInfo, Flavour
from stages.choosing import ChooseParams
from stages.errors import StageError
from stages.events import Event, Note
from stages.servers import Probed
from stages.training import trainers as module
from stages.training.trainers import base_model_of, is_sandbox, make_trainer, reach, trials_of
from tests.stubs.trainer import fake_base_model
from train_lora import TrainerAsked, TrainError


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[TrainerAsked]:
    """What the backends were asked for, instead of one being made."""
    seen: list[TrainerAsked] = []
    monkeypatch.setattr(module, "get_backend", seen.append)
    return seen


@pytest.mark.parametrize(
    ("name", "sandbox", "made"),
    [
        (None, True, "sandbox"),
        (None, False, "sd-scripts"),
        ("sandbox", False, "sandbox"),
        ("ssh://me@gpu/srv/sd-scripts", True, "ssh://me@gpu/srv/sd-scripts"),
    ],
)
def test_the_servers_decide_unless_somebody_was_asked(
    asked: list[TrainerAsked], name: str | None, sandbox: bool, made: str
) -> None:
    make_trainer(TrainerAsked(name), sandbox=sandbox)
    assert asked[0].name == made


@pytest.mark.parametrize(
    ("own", "env", "webuis", "used"),
    [
        ("own", "env", "webuis", "own"),
        (None, "env", "webuis", None),  # find_setup takes the environment's
        (None, "", "webuis", "webuis"),
        (None, None, "webuis", "webuis"),
        (None, None, None, None),
    ],
)
def test_the_base_model_that_was_named_goes_first(
    asked: list[TrainerAsked], own: str | None, env: str | None, webuis: str | None, used: str | None
) -> None:
    given = {"SDWEBUI_BASE_MODEL": env} if env is not None else {}
    make_trainer(
        TrainerAsked(base_model=Path(own) if own else None, env=given),
        sandbox=False,
        base_model=Path(webuis) if webuis else None,
    )
    assert asked[0].base_model == (Path(used) if used else None)
    assert asked[0].env == given


# ---- the servers


def server(
    url: str = "http://gpu:7860", *models: str, loaded: str | None = None, sandbox: bool = False
) -> Probed:
    checkpoints = tuple(CheckpointInfo(title, Path(title.partition(" [")[0]).stem) for title in models)
    caps = Capabilities(Flavour.A1111, sandbox=sandbox, checkpoints=checkpoints, loaded_checkpoint=loaded)
    return Probed(SimpleNamespace(url=url), caps)  # type: ignore[arg-type]


def test_servers_are_all_real_or_all_stand_ins() -> None:
    stand_in, real = server("http://here:1", sandbox=True), server("http://gpu:2")
    assert is_sandbox([stand_in, stand_in])
    assert not is_sandbox([real, real])
    assert not is_sandbox([])
    with pytest.raises(StageError, match="http://here:1 is the sandbox, the other") as told:
        is_sandbox([real, stand_in])
    assert told.value.hint


# ---- the WebUI's own base model


@pytest.fixture
def models(tmp_path: Path) -> Path:
    folder = tmp_path / "Stable-diffusion"
    (folder / "people").mkdir(parents=True)
    fake_base_model(folder / "one.safetensors")
    fake_base_model(folder / "people" / "two.safetensors")
    fake_base_model(folder / "xl.safetensors", "sdxl")
    (folder / "old.ckpt").write_bytes(b"pickle")
    (folder / "broken.safetensors").write_bytes(b"no header")
    return tmp_path


ALL = (
    "one.safetensors [ab12]", "people/two.safetensors [cd34]", "xl.safetensors", "old.ckpt",
    "gone.safetensors", "broken.safetensors",
)  # fmt: skip


def found(
    models: Path | str | None, *servers: Probed, family: str = "sd15", checkpoint: str | None = None
) -> str | None:
    path = base_model_of(servers, models, family=family, checkpoint=checkpoint)
    return None if path is None else path.name


def test_the_loaded_checkpoint_is_trained_on(models: Path) -> None:
    assert found(models, server("u", *ALL, loaded="one.safetensors [ab12]")) == "one.safetensors"
    assert found(models, server("u", *ALL, loaded="people/two.safetensors")) == "two.safetensors"
    assert found(models, server("u", *ALL, loaded="xl.safetensors"), family="sdxl") == "xl.safetensors"


@pytest.mark.parametrize("name", ["two", "people/two.safetensors [cd34]", "people/two.safetensors"])
def test_the_presets_checkpoint_goes_before_the_loaded_one(models: Path, name: str) -> None:
    loaded = server("u", *ALL, loaded="one.safetensors [ab12]")
    assert found(models, loaded, checkpoint=name) == "two.safetensors"


@pytest.mark.parametrize(
    "loaded",
    ["xl.safetensors", "old.ckpt", "gone.safetensors", "broken.safetensors", "unlisted.safetensors", None],
)
def test_what_is_of_no_use_is_not_taken(models: Path, loaded: str | None) -> None:
    assert found(models, server("u", *ALL, loaded=loaded)) is None


def test_only_a_folder_of_this_machine_is_looked_into(models: Path) -> None:
    loaded = server("u", *ALL, loaded="one.safetensors [ab12]")
    assert found(f"sftp://me@gpu{models}", loaded) is None
    assert found(None, loaded) is None
    assert found(models) is None


def test_the_first_server_with_one_counts(models: Path) -> None:
    none, has = server("u"), server("v", *ALL, loaded="one.safetensors [ab12]")
    assert found(models, none, has) == "one.safetensors"


# ---- the models folder


def test_a_folder_here_needs_no_reaching(tmp_path: Path) -> None:
    reach([server()], tmp_path / "not mounted yet")


def test_a_folder_nobody_named_is_missed_before_the_training() -> None:
    with pytest.raises(StageError, match="--models-dir"):
        reach([server()], None)


def test_a_folder_elsewhere_is_looked_at_before_the_training() -> None:
    with pytest.raises(TrainError):
        reach([server()], "sftp://nobody@127.0.0.1:9/srv/models")


# ---- how thoroughly


def notes(events: Iterable[Event]) -> list[str]:
    return [event.text for event in events if isinstance(event, Note)]


def test_a_real_webui_makes_every_trial() -> None:
    params, events = ChooseParams(pictures=5), list[Any]()
    assert trials_of(params, sandbox=False, emit=events.append) == params
    assert events == []


def test_the_sandbox_makes_fewer_and_says_so() -> None:
    params, events = ChooseParams(pictures=5, weight=0.7, weights=(0.6, 0.7, 0.8)), list[Any]()
    quick = trials_of(params, sandbox=True, emit=events.append)
    assert (quick.pictures, quick.finalists, quick.weights) == (2, 1, (0.7,))
    assert quick.jobs(6) == 12
    (text,) = notes(events)
    assert "only 2 pictures" in text
    assert "it is 5" in text
