"""Publishing, plugins and the cluster: what is asked of the API, and what is asked of the person first."""

from __future__ import annotations

import base64
import json
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from tests.unit.ctl.desk import Desk

MEMBER: dict[str, Any] = {
    "node_id": 1,
    "name": "one",
    "address": "10.0.0.1:5363",
    "voter": True,
    "state": "up",
    "incarnation": 3,
    "applied_lag": 0,
    "link_up": True,
    "operation_level": 1,
}
STATUS: dict[str, Any] = {
    "cluster_id": "c0ffee",
    "node_id": 1,
    "leader": 2,
    "term": 7,
    "commit_index": 120,
    "applied_index": 118,
    "members": [
        MEMBER,
        {**MEMBER, "node_id": 2, "name": "two"},
        {**MEMBER, "node_id": 3, "name": "three", "state": "down", "link_up": False, "applied_lag": 100},
        {**MEMBER, "node_id": 4, "name": "four", "state": "left", "voter": False},
    ],
    "has_quorum": True,
    "alarms": ["disk \x1bfull"],
    "operation_level": 1,
    "draining": False,
}


def ok() -> httpx.Response:
    return httpx.Response(200, text="ok")


def test_a_message_with_all_it_can_have(desk: Desk) -> None:
    desk.says("POST /mqtt/publish", ok())
    args = [
        "publish",
        "a/b",
        "hé",
        "--qos",
        "2",
        "--retain",
        "--client-id",
        "c",
        "--expiry",
        "9",
        "--content-type",
        "t",
    ]
    args += ["--response-topic", "r", "--correlation-data", "id", "--text", "--property", "k=v=w", "--property", "k="]
    result = desk.run(*args)
    assert (result.exit_code, result.stdout) == (0, "published\n")
    assert desk.body == {
        "topic": "a/b",
        "payload": "hé",
        "encoding": "plain",
        "qos": 2,
        "retain": True,
        "clientid": "c",
        "properties": {
            "message_expiry_interval": 9,
            "content_type": "t",
            "response_topic": "r",
            "correlation_data": base64.b64encode(b"id").decode(),
            "is_utf8_payload": True,
            "user_properties": [["k", "v=w"], ["k", ""]],
        },
    }


def test_a_plain_message(desk: Desk) -> None:
    desk.says("POST /mqtt/publish", ok())
    assert desk.run("publish", "t", "", "-q").output == ""
    plain = {"topic": "t", "payload": "", "encoding": "plain", "qos": 0, "retain": False, "properties": {}}
    assert desk.body == plain
    assert desk.run("publish", "t", "x", "--json").stdout == '"ok"\n'


@pytest.mark.parametrize(("payload", "typed"), [("-", b"\x00\xff\n"), ("\x00\udcff\n", b"")])
def test_a_payload_of_any_bytes(desk: Desk, payload: str, typed: bytes) -> None:
    desk.says("POST /mqtt/publish", ok())
    assert desk.run("publish", "t", payload, typed=typed).exit_code == 0
    assert (desk.body["encoding"], base64.b64decode(desk.body["payload"])) == ("base64", b"\x00\xff\n")


@pytest.mark.parametrize("args", [["--property", "x"], ["--property", "=x"], ["--qos", "3"], ["--expiry", "-1"]])
def test_a_message_that_is_none(desk: Desk, args: list[str]) -> None:
    assert desk.run("publish", "t", "x", *args).exit_code == 2
    assert not desk.requests


