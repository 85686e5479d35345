"""Bridges through NanoMQ's API: to a mosquitto, switched, subscribed and changed while messages cross, and kept."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import pytest

from tests.integration.http_api import nanomq_contract as nano
from tests.integration.http_api.http import Answer, HasLog, Http
from tests.plugins.bridge_mqtt.conftest import PATIENCE_S, Mosquitto, await_subscriber, bridge_option
from tests.plugins.bridge_mqtt.conftest import dial as dial
from tests.plugins.bridge_mqtt.conftest import make_mosquitto as make_mosquitto
from tests.plugins.bridge_mqtt.conftest import start_node as start_node
from tests.support.broker_process import BrokerProcess
from tests.support.client import Client
from tests.support.cluster_processes import ClusterProcesses

STARTUPS: Final = '"rmq-bridge-egress-mqtt", "rmq-bridge-ingress-mqtt", "rmq-http-api"'
DIAL = Callable[..., Client]
START = Callable[..., BrokerProcess]
MAKE = Callable[..., Mosquitto]


def ask(node: HasLog, method: str, path: str, body: object = None) -> Answer:
    """As NanoMQ's scripts ask."""
    return nano.ask(Http.of(node), method, f"/api/v4/bridges{path}", body)


def changed(node: HasLog, method: str, path: str, body: object) -> Any:
    """What is answered to a change that is made."""
    answer = ask(node, method, path, body)
    assert answer.status == 200, answer.text
    return answer.json


def told(node: HasLog) -> Any:
    """The one bridge."""
    (bridge,) = ask(node, "GET", "/link").json["data"]["bridge"]["nodes"]
    return bridge


@pytest.fixture
def remote(make_mosquitto: MAKE) -> Mosquitto:
    """The other broker."""
    made = make_mosquitto()
    made.start()
    return made


def bridges(remote: Mosquitto, more: str = "") -> Sequence[str]:
    """The options of a node with one bridge in both directions."""
    server = f"tcp://{remote.address[0]}:{remote.address[1]}"
    return (
        f"plugins.default_startups=[{STARTUPS}]",
        bridge_option("egress", server, '[{ local.topic_filter = "out/#" }]', more),
        bridge_option("ingress", server, '[{ remote.topic = "in/#" }]', more),
    )


def next_of(client: Client) -> tuple[str, bytes]:
    """Topic and payload of the next message that is no probe."""
    while (message := client.receive_publish(timeout_s=PATIENCE_S)).payload == b"probe":
        pass
    return message.topic, message.payload


def test_a_bridge_is_switched_and_subscribed_and_stays_so(dial: DIAL, start_node: START, remote: Mosquitto) -> None:
    node = start_node(*bridges(remote))
    far, here = dial(remote.address, "far"), dial(node.address, "here")
    from_far, from_here = dial(remote.address, "from far"), dial(node.address, "from here")
    far.subscribe(("out/#", 1))
    here.subscribe(("in/#", 1), ("local/#", 1))
    await_subscriber(from_here, "out/a")
    await_subscriber(from_far, "in/a")
    from_here.publish("out/a", b"1", 1)
    from_far.publish("in/a", b"1", 1)
    assert (next_of(far), next_of(here)) == (("out/a", b"1"), ("in/a", b"1"))

    # Off: what is published waits, in either direction.
    assert changed(node, "POST", "/switch/link", {"data": {"bridge_switch": False}}) == {"code": 0, "ignored": []}
    assert told(node)["enable"] is False
    for client, topic in ((from_here, "out/a"), (from_far, "in/a")):
        client.publish(topic, b"2", 1)
    from_far.publish("out/b", b"not over the bridge", 1)
    from_here.publish("local/b", b"not over the bridge", 1)
    assert (next_of(far)[0], next_of(here)[0]) == ("out/b", "local/b")
    assert changed(node, "POST", "/switch/link", {"data": {"bridge_switch": True}}) == {"code": 0, "ignored": []}
    assert (next_of(far), next_of(here)) == (("out/a", b"2"), ("in/a", b"2"))

    # Another topic, under another name here.
    more = [{"remote_topic": "cmd/1", "local_topic": "local/1", "qos": 1}]
    assert changed(node, "POST", "/sub/link", {"data": {"subscription": more}}) == {"code": 0, "ignored": []}
    await_subscriber(from_far, "cmd/1")
    from_far.publish("cmd/1", b"3", 1)
    assert next_of(here) == ("local/1", b"3")

    before = told(node)
    assert before["subscription"][1] == more[0]
    node.stop()
    from_far.publish("cmd/1", b"4", 1)
    node = start_node(before=node)
    assert told(node) == before
    here = dial(node.address, "here again")
    here.subscribe(("in/#", 1), ("local/#", 1))
    from_far.publish("cmd/1", b"5", 1)
    while next_of(here) != ("local/1", b"5"):  # 4 may have come before anybody was subscribed
        pass

    # Without the first of both topics the second one goes on.
    assert changed(node, "POST", "/unsub/link", {"data": {"unsubscription": [{"topic": "in/#"}]}})["code"] == 0
    assert told(node)["subscription"] == more
    from_far.publish("in/a", b"6", 1)
    from_far.publish("cmd/1", b"7", 1)
    assert next_of(here) == ("local/1", b"7")
    forgotten = Http.of(node).send("DELETE", "/api/v1/plugins/1/rmq-bridge-ingress-mqtt/config", None, nano.LOGIN)
    assert forgotten.json is True
    assert [entry["remote_topic"] for entry in told(node)["subscription"]] == ["in/#"]
    assert "Traceback" not in node.log


