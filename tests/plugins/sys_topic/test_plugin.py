"""rmq-sys-topic without a node: what it publishes, when, and for whom."""

import orjson
import pytest
import trio
from rmq_plugins.sys_topic import SysTopicPlugin
from rmq_plugins.sys_topic.classic import COUNTERS, GAUGES, scalars
from rmq_plugins.sys_topic.config import SysTopicConfig
from trio.testing import MockClock, wait_all_tasks_blocked

from rmq.hooks import chains
from rmq.metrics.counters import Counters
from rmq.metrics.gauges import Stats
from rmq.metrics.keys import metrics_snapshot, stats_snapshot
from rmq.plugin_api import FROM_SYSTEM, ClientInfo, Message, Subscription
from rmq.session.session import Session
from tests.support.plugins import PluginBench


def client(client_id: str = "c1", username: str | None = "u1") -> ClientInfo:
    info = ClientInfo(7, client_id, username, 5, "192.0.2.7", 50_000, "tcp.external", 1883)
    info.keepalive = 60
    info.clean_start = False
    info.connected_at = 1_700_000_000.25
    return info


async def start(bench: PluginBench, **keys: object) -> SysTopicPlugin:
    plugin = SysTopicPlugin(SysTopicConfig.model_validate(keys), bench.host("rmq-sys-topic"))
    await plugin.start()
    return plugin


async def start_and_forget_figures(bench: PluginBench, **keys: object) -> None:
    """Start, and look at events only."""
    await start(bench, **keys)
    await wait_all_tasks_blocked()
    bench.published.clear()


def body(message: Message) -> dict[str, object]:
    parsed = orjson.loads(message.payload)
    assert isinstance(parsed, dict)
    return parsed


async def test_the_figures_come_at_once_and_then_in_intervals(plugin_bench: PluginBench, mock_clock: MockClock) -> None:
    await start(plugin_bench)
    await wait_all_tasks_blocked()
    stats, metrics = plugin_bench.published
    assert (stats.topic, body(stats)) == ("$SYS/brokers/7/stats", {"connections.count": 3})
    assert (metrics.topic, body(metrics)) == ("$SYS/brokers/7/metrics", {"messages.publish": 4})
    for message in (stats, metrics):
        assert (message.qos, message.retain, message.origin) == (1, True, FROM_SYSTEM)
        assert message.expires_at == plugin_bench.now + 300
    mock_clock.jump(9.9)
    await wait_all_tasks_blocked()
    assert len(plugin_bench.published) == 2
    mock_clock.jump(0.2)
    await wait_all_tasks_blocked()
    assert len(plugin_bench.published) == 4


async def test_qos_retain_expiry_and_interval_are_what_is_configured(
    plugin_bench: PluginBench, mock_clock: MockClock
) -> None:
    await start(
        plugin_bench,
        publish_qos=0,
        publish_interval="1s",
        message_retain_available=False,
        message_expiry_interval="0s",
    )
    await wait_all_tasks_blocked()
    mock_clock.jump(1.0)
    await wait_all_tasks_blocked()
    assert len(plugin_bench.published) == 4
    for message in plugin_bench.published:
        assert (message.qos, message.retain, message.expires_at) == (0, False, 0.0)


async def test_another_configuration_holds_at_once(plugin_bench: PluginBench, mock_clock: MockClock) -> None:
    plugin = await start(plugin_bench, publish_interval="1h")
    await wait_all_tasks_blocked()
    plugin_bench.published.clear()
    await plugin.reload(SysTopicConfig.model_validate({"publish_interval": "2s", "publish_qos": 0}))
    await wait_all_tasks_blocked()
    assert [message.qos for message in plugin_bench.published] == [0, 0]
    mock_clock.jump(2)
    await wait_all_tasks_blocked()
    assert len(plugin_bench.published) == 4


