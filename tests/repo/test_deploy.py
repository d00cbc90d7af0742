"""The files of deploy/: what they name exists, and what reads them would accept them."""

from __future__ import annotations

import configparser
import gzip
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import jsonschema
import pytest
import yaml

from studio.cli._app import app
from studio.metrics import FAMILIES
from studio.service_settings import _SECRETS, StudioSettings
from studio.settings import VARIABLES

from .conftest import ROOT

DEPLOY = ROOT / "deploy"
COMPOSE = DEPLOY / "compose.yaml"
UNITS = sorted((DEPLOY / "systemd").iterdir())
OURS = {"studio", "worker-1", "worker-2", "admin", "sandbox"}
OTHER_VARIABLES = {"SDWEBUI_TRAINER", "SDWEBUI_BASE_MODEL"}


def known_variables() -> set[str]:
    names = {f"SDWEBUI_{name.upper()}" for name in StudioSettings.model_fields}
    return names | {f"SDWEBUI_{name.upper()}_FILE" for name in _SECRETS} | set(VARIABLES) | OTHER_VARIABLES


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))
    return loaded


def interpolate(value: Any, env: dict[str, str]) -> Any:
    """What compose makes of ${NAME:-default} and ${NAME:?message}."""
    if isinstance(value, dict):
        return {key: interpolate(inner, env) for key, inner in value.items()}
    if isinstance(value, list):
        return [interpolate(inner, env) for inner in value]
    if not isinstance(value, str):
        return value

    def fill(match: re.Match[str]) -> str:
        name, sign, rest = match[1], match[2], match[3]
        if env.get(name):
            return env[name]
        assert sign == ":-", f"{name} must be set: {rest}"
        return rest

    return re.sub(r"\$\{(\w+)(:-|:\?)([^}]*)\}", fill, value)


def env_example() -> dict[str, str]:
    lines = (DEPLOY / "env.example").read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def test_the_compose_file_is_one(compose: dict[str, Any]) -> None:
    schema = json.loads(gzip.decompress((ROOT / "tests/recorded/compose-spec.json.gz").read_bytes()))
    validator = jsonschema.Draft7Validator(schema)
    filled = interpolate(compose, env_example())
    validator.validate(filled)
    filled["services"]["studio"]["heathcheck"] = {}
    assert not validator.is_valid(filled), "a slip would be noticed"


