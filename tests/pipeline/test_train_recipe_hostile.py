"""The training recipe among others: two runs at once, a run that is stopped while it publishes."""

from __future__ import annotations

from pathlib import Path

import pytest

from sdwebui_client import Cancelled, CancelToken, WebUI
from sdwebui_client.sandbox import SandboxServer
from stages.choosing import temporary_name
from stages.events import Note
from stages.lora import for_trial, publish_to, sweep_trials
from stages.servers import Probed, ServerSet
from stages.training.verify import verify_used
from tests.pipeline._choosing import in_models_dir, trained
from tests.pipeline._recipe import PHOTOS, Watched, copy_photos, generations
from train_lora import Checkpoint, build_dataset, load_photos
from train_lora.trials import Ledger


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    root = tmp_path_factory.mktemp("hostile")
    photos = load_photos(copy_photos(root / "photos", PHOTOS))
    dataset = build_dataset(photos, root / "dataset", trigger="orum person", size=256)
    return trained(dataset, root / "training")[-1]


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
