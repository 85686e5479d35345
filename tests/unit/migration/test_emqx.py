"""EMQX's files: an archive with tables that Mnesia wrote, JSON of version 4, acl.conf, users for its import."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Final

import pytest
from rmq_plugins.acl.config import RuleConfig

from rmq.migration import Findings, MigrationError, emqx, read
from rmq.migration.emqx_accounts import Hashing
from rmq.migration.erlang_backup import decoded
from rmq.migration.erlang_terms import Atom, terms
from rmq.users import brought

TABLES: Final = Path(__file__).parent / "data/mnesia"  # data/make_mnesia.escript made them
CLUSTER: Final = """
authentication = [{
  mechanism = password_based, backend = built_in_database, user_id_type = username
  password_hash_algorithm {name = sha256, salt_position = suffix}
}]
authorization {no_match = deny, sources = [{type = file, path = "data/authz/acl.conf"}]}
listeners {
  tcp {default {bind = "0.0.0.0:1883", max_connections = 5000}, extra {bind = 1884, enable = false}}
  ws {default {bind = "0.0.0.0:8083", websocket {mqtt_path = "/m"}}}
}
mqtt {max_packet_size = 2MB, session_expiry_interval = 4h, exclusive_subscription = true, max_mqueue_len = infinity
  mqueue_priorities = disabled, await_rel_timeout = 300s}
retainer {msg_expiry_interval = 0s, max_payload_size = 512KB}
rule_engine {rules {r1 {sql = "select 1"}}}
"""
ACL: Final = """%% a comment
{allow, {username, {re, "^dashboard$"}}, subscribe, ["$SYS/#"]}.
{allow, {ipaddr, "127.0.0.1"}, all, ["$SYS/#", "#"]}.
{allow, {'and', [{username, "alice"}, {clientid, <<"c1">>}]}, publish, ["x/${username}"]}.
{deny, {username, {re, "^d.*"}}, all, ["x"]}.
{deny, all, subscribe, ["$SYS/#", {eq, "#"}]}.
{allow, all}.
"""


def archive(folder: Path, **files: bytes) -> Path:
    """A data export."""
    path = folder / "emqx-export-2026-11-22-04-22-00.000.tar.gz"
    with tarfile.open(path, "w:gz") as made:
        for name, content in files.items():
            member = tarfile.TarInfo(f"emqx-export-2026-11-22-04-22-00.000/{name}")
            member.size = len(content)
            made.addfile(member, io.BytesIO(content))
    return path


def whole(folder: Path) -> Path:
    """One with everything."""
    tables = {f"mnesia/{path.name}": path.read_bytes() for path in TABLES.iterdir()}
    files = {"META.hocon": b"", "cluster.hocon": CLUSTER.encode(), "authz/acl.conf": ACL.encode(), "certs/c.pem": b"x"}
    return archive(folder, **files, **tables)


def left(found: Findings) -> set[str]:
    return {one.what for one in found.left}


def test_an_archive(tmp_path: Path) -> None:
    found = read("emqx", [whole(tmp_path)])
    alice, bob = found.users
    assert (alice.name, alice.superuser, bob.name, bob.superuser) == ("alice", True, "bob", False)
    assert brought.hashed(alice.way, b"wonder") == alice.digest
    assert brought.hashed(bob.way, b"build") == bob.digest
    assert found.rules == [
        ["allow", {"clientid": "dev1"}, "subscribe", ["t/1"]],
        ["allow", {"user": "alice"}, "publish", ["a/%c"]],
        ["deny", {"user": "alice"}, "pubsub", ["secret/#"]],
        ["allow", "all", "subscribe", ["public/#"]],
        ["allow", {"user": "dashboard"}, "subscribe", ["$SYS/#"]],
        ["allow", {"ipaddr": "127.0.0.1"}, "pubsub", ["$SYS/#", "#"]],
        ["allow", {"user": "alice", "clientid": "c1"}, "publish", ["x/%u"]],
        ["deny", "all", "subscribe", ["$SYS/#", {"eq": "#"}]],
        ["allow", "all"],
    ]
    for rule in found.rules:
        RuleConfig.model_validate(rule)
    settings = found.settings
    assert settings["listener.tcp.external.addr"] == "0.0.0.0:1883"
    assert settings["listener.tcp.external.max_connections"] == 5000
    assert (settings["listener.tcp.extra.addr"], settings["listener.tcp.extra.enable"]) == ("0.0.0.0:1884", False)
    assert settings["listener.ws.external.path"] == "/m"
    assert settings["listener.ws.external.session_expiry_interval"] == "14400s"
    assert settings["listener.tcp.external.limit_subscription"] is True
    assert (settings["retain.retained_message_ttl"], settings["retain.max_payload_size"]) == ("0", "512KB")
    assert left(found) >= {
        "rule_engine.rules.r1",
        "mqtt.await_rel_timeout",
        "authz/acl.conf rule 4",
        "certs/c.pem",
        "table emqx_banned",
        "user broken",
    }


@pytest.mark.parametrize("backend", ["mysql", "postgresql", "redis"])
def test_users_in_a_database_stay_there(tmp_path: Path, backend: str) -> None:
    path = tmp_path / "cluster.hocon"
    path.write_text(f"authentication = [{{mechanism = password_based, backend = {backend}, enable = true}}]\n")
    (one,) = emqx.read(path).left
    assert one.what == f"authentication password_based:{backend}" and "rmq-auth-db" in one.becomes


@pytest.mark.parametrize(
    ("no_match", "rules", "end"),
    [
        ("allow", '{deny, all, all, ["x"]}.', [["deny", "all", "pubsub", ["x"]], ["allow", "all"]]),
        ("deny", '{allow, all, all, ["x"]}.', [["allow", "all", "pubsub", ["x"]]]),
        ("deny", "", [["deny", "all"]]),
        ("allow", "", []),
    ],
)
@pytest.mark.parametrize("order", [1, -1])
def test_what_no_rule_is_about(tmp_path: Path, no_match: str, rules: str, end: list[object], order: int) -> None:
    (tmp_path / "cluster.hocon").write_text(f"authorization {{no_match = {no_match}}}")
    (tmp_path / "acl.conf").write_text(rules)
    assert read("emqx", [tmp_path / "cluster.hocon", tmp_path / "acl.conf"][::order]).rules == end


def test_who_may_come_in_and_who_decides(tmp_path: Path) -> None:
    path = tmp_path / "cluster.hocon"
    path.write_text(
        """
