"""The keys of rmq-session-storage: the shipped file, and what is said about wrong values."""

import os
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel
from rmq_plugins.session_storage.config import SessionStorageConfig

from rmq.config import ConfigError, Override, load

NAME = "rmq-session-storage"
SHIPPED = Path(__file__).resolve().parents[3] / "etc" / "plugins" / f"{NAME}.toml"


@pytest.fixture(autouse=True)
def _nothing_configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("RMQ_") and not name.startswith("RMQ_TEST_")]:
        monkeypatch.delenv(name)


def keys(model: type[BaseModel], table: str = "") -> Iterator[str]:
    for name, field in model.model_fields.items():
        key = table + (field.alias or name)
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from keys(kind, f"{key}.")
        else:
            yield key


def test_the_shipped_file_has_every_key_with_its_default_and_explains_it() -> None:
    text = SHIPPED.read_text(encoding="utf-8")
    assert SessionStorageConfig.model_validate(tomllib.loads(text)) == SessionStorageConfig()
    lines = text.splitlines()
    places = {line.partition(" = ")[0]: n for n, line in enumerate(lines) if " = " in line and line[0] != "#"}
    assert places.keys() == set(keys(SessionStorageConfig))
    assert all(lines[place - 1].startswith("# ") for place in places.values())


@pytest.mark.parametrize(
    ("key", "value", "problem"),
    [
        ("storage.sled.paht", "x", "unknown key"),
        ("storage.type", "redis-cluster", "redis-cluster isn't there"),
        ("storage.type", "ram", "engine"),
        ("update_interval", "0", "more than 0"),
    ],
)
def test_a_wrong_value_is_named_with_its_key(key: str, value: str, problem: str) -> None:
    settings = load(environ={}, overrides=[Override("--set", f"plugins.{NAME}.{key}", value)])
    with pytest.raises(ConfigError) as caught:
        settings.plugin_settings(NAME, SessionStorageConfig)
    said = str(caught.value.problems[0])
    assert said.startswith(f"--set: plugins.{NAME}.{key}") and problem in said, said
