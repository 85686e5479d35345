"""Every operation and field of the documents: there, of its type, and changed by what real clients do.

A counter or field that were a constant can't pass: each is moved, by exactly what an action is to move it.
"""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

import psutil
import pytest

import rmq
from rmq.metrics.keys import ONCE
from rmq.metrics.keys import STATS as GAUGES
from tests.integration.http_api.contract import METRICS, OPERATIONS, STATS, Operation, check_row
from tests.integration.http_api.places import NARROW, Place
from tests.support.wire import Will

TIME: Final = "%Y-%m-%d %H:%M:%S"


# Types


def rows_of(place: Place, key: str) -> list[dict[str, Any]]:
    """The objects that an operation answers, all forms of it."""
    get = place.api.get
    one = place.node_id
    base = key.removeprefix("GET ").partition("/{")[0]
    match key:
        case "GET /brokers/{node}" | "GET /nodes/{node}":
            everyone = [row for row in get(f"/api/v1{base}") if row["node_status"] == "Running"]
            return [*everyone, get(f"/api/v1{base}/{one}")]
        case "GET /stats" | "GET /metrics":
            return [row for row in get(f"/api/v1{base}") if row["node"]["status"] == "Running"]
        case "GET /stats/{node}" | "GET /metrics/{node}":
            return [get(f"/api/v1{base}/{one}")]
        case "GET /stats/sum" | "GET /metrics/sum":
            return [get(f"/api/v1{base}")]
        case "GET /plugins":
            return [row for row in get("/api/v1/plugins") if "error" not in row]
        case "GET /plugins/{node}":
            return list(get(f"/api/v1/plugins/{one}"))
        case "GET /plugins/{node}/{plugin}":
            return [get(f"/api/v1/plugins/{one}/{name}") for name in ("rmq-acl", "rmqtt-http-api")]
        case "GET /clients/{clientid}":
            return [get("/api/v1/clients/shape")]
        case "GET /subscriptions/{clientid}":
            return list(get("/api/v1/subscriptions/shape"))
        case "GET /routes/{topic}":
            return list(get("/api/v1/routes/shape%2f1"))
        case _:
            return list(get(f"/api/v1{base}"))


@pytest.mark.parametrize("key", [key for key in OPERATIONS if key.startswith("GET") and OPERATIONS[key].fields])
def test_every_field_is_there_and_of_its_type(place: Place, key: str) -> None:
    place.client("shape").subscribe(("shape/#", 1), ("$share/g/shape/+", 2))
    place.client("gone", expiry=50).disconnect()
    operation: Operation = OPERATIONS[key]
    rows = rows_of(place, key)
    assert rows
    for row in rows:
        check_row(operation, row)
    place.api.ask("DELETE", "/api/v1/clients/gone")


def test_every_filter_is_a_parameter(place: Place) -> None:
    values = {"_limit": "3", "connected": "true", "clean_start": "true", "session_present": "true", "qos": "1"}
    for operation in OPERATIONS.values():
        for name in operation.parameters:
            value = values.get(name, "4" if name.startswith(("_gte", "_lte", "proto")) else "x")
            path = f"{operation.path}?{name}={value}"
            assert place.api.ask(operation.method, path).status == 200, path


def test_the_list_has_every_operation(place: Place) -> None:
    listed = {(row["method"], row["path"]) for row in place.api.get("/api/v1")}
    for operation in OPERATIONS.values():
        assert (operation.method, operation.path.removeprefix("/api/v1")) in listed


# Metrics


def acknowledged(place: Place) -> int:
    """One message that is delivered and acknowledged."""
    topic = place.name("t")
    client = place.client()
    client.subscribe((topic, 1))
    place.client().publish(topic, b"x", 1)
    client.receive_publish(b"x")
    return 1


def dropped(place: Place) -> int:
    """Two messages of QoS 0 for somebody who is off line."""
    topic, name = place.name("t"), place.name()
    away = place.client(name, expiry=100)
    away.subscribe((topic, 1))
    away.disconnect()
    publisher = place.client()
    publisher.publish(topic, b"x", 0)
    publisher.publish(topic, b"y", 0)
    place.api.ask("DELETE", f"/api/v1/clients/{name}")
    return 2


