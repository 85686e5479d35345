"""rmq-web-hook in a running node, beside a real HTTP server: every event, signed, in order, whatever dies meanwhile."""

import base64
import hashlib
import hmac
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.support import wire
from tests.support.broker_process import BrokerProcess
from tests.support.client import Client
from tests.support.http_server import Asked, HttpServer, Reply
from tests.support.packet_notation import V311
from tests.support.wire_parser import Publish

pytestmark = pytest.mark.realtime

PLUGIN = "plugins.rmq-web-hook"
NewClient = Callable[..., Client]
StartNode = Callable[..., BrokerProcess]
FAST = (f"{PLUGIN}.retry_interval=50ms", f"{PLUGIN}.retry_max_interval=200ms")


@pytest.fixture
def started() -> Iterator[list[BrokerProcess]]:
    """Nodes to be stopped when the test is over."""
    processes: list[BrokerProcess] = []
    yield processes
    for process in processes:
        process.stop()


@pytest.fixture
def start_node(tmp_path: Path, started: list[BrokerProcess]) -> StartNode:
    def start(*sets: str) -> BrokerProcess:
        started.append(BrokerProcess(tmp_path, ('plugins.default_startups=["rmq-web-hook"]', *FAST, *sets)))
        return started[-1]

    return start


def urls(*listed: str) -> str:
    return f"{PLUGIN}.urls={orjson.dumps(listed).decode()}"