async def test_the_coming_and_going_of_a_client(plugin_bench: PluginBench, mock_clock: MockClock) -> None:
    await start_and_forget_figures(plugin_bench)
    plugin_bench.now = 1_700_000_001.5
    info = client()
    session = Session("c1", False)
    subscription = Subscription(session, "$share/g/a/#", "a/#", "g", 1, False, False, 0, 0)
    below = "$SYS/brokers/7/"
    topics = ["clients/c1/connected", "clients/c1/disconnected"]
    topics += [f"session/c1/{what}" for what in ("created", "subscribed", "unsubscribed", "terminated")]
    plugin_bench.subscribed.update(below + topic for topic in topics)
    chains.session_created(plugin_bench.chains, info)
    chains.client_connected(plugin_bench.chains, info)
    chains.session_subscribed(plugin_bench.chains, info, subscription)
    chains.session_unsubscribed(plugin_bench.chains, info, subscription)
    chains.client_disconnected(plugin_bench.chains, info, 0x8D, "keep alive timeout")
    chains.session_terminated(plugin_bench.chains, "c1", 0x8D)
    told = {message.topic.removeprefix(below): body(message) for message in plugin_bench.published}
    when = {"node": 7, "time": "2023-11-14 22:13:21.500"}
    who = when | {"clientid": "c1", "username": "u1", "ipaddress": "192.0.2.7:50000"}
    assert told == {
        "session/c1/created": who | {"created_at": 1_700_000_000_250},
        "clients/c1/connected": who
        | {"keepalive": 60, "proto_ver": 5, "clean_start": False, "connected_at": 1_700_000_000_250},
        "session/c1/subscribed": who | {"topic": "$share/g/a/#", "opts": {"qos": 1}},
        "session/c1/unsubscribed": who | {"topic": "$share/g/a/#"},
        "clients/c1/disconnected": who | {"reason": "keep alive timeout", "disconnected_at": 1_700_000_001_500},
        "session/c1/terminated": when | {"clientid": "c1", "reason": 0x8D},
    }
    assert list(told) == [
        "session/c1/created",
        "clients/c1/connected",
        "session/c1/subscribed",
        "session/c1/unsubscribed",
        "clients/c1/disconnected",
        "session/c1/terminated",
    ]
    for message in plugin_bench.published:
        assert (message.qos, message.retain, message.origin) == (1, False, FROM_SYSTEM)
    assert plugin_bench.counters.hook_errors == 0


async def test_an_event_that_nobody_would_get_is_not_made(plugin_bench: PluginBench, mock_clock: MockClock) -> None:
    await start_and_forget_figures(plugin_bench)
    plugin_bench.subscribed.add("$SYS/brokers/7/clients/c2/connected")
    chains.client_connected(plugin_bench.chains, client("c1"))
    assert plugin_bench.published == []
    chains.client_connected(plugin_bench.chains, client("c2"))
    assert len(plugin_bench.published) == 1


@pytest.mark.parametrize(("client_id", "level"), [("a/b", "a_b"), ("+", "_"), ("#x#", "_x_"), ("grün $", "grün $")])
async def test_a_client_id_is_one_level_of_the_topic_and_whole_in_the_body(
    plugin_bench: PluginBench, mock_clock: MockClock, client_id: str, level: str
) -> None:
    await start_and_forget_figures(plugin_bench)
    plugin_bench.subscribed.add(f"$SYS/brokers/7/clients/{level}/connected")
    chains.client_connected(plugin_bench.chains, client(client_id, None))
    (message,) = plugin_bench.published
    assert (body(message)["clientid"], body(message)["username"]) == (client_id, "undefined")


async def test_a_client_id_too_long_for_a_topic_is_no_error(plugin_bench: PluginBench, mock_clock: MockClock) -> None:
    await start_and_forget_figures(plugin_bench)
    client_id = "x" * 65_535
    plugin_bench.subscribed.add(f"$SYS/brokers/7/clients/{client_id}/connected")
    chains.client_connected(plugin_bench.chains, client(client_id))
    assert plugin_bench.published == []
    assert plugin_bench.counters.hook_errors == 0


async def test_nothing_is_left_when_its_tasks_and_hooks_are_gone(mock_clock: MockClock) -> None:
    async with trio.open_nursery() as nursery:
        bench = PluginBench(nursery)
        await start_and_forget_figures(bench)
        bench.registry.unregister_plugin("rmq-sys-topic")
        nursery.cancel_scope.cancel()
    bench.subscribed.add("$SYS/brokers/7/clients/c1/connected")
    chains.client_connected(bench.chains, client())
    assert bench.published == []


async def test_the_classic_topics_have_one_number_each(plugin_bench: PluginBench, mock_clock: MockClock) -> None:
    await start(plugin_bench, classic_topics=True)
    await wait_all_tasks_blocked()
    plugin_bench.published.clear()
    plugin_bench.now += 12.5
    mock_clock.jump(10.1)
    await wait_all_tasks_blocked()
    said = {message.topic.removeprefix("$SYS/broker/"): message.payload for message in plugin_bench.published}
    assert said["clients/connected"] == b"3" and said["uptime"] == b"12 seconds"
    assert said["version"].startswith(b"rmq version ")
    assert all(message.retain and message.origin == FROM_SYSTEM for message in plugin_bench.published)


def test_every_classic_topic_shows_a_figure_that_there_is() -> None:
    counters = Counters()
    stats, metrics = stats_snapshot(Stats()), metrics_snapshot(counters)
    assert set(GAUGES.values()) <= stats.keys() and set(COUNTERS.values()) <= metrics.keys()
    metrics |= {"packets.publish.received": 5, "packets.pingreq.received": 2, "packets.puback.sent": 3}
    said = scalars("1", 0, stats | {"sessions.count": 5, "connections.count": 3}, metrics)
    assert (said["messages/received"], said["messages/sent"]) == ("7", "3")
    assert (said["clients/total"], said["clients/disconnected"]) == ("5", "2")
