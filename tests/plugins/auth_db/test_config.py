"""The keys of rmq-auth-db: the shipped file, and what is said about wrong values."""

import re
import tomllib
from pathlib import Path

import pytest
from rmq_plugins.auth_db.config import AuthDbConfig, split_server

from rmq.config import ConfigError, Override, effective_toml, load

NAME = "rmq-auth-db"
SHIPPED = Path(__file__).resolve().parents[3] / "etc" / "plugins" / f"{NAME}.toml"


def test_the_shipped_file_has_every_key_with_its_default() -> None:
    written = tomllib.loads(SHIPPED.read_text(encoding="utf-8"))
    assert AuthDbConfig.model_validate(written) == AuthDbConfig()
    assert list(written) == list(AuthDbConfig.model_fields)
    for table in ("retry", "breaker", "password_hash_algorithm"):
        assert written[table].keys() == type(getattr(AuthDbConfig(), table)).model_fields.keys()


def test_every_key_of_the_shipped_file_is_explained() -> None:
    lines = SHIPPED.read_text(encoding="utf-8").splitlines()
    places = [number for number, line in enumerate(lines) if re.match("[a-z_]+ = ", line)]
    assert len(places) == len(AuthDbConfig.model_fields)
    assert all(lines[place - 1].startswith("# ") for place in places)


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("priorty", "1", "unknown key"),
        ("backend", "oracle", "must be one of"),
        ("server", "host:0", "port must be"),
        ("server", "host:", "port"),
        ("server", "http://host", "is written"),
        ("timeout", "0", "more than 0"),
        ("pool_size", "0", "at least 1"),
        ("retry.times", "-1", "at least 0"),
        ("password_hash_algorithm.name", "plain", "must be one of"),
        ("password_hash_algorithm.iterations", "0", "at least 1"),
        ("auth_query", "SELECT 'u-${username}'", "within quotes"),
        ("acl_query", "SELECT ${nobody}", "no placeholder"),
        ("username", "rmq", "SQLite is a file"),
        ("tls_ca_file", "ca.pem", "for tls = true"),
    ],
)
def test_a_wrong_value_is_named_with_its_key(key: str, value: str, says: str) -> None:
    settings = load(environ={}, overrides=[Override("--set", f"plugins.{NAME}.{key}", value)])
    with pytest.raises(ConfigError) as caught:
        settings.plugin_settings(NAME, AuthDbConfig)
    told = str(caught.value.problems[0])
    assert says in told and key.partition(".")[0] in told, told


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"backend": "postgresql"}, "needs the name of one"),
        ({"backend": "redis", "database": "mqtt"}, "has numbers"),
        ({"backend": "redis", "auth_query": "GET x"}, "auth_query: a command begins with HMGET or HGETALL"),
        ({"backend": "redis", "acl_query": "SELECT 1"}, "acl_query: a command begins with HGETALL"),
        ({"backend": "mysql", "database": "m", "password": "a", "password_file": "b"}, "one of them"),
        ({"backend": "mysql", "database": "m", "tls": True, "tls_cert_file": "a"}, "go together"),
    ],
)
def test_what_does_not_fit_together(values: dict[str, object], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        AuthDbConfig.model_validate(values)


def test_the_password_comes_from_the_environment_and_is_never_shown() -> None:
    environment = {"RMQ_PLUGINS__RMQ_AUTH_DB__PASSWORD": "tell-nobody"}
    values = [
        Override("--set", f"plugins.{NAME}.{key}", value)
        for key, value in (("backend", "mysql"), ("database", "mqtt"), ("password_hash_algorithm.name", "bcrypt"))
    ]
    settings = load(environ=environment, overrides=values)
    config = settings.plugin_settings(NAME, AuthDbConfig)
    assert config.password == "tell-nobody"
    printed = effective_toml(settings, {NAME: config})
    assert "tell-nobody" not in printed and "bcrypt" in printed


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("db.example.com", ("db.example.com", 7)),
        ("db:5433", ("db", 5433)),
        ("192.0.2.1:1", ("192.0.2.1", 1)),
        ("[2001:db8::1]:5", ("2001:db8::1", 5)),
        ("[::1]", ("::1", 7)),
    ],
)
def test_servers(text: str, found: tuple[str, int]) -> None:
    assert split_server(text, 7) == found