def bodies(asked: list[Asked]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for one in asked:
        found += one.json if isinstance(one.json, list) else [one.json]
    return found


def actions(asked: list[Asked]) -> list[str]:
    return [body["action"] for body in bodies(asked)]


def payloads(asked: list[Asked]) -> list[str]:
    return [base64.b64decode(body["payload"]).decode() for body in bodies(asked) if "payload" in body]


def publish_all(client: Client, names: list[str]) -> None:
    for name in names:
        client.publish("t/x", name.encode(), 1)


def test_every_event_arrives_with_its_fields(server: HttpServer, start_node: StartNode, new_client: NewClient) -> None:
    node = start_node(urls(f"{server.url}/hook"))
    sleeper = new_client(node.address, "sleeper")
    sleeper.connect(clean=False, properties=[(wire.SESSION_EXPIRY, 600)])
    sleeper.subscribe(("t/#", 1))
    sleeper.disconnect()
    server.wait_for(lambda asked: "client_disconnected" in actions(asked))
    client = new_client(node.address, "me")
    client.connect(username="you", keep_alive=30, properties=[(wire.USER_PROPERTY, ("a", "1"))])
    client.subscribe(("t/#", 1))
    client.send_publish("t/x", b"hi", 1)
    (delivered,) = [packet for packet in client.drain() if isinstance(packet, Publish)]
    client.send(wire.puback(delivered.packet_id))
    client.unsubscribe("t/#")
    client.publish("nobody/x", b"", 0)
    client.disconnect()
    asked = server.wait_for(lambda asked: actions(asked).count("session_terminated") == 1)
    mine = [body for body in bodies(asked) if body.get("clientid", body.get("from_clientid")) == "me"]
    found = {body["action"]: body for body in mine}
    assert all(one.headers["x-rmq-event-id"] == one.json["event_id"] for one in asked)
    assert len({one.json["event_id"] for one in asked}) == len(asked)
    order = [body["action"] for body in mine]
    assert order[:4] == ["client_connect", "client_connack", "session_created", "client_connected"]
    assert order[-2:] == ["client_disconnected", "session_terminated"]
    for body in mine:
        assert len(body["time"]) == 23
    who = {"node": 1, "clientid": "me", "username": "you"}
    address = found["client_connect"]["ipaddress"]
    assert address.startswith("127.0.0.1:")
    for action in order:
        if action != "message_publish":
            assert who.items() <= found[action].items() and found[action]["ipaddress"] == address
    assert {"keepalive": 30, "proto_ver": 5, "clean_start": True}.items() <= found["client_connect"].items()
    assert found["client_connack"]["conn_ack"] == "Connection Accepted"
    assert found["client_connected"]["session_present"] is False
    assert found["client_connected"]["user_properties"] == {"a": "1"}
    assert found["client_connected"]["connected_at"] >= found["session_created"]["created_at"] > 1_600_000_000_000
    subscribed = {
        "topic": "t/#",
        "opts": {"qos": 1, "no_local": False, "retain_as_published": False, "retain_handling": 0},
    }
    assert subscribed.items() <= found["client_subscribe"].items()
    assert subscribed.items() <= found["session_subscribed"].items()
    assert found["client_unsubscribe"]["topic"] == found["session_unsubscribed"]["topic"] == "t/#"
    message = {"dup": False, "retain": False, "qos": 1, "topic": "t/x", "packet_id": None, "payload": "aGk="}
    sender = {"from_node": 1, "from_ipaddress": address, "from_clientid": "me", "from_username": "you"}
    published = next(body for body in mine if body["action"] == "message_publish")
    assert (message | sender).items() <= published.items()
    assert published["ts"] > 1_600_000_000_000
    for action in ("message_delivered", "message_acked"):
        assert (message | sender).items() <= found[action].items()
        assert found[action]["ts"] >= found[action]["pts"] > 1_600_000_000_000
    assert found["client_disconnected"]["reason"] and found["client_disconnected"]["disconnected_at"]
    (offline,) = [body for body in bodies(asked) if body["action"] == "offline_message"]
    assert (message | sender | {"clientid": "sleeper", "username": "undefined"}).items() <= offline.items()


def test_mqtt_3_and_a_dropped_message(server: HttpServer, start_node: StartNode, new_client: NewClient) -> None:
    node = start_node(urls(server.url), "listener.tcp.external.max_mqueue_len=1")
    sleeper = new_client(node.address, "sleeper", V311)
    sleeper.connect(clean=False)
    sleeper.subscribe(("t/#", 1))
    sleeper.disconnect()
    client = new_client(node.address, "me", V311)
    client.connect()
    publish_all(client, ["a", "b", "c"])
    asked = server.wait_for(lambda asked: actions(asked).count("message_dropped") == 2)
    connect = next(body for body in bodies(asked) if body["action"] == "client_connect")
    assert connect["clean_session"] is False and connect["proto_ver"] == 4
    dropped = next(body for body in bodies(asked) if body["action"] == "message_dropped")
    assert dropped["reason"] and dropped["from_clientid"] == "me"


def test_rules_say_what_goes_where(
    server: HttpServer, start_node: StartNode, new_client: NewClient, tmp_path: Path
) -> None:
    log = tmp_path / "logs" / "hook.log"
    rules = (
        '{message_publish=[{action="in",topics=["in/#"]},{action="all",urls=["file://'
        f'{log}"]}}],session_subscribed=[{{topics=["in/#"]}}]}}'
    )
    node = start_node(urls(f"{server.url}/in"), f"{PLUGIN}.rule={rules}")
    client = new_client(node.address, "me")
    client.connect()
    client.subscribe("in/a/#", "#", "out/x")
    client.unsubscribe("#", "out/x")
    for topic in ("out/x", "in/x"):
        client.publish(topic, topic.encode(), 1)
    asked = server.wait_for(lambda asked: len(asked) == 2)
    assert actions(asked) == ["session_subscribed", "in"]
    assert bodies(asked)[0]["topic"] == "in/a/#" and payloads(asked) == ["in/x"]
    assert node.stop() == 0
    written = [orjson.loads(line) for line in log.read_bytes().splitlines()]
    assert [body["action"] for body in written] == ["all", "all"]
    assert [base64.b64decode(body["payload"]) for body in written] == [b"out/x", b"in/x"]


def test_batches_are_signed(server: HttpServer, start_node: StartNode, new_client: NewClient) -> None:
    server.answer = lambda asked: Reply(503)
    node = start_node(
        urls(server.url),
        f"{PLUGIN}.batch_max_events=100",
        f"{PLUGIN}.signature_secret=a-secret",
        f'{PLUGIN}.http_headers={{authorization="Bearer x"}}',
        f"{PLUGIN}.rule={{message_publish=[{{}}]}}",
    )
    client = new_client(node.address, "me")
    client.connect()
    names = [f"m{number}" for number in range(250)]
    publish_all(client, names)
    server.answer = lambda asked: Reply()
    asked = server.wait_for(lambda asked: payloads(asked)[-250:] == names)
    assert max(len(one.json) for one in asked) == 100
    for one in asked:
        assert one.headers["authorization"] == "Bearer x" and one.headers["content-type"] == "application/json"
        signed = one.headers["x-rmq-timestamp"].encode() + b"." + one.body
        expected = hmac.new(b"a-secret", signed, hashlib.sha256).hexdigest()
        assert one.headers["x-rmq-signature"] == f"sha256={expected}"
    assert "a-secret" not in node.log


def test_a_dead_endpoint_and_killed_nodes_lose_nothing(
    server: HttpServer,
    start_node: StartNode,
    started: list[BrokerProcess],
    new_client: NewClient,
    tmp_path: Path,
) -> None:
    only_messages = f"{PLUGIN}.rule={{message_publish=[{{}}]}}"
    names = [f"m{number}" for number in range(60)]
    node = start_node(urls(server.url), only_messages)
    client = new_client(node.address, "me")
    client.connect()
    publish_all(client, names[:10])
    server.wait_for(lambda asked: payloads(asked) == names[:10])
    server.stop()
    for begin in (10, 30):
        publish_all(client, names[begin : begin + 20])
        # What is on disk outlives a kill; it gets there within moments.
        wait_until_written(tmp_path, names[begin + 19])
        node.kill()
        node = node.start_again()
        started.append(node)
        client = new_client(node.address, "me")
        client.connect()
    publish_all(client, names[50:])
    server.start()
    asked = server.wait_for(lambda asked: payloads(asked)[-1:] == names[-1:])
    assert list(dict.fromkeys(payloads(asked))) == names
    by_event = {body["event_id"]: body["payload"] for body in bodies(asked)}
    assert len(by_event) == 60, "an event that comes twice has one id"
    assert node.stop() == 0


def wait_until_written(folder: Path, name: str) -> None:
    """The event of this payload is in a segment."""
    wanted = base64.b64encode(name.encode()) + b'"'
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if any(wanted in path.read_bytes() for path in folder.rglob("*.events")):
            return
    raise AssertionError(f"{name} was never written")
