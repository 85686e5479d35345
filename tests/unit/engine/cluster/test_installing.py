"""Another node's snapshot takes the place of all that is here a little at a time, while this node's clients stay."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from rmq.engine import slices
from rmq.storage.record_file import CorruptFile
from rmq.storage.recovery import recover_member
from tests.support import wire
from tests.support.wire_parser import Publish
from tests.unit.engine.cluster.conftest import Three
from tests.unit.engine.cluster.group import Group
from tests.unit.engine.cluster.member import Member
from tests.unit.storage.replica import Facts
from tests.unit.storage.strategies import new_state
from tests.unit.storage.whole_state import whole


@pytest.fixture(autouse=True)
def small_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    """A step a slice."""
    monkeypatch.setattr(slices, "SLICE_UNITS", 1)


def begin(group: Group, sender: Member, receiver: Member) -> None:
    """Have a snapshot of ``sender`` installed, which ``go_on`` drives."""
    receiver.holds_applying = True
    group.take_snapshot(sender)
    for disk in receiver.disks.values():
        disk.holds = True
    group.begin_installing(sender, receiver)


def go_on(group: Group, receiver: Member) -> bool:
    """One job of the disk, and the slice that follows; False when the snapshot is in place."""
    for disk in receiver.disks.values():
        if disk.work(1):
            break
    group.settle()
    return not receiver.installed


def finish(group: Group, receiver: Member) -> None:
    """Have it come to its end, and go on applying."""
    for disk in receiver.disks.values():
        disk.holds = False
    group.finish_installing(receiver)
    receiver.holds_applying = False
    group.settle()


def on_disk(folder: Path) -> Facts:
    """What the next start finds."""
    state = new_state()
    recover_member(folder, state, memory_budget=0)
    return whole(state)


def test_clients_are_served_between_the_slices(group: Group, three: Three) -> None:
    one, _, last = three
    client, publisher = last.connect("live"), one.connect("p")
    client.subscribe(("live", 1))
    one.connect("kept", expiry=1000).subscribe(("t", 1))
    last.holds_applying = True
    for number in range(10):
        publisher.publish("t", b"%d" % number, 1)
    begin(group, one, last)
    steps = 0
    while go_on(group, last):
        publisher.publish("live", b"%d" % steps)
        assert client.payloads() == [b"%d" % steps]
        steps += 1
    assert steps > 20
    finish(group, last)
    publisher.publish("live", b"after", 1)
    assert client.payloads() == [b"after"]


@pytest.mark.parametrize("after", [0, 2, 5, 10, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 28, 30])
def test_what_a_client_says_at_any_moment_counts(group: Group, three: Three, after: int) -> None:
    one, _, last = three
    client, other, publisher = last.connect("k", expiry=1000), last.connect("gone", expiry=1000), one.connect("p")
    client.subscribe(("t", 1))
    other.subscribe(("t", 1))
    publisher.publish("t", b"1", 1)
    (sent,) = [packet for packet in client.read() if isinstance(packet, Publish)]
    last.holds_applying = True
    publisher.publish("t", b"2", 1)
    begin(group, one, last)
    for _ in range(after):
        go_on(group, last)
    client.send(wire.puback(sent.packet_id or 0))
    other.lose()
    finish(group, last)
    again = [packet for packet in client.read() if isinstance(packet, Publish)]
    assert [(packet.payload, packet.dup) for packet in again] == [(b"2", False)]
    client.send(wire.puback(again[0].packet_id or 0))
    for member in three:
        outbound = member.session("k").outbound
        assert outbound is not None and not outbound.deliveries
        assert member.session("gone").disconnected_at


def test_whenever_the_process_ends_the_old_data_or_the_new_are_there(
    group: Group, three: Three, tmp_path: Path
) -> None:
    one, _, last = three
    publisher = one.connect("p")
    one.connect("s", expiry=1000).subscribe(("t", 1))
    publisher.publish("t", b"old", 1)
    group.take_snapshot(last)
    last.holds_applying = True
    publisher.publish("t", b"new", 1)
    begin(group, one, last)
    found: list[Facts] = []
    more = True
    while more:
        copy = tmp_path / f"copy {len(found)}"
        for path in (last.folder, last.folder.with_name(f"{last.folder.name}.next")):
            if path.exists():
                shutil.copytree(path, copy / path.name)
        found.append(on_disk(copy / last.folder.name))
        more = go_on(group, last)
    finish(group, last)
    old, new = found[0], on_disk(last.folder)
    assert old != new
    turn = found.index(new)
    assert found == [old] * turn + [new] * (len(found) - turn)


def test_a_damaged_one_changes_nothing(group: Group, three: Three) -> None:
    one, _, last = three
    publisher = one.connect("p")
    client = last.connect("k", expiry=1000)
    client.subscribe(("t", 1))
    publisher.publish("t", b"1", 1)
    assert [m.payload for m in client.receive_all()] == [b"1"]
    group.take_snapshot(last)
    before, files = whole(last.broker.state), on_disk(last.folder)
    last.holds_applying = True
    publisher.publish("t", b"2", 1)
    begin(group, one, last)
    for path in (group.folder / "incoming").glob("*.seg"):
        path.write_bytes(path.read_bytes()[:-1])
    while go_on(group, last):
        pass
    for disk in last.disks.values():
        disk.holds = False
    group.settle()
    (error,) = last.installed
    assert isinstance(error, CorruptFile)
    assert whole(last.broker.state) == before and on_disk(last.folder) == files
    group.install(one, last)  # it is sent again
    last.holds_applying = False
    group.settle()
    assert [m.payload for m in client.receive_all()] == [b"2"]


def test_what_came_with_a_snapshot_is_in_the_next_ones(group: Group, three: Three) -> None:
    """Sessions bear the number of the last snapshot that has them, and each node has numbers of its own."""
    one, _, last = three
    publisher = one.connect("p")
    one.connect("s", expiry=1000).subscribe(("t", 1))
    for _ in range(3):
        publisher.publish("t", b"m", 1)
        group.take_snapshot(last)
        group.pass_time(11)
    last.holds_applying = True
    publisher.publish("t", b"new", 1)
    group.take_snapshot(one)
    group.install(one, last)
    last.holds_applying = False
    for _ in range(3):
        publisher.publish("t", b"newer", 1)
        group.take_snapshot(last)
        assert on_disk(last.folder) == whole(last.broker.state)
        group.pass_time(11)


def test_no_snapshot_is_taken_meanwhile(group: Group, three: Three) -> None:
    one, _, last = three
    last.holds_applying = True
    one.connect("p").publish("t", b"m", 1, retain=True)
    begin(group, one, last)
    last.port.take_snapshot()
    while go_on(group, last):
        assert not last.port.snapshots.running
    finish(group, last)
    assert last.port.snapshot_index == one.port.snapshot_index
