"""rmq-p2p-messaging on three nodes: a client is reached wherever it is, and what is acknowledged isn't lost."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.integration.cluster.conftest import end
from tests.integration.cluster.guests import Guests, nothing_new, payloads_until_quiet
from tests.support.client import TIMEOUT_S
from tests.support.cluster_processes import ClusterProcesses
from tests.support.wire_parser import Puback

NOBODY = 0x10


@pytest.fixture(scope="module")
def p2p_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterProcesses]:
    made = ClusterProcesses(tmp_path_factory.mktemp("p2p"), ('plugins.default_startups=["rmq-p2p-messaging"]',))
    try:
        made.start()
        yield made
    finally:
        end(made)


@pytest.fixture
def nodes(p2p_cluster: ClusterProcesses) -> ClusterProcesses:
    p2p_cluster.wait_until_serving()
    return p2p_cluster


@pytest.mark.parametrize("qos", [0, 1, 2])
@pytest.mark.parametrize("expiry", [0, 1000], ids=["transient", "kept"])
@pytest.mark.parametrize("publisher_expiry", [0, 1000], ids=["by transient", "by kept"])
def test_a_client_is_reached_at_any_node_once_and_in_order(
    nodes: ClusterProcesses, guests: Guests, name: str, expiry: int, publisher_expiry: int, qos: int
) -> None:
    dev = guests.connect(nodes[1], name, expiry=expiry, clean=not expiry)
    watcher = guests.passing(nodes[2])
    watcher.subscribe(("#", 2))
    for number in (1, 2, 3):
        publisher = guests.connect(
            nodes[number], f"p-{name}-{number}", expiry=publisher_expiry, clean=not publisher_expiry
        )
        payloads = [b"%d from %d" % (count, number) for count in range(10)]
        for payload in payloads:
            assert publisher.publish(f"p2p/{name}/t", payload, qos) == 0
        messages = dev.receive_publishes(10)
        assert [(message.topic, message.payload, message.qos) for message in messages] == [
            ("t", payload, qos) for payload in payloads
        ]
    nothing_new(dev)
    watcher.expect_nothing()


def test_nobody_is_there_and_somebody_has_left(nodes: ClusterProcesses, guests: Guests, name: str) -> None:
    publisher = guests.passing(nodes[1])

    def answer() -> int:
        publisher.send_publish(f"p2p/{name}/t", b"x", 1)
        return publisher.expect(Puback).code

    assert answer() == NOBODY
    guest = guests.passing(nodes[2], name)
    assert answer() == 0 and guest.receive_publish().topic == "t"
    guests.goodbye(guest)
    deadline = time.monotonic() + TIMEOUT_S
    while answer() != NOBODY:  # this node knows it a moment later, and is answered when that one has dropped it
        assert time.monotonic() < deadline


def test_a_kept_session_gets_it_at_another_node(nodes: ClusterProcesses, guests: Guests, name: str) -> None:
    guests.off_line(nodes[1], name, ("other", 1))
    publisher = guests.passing(nodes[2])
    for number in range(5):
        assert publisher.publish(f"p2p/{name}/t", b"%d" % number, 1) == 0
    back = guests.connect(nodes[3], name, present=True)
    assert [message.payload for message in back.receive_publishes(5)] == [b"%d" % number for number in range(5)]


def test_what_is_acknowledged_outlives_the_node_of_the_client(
    nodes: ClusterProcesses, guests: Guests, name: str
) -> None:
    guests.connect(nodes[3], name, present=False)
    publisher = guests.passing(nodes[1])
    sent = [b"%d" % number for number in range(30)]
    for number, payload in enumerate(sent):
        if number == 15:
            nodes[3].kill()
        assert publisher.publish(f"p2p/{name}/t", payload, 1) == 0
    back = guests.connect(nodes[2], name, present=True)
    found = payloads_until_quiet(back)
    while len(set(found)) < len(sent):
        found.append(back.receive_publish().payload)
    assert found == sent
    nodes[3].start()
