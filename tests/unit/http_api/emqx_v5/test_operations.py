"""What those who operate nodes ask in EMQX's words: bans, listeners, alarms, delayed messages, traces, figures."""

from __future__ import annotations

import base64
import io
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from rmq.management.errors import ListenerFailed, ListenerNotFound
from rmq.management.node.alarms import AlarmReadings
from rmq.management.node.listeners import ListenerAction, ListenerView
from tests.support.wire_parser import Publish
from tests.unit.http_api.emqx_v5.v5 import V5, problem
from tests.unit.management.world import Peers, World


class FakeListeners:
    """Two listeners without sockets."""

    def __init__(self) -> None:
        self.running = {"tcp.external": True, "tls.external": False}
        self.failure = ""

    def describe(self) -> Sequence[ListenerView]:
        return [ListenerView(name, f"0.0.0.0:{i}", on, 3, 100) for i, (name, on) in enumerate(self.running.items())]

    async def change(self, name: str, action: ListenerAction) -> None:
        if name not in self.running:
            raise ListenerNotFound(name)
        if self.failure:
            raise ListenerFailed(name, self.failure)
        self.running[name] = action != "stop"


@pytest.fixture
def two() -> V5:
    """Two nodes, and a third one that doesn't answer."""
    made = V5()
    made.world.service._peers = Peers([World(2), World(3)], {3})
    return made


async def good(answer: Any, status: int = 200) -> Any:
    assert answer.status_code == status, answer.text
    return answer.json() if answer.content else None


# Bans


async def test_from_banning_to_letting_in(v5: V5) -> None:
    body = {"as": "clientid", "who": "c/1", "reason": "noisy", "until": "2030-01-31T12:00:00Z", "at": 1_700_000_000}
    row = await good(await v5.ask("POST", "/banned", json=body))
    assert row == {
        "as": "clientid",
        "who": "c/1",
        "by": "mgmt_api",
        "reason": "noisy",
        "at": "2023-11-14T22:13:20.000+00:00",
        "until": "2030-01-31T12:00:00.000+00:00",
    }
    v5.world.engine.connect("c/1", code=0x8A)
    assert await v5.get("/banned") == {
        "data": [row],
        "meta": {"page": 1, "limit": 100, "count": 1, "hasnext": False},
    }
    assert problem(await v5.ask("POST", "/banned", json=body)) == (400, "ALREADY_EXISTS")
    await good(await v5.ask("DELETE", "/banned/clientid/c%2F1"), 204)
    for gone in ("clientid/c%2F1", "peerhost/nobody"):
        assert problem(await v5.ask("DELETE", f"/banned/{gone}")) == (404, "NOT_FOUND")
    assert problem(await v5.ask("DELETE", "/banned/clientid_re/c")) == (400, "BAD_REQUEST")
    v5.world.engine.connect("c/1")


async def test_bans_are_looked_for_and_paged(v5: V5) -> None:
    for number in range(5):
        await good(await v5.ask("POST", "/banned", json={"as": "username", "who": f"u{number}"}))
    await good(await v5.ask("POST", "/banned", json={"as": "peerhost_net", "who": "10.1.2.3/8"}))
    page = await v5.get("/banned?limit=2&page=2")
    assert page["meta"] == {"page": 2, "limit": 2, "count": 6, "hasnext": True} and len(page["data"]) == 2
    for query, found in (
        ("username=u3", ["u3"]),
        ("clientid=u3", []),
        ("like_username=u", [f"u{number}" for number in range(5)]),
        ("like_peerhost_net=10.", ["10.0.0.0/8"]),
    ):
        assert [row["who"] for row in (await v5.get(f"/banned?{query}"))["data"]] == found
    assert problem(await v5.ask("GET", "/banned?username=u&clientid=c")) == (400, "BAD_REQUEST")
    await good(await v5.ask("DELETE", "/banned"), 204)
    assert (await v5.get("/banned"))["data"] == []


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"as": "clientid"},
        {"as": "clientid", "who": ""},
        {"as": "clientid_re", "who": "^c"},
        {"as": "peerhost", "who": "localhost"},
        {"as": "name", "who": "c"},
        {"as": "clientid", "who": "c", "until": "tomorrow"},
        {"as": "clientid", "who": "c", "until": 1},
        {"as": "clientid", "who": "c", "what": 1},
        {"as": "clientid", "who": "c", "at": "2030-01-31T12:00:00"},
    ],
)
async def test_what_cant_be_banned(v5: V5, body: dict[str, object]) -> None:
    status, code = problem(await v5.ask("POST", "/banned", json=body))
    assert status == 400 and code in ("BAD_REQUEST", "INVALID_PARAMETER")
    assert (await v5.get("/banned"))["data"] == []


