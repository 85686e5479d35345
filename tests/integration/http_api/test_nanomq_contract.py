"""NanoMQ's documents held against live nodes: every operation, parameter, field and type, moved by what clients do.

On a node alone, on three, and on three of which one is dead.
"""

from __future__ import annotations

import time
from datetime import datetime
from typing import Any, Final

import pytest
from prometheus_client.parser import text_string_to_metric_families

import rmq
from tests.integration.http_api.nanomq_contract import ask, check, contract, good, has_shape
from tests.integration.http_api.places import Place
from tests.support.wire import Will

V1: Final = contract("nanomq_v1")["operations"]
V4: Final = contract("nanomq_v4")["operations"]
READING: Final = [operation for operation in V4 if operation["method"] == "GET"]
VALUES: Final = {"conn_state": "connected", "clean_start": "true", "proto_name": "MQTT", "proto_ver": "5", "qos": "1"}


def data(place: Place, path: str) -> Any:
    """What stands in ``data``."""
    return good(place.api, "GET", f"/api/v4{path}")["data"]


def numbered(place: Place, number: int) -> Any:
    """What stands in ``data`` of an answer of version 1."""
    return good(place.api, "POST", "/api/v1", {"req": number, "seq": 1})["data"]


@pytest.mark.parametrize("operation", READING, ids=lambda operation: operation["path"])
def test_every_field_of_version_4(place: Place, operation: dict[str, Any]) -> None:
    client = place.client("shape", username="user")
    client.subscribe(("shape/#", 1), ("$share/g/shape/+", 2))
    path = operation["path"].replace("{clientid}", "shape").replace("{username}", "user")
    answer = good(place.api, "GET", path)
    assert answer["data"]
    seen = check(operation, answer)
    nowhere = {field["name"] for field in operation["response"]} - seen
    # No file is named, and there are no bridges.
    assert all(
        name.startswith(("data.tls.", "data.bridge.subscription[0]", "data.bridge.forwards[0]")) for name in nowhere
    )
    for example in operation["examples"]:
        assert has_shape(answer, example["response"]), operation["path"]


def test_every_field_of_version_1(place: Place) -> None:
    place.client("shape").subscribe(("shape/#", 1))
    assert [operation["parameters"][0]["value"] for operation in V1] == [2, 4, 5]
    for operation in V1:
        answer = good(place.api, "POST", "/api/v1", {"req": operation["parameters"][0]["value"], "seq": 1111111})
        fields = {field["name"] for field in operation["response"]}
        assert check(operation, answer) == fields
        assert (answer["seq"], answer["rep"]) == (1111111, operation["parameters"][0]["value"])


def test_every_parameter_is_one(place: Place) -> None:
    for operation in READING:
        for parameter in operation["parameters"]:
            if parameter["in"] == "query" and "{" not in operation["path"]:
                path = f"{operation['path']}?{parameter['name']}={VALUES.get(parameter['name'], 'x')}"
                assert ask(place.api, "GET", path).status == 200, path
                for value in parameter.get("values", ()):
                    assert ask(place.api, "GET", f"{operation['path']}?{parameter['name']}={value}").status == 200
        answer = ask(place.api, "GET", f"{operation['path']}?nonsense=1")
        assert (answer.status, answer.json["code"]) == (400, 108), operation["path"]


def test_the_list_has_every_operation(place: Place) -> None:
    listed = {(row["method"], row["path"].rstrip("/")) for row in data(place, "")}
    for operation in V4[1:]:
        path = operation["path"].removeprefix("/api/v4").replace("{", ":").replace("}", "")
        assert (operation["method"], path) in listed


def test_codes(place: Place) -> None:
    plain = place.api.send
    for path in ("/api/v4/brokers", "/api/v4/nothing"):
        answer = plain("GET", path, None, {})
        assert (answer.status, answer.json["code"]) == (401, 104)
        answer = plain("GET", path, None, {"Authorization": "Basic YWRtaW46d3Jvbmc="})
        assert (answer.status, answer.json["code"]) == (401, 103)
    for method, path, expected in (
        ("GET", "/api/v4/nothing", (404, 102)),
        ("PUT", "/api/v4/brokers", (405, 102)),
        ("GET", "/api/v4/clients/nobody", (404, 112)),
        ("POST", "/api/v4/ctrl/dance", (404, 101)),
        ("GET", "/api/v4/bridges/none", (404, 115)),
    ):
        answer = ask(place.api, method, path)
        assert (answer.status, answer.json["code"]) == expected, path


def test_nodes_and_brokers(place: Place) -> None:
    living = [number for number in place.nodes if number not in place.dead]
    brokers = data(place, "/brokers")
    assert [broker["node_id"] for broker in brokers] == living
    for broker in brokers:
        assert (broker["node_status"], broker["version"]) == ("Running", rmq.__version__)
        moment = datetime.strptime(broker["datetime"], "%Y-%m-%d %H:%M:%S").timestamp()
        assert abs(moment - time.time()) < 20

    def connections() -> dict[int, int]:
        return {node["node_id"]: node["connections"] for node in data(place, "/nodes")}

    before = connections()
    clients = [place.client(), place.client()]
    assert connections() == {**before, place.node_id: before[place.node_id] + 2}
    clients[0].disconnect()
    place.until(connections, {**before, place.node_id: before[place.node_id] + 1})


