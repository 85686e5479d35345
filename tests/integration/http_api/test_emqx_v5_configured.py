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
from tests.support import wire
from tests.support.broker_process import BrokerProcess
from tests.support.client import Client
from tests.support.cluster_processes import ClusterProcesses
from tests.support.wire_parser import Connack, Publish

V5 = "/api/v5"
API_ONLY = ('plugins.default_startups=["rmq-http-api"]',)
RULES = [{"action": "all", "source_topic": "old/#", "dest_topic": "new/$1", "re": "^old/(.+)$"}]
TOPICS = [{"topic": "cmd/${clientid}", "qos": 1, "rh": 0, "rap": 0, "nl": 0}]
RETAINER = {"max_payload_size": "4B", "msg_expiry_interval": "1h", "backend": {"max_retained_messages": 2}}
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


def is_retained(address: tuple[str, int], topic: str, payload: bytes) -> bool:
    client = Client(address, "retains")
    client.connect()
    try:
        client.publish(topic, payload, 1, retain=True)
        client.subscribe(topic)
        return any(isinstance(packet, Publish) for packet in client.drain())
    finally:
        client.close()


def test_how_messages_are_retained_counts_on_all_nodes_and_outlives_restarts(
    cluster: ClusterProcesses, who: Headers
) -> None:
    path = f"{V5}/mqtt/retainer"
    before = Http.of(cluster[1]).ask("GET", path, None, who).json
    cluster[3].kill()
    wait_until_down(cluster, 3, 1, 2)
    after = Http.of(cluster[1]).ask("PUT", path, RETAINER, who)
    assert after.status == 200, after.text
    assert (after.json["max_payload_size"], after.json["backend"]["max_retained_messages"]) == ("4B", 2)
    cluster[3].start()
    cluster.wait_until_serving(3)
    for member in cluster:
        assert not is_retained(member.address, f"retained/{member.number}", b"12345")
        until(lambda member=member: Http.of(member).ask("GET", path, None, who).json == after.json)  # type: ignore[misc]  # mypy can't tell what a lambda's default is
    assert is_retained(cluster[2].address, "retained/1", b"1")
    assert is_retained(cluster[3].address, "retained/2", b"1")
    assert not is_retained(cluster[1].address, "retained/3", b"1")
    for member in cluster:
        assert Http.of(member).get(f"/api/v1/plugins/{member.number}/rmq-retainer")["active"]
    back = {key: before[key] for key in ("max_payload_size", "msg_expiry_interval", "backend")}
    assert Http.of(cluster[2]).ask("PUT", path, back, who).json == before
    assert is_retained(cluster[1].address, "retained/3", b"12345")


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


ID = "password_based%3Abuilt_in_database"


def connack_code(address: tuple[str, int], name: str | None, password: bytes | None = None) -> int:
    client = Client(address, f"c-{name}")
    try:
        client.send(wire.connect(client.client_id, 5, True, 60, [], None, name, password))
        return client.expect(Connack).code
    finally:
        client.close()


def test_users_and_rules_of_one_node_count_on_all_of_them(cluster: ClusterProcesses, who: Headers) -> None:
    """All listeners of these nodes say that they take clients without a name."""
    one, other = Http.of(cluster[1]), Http.of(cluster[3])
    users, rules = f"{V5}/authentication/{ID}/users", f"{V5}/authorization/sources/built_in_database/rules"
    assert one.ask("POST", users, {"user_id": "ann", "password": "right"}, who).status == 201
    for member in cluster:
        assert connack_code(member.address, "ann", b"right") == 0
        assert connack_code(member.address, "ann", b"wrong") == 0x86
        assert connack_code(member.address, "bob", b"right") == 0x86
        assert connack_code(member.address, None) == 0
    rule = {"topic": "no/#", "permission": "deny", "action": "all"}
    assert one.ask("POST", f"{rules}/users", [{"username": "ann", "rules": [rule]}], who).status == 204
    client = Client(cluster[2].address, "dev")
    client.connect(username="ann", password=b"right")
    assert client.subscribe("no/x", "#", "yes").codes == [0x87, 0x87, 0]
    assert other.ask("PUT", f"{rules}/users/ann", {"rules": []}, who).status == 204
    assert client.subscribe("no/x").codes == [0]
    client.close()
    assert other.ask("DELETE", f"{users}/ann", None, who).status == 204
    assert connack_code(cluster[1].address, "ann", b"right") == 0, "there are no users: nobody is asked"