listeners {tcp {default {bind = "0.0.0.0:1883"}}}
authorization {deny_action = ignore, sources = [
  {type = http, url = "http://x"}, {type = redis}, {type = ldap}, {type = mysql, enable = false}
  {type = built_in_database}
]}
"""
    )
    found = emqx.read(path)
    assert left(found) == {"authentication", "authorization http", "authorization redis", "authorization ldap"}
    assert "listener.tcp.external.allow_anonymous" not in found.settings


def test_an_archive_that_isn_t_one(tmp_path: Path) -> None:
    with pytest.raises(MigrationError, match=r"META\.hocon"):
        emqx.read(archive(tmp_path, x=b"y"))
    path = tmp_path / "x.tar.gz"
    path.write_bytes(b"\x1f\x8bxx")
    with pytest.raises(MigrationError, match="isn't an archive"):
        emqx.read(path)
    table = (TABLES / "emqx_acl").read_bytes()
    for broken in (b"x", table[:-1], table[:8] + b"\xff" * 20, table[:16] + b"\x00" * (len(table) - 16)):
        with pytest.raises(MigrationError):
            emqx.read(archive(tmp_path, **{"META.hocon": b"", "mnesia/emqx_acl": broken}))


def test_the_json_of_version_4(tmp_path: Path) -> None:
    stored = b"salt" + hashlib.sha256(b"saltwonder").hexdigest().encode()
    export = {
        "version": "4.3",
        "auth_mnesia": [
            {"login": "alice", "type": "username", "password": base64.b64encode(stored).decode()},
            {"login": "c1", "type": "clientid", "password": ""},
            {"login": "odd", "type": "username", "password": "eA=="},
        ],
        "acl_mnesia": [
            {"type": "username", "type_value": "alice", "topic": "a/#", "action": "pub", "access": "allow"},
            {"type": "all", "topic": "b", "action": "pubsub", "access": "deny"},
        ],
        "rules": [{"id": "r"}],
        "resources": [],
    }
    path = tmp_path / "export.json"
    path.write_text(json.dumps(export))
    found = read("emqx", [path])
    (alice,) = found.users
    assert brought.hashed(alice.way, b"wonder") == alice.digest
    assert found.rules == [
        ["allow", {"user": "alice"}, "publish", ["a/#"]],
        ["deny", "all", "pubsub", ["b"]],
        ["allow", "all"],
    ]
    assert left(found) == {"client id c1", "user odd", "rules"}


def test_users_for_its_import(tmp_path: Path) -> None:
    digest = hashlib.sha256(b"abwonder").hexdigest()
    rows = [
        {"user_id": "alice", "password_hash": digest, "salt": "ab", "is_superuser": True},
        {"user_id": "bob", "password": "build"},
        {"user_id": "carl", "password_hash": "$2b$10$x"},
        {"nobody": 1},
    ]
    (tmp_path / "users.json").write_text(json.dumps(rows))
    (tmp_path / "users.csv").write_text(f"user_id,password_hash,salt,is_superuser\nalice,{digest},ab,true\n")
    found = emqx.read(tmp_path / "users.json")
    alice, bob = found.users
    assert alice.superuser and brought.hashed(alice.way, b"wonder") == alice.digest
    assert (bob.name, bob.password) == ("bob", "build")
    assert "build" not in repr(bob)
    assert left(found) == {"user carl", "user 4"}
    (other,) = emqx.read(tmp_path / "users.csv").users
    assert other == alice


def test_hashes() -> None:
    salt = "73616c74"
    pbkdf2 = hashlib.pbkdf2_hmac("sha256", b"x", salt.encode(), 4096, 32).hex()
    user = Hashing("pbkdf2", mac="sha256", iterations=4096).user("u", pbkdf2, salt, superuser=False)
    assert brought.hashed(user.way, b"x") == user.digest
    user = Hashing("sha512", "disable").user("u", hashlib.sha512(b"x").hexdigest(), "", superuser=False)
    assert brought.hashed(user.way, b"x") == user.digest
    assert Hashing("plain").user("u", "x", "", superuser=False).password == "x"
    with pytest.raises(ValueError, match="bcrypt"):
        Hashing("bcrypt").user("u", "$2b$", "", superuser=False)


def test_terms_of_erlang() -> None:
    assert terms('{a, ["b\\"c", <<"d">>, -1, \'E f\'], {}}. []. % end', "x") == [
        (Atom("a"), ['b"c', "d", -1, Atom("E f")], ()),
        [],
    ]
    for text in ("{a", "{a}", "{a,}.", "A.", "{a b}.", "]."):
        with pytest.raises(MigrationError, match=r"^x: "):
            terms(text, "x")
    with pytest.raises(MigrationError, match="line 3"):
        terms("a.\nb.\nC.", "x")
    with pytest.raises(MigrationError):
        terms("[" * 1000 + "]" * 1000 + ".", "x")


def test_terms_in_the_external_format() -> None:
    # As term_to_binary writes them: {a, [1, 300, -1], <<"b">>, #{c => 1.5}, 2^70}
    content = bytes.fromhex(
        "836805" "7701" "61" "6c00000003" "6101" "620000012c" "62ffffffff" "6a" "6d00000001" "62"
        "7400000001" "7701" "63" "463ff8000000000000" "6e0900" "000000000000000040"
    )  # fmt: skip
    assert decoded(content, "x") == (Atom("a"), [1, 300, -1], b"b", {"c": 1.5}, 2**70)
    for cut in range(1, len(content)):
        with pytest.raises(MigrationError):
            decoded(content[:cut], "x")
    with pytest.raises(MigrationError):
        decoded(b"\x83" + b"h\x01" * 1000 + b"j", "x")
