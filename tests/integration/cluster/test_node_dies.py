"""A node dies and comes back, with its disk or with an empty one."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from typing import Final

import pytest

from tests.integration.cluster.conftest import SetUp
from tests.integration.cluster.guests import SLOW_MACHINE, Guests, payloads_until_quiet, receive_within
from tests.support import wire
from tests.support.cluster_processes import ClusterProcesses, Member
from tests.support.retained import retained_at
from tests.support.wire import Will
from tests.support.wire_parser import Puback

pytestmark = pytest.mark.slow

DECLARED_DOWN_S: Final = 3.0
"""With default settings, a dead node is off line everywhere by then."""

DEADLINE_S: Final = 2.0
"""So long a publisher waits at most for a node that says nothing (``forward_deadline``)."""


@pytest.fixture
def cluster(set_up: SetUp) -> ClusterProcesses:
    """A cluster of its own, started."""
    made = set_up()
    made.start()
    return made


@pytest.fixture(params=["leader", "follower"])
def victim(request: pytest.FixtureRequest, cluster: ClusterProcesses) -> Member:
    """The node that is going to die."""
    leader = cluster.leader()
    return leader if request.param == "leader" else cluster.others(leader.number)[0]


def test_within_three_seconds_its_clients_are_off_line(
    cluster: ClusterProcesses, guests: Guests, victim: Member
) -> None:
    here, there = cluster.others(victim.number)
    watcher = guests.passing(here)
    watcher.subscribe(("will/#", 1))
    guests.connect(victim, "at-once", will=Will("will/0", b"at once", 1))
    guests.connect(victim, "delayed", will=Will("will/2", b"delayed", 1, properties=[(wire.WILL_DELAY, 2)]))
    guests.connect(victim, "back", will=Will("will/back", b"back in time", 1, properties=[(wire.WILL_DELAY, 2)]))
    guests.goodbye(guests.connect(victim, "polite", will=Will("will/polite", b"withdrawn", 1)))
    guests.off_line(victim, "queue", ("t", 1))
    transient = guests.passing(victim, "transient")
    transient.subscribe(("t", 1))
    members = [guests.connect(member, f"share-{member.number}") for member in (here, there, victim)]
    for member in (*members, guests.passing(victim, "share-transient")):
        member.subscribe(("$share/g/shared", 1))
    publisher = guests.passing(there)
    assert publisher.publish("t", b"before", 1) == 0

    victim.kill()
    began = time.monotonic()
    # A client needn't wait for anybody to notice: its session is here, with all that was acknowledged.
    queue = guests.connect(there, "queue", present=True)
    queue.receive_publish(b"before")
    guests.connect(there, "back", present=True)
    assert time.monotonic() - began < DECLARED_DOWN_S * SLOW_MACHINE
    receive_within(watcher, b"at once", DECLARED_DOWN_S, began)
    # From now on nobody waits for the dead node: its routes are gone, and so is the transient session it had.
    asked = time.monotonic()
    sent = Counter(b"%d" % number for number in range(20))
    for payload in sorted(sent):
        assert publisher.publish("shared", payload, 1) == 0
    assert publisher.publish("t", b"after", 1) == 0
    assert time.monotonic() - asked < DEADLINE_S / 2 * SLOW_MACHINE, "publishers wait for the dead node"
    queue.receive_publish(b"after")
    assert Counter(payloads_until_quiet(members[0]) + payloads_until_quiet(members[1])) == sent
    guests.connect(here, "transient", expiry=0, present=False)
    receive_within(watcher, b"delayed", DECLARED_DOWN_S + 2, began)
    assert time.monotonic() - began > 2, "a will is due its delay after the connection is lost"
    watcher.expect_nothing()
    guests.connect(here, "at-once", present=True)


def test_messages_under_way_are_acknowledged_or_their_publisher_is_closed(
    cluster: ClusterProcesses, guests: Guests, victim: Member
) -> None:
    """To a session that is connected to the node that dies: what is acknowledged is with it when it comes back."""
    here, there = cluster.others(victim.number)
    subscriber = guests.connect(victim, "s")
    subscriber.subscribe(("t", 1))
    publisher = guests.connect(here, "p")
    for start in range(0, 400, 100):
        publisher.send(*[wire.publish("t", b"%d" % n, 1, n + 1) for n in range(start, start + 100)])
        if start == 200:
            victim.kill()
    answers = [publisher.expect(Puback, 10) for _ in range(400)]
    assert [(answer.packet_id, answer.code) for answer in answers] == [(n + 1, 0) for n in range(400)]
    subscriber = guests.connect(there, "s", present=True)
    assert [m.payload for m in subscriber.receive_publishes(400)] == [b"%d" % n for n in range(400)]
    subscriber.expect_nothing()


def test_a_publisher_waits_for_a_dead_subscriber_no_longer_than_the_deadline(
    cluster: ClusterProcesses, guests: Guests
) -> None:
    leader = cluster.leader()
    victim, here = cluster.others(leader.number)
    subscriber = guests.passing(victim)
    subscriber.subscribe(("t", 1))
    publisher, other = guests.passing(here), guests.passing(here)
    assert publisher.publish("t", b"x", 1) == 0
    victim.kill()
    began = time.monotonic()
    publisher.send_publish("t", b"x", 1)
    # Others don't wait with it.
    assert other.publish("elsewhere", b"x", 1) in (0, 0x10) and time.monotonic() - began < DEADLINE_S
    publisher.expect(Puback, 10)
    assert time.monotonic() - began < DEADLINE_S * SLOW_MACHINE


def test_it_comes_back_with_its_disk_and_sessions_that_moved_stay_moved(
    cluster: ClusterProcesses, guests: Guests, victim: Member
) -> None:
    here, there = cluster.others(victim.number)
    for name in ("moved", "left"):
        client = guests.connect(victim, name, present=False)
        client.subscribe((f"t/{name}", 2))
    publisher = guests.passing(there)
    victim.kill()
    moved = guests.connect(here, "moved", present=True)
    for number in range(10):
        for name in ("moved", "left"):
            assert publisher.publish(f"t/{name}", b"%d" % number, 1) == 0
    victim.start()
    cluster.wait_until_serving()
    expected = [b"%d" % number for number in range(10)]
    assert [m.payload for m in moved.receive_publishes(10)] == expected
    back = guests.connect(victim, "left", present=True)
    assert [m.payload for m in back.receive_publishes(10)] == expected
    for number, member in enumerate(cluster):
        at_each = guests.passing(member)
        for client, name in ((moved, "moved"), (back, "left")):
            assert at_each.publish(f"t/{name}", b"later %d" % number, 2) == 0
            client.receive_publish(b"later %d" % number)
    moved.expect_nothing()
    back.expect_nothing()
    # And from there on to the node that was away.
    again = guests.connect(victim, "moved", present=True)
    again.expect_nothing()


def test_a_node_that_comes_back_has_no_claims_of_its_last_life(
    cluster: ClusterProcesses, guests: Guests, victim: Member
) -> None:
    here, _ = cluster.others(victim.number)
    watcher = guests.passing(here)
    watcher.subscribe(("will", 1))
    guests.connect(victim, "c", will=Will("will", b"gone", 1))
    guests.passing(victim, "transient").subscribe(("t", 1))
    victim.kill()
    victim.start()
    watcher.receive_publish(b"gone", 10)
    cluster.wait_until_serving()
    guests.connect(victim, "c", present=True)
    guests.connect(here, "transient", expiry=0, present=False)
    publisher = guests.passing(victim)
    publisher.publish("t", b"x", 1)
    watcher.expect_nothing()


def kill_and_wipe(member: Member) -> None:
    member.kill()
    member.wipe()


@pytest.mark.parametrize("lose", [Member.kill, kill_and_wipe], ids=["with its disk", "with an empty disk"])
def test_after_it_has_caught_up_it_counts(
    cluster: ClusterProcesses, guests: Guests, victim: Member, lose: Callable[[Member], None]
) -> None:
    """All that happened while it was away is with it: shown by killing another node, so that it is needed."""
    here, there = cluster.others(victim.number)
    guests.off_line(here, "s", ("t", 2))
    publisher = guests.passing(here)
    publisher.publish("r/deleted", b"x", 1, retain=True)
    publisher.publish("r/replaced", b"before", 1, retain=True)
    for number in range(100):
        assert publisher.publish("t", b"%d" % number, 1 + number % 2) == 0
    lose(victim)
    publisher.publish("r/deleted", b"", 1, retain=True)
    publisher.publish("r/replaced", b"after", 1, retain=True)
    for number in range(100, 200):
        assert publisher.publish("t", b"%d" % number, 1 + number % 2) == 0
    victim.start()
    cluster.wait_until_serving()
    there.kill()
    assert publisher.publish("t", b"200", 1) == 0
    subscriber = guests.connect(victim, "s", present=True)
    found = subscriber.receive_publishes(201)
    assert [(m.payload, m.qos) for m in found] == [(b"%d" % n, 1 + n % 2) for n in range(200)] + [(b"200", 1)]
    subscriber.expect_nothing()
    assert retained_at(victim, "r/#") == {"r/replaced": b"after"}
    there.start()
    cluster.wait_until_serving()


def test_an_empty_disk_may_not_vote_while_the_cluster_has_no_majority(
    cluster: ClusterProcesses, guests: Guests, victim: Member
) -> None:
    """Two of three lose their disks: they must not found a cluster of their own over what the third one has."""
    kept, lost = cluster.others(victim.number)
    guests.off_line(kept, "s", ("t", 1))
    assert guests.passing(kept).publish("t", b"kept", 1) == 0
    for member in (victim, lost):
        kill_and_wipe(member)
    kept.kill()
    for member in (victim, lost):
        member.start()
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        for member in (victim, lost):
            assert member.is_running, member.log[-1500:]
            assert not member.serves(timeout_s=6), "a second cluster was founded"
