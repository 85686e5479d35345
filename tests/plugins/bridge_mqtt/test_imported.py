"""mosquitto's own bridge, and the one that rmq-ctl import makes of it: clients on both sides see the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from rmq.migration import read, write
from tests.plugins.bridge_mqtt.conftest import Mosquitto, await_subscriber
from tests.support.broker_process import BrokerProcess, free_ports
from tests.support.client import Client

pytestmark = pytest.mark.realtime

CONNECTION = """
connection plant 7
address 127.0.0.1:{port}
bridge_protocol_version mqttv50
keepalive_interval 30
restart_timeout 1
notifications false
topic # both 1 l/x/ r/
topic plain/+ out 2
topic "" out 0 here there
topic down/# in 2 "" from/above/
topic "" in 1 one other
"""


class Bridged(Mosquitto):
    """A mosquitto that is connected to another one."""

    def __init__(self, directory: Path, port: int, remote: Mosquitto) -> None:
        super().__init__(directory, port)
        self.file = directory / "mosquitto.conf"
        with self.file.open("a") as file:
            file.write(CONNECTION.format(port=remote.address[1]))


@contextmanager
def imported(bridged: Bridged, directory: Path) -> Iterator[tuple[str, int]]:
    """A node out of the configuration of a mosquitto that doesn't run."""
    found = read("mosquitto", [bridged.file])
    write(found, directory / "rmq", "mosquitto.conf")
    assert not [one for one in found.left if one.what.startswith("connection")]
    node = BrokerProcess(directory, arguments=["--config", str(directory / "rmq/rmq.toml")])
    try:
        yield node.address
    finally:
        node.stop()


@contextmanager
def original(bridged: Bridged, directory: Path) -> Iterator[tuple[str, int]]:
    """That mosquitto itself."""
    bridged.start()
    try:
        yield bridged.address
    finally:
        bridged.kill()


def seen(client: Client, count: int) -> list[tuple[str, bytes, int]]:
    """So many messages, sorted, without probes."""
    found: list[tuple[str, bytes, int]] = []
    while len(found) < count:
        message = client.receive_publish()
        if message.payload != b"probe":
            found.append((message.topic, message.payload, message.qos))
    return sorted(found)


@pytest.mark.parametrize("local", [original, imported])
def test_a_bridge_of_mosquitto(
    local: Callable[[Bridged, Path], AbstractContextManager[tuple[str, int]]],
    make_mosquitto: Callable[..., Mosquitto],
    dial: Callable[..., Client],
    tmp_path: Path,
) -> None:
    remote = make_mosquitto()
    remote.start()
    directory = tmp_path / "local"
    directory.mkdir()
    directory.chmod(0o777)
    with local(Bridged(directory, free_ports(1)[0], remote), directory) as address:
        here, there = dial(address, "here"), dial(remote.address, "there")
        for topic in ("r/probe", "from/above/down/probe", "other"):
            await_subscriber(there, topic)
        for topic in ("l/x/probe", "plain/probe"):
            await_subscriber(here, topic)
        listener_here, listener_there = dial(address, "listener-here"), dial(remote.address, "listener-there")
        for listener in (listener_here, listener_there):
            listener.subscribe(("#", 2))
        here.publish("l/x/a/b", b"1", 2)
        here.publish("plain/a", b"2", 2)
        here.publish("here", b"3", 1)
        here.publish("l/stays", b"-", 1)
        assert seen(listener_there, 3) == [("plain/a", b"2", 2), ("r/a/b", b"1", 1), ("there", b"3", 0)]
        # What the bridge sent and would take back stands before these in every queue.
        there.publish("r/c", b"4", 1)
        there.publish("from/above/down/d", b"5", 2)
        there.publish("other", b"6", 2)
        there.publish("stays", b"-", 1)
        assert seen(listener_here, 7) == [
            ("down/d", b"5", 2),
            ("here", b"3", 1),
            ("l/stays", b"-", 1),
            ("l/x/a/b", b"1", 2),
            ("l/x/c", b"4", 1),
            ("one", b"6", 1),
            ("plain/a", b"2", 2),
        ]
        here.publish("l/x/end", b"7", 1)
        assert seen(listener_there, 5) == [
            ("from/above/down/d", b"5", 2),
            ("other", b"6", 2),
            ("r/c", b"4", 1),
            ("r/end", b"7", 1),
            ("stays", b"-", 1),
        ]
        listener_there.expect_nothing()
        listener_here.receive_publish(b"7")
        listener_here.expect_nothing()
