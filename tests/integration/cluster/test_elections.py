"""No election without need: not when a link is saturated, a snapshot is on its way, or a reader is slow.

RMQ_QUIET_S  how long each load lasts; 60 s if nothing is said
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import pytest

from tests.integration.cluster.conftest import SetUp
from tests.integration.cluster.guests import Guests
from tests.support import wire
from tests.support.client import Client, ConnectionClosed, Silence
from tests.support.cluster_network import Network, NoNetwork
from tests.support.cluster_processes import ClusterProcesses, Member

pytestmark = pytest.mark.slow

QUIET_S: Final = float(os.environ.get("RMQ_QUIET_S", "60"))
SLOW: Final = 1_000_000
PAYLOAD: Final = bytes(20_000)


@pytest.fixture
def cluster(set_up: SetUp) -> ClusterProcesses:
    """A cluster in a network of its own, started."""
    made = set_up("storage.snapshot_after=4MB", "listener.tcp.external.max_inflight=1000", own_network=True)
    made.start()
    return made


@pytest.fixture
def network(cluster: ClusterProcesses) -> Network:
    """Its cables; the test is skipped where they can't be slowed down."""
    assert cluster.network is not None
    try:
        cluster.network.limit_sending("1", 100 * SLOW)
    except NoNetwork as error:
        pytest.skip(str(error))
    cluster.network.at_full_speed("1")
    return cluster.network


@contextmanager
def no_election(cluster: ClusterProcesses) -> Iterator[None]:
    """Term and leader are the same afterwards, on all nodes, and nobody was declared down."""
    before = {member.number: standing(member) for member in cluster}
    assert len(set(before.values())) == 1, before
    yield
    assert {member.number: standing(member) for member in cluster} == before


def standing(member: Member) -> tuple[object, ...]:
    status = member.ask("status")
    states = tuple((each["node_id"], each["state"], each["incarnation"]) for each in status["members"])
    return status["term"], status["leader"], states


def flood(client: Client, topic: str, qos: int, ends: float) -> int:
    """Publish as fast as the node takes it; how many bytes."""
    sent = 0
    identifier = 0
    while time.monotonic() < ends:
        identifier = identifier % 500 + 1
        client.send(wire.publish(topic, PAYLOAD, qos, identifier if qos else 0))
        sent += len(PAYLOAD)
        if qos:
            client.receive(60)
    return sent


def swallow(client: Client, ends: float, counts: list[int]) -> None:
    """Read and acknowledge."""
    while time.monotonic() < ends:
        try:
            packet = client.receive(0.5)
        except Silence:
            continue
        except ConnectionClosed:
            return
        counts[0] += len(getattr(packet, "payload", b""))
        if getattr(packet, "qos", 0):
            client.send(wire.puback(getattr(packet, "packet_id", 0)))


@pytest.mark.parametrize("qos", [0, 1])
@pytest.mark.parametrize("slow", ["leader", "follower"])
def test_a_saturated_forward_link(
    cluster: ClusterProcesses, network: Network, guests: Guests, slow: str, qos: int
) -> None:
    """All messages of two nodes go to subscribers at a third one, which its cable is too thin for."""
    leader = cluster.leader()
    reader = leader if slow == "leader" else cluster.others(leader.number)[0]
    ends = time.monotonic() + QUIET_S / 2
    counts = [0]
    subscriber = guests.passing(reader)
    subscriber.subscribe(("flood", qos))
    threads = [threading.Thread(target=swallow, args=(subscriber, ends, counts))]
    for member in cluster.others(reader.number):
        publishers = [guests.passing(member) for _ in range(1 if qos == 0 else 4)]
        threads += [threading.Thread(target=flood, args=(each, "flood", qos, ends)) for each in publishers]
    network.limit_receiving(str(reader.number), SLOW)
    with no_election(cluster):
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    network.at_full_speed(str(reader.number))
    assert counts[0] > SLOW * QUIET_S / 20, "next to nothing came through"
    cluster.wait_until_serving()


def test_a_snapshot_on_its_way_to_a_slow_node(cluster: ClusterProcesses, network: Network, guests: Guests) -> None:
    """A node lost its disk and needs all of it through a thin cable, while messages for sessions go on."""
    leader = cluster.leader()
    empty, here = cluster.others(leader.number)
    guests.off_line(here, "s", ("t", 1))
    publishers = [guests.passing(here) for _ in range(4)]
    for number in range(1500):
        publishers[number % 4].send_publish("t", PAYLOAD, 1)
        publishers[number % 4].receive()
    empty.kill()
    empty.wipe()
    network.limit_receiving(str(empty.number), SLOW)
    before = standing(here)[:2]
    empty.start()
    ends = time.monotonic() + QUIET_S / 2
    threads = [threading.Thread(target=flood, args=(each, "u", 0, ends)) for each in publishers[:1]]
    threads += [threading.Thread(target=flood, args=(each, "t", 1, ends)) for each in publishers[1:2]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert standing(here)[:2] == before
    network.at_full_speed(str(empty.number))
    cluster.wait_until_serving(timeout_s=60)
    assert standing(here)[:2] == before


def test_a_slow_reader_of_a_long_queue(cluster: ClusterProcesses, network: Network, guests: Guests) -> None:
    """A client with a long queue comes back behind a thin cable."""
    leader = cluster.leader()
    guests.off_line(leader, "s", ("t", 1))
    publisher = guests.passing(cluster.others(leader.number)[0])
    for _ in range(1000):
        publisher.send_publish("t", PAYLOAD, 1)
        publisher.receive()
    network.limit_receiving("clients", SLOW)
    ends = time.monotonic() + QUIET_S / 4
    counts = [0]
    with no_election(cluster):
        swallow(guests.connect(leader, "s", present=True), ends, counts)
    network.at_full_speed("clients")
    assert counts[0] > SLOW * QUIET_S / 20