def test_a_client_s_life(place: Place) -> None:
    name = place.name("c")
    client = place.client(name, 4, clean=False, keep_alive=90, username="alvin", will=Will("w", b"x", 1))
    expected = {
        "clientid": name,
        "client_id": name,
        "username": "alvin",
        "keepalive": 90,
        "connected": True,
        "conn_state": "connected",
        "clean_start": False,
        "proto_name": "MQTT",
        "proto_ver": 4,
        "ipv4": "127.0.0.1",
        "recv_msg": 0,
    }
    assert data(place, f"/clients/{name}") == data(place, f"/clients?clientid={name}") == [expected]
    assert data(place, "/clients/username/alvin") == [expected]
    client.publish(place.name("t"), b"x", 1)
    place.until(lambda: data(place, f"/clients/{name}")[0]["recv_msg"], 1)
    (row,) = [row for row in numbered(place, 5) if row["client_id"] == name]
    assert row == {
        "client_id": name,
        "username": "alvin",
        "keepalive": 90,
        "protocol": 4,
        "connect_status": 1,
        "message_receive": 1,
    }
    client.disconnect()
    place.until(lambda: [row["conn_state"] for row in data(place, f"/clients?client_id={name}")], ["disconnected"])
    assert data(place, f"/clients?conn_state=connected&clientid={name}") == []


def test_subscriptions_and_the_tree(place: Place) -> None:
    name, topic = place.name("s"), place.name("t")
    client = place.client(name)
    client.subscribe((topic, 1), (f"{topic}/1/+", 2))
    rows = [{"clientid": name, "topic": topic, "qos": 1}, {"clientid": name, "topic": f"{topic}/1/+", "qos": 2}]
    place.until(lambda: data(place, f"/subscriptions/{name}"), rows)
    assert data(place, f"/subscriptions?clientid={name}&qos=2") == rows[1:]
    assert numbered(place, 4) == [
        {"client_id": name, "subscriptions": [{"topic": row["topic"], "qos": row["qos"]} for row in rows]}
    ]
    assert data(place, "/topic-tree") == [
        [{"topic": "", "cld_cnt": 1}],
        [{"topic": topic, "cld_cnt": 1, "clientid": [name]}],
        [{"topic": "1", "cld_cnt": 1}],
        [{"topic": "+", "cld_cnt": 0, "clientid": [name]}],
    ]
    client.unsubscribe(topic, f"{topic}/1/+")
    place.until(lambda: data(place, "/topic-tree"), [[{"topic": "", "cld_cnt": 0}]])
    assert numbered(place, 4) == []


def test_messages(place: Place) -> None:
    name, topic = place.name("s"), place.name("t")
    client = place.client(name)
    before = numbered(place, 2)
    good(place.api, "POST", "/api/v4/mqtt/subscribe", {"topics": f"{topic}/a,{topic}/b", "qos": 1, "clientid": name})
    body = {"topic": f"{topic}/a", "payload": "Hello World", "qos": 1, "clientid": "example"}
    good(place.api, "POST", "/api/v4/mqtt/publish", body)
    message = client.receive_publish(b"Hello World")
    assert (message.topic, message.qos) == (f"{topic}/a", 1)
    batch = [{"topic": f"{topic}/b", "payload": "1"}, {"topics": "#", "payload": "2"}]
    found = good(place.api, "POST", "/api/v4/mqtt/publish_batch", batch)
    assert [row["code"] for row in found["data"]] == [0, 115]
    assert client.receive_publish(b"1").topic == f"{topic}/b"
    good(place.api, "POST", "/api/v4/mqtt/unsubscribe", {"topic": f"{topic}/a", "clientid": name})
    place.until(lambda: [row["topic"] for row in data(place, f"/subscriptions/{name}")], [f"{topic}/b"])
    publisher = place.client()
    publisher.publish(f"{topic}/nobody", b"x", 1)
    publisher.publish(f"{topic}/b", b"y", 1)
    client.receive_publish(b"y")

    def grown() -> dict[str, int]:
        now = numbered(place, 2)
        return {key: now[key] - before[key] for key in before}

    place.until(grown, {"client_size": 1, "message_in": 2, "message_out": 3, "message_drop": 1})


def test_figures_for_prometheus(place: Place) -> None:
    """Those of the node that is asked."""
    answer = ask(place.api, "GET", "/api/v4/prometheus")
    families = {family.name: family for family in text_string_to_metric_families(answer.text)}
    assert answer.status == 200 and len(families) == 15 and all(name.startswith("nanomq_") for name in families)
    assert families["nanomq_memory_usage"].samples[0].value > 1_000_000
    found = good(place.api, "GET", "/api/v4/metrics")
    assert found["cpuinfo"].endswith("%") and int(found["memory"]) > 1_000_000


def test_a_dead_node_is_named(place: Place) -> None:
    if not place.dead:
        pytest.skip("all nodes live")
    for path in ("brokers", "nodes", "clients", "subscriptions", "topic-tree"):
        answer = ask(place.api, "GET", f"/api/v4/{path}")
        assert (answer.status, answer.headers["x-rmq-missing-nodes"]) == (200, "3"), path
        assert min(ask(place.api, "GET", f"/api/v4/{path}").took_s for _ in range(20)) < 0.05, path
    for number in (2, 4, 5):
        answer = ask(place.api, "POST", "/api/v1", {"req": number, "seq": 1})
        assert (answer.status, answer.headers["x-rmq-missing-nodes"]) == (200, "3")