# Listeners


async def test_listeners_of_all_nodes(two: V5) -> None:
    ours, theirs = FakeListeners(), FakeListeners()
    two.world.local.operations.listeners = ours
    peers = two.world.service._peers
    assert isinstance(peers, Peers)
    peers.worlds[0].local.operations.listeners = theirs
    answer = await two.ask("GET", "/listeners")
    tcp, tls = await good(answer)
    assert answer.headers["x-rmq-missing-nodes"] == "3"
    status = {"running": True, "max_connections": 200, "current_connections": 6}
    one = {"running": True, "max_connections": 100, "current_connections": 3}
    assert tcp == {
        "id": "tcp:external",
        "type": "tcp",
        "name": "external",
        "enable": True,
        "bind": "0.0.0.0:0",
        "acceptors": 1,
        "number": 2,
        **status,
        "status": status,
        "node_status": [{"node": "node-1", "status": one}, {"node": "node-2", "status": one}],
    }
    assert (tls["id"], tls["type"], tls["running"]) == ("ssl:external", "ssl", False)
    assert [row["id"] for row in await two.get("/listeners?type=ssl")] == ["ssl:external"]
    assert await two.get("/listeners/tcp:external") == tcp
    assert [(row["type"], row["ids"]) for row in await two.get("/listeners_status")] == [
        ("tcp", ["tcp:external"]),
        ("ssl", ["ssl:external"]),
    ]
    theirs.running["tcp.external"] = False
    assert (await two.get("/listeners/tcp:external"))["running"] == "inconsistent"


async def test_a_listener_is_changed_on_all_nodes(v5: V5) -> None:
    ours = FakeListeners()
    v5.world.local.operations.listeners = ours
    for action, running in (("stop", False), ("start", True), ("restart", True)):
        await good(await v5.ask("POST", f"/listeners/tcp:external/{action}"))
        assert ours.running["tcp.external"] is running
    await good(await v5.ask("POST", "/listeners/ssl:external/start"))
    assert ours.running["tls.external"]
    for name, wanted in (("tcp:none", (404, "BAD_LISTENER_ID")), ("tcp", (400, "BAD_LISTENER_ID"))):
        assert problem(await v5.ask("POST", f"/listeners/{name}/stop")) == wanted
        assert problem(await v5.ask("GET", f"/listeners/{name}")) == wanted
    ours.failure = "0.0.0.0:1883: Address already in use"
    answer = await v5.ask("POST", "/listeners/tcp:external/start")
    assert problem(answer) == (503, "SERVICE_UNAVAILABLE") and "already in use" in answer.json()["message"]


# Alarms


async def test_alarms_of_all_nodes(two: V5) -> None:
    now = two.world.engine.time
    two.world.local.operations.alarms.judge(AlarmReadings(now - 5, disk_total=100, disk_free=1))
    answer = await two.ask("GET", "/alarms")
    (row,) = (await good(answer))["data"]
    assert answer.headers["x-rmq-missing-nodes"] == "3"
    assert row["node"] == "node-1" and row["name"] == "disk_nearly_full" and row["message"]
    assert row["details"]["percent"] == 99 and row["deactivate_at"] == "infinity" and row["duration"] == 5000
    assert (await two.get("/alarms?activated=false"))["data"] == []
    await good(await two.ask("POST", "/alarms/force_deactivate", json={"name": "disk_nearly_full"}), 204)
    assert problem(await two.ask("POST", "/alarms/force_deactivate", json={"name": "x"})) == (404, "NOT_FOUND")
    (row,) = (await two.get("/alarms?activated=false&limit=1"))["data"]
    assert row["deactivate_at"] != "infinity"
    await good(await two.ask("DELETE", "/alarms"), 204)
    assert (await two.get("/alarms?activated=false"))["data"] == []
    assert problem(await two.ask("GET", "/alarms?activated=yes")) == (400, "BAD_REQUEST")


# Delayed messages


def delays(v5: V5) -> None:
    v5.world.engine.limits.delayed_publish = True
    v5.world.local.operations.listener_limits = [v5.world.engine.limits]
    v5.world.broker.account_watch.look()
    client = v5.world.engine.connect("p")
    for seconds, topic in ((10, "a/b"), (20, "a/b"), (30, "c")):
        client.publish(f"$delayed/{seconds}/{topic}", b"later", qos=1)


