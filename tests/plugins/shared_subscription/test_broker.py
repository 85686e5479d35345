"""rmq-shared-subscription in a running node: which member gets a message, as clients see it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.client import Client
from tests.support.plugin_node import PluginNode

pytestmark = pytest.mark.realtime

NewClient = Callable[..., Client]
NAME = "rmq-shared-subscription"
TOPICS = [f"t/{number}" for number in range(16)]


@pytest.fixture
def node(tmp_path: Path) -> Iterator[PluginNode]:
    made = PluginNode(
        tmp_path, files={NAME: 'strategy = "hash_topic"\n'}, sets=("mqtt.shared_subscription_strategy=round_robin",)
    )
    yield made
    made.stop()


def members(node: PluginNode, new_client: NewClient, count: int) -> list[Client]:
    made = [new_client(node.address, f"member-{number}") for number in range(count)]
    for member in made:
        member.connect()
        member.subscribe(("$share/g/t/#", 1))
    return made


def who_gets(group: list[Client], publisher: Client, topics: list[str]) -> list[int]:
    """The member of each message; a PUBACK means that it was sent to one."""
    found: dict[bytes, int] = {}
    for number, topic in enumerate(topics):
        publisher.publish(topic, str(number).encode(), 1)
    for place, member in enumerate(group):
        publisher.publish(f"end/{place}", b"end", 1)
        while (message := member.receive_publish()).topic != f"end/{place}":
            assert message.payload not in found, "one message went to two members"
            found[message.payload] = place
    return [found[str(number).encode()] for number in range(len(topics))]


@pytest.fixture
def group(node: PluginNode, new_client: NewClient) -> list[Client]:
    made = members(node, new_client, 3)
    for place, member in enumerate(made):
        member.subscribe((f"end/{place}", 0))
    return made


@pytest.fixture
def publisher(node: PluginNode, new_client: NewClient) -> Client:
    made = new_client(node.address, "publisher")
    made.connect()
    return made


def test_it_is_loaded_reloaded_and_unloaded_while_messages_come(
    node: PluginNode, group: list[Client], publisher: Client
) -> None:
    first = who_gets(group, publisher, ["t/1"] * 6)
    assert first[:3] == first[3:] and set(first) == {0, 1, 2}, "round robin, as the node has it"
    node.load(NAME)
    of_topics = who_gets(group, publisher, TOPICS)
    assert who_gets(group, publisher, TOPICS) == of_topics and set(of_topics) == {0, 1, 2}
    attrs = node.plugin(NAME)["attrs"]
    assert (attrs["strategy"], attrs["subscriptions"]) == ("hash_topic", 3)
    node.write(NAME, 'strategy = "hash_clientid"\n')
    assert node.reload(NAME).status_code == 200
    assert len(set(who_gets(group, publisher, TOPICS))) == 1
    node.write(NAME, 'strategy = "fair"\n')
    refused = node.reload(NAME)
    assert refused.status_code == 409 and "strategy" in refused.text
    assert len(set(who_gets(group, publisher, TOPICS))) == 1, "the old one stays"
    node.unload(NAME)
    assert sorted(who_gets(group, publisher, ["t/1"] * 6)) == [0, 0, 1, 1, 2, 2]


def test_sticky_gives_another_member_when_the_one_is_gone(
    node: PluginNode, group: list[Client], publisher: Client
) -> None:
    node.write(NAME, 'strategy = "sticky"\nsticky_cache_size = 4\n')
    node.load(NAME)
    (stuck,) = set(who_gets(group, publisher, TOPICS))
    leaving = group.pop(stuck)
    leaving.unsubscribe("$share/g/t/#")
    leaving.disconnect()
    for place, member in enumerate(group):
        member.subscribe((f"end/{place}", 0))
    (next_one,) = set(who_gets(group, publisher, TOPICS))
    assert set(who_gets(group, publisher, TOPICS)) == {next_one}
