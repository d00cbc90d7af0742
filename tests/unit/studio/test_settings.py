from __future__ import annotations

from pathlib import Path

import pytest

from studio.errors import BadInput
from studio.settings import VARIABLES, Settings


def test_nothing_set() -> None:
    assert Settings.from_env({}) == Settings()


def test_every_variable_is_read() -> None:
    asked: set[str] = set()

    class Spy(dict[str, str]):
        def get(self, key: str, default: str = "") -> str:  # type: ignore[override]
            asked.add(key)
            return super().get(key, default)

        def __getitem__(self, key: str) -> str:
            asked.add(key)
            return super().__getitem__(key)

    Settings.from_env(Spy())
    assert asked == set(VARIABLES)


def test_values(tmp_path: Path) -> None:
    ca = tmp_path / "ca.pem"
    ca.touch()
    settings = Settings.from_env(
        {
            "SDWEBUI_URL": "http://a:1, http://b:2  http://c",
            "SDWEBUI_AUTH": "me:pass:word",
            "SDWEBUI_MODELS_DIR": str(tmp_path),
            "SDWEBUI_CA_FILE": str(ca),
            "SDWEBUI_SSH_KEY": str(ca),
            "SDWEBUI_SSH_KNOWN_HOSTS": str(tmp_path / "not yet there"),
        }
    )
    assert (settings.ssh_key, settings.ssh_known_hosts) == (ca, tmp_path / "not yet there")
    assert settings.urls == ("http://a:1", "http://b:2", "http://c")
    assert (settings.username, settings.password) == ("me", "pass:word")
    assert settings.models_dir == tmp_path
    assert settings.ca_file == ca


def test_a_models_folder_elsewhere_stays_an_address() -> None:
    settings = Settings.from_env({"SDWEBUI_MODELS_DIR": " sftp://me@gpu:2222/srv/models "})
    assert settings.models_dir == "sftp://me@gpu:2222/srv/models"


def test_a_password_is_not_in_repr() -> None:
    assert "hunter2" not in repr(Settings.from_env({"SDWEBUI_AUTH": "me:hunter2"}))


def test_the_file_wins_over_the_variable(tmp_path: Path) -> None:
    (tmp_path / "auth").write_text("from:file\n")
    settings = Settings.from_env({"SDWEBUI_AUTH_FILE": str(tmp_path / "auth"), "SDWEBUI_AUTH": "a:b"})
    assert (settings.username, settings.password) == ("from", "file")


@pytest.mark.parametrize(
    ("env", "named"),
    [
        ({"SDWEBUI_AUTH": "nocolon-secret"}, "SDWEBUI_AUTH"),
        ({"SDWEBUI_USERNAME": "me"}, "SDWEBUI_PASSWORD"),
        ({"SDWEBUI_PASSWORD": "secret"}, "SDWEBUI_USERNAME"),
        ({"SDWEBUI_CA_FILE": "/nowhere/ca.pem"}, "SDWEBUI_CA_FILE"),
        ({"SDWEBUI_AUTH_FILE": "/nowhere/auth"}, "SDWEBUI_AUTH_FILE"),
        ({"SDWEBUI_SSH_KEY": "/nowhere/key"}, "SDWEBUI_SSH_KEY"),
        ({"SDWEBUI_MODELS_DIR": "sftp://me:secret@gpu/x"}, "SDWEBUI_MODELS_DIR"),
        ({"SDWEBUI_MODELS_DIR": "http://gpu:7860"}, "SDWEBUI_MODELS_DIR"),
    ],
)
def test_a_wrong_value_names_its_variable_and_no_secret(env: dict[str, str], named: str) -> None:
    with pytest.raises(BadInput) as caught:
        Settings.from_env(env)
    assert named in caught.value.message
    assert "secret" not in caught.value.message + caught.value.hint


def test_an_empty_auth_file_is_explained(tmp_path: Path) -> None:
    (tmp_path / "auth").touch()
    with pytest.raises(BadInput, match="first line"):
        Settings.from_env({"SDWEBUI_AUTH_FILE": str(tmp_path / "auth")})
