"""Bridges of a cluster to Kafka: one node relays, and when it dies another one goes on."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from rmq_plugins.bridges.entries import entry_key
from rmq_plugins.bridges.place import runs_on

from tests.plugins.bridge_kafka.conftest import (
    IN,
    OUT,
    Dial,
    await_committed,
    await_subscriber,
    entry_in,
    in_order,
    kafka_option,
    needs_server,
    values,
)
from tests.support.cluster_processes import ClusterProcesses
from tests.support.kafka_server import Observer, Server

pytestmark = [pytest.mark.realtime, pytest.mark.slow, needs_server]


def runner(direction: str, *parts: str) -> int:
    """The node of three that an entry of the bridge "link" runs on."""
    return runs_on(f"$rmq/kafka-bridge/{direction}/link/{entry_key(*parts)}/0", (1, 2, 3))


@pytest.fixture
def cluster(tmp_path: Path, request: pytest.FixtureRequest, shared_server: Server) -> Iterator[ClusterProcesses]:
    plugin, direction, entries, more = request.param
    found = ClusterProcesses(tmp_path, (plugin, kafka_option(direction, shared_server.servers, entries, more)))
    try:
        found.start()
        yield found
    finally:
        found.close()


@pytest.mark.parametrize(
    "cluster",
    [(OUT, "egress", '[{ local.topic_filter = "out/#", remote.topic = "cluster-out" }]', "")],
    indirect=True,
    ids=["out"],
)
def test_the_node_that_sends_out_is_killed(cluster: ClusterProcesses, shared_server: Server, dial: Dial) -> None:
    observer = Observer(shared_server.servers)
    observer.make_topic("cluster-out")
    victim = cluster[runner("egress", "out/#", "cluster-out", "0")]
    publisher = dial(cluster.others(victim.number)[0].address, "pub")
    await_subscriber(publisher, "out/a")
    for number in range(200):
        publisher.publish("out/a", b"%d" % number, 1)
        if number == 60:
            victim.kill()
    assert in_order(values(observer.read_until("cluster-out", b"199"))) == list(range(200))
    assert not [member.number for member in cluster if "Traceback" in member.whole_log]


@pytest.mark.parametrize(
    "cluster",
    [(IN, "ingress", entry_in("cluster-in", "cluster"), ', commit_interval = "100ms"')],
    indirect=True,
    ids=["in"],
)
def test_the_node_that_fetches_is_killed(cluster: ClusterProcesses, shared_server: Server, dial: Dial) -> None:
    observer = Observer(shared_server.servers)
    observer.write("cluster-in", [b"0"], key=b"k")
    victim = cluster[runner("ingress", "cluster-in", "cluster", "in/${kafka.key}", "-1")]
    subscriber = dial(cluster.others(victim.number)[0].address, "sub", keeping=True)
    await_committed(observer, "cluster", "cluster-in", 1)
    subscriber.subscribe(("in/#", 1))
    for first in range(1, 201, 50):
        observer.write("cluster-in", [b"%d" % number for number in range(first, first + 50)], key=b"k")
        if first == 51:
            victim.kill()
    found: list[bytes] = []
    while b"200" not in found:
        found.append(subscriber.receive_publish(timeout_s=60).payload)
    assert in_order(found) == list(range(1, 201))
    await_committed(observer, "cluster", "cluster-in", 201)
    assert not [member.number for member in cluster if "Traceback" in member.whole_log]
