"""How a node ends: in time and with the right exit code, under load, with plugins that hang, and when told twice."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from tests.integration.node.watched_node import WatchedNode, install_plugin
from tests.support import wire
from tests.support.client import Client
from tests.support.wire_parser import Disconnect, Publish

pytestmark = pytest.mark.realtime

HANGING = """
import time
import trio
from rmq.plugin_api import Plugin, PluginConfig


class Hanging(Plugin[PluginConfig]):
    name = "rmq-hanging"

    async def stop(self) -> None:
        WAY


async def in_vain() -> None:
    with trio.CancelScope(shield=True):
        await trio.sleep(60)
"""

StartNode = Callable[..., WatchedNode]


@pytest.fixture
def start_node(tmp_path: Path) -> Iterator[StartNode]:
    """Starts nodes, and ends what is left of them with the test."""
    started: list[WatchedNode] = []

    def start(*sets: str, plugins: Path | Sequence[Path] = (), port: int = 0) -> WatchedNode:
        started.append(WatchedNode(tmp_path, *sets, plugins=plugins, port=port))
        return started[-1]

    yield start
    for node in started:
        node.kill()


def connected(node: WatchedNode, client_id: str) -> Client:
    client = Client(node.address, client_id)
    client.connect()
    return client


def until_the_end(client: Client) -> int:
    """Read everything up to the DISCONNECT; its reason code."""
    while True:
        packet = client.receive()
        if isinstance(packet, Disconnect):
            return packet.code
        assert isinstance(packet, Publish), packet


def test_under_load_it_ends_in_time_and_everybody_is_told(start_node: StartNode) -> None:
    node = start_node()
    subscribers = [connected(node, f"s{number}") for number in range(3)]
    for subscriber in subscribers:
        subscriber.subscribe("load/#")
    publishers = [connected(node, f"p{number}") for number in range(3)]
    ends: list[int] = []
    flowing = threading.Barrier(len(publishers) + 1)

    def publish(client: Client) -> None:
        packet = wire.publish("load/x", bytes(200))
        try:
            for number in range(1_000_000):
                client.send(packet * 20)
                if number == 20:
                    flowing.wait(20)
        except OSError:
            return  # the node is gone

    def read(client: Client) -> None:
        ends.append(until_the_end(client))

    threads = [threading.Thread(target=publish, args=[client]) for client in publishers]
    threads += [threading.Thread(target=read, args=[client]) for client in subscribers]
    for thread in threads:
        thread.start()
    flowing.wait(20)
    begun = time.monotonic()
    assert node.stop() == 0
    assert time.monotonic() - begun < 10
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()
    for client in (*publishers, *subscribers):
        client.close()
    assert ends == [0x8B] * len(subscribers)
    assert not [line for line in node.lines if "Traceback" in line]


def test_a_second_signal_ends_it_at_once(start_node: StartNode) -> None:
    node = start_node()
    stuck, other = connected(node, "stuck"), connected(node, "other")
    stuck.subscribe("t")
    for _ in range(100):
        other.send(wire.publish("t", bytes(100_000)))  # more than the kernel takes for one that doesn't read
    other.drain()
    node.signal(signal.SIGTERM)
    assert until_the_end(other) == 0x8B  # from now on it waits for the stuck one
    node.signal(signal.SIGINT)
    assert node.wait(20) == 128 + signal.SIGINT
    stuck.close()
    other.close()


@pytest.mark.parametrize(
    ("way", "code"),
    [("await trio.sleep(60)", 0), ("time.sleep(60)", 1), ("self.host.spawn(in_vain)", 1)],
)
def test_a_plugin_that_hangs_does_not_hold_it(start_node: StartNode, tmp_path: Path, way: str, code: int) -> None:
    install_plugin(tmp_path / "site", "rmq-hanging", "hanging", "Hanging", HANGING.replace("WAY", way))
    startups = 'plugins.default_startups=["rmq-hanging"]'
    node = start_node("node.shutdown_timeout=1s", startups, plugins=tmp_path / "site")
    begun = time.monotonic()
    assert node.stop() == code
    assert time.monotonic() - begun < 20, "it was to hang for a minute"
    assert ("rmq-node: not stopped after 1 s, leaving all the same" in node.lines) == (code == 1)


def test_a_plugin_hears_of_the_last_client_before_it_stops(start_node: StartNode, tmp_path: Path) -> None:
    source = """
import trio
from rmq.plugin_api import ClientInfo, Plugin, PluginConfig


class Last(Plugin[PluginConfig]):
    name = "rmq-last"

    async def start(self) -> None:
        self.host.on("client_disconnected", self.gone)

    async def gone(self, client: ClientInfo, reason_code: int, text: str) -> None:
        await trio.sleep(0.01)
        self.host.logger.info("heard", gone=client.client_id)

    async def stop(self) -> None:
        self.host.logger.info("stopped")
"""
    install_plugin(tmp_path / "site", "rmq-last", "last", "Last", source)
    node = start_node('plugins.default_startups=["rmq-last"]', plugins=tmp_path / "site")
    clients = [connected(node, f"c{number}") for number in range(5)]
    node.signal(signal.SIGTERM)
    for client in clients:
        assert until_the_end(client) == 0x8B
        client.close()
    assert node.wait() == 0
    told = [line for line in node.lines if '"rmq-last"' in line]
    assert sum('"heard"' in line for line in told) == 5
    assert '"stopped"' in told[-1]


def test_it_can_be_started_again_at_once(start_node: StartNode) -> None:
    node = start_node()
    port = node.address[1]
    for number in range(2):
        client = connected(node, f"c{number}")
        node.signal(signal.SIGTERM)
        assert until_the_end(client) == 0x8B
        client.close()
        assert node.wait() == 0
        node = start_node(port=port)
    assert node.stop() == 0