def resumed(place: Place) -> int:
    """Twice on line again."""
    name = place.name()
    for _ in range(3):
        place.client(name, clean=False, expiry=100).disconnect()
    place.api.ask("DELETE", f"/api/v1/clients/{name}")
    return 2


def connects(count: int, **options: Any) -> Callable[[Place], int]:
    """So many clients come."""

    def act(place: Place) -> int:
        for _ in range(count):
            place.client(**options)
        return count

    return act


def ends(place: Place) -> int:
    """Two clients leave."""
    for client in (place.client(), place.client()):
        client.disconnect()
    return 2


def subscribes(place: Place) -> int:
    """Three filters in two packets."""
    client = place.client()
    client.subscribe("a", "b")
    client.subscribe("c")
    return 3


def unsubscribes(place: Place) -> int:
    """Two of them are taken back."""
    client = place.client()
    client.subscribe("a", "b", "c")
    client.unsubscribe("a", "b")
    return 2


def publishes(count: int) -> Callable[[Place], int]:
    """So many messages on topics of their own."""

    def act(place: Place) -> int:
        client = place.client()
        for _ in range(count):
            client.publish(place.name("t"), b"x", 1)
        return count

    return act


def delivers(place: Place) -> int:
    """One message for two, one for nobody."""
    topic = place.name("t")
    receivers = [place.client(), place.client()]
    for receiver in receivers:
        receiver.subscribe((topic, 0))
    publisher = place.client()
    publisher.publish(topic, b"x", 1)
    publisher.publish(place.name("nobody"), b"x", 1)
    for receiver in receivers:
        receiver.receive_publish(b"x")
    return 2


MOVES: Final[dict[str, Callable[[Place], int]]] = {
    "client.auth.anonymous": connects(2),
    "client.authenticate": connects(3, username="alice"),
    "client.connack": connects(2),
    "client.connect": connects(3),
    "client.connected": connects(2),
    "client.disconnected": ends,
    "client.publish.check.acl": publishes(4),
    "client.subscribe.check.acl": subscribes,
    "client.subscribe": subscribes,
    "client.unsubscribe": unsubscribes,
    "messages.publish": publishes(5),
    "messages.delivered": delivers,
    "messages.acked": acknowledged,
    "messages.dropped": dropped,
    "session.created": connects(2),
    "session.resumed": resumed,
    "session.subscribed": subscribes,
    "session.unsubscribed": unsubscribes,
    "session.terminated": ends,
}


def test_every_metric_is_moved() -> None:
    assert MOVES.keys() == set(METRICS)


@pytest.mark.parametrize("name", METRICS)
def test_a_metric_counts_what_clients_do(place: Place, name: str) -> None:
    def found() -> list[int]:
        one = place.api.get(f"/api/v1/metrics/{place.node_id}")["metrics"][name]
        everyone = place.api.get("/api/v1/metrics")
        row = next(row["metrics"][name] for row in everyone if row["node"]["id"] == place.node_id)
        return [one, row, place.api.get("/api/v1/metrics/sum")[name]]

    before = found()
    moved = MOVES[name](place)
    place.until(found, [value + moved for value in before])


# Stats


class Things:
    """Connections, subscriptions and the like, made and taken away again."""

    def __init__(self, place: Place, kind: str) -> None:
        self.place = place
        self.kind = kind
        self.made: list[Any] = []

    def make(self) -> None:
        """One more of this kind."""
        place = self.place
        if self.kind in ("connections", "sessions"):
            self.made.append(place.client())
        elif self.kind == "retained":
            topic = place.name("kept")
            place.client().publish(topic, b"x", 1, retain=True)
            self.made.append(topic)
        else:
            client = place.client()
            topic = place.name("t")
            client.subscribe(f"$share/g/{topic}" if self.kind == "subscriptions_shared" else topic)
            self.made.append(client)

    def take_away(self) -> None:
        """All of them."""
        for thing in self.made:
            if isinstance(thing, str):
                assert self.place.api.ask("DELETE", f"/api/v1/retains?topic={thing}").status == 200
            else:
                thing.disconnect()
        self.made.clear()


