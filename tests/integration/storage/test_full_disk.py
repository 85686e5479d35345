"""A disk that is full: a small file system of its own for the node's data. Mounting it takes root."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.storage.conftest import StartNode
from tests.integration.storage.test_restart import client, off_line
from tests.support import wire
from tests.support.broker_process import BrokerProcess
from tests.support.client import Client, ConnectionClosed, Silence
from tests.support.wire_parser import Connack, Disconnect, Packet, Puback, Publish, Pubrec, Suback

pytestmark = pytest.mark.realtime

QUOTA_EXCEEDED = 0x97
TIMEOUT_S = 1.0
OPTIONS = (f"storage.timeout={TIMEOUT_S:g}s",)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MB where the nodes of ``start_node`` keep their data; unmounted whatever happens."""
    folder = tmp_path / "data"
    folder.mkdir()
    mount = shutil.which("mount")
    if os.geteuid() != 0 or mount is None:
        pytest.skip("only root can mount a small file system to fill")
    done = subprocess.run(
        [mount, "-t", "tmpfs", "-o", "size=2m", "rmq-test", str(folder)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")
    # It unmounts when its standard input ends: also when this process is killed and can't do it itself.
    unmounter = subprocess.Popen(
        ["sh", "-c", 'read -r _; exec umount -l "$0"', str(folder)], stdin=subprocess.PIPE, start_new_session=True
    )
    try:
        yield folder
    finally:
        unmounter.communicate()
        assert unmounter.returncode == 0


@pytest.fixture
def node(small_disk: Path, start_node: StartNode) -> BrokerProcess:
    """A node on the small disk, with a session that waits for messages on t."""
    found = start_node(*OPTIONS)
    off_line(found, "s", ("t", 2))
    return found


def fill(folder: Path, leave: int = 0) -> Path:
    """Use up all the room but ``leave`` bytes; the file that does."""
    path = folder / "filler"
    with path.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            pass
        file.truncate(max(file.tell() - leave, 0))
    return path


def full(node: BrokerProcess, folder: Path) -> tuple[Path, Client]:
    """The disk is full and the node has found out: from a message that is on its way, and will never be answered."""
    filler = fill(folder)
    victim = client(node, "victim", expiry=0)
    for packet_id in range(1, 400):  # the last page of the journal may have some room
        victim.send_publish("t", b"fills the page" * 20, 1, packet_id)
        if answer_within(victim, 0.5) is None:
            break
    else:
        raise AssertionError("the disk isn't full")
    return filler, victim


def answer_within(found: Client, timeout_s: float) -> Packet | None:
    try:
        return found.receive(timeout_s)
    except Silence:
        return None


def ended(found: Client) -> list[Packet]:
    """What comes until the node closes the connection."""
    packets: list[Packet] = []
    try:
        while True:
            packets.append(found.receive(TIMEOUT_S * 3))
    except ConnectionClosed:
        return packets
    finally:
        found.close()


def works_again(node: BrokerProcess) -> None:
    """The node has noticed that there is room: it tries every second."""
    deadline = time.monotonic() + 5
    publisher = client(node, "again", expiry=0)
    while publisher.publish("t", b"again", 1) == QUOTA_EXCEEDED:
        assert time.monotonic() < deadline
    publisher.close()


def received(node: BrokerProcess) -> list[bytes]:
    subscriber = client(node, "s", present=True)
    messages = [packet for packet in subscriber.drain() if isinstance(packet, Publish)]
    found: list[bytes] = []
    while messages:
        found += [message.payload for message in messages]
        subscriber.send(*[wire.puback(m.packet_id) if m.qos == 1 else wire.pubrec(m.packet_id) for m in messages])
        later = subscriber.drain()
        messages = [packet for packet in later if isinstance(packet, Publish)]
    subscriber.close()
    return found


@pytest.mark.parametrize("qos", [1, 2])
def test_mqtt_5_is_told_and_can_try_again(node: BrokerProcess, small_disk: Path, qos: int) -> None:
    filler, victim = full(node, small_disk)
    assert all(isinstance(packet, Disconnect) for packet in ended(victim)), "of unknown outcome: no reason code"
    publisher = client(node, "p", expiry=0)
    publisher.send_publish("t", b"refused", qos, 1)
    answer = publisher.expect(Puback if qos == 1 else Pubrec)
    assert answer.code == QUOTA_EXCEEDED
    publisher.send_publish("nobody", b"x", 1, 2)
    assert publisher.expect(Puback).code == 0x10, "what nobody keeps needs no room"
    filler.unlink()
    works_again(node)
    assert publisher.publish("t", b"accepted", qos) == 0
    publisher.close()
    found = received(node)
    assert b"accepted" in found and b"refused" not in found
    assert node.log.count("storage fails") == 1 and "storage works again" in node.log


@pytest.mark.parametrize("level", [3, 4])
def test_mqtt_3_is_held_and_closed(node: BrokerProcess, small_disk: Path, level: int) -> None:
    filler, victim = full(node, small_disk)
    publisher = client(node, "p", level, expiry=0, clean=True)
    begun = time.monotonic()
    publisher.send_publish("t", b"held", 1, 1)
    assert ended(publisher) == []
    assert TIMEOUT_S * 0.9 < time.monotonic() - begun < TIMEOUT_S * 2
    ended(victim)
    filler.unlink()
    works_again(node)
    publisher = client(node, "p", level, expiry=0, clean=True)
    assert publisher.publish("t", b"sent again", 1) == 0
    publisher.close()
    found = received(node)
    assert found.count(b"sent again") == 1 and b"held" not in found


def test_mqtt_3_goes_on_when_room_is_made_in_time(small_disk: Path, start_node: StartNode) -> None:
    node = start_node("storage.timeout=8s")
    off_line(node, "s", ("t", 2))
    filler, victim = full(node, small_disk)
    publisher = client(node, "p", 4, expiry=0, clean=True)
    publisher.send_publish("t", b"held", 1, 1)
    assert answer_within(publisher, 0.3) is None
    filler.unlink()
    assert publisher.expect(Puback).packet_id == 1
    assert isinstance(victim.receive(), Puback), "and so does what was on its way"
    for each in (publisher, victim):
        each.close()
    assert b"held" in received(node)


def test_what_was_on_its_way_is_kept_when_room_is_made(node: BrokerProcess, small_disk: Path) -> None:
    """Its publisher was told nothing, and sends it again: twice at QoS 1, which is allowed; never lost."""
    filler, victim = full(node, small_disk)
    ended(victim)
    filler.unlink()
    works_again(node)
    node.kill()
    node = node.start_again()
    try:
        found = received(node)
    finally:
        node.kill()
    assert found.count(b"fills the page" * 20) >= 1 and found[-1] == b"again"


def test_sessions_and_subscriptions_are_refused(node: BrokerProcess, small_disk: Path) -> None:
    filler, victim = full(node, small_disk)
    new = Client(node.address, "new")
    new.send(wire.connect("new", properties=[(wire.SESSION_EXPIRY, 100)]))
    assert new.expect(Connack).code == 0x88
    old = Client(node.address, "old", 4)
    old.send(wire.connect("old", 4, clean=False))
    assert old.expect(Connack).code == 3
    transient = client(node, "transient", expiry=0)
    assert transient.subscribe(("x", 1)).codes == [1]
    ended(victim)
    filler.unlink()
    works_again(node)
    kept = client(node, "new", present=False)
    assert isinstance(kept.subscribe(("x", 1)), Suback)
    for each in (new, old, transient, kept):
        each.close()


@pytest.mark.parametrize("leave", [0, 7, 40])
def test_a_kill_on_a_full_disk_loses_nothing_that_was_answered(
    node: BrokerProcess, small_disk: Path, leave: int
) -> None:
    publisher = client(node, "p", expiry=0)
    for number in range(10):
        assert publisher.publish("t", b"%d" % number, 2) == 0
    filler = fill(small_disk, leave)
    publisher.send(*[wire.publish("t", bytes(3000), 1, number) for number in range(100, 130)])
    answered = 0
    while isinstance(answer_within(publisher, 0.5), Puback):
        answered += 1
    node.kill()
    publisher.close()
    filler.unlink()
    node = node.start_again()
    try:
        found = received(node)
    finally:
        node.kill()
    assert found[:10] == [b"%d" % number for number in range(10)]
    assert answered <= len(found) - 10 <= 30


def test_a_start_on_a_full_disk_is_refused_or_goes_well(node: BrokerProcess, small_disk: Path) -> None:
    """There is nothing to write at a start but a little; nothing that is there may be harmed."""
    publisher = client(node, "p", expiry=0)
    publisher.publish("t", b"kept", 1)
    node.kill()
    publisher.close()
    filler = fill(small_disk)
    node = node.start_again()
    try:
        live = client(node, "live", expiry=0)
        live.expect_nothing()
        live.close()
    finally:
        node.kill()
    filler.unlink()
    node = node.start_again()
    try:
        assert received(node) == [b"kept"]
    finally:
        node.kill()


def test_a_snapshot_that_finds_no_room_harms_nothing(small_disk: Path, start_node: StartNode) -> None:
    node = start_node("storage.snapshot_after=1MB", *OPTIONS)
    off_line(node, "s", ("t", 1))
    publisher = client(node, "p", expiry=0)
    payload = bytes(20_000)
    answered = 0
    for packet_id in range(1, 200):  # 2 MB are full somewhere in the middle of a snapshot
        publisher.send_publish("t", payload, 1, packet_id)
        answer = answer_within(publisher, 0.7)
        if not isinstance(answer, Puback) or answer.code:
            break
        answered += 1
    assert 20 < answered < 150
    node.kill()
    publisher.close()
    subprocess.run(["mount", "-o", "remount,size=16m", str(small_disk)], check=True)
    node = node.start_again()
    try:
        assert len(received(node)) >= answered
    finally:
        node.kill()
