"""Delayed messages through management: listed, taken out, and the rules for them changed for all nodes."""

from __future__ import annotations

import pytest

from rmq.management.errors import BadQuery, DelayedNotFound
from rmq.management.queries import Paging
from tests.unit.management.world import World


def allow(world: World) -> None:
    world.engine.limits.delayed_publish = True
    world.local.operations.listener_limits = [world.engine.limits]
    world.broker.account_watch.look()


async def test_from_waiting_to_taken_out(world: World) -> None:
    allow(world)
    client = world.engine.connect("p")
    listener = world.engine.connect("s")
    listener.subscribe(("t/#", 1))
    for seconds, topic in ((10, "t/1"), (20, "t/2"), (30, "t/2")):
        client.publish(f"$delayed/{seconds}/{topic}", b"later", qos=1)
    delayed = world.service.operations.delayed
    page = await delayed.messages(Paging.page(1, 2))
    assert page.total == 3 and page.has_more and len(page.items) == 2
    (first,) = (await delayed.messages(Paging(), "t/1")).items
    assert (first.topic, first.payload, first.qos, first.publisher) == ("t/1", b"later", 1, "p")
    assert first.due_at - first.created_at == pytest.approx(10)
    assert delayed.message(first.key) == first
    await delayed.delete(first.key)
    assert await delayed.delete_topic("t/2") == 2
    for call in (delayed.delete(first.key), delayed.delete_topic("t/2")):
        with pytest.raises(DelayedNotFound):
            await call
    world.engine.advance(60)
    assert listener.receive_all() == []


async def test_the_rules_are_changed_and_go_back(world: World) -> None:
    allow(world)
    delayed = world.service.operations.delayed
    before = delayed.rules()
    assert before.enabled
    assert (await delayed.change_rules(max_messages=1)).max_messages == 1
    client = world.engine.connect("p")
    assert client.publish("$delayed/10/t", qos=1) < 0x80
    assert client.publish("$delayed/10/t", qos=1) == 0x97
    await delayed.change_rules(enabled=False)
    assert delayed.rules().max_messages == 1 and not world.engine.limits.delayed_publish
    await world.local.operations.settings.reset("delayed")
    assert delayed.rules() == before
    with pytest.raises(BadQuery):
        await delayed.change_rules(max_messages=-1)