@pytest.mark.parametrize("kind", sorted({name.partition(".")[0] for name in STATS}))
def test_a_stat_counts_what_there_is_and_was(place: Place, kind: str) -> None:
    def found() -> list[tuple[int, int]]:
        sources = [
            place.api.get(f"/api/v1/stats/{place.node_id}")["stats"],
            place.api.get("/api/v1/stats/sum")["stats"],
        ]
        return [(stats[f"{kind}.count"], stats[f"{kind}.max"]) for stats in sources]

    assert f"{kind}.count" in STATS and f"{kind}.max" in STATS
    things = Things(place, kind)
    (count, peak), (all_count, all_peak) = found()
    more = peak - count + 1  # one more than there ever was
    # What every node holds is taken once: another node may have seen more of it, for a moment.
    is_once = any(gauge.name == kind and gauge.merge == ONCE for gauge in GAUGES)
    highest = max(all_peak, peak + 1) if is_once else all_peak + 1
    for _ in range(more):
        things.make()
    place.until(found, [(peak + 1, peak + 1), (all_count + more, highest)])
    things.take_away()
    place.until(found, [(count, peak + 1), (all_count, highest)])


def test_retained_messages_count_once(place: Place) -> None:
    """Every node holds them: five are five."""
    before = place.api.get("/api/v1/stats/sum")["stats"]["retained.count"]
    topics = [place.name("kept") for _ in range(5)]
    client = place.client()
    for topic in topics:
        client.publish(topic, b"x", 1, retain=True)
    place.until(lambda: place.api.get("/api/v1/stats/sum")["stats"]["retained.count"], before + 5)
    for topic in topics:
        place.api.ask("DELETE", f"/api/v1/retains?topic={topic}")
    place.until(lambda: place.api.get("/api/v1/stats/sum")["stats"]["retained.count"], before)


def test_kept_sessions_count_once(place: Place) -> None:
    """Every node has them, and their subscriptions; off line they count where they were."""

    def found() -> list[int]:
        stats = place.api.get("/api/v1/stats/sum")["stats"]
        names = ("sessions", "connections", "subscriptions", "subscriptions_shared", "topics", "message_queues")
        return [stats[f"{name}.count"] for name in names]

    topic = place.name("t")
    clients = [place.client(place.name(), clean=False, expiry=100) for _ in range(3)]
    for client in clients:
        client.subscribe((topic, 1), f"$share/g/{topic}")
    place.until(found, [3, 3, 6, 3, 1, 0])
    clients[0].disconnect()
    place.client().publish(topic, b"x", 1)
    place.until(found, [4, 3, 6, 3, 1, 1])
    for client in clients:
        assert place.api.ask("DELETE", f"/api/v1/clients/{client.client_id}").status == 200
    place.until(found, [1, 1, 0, 0, 0, 0])


# Clients


def seconds(text: str) -> float:
    """A moment of an answer."""
    return datetime.strptime(text, TIME).timestamp()  # it is local time, as RMQTT writes it


