"""Fewer than a majority are left: what a node says then, and that it goes on by itself when the others are back."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import pytest

from tests.integration.cluster.conftest import SetUp
from tests.integration.cluster.guests import SLOW_MACHINE, Guests, payloads_until_quiet
from tests.support import wire
from tests.support.client import Client, ConnectionClosed
from tests.support.cluster_processes import ClusterProcesses, Member
from tests.support.retained import equal_everywhere
from tests.support.wire_parser import Connack, Disconnect, Puback, Publish, Pubrec, Suback

pytestmark = pytest.mark.slow

QUORUM_TIMEOUT_S: Final = 2.0
UNAVAILABLE: Final = {4: 3, 5: 0x88}
REFUSED: Final = {4: 0x80, 5: 0x97}


@pytest.fixture
def cluster(set_up: SetUp) -> ClusterProcesses:
    """A cluster of its own whose nodes wait two seconds for a quorum, started."""
    made = set_up(f"plugins.rmq-cluster-raft.quorum_timeout={QUORUM_TIMEOUT_S:g}s")
    made.start()
    return made


@contextmanager
def answered_in_time() -> Iterator[None]:
    """Within the time that nodes wait for a quorum, and a little."""
    began = time.monotonic()
    yield
    assert time.monotonic() - began < QUORUM_TIMEOUT_S * SLOW_MACHINE


@pytest.fixture
def survivor(cluster: ClusterProcesses, guests: Guests) -> Member:
    """The only node that is left. A session "queue" waits for messages on kept/#."""
    found = cluster.leader()
    guests.off_line(found, "queue", ("kept/#", 2))
    return found


def kill_the_others(cluster: ClusterProcesses, survivor: Member) -> None:
    """And wait until the one that is left knows."""
    for member in cluster.others(survivor.number):
        member.kill()
    deadline = time.monotonic() + 10
    while survivor.ask("status")["has_quorum"]:
        assert time.monotonic() < deadline and not survivor.ends_within(0.05)


@pytest.mark.parametrize("level", [4, 5])
def test_nobody_is_let_in(cluster: ClusterProcesses, guests: Guests, survivor: Member, level: int) -> None:
    kill_the_others(cluster, survivor)
    with answered_in_time():
        client, connack = guests.try_to_connect(survivor, "new", level)
        assert connack == Connack(False, UNAVAILABLE[level], properties=connack.properties)
        client.expect_closed()


@pytest.mark.parametrize("level", [4, 5])
def test_subscriptions_are_refused(cluster: ClusterProcesses, guests: Guests, survivor: Member, level: int) -> None:
    clients = [
        guests.connect(survivor, "persistent", level),
        guests.connect(survivor, "transient", level, clean=True, expiry=0),
    ]
    kill_the_others(cluster, survivor)
    with answered_in_time():
        for client in clients:
            client.send(wire.subscribe(1, [("a", 1), ("b/#", 0)], (), level))
        for client in clients:
            assert client.expect(Suback, 10).codes == [REFUSED[level]] * 2
    # A refused subscription isn't there later on either.
    for member in cluster.others(survivor.number):
        member.start()
    cluster.wait_until_serving()
    guests.passing(survivor).publish("a", b"x", 1)
    for client in clients:
        client.expect_nothing()


def refused_or_unknown(client: Client, packet_id: int, payload: bytes) -> None:
    """A PUBLISH that was proposed before it was noticed is never refused: its publisher is closed."""
    try:
        answer = client.receive(10)
    except ConnectionClosed:
        return
    if isinstance(answer, Disconnect):
        client.expect_closed()
        return
    assert client.level == 5 and isinstance(answer, (Puback, Pubrec)), answer
    assert (answer.packet_id, answer.code) == (packet_id, REFUSED[5]), (answer, payload)


@pytest.mark.parametrize("level", [4, 5])
@pytest.mark.parametrize("qos", [1, 2])
def test_messages_that_must_be_kept_are_not_acknowledged(
    cluster: ClusterProcesses, guests: Guests, survivor: Member, qos: int, level: int
) -> None:
    """Refused (version 5) or closed; what was refused doesn't come later on."""
    publishers = [guests.connect(survivor, f"p{number}", level, clean=True, expiry=0) for number in range(2)]
    for member in cluster.others(survivor.number):
        member.kill()
    # It may be under way when the node finds out: what becomes of it then nobody knows.
    publishers[0].send_publish("kept/0", b"first", qos)
    refused_or_unknown(publishers[0], 1, b"first")
    kill_the_others(cluster, survivor)
    with answered_in_time():
        publishers[1].send_publish("kept/1", b"second", qos)
        try:
            answer = publishers[1].receive(10)
            assert level == 5 and isinstance(answer, (Puback, Pubrec)), answer
            assert answer.code == REFUSED[5]
        except ConnectionClosed:
            assert level == 4, "a message that was never proposed is refused with a reason"
    for member in cluster.others(survivor.number):
        member.start()
    cluster.wait_until_serving()
    assert guests.passing(survivor).publish("kept/2", b"third", qos) == 0
    queue = guests.connect(survivor, "queue", present=True)
    found: list[str] = []
    while "kept/2" not in found:
        found.append(queue.receive_publish().topic)
    assert "kept/1" not in found, "refused and delivered"


