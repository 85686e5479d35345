"""What a plugin can do with its node."""

import pytest

from rmq.hooks import chains
from rmq.hooks.verdicts import DENY_ONCE
from rmq.plugin_api import ALLOW, DENY, FROM_BRIDGE, FROM_CLIENT, FROM_SYSTEM, ClientInfo
from tests.support.plugins import PluginBench

CLIENT = ClientInfo(7, "c", None, 5, "192.0.2.1", 1, "tcp.external", 1883)


async def test_it_knows_the_node_its_time_and_its_figures(plugin_bench: PluginBench) -> None:
    host = plugin_bench.host("p")
    assert (host.node_id, host.node_name, host.now()) == (7, "7@here", 1000.0)
    plugin_bench.now = 1001.5
    assert host.now() == 1001.5
    assert host.stats() == {"connections.count": 3}
    assert host.metrics() == {"messages.publish": 4}


async def test_a_message_is_the_systems_and_lasts_unless_said_otherwise(plugin_bench: PluginBench) -> None:
    assert plugin_bench.host("p").publish("a/b", b"x") == 1
    (message,) = plugin_bench.published
    assert (message.topic, message.payload, message.qos, message.retain) == ("a/b", b"x", 0, False)
    assert (message.publisher, message.created_at, message.expires_at) == ("", 1000.0, 0.0)
    assert message.origin == FROM_SYSTEM


async def test_a_message_is_what_was_asked_for(plugin_bench: PluginBench) -> None:
    host = plugin_bench.host("p")
    assert host.publish("a", b"", 2, True, 30, FROM_BRIDGE) == 1
    assert host.publish("a", b"", origin=FROM_CLIENT) == 2
    first, second = plugin_bench.published
    assert (first.qos, first.retain, first.expires_at, first.origin) == (2, True, 1030.0, FROM_BRIDGE)
    assert second.origin == FROM_CLIENT


@pytest.mark.parametrize(
    ("topic", "qos", "origin", "problem"),
    [
        ("a/#", 0, FROM_SYSTEM, "isn't a topic name"),
        ("", 0, FROM_SYSTEM, "isn't a topic name"),
        ("a", 3, FROM_SYSTEM, "QoS must be 0, 1 or 2"),
        ("a", 0, 99, "not 99"),
    ],
)
async def test_a_message_that_cannot_be_is_refused(
    plugin_bench: PluginBench, topic: str, qos: int, origin: int, problem: str
) -> None:
    with pytest.raises(ValueError, match=problem):
        plugin_bench.host("p").publish(topic, b"", qos, origin=origin)
    assert not plugin_bench.published


async def test_it_can_ask_whether_anybody_listens(plugin_bench: PluginBench) -> None:
    plugin_bench.subscribed.add("a")
    host = plugin_bench.host("p")
    assert host.has_subscribers("a")
    assert not host.has_subscribers("b")


async def test_handlers_are_registered_with_their_priority(plugin_bench: PluginBench) -> None:
    plugin_bench.host("low").on("client_subscribe_check_acl", lambda client, topic_filter, qos: DENY)
    plugin_bench.host("high").on("client_subscribe_check_acl", lambda client, topic_filter, qos: ALLOW, priority=1)
    assert chains.client_subscribe_check_acl(plugin_bench.chains, CLIENT, "a", 0) == ALLOW


@pytest.mark.parametrize("deny_on_error", [True, False])
async def test_a_handler_that_fails_denies_unless_said_otherwise(
    plugin_bench: PluginBench, deny_on_error: bool
) -> None:
    def fail(client: ClientInfo, topic_filter: str, qos: int) -> int:
        raise RuntimeError("bug")

    plugin_bench.host("p").on("client_subscribe_check_acl", fail, 1, deny_on_error)
    plugin_bench.host("q").on("client_subscribe_check_acl", lambda client, topic_filter, qos: ALLOW)
    verdict = chains.client_subscribe_check_acl(plugin_bench.chains, CLIENT, "a", 0)
    assert verdict == (DENY_ONCE if deny_on_error else ALLOW)


async def test_a_point_that_does_not_exist_is_refused(plugin_bench: PluginBench) -> None:
    with pytest.raises(ValueError, match="client_conected"):
        plugin_bench.host("p").on("client_conected", lambda client: None)
