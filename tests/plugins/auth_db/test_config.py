"""The keys of rmq-auth-db: the shipped file, and what is said about wrong values."""

import pytest
from rmq_plugins.auth_db.config import AuthDbConfig, split_server

from tests.support.plugin_keys import explains_every_key, has_every_key, printed, said_of, set_by_flags

NAME = "rmq-auth-db"
pytestmark = pytest.mark.usefixtures("nothing_configured")


def test_the_shipped_file_has_every_key_with_its_default() -> None:
    written = has_every_key(NAME, AuthDbConfig)
    assert list(written) == list(AuthDbConfig.model_fields)


def test_every_key_of_the_shipped_file_is_explained() -> None:
    explains_every_key(NAME)


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
    told = said_of(NAME, AuthDbConfig, key, value)
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
    keys = {"backend": "mysql", "database": "mqtt", "password_hash_algorithm.name": "bcrypt"}
    settings = set_by_flags(NAME, keys, environment)
    assert settings.plugin_settings(NAME, AuthDbConfig).password == "tell-nobody"
    shown = printed(NAME, AuthDbConfig, keys, environment)
    assert "tell-nobody" not in shown and "bcrypt" in shown


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
