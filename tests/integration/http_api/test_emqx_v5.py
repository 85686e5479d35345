"""EMQX's API of version 5 on real nodes: its document's commands, errors and codes, and what real clients change.

Every answer is held against the OpenAPI document of the dialect, also those that are only asked for on the way.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

import pytest

import rmq
from scripts.seed_shapes import shape_of
from tests.integration.http_api.described import DescribedHttp
from tests.integration.http_api.http import Answer, Http
from tests.integration.http_api.places import Place
from tests.support.broker_process import REPOSITORY
from tests.support.openapi import Description

CONTRACT: Final[dict[str, Any]] = json.loads((REPOSITORY / "tests/contracts/emqx_v5.json").read_text(encoding="utf-8"))
V5: Final = "/api/v5"


def basic(user: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(user.encode()).decode()}


@dataclass(frozen=True)
class V5Http(DescribedHttp):
    """As the documents' administrator, at paths behind ``/api/v5``, held to the dialect's own document."""

    @property
    def description(self) -> Description:
        if not self.descriptions:
            self.descriptions.append(Description(Http(self.port).get("/api-spec.json?dialect=emqx_v5")))
        return self.descriptions[0]

    def send(self, method: str, path: str, content: bytes | None, headers: Mapping[str, str]) -> Answer:
        return super().send(method, V5 + path, content, {**basic("admin:public"), **headers})


@pytest.fixture
def v5(place: Place) -> Iterator[V5Http]:
    made = V5Http(place.api.port)
    yield made
    made.ask("DELETE", "/mqtt/retainer/messages")


def name_of(v5: V5Http, node_id: int) -> str:
    found: str = v5.get(f"/nodes/{node_id}")["node"]
    return found


def test_every_code_of_the_documents(v5: V5Http) -> None:
    assert {row["code"] for row in v5.get("/error_codes")} >= set(CONTRACT["codes"]["error"])


def test_every_command_of_the_documents(v5: V5Http) -> None:
    """Exactly as they are written, with the port and the key that the first one answers."""
    make, nodes = CONTRACT["commands"]
    headers = dict(line.split(": ") for line in make["headers"])
    bodies = [make["body"], {**make["body"], "name": "EMQX-API-KEY-4", "expired_at": "2999-12-05T02:01:34.186Z"}]
    for body in bodies:
        path = make["path"].removeprefix(V5)
        answer = v5.ask(make["method"], path, body, {**headers, **basic(make["user"])})
        assert answer.status == 200, answer.text
        found = answer.json
        shape = shape_of(found)
        assert isinstance(shape, dict) and {name: shape[name] for name in make["answer"]} == make["answer"]
        assert (found["name"], found["desc"], found["enable"]) == (body["name"], body["desc"], True)
    assert found["expired"] is False
    user = basic(f"{found['api_key']}:{found['api_secret']}")
    assert v5.ask(nodes["method"], nodes["path"].removeprefix(V5), None, user).status == 200
    for body in bodies:
        assert v5.ask("DELETE", f"/api_key/{body['name']}").status == 204
    assert v5.ask(nodes["method"], nodes["path"].removeprefix(V5), None, user).status == 401


def test_every_error_of_the_documents(v5: V5Http) -> None:
    for shown in CONTRACT["errors"]:
        answer = v5.ask(shown["method"], shown["path"])
        assert answer.status == 404 and answer.json.items() >= shown["body"].items()


def test_every_route_that_reads(v5: V5Http, place: Place) -> None:
    """Each is answered as described, for each node there is, with something in every list."""
    client = place.client(place.name("read"), expiry=100, username="u")
    client.subscribe(("read/#", 1), ("$share/g/read/+", 2))
    place.client().publish("read/1", b"kept", 1, retain=True)
    place.until(lambda: v5.get("/mqtt/retainer/messages")["meta"]["count"], 1)
    values = {
        "clientid": client.client_id,
        "topic": "read%2F1",
        "code": "BAD_TOPIC",
        "name": "rmq-acl",
        "username": "admin",
    }
    for path, operations in v5.description.document["paths"].items():
        if "get" not in operations or not path.startswith(V5):
            continue
        named = path.removeprefix(V5)
        for name, value in values.items():
            named = named.replace(f"{{{name}}}", value)
        for node in place.nodes if "{node}" in named else (0,):
            answer = v5.ask("GET", named.replace("{node}", str(node)))
            assert answer.status < 500 or node in place.dead, (path, node, answer.text)


def test_every_value_of_a_client_that_it_changes(v5: V5Http, place: Place) -> None:
    client = place.client(place.name("whole"), expiry=600, receive_maximum=9, username="alice")
    path = f"/clients/{client.client_id}"
    before = v5.get(path)
    assert (before["clientid"], before["username"], before["connected"]) == (client.client_id, "alice", True)
    assert before["node"] == name_of(v5, place.node_id) and before["listener"] == "tcp:external"
    assert (before["keepalive"], before["expiry_interval"], before["inflight_max"]) == (60, 600, 9)
    client.subscribe(("whole/#", 1))
    publisher = place.client()
    for _ in range(3):
        publisher.publish("whole/1", b"1234567", 1)
    for _ in range(3):
        client.receive_publish(b"1234567")
    client.publish("another", b"x", 0)
    place.until(lambda: v5.get(path)["recv_msg"], 1)
    after = v5.get(path)
    assert after["subscriptions_cnt"] == 1 and after["send_msg"] >= 3
    assert after["recv_oct"] > before["recv_oct"] and after["send_oct"] > before["send_oct"]
    assert v5.ask("PUT", f"{path}/keepalive", {"interval": 33}).json["keepalive"] == 33
    assert v5.get("/clients?username=alice&fields=clientid")["data"] == [{"clientid": client.client_id}]
    assert v5.get(f"/clients_v2?like_clientid={client.client_id[2:]}")["data"][0]["keepalive"] == 33
    client.disconnect()
    place.until(lambda: v5.get(path)["connected"], False)
    gone = v5.get(path)
    assert gone["disconnected_at"] >= gone["connected_at"] >= gone["created_at"]
    assert v5.ask("DELETE", path).status == 204
    place.until(lambda: v5.ask("GET", path).status, 404)


def test_subscriptions_are_made_shown_and_taken_away(v5: V5Http, place: Place) -> None:
    client = place.client(place.name("sub"))
    path = f"/clients/{client.client_id}"
    made = v5.ask("POST", f"{path}/subscribe", {"topic": "sub/+", "qos": 1}).json
    assert (made["topic"], made["qos"], made["node"]) == ("sub/+", 1, name_of(v5, place.node_id))
    place.until(lambda: len(v5.get("/subscriptions?match_topic=sub%2F1")["data"]), 1)
    (row,) = v5.get(f"{path}/subscriptions")
    assert v5.get("/subscriptions?match_topic=sub%2F1")["data"] == [row]
    assert v5.get("/topics/sub%2F%2B") == [{"topic": "sub/+", "node": row["node"]}]
    answer = v5.ask("POST", "/publish", {"topic": "sub/1", "payload": "MQ==", "payload_encoding": "base64", "qos": 1})
    assert answer.status == 200 and answer.json["id"]
    client.receive_publish(b"1")
    answer = v5.ask("POST", "/publish/bulk", [{"topic": f"sub/{n}", "payload": "x"} for n in range(5)])
    assert answer.status == 200 and len(answer.json) == 5
    assert v5.ask("POST", f"{path}/unsubscribe", {"topic": "sub/+"}).status == 204
    place.until(lambda: v5.ask("GET", "/topics/sub%2F%2B").status, 404)
    answer = v5.ask("POST", "/publish", {"topic": "sub/1", "payload": "x", "qos": 1})
    assert (answer.status, answer.json["reason_code"]) == (202, 16)


def test_pages_of_all_nodes(v5: V5Http, place: Place) -> None:
    names = {place.client(place.name("page")).client_id for _ in range(7)}
    place.until(lambda: v5.get("/clients?like_clientid=page")["meta"]["count"], 7)
    by_number, by_cursor = [], []
    for number in (1, 2, 3, 4):
        page = v5.get(f"/clients?like_clientid=page&limit=2&page={number}")
        assert page["meta"] == {"page": number, "limit": 2, "count": 7, "hasnext": number < 4}
        by_number += [row["clientid"] for row in page["data"]]
    cursor = ""
    while True:
        page = v5.get(f"/clients_v2?like_clientid=page&limit=3{cursor}")
        by_cursor += [row["clientid"] for row in page["data"]]
        if "cursor" not in page["meta"]:
            break
        cursor = f"&cursor={quote(page['meta']['cursor'])}"
    assert by_number == by_cursor == sorted(names)
    bodies = sorted(names)
    assert v5.ask("POST", "/clients/kickout/bulk", bodies).status == 204
    place.until(lambda: v5.get("/clients?like_clientid=page")["meta"]["count"], 0)


def test_figures_count_what_clients_do(v5: V5Http, place: Place) -> None:
    before, metrics = v5.get("/stats?aggregate=true"), v5.get("/metrics?aggregate=true")
    sessions = int(v5.ask("GET", "/sessions_count").text)
    client = place.client(place.name("count"), expiry=50)
    client.subscribe(("count/#", 1), ("$share/g/count/+", 0))
    publisher = place.client()
    publisher.publish("count/1", b"12345", 1)
    client.receive_publish(b"12345")
    publisher.publish("nobody/there", b"1", 0)
    publisher.publish("count-kept", b"1", 1, retain=True)
    place.until(lambda: v5.get("/metrics?aggregate=true")["messages.received"] - metrics["messages.received"], 3)
    now, counted = v5.get("/stats?aggregate=true"), v5.get("/metrics?aggregate=true")
    grown = {name: now[name] - before[name] for name in now if name.endswith(".count") and now[name] != before[name]}
    for name in ("connections", "live_connections", "sessions", "channels", "cluster_sessions"):
        assert grown[f"{name}.count"] == 2, name
    assert grown["retained.count"] == 1
    assert (grown["subscriptions.count"], grown["subscriptions.shared.count"], grown["topics.count"]) == (2, 1, 2)
    assert int(v5.ask("GET", "/sessions_count").text) == sessions + 2
    for name in ("client.connected", "packets.connect.received", "messages.qos1.received", "session.created"):
        assert counted[name] - metrics[name] == 2, name
    assert counted["messages.dropped.no_subscribers"] - metrics["messages.dropped.no_subscribers"] >= 1
    assert counted["bytes.received"] > metrics["bytes.received"]
    scraped = Http(v5.port).ask("GET", f"{V5}/prometheus/stats?mode=all_nodes_aggregated").text
    assert f"\nemqx_live_connections_count {now['live_connections.count']}\n" in scraped
    own = v5.get(f"/nodes/{place.node_id}")
    assert own["live_connections"] >= 1 and own["version"] == rmq.__version__
    assert v5.get("/monitor_current")["live_connections"] == now["live_connections.count"]


def test_retained_messages(v5: V5Http, place: Place) -> None:
    publisher = place.client(place.name("keep"))
    publisher.publish("keep/1", b"\x01\x02", 1, retain=True)
    publisher.publish("keep/2", b"", 0)
    place.until(lambda: len(v5.get("/mqtt/retainer/messages?topic=keep%2F%23")["data"]), 1)
    row = v5.get("/mqtt/retainer/message/keep%2F1")
    assert (row["payload"], row["qos"], row["from_clientid"]) == ("AQI=", 1, publisher.client_id)
    assert v5.ask("DELETE", "/mqtt/retainer/message/keep%2F1").status == 204
    place.until(lambda: v5.ask("GET", "/mqtt/retainer/message/keep%2F1").status, 404)


def test_nodes_and_one_that_is_dead(v5: V5Http, place: Place) -> None:
    rows = v5.get("/nodes")
    assert [row["node_status"] for row in rows] == [
        "stopped" if node in place.dead else "running" for node in place.nodes
    ]
    names = [row["node"] for row in rows]
    assert len(set(names)) == len(place.nodes)
    assert sorted(v5.get("/cluster")["nodes"]) == sorted(names)
    assert v5.get("/monitor_current/nodes/1")["node_uptime"] > 0
    for plugin in v5.get("/plugins"):
        assert len(plugin["running_status"]) == len(place.nodes) - len(place.dead)
    if not place.dead:
        return
    (dead,) = place.dead
    for path in ("/clients", "/subscriptions", "/topics", "/stats", "/metrics", "/nodes", "/plugins"):
        answer = v5.ask("GET", path)
        assert (answer.status, answer.headers["x-rmq-missing-nodes"]) == (200, str(dead)), path
    assert v5.get(f"/nodes/{dead}") == {"node": names[dead - 1], "node_status": "stopped"}
    for path in (f"/nodes/{dead}/stats", f"/nodes/{dead}/metrics", f"/clients?node={dead}"):
        answer = v5.ask("GET", path)
        assert (answer.status, answer.json["code"]) == (503, "BAD_RPC") and answer.headers["retry-after"]


def test_the_status_without_credentials(v5: V5Http) -> None:
    for path in ("/status", "/api/v5/status"):
        answer = Http(v5.port).ask("GET", path)
        assert answer.status == 200 and answer.text.endswith("\nemqx is running")
        assert Http(v5.port).ask("GET", f"{path}?format=json").json["app_status"] == "running"
