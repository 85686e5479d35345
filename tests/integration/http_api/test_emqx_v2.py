"""EMQX v2's documents against live answers: every path, method, parameter, field, type and code; moved by clients."""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import pytest

import rmq
from tests.integration.http_api.http import Answer, Http
from tests.integration.http_api.places import Place
from tests.support.broker_process import REPOSITORY
from tests.support.openapi import Description

CONTRACT: Final[dict[str, Any]] = json.loads((REPOSITORY / "tests/contracts/emqx_v2.json").read_text(encoding="utf-8"))
OPERATIONS: Final = {f"{one['method']} {one['path']}": one for one in CONTRACT["operations"]}
TYPES: Final[dict[str, type]] = {"integer": int, "string": str, "boolean": bool, "number": float}
ADMIN: Final = "Basic " + base64.b64encode(b"admin:public").decode()
FORM: Final = {"Content-Type": "application/x-www-form-urlencoded"}
# The seed's line, with its port left open.
CURL: Final = "curl -v --basic -u <user>:<passwd> -k http://localhost:8080/api/v2/nodes/emqx@127.0.0.1/clients"
_DESCRIPTIONS: Final[dict[int, Description]] = {}


@dataclass(frozen=True)
class V2:
    """The API of a place for the administrator; every answer must be what the dialect's document says."""

    place: Place

    def ask(self, method: str, path: str, body: object = None) -> Answer:
        """One request below /api/v2, its body as curl's ``-d`` sends it."""
        http = Http(self.place.api.port)
        where = f"/api/v2/{path}"
        content = None if body is None else json.dumps(body).encode()
        answer = http.send(method, where, content, {"Authorization": ADMIN, **(FORM if content else {})})
        self.description(http).check(method, where, answer.status, answer.headers, answer.body)
        return answer

    def get(self, path: str) -> Any:
        """The result of a good answer."""
        answer = self.ask("GET", path)
        assert answer.status == 200 and answer.json["code"] == 0, (path, answer.text)
        return answer.json["result"]

    def done(self, method: str, path: str, body: object = None) -> None:
        """Something that is done."""
        answer = self.ask(method, path, body)
        assert answer.json == {"code": 0, "result": []}, (path, answer.text)

    def code(self, method: str, path: str, body: object = None) -> int:
        """The code of a refusal."""
        answer = self.ask(method, path, body)
        assert answer.status == 200 and answer.json["message"], (path, answer.text)
        found: int = answer.json["code"]
        return found

    @staticmethod
    def description(http: Http) -> Description:
        """The dialect's document, asked for once."""
        if http.port not in _DESCRIPTIONS:
            _DESCRIPTIONS[http.port] = Description(http.get("/api-spec.json?dialect=emqx_v2"))
        return _DESCRIPTIONS[http.port]


@pytest.fixture
def v2(place: Place) -> V2:
    """The API of each place."""
    return V2(place)


def check(shape: Any, value: Any, where: str) -> None:
    """Every field of the shape is in the value, of its type; lists have at least one row that is checked."""
    if isinstance(shape, str):
        assert type(value) is TYPES[shape], (where, shape, value)
    elif isinstance(shape, list):
        assert isinstance(value, list), (where, value)
        assert value or not shape, f"{where}: nothing to check"
        for row in value:
            if shape and row.get("node_status") != "Stopped":
                check(shape[0], row, where)
    else:
        assert isinstance(value, Mapping), (where, value)
        names = shape.keys()
        if len(names) == 1 and "@" in next(iter(names)):  # the name of a node
            for name, inner in value.items():
                check(next(iter(shape.values())), inner, f"{where}.{name}")
            return
        assert names <= value.keys(), (where, sorted(names - value.keys()))
        for name in names:
            check(shape[name], value[name], f"{where}.{name}")


BODIES: Final[dict[str, dict[str, Any]]] = {
    "POST /api/v2/mqtt/subscribe": {"topic": "test", "qos": 1, "client_id": "shape"},
    "POST /api/v2/mqtt/publish": {"topic": "test", "payload": "hello", "qos": 1, "retain": False, "client_id": "shape"},
    "POST /api/v2/auth": {"username": "admin", "password": "public"},
    "PUT /api/v2/nodes/plugins/{name}": {"active": True},
    "PUT /api/v2/users/{username}": {"email": "a@emqtt.io", "role": "administrator", "remark": "x"},
    "POST /api/v2/users": {
        "username": "root",
        "password": "root",
        "email": "admin@emqtt.io",
        "role": "administrator",
        "remark": "123",
    },
}