def test_users_rules_and_messages_come_to_another_node(tmp_path: Path) -> None:
    (tmp_path / "first").mkdir()
    (tmp_path / "second").mkdir()
    first, second = BrokerProcess(tmp_path / "first", API_ONLY), BrokerProcess(tmp_path / "second", API_ONLY)
    try:
        api = Http.of(first)
        who = make(api, "script", role="administrator")
        body = {"user_id": "ann", "password": "right", "is_superuser": True}
        assert api.ask("POST", f"{V5}/authentication/{ID}/users", body, who).status == 201
        put(api, who, "/mqtt/topic_rewrite", RULES)
        client = Client(first.address, "p")
        client.connect(username="ann", password=b"right")
        client.publish("old/kept", b"kept", 1, retain=True)
        client.close()
        file = api.ask("POST", f"{V5}/data/export", None, who).json
        content = api.ask("GET", f"{V5}/data/files/{file['filename']}", None, who).body
        assert len(content) == file["size"]
        first.kill()
        first = first.start_again()
        assert connack_code(first.address, "ann", b"wrong") == 0x86, "also the first client after a start is asked"

        api = Http.of(second)
        who = make(api, "other", role="administrator")
        form = (
            b'--b\r\nContent-Disposition: form-data; name=filename; filename="x.gz"\r\n\r\n'
            + content
            + b"\r\n--b--\r\n"
        )
        headers = {**who, "Content-Type": "multipart/form-data; boundary=b"}
        assert api.send("POST", f"{V5}/data/files", form, headers).status == 204
        assert api.ask("POST", f"{V5}/data/import", {"filename": "x.gz"}, who).status == 204
        assert connack_code(second.address, "ann", b"wrong") == 0x86
        until(lambda: bool(api.ask("GET", f"{V5}/mqtt/topic_rewrite", None, who).json))
        client = Client(second.address, "s")
        client.connect(username="ann", password=b"right")
        client.subscribe("old/#")
        assert client.receive_publish(b"kept").topic == "new/kept"
        client.close()
    finally:
        first.stop()
        second.stop()
    assert "Traceback" not in first.log + second.log


def levels_are_limited(address: tuple[str, int]) -> bool:
    client = Client(address, "c")
    client.connect()
    try:
        return client.subscribe("a/b/c", "a/b/c/d").codes == [0, 0x8F]
    finally:
        client.close()


def test_settings_are_changed_on_a_running_node_and_stay_so(tmp_path: Path) -> None:
    node = BrokerProcess(tmp_path, API_ONLY)
    try:
        api = Http.of(node)
        who = make(api, "script", role="administrator")
        zone = api.ask("GET", f"{V5}/configs/global_zone", None, who).json
        assert None not in zone["mqtt"].values() and zone["mqtt"]["max_qos_allowed"] == 2
        answer = api.ask("PUT", f"{V5}/configs/global_zone", {"mqtt": {**zone["mqtt"], "max_topic_levels": 3}}, who)
        assert answer.status == 200 and answer.json["mqtt"]["max_topic_levels"] == 3, answer.text
        assert levels_are_limited(node.address)
        assert node.stop() == 0
        node = node.start_again()
        assert levels_are_limited(node.address)
        api = Http.of(node)
        assert api.ask("GET", f"{V5}/configs/mqtt", None, who).json["max_topic_levels"] == 3
        for root in ("mqtt", "log", "sys_topics", "sysmon"):
            found = api.ask("GET", f"{V5}/configs/{root}", None, who).json
            assert api.ask("PUT", f"{V5}/configs/{root}", found, who).json == found
    finally:
        node.stop()
    assert "Traceback" not in node.log
