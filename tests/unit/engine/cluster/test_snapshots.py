"""A node that is so far behind that it gets a snapshot of another node, while its clients and commands are there."""

from __future__ import annotations

import shutil

import pytest

from rmq.engine.broker import BrokerOptions
from rmq.storage.recovery import recover_member
from tests.support import wire
from tests.support.wire_parser import Connack, Puback
from tests.unit.engine.cluster.conftest import Three
from tests.unit.engine.cluster.group import Group
from tests.unit.engine.cluster.member import Member
from tests.unit.storage.strategies import new_state


def catch_up_by_snapshot(group: Group, sender: Member, receiver: Member) -> None:
    """All that ``receiver`` hasn't applied comes in a snapshot."""
    group.take_snapshot(sender)
    group.install(sender, receiver)
    receiver.holds_applying = False
    group.settle()


def test_its_own_command_may_be_in_the_snapshot(group: Group, three: Three) -> None:
    one, _, last = three
    subscriber = one.connect("s", expiry=100)
    subscriber.subscribe(("t", 1))
    publisher = last.connect("p")
    last.holds_applying = True
    publisher.send(wire.publish("t", b"1", 1, 1))
    catch_up_by_snapshot(group, one, last)
    assert publisher.take(Puback).code == 0
    assert publisher.publish("t", b"2", 1) == 0
    assert [m.payload for m in subscriber.receive_all()] == [b"1", b"2"]


def test_its_clients_claim_may_be_in_the_snapshot(group: Group, three: Three) -> None:
    one, _, last = three
    last.holds_applying = True
    client = last.open()
    client.send(wire.connect("c"))
    catch_up_by_snapshot(group, one, last)
    connack = [p for p in client.read() if isinstance(p, Connack)]
    assert connack  # whatever it says: the client isn't left waiting
    assert connack[0].code == 0 or client.closed
    again = last.connect("c")
    assert again.publish("t", b"", 1) == 0x10


def test_its_own_command_isnt_applied_again_by_its_next_life(group: Group, three: Three) -> None:
    one, _, last = three
    subscriber = one.connect("s", expiry=100)
    subscriber.subscribe(("t", 2))
    publisher = last.connect("p")
    last.holds_applying = True
    publisher.send(wire.publish("t", b"m", 2, 1))
    group.declare_down(last)
    catch_up_by_snapshot(group, one, last)
    assert [m.payload for m in subscriber.receive_all()] == [b"m"]


def test_that_it_is_up_may_be_in_the_snapshot(group: Group, three: Three) -> None:
    one, _, last = three
    last.kill()
    group.declare_down(3)
    last = group.start(3, join=False)
    last.holds_applying = True
    joined: list[int] = []
    last.port.join("again", joined.append)
    group.settle()
    catch_up_by_snapshot(group, one, last)
    assert len(joined) == 1
    last.connect("c")


def test_that_it_is_down_may_be_in_the_snapshot(group: Group, three: Three) -> None:
    one, _, last = three
    client = last.connect("c")
    last.holds_applying = True
    group.declare_down(last)
    catch_up_by_snapshot(group, one, last)
    assert not client.closed
    assert client.subscribe(("t", 1)) == [1]


def test_a_client_may_have_been_taken_elsewhere_in_the_snapshot(group: Group, three: Three) -> None:
    one, _, last = three
    transient, kept = last.connect("t"), last.connect("k", expiry=100)
    last.holds_applying = True
    one.connect("t")
    opening = one.open()
    opening.send(wire.connect("k", clean=False, properties=[(wire.SESSION_EXPIRY, 100)]))
    catch_up_by_snapshot(group, one, last)
    assert transient.closed and kept.closed


def test_retained_messages_of_its_own_command_are_sent_to_new_subscribers(group: Group, three: Three) -> None:
    one, _, last = three
    publisher = last.connect("p")
    last.holds_applying = True
    publisher.send(wire.publish("r", b"1", 1, 1, retain=True))
    catch_up_by_snapshot(group, one, last)
    one.connect("q").publish("r", b"2", 1, retain=True)
    subscriber = last.connect("s")
    subscriber.subscribe(("r", 1))
    assert [m.payload for m in subscriber.receive_all()] == [b"2"]


def test_a_snapshot_that_is_being_written_doesnt_come_back(group: Group, three: Three) -> None:
    one, _, last = three
    publisher = one.connect("p")
    one.connect("s", expiry=100).subscribe(("t", 1))
    for _ in range(3):
        group.take_snapshot(last)  # its numbers are higher than those of node 1
        publisher.publish("t", b"old", 1)
        group.pass_time(11)
    last.disks["rmq-journal"].holds = True
    last.port.take_snapshot()
    group.settle()
    last.disks["rmq-journal"].work(1)
    group.settle()  # what is left is the end of the file
    last.holds_applying = True
    publisher.publish("t", b"new", 1)
    group.take_snapshot(one)
    group.begin_installing(one, last)
    group.settle()
    assert last.installed == []  # what is left of the file comes first
    last.disks["rmq-journal"].holds = False
    group.finish_installing(last)
    last.holds_applying = False
    group.settle()
    found = recover_member(last.folder, new_state(), memory_budget=0)
    assert found.batch == one.port.snapshot_index == last.port.snapshot_index


@pytest.mark.parametrize("skew", [-3600.0, 3600.0])
def test_the_clusters_time_counts_for_what_a_node_had(group: Group, three: Three, skew: float) -> None:
    """A node comes back with an empty disk and a clock that is an hour off: its sessions end when they are due."""
    one, _, last = three
    last.connect("s", expiry=600)
    group.tick()
    last.kill()
    shutil.rmtree(group.folder / "3")
    group.start(3, skew=skew)
    group.pass_time(500)
    assert one.has_session("s")
    group.pass_time(110)
    assert not one.has_session("s")


def test_rules_are_the_same_whatever_each_node_is_configured_to(group: Group) -> None:
    options = BrokerOptions()
    options.max_retained = 1
    one = group.start(1)
    two = group.start(2, options)
    publisher = one.connect("p")
    for i in range(3):
        publisher.publish(f"r/{i}", b"m", 1, retain=True)
    assert one.broker.ctx.retained.count == two.broker.ctx.retained.count