@pytest.mark.parametrize("key", OPERATIONS)
def test_every_operation_of_the_documents(v2: V2, key: str) -> None:
    operation = OPERATIONS[key]
    place = v2.place
    place.client("shape").subscribe(("topic", 1))
    name = "rmq-sys-topic"
    user = place.name("u")
    path = operation["path"].removeprefix("/api/v2/")
    node = "emqx@127.0.0.1" if place.node_id == 1 else str(place.node_id)
    for value, text in (("node_name", node), ("client_id", "shape"), ("cliet_id", "shape"), ("topic", "topic")):
        path = path.replace(f"{{{value}}}", text)
    path = path.replace("{name}", name).replace("{username}", user)
    if operation.get("query"):
        assert operation["query"] == ["curr_page", "page_size"]
        path += "?curr_page=1&page_size=20"
    if "users" in path:
        v2.done("POST", "users/", {**BODIES["POST /api/v2/users"], "username": user})
    body = BODIES.get(key)
    if body is not None:
        assert body.keys() == operation["request"].keys(), "the documents ask for something else"
        if "users" in path and operation["method"] == "POST":
            body = {**body, "username": f"{user}-2"}
    answer = v2.ask(operation["method"], path, body)
    assert answer.status == 200
    found = answer.json
    check(operation.get("response") or {"code": "integer", "result": []}, found, key)
    assert found["code"] == 0
    if "plugins/{name}" in key:
        assert v2.code("PUT", path, {"active": True}) == 110
        v2.done("PUT", path, {"active": False})
        assert v2.code("PUT", path, {"active": False}) == 111
        for kept in place.api.get("/api/v1/retains?topic_filter=%24SYS%2F%23")["items"]:
            place.api.ask("DELETE", f"/api/v1/retains?topic={kept['topic'].replace('$', '%24').replace('/', '%2F')}")
    for made in (user, f"{user}-2"):
        v2.ask("DELETE", f"users/{made}")


def test_codes_that_the_documents_have(v2: V2) -> None:
    nobody = {"topic": "t", "client_id": "nobody"}
    found = {
        v2.code("GET", "nodes/nowhere/clients"),
        v2.code("POST", "auth", {"username": "admin", "password": "wrong"}),
        v2.code("POST", "auth", {"username": "", "password": ""}),
        v2.code("GET", "users/nobody"),
        v2.code("DELETE", "users/admin"),
        v2.code("POST", "mqtt/publish", {"topic": "t"}),
        v2.code("POST", "mqtt/publish", {"topic": "t", "payload": 1}),
        v2.code("POST", "mqtt/publish", "no object"),
        v2.code("PUT", "nodes/plugins/rmq-acl", {"active": True}),
        v2.code("PUT", "nodes/plugins/rmq-sys-topic", {"active": False}),
        v2.code("PUT", "nodes/plugins/nothing", {"active": True}),
    }
    assert found == set(CONTRACT["codes"]["result"]) - {0}
    assert v2.code("POST", "mqtt/subscribe", nobody) == 112


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is missing")
def test_the_documents_curl_line_runs(v2: V2) -> None:
    line = CURL.replace("8080", str(v2.place.api.port)).replace("<user>:<passwd>", "admin:public")
    ended = subprocess.run(line.split(), capture_output=True, check=True, timeout=20)
    assert json.loads(ended.stdout)["code"] == 0
    other = subprocess.run(line.replace("public", "wrong").split(), capture_output=True, check=True, timeout=20)
    assert other.stdout == b"" and b"401" in other.stderr and b'Basic realm="emqx control center"' in other.stderr


def moment(text: str) -> float:
    """A time of an answer."""
    return datetime.strptime(text, "%Y-%m-%d %H:%M:%S").timestamp()  # it is local time, as EMQX writes it


def test_every_field_of_a_client_is_that_client_s(v2: V2) -> None:
    place = v2.place
    name = place.name("A")
    client = place.client(name, 4, clean=False, keep_alive=77, username="alice", source="127.0.0.2")
    place.client(place.name("B"), 5)
    (row,) = v2.get(f"clients/{name}")["objects"]
    assert abs(moment(row.pop("connected_at")) - time.time()) < 20
    assert row.pop("port") > 0
    assert row == {
        "client_id": name,
        "username": "alice",
        "ipaddress": "127.0.0.2",
        "clean_sess": False,
        "proto_ver": 4,
        "keepalive": 77,
    }
    page = v2.get(f"nodes/{place.node_id}/clients?page_size=1")
    assert (page["total_num"], page["total_page"], page["page_size"], len(page["objects"])) == (2, 2, 1, 1)
    names = [v2.get(f"nodes/{place.node_id}/clients?page_size=1&curr_page={n}")["objects"] for n in (1, 2, 3)]
    assert [[one["client_id"] for one in rows] for rows in names] == [[name], [place.clients[1].client_id], []]
    v2.done("DELETE", f"clients/{name}")
    client.expect_closed()
    assert v2.code("DELETE", f"clients/{name}") == 112
    assert v2.get(f"clients/{name}") == {"objects": []}


