"""rmq-message-storage on three nodes: each keeps what is published at it, and gives it to subscribers at all."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support import wire
from tests.support.client import Client
from tests.support.cluster_processes import ClusterProcesses
from tests.support.packet_notation import V5

pytestmark = [pytest.mark.realtime, pytest.mark.slow]

NewClient = Callable[..., Client]
SETS = (
    'plugins.default_startups=["rmq-message-storage"]',
    'plugins.rmq-message-storage.topics=["#", "$fence/#"]',
)


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[ClusterProcesses]:
    processes = ClusterProcesses(tmp_path, SETS)
    try:
        processes.start()
        yield processes
        assert not [member.number for member in processes if "Traceback" in member.whole_log]
    finally:
        processes.close()


class People:
    """Clients at the nodes of a cluster."""

    def __init__(self, cluster: ClusterProcesses, new_client: NewClient) -> None:
        self._cluster = cluster
        self._new_client = new_client
        self._fences = 0

    def come(self, node: int, name: str, *, kept: bool = False) -> Client:
        client = self._new_client(self._cluster[node].address, name, V5)
        client.connect(clean=not kept, properties=[(wire.SESSION_EXPIRY, 600)] if kept else [])
        return client

    def fence(self, client: Client, node: int) -> None:
        """What a client has missed on other topics has come before: its subscriptions are served in turn."""
        self._fences += 1
        topic = f"$fence/{self._fences}"
        publisher = self.come(node, "fence")
        publisher.publish(topic, b"fence", 1)
        publisher.disconnect()
        client.subscribe((topic, 0))
        assert client.receive_publish(timeout_s=20).topic == topic


def some(client: Client, count: int) -> list[bytes]:
    return sorted(client.receive_publish(timeout_s=20).payload for _ in range(count))


def test_messages_of_all_nodes_once_wherever_the_client_comes_back(
    cluster: ClusterProcesses, new_client: NewClient
) -> None:
    people = People(cluster, new_client)
    publishers = {node: people.come(node, f"pub{node}") for node in (1, 2, 3)}
    for node, publisher in publishers.items():
        publisher.publish("t/a", b"old %d" % node, 1)
    late = people.come(1, "late")
    late.subscribe(("t/#", 1))
    assert some(late, 3) == [b"old 1", b"old 2", b"old 3"]
    for node, publisher in publishers.items():
        publisher.publish("t/a", b"live %d" % node, 1)
    assert some(late, 3) == [b"live 1", b"live 2", b"live 3"]
    people.fence(late, 2)
    late.disconnect()
    for node, publisher in publishers.items():
        publisher.publish("t/a", b"missed %d" % node, 1)
    late = people.come(2, "late")  # at another node
    late.subscribe(("t/+", 1), ("t/#", 1))
    assert some(late, 3) == [b"missed 1", b"missed 2", b"missed 3"]
    people.fence(late, 3)
    late.disconnect()
    late = people.come(3, "late", kept=True)
    late.subscribe(("t/#", 1))
    people.fence(late, 1)
    late.disconnect()
    publishers[1].publish("t/a", b"queued", 1)
    late = people.come(1, "late", kept=True)
    assert late.receive_publish(timeout_s=20).payload == b"queued"
    late.subscribe(("t/#", 1))
    people.fence(late, 2)


def test_nothing_is_lost_or_doubled_while_a_subscription_is_being_entered(
    cluster: ClusterProcesses, new_client: NewClient
) -> None:
    people = People(cluster, new_client)
    sent: list[bytes] = []
    subscribers: list[Client] = []
    for round_ in range(4):
        publisher = people.come(1 + round_ % 3, f"pub{round_}")
        for number in range(100):
            sent.append(b"%d %d" % (round_, number))
            publisher.send_publish("t/a", sent[-1], 1)
        subscriber = people.come(2, f"sub{round_}", kept=round_ % 2 == 0)
        subscriber.send(wire.subscribe(1, [("t/#", 1)], (), V5))
        subscribers.append(subscriber)
        for number in range(100, 200):
            sent.append(b"%d %d" % (round_, number))
            publisher.send_publish("t/a", sent[-1], 1)
        for _ in range(200):
            publisher.receive(20)
    for subscriber in subscribers:
        found: list[bytes] = []
        while len(found) < len(sent):
            packet = subscriber.receive(20)
            payload = getattr(packet, "payload", None)
            if payload is not None:
                found.append(payload)
                subscriber.send(wire.puback(getattr(packet, "packet_id", 0)))
        assert sorted(found) == sorted(sent)
        people.fence(subscriber, 3)


def test_a_dead_node_takes_its_messages_along_until_it_is_back(
    cluster: ClusterProcesses, new_client: NewClient
) -> None:
    people = People(cluster, new_client)
    for node in (1, 2, 3):
        people.come(node, f"pub{node}").publish("t/a", b"of %d" % node, 1)
    first = people.come(1, "first")
    first.subscribe(("t/a", 1))
    assert some(first, 3) == [b"of 1", b"of 2", b"of 3"]  # so all of them are on disk
    cluster[3].kill()
    people.come(2, "pub").publish("t/a", b"with two", 1)
    second = people.come(2, "second")
    second.subscribe(("t/a", 1))
    assert some(second, 3) == [b"of 1", b"of 2", b"with two"]
    people.fence(second, 1)
    cluster[3].start()
    cluster.wait_until_serving(3)
    third = people.come(3, "third")
    third.subscribe(("t/a", 1))
    assert some(third, 4) == [b"of 1", b"of 2", b"of 3", b"with two"]
    people.fence(third, 1)
