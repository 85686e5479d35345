"""The keys of rmq-web-hook: the shipped file, and what is said about wrong values."""

import os
import tomllib
from pathlib import Path

import pytest
from rmq_plugins.web_hook.config import WebHookConfig

from rmq.config import ConfigError, Override, effective_toml, load

NAME = "rmq-web-hook"
SHIPPED = Path(__file__).resolve().parents[3] / "etc" / "plugins" / f"{NAME}.toml"


@pytest.fixture(autouse=True)
def _nothing_configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("RMQ_") and not name.startswith("RMQ_TEST_")]:
        monkeypatch.delenv(name)


def test_the_shipped_file_has_every_key_with_its_default() -> None:
    written = tomllib.loads(SHIPPED.read_text(encoding="utf-8"))
    assert WebHookConfig.model_validate(written) == WebHookConfig()
    assert written.keys() == WebHookConfig.model_fields.keys()


def test_every_key_of_the_shipped_file_is_explained() -> None:
    lines = SHIPPED.read_text(encoding="utf-8").splitlines()
    places = [n for n, line in enumerate(lines) if line.startswith(tuple(WebHookConfig.model_fields))]
    places += [n for n, line in enumerate(lines) if line.startswith("[")]
    assert len(places) == len(WebHookConfig.model_fields)
    assert all(lines[place - 1].startswith("# ") for place in places)


@pytest.mark.parametrize(
    ("key", "value", "problem"),
    [
        ("queue_capcity", "1", "unknown key"),
        ("urls", '["ftp://host/"]', "http:// or https:// and a host, or with file:///"),
        ("urls", '["file://host/path"]', "file:///absolute/path"),
        ("urls", '["http://host:99999/"]', "not a URL"),
        ("retry_multiplier", "0.5", "1"),
        ("batch_max_events", "0", "1"),
        ("http_timeout", "0", "more than 0"),
        ("rule.client_conected", '[{action="x"}]', "client_conected"),
        ("rule.client_connected", '[{acton="x"}]', "unknown key"),
        ("rule.message_publish", '[{topics=["a/#/b"]}]', "isn't a topic filter"),
        ("rule.message_publish", '[{topics=["$share/g/a"]}]', "isn't a topic filter"),
    ],
)
def test_a_wrong_value_is_named_with_its_key(key: str, value: str, problem: str) -> None:
    settings = load(environ={}, overrides=[Override("--set", f"plugins.{NAME}.{key}", value)])
    with pytest.raises(ConfigError) as caught:
        settings.plugin_settings(NAME, WebHookConfig)
    said = str(caught.value.problems[0])
    assert said.startswith(f"--set: plugins.{NAME}.{key}") and problem in said


def test_secrets_are_not_shown() -> None:
    secret = "tell-nobody"
    overrides = [
        Override("--set", f"plugins.{NAME}.signature_secret", secret),
        Override("--set", f"plugins.{NAME}.http_headers", f'{{authorization="{secret}"}}'),
        Override("--set", f"plugins.{NAME}.urls", f'["https://user:{secret}@host/"]'),
    ]
    settings = load(environ={}, overrides=overrides)
    assert secret not in effective_toml(settings, {NAME: settings.plugin_settings(NAME, WebHookConfig)})
