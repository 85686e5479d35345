"""What those who operate a cluster ask through EMQX's API: it holds on three real nodes, and outlives kill -9."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.http_api.conftest import wait_until_down
from tests.integration.http_api.http import Http
from tests.integration.http_api.test_api_keys import make
from tests.integration.http_api.test_emqx_v5_configured import V5, Headers, until
from tests.support.cluster_processes import ClusterProcesses, Member
from tests.support.wire_parser import Puback

SETS = (
    'plugins.default_startups=["rmq-http-api"]',
    "listener.tcp.external.delayed_publish=true",
    "alarms.interval=200ms",
    "alarms.disk_used=0.001",
)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterProcesses]:
    """Three nodes, whose disks are fuller than they should be."""
    made = ClusterProcesses(tmp_path_factory.mktemp("operated"), SETS)
    try:
        made.start()
        yield made
    finally:
        made.close()
    assert not any("Traceback" in member.whole_log for member in made)


@pytest.fixture(scope="module")
def who(cluster: ClusterProcesses) -> Headers:
    """An administrator's key."""
    until(lambda: all(member.ask("status")["operation_level"] >= 2 for member in cluster))
    return make(Http.of(cluster[1]), "operator", role="administrator")


def ask(member: Member, who: Headers, method: str, path: str, body: object = None, status: int = 200) -> object:
    answer = Http.of(member).ask(method, V5 + path, body, who)
    assert answer.status == status, answer.text
    return answer.json if answer.body else None


def code_of(member: Member, client_id: str, level: int = 5) -> int:
    client, connack = member.try_to_connect(client_id, level)
    client.close()
    return connack.code


def test_a_ban_counts_on_every_node_and_after_a_kill(cluster: ClusterProcesses, who: Headers) -> None:
    one, two, three = cluster
    client = two.connect("bad")
    ask(one, who, "POST", "/banned", {"as": "clientid", "who": "bad", "reason": "a test"})
    client.expect_disconnect(0x87)
    client.close()
    assert [code_of(member, "bad") for member in cluster] == [0x8A] * 3
    assert [code_of(member, "bad", 4) for member in cluster] == [5] * 3
    assert [code_of(member, "good") for member in cluster] == [0] * 3

    three.kill()
    wait_until_down(cluster, 3, 1, 2)
    ask(two, who, "POST", "/banned", {"as": "clientid", "who": "later"})
    three.start()
    cluster.wait_until_serving(3)
    assert [code_of(three, client_id) for client_id in ("bad", "later", "good")] == [0x8A, 0x8A, 0]
    for member in cluster:
        member.kill()
    for member in cluster:
        member.start()
    cluster.wait_until_serving()
    assert [code_of(member, client_id) for member in cluster for client_id in ("bad", "later")] == [0x8A] * 6

    ask(three, who, "DELETE", "/banned/clientid/bad", status=204)
    assert [code_of(member, "bad") for member in cluster] == [0] * 3
    ask(one, who, "DELETE", "/banned", status=204)
    assert [code_of(member, "later") for member in cluster] == [0] * 3


def test_an_address_is_banned(cluster: ClusterProcesses, who: Headers) -> None:
    clients = [member.connect(f"here-{member.number}") for member in cluster]
    ask(cluster[2], who, "POST", "/banned", {"as": "peerhost_net", "who": "127.0.0.0/8"})
    for client in clients:
        client.expect_disconnect(0x87)
        client.close()
    assert [code_of(member, "x") for member in cluster] == [0x8A] * 3
    ask(cluster[3], who, "DELETE", "/banned/peerhost_net/127.0.0.0%2F8", status=204)
    assert [code_of(member, "x") for member in cluster] == [0] * 3


def test_a_listener_stops_and_starts_on_every_node(cluster: ClusterProcesses, who: Headers) -> None:
    client = cluster[3].connect("c")
    ask(cluster[1], who, "POST", "/listeners/tcp:external/stop")
    client.expect_disconnect(0x98)
    client.close()
    for member in cluster:
        with pytest.raises(ConnectionRefusedError):
            code_of(member, "c")
    (row,) = [row for row in Http.of(cluster[2]).ask("GET", f"{V5}/listeners", None, who).json if row["type"] == "tcp"]
    assert row["running"] is False and row["number"] == 3 and row["current_connections"] == 0
    ask(cluster[2], who, "POST", "/listeners/tcp:external/start")
    assert [code_of(member, "c") for member in cluster] == [0] * 3
    ask(cluster[1], who, "POST", "/listeners/tcp:external/restart")
    assert [code_of(member, "c") for member in cluster] == [0] * 3