@pytest.mark.parametrize("minority", ["serve", "refuse"])
def test_what_concerns_nobody_else_goes_on_if_it_may(set_up: SetUp, guests: Guests, minority: str) -> None:
    cluster = set_up(
        f"plugins.rmq-cluster-raft.quorum_timeout={QUORUM_TIMEOUT_S:g}s",
        f"plugins.rmq-cluster-raft.minority={minority}",
    )
    cluster.start()
    survivor = cluster.leader()
    subscriber, publisher = guests.passing(survivor, "s"), guests.passing(survivor, "p")
    subscriber.subscribe(("t", 1))
    publisher.publish("t", b"before", 1)
    subscriber.receive_publish(b"before")
    kill_the_others(cluster, survivor)
    client, connack = guests.try_to_connect(survivor, "new")
    assert connack.code == UNAVAILABLE[5]
    if minority == "serve":
        for qos in (0, 1):
            assert publisher.publish("t", b"alone", qos) == 0
            subscriber.receive_publish(b"alone")
    else:
        publisher.send_publish("t", b"alone", 1)
        assert publisher.expect(Puback, 10).code == REFUSED[5]
        subscriber.expect_nothing()
    for member in cluster.others(survivor.number):
        member.start()
    cluster.wait_until_serving()
    assert publisher.publish("t", b"together", 1) == 0
    subscriber.receive_publish(b"together")
    client.close()


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("both", [True, False], ids=["both", "one"])
def test_it_goes_on_when_a_majority_is_back(
    cluster: ClusterProcesses, guests: Guests, survivor: Member, first: int, both: bool
) -> None:
    """In any order of return, one after the other; the clients of the node that was left have stayed."""
    stayed = guests.connect(survivor, "stayed")
    stayed.subscribe(("t", 1))
    publisher = guests.passing(survivor)
    assert publisher.publish("kept/x", b"before", 1) == 0
    kill_the_others(cluster, survivor)
    _, connack = guests.try_to_connect(survivor, "new")
    assert connack.code == UNAVAILABLE[5]
    others = cluster.others(survivor.number)
    others[first].start()
    cluster.wait_until_serving(survivor.number, others[first].number)
    assert publisher.publish("kept/x", b"after", 1) == 0
    if both:
        others[1 - first].start()
        cluster.wait_until_serving()
    assert guests.passing(others[first]).publish("t", b"for those who stayed", 1) == 0
    stayed.receive_publish(b"for those who stayed")
    queue = guests.connect(others[first], "queue", present=True)
    assert payloads_until_quiet(queue) == [b"before", b"after"]


@pytest.mark.parametrize("order", [*itertools.permutations((1, 2, 3))][::2], ids=str)
def test_all_are_killed_and_come_back_one_by_one(
    cluster: ClusterProcesses, guests: Guests, order: tuple[int, ...]
) -> None:
    before = fill(cluster, guests)
    for member in cluster:
        member.kill()
    for count, number in enumerate(order, 1):
        cluster[number].start()
        if count == 1:
            assert not cluster[number].serves(), "one of three decides nothing"
    check(cluster, guests, before)


def test_all_are_killed_and_come_back_at_once(cluster: ClusterProcesses, guests: Guests) -> None:
    before = fill(cluster, guests)
    for _ in range(2):
        for member in cluster:
            member.kill()
        for member in cluster:
            member.start()
        cluster.wait_until_serving()
    check(cluster, guests, before)


def test_all_stop_in_good_order_and_come_back(cluster: ClusterProcesses, guests: Guests) -> None:
    before = fill(cluster, guests)
    for member in cluster:
        member.ask_to_stop()
    for member in cluster:
        assert member.wait(15) == 0, member.log[-1500:]
    for member in cluster:
        member.start()
    check(cluster, guests, before)


def fill(cluster: ClusterProcesses, guests: Guests) -> list[tuple[int, bytes]]:
    """Give it something to remember; the packets that the session "s" has in flight."""
    subscriber = guests.connect(cluster[2], "s", properties=[(wire.RECEIVE_MAXIMUM, 5)])
    subscriber.subscribe(("t", 2))
    half_way = guests.connect(cluster[1], "half-way")
    publishers = [guests.passing(member) for member in cluster]
    for number in range(60):
        assert publishers[number % 3].publish("t", b"%d" % number, 1 + number % 2) == 0
        publishers[number % 3].publish(f"r/{number % 7}", b"%d" % number, 1, retain=True)
    publishers[0].publish("r/0", b"", 1, retain=True)
    half_way.send_publish("t", b"half way", 2, packet_id=77)
    half_way.expect(Pubrec)
    return [(m.packet_id, m.payload) for m in (subscriber.expect(Publish) for _ in range(5))]


def check(cluster: ClusterProcesses, guests: Guests, in_flight: list[tuple[int, bytes]]) -> None:
    """All of it is there."""
    cluster.wait_until_serving()
    half_way = guests.connect(cluster[3], "half-way", present=True)
    half_way.send_publish("t", b"half way", 2, packet_id=77, dup=True)
    half_way.expect(Pubrec)
    half_way.send(wire.pubrel(77))
    half_way.receive()
    subscriber = guests.connect(cluster[1], "s", present=True)
    found = subscriber.receive_publishes(61)
    assert [(m.packet_id, m.payload) for m in found[:5]] == in_flight
    assert [m.payload for m in found] == [*(b"%d" % number for number in range(60)), b"half way"]
    subscriber.expect_nothing()
    retained = equal_everywhere(cluster, "r/#")
    assert retained == {f"r/{topic}": b"%d" % max(n for n in range(60) if n % 7 == topic) for topic in range(1, 7)}
