"""What EMQX's API configures on real nodes: it counts on all of them, and outlives restarts."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.http_api.conftest import wait_until_down
from tests.integration.http_api.http import Http
from tests.integration.http_api.test_api_keys import make
from tests.support.broker_process import BrokerProcess
from tests.support.client import Client
from tests.support.cluster_processes import ClusterProcesses

V5 = "/api/v5"
API_ONLY = ('plugins.default_startups=["rmq-http-api"]',)
RULES = [{"action": "all", "source_topic": "old/#", "dest_topic": "new/$1", "re": "^old/(.+)$"}]
TOPICS = [{"topic": "cmd/${clientid}", "qos": 1, "rh": 0, "rap": 0, "nl": 0}]
TIMEOUT_S = 20.0

Headers = dict[str, str]


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + TIMEOUT_S
    while not true():
        assert time.monotonic() < deadline
        threading.Event().wait(0.05)


def put(api: Http, who: Headers, path: str, body: object) -> object:
    answer = api.ask("PUT", V5 + path, body, who)
    assert answer.status == 200, answer.text
    return answer.json


def get(api: Http, who: Headers, path: str) -> object:
    answer = api.ask("GET", V5 + path, None, who)
    assert answer.status == 200, answer.text
    return answer.json


def topic_that_arrives(address: tuple[str, int], topic: str) -> str:
    """Under which name a message reaches somebody who is subscribed to all there is."""
    client = Client(address, "rewritten")
    client.connect()
    try:
        client.subscribe("old/#", "new/#")
        client.send_publish(topic, b"x", 0)
        return client.receive_publish(b"x").topic
    finally:
        client.close()


def gets_commands(address: tuple[str, int], client_id: str) -> bool:
    """Whether a client is subscribed that never said so."""
    client = Client(address, client_id)
    client.connect()
    try:
        deadline = time.monotonic() + 2
        while time.monotonic() < deadline:
            client.send_publish(f"cmd/{client_id}", b"x", 1)
            for packet in (client.receive(), *client.drain()):
                if getattr(packet, "payload", None) == b"x":
                    return True
        return False
    finally:
        client.close()


def test_rules_and_topics_outlive_a_kill(tmp_path: Path) -> None:
    node = BrokerProcess(tmp_path, API_ONLY)
    try:
        api = Http.of(node)
        who = make(api, "script", role="administrator")
        assert get(api, who, "/mqtt/topic_rewrite") == []
        assert topic_that_arrives(node.address, "old/1") == "old/1"
        assert put(api, who, "/mqtt/topic_rewrite", RULES) == RULES
        assert put(api, who, "/mqtt/auto_subscribe", TOPICS) == TOPICS
        for _ in range(2):
            assert topic_that_arrives(node.address, "old/1") == "new/1"
            assert gets_commands(node.address, "dev")
            assert get(api, who, "/mqtt/topic_rewrite") == RULES
            node.kill()
            node = node.start_again()
            api = Http.of(node)
        assert api.get("/api/v1/plugins/1/rmq-topic-rewrite")["active"]
        assert put(api, who, "/mqtt/topic_rewrite", []) == []
        assert topic_that_arrives(node.address, "old/1") == "old/1"
    finally:
        node.stop()
    assert "Traceback" not in node.log


@pytest.fixture(scope="module")
def who(cluster: ClusterProcesses) -> Headers:
    return make(Http.of(cluster[1]), "script", role="administrator")


def test_rules_of_one_node_count_on_all_of_them(cluster: ClusterProcesses, who: Headers) -> None:
    put(Http.of(cluster[1]), who, "/mqtt/topic_rewrite", RULES)
    for member in cluster:
        until(lambda address=member.address: topic_that_arrives(address, "old/2") == "new/2")  # type: ignore[misc]  # mypy can't tell what a lambda's default is
        assert get(Http.of(member), who, "/mqtt/topic_rewrite") == RULES


def test_a_node_that_was_away_takes_what_came_meanwhile(cluster: ClusterProcesses, who: Headers) -> None:
    put(Http.of(cluster[2]), who, "/mqtt/topic_rewrite", RULES)
    cluster[3].kill()
    wait_until_down(cluster, 3, 1, 2)
    put(Http.of(cluster[2]), who, "/mqtt/topic_rewrite", [{**RULES[0], "dest_topic": "new/er/$1"}])
    put(Http.of(cluster[2]), who, "/mqtt/auto_subscribe", TOPICS)
    cluster[3].start()
    cluster.wait_until_serving(3)
    until(lambda: topic_that_arrives(cluster[3].address, "old/3") == "new/er/3")
    until(lambda: gets_commands(cluster[3].address, "dev"))


def test_a_node_is_evacuated_and_comes_back(cluster: ClusterProcesses, who: Headers) -> None:
    api, evacuated = Http.of(cluster[1]), Http.of(cluster[2])
    path = f"{V5}/load_rebalance"
    assert evacuated.ask("GET", f"{path}/availability_check").status == 200
    client = cluster[2].connect("moved", present=False)
    assert api.ask("POST", f"{path}/2/evacuation/start", {"conn_evict_rate": 100}, who).status == 200
    client.expect_disconnect(0x9C)
    client.close()
    answer = evacuated.ask("GET", f"{path}/availability_check")
    assert (answer.status, answer.json["code"]) == (503, "NODE_EVACUATING")
    (row,) = api.ask("GET", f"{path}/global_status", None, who).json["evacuations"]
    assert (row["node"], row["stats"]["current_connected"], row["session_recipients"]) == ("2", 0, ["1", "3"])
    cluster[1].connect("moved", present=True).close()
    assert api.ask("POST", f"{path}/2/evacuation/stop", None, who).status == 200
    until(lambda: evacuated.ask("GET", f"{path}/availability_check").status == 200)
    cluster[2].connect("moved", present=True).close()
