"""Nodes, figures and plugins, of this node and of all; whoever doesn't answer is named."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import psutil
import pytest

from rmq import __version__
from rmq.management import ManagementService
from rmq.management.errors import (
    BadQuery,
    ClientNotFound,
    NodeNotFound,
    NodeUnreachable,
    PluginNotFound,
)
from rmq.management.models import ClientView, MissingNode, NodePlugins, NodeRef, PluginView
from rmq.management.node.host import HostFigures, read_host
from rmq.management.queries import MAX_LIMIT, ClientQuery, Paging, SubscriptionQuery
from rmq.management.requests import FilterRequest
from rmq.metrics.gauges import Stats
from rmq.metrics.keys import METRICS, stats_snapshot
from rmq.session.session import Session
from tests.support.engine import START
from tests.unit.management.world import FakePlugin, Peers, World


def cluster(*down: int) -> tuple[World, Peers]:
    """Node 1, and nodes 2 and 3 beside it; each has a client of its own and a retained message that all have."""
    peers = Peers([World(2), World(3)], set(down))
    world = World(1, peers)
    for other in (world, *peers.worlds):
        node_id = other.local.ref.node_id
        client = other.engine.connect(f"client-{node_id}")
        client.subscribe(("common", 0), (f"own/{node_id}", 1))
        client.publish("r", b"x", retain=True)
    return world, peers


MISSING = (MissingNode(3, "no answer within 1 s"),)

# A node alone


async def test_what_a_node_is(world: World) -> None:
    world.engine.time += 90
    (info,) = (await world.service.brokers()).answers
    assert info == await world.service.broker(1)
    assert info.node == NodeRef(1, "node-1", running=True)
    assert (info.version, info.started_at, info.uptime_s, info.now) == (__version__, START, 90, START + 90)


async def test_how_a_node_is(world: World) -> None:
    world.engine.connect("a")
    (info,) = (await world.service.nodes()).answers
    assert info.connections == 1
    assert info.memory_total == psutil.virtual_memory().total
    assert info.memory_used + info.memory_free == info.memory_total
    assert 0 < info.disk_free <= info.disk_total
    assert info.boot_time > 0 and info.max_open_files > 0
    assert (await world.service.node(1)).node == info.node


def test_a_disk_that_is_gone_has_no_figures(tmp_path: Path) -> None:
    found = read_host(str(tmp_path / "gone"))
    assert (found.disk_total, found.disk_free) == (0, 0)
    assert found.memory_total > 0
    assert {field.name for field in fields(HostFigures)} >= {"load1", "load5", "load15"}


async def test_nobody_else_is_there(world: World) -> None:
    service = world.service
    for call in (service.broker(2), service.node(2), service.stats_of(2), service.metrics_of(2), service.plugins_of(2)):
        with pytest.raises(NodeNotFound, match="2"):
            await call


async def test_the_gauges_and_counters_of_a_node(world: World) -> None:
    engine = world.engine
    engine.connect("off", expiry=100).disconnect()
    client = engine.connect("a", expiry=100)
    client.subscribe(("t", 1), ("$share/g/u", 0))
    engine.connect("p").publish("t", b"", 1)
    stats = await world.service.stats_of(1)
    assert stats.nodes == (NodeRef(1, "node-1"),) and stats.missing == ()
    expected = {"connections": 2, "sessions": 3, "subscriptions": 2, "subscriptions_shared": 1, "out_inflights": 1}
    assert {name: stats.values[f"{name}.count"] for name in expected} == expected
    assert set(stats.values) == set(stats_snapshot(Stats()))
    metrics = await world.service.metrics_of(1)
    assert metrics.values["client.connected"] == 3
    assert set(metrics.values) == {metric.name for metric in METRICS}
    assert (await world.service.stats_sum()).values == stats.values
    assert (await world.service.metrics_sum()).values == metrics.values


async def test_the_gauges_of_many_sessions_are_counted_now(world: World) -> None:
    sessions = world.broker.state.sessions
    for number in range(10_000):
        name = f"c{number}"
        session = Session(name, True)
        session.add_inbound_qos2(1)
        sessions[name] = session
    assert (await world.service.stats_of(1)).values["in_inflights.count"] == 10_000
    world.broker.refresh_stats()  # leaves a round under way, which must not be the one that is answered
    for session in sessions.values():
        session.add_inbound_qos2(2)
    assert (await world.service.stats_of(1)).values["in_inflights.count"] == 20_000


async def test_plugins(world: World) -> None:
    service = world.service
    first = PluginView("rmq-a", "1.0.0", "pretends", True, True, False, None, "")
    second = PluginView("rmq-b", None, None, False, True, False, None, "")
    assert (await service.plugins()).answers == (NodePlugins(NodeRef(1, "node-1"), (first, second)),)
    assert (await service.plugins_of(1)).plugins == (first, second)
    assert await service.plugin(1, "rmq-a") == first
    assert await service.plugin_config(1, "rmq-a") == {"of": "rmq-a"}
    assert [await service.load_plugin(1, "rmq-a"), await service.load_plugin(1, "rmq-b")] == [False, True]
    assert [await service.unload_plugin(1, "rmq-a"), await service.unload_plugin(1, "rmq-b")] == [True, False]
    await service.reload_plugin(1, "rmq-a")
    assert world.plugins.done == ["load rmq-a", "load rmq-b", "unload rmq-a", "unload rmq-b", "reload rmq-a"]
    for call in (service.plugin(1, "none"), service.plugin_config(1, "none"), service.load_plugin(1, "none")):
        with pytest.raises(PluginNotFound, match="none"):
            await call
    world.plugins.known["rmq-c"] = FakePlugin("rmq-c", attrs={"n": 1}, failure="no licence", active=False)
    failed = await service.plugin(1, "rmq-c")
    assert (failed.attrs, failed.failure, failed.active) == ({"n": 1}, "no licence", False)


# Several nodes


async def test_every_node_answers_or_is_named() -> None:
    world, _ = cluster(3)
    for gathered in (await world.service.brokers(), await world.service.nodes()):
        assert [info.node.node_id for info in gathered.answers] == [1, 2]
        assert gathered.missing == MISSING
    assert (await world.service.plugins()).missing == MISSING
    assert (await world.service.stats()).missing == MISSING
    assert (await world.service.metrics()).missing == MISSING
    assert (await world.service.stats_sum()).missing == MISSING
    assert (await world.service.metrics_sum()).missing == MISSING
    assert (await world.service.clients()).missing == MISSING
    assert (await world.service.subscriptions()).missing == MISSING
    assert (await world.service.broker(2)).node.name == "node-2"
    with pytest.raises(NodeUnreachable, match="node 3"):
        await world.service.broker(3)
    with pytest.raises(NodeNotFound):
        await world.service.broker(4)


async def test_sums_add_what_is_each_node_s_and_take_once_what_all_have() -> None:
    world, _ = cluster()
    stats = await world.service.stats_sum()
    assert [node.node_id for node in stats.nodes] == [1, 2, 3]
    assert (stats.values["connections.count"], stats.values["connections.max"]) == (3, 3)
    assert stats.values["subscriptions.count"] == 6
    for name in ("retained.count", "retained.max", "retaineds.count", "retaineds.max"):
        assert stats.values[name] == 1
    assert stats.values["topics.count"] == stats.values["routes.count"] == 2
    metrics = await world.service.metrics_sum()
    assert metrics.values["client.connected"] == 3 and metrics.values["messages.retained"] == 3


async def test_pages_over_several_nodes() -> None:
    world, _ = cluster()
    service = world.service

    def names(found: tuple[ClientView, ...]) -> list[str]:
        return [f"{client.client_id} on {client.node_id}" for client in found]

    everyone = ["client-1 on 1", "client-2 on 2", "client-3 on 3"]
    page = await service.clients(paging=Paging(with_total=True))
    assert (names(page.items), page.total, page.has_more) == (everyone, 3, False)
    page = await service.clients(paging=Paging(1, 1, with_total=True))
    assert (names(page.items), page.total, page.has_more) == (everyone[1:2], 3, True)
    page = await service.clients(paging=Paging(5, 2))
    assert (names(page.items), page.total, page.has_more) == (everyone[2:], None, False)
    found: list[str] = []
    after: str | None = ""
    while after is not None:
        page = await service.clients(paging=Paging(1, after=after))
        found += names(page.items)
        after = page.cursor
    assert found == everyone
    assert len((await service.sessions(paging=Paging(2))).items) == 2
    assert (await service.subscriptions(SubscriptionQuery(qos=1), Paging(2, after=""))).items[1].client_id == "client-2"
    with pytest.raises(BadQuery, match="offset"):
        await service.clients(paging=Paging(10, MAX_LIMIT))


async def test_a_client_of_another_node_is_found_and_changed_there() -> None:
    world, peers = cluster()
    service = world.service
    assert (await service.client("client-3")).node_id == 3
    assert await service.is_online("client-3")
    (outcome,) = await service.subscribe("client-3", (FilterRequest("new"),))
    assert outcome.topic_filter == "new" and not outcome.refused
    assert [found.topic_filter for found in await service.client_subscriptions("client-3")][-1] == "new"
    await service.unsubscribe("client-3", ("new",))
    assert (await service.session("client-3")).subscriptions == 2
    assert (await service.kick("client-3")).node_id == 3
    assert not peers.worlds[1].engine.has_session("client-3")
    with pytest.raises(ClientNotFound):
        await service.client("client-3")
    asked = peers.asked
    await service.kick("client-1")
    assert peers.asked == asked


async def test_a_client_that_may_be_on_a_node_that_is_down_isnt_called_unknown() -> None:
    world, _ = cluster(3)
    with pytest.raises(NodeUnreachable, match="node 3"):
        await world.service.client("client-3")
    with pytest.raises(NodeUnreachable):
        await world.service.is_online("client-3")


async def test_the_node_with_the_connection_speaks_for_a_client() -> None:
    world, peers = cluster()
    world.engine.connect("moved", expiry=100).disconnect()
    peers.worlds[0].engine.connect("moved", expiry=100)
    assert ((await world.service.client("moved")).node_id, await world.service.is_online("moved")) == (2, True)
    assert (await world.service.session("moved")).node_id == 2


async def test_off_line_sessions_are_discarded_everywhere() -> None:
    world, peers = cluster()
    for other in (world, peers.worlds[1]):
        other.engine.connect(f"off-{other.local.ref.node_id}", expiry=100).disconnect()
    assert (await world.service.discard_offline(ClientQuery(connected=False))).answers == (1, 0, 1)


async def test_plugins_of_another_node() -> None:
    world, peers = cluster()
    assert await world.service.unload_plugin(2, "rmq-a")
    assert (world.plugins.done, peers.worlds[0].plugins.done) == ([], ["unload rmq-a"])
    assert (await world.service.plugin(2, "rmq-b")).name == "rmq-b"


def test_a_service_without_peers_is_alone() -> None:
    world = World()
    assert ManagementService(world.local, world.passwords).local is world.local
