"""The keys of rmq-auth-http: the shipped file, and what is said about wrong values."""

import os
import tomllib
from pathlib import Path

import pytest
from rmq_plugins.auth_http.config import AuthHttpConfig

from rmq.config import ConfigError, Override, effective_toml, load

NAME = "rmq-auth-http"
SHIPPED = Path(__file__).resolve().parents[3] / "etc" / "plugins" / f"{NAME}.toml"


@pytest.fixture(autouse=True)
def _nothing_configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("RMQ_") and not name.startswith("RMQ_TEST_")]:
        monkeypatch.delenv(name)


def test_the_shipped_file_has_every_key_with_its_default() -> None:
    written = tomllib.loads(SHIPPED.read_text(encoding="utf-8"))
    assert AuthHttpConfig.model_validate(written) == AuthHttpConfig()
    assert written.keys() == AuthHttpConfig.model_fields.keys()
    for table in ("http_retry", "http_breaker", "http_auth_req", "http_acl_req"):
        assert written[table].keys() == type(getattr(AuthHttpConfig(), table)).model_fields.keys()


def test_every_key_of_the_shipped_file_is_explained() -> None:
    lines = SHIPPED.read_text(encoding="utf-8").splitlines()
    places = [n for n, line in enumerate(lines) if line.startswith(tuple(AuthHttpConfig.model_fields))]
    places += [n for n, line in enumerate(lines) if line.startswith("[")]
    assert len(places) == len(AuthHttpConfig.model_fields)
    assert all(lines[place - 1].startswith("# ") for place in places)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("priorty", "1"),
        ("http_timeout", "0"),
        ("http_retry.times", "-1"),
        ("http_retry.backoff", "0.5"),
        ("http_auth_req.url", "ftp://host/"),
        ("http_auth_req.url", "http:///path"),
        ("http_auth_req.method", "delete"),
        ("http_auth_req.headers.a b", "1"),
        ("http_acl_req.parms.a", "1"),
        ("http_max_answer", "1"),
    ],
)
def test_a_wrong_value_is_named_with_its_key(key: str, value: str) -> None:
    settings = load(environ={}, overrides=[Override("--set", f"plugins.{NAME}.{key}", value)])
    with pytest.raises(ConfigError) as caught:
        settings.plugin_settings(NAME, AuthHttpConfig)
    assert str(caught.value.problems[0]).startswith(
        f"--set: plugins.{NAME}.{key.removesuffix('.a').removesuffix('.a b')}"
    )


def test_what_a_request_is_authorized_with_is_not_shown() -> None:
    secret = "Bearer tell-nobody"
    written = [Override("--set", f"plugins.{NAME}.http_headers", f'{{authorization="{secret}",x-api-key="{secret}"}}')]
    settings = load(environ={}, overrides=written)
    shown = effective_toml(settings, {NAME: settings.plugin_settings(NAME, AuthHttpConfig)})
    assert secret not in shown