def test_sessions_subscriptions_and_routes_move(v2: V2) -> None:
    place = v2.place
    name, topic = place.name("s"), place.name("t")
    away = place.client(name, clean=False, expiry=100)
    away.subscribe((f"{topic}/+", 1))
    assert v2.get(f"subscriptions/{name}") == {"objects": [{"client_id": name, "topic": f"{topic}/+", "qos": 1}]}
    home = {"topic": f"{topic}/+", "node": str(place.node_id)}
    place.until(lambda: v2.get(f"routes/{topic}%2F+"), {"objects": [home]})
    assert home in v2.get("routes")["objects"]
    away.disconnect()
    v2.done("POST", "mqtt/publish", {"topic": f"{topic}/x", "payload": "hello", "qos": 1})
    place.until(lambda: [one["mqueue_len"] for one in v2.get(f"sessions/{name}")["objects"]], [1])
    (row,) = v2.get(f"sessions/{name}")["objects"]
    assert (row["clean_sess"], row["subscriptions"]) == (False, 1) and abs(moment(row["created_at"]) - time.time()) < 30
    words = ("max_inflight", "inflight_queue", "message_queue", "message_dropped")
    assert {row[word] for word in (*words, "awaiting_rel", "awaiting_ack", "awaiting_comp")} == {"undefined"}
    back = place.client(name, clean=False, expiry=100)
    back.receive_publish(b"hello")
    v2.done("POST", "mqtt/subscribe", {"topic": f"{topic}-2", "qos": 2, "client_id": name})
    v2.done("POST", "mqtt/publish", {"topic": f"{topic}-2", "payload": "again", "qos": 2})
    assert back.receive_publish(b"again").qos == 2
    v2.done("POST", "mqtt/unsubscribe", {"topic": f"{topic}-2", "client_id": name})
    assert len(v2.get(f"subscriptions/{name}")["objects"]) == 1


def test_figures_move(v2: V2) -> None:
    place = v2.place
    node = str(place.node_id)

    def found() -> tuple[int, int, int, int]:
        stats, metrics = v2.get(f"monitoring/stats/{node}"), v2.get(f"monitoring/metrics/{node}")
        (each,) = v2.get("monitoring/stats")
        assert each[node] == stats
        names = ("messages/qos1/received", "packets/connect")
        return stats["clients/count"], stats["subscriptions/count"], *(metrics[name] for name in names)

    before = found()
    client = place.client()
    client.subscribe("a", "b")
    client.publish("c", b"x", 1)
    place.until(found, (before[0] + 1, before[1] + 2, before[2] + 1, before[3] + 1))
    (row,) = [one for one in v2.get("monitoring/nodes") if one["name"] == node]
    assert row["clients"] == 1 and re.fullmatch(r"\d+\.\d\d[MG]", row["memory_total"])
    listeners = v2.get(f"listeners/{node}")
    host, port = place.address
    (own,) = [one for one in listeners if one["listen"] == f"{host}:{port}"]
    assert (own["protocol"], own["current_clients"]) == ("mqtt:tcp", 1)
    assert v2.get("listeners")[node] == v2.get("monitoring/listeners")[0][node] == listeners
    (row,) = [one for one in v2.get("management/nodes") if one["name"] == node]
    assert (row["version"], row["node_status"]) == (rmq.__version__, "Running")
    assert abs(moment(row["datetime"]) - time.time()) < 20


def test_configurations_are_set(v2: V2) -> None:
    path = "configs/rmq-acl"
    before = {row["key"]: row for row in v2.get(path)}
    assert before["disconnect_if_pub_rejected"]["value"] == "true"
    v2.done("PUT", path, {"key": "disconnect_if_pub_rejected", "value": "false"})

    def everywhere() -> set[str]:
        """What each node that lives has."""
        living = [node for node in v2.place.nodes if node not in v2.place.dead]
        rows = [row for node in living for row in v2.get(f"nodes/{node}/plugin_configs/rmq-acl")]
        return {row["value"] for row in rows if row["key"] == "disconnect_if_pub_rejected"}

    v2.place.until(everywhere, {"false"})
    assert v2.code("PUT", path, {"key": "disconnect_if_pub_rejected", "value": "maybe"}) == 108
    v2.done("PUT", path, {"key": "disconnect_if_pub_rejected", "value": "true"})


def test_a_dead_node_is_named(v2: V2) -> None:
    if not v2.place.dead:
        pytest.skip("all nodes live")
    for kind in ("management", "monitoring"):
        states = {row["name"]: row["node_status"] for row in v2.get(f"{kind}/nodes")}
        assert states == {"1": "Running", "2": "Running", "3": "Stopped"}
        assert v2.code("GET", f"{kind}/nodes/3") == 101
    for path in ("clients", "sessions", "subscriptions", "plugins", "alarms", "configs"):
        assert v2.code("GET", f"nodes/3/{path}") == 101
    for path in ("routes", "listeners", "monitoring/stats", "monitoring/metrics", "configs"):
        answer = v2.ask("GET", path)
        assert (answer.json["code"], answer.headers["x-rmq-missing-nodes"]) == (0, "3"), path


def test_nobody_gets_in_without_a_password(place: Place) -> None:
    for headers in ({}, {"Authorization": "Basic eDp5"}):
        answer = Http(place.api.port).send("GET", "/api/v2/management/nodes", None, headers)
        assert (answer.status, answer.body) == (401, b"")
        assert answer.headers["www-authenticate"] == 'Basic realm="emqx control center"'
