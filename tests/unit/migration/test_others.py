"""NanoMQ's and RMQTT's files, HOCON, and the files that are made of all of it."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from rmq_plugins.acl.config import RuleConfig

from rmq.config import load
from rmq.migration import Findings, MigrationError, nanomq, read, rmqtt, write
from rmq.migration.findings import FoundUser
from rmq.migration.hocon import read_hocon
from rmq.users import hashing
from rmq.users.password_file import read_table

NANOMQ = """
mqtt { max_packet_size = 1MB, max_mqueue_len = 2048, keepalive_multiplier = 1.25, retry_interval = 10s }
listeners.tcp { bind = "0.0.0.0:1883" }
listeners.ws { bind = "0.0.0.0:8083/mqtt" }
http_server { port = 8081, username = admin, password = public }
log { to = [file, console], level = warn, dir = "/tmp", file = "nanomq.log" }
auth {
  allow_anonymous = false, no_match = deny
  password = {include "pwd.conf"}
  acl = {include "acl.conf"}
}
bridges.mqtt.up { server = "mqtt-tcp://x:1883", password = geheim }
"""
ACL = """rules = [
  {"permit": "allow", "username": "dashboard", "action": "subscribe", "topics": ["$SYS/#"]}
  {"permit": "allow", "and": [{"username": "a"}, {"clientid": "c"}], "action": "publish", "topics": ["x/${clientid}"]}
  {"permit": "deny", "or": [{"username": "b"}, {"ipaddr": "10.0.0.0/8"}]}
  {"permit": "perhaps"}
]"""


def test_nanomq(tmp_path: Path) -> None:
    (tmp_path / "nanomq.conf").write_text(NANOMQ)
    (tmp_path / "pwd.conf").write_text('"admin": "public"\n"u.x": "pw"\n')
    (tmp_path / "acl.conf").write_text(ACL)
    found = nanomq.read(tmp_path / "nanomq.conf")
    assert found.settings == {
        "listener.tcp.external.addr": "0.0.0.0:1883",
        "listener.tcp.external.max_packet_size": "1MB",
        "listener.tcp.external.max_mqueue_len": 2048,
        "listener.tcp.external.keepalive_backoff": 0.625,
        "listener.tcp.external.allow_anonymous": False,
        "listener.ws.external.addr": "0.0.0.0:8083",
        "listener.ws.external.path": "/mqtt",
        "listener.ws.external.max_packet_size": "1MB",
        "listener.ws.external.max_mqueue_len": 2048,
        "listener.ws.external.keepalive_backoff": 0.625,
        "listener.ws.external.allow_anonymous": False,
        "log.to": "both",
        "log.level": "warning",
        "log.dir": "/tmp",
        "log.file": "nanomq.log",
    }
    assert [(user.name, user.password) for user in found.users] == [("admin", "public"), ("u.x", "pw")]
    assert found.rules == [
        ["allow", {"user": "dashboard"}, "subscribe", ["$SYS/#"]],
        ["allow", {"user": "a", "clientid": "c"}, "publish", ["x/%c"]],
        ["deny", {"user": "b"}],
        ["deny", {"ipaddr": "10.0.0.0/8"}],
    ]
    for rule in found.rules:
        RuleConfig.model_validate(rule)
    assert {one.what for one in found.left} == {
        "mqtt.retry_interval",
        "http_server",
        "auth.acl rule 4",
        "bridges.mqtt.up",  # which has no topics
    }
    told = " ".join(f"{one.what} {one.becomes}" for one in [*found.left, *found.carried])
    assert "geheim" not in told and "public" not in told


@pytest.mark.parametrize(
    "text",
    [
        "a = {",
        "a = ${none}",
        "}",
        'include url("http://127.0.0.1:1/x")',
        'a { include required(url("http://127.0.0.1:1/x")) }',
        'include "http://127.0.0.1:1/x"',
        'include file("file:///etc/passwd")',
        "[1]",
    ],
)
def test_hocon_that_can_t_be_read(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.conf"
    path.write_text(text)
    with pytest.raises(MigrationError, match=r"x\.conf"):
        read_hocon(path)


def test_listeners_of_nanomq_beside_each_other(tmp_path: Path) -> None:
    (tmp_path / "nanomq.conf").write_text(
        'system { parallel = 0 }\nlisteners.tcp { bind = "0.0.0.0:1883" }\n'
        'listeners.tcp.default_1 { bind = "0.0.0.0:1884" }\n'
        'listeners.ssl.one { bind = "0.0.0.0:8883", enable = false }\n'
    )
    found = nanomq.read(tmp_path / "nanomq.conf")
    assert found.settings["listener.tcp.external.allow_anonymous"] is True  # NanoMQ's default
    assert {key: value for key, value in found.settings.items() if key.endswith("addr")} == {
        "listener.tcp.external.addr": "0.0.0.0:1883",
        "listener.tcp.default_1.addr": "0.0.0.0:1884",
        "listener.tls.one.addr": "0.0.0.0:8883",
    }


def test_files_that_nanomq_includes(tmp_path: Path) -> None:
    path = tmp_path / "nanomq.conf"
    path.write_text('auth { password = {include "/nowhere/pwd.conf"} }\n# include "/nowhere/x.conf"\n')
    with pytest.raises(MigrationError, match=r"includes /nowhere/pwd\.conf, which isn't there"):
        nanomq.read(path)
    (tmp_path / "pwd.conf").write_text("admin: public\n")  # copied beside it
    assert [user.name for user in nanomq.read(path).users] == ["admin"]
    path.write_text("url=nmq-tcp:\nallow_anonymous=true\n")
    with pytest.raises(MigrationError, match=r"before 0\.14"):
        nanomq.read(path)


def test_rmqtt(tmp_path: Path) -> None:
    (tmp_path / "rmqtt-plugins").mkdir()
    (tmp_path / "rmqtt-plugins/rmqtt-acl.toml").write_text("")
    (tmp_path / "rmqtt.toml").write_text(
        '[task]\nexec_workers = 1000\n[node]\nid = 3\n[mqtt]\nmax_sessions = 5\n[log]\nlevel = "warn"\nodd = 1\n'
        '[listener.tcp.external]\naddr = "0.0.0.0:1883"\nmax_inflight = 16\nshared_subscription = true\n'
        'session_expiry_interval = "2h"\n'
        '[plugins]\ndir = "rmqtt-plugins/"\n'
        'default_startups = ["rmqtt-acl", "rmqtt-retainer", "rmqtt-bridge-egress-mqtt", "rmqtt-p2p-messaging", '
        '"rmqtt-odd"]\n'
    )
    found = rmqtt.read(tmp_path / "rmqtt.toml")
    assert found.settings == {
        "node.id": 3,
        "mqtt.max_sessions": 5,
        "log.level": "warn",
        "listener.tcp.external.addr": "0.0.0.0:1883",
        "listener.tcp.external.max_inflight": 16,
        "listener.tcp.external.shared_subscription_available": True,
        "listener.tcp.external.session_expiry_interval": "2h",
        "plugins.default_startups": [
            "rmq-acl",
            "rmq-http-api",
            "rmq-retainer",
            "rmq-bridge-egress-mqtt",
            "rmq-p2p-messaging",
        ],
    }
    assert {one.what for one in found.left} == {"log.odd", "plugin rmqtt-odd", "plugin rmqtt-bridge-egress-mqtt"}
    (tmp_path / "rmqtt.toml").write_text("[x")
    with pytest.raises(MigrationError, match=r"rmqtt\.toml"):
        rmqtt.read(tmp_path / "rmqtt.toml")


def test_what_is_written_can_be_read(tmp_path: Path) -> None:
    found = Findings()
    found.take("port", "listener.tcp.external.addr", "127.0.0.1:1999")
    found.take("name", "log.file", 'q"\\\x7fü.log')
    found.take("names", "plugins.default_startups", ["rmq-acl"])
    found.rules.append(["allow", {"user": 'a"b', "ipaddr": "::1"}, "pubsub", [{"eq": "#"}, "a/+"]])
    found.add_user(FoundUser("a b", superuser=True, password="wonder"))
    found.add_user(FoundUser("a b", password="other"))
    out = tmp_path / "out"
    made = write(found, out, "here")
    assert [file.relative_to(out).as_posix() for file in made] == ["rmq.toml", "plugins/rmq-acl.toml", "users"]
    assert {stat.S_IMODE(file.stat().st_mode) for file in made} == {0o600}
    settings = load(out / "rmq.toml")
    assert settings.log.file == 'q"\\\x7fü.log'
    assert settings.users_path == out / "users"
    assert settings.plugin_config("rmq-acl") == {"rules": found.rules}
    (user,) = read_table(out / "users").users.values()
    assert (user.name, user.superuser) == ("a b", True) and hashing.verified(user.argon2, b"wonder")
    assert [one.what for one in found.left] == ["user a b"]
    with pytest.raises(MigrationError, match="is there already"):
        write(found, out, "here")


def test_nothing_makes_no_files(tmp_path: Path) -> None:
    assert write(Findings(), tmp_path / "out", "here") == []


def test_several_files_of_one_broker(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('[{"user_id": "a", "password": "x"}]')
    (tmp_path / "acl.conf").write_text('{allow, all, publish, ["x"]}.')
    found = read("emqx", [tmp_path / "a.json", tmp_path / "acl.conf"])
    assert ([user.name for user in found.users], len(found.rules)) == (["a"], 2)
