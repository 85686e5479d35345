"""rmq-retainer in a running node: what is retained, as clients see it, and how that is changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.client import Client
from tests.support.plugin_node import PluginNode
from tests.support.wire_parser import Publish

pytestmark = pytest.mark.realtime

NewClient = Callable[..., Client]
NAME = "rmq-retainer"
RMQTTS = 'storage.type = "sled"\nmax_retained_messages = 2\nmax_payload_size = 8\nretained_message_ttl = "0m"\n'


@pytest.fixture
def node(tmp_path: Path) -> Iterator[PluginNode]:
    made = PluginNode(
        tmp_path, (NAME,), {NAME: RMQTTS}, ("retain.max_retained_messages=4", "retain.max_payload_size=4")
    )
    yield made
    made.stop()


@pytest.fixture
def publisher(node: PluginNode, new_client: NewClient) -> Client:
    made = new_client(node.address, "publisher")
    made.connect()
    return made


def retained(node: PluginNode, new_client: NewClient) -> dict[str, bytes]:
    """What a new subscriber gets."""
    client = new_client(node.address, "reader")
    client.connect()
    client.subscribe("r/#")
    messages = [packet for packet in client.drain() if isinstance(packet, Publish)]
    client.close()
    assert all(message.retain for message in messages)
    return {message.topic: message.payload for message in messages}


def retain(publisher: Client, *messages: tuple[str, bytes]) -> None:
    for topic, payload in messages:
        publisher.publish(topic, payload, 1, retain=True)


def test_a_file_of_rmqtt_is_taken_and_its_limits_hold(
    node: PluginNode, publisher: Client, new_client: NewClient
) -> None:
    assert "keys without effect" in node.log and "storage.type" in node.log
    watcher = new_client(node.address, "watcher")
    watcher.connect()
    watcher.subscribe(("r/#", 1))
    retain(publisher, ("r/large", b"123456789"), ("r/1", b"12345678"), ("r/2", b"a"), ("r/3", b"a"), ("r/2", b"b"))
    assert len(watcher.receive_publishes(5)) == 5, "all are delivered"
    assert retained(node, new_client) == {"r/1": b"12345678", "r/2": b"b"}
    attrs = node.plugin(NAME)["attrs"]
    assert (attrs["retained"], attrs["refused"], attrs["expired"], attrs["storage"]) == (2, 2, 0, "engine")


def test_it_is_reloaded_unloaded_and_loaded(node: PluginNode, publisher: Client, new_client: NewClient) -> None:
    retain(publisher, ("r/1", b"a"), ("r/2", b"a"))
    node.write(NAME, "max_retained_messages = 1\nmax_payload_size = 8\n")
    assert node.reload(NAME).status_code == 200
    retain(publisher, ("r/3", b"a"), ("r/1", b"b"))
    assert retained(node, new_client) == {"r/1": b"b", "r/2": b"a"}, "what is there stays, and can be replaced"
    node.write(NAME, 'max_payload_size = "much"\n')
    refused = node.reload(NAME)
    assert refused.status_code == 409 and "max_payload_size" in refused.text
    retain(publisher, ("r/3", b"a"))
    assert len(retained(node, new_client)) == 2, "the old limits hold"
    node.unload(NAME)
    retain(publisher, ("r/3", b"a"), ("r/4", b"a"), ("r/5", b"a"), ("r/1", b"12345"))
    assert retained(node, new_client) == {"r/1": b"b", "r/2": b"a", "r/3": b"a", "r/4": b"a"}, "as [retain] has it"
    node.write(NAME, 'retained_message_ttl = "1s"\n')
    node.load(NAME)
    retain(publisher, ("r/1", b"soon over"), ("r/5", b"too"))
    while node.plugin(NAME)["attrs"]["expired"] < 2:  # each question is answered by the node: no sleeping
        assert node.ask("GET", "/api/v1/health/check").status_code == 200
    assert retained(node, new_client).keys() == {"r/2", "r/3", "r/4"}


def test_its_limits_hold_from_the_first_message_after_a_restart(
    node: PluginNode, publisher: Client, new_client: NewClient
) -> None:
    retain(publisher, ("r/1", b"a"), ("r/2", b"a"))
    node.process.kill()
    node.start_again()
    again = new_client(node.address, "again")
    again.connect()
    retain(again, ("r/3", b"a"))
    assert retained(node, new_client).keys() == {"r/1", "r/2"}
