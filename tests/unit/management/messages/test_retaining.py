"""Rules for retained messages: those of the configuration, those of a plugin, and what a node brings when it starts."""

from __future__ import annotations

import json

import pytest

from rmq.management.errors import BadQuery, StorageUnavailable
from rmq.management.messages.retaining import PLUGIN, RetainRules
from rmq.management.node.condition import SERVING, STOPPING
from rmq.management.node.plugin_configs import KIND
from rmq.storage.records import Configure, Operation
from tests.unit.management.world import World

CONFIGURED = RetainRules(0, 0, 0)
OTHERS = RetainRules(2, 100, 60)


def brings(world: World) -> tuple[int, int]:
    own = world.broker.own_rules()
    return own.max_retained, own.max_retained_payload


async def keep(world: World, **values: object) -> None:
    await world.local.accounts.create(KIND, PLUGIN, json.dumps(values).encode())


async def test_a_plugins_rules_hold_until_it_gives_them_back() -> None:
    world = World()
    retaining = world.local.operations.retaining
    for phase in (world.local.condition.phase, SERVING):
        world.local.condition.phase = phase
        await retaining.put(OTHERS)
        assert retaining.rules() == OTHERS and brings(world) == (2, 100)
        await retaining.put(None)
        assert retaining.rules() == CONFIGURED and brings(world) == (0, 0)


async def test_a_node_that_stops_changes_nothing_for_the_others() -> None:
    world = World()
    retaining = world.local.operations.retaining
    await retaining.put(OTHERS)
    world.local.condition.phase = STOPPING
    await retaining.put(None)
    assert (retaining.rules().max_messages, retaining.rules().max_payload_size) == (2, 100)


async def test_what_an_api_has_set_is_what_a_node_brings_before_its_plugin_runs() -> None:
    world = World()
    await keep(world, max_retained_messages=7, max_payload_size=70, retained_message_ttl=5)
    assert brings(world) == (7, 70)
    await world.local.operations.retaining.put(OTHERS)
    assert brings(world) == (7, 70), "others may have set it while this node was away"
    await world.local.operations.retaining.put(None)
    assert brings(world) == (0, 0), "the plugin was unloaded"


async def test_a_value_that_was_written_otherwise_is_left_to_the_plugin() -> None:
    world = World()
    await keep(world, max_payload_size="1KB")
    assert brings(world) == (0, 0)


async def test_what_cant_be_decided_leaves_everything_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    world.local.condition.phase = SERVING

    async def refuse(operations: list[Operation]) -> None:
        assert isinstance(operations[0], Configure)
        raise StorageUnavailable

    monkeypatch.setattr(world.local.changes, "propose", refuse)
    retaining = world.local.operations.retaining
    with pytest.raises(StorageUnavailable):
        await retaining.put(OTHERS)
    assert retaining.rules() == CONFIGURED and brings(world) == (0, 0)


@pytest.mark.parametrize("name", ["max_messages", "max_payload_size", "expiry_s"])
def test_numbers_have_bounds(name: str) -> None:
    for value in (-1, 2**31):
        with pytest.raises(BadQuery) as caught:
            RetainRules(**{"max_messages": 0, "max_payload_size": 0, "expiry_s": 0, name: value})
        assert name in str(caught.value)
