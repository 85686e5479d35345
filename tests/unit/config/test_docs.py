"""docs/configuration.md tells the truth: its commands run, its variables load, its examples parse, its keys exist."""

import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from rmq.cli import NodeCommand, main
from rmq.config import ClusterSettings, Settings, load
from rmq.config.listener_kinds import MODELS
from rmq.config.units import parse_address, parse_byte_rate, parse_byte_size, parse_duration, parse_rate

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "configuration.md").read_text(encoding="utf-8")
BLOCKS = [line for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL) for line in block.splitlines()]
COMMANDS = [line for line in BLOCKS if line.startswith("rmq-node ")]
VARIABLES = [line for line in BLOCKS if line.startswith("RMQ_")]


@pytest.mark.parametrize("line", COMMANDS)
def test_commands_run(line: str) -> None:
    started: list[Settings] = []

    def run(settings: Settings) -> int:
        started.append(settings)
        return 0

    command = NodeCommand(run=run, plugin_models=lambda: None)
    result = CliRunner().invoke(main, shlex.split(line)[1:], obj=command)
    assert (result.exit_code, result.output) == (0, "")
    assert len(started) == 1


def test_variables_load() -> None:
    environ = dict(line.split("=", 1) for line in VARIABLES)
    settings = load(environ=environ)
    assert len(environ) >= 4
    assert settings.node.id == 2
    assert settings.plugin_config("rmq-acl") == {"priority": 5}
    assert settings.cluster.voters == (1, 2, 3)
    assert len(settings.cluster.secret_bytes()) >= 16


@pytest.mark.parametrize(
    ("kind", "parse"),
    [
        ("duration", parse_duration),
        ("size", parse_byte_size),
        ("address", parse_address),
        ("rate", parse_rate),
        ("byte rate", parse_byte_rate),
    ],
)
def test_examples_of_values_parse(kind: str, parse: Callable[[object], object]) -> None:
    row = re.search(rf"^\| {kind} \| (.*?) \|", PAGE, re.MULTILINE)
    assert row is not None
    examples = re.findall(r"`([^`]*)`", row[1])
    assert examples
    for example in examples:
        parse(example[1:-1] if example.startswith('"') else int(example))


def test_keys_named_exist() -> None:
    sections = set(Settings.model_fields)
    keys = {key for table in Settings().model_dump().values() for key in table}
    keys |= {key for model in MODELS.values() for key in model.model_fields}
    keys |= set(Settings().model_dump()["node"]["busy"])
    keys |= set(ClusterSettings.model_fields)
    for name in re.findall(r"`([a-z]+(?:_[a-z]+)+)(?: = [^`]*)?`", PAGE):
        assert name in keys, name
    for section, key in re.findall(r"`([a-z]+)\.([a-z_]+)`", PAGE):
        assert section in sections, section
        assert key in Settings().model_dump()[section], key
