from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click
import pytest

from studio.cli import _app, main
from studio.cli._app import COMMANDS, SECTIONS, app
from studio.cli._state import State, redact
from studio.errors import BadInput

HEAVY = (
    "cv2",
    "numpy",
    "dlib",
    "skimage",
    "uvicorn",
    "starlette",
    "gradio",
    "requests",
    "pydantic",
    "rich",
    "PIL",
)


def test_help_names_every_command_and_ends_well(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in COMMANDS)
    assert "Examples" in shown


def test_every_command_stands_in_exactly_one_section() -> None:
    assert sorted(name for _, names in SECTIONS for name in names) == sorted(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_short_help_is_the_commands_own(name: str) -> None:
    command = app.get_command(click.Context(app), name)
    assert command is not None
    assert command.short_help == COMMANDS[name][2]
    assert command.name == name


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_a_command_explains_every_option(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([name, "--help"]) == 0
    assert "Usage" in capsys.readouterr().out
    command = app.get_command(click.Context(app), name)
    assert command is not None
    commands = list(command.commands.values()) if isinstance(command, click.Group) else [command]
    for one in commands:
        assert one.help
        silent = [p.name for p in one.params if isinstance(p, click.Option) and not p.help]
        assert not silent


def test_no_argument_is_a_call_for_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    assert "Usage" in capsys.readouterr().out


@pytest.mark.parametrize(
    "args", [["nonsense"], ["make-profile"], ["--nonsense"], ["make-profile", "--user", "x", "--count", "0"]]
)
def test_a_wrong_command_line_is_exit_2(args: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(args) == 2
    captured = capsys.readouterr()
    assert "Error" in captured.err
    assert captured.out == ""


@pytest.mark.parametrize("args", ["--help", "version", "make-profile --help", "sandbox --help"])
def test_commands_start_without_loading_what_they_do_not_need(args: str) -> None:
    code = (
        "import sys; from studio.cli import main; main(sys.argv[1:]);"
        f"print('LOADED', [name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *args.split()], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "LOADED []"


def command_that(error: BaseException) -> click.Command:
    @click.command()
    def fails() -> None:
        raise error

    return fails


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> object:
    def install(error: BaseException) -> None:
        monkeypatch.setattr(_app, "app", command_that(error))

    return install


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (BadInput("no", hint="try"), 2),
        (KeyboardInterrupt(), 130),
        (click.Abort(), 130),
        (click.UsageError("x"), 2),
    ],
)
def test_errors_become_exit_codes(error: BaseException, code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_app, "app", command_that(error))
    assert main([]) == code


def test_a_failure_says_what_happened_and_what_to_do(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(_app, "app", command_that(BadInput("[bold] is not markup", hint="do this")))
    main([])
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "[bold] is not markup" in captured.err
    assert "do this" in captured.err


def test_an_unexpected_error_is_short_and_its_traceback_is_kept(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.setattr(_app, "app", command_that(ZeroDivisionError("oops")))
    assert main([]) == 1
    shown = capsys.readouterr().err
    assert "ZeroDivisionError: oops" in shown
    assert "Traceback" not in shown
    (log,) = tmp_path.glob("sdwebui-client-*.log")
    assert str(log) in shown.replace("\n", "")
    assert "Traceback" in log.read_text()


def test_an_unexpected_error_goes_to_the_open_log(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    log = tmp_path / "log.txt"

    @click.command()
    @click.pass_obj
    def fails(state: State) -> None:
        with state.logging_to(log, verbose=False):
            raise ZeroDivisionError("oops")

    monkeypatch.setattr(_app, "app", fails)
    assert main([]) == 1
    assert "ZeroDivisionError: oops" in log.read_text()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("http://me:secret@gpu:7860/x", "http://me:***@gpu:7860/x"),
        ("https://me:se@cret@gpu", "https://me:***@gpu"),
        ("http://gpu:7860", "http://gpu:7860"),
        ("a:b@c", "a:b@c"),
    ],
)
def test_redact(text: str, shown: str) -> None:
    assert redact(text) == shown


def test_the_command_to_run_again_is_for_a_shell_and_without_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/x/sdwebui-client"])
    state = State(("make-profile", "--user", "my photos", "--webui", "http://me:secret@gpu"))
    assert state.again() == "sdwebui-client make-profile --user 'my photos' --webui 'http://me:***@gpu'"
    monkeypatch.setattr(sys, "argv", ["/x/sdwebui_client/__main__.py"])
    assert "-m sdwebui_client make-profile" in state.again()


def test_logging_leaves_the_root_logger_as_it_was(tmp_path: Path) -> None:
    import logging

    root = logging.getLogger()
    before = (root.level, list(root.handlers))
    with State().logging_to(tmp_path / "deep" / "log.txt", verbose=True):
        logging.getLogger("x").info("hello")
    assert (root.level, list(root.handlers)) == before
    assert "INFO x: hello" in (tmp_path / "deep" / "log.txt").read_text()
