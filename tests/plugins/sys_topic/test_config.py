"""The keys of rmq-sys-topic: the shipped file, and what is said about wrong values."""

import re
import tomllib
from pathlib import Path

import pytest
from rmq_plugins.sys_topic.config import SysTopicConfig

from rmq.config import ConfigError, Override, load

SHIPPED = Path(__file__).resolve().parents[3] / "etc" / "plugins" / "rmq-sys-topic.toml"


@pytest.fixture(autouse=True)
def _nothing_configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_the_shipped_file_has_every_key_with_its_default() -> None:
    written = tomllib.loads(SHIPPED.read_text(encoding="utf-8"))
    assert SysTopicConfig.model_validate(written) == SysTopicConfig()
    assert written.keys() == SysTopicConfig.model_fields.keys()


def test_every_key_of_the_shipped_file_is_explained() -> None:
    lines = SHIPPED.read_text(encoding="utf-8").splitlines()
    keys = [number for number, line in enumerate(lines) if re.match(r"[a-z_]+ = ", line)]
    assert len(keys) == len(SysTopicConfig.model_fields)
    assert all(lines[number - 1].startswith("# ") for number in keys)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("publish_qos", "3"),
        ("publish_interval", "500ms"),
        ("message_expiry_interval", "-1s"),
        ("message_retain_available", "perhaps"),
        ("publish_intervall", "10s"),
    ],
)
def test_a_wrong_value_is_named_with_its_key(key: str, value: str) -> None:
    settings = load(environ={}, overrides=[Override("--set", f"plugins.rmq-sys-topic.{key}", value)])
    with pytest.raises(ConfigError) as caught:
        settings.plugin_settings("rmq-sys-topic", SysTopicConfig)
    (problem,) = caught.value.problems
    assert str(problem).startswith(f"--set: plugins.rmq-sys-topic.{key}: ")
