"""mosquitto's files: configuration, passwords, ACL, and a database that mosquitto 2.0.11 wrote."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

import pytest

from rmq.migration import Findings, MigrationError, mosquitto, write
from rmq.migration.mosquitto_access import read_passwords
from rmq.migration.mosquitto_store import read_retained
from rmq.users import brought, hashing
from rmq.users.password_file import read_table

DATA: Final = Path(__file__).parent / "data"
# As mosquitto_passwd -b wrote them, for the passwords "wonder" and (-H sha512) "c".
PASSWORDS: Final = (
    "alice:$7$101$PJfONQEJbdKsqnC8$eB9QN+1P4B+SqLbq7F5EMCISLCoBGN+8+X/mToikrb6TQfMGb3kIEUXoTiJs+"
    "Z1zsQmvlWh+qgia+1nC+C1U8Q==\n"
    "carl:$6$FhALe8dS2175ribD$2thUtT7OLLUGYM6CaA6ksc4fH2wwg//g9Xq3SxkIQd0UxsbpxX7wIwRIUJSmDBSF3EUwzVNyA+"
    "dRNtO+zd6dkw==\n"
    "eve:plain\n"
)


def read(folder: Path, text: str) -> Findings:
    path = folder / "mosquitto.conf"
    path.write_text(text)
    return mosquitto.read(path)


def left(found: Findings) -> list[str]:
    return [one.what for one in found.left]


def test_without_a_listener_only_this_machine(tmp_path: Path) -> None:
    found = read(tmp_path, "# nothing\n")
    assert found.settings == {
        "listener.tcp.external.addr": "127.0.0.1:1883",
        "listener.tcp.external.allow_anonymous": True,
    }


def test_listeners(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        "max_connections 9\nport 1884\nlistener 1885 ::1\nmax_connections 5\nallow_anonymous true\n"
        "listener 9001\nprotocol websockets\nenable_proxy_protocol 2\nlistener 0 /run/m.sock\nmax_packet_size 1000\n",
    )
    settings = found.settings
    assert settings["listener.tcp.external.addr"] == "0.0.0.0:1884"
    assert settings["listener.tcp.external.max_connections"] == 9
    assert settings["listener.tcp.external.allow_anonymous"] is False
    assert settings["listener.tcp.p1885.addr"] == "[::1]:1885"
    assert settings["listener.tcp.p1885.max_connections"] == 5
    assert settings["listener.tcp.p1885.allow_anonymous"] is True
    assert settings["listener.ws.external.addr"] == "0.0.0.0:9001"
    assert settings["listener.unix.external.path"] == "/run/m.sock"
    assert settings["listener.ws.external.max_packet_size"] == 1000
    assert settings["listener.ws.external.proxy_protocol"] is True
    assert left(found) == []


def test_tls(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        "listener 8883\ncafile /nowhere/ca.pem\ncertfile /nowhere/c.pem\nkeyfile /nowhere/k.pem\n"
        "require_certificate true\nuse_identity_as_username true\nciphers x\n",
    )
    start = "listener.tls.external"
    assert {key: value for key, value in found.settings.items() if key.startswith(start)} == {
        f"{start}.addr": "0.0.0.0:8883",
        f"{start}.allow_anonymous": False,
        f"{start}.cert": "/nowhere/c.pem",
        f"{start}.key": "/nowhere/k.pem",
        f"{start}.client_ca_certs": "/nowhere/ca.pem",
        f"{start}.cross_certificate": True,
        f"{start}.cert_cn_as_username": True,
    }
    # They stay, and are named: the node may run where they are.
    assert {f"{start}.cert", f"{start}.key"} <= set(left(found))
    assert "listener 8883: ciphers" in left(found)


def test_what_our_configuration_refuses_is_named(tmp_path: Path) -> None:
    found = read(tmp_path, "listener 1883\nmax_qos 7\nmax_keepalive x\nlistener 99999\n")
    assert "listener.tcp.external.max_qos_allowed" not in found.settings
    assert not any("p99999" in key and key.endswith(".addr") for key in found.settings)
    assert {"listener.tcp.external.max_qos_allowed", "max_keepalive"} <= set(left(found))
    assert found.settings["listener.tcp.external.addr"] == "0.0.0.0:1883"


def test_bridges_and_unknown_keys(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        "connection up\naddress 1.2.3.4\nremote_password geheim\nmax_qos 1\nlistener 1883\nnothing 1\n",
    )
    assert left(found) == ["nothing", "connection up"]  # which has no topics
    assert found.settings["listener.tcp.external.max_qos_allowed"] == 1  # no key of the bridge
    assert not any("geheim" in f"{one.what} {one.becomes}" for one in [*found.left, *found.carried])


def test_files_that_are_included(tmp_path: Path) -> None:
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d/a.conf").write_text("listener 1999\nmax_queued_messages 7\n")
    found = read(tmp_path, "include_dir conf.d\npersistent_client_expiration 2w\nlog_dest file /var/log/m/m.log\n")
    assert found.settings["listener.tcp.external.max_mqueue_len"] == 7
    assert found.settings["listener.tcp.external.session_expiry_interval"] == "14d"
    assert (found.settings["log.dir"], found.settings["log.file"]) == ("/var/log/m", "m.log")
    (tmp_path / "conf.d/b.conf").write_text("include_dir ../conf.d\n")
    with pytest.raises(MigrationError, match="included by itself"):
        read(tmp_path, "include_dir conf.d\n")


def test_passwords_of_mosquitto_passwd(tmp_path: Path) -> None:
    path = tmp_path / "pw"
    path.write_text(PASSWORDS)
    found = Findings()
    read_passwords(found, path)
    for user, password in zip(found.users, (b"wonder", b"c"), strict=True):
        assert brought.hashed(user.way, password) == user.digest
        assert hashing.verified(user.way + hashing.hashed(user.digest), password)
    assert left(found) == ["pw line 3"]


def test_passwords_of_mosquitto_2_1(tmp_path: Path) -> None:
    path = tmp_path / "pw"
    written = hashing.hashed(b"wonder")
    path.write_text(f"alice:{written}\neve:$argon2id$v=19$m=9999999,t=3,p=1$c2FsdHNhbHQ$YWJjZGVmZ2hpamts\n")
    found = Findings()
    read_passwords(found, path)
    (alice,) = found.users
    assert alice.argon2id == written and written not in repr(alice)
    assert left(found) == ["pw line 2"]
    write(found, tmp_path / "out", "here")
    (user,) = read_table(tmp_path / "out/users").users.values()
    assert hashing.verified(user.argon2, b"wonder") and not hashing.verified(user.argon2, b"other")


def test_rules(tmp_path: Path) -> None:
    (tmp_path / "acl").write_text(
        "topic read open/#\nuser alice\ntopic a/#\ntopic deny a/secret\ntopic write b c\npattern read up/%c/%u\nodd\n"
    )
    found = read(tmp_path, "listener 1883\nacl_file acl\n")
    assert found.rules == [
        ["deny", {"user": "alice"}, "pubsub", ["a/secret"]],
        ["allow", {"user": "alice"}, "pubsub", ["a/#"]],
        ["allow", {"user": "alice"}, "publish", ["b c"]],
        ["allow", "all", "subscribe", ["up/%c/%u"]],
        ["deny", "all", "pubsub"],
    ]
    assert left(found) == ["acl line 7: odd"]
    found = read(tmp_path, "listener 1883\nacl_file acl\nallow_anonymous true\n")
    assert left(found) == ["acl line 1: topic read open/#", "acl line 7: odd"]


def test_retained_messages(tmp_path: Path) -> None:
    found = Findings()
    read_retained(found, DATA / "mosquitto.db")
    assert [(one.topic, one.payload, one.qos) for one in found.retained if one.expires_in is None] == [
        ("a/b", b"hello", 1)
    ]
    shutil.copy(DATA / "mosquitto.db", tmp_path / "mosquitto.db")
    assert len(read(tmp_path, f"persistence_location {tmp_path}/\n").retained) >= 1


def test_a_database_that_isn_t_one(tmp_path: Path) -> None:
    path = tmp_path / "mosquitto.db"
    whole = (DATA / "mosquitto.db").read_bytes()
    for content, reason in (
        (b"x", "isn't a database"),
        (whole[:21], "ends in the middle"),
        (whole[:-3], "ends in the middle"),
        (whole[:22] + b"\x09" + whole[23:], "version 9"),
    ):
        path.write_bytes(content)
        with pytest.raises(MigrationError, match=reason):
            read_retained(Findings(), path)
    found = Findings()
    read_retained(found, tmp_path / "none.db")
    assert left(found) == [str(tmp_path / "none.db")]


def test_a_file_that_can_t_be_read(tmp_path: Path) -> None:
    with pytest.raises(MigrationError, match="can't be read"):
        mosquitto.read(tmp_path / "none.conf")
    (tmp_path / "mosquitto.conf").write_bytes(b"listener 1883\n\xff")
    with pytest.raises(MigrationError, match="line 2: isn't UTF-8"):
        mosquitto.read(tmp_path / "mosquitto.conf")
