"""The training recipe among others: two runs at once, a run that is stopped while it publishes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from sdwebui_client import Cancelled, CancelToken, WebUI
from sdwebui_client.sandbox import SandboxServer
from stages.choosing import temporary_name
from stages.errors import DiskFull
from stages.events import Note, TrainingProgress
from stages.lora import for_trial, publish_to, sweep_trials
from stages.servers import Probed, ServerSet
from stages.store import Store
from stages.training.verify import verify_used
from tests.pipeline._choosing import in_models_dir, trained
from tests.pipeline._recipe import PHOTOS, Watched, copy_photos, generations
from tests.pipeline.test_train_recipe import train, wish
from train_lora import Checkpoint, TrainerAsked, build_dataset, load_photos, read_artifact
from train_lora.trials import Ledger


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    root = tmp_path_factory.mktemp("hostile")
    photos = load_photos(copy_photos(root / "photos", PHOTOS))
    dataset = build_dataset(photos, root / "dataset", trigger="orum person", size=256)
    return trained(dataset, root / "training")[-1]


@pytest.mark.slow
def test_a_disk_that_is_full_when_the_lora_is_stored_costs_no_second_training(
    server: SandboxServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos = copy_photos(tmp_path / "photos", PHOTOS)
    asked = wish(photos, tmp_path / "out", name="fay", trainer=TrainerAsked("sandbox"))
    stored, put = Store.save, 0

    def full(store: Store, material: Mapping[str, Any], **fields: Any) -> Any:
        nonlocal put
        if "lora" in fields["outputs"]:
            put += 1
            if put == 1:
                raise DiskFull(store.folder)
        return stored(store, material, **fields)

    monkeypatch.setattr(Store, "save", full)
    with pytest.raises(DiskFull):
        train(asked, server.url)
    watch, before = Watched(), generations(server)
    result = train(asked, server.url, watch=watch)
    assert not watch.of(TrainingProgress)
    assert generations(server) - before == 1, "the proof; the trials were kept"
    assert read_artifact(result.file).name == "fay"
    assert not list((tmp_path / "out" / ".work" / "training").iterdir())


def probed_set(webui: WebUI) -> ServerSet:
    servers = ServerSet([webui], checkpoint=None)
    servers.keep([Probed(webui, webui.capabilities(refresh=True))])
    return servers


def test_two_runs_that_try_the_same_checkpoint_do_not_disturb_each_other(
    server: SandboxServer, checkpoint: Checkpoint, tmp_path: Path
) -> None:
    models, name = server.settings.models_dir, temporary_name(checkpoint)
    before = in_models_dir(models)
    with WebUI(server.url) as one, WebUI(server.url) as two:
        first = for_trial(probed_set(one), models, work=tmp_path / "one")
        second = for_trial(probed_set(two), models, work=tmp_path / "two")
        with first(checkpoint, name) as mine:
            with second(checkpoint, name) as theirs:
                assert mine != theirs
                assert mine.startswith(name)
            assert in_models_dir(models) - before == {f"{mine}.safetensors"}
            assert mine in [lora.name for lora in one.loras()]
    assert in_models_dir(models) == before


def test_what_a_killed_run_left_is_removed_where_it_left_it(
    server: SandboxServer, checkpoint: Checkpoint, tmp_path: Path
) -> None:
    models = server.settings.models_dir
    before, watch = in_models_dir(models), Watched()
    sha256 = checkpoint.artifact.sha256
    (models / "Lora" / "tmp-left.safetensors").write_bytes(checkpoint.artifact.path.read_bytes())
    # Of a second server, which this run does not have, and of a folder that is away now.
    Ledger(tmp_path / "trials-1.json").add("tmp-left", sha256, place=str(models))
    Ledger(tmp_path / "trials-2.json").add("tmp-away", sha256, place=str(tmp_path / "away"))
    (tmp_path / "other").mkdir()
    with WebUI(server.url) as webui:
        webui.refresh_loras()
        sweep_trials(probed_set(webui).probed, tmp_path / "other", work=tmp_path, emit=watch)
        assert "tmp-left" not in [lora.name for lora in webui.loras()]
    assert in_models_dir(models) == before
    assert not (tmp_path / "trials-1.json").exists()
    assert Ledger(tmp_path / "trials-2.json").read() == {"tmp-away": sha256}
    (note,) = watch.of(Note)
    assert "away is not there" in note.text


def test_the_proof_of_a_published_lora_can_be_stopped(server: SandboxServer, checkpoint: Checkpoint) -> None:
    models, before = server.settings.models_dir, generations(server)
    cancel = CancelToken()
    cancel.cancel()
    with WebUI(server.url) as webui:
        (probed,) = probed_set(webui).probed
        published = publish_to(probed, checkpoint.artifact, models)
        with pytest.raises(Cancelled):
            verify_used(probed, checkpoint.artifact, cancel=cancel)
    assert generations(server) == before
    (models / published.rel).unlink()