def test_a_bridge_goes_to_another_broker(
    dial: DIAL, start_node: START, make_mosquitto: MAKE, remote: Mosquitto, tmp_path: Path
) -> None:
    """What can't be, by its value or by a file that isn't there, changes nothing; secrets stay where they are."""
    other = make_mosquitto()
    other.start()
    node = start_node(*bridges(remote, ', username = "ann", password = "hidden-away"'))
    before = told(node)
    assert before["connector"]["password"] == "********"
    here = dial(node.address, "here")
    for body, named in (
        ({"server": "mqtt-tcp://"}, "server"),
        ({"forwards": [{"local_topic": "a/#", "remote_topic": "b/#"}]}, "makes no topic name"),
        ({"hybrid_bridging": True}, "hybrid_bridging"),
        ({"server": "tls+mqtt-tcp://127.0.0.1:1", "ssl": {"cacertfile": f"{tmp_path}/none.pem"}}, "none.pem"),
    ):
        answer = ask(node, "PUT", "/link", {"link": body})
        assert (answer.status, answer.json["code"]) == (400, 108) and named in answer.text
        assert told(node) == before
    far = dial(other.address, "far")
    far.subscribe(("far/#", 1))
    new = {
        **before["connector"],
        "server": f"mqtt-tcp://127.0.0.1:{other.address[1]}",
        "forwards": [{"local_topic": "out/#", "remote_topic": "", "prefix": "far/"}],
    }
    assert changed(node, "PUT", "/link", {"link": new}) == {"code": 0, "ignored": []}
    await_subscriber(here, "out/a")
    here.publish("out/a", b"1", 1)
    assert next_of(far) == ("far/out/a", b"1")
    kept = (
        Http.of(node).send("GET", "/api/v1/plugins/1/rmq-bridge-egress-mqtt/config", None, nano.LOGIN).json["bridges"]
    )
    assert (kept[0]["username"], kept[0]["password"]) == ("ann", "********")
    assert "hidden-away" not in node.log and "Traceback" not in node.log


def until(what: Callable[[], bool]) -> None:
    """Ask until it is so: nothing else tells."""
    deadline = time.monotonic() + PATIENCE_S
    while not what():
        assert time.monotonic() < deadline, "it didn't happen in time"
        threading.Event().wait(0.05)


def test_all_nodes_of_a_cluster_have_the_change(tmp_path: Path) -> None:
    """Also one that was away."""
    keys = 'enable = true, name = "link", server = "tcp://127.0.0.1:1", reconnect_interval = "1h"'
    out = f'plugins.rmq-bridge-egress-mqtt.bridges=[{{ {keys}, entries = [{{ local.topic_filter = "out" }}] }}]'
    cluster = ClusterProcesses(tmp_path, (f"plugins.default_startups=[{STARTUPS}]", out))
    try:
        cluster.start()
        cluster[3].kill()
        changed(cluster[1], "PUT", "/link", {"link": {"keepalive": 7, "server": "mqtt-tcp://127.0.0.1:2"}})
        wanted = told(cluster[1])
        assert (wanted["connector"]["keepalive"], wanted["connector"]["server"]) == (7, "tcp://127.0.0.1:2")
        until(lambda: bool(told(cluster[2]) == wanted))
        cluster[3].start()
        cluster.wait_until_serving()
        until(lambda: bool(told(cluster[3]) == wanted))
    finally:
        cluster.close()
    assert not any("Traceback" in member.whole_log for member in cluster)