async def test_delayed_messages(v5: V5) -> None:
    delays(v5)
    v5.world.engine.advance(4)
    page = await v5.get("/mqtt/delayed/messages?limit=2")
    assert page["meta"] == {"page": 1, "limit": 2, "count": 3, "hasnext": True}
    row = page["data"][0]
    assert (row["topic"], row["qos"], row["from_clientid"], row["node"]) == ("a/b", 1, "p", "node-1")
    assert (row["delayed_interval"], row["delayed_remaining"]) == (10, 6)
    whole = await v5.get(f"/mqtt/delayed/messages/{row['node']}/{row['msgid']}")
    assert whole == {**row, "payload": base64.b64encode(b"later").decode()}
    await good(await v5.ask("DELETE", f"/mqtt/delayed/messages/{row['node']}/{row['msgid']}"), 204)
    for path, wanted in (
        (f"{row['node']}/{row['msgid']}", (404, "MESSAGE_ID_NOT_FOUND")),
        (f"nobody/{row['msgid']}", (404, "NOT_FOUND")),
        (f"{row['node']}/abc", (404, "MESSAGE_ID_NOT_FOUND")),
        (f"{row['node']}/X!", (400, "MESSAGE_ID_SCHEMA_ERROR")),
    ):
        assert problem(await v5.ask("GET", f"/mqtt/delayed/messages/{path}")) == wanted
    await good(await v5.ask("DELETE", "/mqtt/delayed/messages/a%2Fb"), 204)
    assert problem(await v5.ask("DELETE", "/mqtt/delayed/messages/a%2Fb")) == (404, "TOPIC_NOT_FOUND")
    assert [row["topic"] for row in (await v5.get("/mqtt/delayed/messages"))["data"]] == ["c"]


async def test_rules_for_delayed_messages(v5: V5) -> None:
    delays(v5)
    assert await v5.get("/mqtt/delayed") == {"enable": True, "max_delayed_messages": 100_000}
    row = await good(await v5.ask("PUT", "/mqtt/delayed", json={"enable": False, "max_delayed_messages": 3}))
    assert row == {"enable": False, "max_delayed_messages": 3} == await v5.get("/mqtt/delayed")
    assert problem(await v5.ask("PUT", "/mqtt/delayed", json={"enable": "no"}))[0] == 400
    assert problem(await v5.ask("PUT", "/mqtt/delayed", json={"max_delayed_messages": -1}))[0] == 400


# Traces