def test_every_field_of_a_client_is_that_client_s(place: Place) -> None:
    queue, busy = place.name("t"), place.name("t")
    first = place.client(
        place.name("A"), username="alice", keep_alive=30, expiry=3600, receive_maximum=7, will=Will("w", b"x", 1)
    )
    first.subscribe((busy, 1), "b")
    began = time.time()
    # Two seconds: a session is created by the time that the cluster agreed on last.
    place.until(lambda: int(time.time()) > int(began) + 1, True)
    second = place.client(place.name("B"), 4, clean=False, keep_alive=90, narrow=True, source="127.0.0.2")
    second.subscribe((queue, 1), "b", "c")
    second.disconnect()
    publisher = place.client()
    for _ in range(3):
        publisher.publish(queue, b"x", 1)
    publisher.publish(busy, b"x", 1)
    get = place.api.get
    place.until(lambda: get(f"/api/v1/clients/{first.client_id}")["inflight"], 1)
    place.until(lambda: get(f"/api/v1/clients/{second.client_id}")["mqueue_len"], 3)
    one, two = (get(f"/api/v1/clients/{client.client_id}") for client in (first, second))
    listed = {row["clientid"]: row for row in get("/api/v1/clients")}
    assert (listed[one["clientid"]], listed[two["clientid"]]) == (one, two)
    assert one.pop("node_id") == two.pop("node_id") == place.node_id  # other tests have other nodes
    assert abs(seconds(one["connected_at"]) - began) < 20 and one["connected_at"] == one["created_at"]
    assert one.pop("connected_at") < two.pop("connected_at") and one.pop("created_at") < two.pop("created_at")
    assert one.pop("disconnected_at") == "" and abs(seconds(two.pop("disconnected_at")) - began) < 20
    assert one.pop("disconnected_reason") == "" and two.pop("disconnected_reason")
    ports = one.pop("port"), two.pop("port")
    assert ports[0] == first._socket.getsockname()[1] != ports[1]  # type: ignore[attr-defined]  # a TCP socket
    assert one.pop("last_will")["topic"] == "w" and two.pop("last_will") is None
    limits = dict(item.split("=") for item in NARROW)
    expected = {
        "clientid": (first.client_id, second.client_id),
        "username": ("alice", "undefined"),
        "proto_ver": (5, 4),
        "ip_address": ("127.0.0.1", "127.0.0.2"),
        "connected": (True, False),
        "keepalive": (30, 90),
        "clean_start": (True, False),
        "subscriptions_cnt": (2, 3),
        "max_subscriptions": (0, int(limits["max_subscriptions"])),
        "inflight": (1, 0),
        "max_inflight": (7, int(limits["max_inflight"])),
        "mqueue_len": (0, 3),
        "max_mqueue": (one["max_mqueue"], int(limits["max_mqueue_len"])),
        "expiry_interval": (3600, two["expiry_interval"]),
    }
    for name, (of_one, of_two) in expected.items():
        assert (one[name], two[name]) == (of_one, of_two), name
        assert of_one != of_two, name
    seen = {field.name for field in OPERATIONS["GET /clients"].fields}
    assert seen - expected.keys() == {
        "node_id",
        "port",
        "connected_at",
        "created_at",
        "disconnected_at",
        "disconnected_reason",
    }
    assert get(f"/api/v1/clients/{first.client_id}/online") is True
    assert get(f"/api/v1/clients/{second.client_id}/online") is False
    answer = place.api.ask("DELETE", f"/api/v1/clients/{second.client_id}")
    assert answer.status == 200 and answer.text.startswith(f"{place.node_id}@")
    assert place.api.ask("GET", f"/api/v1/clients/{second.client_id}").status == 404
    assert place.api.ask("DELETE", f"/api/v1/clients/{first.client_id}").status == 200
    if place.nodes == (1,):
        first.receive_publish(b"x")
    assert get(f"/api/v1/clients/{first.client_id}/online") is False


def test_every_field_of_a_subscription_and_a_route(place: Place) -> None:
    name, topic = place.name("s"), place.name("t")
    client = place.client(name)
    client.subscribe((f"{topic}/+", 2), (f"$share/g/{topic}/1", 1))
    found = {row["share"]: row for row in place.api.get(f"/api/v1/subscriptions/{name}")}
    port = client._socket.getsockname()[1]  # type: ignore[attr-defined]  # a TCP socket
    common = {"node_id": place.node_id, "clientid": name, "client_addr": f"127.0.0.1:{port}"}
    for row, own in (
        (found["g"], {"topic": f"{topic}/1", "qos": 1, "share": "g"}),
        (found[None], {"topic": f"{topic}/+", "qos": 2, "share": None}),
    ):
        assert {key: value for key, value in row.items() if key != "opts"} == common | own
    matching = place.api.get(f"/api/v1/subscriptions?_match_topic={topic}%2F1")
    assert sorted(row["topic"] for row in matching) == [f"{topic}/+", f"{topic}/1"]
    assert [row["topic"] for row in place.api.get(f"/api/v1/subscriptions?clientid={name}&share=g")] == [f"{topic}/1"]
    routes = place.api.get(f"/api/v1/routes/{topic}%2f1")
    assert routes == [
        {"topic": f"{topic}/+", "node_id": place.node_id},
        {"topic": f"{topic}/1", "node_id": place.node_id},
    ]
    assert all(route in place.api.get("/api/v1/routes") for route in routes)
    client.unsubscribe(f"{topic}/+")
    place.until(lambda: len(place.api.get(f"/api/v1/routes/{topic}%2F1")), 1)