def test_a_payload_that_cant_be_read(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    class Folder:
        def read(self) -> bytes:
            raise IsADirectoryError(21, "Is a directory")

    monkeypatch.setattr("rmq.ctl.publishing.sys", SimpleNamespace(stdin=SimpleNamespace(buffer=Folder())))
    result = desk.run("publish", "t", "-")
    assert (result.exit_code, result.stderr) == (2, "rmq-ctl: standard input: Is a directory\n")


PLUGIN: dict[str, Any] = {
    "name": "rmq-acl",
    "version": "1.0",
    "descr": "rules",
    "active": True,
    "inited": True,
    "immutable": False,
    "attrs": {"rules": 6, "denied": {"publish": 1}},
}
PLUGINS = [
    {"node": 1, "plugins": [PLUGIN]},
    {"node": 2, "plugins": [{**PLUGIN, "active": False, "failure": "no file", "attrs": None}]},
    {"node": 3, "plugins": [], "node_status": "Down", "error": "no link"},
]
MISSING = {"X-RMQ-Missing-Nodes": "3"}


def test_plugins(desk: Desk) -> None:
    desk.answers("GET /plugins", PLUGINS, headers=MISSING)
    desk.answers("GET /plugins/1", [PLUGIN])
    result = desk.run("plugins", "list")
    assert result.exit_code == 6
    assert result.stdout.splitlines() == [
        "node  name     runs  version  fixed  what it does",
        "   1  rmq-acl  yes   1.0      no     rules",
        "   2  rmq-acl  no    1.0      no     no file",
    ]
    assert len(desk.run("plugins", "list", "--node", "1").stdout.splitlines()) == 2
    assert json.loads(desk.run("plugins", "list", "--node", "1", "--json").stdout) == [PLUGIN]


def test_one_plugin(desk: Desk) -> None:
    desk.answers("GET /plugins", PLUGINS, headers=MISSING)
    desk.answers("GET /plugins/1/%72mq-acl", PLUGIN)
    desk.answers("GET /plugins/2/%72mq-acl", {**PLUGIN, "attrs": None})
    desk.answers("GET /plugins/1/%72mq-acl/config", {"file": "", "limits": {"a": 1, "b": [1, "x"]}, "rules": []})
    one = desk.run("plugins", "show", "rmq-acl", "--node", "1").stdout.splitlines()
    assert one[0].split() == ["name", "rmq-acl"] and one[-1].split() == ["denied.publish", "1"]
    assert one[-2].split() == ["rules", "6"]
    every = desk.run("plugins", "show", "rmq-acl")
    assert every.exit_code == 6
    assert [line for line in every.stdout.splitlines() if line.startswith("#")] == ["# node 1", "# node 2"]
    assert json.loads(desk.run("plugins", "show", "rmq-acl", "--json").stdout).keys() == {"1", "2"}
    config = desk.run("plugins", "config", "rmq-acl", "--node", "1").stdout.splitlines()
    assert config == ["file      -", "limits.a  1", "limits.b  [1, x]", "rules     []"]


def test_what_apis_set_is_forgotten(desk: Desk) -> None:
    desk.answers("GET /plugins", PLUGINS, headers=MISSING)
    desk.answers("DELETE /plugins/1/%78/config", True)
    assert desk.run("plugins", "forget", "x").exit_code == 2, "nobody could be asked"
    assert desk.run("plugins", "forget", "x", "--yes").stdout == "x goes by files again\n"
    desk.answers("DELETE /plugins/1/%79/config", False)
    assert desk.run("plugins", "forget", "y", "-y").stdout == "y went by files already\n"
    assert desk.run("plugins", "forget", "y", "-y", "-q").stdout == ""


@pytest.mark.parametrize(
    ("command", "path", "answer", "text"),
    [
        ("load", "load", ok(), "runs"),
        ("unload", "unload", httpx.Response(200, json=True), "is stopped"),
        ("unload", "unload", httpx.Response(200, json=False), "didn't run"),
        ("reload", "config/reload", ok(), "has read its configuration"),
    ],
)
def test_plugins_are_started_and_stopped_everywhere(
    desk: Desk, command: str, path: str, answer: httpx.Response, text: str
) -> None:
    desk.answers("GET /plugins", PLUGINS[:2])
    desk.says(f"PUT /plugins/1/%78/{path}", answer)
    desk.says(f"PUT /plugins/2/%78/{path}", answer)
    result = desk.run("plugins", command, "x")
    assert (result.exit_code, result.stdout) == (0, f"node 1: x {text}\nnode 2: x {text}\n")
    assert desk.run("plugins", command, "x", "--node", "2", "-q").output == ""
    assert desk.asked[-1] == f"PUT /api/v1/plugins/2/%78/{path}"


def test_one_node_that_refuses_doesnt_stop_the_others(desk: Desk) -> None:
    desk.answers("GET /plugins", PLUGINS, headers=MISSING)
    desk.refuses("PUT /plugins/1/%78/load", 409, "PLUGIN_REFUSED", "no file")
    desk.says("PUT /plugins/2/%78/load", ok())
    result = desk.run("plugins", "load", "x")
    assert (result.exit_code, result.stdout) == (1, "node 2: x runs\n")
    assert result.stderr.splitlines()[0] == "rmq-ctl: node 1: no file"


def test_what_one_node_says_isnt_said_of_the_next(desk: Desk) -> None:
    desk.answers("GET /plugins", PLUGINS[:2])
    desk.answers("PUT /plugins/1/%78/unload", False)
    desk.answers("PUT /plugins/2/%78/unload", True)
    assert desk.run("plugins", "unload", "x").stdout == "node 1: x didn't run\nnode 2: x is stopped\n"


@pytest.mark.parametrize("name", ["rmq-http-api", "rmqtt-http-api"])
def test_the_api_itself_is_stopped_only_when_somebody_is_sure(desk: Desk, name: str) -> None:
    desk.answers(f"PUT /plugins/1/%72{name[1:]}/unload", True)
    assert desk.run("plugins", "unload", name, "--yes").exit_code == 2
    assert desk.run("plugins", "unload", name, "--node", "1").exit_code == 2
    assert not desk.requests
    assert desk.run("plugins", "unload", name, "--node", "1", "--yes").exit_code == 0


def test_cluster_status(desk: Desk) -> None:
    desk.answers("GET /cluster", STATUS)
    assert desk.run("cluster", "status").stdout.splitlines() == [
        "cluster  c0ffee, as node 1 sees it",
        "leader   node 2, term 7",
        "quorum   yes",
        "log      120 committed, 118 applied here",
        "",
        "node  name   address        state    votes  role      link  behind  start",
        "   1  one    10.0.0.1:5363  up       yes    follower  -          0      3",
        "   2  two    10.0.0.1:5363  up       yes    leader    up         0      3",
        "   3  three  10.0.0.1:5363  DOWN     yes    follower  DOWN     100      3",
        "   4  four   10.0.0.1:5363  stopped  no     observer  up         0      3",
        "",
        r"ALARM  disk \x1bfull",
    ]
    assert json.loads(desk.run("cluster", "status", "--json").stdout) == STATUS


def test_cluster_status_says_what_is_missing(desk: Desk) -> None:
    changes: dict[str, Any] = {"cluster_id": "", "leader": None, "has_quorum": False, "draining": True, "alarms": []}
    desk.answers("GET /cluster", {**STATUS, **changes})
    lines = desk.run("cluster", "status").stdout.splitlines()
    assert lines[:3] == [
        "cluster  not founded yet, as node 1 sees it",
        "leader   none known",
        "quorum   NO: nothing that is kept can be changed",
    ]
    assert lines[4] == "drained  clients of this node are moved away, and it takes no new ones"
    assert "ALARM" not in "".join(lines)


@pytest.mark.parametrize(
    ("args", "body", "answer", "printed"),
    [
        (
            "join 1@10.0.0.1:5363 2@h:1",
            {"members": ["1@10.0.0.1:5363", "2@h:1"], "discard_data": False},
            None,
            "joined",
        ),
        ("leave", {"rate": 100.0}, None, "left"),
        ("leave --rate 7", {"rate": 7.0}, None, "left"),
        ("drain 3 --rate 2.5", {"node_id": 3, "rate": 2.5}, None, "draining node 3"),
        ("undrain 3", {"node_id": 3}, None, "node 3 takes clients"),
        ("transfer-leader", {}, {"leader": 2}, "node 2 leads"),
        ("transfer-leader 3", {"node_id": 3}, {"leader": 3}, "node 3 leads"),
        ("bootstrap --nodes 1,2", {"node_ids": [1, 2]}, None, "founded"),
        ("backup /b", {"path": "/b"}, {"path": "/b", "size": 9, "index": 5}, "/b: 9 bytes, up to log entry 5"),
    ],
)
def test_cluster_commands(desk: Desk, args: str, body: object, answer: object, printed: str) -> None:
    words = args.split()
    desk.answers(f"POST /cluster/{words[0]}", answer)
    result = desk.run("cluster", *words)
    assert (result.exit_code, result.output) == (0, printed + "\n")
    assert desk.body == body
    # Moving clients and data takes as long as it takes; a connection doesn't.
    assert desk.requests[-1].extensions["timeout"] == {"connect": 10.0, "read": None, "write": 10.0, "pool": 10.0}


DANGEROUS = [
    ("remove 3", "DELETE /cluster/members/3", "Sessions on it that aren't kept are lost", "node 3 is removed"),
    ("restore /b", "POST /cluster/restore", "What changed since the backup", "restored"),
    ("rescue", "POST /cluster/rescue", r"much is\x1b lost", "this node is the cluster now"),
    ("rebuild", "POST /cluster/rebuild", "What no other member has is lost", "rebuilding"),
    ("join 1@h:1 --discard-data", "POST /cluster/join", "All data of this node are deleted", "joined"),
]


@pytest.mark.parametrize(("args", "question", "warning", "printed"), DANGEROUS)
def test_what_may_lose_something_says_so_and_asks(
    desk: Desk, args: str, question: str, warning: str, printed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.answers("GET /cluster/rescue", ["much is\x1b lost"])
    desk.answers(question, None)
    result = desk.run("cluster", *args.split(), typed="y\n")  # without a terminal nobody can be asked
    assert (result.exit_code, result.stdout) == (2, "")
    assert warning in result.stderr and "--yes" in result.stderr
    monkeypatch.setattr("rmq.ctl.asking.is_terminal", lambda: True)
    assert desk.run("cluster", *args.split(), typed="n\n").exit_code == 1
    assert not [asked for asked in desk.asked if not asked.startswith("GET")]
    result = desk.run("cluster", *args.split(), typed="y\n")
    assert (result.exit_code, result.stdout.startswith(printed)) == (0, True)
    monkeypatch.undo()
    result = desk.run("cluster", *args.split(), "--yes")
    assert result.exit_code == 0 and warning in result.stderr
    assert desk.asked[-1].replace("/api/v1", "") == question


@pytest.mark.parametrize(
    ("args", "text"),
    [
        ("join", "HOST:PORT"),
        ("drain", "ID"),
        ("remove 0", "0"),
        ("leave --rate 0", "--rate"),
        ("bootstrap --nodes a", "1,2"),
        ("backup monday", "begins with /"),
        ("restore monday --yes", "begins with /"),
    ],
)
def test_cluster_usage(desk: Desk, args: str, text: str) -> None:
    result = desk.run("cluster", *args.split())
    assert (result.exit_code, desk.requests) == (2, [])
    assert text in result.stderr


def test_a_cluster_that_refuses(desk: Desk) -> None:
    desk.refuses("POST /cluster/leave", 409, "CLUSTER_REFUSED", "the last one can't leave")
    result = desk.run("cluster", "leave")
    assert (result.exit_code, result.stderr) == (1, "rmq-ctl: the last one can't leave\n")
