"""Slow subscriptions: who is listed, for how long, and that nobody listens unless they are wanted."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rmq.management.errors import BadQuery
from rmq.management.messages.slow_subscriptions import OWNER, SlowRules
from tests.support.wire_parser import Publish
from tests.unit.management.world import Peers, World

RULES = SlowRules(enabled=True, threshold_s=0.5, expire_s=60, top=2)


def listens(world: World) -> bool:
    return any(handle.plugin == OWNER for handle in world.engine.hooks.handles("message_acked"))


def deliver(world: World, client_id: str, topic: str, took_s: float) -> None:
    """A message at QoS 1 whose PUBACK comes so late."""
    client = world.engine.connect(client_id)
    client.subscribe((topic, 1))
    world.engine.connect("p").publish(topic, b"", 1)
    message = client.take(Publish)
    world.engine.advance(took_s)
    client.acknowledge([message])
    client.disconnect()


async def test_who_is_listed(world: World) -> None:
    operations = world.service.operations
    assert operations.slow_subscriptions.rules == SlowRules() and not listens(world)
    deliver(world, "c", "t", 5)
    assert await operations.slow_subscriptions.change_rules(RULES) == operations.slow_subscriptions.rules
    for client_id, topic, took_s in (
        ("c1", "t", 0.4),
        ("c2", "t", 2),
        ("c3", "t", 1),
        ("c2", "t", 1.5),
        ("c4", "u", 3),
    ):
        deliver(world, client_id, topic, took_s)
    slow = (await operations.slow()).answers
    assert [(view.client_id, view.topic, round(view.took_s, 3)) for view in slow] == [("c4", "u", 3), ("c2", "t", 2)]
    assert slow[0].at == world.engine.time
    world.engine.advance(61)
    assert (await operations.slow()).answers == ()
    deliver(world, "c1", "t", 1)
    await operations.forget_slow()
    assert (await operations.slow()).answers == ()
    await operations.slow_subscriptions.change_rules(replace(RULES, enabled=False))
    assert not listens(world)


async def test_however_many_are_slow(world: World) -> None:
    operations = world.service.operations
    await operations.slow_subscriptions.change_rules(RULES)
    for number in range(20):
        deliver(world, f"c{number}", "t", 1 + (number * 7 % 20) / 20)
    slow = world.local.operations.slow_subscriptions
    assert len(slow._found) <= 7
    assert [round(view.took_s, 2) for view in (await operations.slow()).answers] == [1.95, 1.9]


async def test_those_of_all_nodes(world: World) -> None:
    other = World(2)
    world.service._peers = Peers([other])
    for number, each in enumerate((world, other)):
        await each.service.operations.slow_subscriptions.change_rules(RULES)
        deliver(each, f"c{number}", "t", 1 + number)
        deliver(each, f"d{number}", "t", 0.6)
    slow = (await world.service.operations.slow()).answers
    assert [(view.node.node_id, view.client_id) for view in slow] == [(2, "c1"), (1, "c0")]


@pytest.mark.parametrize("rules", [{"threshold_s": 0.01}, {"expire_s": 0}, {"top": 0}, {"top": 1001}])
async def test_what_the_rules_cant_be(world: World, rules: dict[str, float]) -> None:
    with pytest.raises(BadQuery):
        await world.service.operations.slow_subscriptions.change_rules(replace(RULES, **rules))  # type: ignore[arg-type]  # numbers of either kind