async def test_a_trace(v5: V5, tmp_path: Path) -> None:
    v5.world.local.operations.tracing.files._folder = tmp_path
    body = {"name": "t1", "type": "clientid", "clientid": "c1", "payload_encode": "text"}
    row = await good(await v5.ask("POST", "/trace", json=body))
    assert (row["status"], row["clientid"], row["topic"]) == ("running", "c1", None)
    v5.world.engine.connect("c1").publish("a/b", b"hello")
    (listed,) = await v5.get("/trace")
    assert listed["log_size"]["node-1"] > 100 and listed["name"] == "t1"
    first = await v5.get("/trace/t1/log?bytes=100")
    assert len(first["items"]) == 100 and first["meta"] == {"position": 100, "bytes": 100, "hint": "more"}
    rest = await v5.get("/trace/t1/log?bytes=10000&position=100&node=node-1")
    whole = first["items"] + rest["items"]
    assert "[PUBLISH]" in whole and '"hello"' in whole and rest["meta"]["hint"] == "eof"
    ((file),) = await v5.get("/trace/t1/log_detail")
    assert (file["node"], file["size"]) == ("node-1", len(whole)) and file["mtime"] > 0
    answer = await v5.ask("GET", "/trace/t1/download")
    assert answer.status_code == 200 and answer.headers["content-type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.read("trace_t1/node-1.log").decode() == whole
    assert await good(await v5.ask("PUT", "/trace/t1/stop")) == {"name": "t1", "enable": False}
    assert (await v5.get("/trace"))[0]["status"] == "stopped"
    assert problem(await v5.ask("POST", "/trace", json=body)) == (409, "ALREADY_EXISTS")
    await good(await v5.ask("DELETE", "/trace/t1"), 204)
    for method, path in (
        ("DELETE", ""),
        ("PUT", "/stop"),
        ("GET", "/log"),
        ("GET", "/log_detail"),
        ("GET", "/download"),
    ):
        assert problem(await v5.ask(method, f"/trace/t1{path}")) == (404, "NOT_FOUND")
    await good(await v5.ask("DELETE", "/trace"), 204)


@pytest.mark.parametrize(
    "change",
    [
        {"name": "../t"},
        {"clientid": None},
        {"type": "topic"},
        {"type": "topic", "topic": "a#"},
        {"type": "ip_address", "ip_address": "host"},
        {"type": "ruleid"},
        {"end_at": 1},
        {"end_at": "2999-01-01T00:00:00Z"},
        {"formatter": "xml"},
    ],
)
async def test_what_cant_be_traced(v5: V5, change: dict[str, object]) -> None:
    body = {"name": "t1", "type": "clientid", "clientid": "c1", **change}
    assert problem(await v5.ask("POST", "/trace", json=body))[0] == 400
    assert await v5.get("/trace") == []


async def test_there_may_be_so_many_traces(v5: V5) -> None:
    for number in range(30):
        await good(await v5.ask("POST", "/trace", json={"name": f"t{number}", "type": "clientid", "clientid": "c"}))
    answer = await v5.ask("POST", "/trace", json={"name": "more", "type": "clientid", "clientid": "c"})
    assert problem(answer) == (409, "EXCEED_LIMIT")


# Slow subscriptions and topic metrics


async def test_slow_subscriptions(v5: V5) -> None:
    usual = {
        "enable": False,
        "threshold": "500ms",
        "expire_interval": "300s",
        "top_k_num": 10,
        "stats_type": "whole",
    }
    assert await v5.get("/slow_subscriptions/settings") == usual
    change = {"enable": True, "threshold": "1s", "expire_interval": "5m"}
    wanted = {**usual, "enable": True, "threshold": "1000ms"}
    assert await good(await v5.ask("PUT", "/slow_subscriptions/settings", json=change)) == wanted
    client = v5.world.engine.connect("c")
    client.subscribe(("t", 1))
    v5.world.engine.connect("p").publish("t", b"", 1)
    message = client.take(Publish)
    v5.world.engine.advance(2)
    client.acknowledge([message])
    (row,) = (await v5.get("/slow_subscriptions"))["data"]
    now = round(v5.world.engine.time * 1000)
    assert row == {"clientid": "c", "node": "node-1", "topic": "t", "timespan": 2000, "last_update_time": now}
    await good(await v5.ask("DELETE", "/slow_subscriptions"), 204)
    assert (await v5.get("/slow_subscriptions"))["data"] == []
    for bad in ({"threshold": "1 fortnight"}, {"threshold": "1ms"}, {"top_k_num": 0}, {"stats_type": "internal"}):
        assert problem(await v5.ask("PUT", "/slow_subscriptions/settings", json=bad))[0] == 400


async def test_topic_metrics(v5: V5) -> None:
    path = "/mqtt/topic_metrics"
    assert await good(await v5.ask("POST", path, json={"topic": "a/b"})) == {"topic": "a/b"}
    v5.world.engine.connect("c").publish("a/b", b"", 1)
    (row,) = await v5.get(path)
    assert row == await v5.get(f"{path}/a%2Fb") and row["topic"] == "a/b" and "reset_time" not in row
    assert row["metrics"]["messages.in.count"] == row["metrics"]["messages.qos1.in.count"] == 1
    assert len(row["metrics"]) == 18 and row["metrics"]["messages.dropped.rate"] >= 0
    await good(await v5.ask("PUT", path, json={"action": "reset", "topic": "a/b"}), 204)
    row = await v5.get(f"{path}/a%2Fb")
    assert row["metrics"]["messages.in.count"] == 0 and row["reset_time"]
    assert problem(await v5.ask("POST", path, json={"topic": "a/b"})) == (400, "BAD_TOPIC")
    assert problem(await v5.ask("POST", path, json={"topic": "a/#"})) == (400, "BAD_TOPIC")
    assert problem(await v5.ask("PUT", path, json={"action": "reset", "topic": "x"})) == (404, "TOPIC_NOT_FOUND")
    await good(await v5.ask("DELETE", f"{path}/a%2Fb"), 204)
    for method in ("GET", "DELETE"):
        assert problem(await v5.ask(method, f"{path}/a%2Fb")) == (404, "TOPIC_NOT_FOUND")