def test_publish_subscribe_and_unsubscribe(place: Place) -> None:
    name, topic = place.name("s"), place.name("t")
    client = place.client(name)
    ask = place.api.ask
    answer = ask("POST", "/api/v1/mqtt/subscribe", {"topics": f"{topic}/a,{topic}/b", "qos": 1, "clientid": name})
    assert (answer.status, answer.json) == (200, {f"{topic}/a": True, f"{topic}/b": True})
    for number, (body, payload) in enumerate(
        [
            ({"payload": "Hello World", "qos": 1, "retain": False, "clientid": "example"}, b"Hello World"),
            ({"payload": "SGVsbG8gV29ybGQ=", "qos": 1, "encoding": "base64"}, b"Hello World"),
            ({"payload": "kept", "qos": 1, "retain": True}, b"kept"),
        ]
    ):
        answer = ask("POST", "/api/v1/mqtt/publish", {"topic": f"{topic}/a", **body})
        assert (answer.status, answer.text) == (200, "ok"), number
        message = client.receive_publish(payload)
        assert (message.topic, message.qos) == (f"{topic}/a", 1)
    late = place.client()
    late.subscribe((f"{topic}/a", 0))
    assert late.receive_publish(b"kept").retain
    assert ask("DELETE", f"/api/v1/retains?topic={topic}%2Fa").text == "ok"
    unsubscribe = {"topic": f"{topic}/a", "clientid": name}
    assert ask("POST", "/api/v1/mqtt/unsubscribe", unsubscribe).json is True
    assert ask("POST", "/api/v1/mqtt/unsubscribe", unsubscribe).json is False
    ask("POST", "/api/v1/mqtt/publish", {"topics": f"{topic}/a,{topic}/b", "payload": "x", "qos": 1})
    assert client.receive_publish(b"x").topic == f"{topic}/b"


# Nodes


def test_every_field_of_a_broker(place: Place) -> None:
    rows = {row["node_id"]: row for row in place.api.get("/api/v1/brokers")}
    assert rows.keys() == set(place.nodes)
    living = [row for number, row in rows.items() if number not in place.dead]
    assert len({row["node_name"] for row in rows.values()}) == len(rows)
    for row in living:
        assert (row["node_status"], row["running"]) == ("Running", True)
        assert abs(seconds(row["datetime"]) - time.time()) < 20
        assert row["version"] == f"rmq/{rmq.__version__}" and "MQTT" in row["sysdescr"]
    before = uptime(living[0]["uptime"])
    place.until(lambda: uptime(place.api.get("/api/v1/brokers/1")["uptime"]) > before, True)


def uptime(text: str) -> int:
    """In seconds."""
    days, hours, minutes, left = map(int, re.findall(r"\d+", text))
    return ((days * 24 + hours) * 60 + minutes) * 60 + left


def test_every_field_of_a_node(place: Place) -> None:
    before = place.api.get(f"/api/v1/nodes/{place.node_id}")
    clients = [place.client(), place.client()]
    after = place.api.get(f"/api/v1/nodes/{place.node_id}")
    assert after["connections"] == before["connections"] + 2
    clients[0].disconnect()
    place.until(lambda: place.api.get(f"/api/v1/nodes/{place.node_id}")["connections"], before["connections"] + 1)
    memory, disk = psutil.virtual_memory(), shutil.disk_usage(".")
    assert (after["memory_total"], after["disk_total"]) == (memory.total, disk.total)
    assert after["memory_used"] + after["memory_free"] == memory.total
    assert abs(after["memory_free"] - memory.available) < memory.total / 4
    assert abs(after["disk_free"] - disk.free) < disk.total / 4
    boot = datetime.strptime(after["boottime"], f"{TIME} UTC").replace(tzinfo=UTC).timestamp()
    assert abs(boot - psutil.boot_time()) < 3
    for name, load in zip(("load1", "load5", "load15"), psutil.getloadavg(), strict=True):
        assert abs(after[name] - load) < 5
    rows = place.api.get("/api/v1/nodes")
    assert [row["node_id"] for row in rows] == list(place.nodes)


