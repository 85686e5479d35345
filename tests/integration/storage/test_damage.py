"""Damaged data: a torn tail is cut off and told, anything else stops the start with one line, until it is repaired."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.node.node_command import failed_start
from tests.integration.storage.conftest import StartNode
from tests.integration.storage.test_restart import client, off_line
from tests.support import wire
from tests.support.broker_process import BrokerProcess, free_ports
from tests.support.wire_parser import Puback

pytestmark = pytest.mark.realtime


def refused(node: BrokerProcess, *arguments: str) -> str:
    """The one line in which a node says why it doesn't start on the data of another."""
    address = f"127.0.0.1:{free_ports(1)[0]}"
    lines = failed_start(
        node.directory,
        "--id",
        "1",
        "--data-dir",
        str(node.directory / "data"),
        "--set",
        f"listener.tcp.external.addr={address}",
        "--set",
        "listener.ws.external.enable=false",
        *arguments,
    )
    assert len(lines) == 1, lines
    return lines[0]


def filled(start_node: StartNode, count: int = 20, *sets: str) -> BrokerProcess:
    """A node that was killed with messages for a session without a connection."""
    node = start_node(*sets)
    off_line(node, "s", ("t", 1))
    publisher = client(node, "p", expiry=0)
    for number in range(count):
        assert publisher.publish("t", b"%d" % number, 1) == 0
    node.kill()
    publisher.close()
    return node


def received(node: BrokerProcess, count: int) -> list[bytes]:
    subscriber = client(node, "s", present=True)
    found = [message.payload for message in subscriber.receive_publishes(count)]
    subscriber.expect_nothing()
    subscriber.close()
    return found


def test_a_second_node_on_the_same_data_is_refused(start_node: StartNode, data: Path) -> None:
    node = start_node()
    line = refused(node)
    assert str(data) in line and "another running node" in line
    client(node, "c").close()
    node.kill()
    node = start_node(before=node)
    assert node.stop() == 0


@pytest.mark.parametrize("missing", [1, 15])
def test_a_torn_tail_is_cut_off_and_told(start_node: StartNode, data: Path, missing: int) -> None:
    node = filled(start_node)
    (path,) = data.glob("journal-*.log")
    content = path.read_bytes()
    path.write_bytes(content + content[16:40] + bytes(missing))  # a record that was begun
    node = start_node(before=node)
    assert f'"the journal\'s torn tail was cut off","bytes":{24 + missing},' in node.log, node.log
    assert received(node, 20) == [b"%d" % number for number in range(20)]


def test_a_torn_last_batch_is_as_if_it_had_never_been(start_node: StartNode, data: Path) -> None:
    node = filled(start_node)
    (path,) = data.glob("journal-*.log")
    content = path.read_bytes()
    while b"19" in content[-40:]:
        content = content[:-1]  # the last message isn't whole any more
    path.write_bytes(content)
    node = start_node(before=node)
    assert "torn tail was cut off" in node.log
    found = received(node, 19)
    assert found == [b"%d" % number for number in range(19)]


def test_a_corrupt_middle_stops_the_start_until_it_is_repaired(start_node: StartNode, data: Path) -> None:
    node = filled(start_node)
    (path,) = data.glob("journal-*.log")
    content = bytearray(path.read_bytes())
    at = content.index(b"\xc4\x0210") + 2
    content[at] ^= 0x40
    path.write_bytes(content)
    line = refused(node)
    assert f"{path}: corrupt at byte " in line and "rmq-node --repair" in line
    offset = int(line.split("corrupt at byte ")[1].split(":")[0])
    assert offset < at < offset + 200
    assert path.read_bytes() == content, "a refused start changes nothing"
    assert refused(node) == line

    node = start_node(before=node, arguments=("--repair",))
    assert "damaged data was set aside" in node.log
    assert path.with_suffix(".damaged").read_bytes() == content
    assert received(node, 10) == [b"%d" % number for number in range(10)]
    off_line(node, "new", ("t", 1))
    node.kill()
    node = start_node(before=node)
    assert "damaged" not in node.log
    client(node, "new", present=True).close()
    assert node.stop() == 0


def test_a_corrupt_snapshot_or_segment_stops_the_start(start_node: StartNode, data: Path) -> None:
    node = start_node("storage.snapshot_after=1MB")
    off_line(node, "s", ("t", 1))
    publisher = client(node, "p", expiry=0)
    sent = 0
    while not list(data.glob("snapshot-*.snap")):
        part = range(sent, sent + 16)
        publisher.send(*[wire.publish("t", bytes(50_000), 1, number + 1) for number in part])
        for _ in part:
            publisher.expect(Puback)
        sent += 16
        assert sent < 2000
    node.kill()
    publisher.close()
    for path in (*data.glob("snapshot-*.snap"), *data.glob("messages-*.seg")):
        content = path.read_bytes()
        path.write_bytes(content[:60] + b"?" + content[61:])
        line = refused(node)
        assert f"{path}: corrupt at byte " in line
        path.write_bytes(content)
    node = start_node(before=node)
    assert len(received(node, sent)) == sent


def test_data_that_cannot_be_read_is_told_in_one_line(start_node: StartNode, data: Path) -> None:
    node = filled(start_node, 1)
    (path,) = data.glob("journal-*.log")
    content = path.read_bytes()
    path.unlink()
    path.mkdir()
    line = refused(node)
    assert str(path) in line
    path.rmdir()
    path.write_bytes(content)
    node = start_node(before=node)
    assert received(node, 1) == [b"0"]