def test_compose_itself_takes_the_file() -> None:
    """Where a compose is installed; test_the_compose_file_is_one holds everywhere."""
    docker = shutil.which("docker")
    plugin = docker and subprocess.run([docker, "compose", "version"], capture_output=True).returncode == 0
    program = [str(docker), "compose"] if plugin else [p for p in [shutil.which("docker-compose")] if p]
    if not program:
        pytest.skip("no docker compose here; the file was checked against the published schema")
    env = {**os.environ, **env_example()}
    done = subprocess.run(
        [*program, "-f", str(COMPOSE), "config", "-q"], env=env, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_the_example_sets_what_compose_asks_for_and_nothing_else() -> None:
    asked = dict(re.findall(r"\$\{(\w+)(:-|:\?)", COMPOSE.read_text(encoding="utf-8")))
    given = env_example()
    assert set(given) == set(asked)
    assert not [name for name, sign in asked.items() if sign == ":?" and not given[name]]


def test_images_are_published_ones_of_a_fixed_version(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        assert "build" not in service, name
        image, _, tag = service["image"].partition(":")
        assert image in {"python", "postgres", "prom/prometheus", "grafana/grafana"}
        assert re.search(r"\d+\.\d+", tag), f"{name}: {image} without a version"


def test_every_service_is_held_in(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        limits = service["deploy"]["resources"]["limits"]
        assert {"cpus", "memory"} == set(limits), name
        assert service["cap_drop"] == ["ALL"], name
        assert "no-new-privileges:true" in service["security_opt"], name
        assert service.get("logging", {}).get("options", {}).get("max-size"), name
        if name not in ("install", "admin"):
            assert service["healthcheck"]["test"][0] == "CMD", name
        if name in OURS:
            assert service["user"] == "10001:10001", name
            assert service["read_only"] is True, name
        for port in service.get("ports", ()):
            assert port.startswith("127.0.0.1:"), f"{name} listens to the world"


def test_the_database_is_closed_in(compose: dict[str, Any]) -> None:
    assert compose["networks"]["inside"]["internal"] is True
    assert compose["services"]["postgres"]["networks"] == ["inside"]


def test_secrets_are_files_that_the_script_makes(compose: dict[str, Any], tmp_path: Path) -> None:
    shutil.copy(DEPLOY / "make-secrets.sh", tmp_path)
    for _ in range(2):
        done = subprocess.run(
            ["sh", str(tmp_path / "make-secrets.sh")], capture_output=True, text=True, check=True
        )
    assert done.stdout == "", "a second time nothing is made"
    folder = tmp_path / "secrets"
    assert folder.stat().st_mode & 0o077 == 0
    made = {path.name: path.read_text() for path in folder.iterdir()}
    assert {f"./secrets/{name}" for name in made} == {
        secret["file"] for secret in compose["secrets"].values()
    }
    assert len(made["studio_secret"]) >= 32
    assert len(set(made.values())) == len(made) - 2, "three are empty, all others differ"
    assert made["postgres_password"] in made["database_url"]
    used = {secret for service in compose["services"].values() for secret in service.get("secrets", ())}
    assert used == set(compose["secrets"])
    text = COMPOSE.read_text(encoding="utf-8")
    for name in set(re.findall(r"/run/secrets/(\w+)", text)):
        assert name in compose["secrets"]


def test_every_setting_in_deploy_exists() -> None:
    known = known_variables()
    for path in (COMPOSE, DEPLOY / "env.example", *UNITS, *(DEPLOY / "proxy").iterdir()):
        for name in re.findall(r"\bSDWEBUI_[A-Z0-9_]+\b", path.read_text(encoding="utf-8")):
            assert name in known, f"{path.name}: {name}"


def commands() -> Iterator[tuple[str, list[str]]]:
    for name, service in yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))["services"].items():
        for words in (
            [*service.get("entrypoint", []), *service.get("command", [])],
            service.get("healthcheck", {}).get("test", []),
        ):
            if "sdwebui_client" in words:
                yield name, words[words.index("sdwebui_client") + 1 :]
    for path in UNITS:
        for line in re.findall(r"ExecStart=\S+ -m sdwebui_client (.+)", path.read_text(encoding="utf-8")):
            yield path.name, [w.replace("%i", "gpu1") for w in line.split() if not w.startswith("$")]


@pytest.mark.parametrize(("where", "args"), list(commands()))
def test_every_command_line_exists(where: str, args: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    if args[-1] == "--help":
        args = args[:-1]
    command: click.Command = app
    name = ""
    while isinstance(command, click.Group) and args:
        name, args = args[0], args[1:]
        found = command.get_command(click.Context(command), name)
        assert found is not None, f"{where}: no command {name}"
        command = found
    if not isinstance(command, click.Group):
        command.make_context(name, args)


def test_there_are_command_lines_to_check() -> None:
    assert len(list(commands())) >= 9


def test_a_worker_is_asked_for_by_its_own_name(compose: dict[str, Any]) -> None:
    for name in ("worker-1", "worker-2"):
        service = compose["services"][name]
        assert service["command"][service["command"].index("--name") + 1] == name
        assert service["healthcheck"]["test"][-1] == name


METRIC = re.compile(r"\bstudio_[a-z_]+\b")


def names_of_series() -> set[str]:
    names = set()
    for name, family in FAMILIES.items():
        names |= (
            {f"{name}_{end}" for end in ("bucket", "sum", "count")} if family.kind == "histogram" else {name}
        )
    return names


def rules() -> list[dict[str, Any]]:
    loaded = yaml.safe_load((DEPLOY / "prometheus" / "alerts.yml").read_text(encoding="utf-8"))
    return [rule for group in loaded["groups"] for rule in group["rules"]]


def dashboard() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(
        (DEPLOY / "grafana/dashboards/studio.json").read_text(encoding="utf-8")
    )
    return loaded


def expressions() -> list[str]:
    targets = [target["expr"] for panel in dashboard()["panels"] for target in panel.get("targets", ())]
    return [*targets, *(rule["expr"] for rule in rules())]


def test_every_metric_that_is_asked_for_is_told() -> None:
    known = names_of_series()
    for expression in expressions():
        found = set(METRIC.findall(expression))
        assert found or "up{" in expression
        assert found <= known, expression


def test_every_metric_that_is_told_is_shown_or_watched() -> None:
    asked = {name for expression in expressions() for name in METRIC.findall(expression)}
    for name, family in FAMILIES.items():
        told = (
            {f"{name}_{end}" for end in ("bucket", "sum", "count")} if family.kind == "histogram" else {name}
        )
        assert told & asked, f"nobody looks at {name}"


def test_labels_that_are_asked_for_exist() -> None:
    for expression in expressions():
        for name, selector in re.findall(r"\b(studio_[a-z_]+)\{([^}]*)\}", expression):
            base = next(
                n for n in FAMILIES if name == n or name.removesuffix("_bucket") == n or name.startswith(n)
            )
            for label in re.findall(r"(\w+)\s*(?:=~|!=|!~|=)", selector):
                assert label in FAMILIES[base].labels, expression


def test_counters_are_only_looked_at_as_rates() -> None:
    growing = {name for name in names_of_series() if name.endswith(("_total", "_bucket", "_sum", "_count"))}
    for expression in expressions():
        for name in METRIC.findall(expression):
            if name in growing:
                assert re.search(rf"(?:rate|increase)\({name}(?:\{{[^}}]*\}})?\[", expression), expression


def test_alerts_say_what_to_do() -> None:
    names = [rule["alert"] for rule in rules()]
    assert len(names) == len(set(names)) >= 10
    for rule in rules():
        assert rule["labels"]["severity"] in ("page", "warning")
        assert rule["annotations"].keys() == {"summary", "description"}
        assert re.fullmatch(r"\d+[smhd]", rule.get("for", "1m"))


def test_prometheus_reads_the_page_with_its_token(compose: dict[str, Any]) -> None:
    config = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text(encoding="utf-8"))
    (job,) = config["scrape_configs"]
    assert job["static_configs"][0]["targets"] == ["studio:8000"]
    assert job["authorization"]["credentials_file"] == "/run/secrets/metrics_token"
    assert "metrics_token" in compose["services"]["prometheus"]["secrets"]
    assert [DEPLOY / "prometheus" / name for name in config["rule_files"]] == [
        DEPLOY / "prometheus/alerts.yml"
    ]


def test_the_dashboard_is_laid_out() -> None:
    board = dashboard()
    ids = [panel["id"] for panel in board["panels"]]
    titles = [panel["title"] for panel in board["panels"]]
    assert len(ids) == len(set(ids))
    assert len(titles) == len(set(titles))
    taken: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24, panel["title"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, f"{panel['title']} lies on another panel"
        taken |= cells
        assert all(target["datasource"]["uid"] == "prometheus" for target in panel.get("targets", ()))


def test_grafana_finds_datasource_and_dashboard(compose: dict[str, Any]) -> None:
    provisioning = DEPLOY / "grafana" / "provisioning"
    source = yaml.safe_load((provisioning / "datasources/prometheus.yaml").read_text())["datasources"][0]
    provider = yaml.safe_load((provisioning / "dashboards/studio.yaml").read_text())["providers"][0]
    grafana = compose["services"]["grafana"]
    assert (source["uid"], source["url"]) == ("prometheus", "http://prometheus:9090")
    mounted = dict(volume.split(":")[:2] for volume in grafana["volumes"])
    assert mounted["./grafana/dashboards"] == provider["options"]["path"]
    assert mounted["./grafana/provisioning"] == "/etc/grafana/provisioning"
    home = grafana["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert home == f"{provider['options']['path']}/studio.json"


def read_unit(path: Path) -> configparser.ConfigParser:
    unit = configparser.ConfigParser(strict=False, interpolation=None, comment_prefixes=("#",))
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read(path, encoding="utf-8")
    return unit


@pytest.mark.parametrize("path", [u for u in UNITS if u.suffix == ".service"], ids=lambda path: path.name)
def test_units_are_hardened(path: Path) -> None:
    service = read_unit(path)["Service"]
    assert service["User"] == "portrait-studio"
    assert service["NoNewPrivileges"] == "yes"
    assert service["ProtectSystem"] == "strict"
    assert service["CapabilityBoundingSet"] == ""
    assert service["UMask"] == "0077"
    assert service["ExecStart"].startswith("/opt/portrait-studio/.venv/bin/python -m sdwebui_client ")
    assert all(key in service for key in ("PrivateTmp", "ProtectHome", "RestrictAddressFamilies"))


def test_the_timer_has_its_service() -> None:
    timer = read_unit(DEPLOY / "systemd" / "studio-backup.timer")
    assert timer["Timer"]["Persistent"] == "yes"
    assert (DEPLOY / "systemd" / "studio-backup.service").is_file()
    assert "--keep" in read_unit(DEPLOY / "systemd" / "studio-backup.service")["Service"]["ExecStart"]


def test_systemd_takes_the_units(tmp_path: Path) -> None:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("no systemd here; the units were parsed and their options compared above")
    files = []
    for path in UNITS:
        text = path.read_text(encoding="utf-8")
        copy = tmp_path / path.name.replace("@.", "@gpu1.")
        copy.write_text(text.replace("/opt/portrait-studio/.venv/bin/python", sys.executable))
        files.append(str(copy))
    done = subprocess.run([program, "verify", *files], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "Unknown" not in done.stderr, done.stderr


@pytest.mark.parametrize("script", ["install.sh", "make-secrets.sh"])
def test_scripts_are_for_any_sh(script: str) -> None:
    assert os.access(DEPLOY / script, os.X_OK)
    subprocess.run(["sh", "-n", str(DEPLOY / script)], check=True)


def test_install_asks_setup_for_what_it_knows() -> None:
    (asked,) = re.findall(r"setup\.sh (--\w+)", (DEPLOY / "install.sh").read_text())
    assert f"{asked})" in (ROOT / "scripts" / "setup.sh").read_text()


@pytest.mark.parametrize("name", ["Caddyfile", "nginx.conf"])
def test_proxies_hide_the_metrics_and_log_no_links(name: str) -> None:
    text = (DEPLOY / "proxy" / name).read_text(encoding="utf-8")
    assert "/metrics" in text
    assert "127.0.0.1:8000" in text
    assert "access_log off" in text if name == "nginx.conf" else "\tlog" not in text
    size = int(re.search(r"(\d{3,})(?:m|MB)", text)[1])  # type: ignore[index]
    fields = StudioSettings.model_fields
    assert size >= fields["max_photos"].default * fields["max_upload_mb"].default
