"""[auth] and allow_anonymous: who is let in without a name, by where a listener is and what is configured."""

from __future__ import annotations

from pathlib import Path

import pytest

from rmq.config import Address, ConfigError, Override, load
from rmq.config.render import effective_toml


def allowed(*assignments: str, listener: str = "tcp.external") -> bool:
    overrides = [Override("--set", *assignment.split("=", 1)) for assignment in assignments]
    settings = load(overrides=overrides)
    return settings.auth.allows_anonymous(settings.listeners[listener])


ADDR = "listener.tcp.external.addr"
OPEN = "listener.tcp.external.allow_anonymous"
USERS = "auth.users_file=users"


@pytest.mark.parametrize(
    ("addr", "local"),
    [
        ("127.0.0.1:1883", True),
        ("127.8.9.10:1883", True),
        ("[::1]:1883", True),
        ("localhost:1883", True),
        ("LocalHost:1883", True),
        ("0.0.0.0:1883", False),
        (":1883", False),
        ("[::]:1883", False),
        ("[::ffff:192.0.2.1]:1883", False),
        ("192.168.1.1:1883", False),
        ("localhost.example.org:1883", False),
        ("broker:1883", False),
    ],
)
def test_left_to_the_node_only_this_machine_may_be_nobody(addr: str, local: bool) -> None:
    assert allowed(f"{ADDR}={addr}") is local
    assert allowed(f"{ADDR}={addr}", f"{OPEN}=auto") is local
    assert allowed(f"{ADDR}={addr}", f"{OPEN}=true") is True
    assert allowed(f"{ADDR}={addr}", f"{OPEN}=false") is False


def test_with_a_users_file_nobody_is_let_in_until_it_is_said() -> None:
    assert not allowed(USERS)
    assert allowed(USERS, f"{OPEN}=true")
    assert not allowed(USERS, f"{OPEN}=false")


def test_a_proxy_on_loopback_brings_clients_from_elsewhere() -> None:
    assert not allowed("listener.tcp.external.proxy_protocol=true")
    assert allowed("listener.tcp.external.proxy_protocol=true", f"{OPEN}=true")


def test_a_unix_socket_is_on_this_machine(tmp_path: Path) -> None:
    assert allowed(f"listener.unix.local.path={tmp_path}/socket", listener="unix.local")
    assert not allowed(f"listener.unix.local.path={tmp_path}/socket", USERS, listener="unix.local")


def test_the_host_of_an_address_is_no_name_that_only_begins_so() -> None:
    assert Address("127.0.0.1", 1).is_loopback
    assert not Address("127.0.0.1.example.org", 1).is_loopback


@pytest.mark.parametrize("value", ["maybe", "1", '["auto"]', '"yes"'])
def test_other_values_are_refused(value: str) -> None:
    with pytest.raises(ConfigError) as caught:
        allowed(f"{OPEN}={value}")
    assert str(caught.value) == f'--set: {OPEN}: must be true, false or "auto"'


def test_the_environment_can_say_it() -> None:
    settings = load(environ={"RMQ_LISTENER__TCP__EXTERNAL__ALLOW_ANONYMOUS": "false", "RMQ_AUTH__USERS_FILE": "u"})
    assert settings.listeners["tcp.external"].allow_anonymous is False
    assert settings.users_path == Path("u")


def test_where_the_users_file_is(tmp_path: Path) -> None:
    assert load().users_path is None
    (tmp_path / "my.toml").write_text('[auth]\nusers_file = "{config_dir}/users"\n')
    settings = load(tmp_path / "my.toml")
    assert settings.users_path == tmp_path / "users"
    assert f'users_file = "{tmp_path}/users"' in effective_toml(settings)
    assert 'users_file = ""' in effective_toml(load())


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("users_file", "{id}/users", "{id} is unknown; only {config_dir} can be used here"),
        ("login_threads", "0", "must be at least 1, not 0"),
        ("login_threads", "65", "must be at most 64, not 65"),
        ("login_queue", "-1", "must be at least 0, not -1"),
        ("login_cache_ttl", "soon", "write a duration"),
    ],
)
def test_wrong_values_are_named(key: str, value: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(overrides=[Override("--set", f"auth.{key}", value)])
    assert str(caught.value).startswith(f"--set: auth.{key}: {says}")
