"""rmq-node from the outside: flags, exit codes, one line per error and never a traceback."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from pydantic import BaseModel, ConfigDict

from rmq import __version__
from rmq.cli import NodeCommand, main
from rmq.config import ConfigError, Problem, Settings


class Http(BaseModel):
    model_config = ConfigDict(extra="forbid")
    http_laddr: str = "127.0.0.1:6060"
    http_bearer_token: str = "hidden"


class Node:
    """Stands in for the real node: remembers what it was asked to run."""

    def __init__(self, exit_code: int = 0) -> None:
        self.exit_code = exit_code
        self.started: list[Settings] = []

    def run(self, settings: Settings) -> int:
        self.started.append(settings)
        return self.exit_code


def invoke(node: Node, *args: str, env: dict[str, str] | None = None) -> Result:
    command = NodeCommand(run=node.run, plugin_models=lambda: {"rmq-http-api": Http})
    quiet = ("--set", "plugins.default_startups=[]")
    return CliRunner().invoke(main, [*quiet, *args], obj=command, env=env)


def test_it_runs_the_node_with_the_settings_of_all_sources() -> None:
    Path("my.toml").write_text('[log]\nlevel = "error"\n[mqtt]\nmax_sessions = 3\n')
    node = Node(exit_code=3)
    args = (
        "-f",
        "my.toml",
        "--id",
        "2",
        "--data-dir",
        "/tmp/d{id}",
        "--log-level",
        "warn",
        "--set",
        "retain.max_payload_size=2KB",
    )
    result = invoke(node, *args, env={"RMQ_MQTT__MAX_SESSIONS": "4"})
    assert result.exit_code == 3
    (settings,) = node.started
    assert (settings.node.id, settings.data_path, settings.log.level) == (2, Path("/tmp/d2"), "warning")
    assert (settings.mqtt.max_sessions, settings.retain.max_payload_size) == (4, 2048)


def test_set_may_be_repeated_and_the_last_one_wins() -> None:
    node = Node()
    assignments = ("--set", "listener.tcp.external.addr=:1", "--set", "listener.tcp.external.addr=127.0.0.1:1884")
    assert invoke(node, *assignments, "--set", "plugins.rmq-http-api.http_laddr=a=b").exit_code == 0
    assert str(node.started[0].listener.tcp["external"].addr) == "127.0.0.1:1884"
    assert node.started[0].plugin_config("rmq-http-api") == {"http_laddr": "a=b"}


def test_check_prints_toml_with_plugins_and_without_secrets_and_does_not_run() -> None:
    node = Node()
    result = invoke(node, "--check", "--set", "plugins.rmq-http-api.http_laddr=127.0.0.1:6061")
    assert result.exit_code == 0
    assert node.started == []
    printed = tomllib.loads(result.stdout)
    assert printed["listener"]["tcp"]["external"]["session_expiry_interval"] == "2h"
    assert printed["plugins"]["rmq-http-api"] == {"http_laddr": "127.0.0.1:6061", "http_bearer_token": "********"}


@pytest.mark.parametrize("check", [True, False])
def test_errors_are_lines_on_stderr_and_exit_code_2(check: bool) -> None:
    Path("my.toml").write_text("[node]\nidd = 1\n[plugins.rmq-http-api]\nladdr = 1\n")
    node = Node()
    result = invoke(node, "-f", "my.toml", "--set", "log.to=moon", *(["--check"] if check else []))
    assert result.exit_code == 2
    assert node.started == []
    assert result.stdout == ""
    assert result.stderr.splitlines() == [
        "rmq-node: my.toml: node.idd: unknown key (did you mean id?)",
        'rmq-node: --set: log.to: must be one of "console", "file", "both" or "off", not "moon"',
    ]


def test_wrong_plugin_keys_stop_the_node_too() -> None:
    node = Node()
    result = invoke(node, "--set", "plugins.rmq-http-api.http_ladr=x")
    assert (result.exit_code, node.started) == (2, [])
    assert result.stderr == (
        "rmq-node: --set: plugins.rmq-http-api.http_ladr: unknown key (did you mean http_laddr?)\n"
    )


@pytest.mark.parametrize(
    ("args", "line"),
    [
        (("--id", "x"), 'rmq-node: --id: node.id: must be a whole number, not "x"'),
        (("--data-dir", ""), "rmq-node: --data-dir: node.data_dir: must not be empty"),
        (("--set", "node.id"), "rmq-node: --set: node.id: write it as KEY=VALUE"),
        (("--set", "=5"), "rmq-node: --set: =5: write it as KEY=VALUE"),
        (("-f", "none.toml"), "rmq-node: none.toml: can't be read: No such file or directory"),
    ],
)
def test_flags_that_are_wrong_name_themselves(args: tuple[str, ...], line: str) -> None:
    result = invoke(Node(), *args)
    assert (result.exit_code, result.stderr) == (2, f"{line}\n")


def test_a_node_that_cannot_use_its_settings_is_reported_the_same_way() -> None:
    def run(_: Settings) -> int:
        raise ConfigError([Problem("rmq.toml", "listener.tcp.external.addr", "is in use")])

    result = CliRunner().invoke(main, [], obj=NodeCommand(run=run, plugin_models=lambda: None))
    assert (result.exit_code, result.stderr) == (2, "rmq-node: rmq.toml: listener.tcp.external.addr: is in use\n")


def test_the_version_says_whether_it_is_compiled() -> None:
    result = CliRunner().invoke(main, ["-V"])
    assert result.exit_code == 0
    assert result.stdout.startswith(f"rmq-node {__version__}, ")
    assert "compiled" in result.stdout or "interpreted" in result.stdout


@pytest.mark.realtime
def test_the_module_runs_as_a_process() -> None:
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-m", "rmq", "--id", "0", "--check"]
    process = subprocess.run(command, capture_output=True, text=True, env=environ, timeout=60, check=False)
    assert (process.returncode, process.stdout) == (2, "")
    assert process.stderr == "rmq-node: --id: node.id: must be at least 1, not 0\n"