def test_a_dead_node_is_named_and_costs_no_waiting(place: Place) -> None:
    if not place.dead:
        pytest.skip("all nodes live")
    names = {"brokers": "node_id", "nodes": "node_id", "plugins": "node"}
    for path in (*names, "stats", "metrics", "stats/sum", "metrics/sum", "clients", "subscriptions", "routes"):
        answer = place.api.ask("GET", f"/api/v1/{path}")
        assert (answer.status, answer.headers["x-rmq-missing-nodes"]) == (200, "3"), path
    (down,) = [row for row in place.api.get("/api/v1/brokers") if row["node_id"] == 3]
    assert (down["node_status"], down["running"]) == ("Down", False) and down["node_name"] and down["error"]
    found = place.api.get("/api/v1/stats/sum")["nodes"]
    assert {number: node["status"] for number, node in found.items()} == {"1": "Running", "2": "Running", "3": "Down"}
    for path in ("brokers/3", "nodes/3", "stats/3", "metrics/3", "plugins/3", "health/check/3"):
        answer = place.api.ask("GET", f"/api/v1/{path}")
        assert (answer.status, answer.json["code"]) == (503, "NODE_UNREACHABLE") and answer.headers["retry-after"]
    health = place.api.ask("GET", "/api/v1/health/check")
    assert (health.status, health.json["running"]) == (200, True)
    assert [row["running"] for row in health.json["nodes"]] == [True, True, False]
    # The best of some: the machine has other work too.
    for path in ("stats/sum", "brokers", "nodes", "clients", "metrics/sum"):
        assert min(place.api.ask("GET", f"/api/v1/{path}").took_s for _ in range(20)) < 0.05, path


# Plugins


def test_plugins_and_their_configuration(place: Place) -> None:
    rows = {row["node"]: row for row in place.api.get("/api/v1/plugins")}
    assert rows.keys() == set(place.nodes)
    plugins = {plugin["name"]: plugin for plugin in rows[place.node_id]["plugins"]}
    assert [plugins[name]["active"] for name in ("rmq-acl", "rmq-http-api", "rmq-sys-topic")] == [True, True, False]
    assert [plugins[name]["inited"] for name in ("rmq-acl", "rmq-http-api")] == [True, True]
    path = f"/api/v1/plugins/{place.node_id}/rmqtt-sys-topic"
    ask = place.api.ask
    assert ask("PUT", f"{path}/load").text == "ok"
    loaded = place.api.get(path)
    assert (loaded["active"], loaded["inited"], loaded["version"]) == (True, True, "1.0.0") and loaded["descr"]
    topics = ("stats", "metrics")  # which it retains
    retained = f"/api/v1/retains?topic_filter=%24SYS%2Fbrokers%2F{place.node_id}%2F%2B"
    place.until(lambda: len(place.api.get(retained)["items"]), len(topics))
    assert ask("PUT", f"{path}/unload").json is True
    assert ask("PUT", f"{path}/unload").json is False
    assert place.api.get(path)["active"] is False
    for topic in topics:
        assert ask("DELETE", f"/api/v1/retains?topic=%24SYS%2Fbrokers%2F{place.node_id}%2F{topic}").text == "ok"
    assert ask("PUT", f"/api/v1/plugins/{place.node_id}/rmqtt-acl/config/reload").text == "ok"
    config = place.api.get(f"/api/v1/plugins/{place.node_id}/rmqtt-http-api/config")
    assert (config["http_laddr"], config["max_row_limit"], config["workers"]) == ("127.0.0.1:0", 10_000, 1)