def test_every_node_has_its_alarms(cluster: ClusterProcesses, who: Headers) -> None:
    def nodes() -> list[str]:
        rows = Http.of(cluster[1]).ask("GET", f"{V5}/alarms", None, who).json["data"]
        return sorted(row["node"] for row in rows if row["name"] == "disk_nearly_full")

    until(lambda: nodes() == ["1", "2", "3"])
    ask(cluster[1], who, "POST", "/alarms/force_deactivate", {"name": "disk_nearly_full"}, 204)
    assert nodes() == []


def test_every_node_writes_down_what_happens_to_a_client(cluster: ClusterProcesses, who: Headers) -> None:
    ask(cluster[1], who, "POST", "/trace", {"name": "t", "type": "topic", "topic": "traced/#"})
    subscriber = cluster[2].connect("sub")
    subscriber.subscribe("traced/#")
    publisher = cluster[3].connect("pub")
    publisher.publish("traced/1", b"secret", 1)
    subscriber.receive_publish(b"secret")
    for client in (subscriber, publisher):
        client.close()
    logs = {
        number: Http.of(cluster[1]).ask("GET", f"{V5}/trace/t/log?node={number}&bytes=9999", None, who).json["items"]
        for number in (1, 2, 3)
    }
    assert "[PUBLISH]" in logs[3] and "[DELIVERED]" in logs[2] and "[SUBSCRIBED]" in logs[2] and logs[1] == ""
    assert not any("secret" in log for log in logs.values())
    archive = Http.of(cluster[2]).ask("GET", f"{V5}/trace/t/download", None, who)
    with zipfile.ZipFile(io.BytesIO(archive.body)) as packed:
        assert "[PUBLISH]" in packed.read("trace_t/3.log").decode()
    folder = next(Path(cluster[3].data).rglob("trace"))
    assert [path.name for path in folder.iterdir()] == ["t.log"]
    ask(cluster[2], who, "DELETE", "/trace/t", status=204)
    until(lambda: not list(folder.iterdir()))


def test_topic_names_are_counted_on_all_nodes(cluster: ClusterProcesses, who: Headers) -> None:
    path = "/mqtt/topic_metrics"
    ask(cluster[1], who, "POST", path, {"topic": "counted"})
    for member in cluster:
        client = member.connect("p", clean=True, expiry=0)
        client.publish("counted", b"", 1)
        client.close()
    row = Http.of(cluster[2]).ask("GET", f"{V5}{path}/counted", None, who).json
    assert row["metrics"]["messages.in.count"] == row["metrics"]["messages.qos1.in.count"] == 3
    ask(cluster[3], who, "DELETE", f"{path}/counted", status=204)


def test_a_delayed_message_is_taken_out_by_any_node(cluster: ClusterProcesses, who: Headers) -> None:
    client = cluster[3].connect("p", clean=True, expiry=0)
    client.publish("$delayed/3600/late", b"later", 1)
    client.close()
    rows = [Http.of(member).ask("GET", f"{V5}/mqtt/delayed/messages", None, who).json["data"] for member in cluster]
    assert rows[0][0]["msgid"] == rows[1][0]["msgid"] == rows[2][0]["msgid"] and rows[0][0]["node"] == "3"
    ask(cluster[1], who, "DELETE", f"/mqtt/delayed/messages/3/{rows[0][0]['msgid']}", status=204)
    until(lambda: Http.of(cluster[2]).ask("GET", f"{V5}/mqtt/delayed/messages", None, who).json["data"] == [])
    ask(cluster[1], who, "PUT", "/mqtt/delayed", {"enable": False})
    until(lambda: not Http.of(cluster[3]).ask("GET", f"{V5}/mqtt/delayed", None, who).json["enable"])


def test_without_a_quorum_a_node_says_so_and_rules_outlive_its_end(cluster: ClusterProcesses, who: Headers) -> None:
    one, two, three = cluster
    ask(one, who, "PUT", "/mqtt/delayed", {"enable": False, "max_delayed_messages": 7})

    def names() -> list[str]:
        rows = Http.of(one).ask("GET", f"{V5}/alarms", None, who).json["data"]
        return [row["name"] for row in rows if row["node"] == "1"]

    assert "no_quorum" not in names()
    two.kill()
    three.kill()
    until(lambda: "no_quorum" in names())
    two.start()
    three.start()
    cluster.wait_until_serving()
    until(lambda: "no_quorum" not in names())
    past = Http.of(one).ask("GET", f"{V5}/alarms?activated=false", None, who).json["data"]
    assert "no_quorum" in [row["name"] for row in past]
    rules = {"enable": False, "max_delayed_messages": 7}
    until(lambda: Http.of(three).ask("GET", f"{V5}/mqtt/delayed", None, who).json == rules)
    client = three.connect("p", clean=True, expiry=0)
    client.send_publish("$delayed/10/late", b"later", 1)
    assert client.expect(Puback).code >= 0x80
    client.close()
