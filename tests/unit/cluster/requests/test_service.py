"""The management service over three nodes: every call reaches what is elsewhere, counts once, names who is missing."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
import trio
from rmq_cluster.requests import ExchangeOptions, frames
from rmq_cluster.requests.peer_queries import CHANGE_TIMEOUT_S, TIMEOUT_S
from trio.testing import MockClock

from rmq.management.errors import (
    BadQuery,
    ClientNotFound,
    NodeNotFound,
    NodeUnreachable,
    OutcomeUnknown,
    PluginNotFound,
)
from rmq.management.models import MissingNode, RouteView
from rmq.management.peers import AskPlugin, Kick
from rmq.management.queries import ClientQuery, Paging, SubscriptionQuery
from rmq.management.requests import FilterRequest
from rmq.management.service import ManagementService
from tests.unit.cluster.requests.three_nodes import three_nodes

DOWN = MissingNode(3, "is down", "node-3", is_out=True)
SLOW = MissingNode(3, "no answer within 2 s", "node-3", is_out=False)


async def names(service: ManagementService) -> list[str]:
    page = await service.clients(paging=Paging(100, after=""))
    return [f"{client.client_id} on {client.node_id}" for client in page.items]


async def test_nodes_and_their_figures() -> None:
    async with three_nodes() as nodes:
        service = nodes.service
        nodes.connect_everywhere()
        for found in ((await service.brokers()).answers, (await service.nodes()).answers):
            assert [info.node.node_id for info in found] == [1, 2, 3]
        assert (await service.broker(2)).node.name == "node-2"
        assert (await service.node(3)).connections == 1
        assert (await service.stats_of(2)).values["connections.count"] == 1
        assert (await service.metrics_of(3)).nodes[0].node_id == 3
        assert [stats.nodes[0].node_id for stats in (await service.stats()).answers] == [1, 2, 3]
        assert len((await service.metrics()).answers) == 3
        with pytest.raises(NodeNotFound):
            await service.broker(4)


async def test_sums_go_by_the_rule_of_each_figure() -> None:
    async with three_nodes() as nodes:
        nodes.connect_everywhere()
        for world in nodes.worlds.values():
            publisher = world.engine.connect(f"publisher-{world.broker.node_id}")
            publisher.publish("kept", b"x", retain=True)
        stats = await nodes.service.stats_sum()
        assert [node.node_id for node in stats.nodes] == [1, 2, 3]
        assert stats.values["connections.count"] == 6, "each has its own: added up"
        assert stats.values["retained.count"] == 1, "every node has the same: taken once"
        metrics = await nodes.service.metrics_sum()
        assert metrics.values["client.connected"] == 6


async def test_clients_wherever_they_are() -> None:
    async with three_nodes() as nodes:
        service = nodes.service
        nodes.connect_everywhere()
        assert await names(service) == ["client-1 on 1", "client-2 on 2", "client-3 on 3"]
        assert (await service.client("client-3")).node_id == 3
        assert await service.is_online("client-2") and not await service.is_online("nobody")
        assert (await service.session("client-2")).node_id == 2
        with pytest.raises(ClientNotFound):
            await service.session("nobody")
        outcomes = await service.subscribe("client-3", (FilterRequest("new", 1),))
        assert [outcome.refused for outcome in outcomes] == [False]
        found = await service.client_subscriptions("client-3")
        assert {subscription.topic_filter for subscription in found} == {"common", "own/3", "new"}
        await service.unsubscribe("client-3", ("new",))
        assert (await service.client("client-3")).subscriptions == 2
        assert (await service.kick("client-3")).node_id == 3
        with pytest.raises(ClientNotFound):
            await service.client("client-3")
        assert nodes.worlds[2].service.local.client("client-2") is not None


async def test_pages_of_all_nodes_are_one() -> None:
    async with three_nodes() as nodes:
        service = nodes.service
        nodes.connect_everywhere()
        for node_id, world in nodes.worlds.items():
            for number in range(400):  # more than goes in one part
                world.engine.connect(f"many-{number:03}-{node_id}")
        page = await service.clients(ClientQuery(client_id_contains="many"), Paging(2000, with_total=True))
        assert (len(page.items), page.total, page.has_more) == (1200, 1200, False)
        seen: list[str] = []
        after: str | None = ""
        while after is not None:
            page = await service.clients(paging=Paging(500, after=after))
            seen += [client.client_id for client in page.items]
            after = page.cursor
        assert seen == sorted(seen) and len(set(seen)) == len(seen) == 1203
        sessions = await service.sessions(paging=Paging(10, 5, with_total=True))
        assert (len(sessions.items), sessions.total, sessions.has_more) == (10, 1203, True)
        subscriptions = await service.subscriptions(SubscriptionQuery(topic_filter="common"))
        assert sorted(found.node_id for found in subscriptions.items) == [1, 2, 3]


async def test_routes_name_the_nodes_they_lead_to() -> None:
    async with three_nodes() as nodes:
        service = nodes.service
        nodes.connect_everywhere()
        nodes.keep_session("kept", 2)
        expected = [
            ("common", 1),
            ("common", 2),
            ("common", 3),
            ("kept/kept", 2),
            ("own/1", 1),
            ("own/2", 2),
            ("own/3", 3),
        ]
        found: list[tuple[str, int]] = []
        after: str | None = ""
        while after is not None:
            page = await service.routes(Paging(2, after=after))
            found += [(route.topic, route.node_id) for route in page.items]
            after = page.cursor
        assert found == expected
        assert {(r.topic, r.node_id) for r in (await service.routes()).items} == set(expected)
        of_topic = await service.routes_of("common")
        assert of_topic.items == (RouteView("common", 1), RouteView("common", 2), RouteView("common", 3))
        assert (await service.routes_of("kept/kept")).items == (RouteView("kept/kept", 2),)
        with pytest.raises(BadQuery, match="topic"):
            await service.routes_of("a/#")


async def test_plugins_of_any_node() -> None:
    async with three_nodes() as nodes:
        service = nodes.service
        assert [found.node.node_id for found in (await service.plugins()).answers] == [1, 2, 3]
        assert len((await service.plugins_of(2)).plugins) == 2
        assert (await service.plugin(2, "rmq-a")).name == "rmq-a"
        assert await service.plugin_config(2, "rmq-a") == {"of": "rmq-a"}
        assert not await service.load_plugin(2, "rmq-a") and await service.unload_plugin(2, "rmq-a")
        await service.reload_plugin(3, "rmq-a")
        done = [nodes.worlds[node_id].plugins.done for node_id in (1, 2, 3)]
        assert done == [[], ["load rmq-a", "unload rmq-a"], ["reload rmq-a"]]
        with pytest.raises(PluginNotFound, match="'rmq-x'") as caught:
            await service.plugin(3, "rmq-x")
        assert caught.value.plugin == "rmq-x"


async def test_a_session_that_all_nodes_have_is_listed_where_its_home_is() -> None:
    async with three_nodes() as nodes:
        service = nodes.service
        nodes.keep_session("kept", 2)
        assert await names(service) == ["kept on 2"]
        assert (await service.client("kept")).node_id == (await service.session("kept")).node_id == 2
        assert (await service.subscriptions()).items[0].node_id == 2
        assert len((await service.sessions(paging=Paging(with_total=True))).items) == 1
        assert [found.topic_filter for found in await service.client_subscriptions("kept")] == ["kept/kept"]
        assert (await service.discard_offline(ClientQuery(client_id="kept"))).answers == (0, 1, 0)
        assert [world.engine.has_session("kept") for world in nodes.worlds.values()] == [True, False, True]


async def test_sessions_of_a_dead_node_are_counted_once() -> None:
    async with three_nodes() as nodes:
        nodes.keep_session("kept-2", 2)
        nodes.keep_session("kept-3", 3)
        nodes.kill(3)
        for asked in (1, 2):
            service = nodes.worlds[asked].service
            assert await names(service) == ["kept-2 on 2", "kept-3 on 1"]
            assert (await service.client("kept-3")).node_id == 1
        assert (await nodes.worlds[2].service.kick("kept-3")).node_id == 1


async def test_a_node_that_is_down_is_named_and_not_asked() -> None:
    async with three_nodes() as nodes:
        service = nodes.service
        nodes.connect_everywhere()
        nodes.kill(3)
        for gathered in (await service.brokers(), await service.stats(), await service.plugins()):
            assert len(gathered.answers) == 2 and gathered.missing == (DOWN,)
        assert (await service.stats_sum()).missing == (await service.metrics_sum()).missing == (DOWN,)
        assert (await service.clients()).missing == (await service.routes()).missing == (DOWN,)
        assert (await service.routes_of("common")).missing == (await service.subscriptions()).missing == (DOWN,)
        assert all(3 not in (sender, receiver) for sender, receiver, _, _ in nodes.network.frames)
        with pytest.raises(NodeUnreachable, match="node 3: is down"):
            await service.broker(3)
        with pytest.raises(ClientNotFound):  # its clients are off line, as the cluster has decided
            await service.client("client-3")
        assert not await service.is_online("client-3")
        nodes.state[3] = "left"
        with pytest.raises(NodeUnreachable, match="was stopped"):
            await service.broker(3)


async def test_without_a_link_nobody_says_that_a_client_is_off_line() -> None:
    async with three_nodes() as nodes:
        nodes.connect_everywhere()
        nodes.network.break_link(1, 3)
        with pytest.raises(NodeUnreachable, match="no link"):
            await nodes.service.is_online("client-3")
        assert (await nodes.service.clients()).missing == (MissingNode(3, "there is no link to it", "node-3"),)
        assert await nodes.worlds[2].service.is_online("client-3")


async def test_a_node_that_is_too_slow_is_named(autojump_clock: MockClock) -> None:
    async with three_nodes() as nodes:
        service = nodes.service
        nodes.connect_everywhere()
        nodes.silence(3)
        before = trio.current_time()
        gathered = await service.brokers()
        assert trio.current_time() - before == TIMEOUT_S
        assert len(gathered.answers) == 2 and gathered.missing == (SLOW,)
        assert (await service.clients()).missing == (SLOW,)
        with pytest.raises(NodeUnreachable, match="no answer"):
            await service.client("client-3")
        with pytest.raises(NodeUnreachable, match="no answer"):
            await service.stats_of(3)
        assert (await service.client("client-2")).node_id == 2


async def test_a_change_without_an_answer_may_have_been_made(autojump_clock: MockClock) -> None:
    async with three_nodes() as nodes:
        nodes.connect_everywhere()
        nodes.silence(3)
        peers = nodes.peers[1]
        before = trio.current_time()
        with pytest.raises(OutcomeUnknown, match="node 3 doesn't answer"):
            await peers.ask(3, Kick("client-3"))
        assert trio.current_time() - before == CHANGE_TIMEOUT_S
        missing = (await nodes.service.discard_offline()).missing
        assert [node.node_id for node in missing] == [3] and "may or may not" in missing[0].reason
        nodes.network.break_link(1, 3)
        with pytest.raises(NodeUnreachable, match="no link"):  # that one wasn't even sent
            await peers.ask(3, Kick("client-3"))


async def test_a_node_that_answers_nonsense_is_named() -> None:
    async with three_nodes() as nodes:
        service = nodes.service
        nodes.connect_everywhere()
        nodes.talk_nonsense(3)
        gathered = await service.brokers()
        assert len(gathered.answers) == 2
        (missing,) = gathered.missing
        assert (missing.node_id, missing.name) == (3, "node-3") and "can't be read" in missing.reason
        with pytest.raises(NodeUnreachable, match="can't be read"):
            await service.broker(3)
        with pytest.raises(OutcomeUnknown, match="node 3"):
            await service.load_plugin(3, "rmq-a")
        assert nodes.peers[1].exchange.counters.unreadable == 3
        assert (await service.broker(2)).node.node_id == 2


async def test_a_question_that_a_node_does_not_know_is_told_as_such() -> None:
    async with three_nodes() as nodes:

        def older(sender: int, receiver: int, kind: int, body: bytes) -> bool:
            if receiver == 2 and kind == frames.REQUEST:
                changed = body.replace(b"AskBroker", b"AskFuture").replace(b"LoadPlugin", b"LoadFuture")
                nodes.network.exchanges[2].received(sender, kind, changed)
                return True
            return False

        nodes.network.instead = older
        with pytest.raises(NodeUnreachable) as caught:
            await nodes.service.broker(2)
        assert caught.value.reason == "node 2 can't read the question: there is no question 'AskFuture'"
        with pytest.raises(NodeUnreachable, match="LoadFuture"):  # it wasn't done, so that isn't unknown
            await nodes.service.load_plugin(2, "rmq-a")


CALLS: list[Callable[[ManagementService], Awaitable[object]]] = [
    lambda service: service.client("c" * 2000),
    lambda service: service.clients(ClientQuery(queue_from=1 << 70)),
    lambda service: service.clients(ClientQuery(username="\ud800")),
]


@pytest.mark.parametrize("call", CALLS)
async def test_what_cannot_be_sent_is_a_bad_query(call: Callable[[ManagementService], Awaitable[object]]) -> None:
    async with three_nodes(ExchangeOptions(max_frame=1500)) as nodes:
        with pytest.raises(BadQuery, match="other nodes"):
            await call(nodes.service)


async def test_more_than_an_answer_may_have_is_told() -> None:
    async with three_nodes(ExchangeOptions(max_frame=1000, max_answer=4000)) as nodes:
        for number in range(100):
            nodes.worlds[2].engine.connect(f"many-{number:03}")
        page = await nodes.service.clients()
        assert [node.node_id for node in page.missing] == [2] and "fewer rows" in page.missing[0].reason
        assert len((await nodes.service.clients(paging=Paging(3))).items) == 3


async def test_a_client_that_moves_while_it_is_kicked_is_kicked_where_it_went() -> None:
    async with three_nodes() as nodes:
        nodes.worlds[2].engine.connect("rover")

        def move(sender: int, receiver: int, kind: int, body: bytes) -> bool:
            if receiver == 2 and b"Kick" in body:
                nodes.worlds[2].engine.connections[0].lose("gone")
                nodes.worlds[2].engine.turn()
                nodes.worlds[3].engine.connect("rover")
                nodes.network.instead = lambda *frame: False
            return False

        nodes.network.instead = move
        assert (await nodes.service.kick("rover")).node_id == 3
        with pytest.raises(ClientNotFound):
            await nodes.service.kick("rover")


async def test_a_node_that_has_other_members_is_not_alone() -> None:
    async with three_nodes() as nodes:
        assert not nodes.peers[1].is_alone
        nodes.kill(2)
        nodes.kill(3)
        assert not nodes.peers[1].is_alone
        del nodes.state[2], nodes.state[3]
        assert nodes.peers[1].is_alone


async def test_a_refusal_of_one_node_is_its_missing_answer() -> None:
    async with three_nodes() as nodes:
        del nodes.worlds[3].plugins.known["rmq-a"]
        gathered = await nodes.peers[1].ask_all(AskPlugin("rmq-a"))
        assert len(gathered.answers) == 1
        assert gathered.missing == (MissingNode(3, "there is no plugin 'rmq-a'", "node-3"),)
