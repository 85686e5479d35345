"""Figures of single topic names: what is counted, on all nodes, and that nobody listens without one."""

from __future__ import annotations

import pytest

from rmq.management.errors import AccountExists, AccountNotFound, BadQuery, TooManyTopics
from rmq.management.messages.topic_metrics import MAX_TOPICS, OWNER
from rmq.storage.accounts import Account
from tests.unit.management.world import Peers, World


def listens(world: World) -> bool:
    return any(handle.plugin == OWNER for handle in world.engine.hooks.handles("message_publish"))


async def test_what_is_counted(world: World) -> None:
    operations = world.service.operations
    await operations.topic_metrics.create("t")
    world.engine.advance(10)
    client = world.engine.connect("c")
    subscriber = world.engine.connect("s")
    subscriber.subscribe(("t", 1))
    for qos in (0, 1, 2):
        client.publish("t", b"", qos)
        client.publish("u", b"", qos)
    subscriber.receive_all()
    (figures,) = (await operations.topic_figures()).answers
    assert figures.counts == {
        "in": 3, "qos0.in": 1, "qos1.in": 1, "qos2.in": 1,
        "out": 3, "qos0.out": 1, "qos1.out": 1, "qos2.out": 1, "dropped": 0,
    }  # fmt: skip
    assert figures.rates["in"] == pytest.approx(0.3, abs=0.01) and figures.reset_at is None
    world.engine.advance(1)
    await operations.topic_metrics.reset("t")
    (figures,) = (await operations.topic_figures()).answers
    assert not any(figures.counts.values()) and figures.reset_at == world.engine.time > figures.created_at
    subscriber.lose()
    client.publish("t")
    await operations.topic_metrics.reset()
    await operations.topic_metrics.delete("t")
    assert not listens(world)


async def test_which_can_be_counted(world: World) -> None:
    metrics = world.service.operations.topic_metrics
    for topic in ("", "t/#", "t/+", "t" * 257):
        with pytest.raises(BadQuery):
            await metrics.create(topic)
    assert not listens(world)
    await metrics.create("t")
    with pytest.raises(AccountExists):
        await metrics.create("t")
    for call in (metrics.delete("u"), metrics.reset("u")):
        with pytest.raises(AccountNotFound):
            await call
    for number in range(1, MAX_TOPICS):
        value = b'{"created_at": 1.0, "reset_at": null}'
        world.broker.state.accounts.enter(Account("topic_metrics", f"t{number}", value, number))
    with pytest.raises(TooManyTopics):
        await metrics.create("u")
    await metrics.clear()
    assert metrics.figures() == () and not listens(world)


async def test_all_nodes_are_added_up(world: World) -> None:
    other = World(2)
    world.service._peers = Peers([other, World(3)], {3})
    for each in (world, other):
        await each.service.operations.topic_metrics.create("t")
        each.engine.connect("c").publish("t")
    gathered = await world.service.operations.topic_figures()
    assert [figures.counts["in"] for figures in gathered.answers] == [2]
    assert [node.node_id for node in gathered.missing] == [3]
